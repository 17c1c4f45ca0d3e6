"""What an operator is told about commands: one of them, a family, all of them. Pure, plain text."""

from collections.abc import Iterator

from pydantic.fields import FieldInfo

from commands.catalog import CATALOG, COMMAND, FAMILIES
from commands.spec import BREAK_GLASS, DRY_RUN, REASON, CommandSpec, flag_of, is_positional, is_switch, metavar_of


def usage_of(spec: CommandSpec) -> str:
    """Return the line that says how a command is typed in Slack."""
    return f"{COMMAND} {spec.usage}"


def help_of(spec: CommandSpec) -> str:
    """Return the help of one command: usage, summary, a line for each argument, examples."""
    lines = [usage_of(spec), spec.summary + ".", ""]
    lines += [f"  {argument}: {meaning}" for argument, meaning in arguments_of(spec)]
    if spec.examples:
        lines += ["", "Examples:", *(f"  {COMMAND} {example}" for example in spec.examples)]
    return "\n".join(lines).rstrip()


def arguments_of(spec: CommandSpec) -> Iterator[tuple[str, str]]:
    """Yield each argument as it is written, with what it means; then what every plan takes."""
    for name, field in spec.args.model_fields.items():
        yield _written(name, field), f"{field.description}{_default_of(field)}"
    for switch, meant in spec.becomes.items():
        yield switch, f"the same as {meant}: {_lowered(CATALOG[meant].summary)}"
    if spec.takes_dry_run:
        yield DRY_RUN, "show the plan and change nothing"
        yield f"{REASON} TEXT", "why it is wanted, for approvers and the audit trail"
        yield BREAK_GLASS, f"in an emergency, go ahead without approval where the policy lets you; needs {REASON}"


def help_of_family(first: str) -> str:
    """Return one line for each command that begins with the word *first*; "" where there is none."""
    return "\n".join(f"{COMMAND} {name}: {CATALOG[name].summary}" for name in family(first))


def overview() -> str:
    """Return one line for each command, family by family."""
    width = max(map(len, CATALOG))
    blocks = [
        "\n".join(f"  {name:<{width}}  {CATALOG[name].summary}" for name in names) for names in families().values()
    ]
    more = f"More on one of them: {COMMAND} help tenant create"
    return "\n\n".join([f"{COMMAND} COMMAND …", *blocks, more])


def families() -> dict[str, tuple[str, ...]]:
    """Return first word → the names of its commands; ``jobs`` stands with ``job``, the single ones last, under ""."""
    shared = {name.split()[0] for name in CATALOG if " " in name}
    found: dict[str, tuple[str, ...]] = dict.fromkeys((name.split()[0] for name in CATALOG if " " in name), ())
    found[""] = ()
    for name in CATALOG:
        first = name.split()[0]
        key = first if first in shared else first.removesuffix("s") if first.removesuffix("s") in shared else ""
        found[key] = (*found[key], name)
    return {key: names for key, names in found.items() if names}


def about(first: str) -> str:
    """Return what the commands that begin with the word *first* are about, in one short line."""
    return FAMILIES[first].about


def family(first: str) -> tuple[str, ...]:
    """Return the names of the commands that begin with the word *first*, in the catalog's order."""
    return tuple(CATALOG.of(first.lower()))


def _written(name: str, field: FieldInfo) -> str:
    if is_positional(field):
        return metavar_of(field)
    flag = flag_of(name, field)
    return f"{flag}, --no-{flag.removeprefix('--')}" if is_switch(field) else f"{flag} {metavar_of(field)}"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _default_of(field: FieldInfo) -> str:
    default = field.default
    if field.is_required() or default in (None, "", (), False):
        return ""
    return f" (default {','.join(default) if isinstance(default, tuple) else default})"
