"""What can be said about jobs. Pure."""

from commands.arguments import JobNumber, TenantName
from commands.spec import CommandArgs, CommandSpec, Risk, flag, positional


class JobArgs(CommandArgs):
    """A job by its number."""

    number: JobNumber = positional("JOB", "the job's number, as in 41")


class JobReview(JobArgs):
    """Broken glass, looked at afterwards."""

    note: str = flag(
        "TEXT", "what you found: everybody reads it, and the audit trail keeps it", min_length=3, max_length=500
    )


class JobsArgs(CommandArgs):
    """Which jobs to list."""

    tenant: TenantName | None = positional("TENANT", "only this tenant's", choices="tenants", default=None)
    limit: int = flag("N", "how many at most, newest first", default=20, ge=1, le=100)

    @property
    def subject(self) -> str:
        return self.tenant or ""


SPECS = (
    CommandSpec(name="jobs", args=JobsArgs, summary="List jobs, newest first", risk=Risk.READ, examples=("jobs acme",)),
    CommandSpec(
        name="job show",
        args=JobArgs,
        summary="Show a job's plan and progress",
        risk=Risk.READ,
        examples=("job show 41",),
    ),
    CommandSpec(
        name="job retry",
        args=JobArgs,
        summary="Run a failed job again from the step that failed",
        risk=Risk.CHANGE,
        examples=("job retry 41",),
    ),
    CommandSpec(
        name="job rollback",
        args=JobArgs,
        summary="Undo what a failed job did, newest step first",
        risk=Risk.CHANGE,
        examples=("job rollback 41",),
    ),
    CommandSpec(
        name="job leave",
        args=JobArgs,
        summary="Close a failed job and leave what it did as it is",
        risk=Risk.CHANGE,
        examples=("job leave 41",),
    ),
    CommandSpec(
        name="job cancel",
        args=JobArgs,
        summary="Withdraw a job that waits, or stop one that runs",
        risk=Risk.CHANGE,
        is_never_limited=True,
        examples=("job cancel 41",),
    ),
    CommandSpec(
        name="job review",
        args=JobReview,
        summary="Say that you have reviewed a job that went ahead without approval",
        risk=Risk.CHANGE,
        examples=('job review 41 --note "the outage was real, and the change is fine"',),
    ),
)
