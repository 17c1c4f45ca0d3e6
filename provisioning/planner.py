"""From a request to a plan: gather facts, draft, let every step look at the world."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from commands.mistakes import all_said
from provisioning.errors import PermanentError
from provisioning.operations.base import Draft, FactsSource, Operation
from provisioning.operations.registry import OPERATIONS
from provisioning.plan import Observation, Outputs, Plan, Presence, Step, references, resolve
from provisioning.steps.base import StepAction

if TYPE_CHECKING:
    from commands.spec import CommandArgs
    from policies.approvals import Refusal

PARALLEL_LOOKS = 8
NOT_YET = Observation(presence=Presence.ABSENT)


class Planner:
    """Plans any registered operation.

    Args:
        actions: kind → action (``provisioning.steps.registry.build_actions``).
        facts: where operations' facts come from (``provisioning.facts.FactsGatherer``).
    """

    def __init__(
        self,
        *,
        actions: Mapping[str, StepAction],
        facts: FactsSource,
        operations: Mapping[str, Operation] = OPERATIONS,
    ) -> None:
        self._actions = actions
        self._facts = facts
        self._operations = operations

    def plan(self, operation: str, request: "CommandArgs | Mapping[str, JsonValue]") -> "Plan | Refusal":
        """Return the plan for *request* in the world as it is, or why there is none.

        *request* is the command's argument model, or its JSON as a plan keeps it.
        Raises: ChatopsError where the world could not be read, or the request is none that this version takes;
        KeyError for an unknown operation.
        """
        known = self._operations[operation]
        args = _read(known, request) if isinstance(request, Mapping) else request
        drafted = known.draft(args, self._facts.gather(operation, args))
        if not isinstance(drafted, Draft):
            return drafted
        found = self._look(drafted.steps)
        due = [step for step in drafted.steps if found[step.id].presence is not Presence.PRESENT]
        if drafted.narrow is not None and due:
            drafted = drafted.narrow(due)
        return Plan(
            operation=operation,
            subject=drafted.subject,
            summary=drafted.summary,
            request=args.model_dump(mode="json", exclude_unset=True),
            steps=tuple(step.model_copy(update={"found": found[step.id]}) for step in drafted.steps),
            warnings=drafted.warnings,
            admission=drafted.admission,
            goes_on=drafted.goes_on,
            chains_at_once=drafted.chains_at_once,
        )

    def replan(self, plan: Plan) -> "Plan | Refusal":
        """Return the plan of the same request today. In an unchanged world its digest is the same."""
        return self.plan(plan.operation, plan.request)

    def _look(self, steps: tuple[Step, ...]) -> dict[str, Observation]:
        """Return each step's observation. Steps look at the same time; one that refers to another's
        outputs looks after it, and is absent where that one has nothing to hand on yet."""
        looks: dict[str, Future[Observation]] = {}
        with ThreadPoolExecutor(PARALLEL_LOOKS, thread_name_prefix="look") as pool:
            for step in steps:
                earlier = {step_id: looks[step_id] for step_id in references(step.inputs) if step_id in looks}
                looks[step.id] = pool.submit(self._look_after, step, earlier)
            return {step_id: look.result() for step_id, look in looks.items()}

    def _look_after(self, step: Step, earlier: Mapping[str, Future[Observation]]) -> Observation:
        outputs: dict[str, Outputs] = {}
        for step_id, look in earlier.items():
            observation = look.result()
            if observation.presence is not Presence.ABSENT:
                outputs[step_id] = observation.outputs
        try:
            inputs = resolve(step.inputs, outputs)
        except KeyError:
            return NOT_YET
        action = self._actions.get(step.kind)
        if action is None:
            raise PermanentError(
                f"planning step {step.id}: no action is called {step.kind}",
                next_action="run the version of the bot that knows it",
            )
        return action.observe(inputs)


def _read(operation: Operation, request: "Mapping[str, JsonValue]") -> "CommandArgs":
    """Return the request that was stored. Raises: PermanentError where it has come to be refused since."""
    try:
        return operation.args.model_validate(request)
    except ValidationError as problem:
        raise PermanentError(
            f"planning {operation.command}: what was asked for is none that this version takes: {all_said(problem)}",
            next_action="ask for it anew, with what is to be otherwise",
        ) from None
