"""Help for the catalog's commands on the command line: the same words as in Slack, laid out for a terminal."""

import shutil
import textwrap
from collections.abc import Iterator

from bot.cli_app import EXIT_CODES
from bot.cli_files import EXPORT, PNG, READ_FLAGS
from commands.catalog import CATALOG, COMMAND
from commands.grammar import HelpRequest
from commands.help import about, arguments_of, usage_of
from commands.spec import CommandSpec, file_fields

PROGRAM = "clearml-chatops"
DRAWN = frozenset({"capacity", "ports", "trends"})  # answers that bring a picture
WIDTH = 80  # columns, at least


def told(asked: HelpRequest) -> str:
    """Return what is printed for *asked*: one command, or the list of a family."""
    if asked.spec is None:
        return _family(asked.commands) if asked.commands else asked.text
    spec = asked.spec
    lines = [_wrapped("Usage: " + usage_of(spec), 7), "", _wrapped(f"  {spec.summary}.", 2), ""]
    lines += [_wrapped(f"  {argument}: {meaning}", 6) for argument, meaning in arguments_of(spec)]
    lines += ["", "On the command line:", *(f"  {flag}: {meaning}" for flag, meaning in flags_of(spec))]
    if spec.examples:
        lines += ["", "Examples:", *(_wrapped(f"  {COMMAND} {example}", 6) for example in spec.examples)]
    lines += ["", EXIT_CODES]
    if spec.name == "capacity":
        lines += ["", f"{PROGRAM} capacity fits answers without a cluster: see its --help."]
    return "\n".join(lines)


def flags_of(spec: CommandSpec) -> Iterator[tuple[str, str]]:
    """Yield the flags that *spec* has on the command line alone, with what they mean."""
    yield "--json", "print JSON for machines, one object a line"
    if file_fields(spec):
        yield f"{', '.join(READ_FLAGS)} FILE", "read it from a file; - reads standard input"
    if spec.name in DRAWN:
        yield f"{PNG} FILE", "write the picture to a file"
    if "export" in spec.args.model_fields:
        yield f"{EXPORT} FILE", "write the numbers to FILE.csv or FILE.json"


def _wrapped(line: str, hanging: int) -> str:
    """Return *line* as it is typed here, on as many lines as the terminal needs, the later ones *hanging* in."""
    return textwrap.fill(
        line.replace(f"{COMMAND} ", f"{PROGRAM} "),
        _width(),
        subsequent_indent=" " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _width() -> int:
    return max(WIDTH, shutil.get_terminal_size().columns)


def _family(names: tuple[str, ...]) -> str:
    """Return the family's commands as a list that fits the terminal."""
    first = names[0].split()[0]
    verbs = [name.removeprefix(f"{first} ") for name in names]
    indent = max(map(len, verbs)) + 4
    lines = [f"Usage: {PROGRAM} {first} COMMAND …", "", f"  {about(first)}.", "", "Commands:"]
    for verb, name in zip(verbs, names, strict=True):
        text = textwrap.wrap(CATALOG[name].summary + ".", _width() - indent)
        lines += [f"  {verb:<{indent - 2}}{text[0]}", *(" " * indent + line for line in text[1:])]
    return "\n".join([*lines, "", f"More on one of them: {PROGRAM} {names[0]} --help"])
