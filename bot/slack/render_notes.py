"""What is said beside a job's message: its end in the thread, and that it stands elsewhere. Pure."""

from bot.slack import kit
from bot.slack.mrkdwn import block, cut, cut_markup, escape, line, user
from bot.slack.render_job import STATES, Rendered
from provisioning.jobs.job import Job, JobState

TOLD = frozenset(
    {
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.ROLLED_BACK,
        JobState.DENIED,
        JobState.EXPIRED,
        JobState.WAITING,  # no end, and yet somebody has to do something
    }
)
MOST_TOLD_BLOCKS = 20


def thread_note(job: Job) -> Rendered | None:
    """Return what is said in the thread once a job has ended or waits for people, so that who asked hears of it."""
    asks_again = job.approved_plan is not None
    stopped_by = job.cancelled_by if job.state in {JobState.CANCELLED, JobState.WITHDRAWN} else None
    by_another = stopped_by is not None and stopped_by.id != job.requester.id
    if job.state not in TOLD and not asks_again and not by_another:
        return None
    icon, words = STATES[job.state]
    if stopped_by is not None:
        words += f" by {user(stopped_by.id, stopped_by.name)}"
    head = f"{icon} {user(job.requester.id, job.requester.name)}: job {job.number} {words}."
    blocks = [kit.section(head)]
    if job.failure is not None and (asks_again or job.state in {JobState.DENIED, JobState.EXPIRED}):
        blocks.append(kit.section(line(job.failure.what, 1400)))
    for step in job.plan.steps:
        failure, waiting = job.status(step.id).failure, job.status(step.id).waiting
        if job.state is JobState.WAITING and waiting is not None and len(blocks) < MOST_TOLD_BLOCKS:
            action = f"\n*Next:* {escape(cut(waiting.next_action, 1400))}" if waiting.next_action else ""
            blocks.append(kit.section(f"It waits for {escape(cut(waiting.what, 1400))}.{action}"))
        if failure is not None and len(blocks) < MOST_TOLD_BLOCKS:
            blocks.append(kit.section(f"*{escape(cut(step.title, 300))}*\n{escape(cut(failure.what, 1400))}"))
            if failure.details:
                blocks.append(kit.section(block(failure.details, 2900)))
    if job.failure is not None and job.failure.next_action and job.state in TOLD:
        blocks.append(kit.section(f"*Next:* {line(job.failure.next_action, 1400)}"))
    return Rendered(cut_markup(head, kit.TEXT_CHARS), blocks)


def moved_note(job: Job, channel: str, *, is_archived: bool = False) -> Rendered:
    """Return why a job's message stands in a conversation of the requester's, and how to have it in the channel."""
    why = f"<#{channel}> is archived" if is_archived else f"I am not in <#{channel}>"
    text = f"{why}, so job {job.number} ({escape(cut(job.plan.summary, 300))}) is shown here"
    if job.state is JobState.AWAITING_APPROVAL:
        mend = "unarchive it" if is_archived else "`/invite` me there"
        text += (
            f", and nobody in the channel sees that it asks for approval. To mend it, {mend}, withdraw and ask again."
        )
    else:
        text += " from now on."
    return Rendered(text, [kit.section(text)])
