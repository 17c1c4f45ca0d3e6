"""Coverage-guided fuzzing for as long as you like, where atheris is installed (it is no dependency).

    pip install atheris && python -m tests.fuzz.harness grammar -max_total_time=600

What it learns stays in .fuzz/TARGET, and the next run begins with it. A find is written there as ``crash-…``: mend it,
and move the file to tests/fuzz/seeds/TARGET, where every test run takes it.
"""

import importlib
import sys
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"
LEARNT = Path(".fuzz")


def main(arguments: list[str]) -> int:
    """Fuzz one target. Returns 2 for wrong usage, 3 where atheris is not installed."""
    names = sorted(path.name for path in SEEDS.iterdir())
    if len(arguments) < 2 or arguments[1] not in names:
        print(f"usage: python -m tests.fuzz.harness {{{','.join(names)}}} [libFuzzer options]")  # noqa: T201
        return 2
    try:
        atheris = importlib.import_module("atheris")
    except ModuleNotFoundError:
        print("atheris is not installed: pip install atheris")  # noqa: T201
        return 3
    target = arguments.pop(1)
    with atheris.instrument_imports(include=["bot", "commands", "policies", "provisioning", "yaml", "json"]):
        targets = importlib.import_module("tests.fuzz.targets")
    learnt, words = LEARNT / target, LEARNT / f"{target}.dict"
    learnt.mkdir(parents=True, exist_ok=True)
    quoted = ("".join(map("\\x{:02x}".format, piece)) for piece in targets.PIECES[target])
    words.write_text("".join(f'"{word}"\n' for word in quoted))
    options = [f"-artifact_prefix={learnt}/", f"-dict={words}"]
    # libFuzzer writes to the first of its folders, and only reads the others.
    atheris.Setup([*arguments, *options, str(learnt), str(SEEDS / target)], targets.TARGETS[target])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
