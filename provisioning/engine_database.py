"""The database that DBOS keeps beside the store: which call of which job comes next."""

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

POLL_S = 0.1  # an idle look costs about 2 ms


def open_database(data_dir: Path, url: SecretStr | str | None, application: str, queues: Mapping[str, int]) -> str:
    """Return the URL of the database, in which DBOS's tables and *queues* (name → jobs at once) then are.

    *url*: ``postgresql://…``; None: SQLite in *data_dir*.
    """
    from dbos import DBOS, DBOSClient

    match url:
        case None:
            file = data_dir / "engine.db"
            with contextlib.closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")  # kept in the file
            file.chmod(0o600)
            opened = f"sqlite:///{file}"
        case SecretStr():
            opened = url.get_secret_value()
        case str():
            opened = url
    DBOS.migrate(opened)
    # Before launch: a queue that launch does not find is looked for a second later.
    client = DBOSClient(system_database_url=opened, application_name=application)
    try:
        for name, at_once in queues.items():
            client.register_queue(
                name, partition_concurrency=1, worker_concurrency=at_once, polling_interval_sec=POLL_S
            )
    finally:
        client.destroy()
    return opened
