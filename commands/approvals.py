"""What can be said about approvals: what waits, and who may vote in whose place. Pure."""

from typing import Self

from pydantic import model_validator

from commands.arguments import JobNumber, PersonId
from commands.spec import CommandArgs, CommandSpec, NoArgs, Risk, flag, positional


class ApprovalDelegate(CommandArgs):
    """Lend one's right to vote: for one job, or for a time."""

    person: PersonId = positional("PERSON", "who may vote in your place, as in @dana")
    job: JobNumber | None = flag("JOB", "on this job alone, until it is decided", default=None)
    hours: float | None = flag("HOURS", "on any job, for so long", name="--for", default=None, gt=0, le=24 * 14)

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if (self.job is None) == (self.hours is None):
            raise ValueError("say either --job JOB or --for HOURS: a right is lent for one job or for a time")
        return self


class ApprovalRecall(CommandArgs):
    """Take back what was lent."""

    person: PersonId = positional("PERSON", "who may no longer vote in your place")


SPECS = (
    CommandSpec(
        name="approvals",
        args=NoArgs,
        summary="List what waits for you: approvals, and broken glass to review; then what waits for others",
        risk=Risk.READ,
    ),
    CommandSpec(
        name="approval delegate",
        args=ApprovalDelegate,
        summary="Lend your right to approve to somebody else, for one job or for a time",
        risk=Risk.CHANGE,
        examples=("approval delegate U0123456789 --job 41", "approval delegate U0123456789 --for 48"),
    ),
    CommandSpec(
        name="approval recall",
        args=ApprovalRecall,
        summary="Take back the right to approve that you have lent to somebody",
        risk=Risk.CHANGE,
        is_never_limited=True,
        examples=("approval recall U0123456789",),
    ),
)
