"""Coverage-guided fuzzing for as long as you like, where atheris is installed (it is no dependency).

    pip install atheris && python -m tests.fuzz.harness grammar -max_total_time=600

A find is written to the current folder: move it to tests/fuzz/seeds/TARGET, where every test run takes it.
"""

import importlib
import sys

from tests.fuzz.targets import SEEDS, TARGETS


def main(arguments: list[str]) -> int:
    """Fuzz one target. Returns 2 for wrong usage, 3 where atheris is not installed."""
    if len(arguments) < 2 or arguments[1] not in TARGETS:
        print(f"usage: python -m tests.fuzz.harness {{{','.join(TARGETS)}}} [libFuzzer options]")  # noqa: T201
        return 2
    try:
        atheris = importlib.import_module("atheris")
    except ModuleNotFoundError:
        print("atheris is not installed: pip install atheris")  # noqa: T201
        return 3
    target = arguments.pop(1)
    atheris.instrument_all()
    atheris.Setup([*arguments, str(SEEDS / target)], TARGETS[target])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
