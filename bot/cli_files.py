"""Files on the command line: what answers bring (``--png FILE``, ``--export FILE``), what commands take (``-f``)."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commands import grammar
from commands.file_links import file_id_of
from commands.grammar import HelpRequest, Invocation, UsageError
from commands.help import usage_of
from commands.spec import file_fields
from provisioning.errors import PermanentError, reason_of

if TYPE_CHECKING:
    from provisioning.reports import Attachment

PNG, EXPORT = "--png", "--export"
KINDS = ("csv", "json")


READ_FLAGS = ("-f", "--file")
MOST_BYTES = 1_048_576  # commands have smaller limits of their own, and say so better


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where files go. A picture is drawn only where somebody wants it; an export without a path gets its own name."""

    png: Path | None = None
    export: Path | None = None


def taken_from(words: Sequence[str]) -> tuple[list[str], Wanted]:
    """Return the words without file names, and the files: ``--export gpus.csv`` asks for csv, in that file."""
    rest: list[str] = []
    png: Path | None = None
    export: Path | None = None
    given = iter(words)
    for word in given:
        name, equals, value = word.partition("=")
        if name not in {PNG, EXPORT}:
            rest.append(word)
            continue
        value = value if equals else next(given, "")
        if name == PNG:
            png = Path(value or "picture.png")
            continue
        kind = Path(value).suffix.removeprefix(".")
        if value not in KINDS and kind in KINDS:
            export, value = Path(value), kind
        rest += [EXPORT, value]
    return rest, Wanted(png=png, export=export)


def write(attachments: Sequence["Attachment"], wanted: Wanted) -> list[Path]:
    """Write what is wanted and return the paths. Raises: PermanentError."""
    written = []
    for each in attachments:
        is_picture = each.name.endswith(".png")
        path = wanted.png if is_picture else wanted.export or Path(each.name)
        if path is None:
            continue
        try:
            path.write_bytes(each.content)
        except OSError as error:
            raise PermanentError(
                f"writing {path}: {reason_of(error)}", next_action="choose a file that can be written"
            ) from error
        written.append(path)
    if wanted.png is not None and wanted.png not in written:
        raise PermanentError(f"there is no picture to write to {wanted.png}", next_action="leave --png out")
    return written


def understood(words: Sequence[str]) -> Invocation | UsageError | HelpRequest:
    """Return what *words* say; ``-f FILE`` stands for the argument that is a file, ``-f -`` for standard input.

    Raises: PermanentError where the file cannot be read.
    """
    rest, path = _split(words)
    said = grammar.parse(shlex.join(rest))
    if isinstance(said, Invocation) and any(
        file_id_of(str(getattr(said.args, name))) for name in file_fields(said.spec)
    ):
        message = "a link to a file is read in Slack only: download it, and name it with -f FILE"
        return UsageError(message=message, usage=usage_of(said.spec), spec=said.spec)
    if path is None or isinstance(said, HelpRequest) or said.spec is None:
        return said
    spec = said.spec
    field = next(iter(file_fields(spec)), None)
    if isinstance(said, Invocation):
        what = f"-f {path} has no place here" if field is None else "name the file, or say it on the line: not both"
        return UsageError(message=what, usage=usage_of(spec), spec=spec)
    if field is None or said.missing != (field,) or said.fields:
        return said
    return grammar.build(spec, {**dict(said.given), field: _content(path)}, how=said.how)


def _split(words: Sequence[str]) -> tuple[list[str], str | None]:
    rest: list[str] = []
    path: str | None = None
    given = iter(words)
    for word in given:
        name, equals, value = word.partition("=")
        if name in READ_FLAGS:
            path = value if equals else next(given, "")
        else:
            rest.append(word)
    return rest, path


def _content(path: str) -> str:
    doing = "reading standard input" if path == "-" else f"reading {path or 'a file without a name'}"
    try:
        content = sys.stdin.buffer.read(MOST_BYTES + 1) if path == "-" else _bytes_of(Path(path))
        if len(content) > MOST_BYTES:
            raise PermanentError(f"{doing}: it is larger than {MOST_BYTES} bytes", next_action="split it")
        return content.decode()
    except OSError as error:
        raise PermanentError(f"{doing}: {reason_of(error)}", next_action="check the path") from error
    except UnicodeDecodeError as error:
        raise PermanentError(f"{doing}: it is not UTF-8 text", next_action="save it as UTF-8") from error


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)
