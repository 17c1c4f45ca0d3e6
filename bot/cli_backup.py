"""`clearml-chatops backup` and `restore`: the bot's state, beside a running bot, and back."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli_actor import identity_alone, record_proof
from bot.cli_app import App
from bot.cli_failures import note
from bot.cli_print import AsJson, tell
from bot.cli_settings import read_settings, redactor
from bot.cli_store import record, store_alone

app = App(name="backups")


@app.command(examples=("backup /backups",))
def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the backup's own folder is made.")],
    json_output: AsJson = False,
) -> None:
    """Copy the bot's state into a folder, beside a running bot.

    It holds the store, the engine's database and sealed segments, all of one moment.

    Neither settings nor keys are in it. An engine on PostgreSQL is backed up by PostgreSQL's own means.
    """
    from provisioning.clock import SystemClock
    from provisioning.errors import PermanentError
    from provisioning.evidence.backup import STORE
    from provisioning.evidence.backup import backup as make
    from provisioning.store import Store

    clock = SystemClock()
    settings = read_settings()
    path = settings.data_dir.expanduser() / STORE
    if not path.is_file():
        raise PermanentError(f"there is nothing to back up: no {path}", next_action="set CLEARML_CHATOPS_DATA_DIR")
    store = Store(path, clock=clock, redact=redactor())
    try:
        record(store, "backup.made", "", {"folder": str(folder.absolute())})
        made = make(store, folder.expanduser(), now=clock.now())
    finally:
        store.close()
    if settings.engine.database_url is not None:
        note("the engine's database is not in it: back up PostgreSQL as well")
    tell({"folder": str(made), "with_engine": settings.engine.database_url is None}, str(made), as_json=json_output)


@app.command(examples=("restore /backups/clearml-chatops-20260107T120000Z",))
def restore(
    made: Annotated[Path, typer.Argument(metavar="BACKUP", help="A folder that `backup` made.")],
    json_output: AsJson = False,
) -> None:
    """Put a backup in place of the present state.

    What was there is moved aside and kept. Refused while a bot runs on the data folder.
    """
    from provisioning.clock import SystemClock
    from provisioning.data_folder import locked
    from provisioning.evidence.backup import STORE, head_of
    from provisioning.evidence.backup import restore as put_back

    who = identity_alone()
    data_dir = read_settings().data_dir.expanduser()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(data_dir, doing="restoring a backup"):
        row, head = head_of(data_dir / STORE)
        aside = put_back(made.expanduser(), data_dir, now=SystemClock().now())
        with store_alone() as store:  # the trail that comes back knows nothing of the rows that went
            detail = {"folder": str(made.absolute()), "replaced_row": str(row), "replaced_head": head}
            record_proof(store, who, command="restore")
            record(store, "backup.restored", "", detail, who)
    said = f"restored {made}" + (f"; what was there is in {aside}" if aside else "")
    tell({"restored": str(made), "aside": str(aside) if aside else None}, said, as_json=json_output)
