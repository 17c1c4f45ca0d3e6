"""The app's Home tab: what waits for me, what I asked for, what runs. Pure."""

from collections.abc import Sequence

from bot.slack import kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import date, escape
from bot.slack.render_job import STATES
from policies.approvals import Actor
from provisioning.jobs import Job, JobState

ROWS = 20


def home(actor: Actor, jobs: Sequence[Job]) -> Block:
    """Return the Home view of *actor* over the newest *jobs*."""
    waiting = [job for job in jobs if job.state is JobState.AWAITING_APPROVAL and _may_decide(actor, job)]
    running = [job for job in jobs if job.state in {JobState.QUEUED, JobState.RUNNING, JobState.ROLLING_BACK}]
    mine = [job for job in jobs if job.requester.id == actor.id]
    roles = ", ".join(sorted(actor.roles)) or "no role: ask an admin for one"
    blocks = [kit.context(f"You have: *{escape(roles)}*")]
    for title, found, empty in (
        ("Waiting for you", waiting, "Nothing waits for your approval."),
        ("Running", running, "No job runs."),
        ("My requests", mine, "You have asked for nothing yet. Try `/clearml help`."),
    ):
        blocks.append(kit.header(title))
        blocks += kit.sections([_line(job) for job in found[:ROWS]] or [f"_{empty}_"], most=3)
    return {"type": "home", "blocks": blocks}


def _may_decide(actor: Actor, job: Job) -> bool:
    return job.approval is not None and bool(job.approval.may_vote & actor.roles) and job.requester.id != actor.id


def _line(job: Job) -> str:
    icon, words = STATES[job.state]
    where = f" in <#{job.place.channel}>" if job.place else ""
    return f"{icon} *Job {job.number}* {escape(job.plan.summary)} · {words}{where} · {date(job.created_at)}"
