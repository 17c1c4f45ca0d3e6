"""Charts that were mended after a job had failed: what is left of its plan, bound to them as they are now."""

from collections.abc import Mapping

from provisioning.jobs.changes import COMPLETE
from provisioning.jobs.job import Job
from provisioning.plan import Observation, Outputs, Plan, Presence, Step, resolve
from provisioning.plan_differences import CHART_SHA256, differences
from provisioning.steps.base import BindsChart, StepAction


def plan_of_today(job: Job, actions: Mapping[str, StepAction]) -> tuple[Plan, tuple[str, ...]] | None:
    """Return the plan with today's charts, and what is another by that; None where every chart is as approved.

    What is done stands in it as done. A step whose inputs are not all there yet is looked at when its turn comes.
    Raises: ChatopsError where the world could not be read.
    """
    outputs = {status.step_id: status.outputs for status in job.steps if status.outputs}
    mended = {
        step.id: fresh
        for step in job.plan.steps
        if job.status(step.id).state not in COMPLETE and (fresh := _rebound(step, actions.get(step.kind), outputs))
    }
    if not mended:
        return None
    approved, today = (
        job.plan.model_copy(update={"steps": tuple(steps)})
        for steps in ([job.plan.step(step_id) for step_id in mended], mended.values())
    )
    steps = tuple(mended.get(step.id) or _as_it_is(step, job) for step in job.plan.steps)
    return job.plan.model_copy(update={"steps": steps}), differences(approved, today)


def _rebound(step: Step, action: StepAction | None, outputs: Mapping[str, Outputs]) -> Step | None:
    """Return the step bound to its chart as it is now; None where that is as approved, or cannot be told."""
    if not isinstance(action, BindsChart):
        return None
    try:
        inputs = resolve(step.inputs, outputs)
    except KeyError:
        return None
    sha256 = action.mended_chart(inputs)
    if sha256 is None:
        return None
    found = action.observe({**inputs, CHART_SHA256: sha256})
    return step.model_copy(update={"inputs": {**step.inputs, CHART_SHA256: sha256}, "found": found})


def _as_it_is(step: Step, job: Job) -> Step:
    status = job.status(step.id)
    if status.state not in COMPLETE:
        return step
    done = Observation(presence=Presence.PRESENT, detail="done by this job", outputs=status.outputs)
    return step.model_copy(update={"found": done})
