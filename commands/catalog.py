"""What an operator can say: one catalog, name → arguments, usage, risk. Pure.

A module is imported when one of its commands is asked for: a line of help and the shell's completion need few of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commands.spec import CommandSpec

COMMAND = "/clearml"  # what comes before all of them, in Slack


@dataclass(frozen=True)
class Family:
    """The commands that begin with one word. *about*: short enough for one line of a list."""

    about: str
    modules: tuple[str, ...]  # of this package


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "tenant": Family(
            "Create, change, look at, mend, suspend and delete tenants",
            ("tenants", "tenant_changes", "tenant_lifecycle", "fleet"),
        ),
        "node": Family("GPU nodes: MIG mode on and off, and reboots", ("nodes",)),
        "capacity": Family("Show what the GPUs hold, who uses what, and what still fits", ("capacity",)),
        "platform": Family("The platform: its spec, and what is done with it", ("platform",)),
        "ports": Family("Show who has which ports, what does not agree, what is free", ("ports",)),
        "trends": Family("Show how capacity and ports move, and when they run out", ("trends",)),
        "digest": Family("Reports that are posted by schedule, and alerts", ("digests",)),
        "jobs": Family("List jobs, newest first", ("jobs",)),
        "job": Family("One job: look at it, run it again, undo, cancel, review", ("jobs",)),
        "approvals": Family("List what waits for you, and then what waits for others", ("approvals",)),
        "approval": Family("Lend your right to approve, and take it back", ("approvals",)),
        "policy": Family("The policy: who may do what, and whose approval it needs", ("policy",)),
        "audit": Family("Look for something in the audit trail", ("audit",)),
        "whoami": Family("Say who you are to the bot, and what you may do", ("audit",)),
        "doctor": Family("Check everything that the bot needs, and say what to do next", ("doctor",)),
    }
)


class _Catalog(Mapping[str, "CommandSpec"]):
    """Name → command, family by family, in their order above."""

    def __init__(self) -> None:
        self._found: dict[str, Mapping[str, CommandSpec]] = {}

    def of(self, first: str) -> Mapping[str, "CommandSpec"]:
        """Return name → command, of those that begin with the word *first*."""
        if first not in self._found:
            modules = FAMILIES[first].modules if first in FAMILIES else ()
            specs = [spec for name in modules for spec in import_module(f"commands.{name}").SPECS]
            of_it = {spec.name: spec for spec in specs if spec.name.split()[0] == first}
            if not of_it:
                return {}
            self._found.setdefault(first, of_it)  # the first of two threads counts
        return self._found[first]

    def __getitem__(self, name: str) -> "CommandSpec":
        return self.of(name.partition(" ")[0])[name]

    def __iter__(self) -> Iterator[str]:
        return (name for first in FAMILIES for name in self.of(first))

    def __len__(self) -> int:
        return sum(len(self.of(first)) for first in FAMILIES)


CATALOG = _Catalog()
