"""The app's Home tab: what waits for me, what I asked for, what runs, the platform at a glance. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.slack import forms, kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import code, date, escape
from bot.slack.render_job import STATES, badge
from bot.slack.render_lists import ON_THE_CARD, TO_REVIEW, audit_line
from commands.catalog import CATALOG
from policies.approvals import Actor
from provisioning.jobs.job import UNDER_WAY, Job, JobState
from provisioning.jobs.pending import Pending
from provisioning.store.samples import Sample

ROWS = 20


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What Home shows beside jobs. ``sample``: the newest measures, None where there are no recent ones."""

    sample: Sample | None = None
    audit: Sequence[Mapping[str, Any]] = ()  # newest first; empty for whom the policy does not let read it
    may_create: bool = False


def home(actor: Actor, jobs: Sequence[Job], pending: Pending, seen: Glance) -> Block:
    """Return the Home view of *actor*: what is *pending* for them, then the newest *jobs*, then what is *seen*."""
    running = [job for job in jobs if job.state in UNDER_WAY | {JobState.WAITING}]
    mine = [job for job in jobs if job.requester.id == actor.id]
    roles = ", ".join(sorted(actor.roles)) or "no role: ask an admin for one"
    blocks = [kit.context(f"You have: *{escape(roles)}*"), *_buttons(seen)]
    for title, found, empty, hint in (
        ("Waiting for you", pending.yours, "Nothing waits for your approval.", ON_THE_CARD),
        ("To be reviewed", pending.to_review, "", TO_REVIEW),  # told only where there is any
        ("Running", running, "No job runs.", ""),
        ("My requests", mine, "You have asked for nothing yet. Try `/clearml help`.", ""),
    ):
        if not found and not empty:
            continue
        blocks.append(kit.header(title))
        blocks += kit.sections([_line(job) for job in found[:ROWS]] or [f"_{empty}_"], most=3)
        blocks += [kit.context(hint)] if found and hint else []
    if seen.sample is not None:
        blocks += [kit.header("Capacity at a glance"), *_capacity(seen.sample)]
    if seen.audit:
        blocks.append(kit.header("Newest in the audit trail"))
        blocks += kit.sections([audit_line(row) for row in seen.audit], most=3)
    return {"type": "home", "blocks": blocks}


def _buttons(glance: Glance) -> list[Block]:
    if not glance.may_create:
        return []
    new = forms.button("tenant create", CATALOG["tenant create"], "New tenant", "primary")
    return [kit.actions([new], "home_buttons")]


def _capacity(sample: Sample) -> list[Block]:
    def whole(measure: str) -> str:
        return f"{sample.values[measure]:g}" if measure in sample.values else "unknown"

    slices = f"*{whole('slices.used')}* MIG slices in use, *{whole('slices.idle')}* idle"
    lines = [
        f"*{whole('gpus')}* GPUs, *{whole('gpus.idle')}* whole ones idle",
        f"{slices}, room for *{whole('slices.room')}* more of the smallest",
        f"*{whole('pods.waiting')}* pods wait for a GPU",
        f"*{whole('ports.free')}* session ports free: room for *{whole('ports.room')}* more tenants",
    ]
    more = f"{date(sample.at)} · now: {code('/clearml capacity')} and {code('/clearml ports')}"
    return [*kit.sections(lines, most=1), kit.context(more)]


def _line(job: Job) -> str:
    icon, words = STATES[job.state]
    where = f" in <#{job.place.channel}>" if job.place else ""
    title = job.plan.summary.partition(": ")[0]  # its card has the rest
    return f"{icon} *Job {job.number}* {escape(title)} · {words}{where} · {date(job.created_at)}{badge(job)}"
