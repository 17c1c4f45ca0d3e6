"""What goes wrong on the command line, told in one place: lines for people, with ``--json`` one object for machines.

Both go to standard error. Whatever raises `CliError` or a `ChatopsError` below is told and gives its exit code here.
"""

import io
import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import TYPE_CHECKING

import typer
from typer.exceptions import TyperException

from commands.catalog import COMMAND
from provisioning.errors import ChatopsError, TemporaryError, UnreachableError

if TYPE_CHECKING:
    from policies.approvals import Refusal

_as_json: ContextVar[bool] = ContextVar("as_json", default=False)


class Code(StrEnum):
    """What scripts may rely on: the ``code`` of an error. docs/operations.md tells of them."""

    USAGE = "usage"
    NOT_SET_UP = "not_set_up"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    FAILED = "failed"
    JOB_FAILED = "job_failed"
    TRY_AGAIN = "try_again"
    UNREACHABLE = "unreachable"
    NOT_OK = "not_ok"
    INTERRUPTED = "interrupted"
    FAULT = "fault"


_EXITS: Mapping[Code, int] = {Code.USAGE: 2, Code.NOT_SET_UP: 3, Code.INTERRUPTED: 130}  # the others: 1


def exit_of(code: Code) -> int:
    """Return the exit code that goes with *code*."""
    return _EXITS.get(code, 1)


class CliError(Exception):
    """The command ends here.

    Args:
        code: what kind of failure it is.
        what: what was being done, and what went wrong.
        next_action: what the reader does next.
        details: the failing part's own words.
        incident: the id under which the log has more.
        page: what people are shown in place of all that.
    """

    def __init__(
        self, code: Code, what: str, next_action: str = "", details: str = "", *, incident: str = "", page: str = ""
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.next_action = next_action
        self.details = details
        self.incident = incident
        self.page = page


def refused(refusal: "Refusal") -> CliError:
    """Return a refusal as the command line tells it."""
    return CliError(Code.REFUSED, refusal.reason, refusal.next_action)


def note(text: str) -> None:
    """Say something that is no part of the answer, on standard error."""
    typer.echo(json.dumps({"note": text}, ensure_ascii=False) if _as_json.get() else text, err=True)


def exit_code_of(run: Callable[[], object], words: Sequence[str]) -> int:
    """Return the exit code of *run*, the command line of *words*; what goes wrong is told."""
    with _telling("--json" in words):
        failed = None
        try:
            returned = run()
            code = returned if isinstance(returned, int) else 0
            if code == _EXITS[Code.INTERRUPTED]:
                failed = CliError(Code.INTERRUPTED, "interrupted", "see clearml-chatops jobs: what had begun may go on")
            elif code and _as_json.get():
                failed = CliError(Code.NOT_OK, "the answer is no: standard output says why")
        except CliError as error:
            failed, code = error, exit_of(error.code)
        except ChatopsError as error:
            failed, code = of_error(error), 1
        except typer.Abort:
            failed, code = CliError(Code.INTERRUPTED, "interrupted"), _EXITS[Code.INTERRUPTED]
        except TyperException as error:
            failed, code = _of_usage(error), error.exit_code
        except Exception as error:  # noqa: BLE001 - a fault of ours: an incident, and the log has all of it
            failed, code = _of_fault(error), 1
        if failed is not None:
            _tell(failed)
        return code


def of_error(error: ChatopsError) -> CliError:
    """Return an error of the product's as the command line tells it."""
    match error:
        case UnreachableError():
            code = Code.UNREACHABLE
        case TemporaryError():
            code = Code.TRY_AGAIN
        case _:
            code = Code.FAILED
    return CliError(code, error.what, error.next_action, error.details)


@contextmanager
def _telling(as_json: bool) -> Iterator[None]:
    token = _as_json.set(as_json)
    try:
        yield
    finally:
        _as_json.reset(token)


def _tell(failed: CliError) -> None:
    if _as_json.get():
        error = {
            "code": failed.code.value,
            "message": as_typed_here(failed.what),
            "next": as_typed_here(failed.next_action),
        }
        more = {name: text for name in ("details", "incident") if (text := getattr(failed, name))}
        typer.echo(json.dumps({"error": error | more}, ensure_ascii=False), err=True)
    elif failed.page:
        typer.echo(failed.page, err=True)
    else:
        complain(failed.what, failed.next_action, failed.details)


def complain(what: str, next_action: str = "", details: str = "") -> None:
    """Print for people what went wrong, and what to do next, to standard error."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(as_typed_here(what), style="red", markup=False)
    if details:
        console.print(details, markup=False)
    if next_action:
        console.print(f"next: {as_typed_here(next_action)}", markup=False)


def as_typed_here(text: str) -> str:
    """Return *text* with the commands that it names as they are typed on the command line, not in Slack."""
    return text.replace(f"{COMMAND} ", "clearml-chatops ")


def _of_usage(error: TyperException) -> CliError:
    """Return wrong usage that typer found, with its own page for people: the usage, and what is wrong."""
    context = getattr(error, "ctx", None)
    page = io.StringIO()
    error.show(file=page)  # type: ignore[attr-defined]  # of every one that is about usage
    next_action = f"see {context.command_path} --help" if context is not None else ""
    return CliError(Code.USAGE, error.format_message(), next_action, page=page.getvalue().rstrip())


def _of_fault(error: Exception) -> CliError:
    from bot.cli_settings import redactor
    from bot.logs import set_up

    incident = uuid.uuid4().hex[:8]
    set_up(redactor(), "json" if _as_json.get() else "text", level="WARNING")
    logging.getLogger(__name__).error("incident %s", incident, exc_info=error)
    said = "report it with the lines above: nothing that you typed should do this"
    return CliError(Code.FAULT, f"an internal error, incident {incident}", said, incident=incident)
