"""`clearml-chatops backup` and `restore`: the bot's state, beside a running bot, and back."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli_jobs import fenced, read_settings, redactor


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(folder: Annotated[Path, typer.Argument(help="Where the backup's own folder is made.")]) -> None:
    """Copy the store, the engine's database and sealed segments, of one moment, beside a running bot.

    Neither settings nor keys are in it. An engine on PostgreSQL is backed up by PostgreSQL's own means.
    """
    from provisioning.clock import SystemClock
    from provisioning.errors import PermanentError
    from provisioning.evidence.backup import STORE
    from provisioning.evidence.backup import backup as make
    from provisioning.evidence.trail import Event
    from provisioning.store import Store

    clock = SystemClock()
    with fenced():
        settings = read_settings()
        path = settings.data_dir.expanduser() / STORE
        if not path.is_file():
            raise PermanentError(f"there is nothing to back up: no {path}", next_action="set CLEARML_CHATOPS_DATA_DIR")
        store = Store(path, clock=clock, redact=redactor())
        try:
            store.record(Event(action="backup.made", actor="os", detail={"folder": str(folder.absolute())}))
            made = make(store, folder.expanduser(), now=clock.now())
        finally:
            store.close()
    if settings.engine.database_url is not None:
        typer.echo("the engine's database is not in it: back up PostgreSQL as well", err=True)
    typer.echo(str(made))


def restore(made: Annotated[Path, typer.Argument(help="A folder that `backup` made.")]) -> None:
    """Put a backup in place of the present state, which is moved aside. Refused while a bot runs."""
    from provisioning.clock import SystemClock
    from provisioning.engine import locked
    from provisioning.evidence.backup import restore as put_back

    with fenced():
        data_dir = read_settings().data_dir.expanduser()
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(data_dir, doing="restoring a backup"):
            aside = put_back(made.expanduser(), data_dir, now=SystemClock().now())
    typer.echo(f"restored {made}" + (f"; what was there is in {aside}" if aside else ""))
