"""Twenty tenants at once: one file through the product against the guide's script, in a row and by ``xargs -P``.

All on the same cluster and server, one way after the other, in one run.
"""

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing

from bench.rows import Row
from bench.tenant_create import SCRIPT, by_product, by_script, script_environment, world
from sandbox.world import World

TENANTS = 20
AT_ONCE = 8  # what the product runs at once, by default
MOST_RUNS = 3  # each makes three times as many tenants
LONGEST_S = 900.0
LOOK_S = 0.05
WAIT_FOR_FORM_S = 20.0


def rows(runs: int) -> list[Row]:
    """Return the file, from the click to the last tenant's end, against both ways to run the script."""
    product: list[float] = []
    in_a_row: list[float] = []
    by_xargs: list[float] = []
    with world() as made:
        by_script(made, "warm-script")
        by_product(made, "warm-product")
        for run in range(min(runs, MOST_RUNS)):
            by_xargs.append(scripts(made, _names("xargs", run), at_once=AT_ONCE))
            product.append(one_file(made, _names("product", run)))
            in_a_row.append(scripts(made, _names("row", run), at_once=1))
    what = f"tenant apply: {TENANTS} tenants"
    return [
        Row(what=what, ours=product, theirs=in_a_row, against=f"{SCRIPT.name}, one after the other"),
        Row(what=what, ours=product, theirs=by_xargs, against=f"{SCRIPT.name}, xargs -P {AT_ONCE}"),
    ]


def one_file(made: World, names: Sequence[str]) -> float:
    """Return the seconds from the submitted form to the success of the batch."""
    documents = "---\n".join(f"name: {name}\nadmin_email: ana@{name}.example\n" for name in names)
    made.workspace.command("operator", "#platform-ops", "/clearml tenant apply")
    made.workspace.wait(lambda: made.workspace.modal("operator"), WAIT_FOR_FORM_S)
    made.workspace.fill("operator", {"Specs": documents})
    began = time.monotonic()
    made.workspace.submit("operator", "Plan it")
    with closing(sqlite3.connect(f"file:{made.database}?mode=ro", uri=True)) as db:
        while time.monotonic() - began < LONGEST_S:
            found = db.execute(
                "SELECT state, body FROM jobs WHERE subject LIKE 'batch-%' ORDER BY number DESC LIMIT 1"
            ).fetchone()
            if found is not None and names[0] in found[1]:
                if found[0] == "succeeded":
                    return time.monotonic() - began
                if found[0] not in {"queued", "running"}:
                    raise RuntimeError(f"batch of {names[0]} …: {found[0]}: {json.loads(found[1]).get('failure')}")
            time.sleep(LOOK_S)
    raise RuntimeError(f"batch of {names[0]} …: no end within {LONGEST_S:.0f} s")


def scripts(made: World, names: Sequence[str], *, at_once: int) -> float:
    """Return the seconds that the script takes for all *names*, *at_once* of them at the same time."""
    lines = "".join(f"{name} ana@{name}.example {name}.example\n" for name in names)
    began = time.monotonic()
    subprocess.run(
        ["xargs", "-P", str(at_once), "-L", "1", str(SCRIPT)],
        input=lines.encode(),
        env=os.environ | script_environment(made, names[0]),
        check=True,
        capture_output=True,
        timeout=LONGEST_S,
    )
    return time.monotonic() - began


def _names(way: str, run: int) -> list[str]:
    return [f"{way}-{run}-{number:02}" for number in range(TENANTS)]
