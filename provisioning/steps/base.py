"""What every step action is: observe → apply → undo, each idempotent.

An action is a stateless object built once by the composition root with the clients it needs. `inputs` come
resolved (no references left). Outputs are JSON and never hold a secret: secrets live in Kubernetes Secrets
and are handed on by name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pydantic import JsonValue

from provisioning.plan import Observation, Outputs


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A job of its own that a step needs, with a plan and an approval of its own."""

    operation: str  # "node reboot"
    request: dict[str, JsonValue]  # its arguments


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What became of the job that a step asked for."""

    number: int
    succeeded: bool
    why: str  # where it did not


class StepWaits(Exception):  # noqa: N818 - no error: the step goes on once what it waits for has happened
    """Raised by apply: not yet. The job gives back everything that it holds but its subject, survives restarts,
    and apply is called again once `Waits.may_go_on` says so, or the job that is waited for has come to its end.

    Args:
        what: what is waited for: ``node gpu-1 to be rebooted``.
        next_action: what people do for it to happen.
        give_up_s: then the step fails; None where the job that is asked for has its own end.
        ask: the job that is to be asked for.
        job: the id of one that is there, and asks for itself.
    """

    def __init__(
        self,
        what: str,
        *,
        next_action: str = "",
        give_up_s: float | None = None,
        ask: Ask | None = None,
        job: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.next_action = next_action
        self.give_up_s = give_up_s
        self.ask = ask
        self.job = job


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """What an action knows of the run that it is part of."""

    job_id: str
    step_id: str
    attempt: int
    timeout_s: float
    note: Callable[[str], None] = field(default=lambda _line: None)  # progress, one short line for people
    cancelled: Callable[[], bool] = field(default=lambda: False)  # long actions look at it and stop
    answered: Answered | None = None  # the job that this step waits for has come to its end
    waited: bool = False  # apply has raised StepWaits before, in this attempt


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


@runtime_checkable
class BindsChart(StepAction, Protocol):
    """An action that gives helm a chart, and only the one that its inputs are bound to."""

    def mended_chart(self, inputs: dict[str, Any]) -> str | None:
        """Return the SHA-256 of the chart where its content is not what *inputs* say, in the same version; else None.

        Raises: ChatopsError where nobody can be asked at the moment.
        """


@runtime_checkable
class Waits(Protocol):
    """An action whose apply may raise StepWaits without asking for a job."""

    def may_go_on(self, inputs: dict[str, Any]) -> bool:
        """Look whether what is waited for has happened. Quick; changes nothing."""
