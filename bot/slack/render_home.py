"""The app's Home tab: what waits for me, what I asked for, what runs. Pure."""

from collections.abc import Sequence

from bot.slack import kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import date, escape
from bot.slack.render_job import STATES, badge
from policies.approvals import Actor
from provisioning.jobs import Job, JobState
from provisioning.pending import Pending

ROWS = 20

UNDER_WAY = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.WAITING, JobState.ROLLING_BACK})


def home(actor: Actor, jobs: Sequence[Job], pending: Pending) -> Block:
    """Return the Home view of *actor*: what is *pending* for them, then the newest *jobs*."""
    running = [job for job in jobs if job.state in UNDER_WAY]
    mine = [job for job in jobs if job.requester.id == actor.id]
    roles = ", ".join(sorted(actor.roles)) or "no role: ask an admin for one"
    blocks = [kit.context(f"You have: *{escape(roles)}*")]
    for title, found, empty in (
        ("Waiting for you", pending.yours, "Nothing waits for your approval."),
        ("To be reviewed", pending.to_review, "No broken glass is to be reviewed."),
        ("Running", running, "No job runs."),
        ("My requests", mine, "You have asked for nothing yet. Try `/clearml help`."),
    ):
        blocks.append(kit.header(title))
        blocks += kit.sections([_line(job) for job in found[:ROWS]] or [f"_{empty}_"], most=3)
    return {"type": "home", "blocks": blocks}


def _line(job: Job) -> str:
    icon, words = STATES[job.state]
    where = f" in <#{job.place.channel}>" if job.place else ""
    return f"{icon} *Job {job.number}* {escape(job.plan.summary)} · {words}{where} · {date(job.created_at)}{badge(job)}"
