"""What every operation is: the request and the facts in, a draft of a plan or a refusal out. Pure.

A draft is a plan whose steps have not looked at the world yet. The planner lets them look.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from provisioning.plan import Admission, Step, all_needs, references

if TYPE_CHECKING:
    from commands.spec import CommandArgs
    from policies.approvals import Refusal


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A plan before its steps observed: every ``step.found`` is still absent.

    Raises: ValueError where a step refers to what a step gives that it does not need: it might begin before.
    """

    subject: str
    summary: str
    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()
    admission: Admission | None = None
    goes_on: bool = False  # see Plan.goes_on
    chains_at_once: int | None = None  # see Plan.chains_at_once
    # Where set, only steps with something to do are planned, where there are any: what the draft becomes with them.
    narrow: "Callable[[Sequence[Step]], Draft] | None" = None

    def __post_init__(self) -> None:
        needs = all_needs(self.steps)
        for step in self.steps:
            if loose := references(step.inputs) - needs[step.id]:
                raise ValueError(f"step {step.id!r} refers to {sorted(loose)}, which it does not need")


class Operation(Protocol):
    """One command's way from a request to a draft."""

    @property
    def command(self) -> str:
        """Return the command's name in the catalog: ``tenant create``."""

    @property
    def args(self) -> "type[CommandArgs]":
        """Return the model of its request."""

    def draft(self, args: Any, facts: Any) -> "Draft | Refusal":
        """Return what would be done, or why it must not be. No clock, network or environment."""


class FactsSource(Protocol):
    """Where facts come from."""

    def gather(self, operation: str, args: "CommandArgs") -> Any:
        """Return what *operation* decides by. Raises: ChatopsError."""
