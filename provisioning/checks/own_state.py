"""The bot's own store: whole, signed for, with room to grow; and names that must resolve."""

import shutil
import socket
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from provisioning.checks.findings import Finding, Look, fail, ok, warn
from provisioning.evidence.verifier import verify

FREE_WARN_MIB, FREE_FAIL_MIB = 2048, 256


def looks(data_dir: Path, hosts: Mapping[str, str]) -> list[Look]:
    """Return what to look at. *hosts*: what a URL is for → the URL."""
    database = data_dir / "chatops.db"
    return [
        Look(what="store", run=lambda: [store(database)]),
        Look(what="audit trail", run=lambda: [audit(database, datetime.now(UTC))]),
        Look(what="free disk", run=lambda: [disk(data_dir)]),
        *(Look(what=f"DNS of {name}", run=partial(dns, name, url)) for name, url in hosts.items()),
    ]


def store(database: Path) -> Finding:
    """Look for damage in the database."""
    if not database.exists():
        return ok("store", "not made yet")
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
            said = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
    except sqlite3.DatabaseError as error:
        said = [str(error)]
    if said == ["ok"]:
        return ok("store", f"whole, {database.stat().st_size // 1024} KiB")
    return fail("store", f"damaged: {'; '.join(said)[:300]}", "stop the bot and restore the newest backup")


def audit(database: Path, now: datetime) -> Finding:
    """Check the chain, and say how old its head is."""
    if not database.exists():
        return ok("audit trail", "not begun yet")
    verdict = verify(database)
    if not verdict.ok:
        first = verdict.problems[0]
        return fail("audit trail", f"row {first.seq}: {first.detail}", "keep the file; see audit verify")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        newest = connection.execute("SELECT max(at) FROM audit").fetchone()[0]
    age = f", the newest {_age(now - datetime.fromisoformat(newest))} old" if newest else ""
    return ok("audit trail", f"{verdict.rows} rows hold{age}; {verdict.signed} of them are signed for")


def disk(data_dir: Path) -> Finding:
    """Say how much room is left where the store lies."""
    there = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    free_mib = shutil.disk_usage(there).free // (1024 * 1024)
    action = f"make room on the volume of {data_dir.name}: without it no job can be recorded"
    if free_mib < FREE_FAIL_MIB:
        return fail("free disk", f"{free_mib} MiB", action)
    if free_mib < FREE_WARN_MIB:
        return warn("free disk", f"{free_mib} MiB", action)
    return ok("free disk", f"{free_mib / 1024:.1f} GiB")


def dns(name: str, url: str) -> list[Finding]:
    """Resolve the host of *url* as this machine does."""
    what, host = f"DNS of {name}", urlsplit(url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return [ok(what, f"{host} is an address")]
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)}
    except (OSError, UnicodeError):
        return [warn(what, f"{host or url[:80]!r} does not resolve from here", "make its record, or mend the resolver")]
    return [ok(what, f"{host} is {', '.join(sorted(map(str, found))[:3])}")]


def _age(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"
