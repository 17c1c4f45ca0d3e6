"""``make bench``: every row, or those named by ``--only``."""

import argparse
import sys
from collections.abc import Callable

from bench import capacity, fleet, tenant_create, whatif
from bench.rows import Row, show

BENCHES: dict[str, Callable[[int], list[Row]]] = {
    "tenant_create": tenant_create.rows,
    "fleet": fleet.rows,
    "capacity": capacity.rows,
    "whatif": whatif.rows,
}


def main() -> int:
    """Run the benches and print one table. Nothing is judged: ratios are for people to read."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted pairs of each row (default 5)")
    parser.add_argument("--only", action="append", choices=sorted(BENCHES), help="may be repeated")
    asked = parser.parse_args()
    rows: list[Row] = []
    for name in asked.only or BENCHES:
        print(f"==> {name}", flush=True)
        rows += BENCHES[name](asked.runs)
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
