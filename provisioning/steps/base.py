"""What every step action is: observe → apply → undo, each idempotent.

An action is a stateless object built once by the composition root with the clients it needs. `inputs` come
resolved (no references left). Outputs are JSON and never hold a secret: secrets live in Kubernetes Secrets
and are handed on by name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from provisioning.plan import Observation, Outputs


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """What an action knows of the run that it is part of."""

    job_id: str
    step_id: str
    attempt: int
    timeout_s: float
    note: Callable[[str], None] = field(default=lambda _line: None)  # progress, one short line for people
    cancelled: Callable[[], bool] = field(default=lambda: False)  # long actions look at it and stop


class StepAction(Protocol):
    """One family of work. Raises: PermanentError, TemporaryError (provisioning.errors)."""

    @property
    def kind(self) -> str:
        """Return the name that plans call it by: ``clearml.company``."""

    def observe(self, inputs: dict[str, Any]) -> Observation:
        """Look, without changing anything."""

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        """Make it so. Safe to call again after a crash at any point."""

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        """Take back what apply did. Safe to call again, and where apply never finished."""
