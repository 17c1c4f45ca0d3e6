"""The store and the keys alone, as the evidence's commands need them: no cluster, no ClearML and no Slack."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bot.cli_actor import Identity, auditing_no, identity_alone, record_proof
from bot.cli_failures import CliError, Code
from bot.cli_settings import data_file, read_settings, redactor

if TYPE_CHECKING:
    from provisioning.evidence.checkpoints import Checkpoints
    from provisioning.evidence.keys import Keyring
    from provisioning.store import Store


@contextmanager
def evidence() -> Iterator[tuple["Store", "Checkpoints", "Keyring"]]:
    """Open the store, and what signs its rows."""
    from provisioning.clock import SystemClock
    from provisioning.evidence.checkpoints import Checkpoints
    from provisioning.evidence.keys import Keyring

    settings = read_settings()
    with store_alone() as store:
        keyring = Keyring(settings.audit, settings.data_dir.expanduser())
        rows, seconds = settings.audit.checkpoint_rows, settings.audit.checkpoint_s
        yield store, Checkpoints(store, keyring, SystemClock(), every_rows=rows, every_s=seconds), keyring


@contextmanager
def store_alone() -> Iterator["Store"]:
    """Open the store; Raises: CliError, where there is none."""
    from provisioning.clock import SystemClock
    from provisioning.store import Store

    path = path_of(None)
    if not path.is_file():
        what = f"opening the store: there is no file {path}"
        raise CliError(Code.NOT_SET_UP, what, "set CLEARML_CHATOPS_DATA_DIR to the data folder")
    store = Store(path, clock=SystemClock(), redact=redactor())
    try:
        yield store
    finally:
        store.close()


def known(store: "Store", *, command: str) -> Identity:
    """Return who runs *command*, for audit rows of what needs no role. A token is audited. Raises: ChatopsError."""
    with auditing_no(store, command=command):
        who = identity_alone()
    record_proof(store, who, command=command)
    return who


def record(store: "Store", action: str, subject: str, detail: dict[str, str], who: Identity | None = None) -> None:
    """Write an audit row of *who* runs the command line. Raises: ChatopsError, where that is not proven."""
    from provisioning.evidence.trail import Event

    who = who or known(store, command=action)
    store.record(Event(action=action, actor=who.id, actor_name=who.name, subject=subject, detail=detail))


def path_of(db: Path | None) -> Path:
    """Return *db*, else the store in the data folder."""
    if db is not None:
        return db
    return data_file()
