"""What every query is: the arguments and who asks in, a report or a refusal out."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from provisioning.looks import Tell, tell_nobody
from provisioning.reports import Report

if TYPE_CHECKING:
    from policies.approvals import Actor, Refusal


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who asks, when, and where. The policy has allowed it already."""

    actor: "Actor"
    now: datetime  # aware, UTC
    channel: str | None  # None on the command line
    pictures: bool = True  # whether anybody will look at them
    tell: Tell = tell_nobody  # how far a long look is


class Query(Protocol):
    """One command that only reads. Raises: ChatopsError where the world could not be read."""

    @property
    def command(self) -> str:
        """Return the command's name in the catalog: ``tenant show``."""

    def answer(self, args: Any, asked: Asked) -> "Report | Refusal":
        """Look and report. Changes nothing."""
