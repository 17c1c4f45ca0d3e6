"""Replies that are lists and texts: refusals, jobs, approvals, the audit trail, who you are. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.slack import kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import block, code, cut, cut_markup, date, escape, line, user
from bot.slack.render_job import STATES, Rendered, badge
from policies.approvals import Actor, Refusal
from provisioning.errors import ChatopsError
from provisioning.jobs.job import Job, JobState
from provisioning.jobs.pending import Pending
from provisioning.store import Delegation

LIST_SECTIONS = 12
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")  # twelve digits are enough to know it by
ON_THE_CARD = "Approve or deny on the card: `/clearml job show JOB` shows it here."
TO_REVIEW = 'Look, then `/clearml job review JOB --note "…"`.'


def refusal(refused: Refusal, *, kept: str = "") -> Rendered:
    """Return a no, with the reason and the next action; and what was written in vain, to be copied."""
    blocks = [kit.section(f"⛔ {escape(cut(refused.reason, 2500))}")]
    if refused.next_action:
        blocks.append(kit.section(f"*Next:* {escape(cut(refused.next_action, 2500))}"))
    if kept.strip():
        blocks += [kit.context("You wrote:"), kit.section(block(kept))]
    return Rendered(cut_markup(escape(str(refused)), kit.TEXT_CHARS), blocks)


def problem(error: ChatopsError) -> Rendered:
    """Return an error that people may read."""
    blocks = [kit.section(f"❌ {escape(cut(error.what, 2500))}")]
    if error.details:
        blocks.append(kit.section(block(error.details)))
    if error.next_action:
        blocks.append(kit.section(f"*Next:* {escape(cut(error.next_action, 2500))}"))
    return Rendered(cut_markup(escape(str(error)), kit.TEXT_CHARS), blocks)


def incident(incident_id: str) -> Rendered:
    """Return a fault of ours: an id to look for in the log, and nothing else."""
    text = f"💥 Something went wrong in the bot. Incident {code(incident_id)}: an admin finds it in the bot's log."
    return Rendered(f"Something went wrong in the bot: incident {incident_id}", [kit.section(text)])


def notice(text: str) -> Rendered:
    """Return one line of our own."""
    return Rendered(cut_markup(text, kit.TEXT_CHARS), [kit.section(text)])


def jobs(found: Sequence[Job], *, title: str, empty: str) -> Rendered:
    """Return a list of jobs, newest first."""
    if not found:
        return notice(empty)
    return Rendered(
        cut_markup(f"{escape(title)}: {len(found)}", kit.TEXT_CHARS),
        [kit.header(title), *kit.sections([job_line(job, briefly=True) for job in found], most=LIST_SECTIONS)],
    )


def job_line(job: Job, *, briefly: bool = False) -> str:
    """Return a job in one line; *briefly* without what its card says of it."""
    icon, words = STATES[job.state]
    what = job.plan.summary.partition(": ")[0] if briefly else job.plan.summary
    return (
        f"{icon} *Job {job.number}* {words} · {line(what, 150)}"
        f" · {user(job.requester.id, job.requester.name)} · {date(job.created_at)}{badge(job)}"
    )


def lent(one: Delegation) -> Rendered:
    """Return what was lent, to whom, until when."""
    what = f"on job {one.job.removeprefix('job-')}" if one.job else "on any job"
    return notice(
        f"🤝 {user(one.holder)} may vote in your place {what} until {date(one.until)}, as long as you have the right"
        f" yourself: the two of you are one vote. Take it back: `/clearml approval recall {escape(one.holder)}`"
    )


def pending(found: Pending) -> Rendered:
    """Return what waits: what the reader can act on first, each with its buttons' place."""
    if found.is_empty:
        return notice("Nothing waits for approval, and there is no broken glass to review.")
    blocks: list[Block] = []
    for title, listed, hint in (
        ("Waiting for you", found.yours, ON_THE_CARD),
        ("To be reviewed", found.to_review, TO_REVIEW),
        ("Waiting for others", found.others, ""),
        ("Your broken glass, to be reviewed by others", found.own_glass, ""),
    ):
        if listed:
            blocks += [kit.header(title), *kit.sections([_with_place(job) for job in listed], most=LIST_SECTIONS // 3)]
            blocks += [kit.context(hint)] if hint else []
    text = f"{len(found.yours)} wait for you, {len(found.to_review)} to review, {len(found.others)} wait for others"
    return Rendered(text, blocks)


def _with_place(job: Job) -> str:
    where = f" · <#{job.place.channel}>" if job.place and job.place.channel[:1] in "CG" else ""
    asks = ""
    if job.state is JobState.AWAITING_APPROVAL and job.approval is not None:
        asks = f" · needs {escape(job.approval.asks)} until {date(job.approval.expires_at)}"
    return job_line(job) + where + asks


def audit(rows: Sequence[Mapping[str, Any]], *, subject: str | None) -> Rendered:
    """Return rows of the audit trail, newest first."""
    title = f"Audit of {subject}" if subject else "Audit"
    if not rows:
        where = f" on {code(subject)}" if subject else ""
        return notice(f"The audit trail has no such rows{where}.")
    return Rendered(
        cut_markup(f"{escape(title)}: {len(rows)} rows", kit.TEXT_CHARS),
        [kit.header(title), *kit.sections([audit_line(row) for row in rows], most=LIST_SECTIONS)],
    )


def whoami(actor: Actor) -> Rendered:
    roles = ", ".join(sorted(actor.roles)) or "no role"
    lines = [f"You are {user(actor.id, actor.name)} ({code(actor.id)}), with: *{escape(roles)}*."]
    if not actor.roles:
        lines.append("*Next:* ask an admin of this bot for a role: viewer, operator or approver.")
    return notice("\n".join(lines))


def audit_line(row: Mapping[str, Any]) -> str:
    """Return one row of the audit trail as one line."""
    actor = user(row["actor"], row["actor_name"])
    parts = [f"{code(str(row['seq']))} {date(datetime.fromisoformat(row['at']))} *{escape(row['action'])}* {actor}"]
    parts += [_DIGEST.sub(r"\1", escape(str(row[name]))) for name in ("subject", "job", "step", "outcome") if row[name]]
    if row["rule"]:
        parts.append(f"rule {code(row['rule'])}")
    why = row["detail"].get("why") or row["detail"].get("command") or row["detail"].get("reason")
    if why:
        parts.append(line(str(why), 200))
    return " · ".join(parts)
