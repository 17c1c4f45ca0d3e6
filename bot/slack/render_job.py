"""A job's one live message, from the approval card to the end. Pure: job → blocks and fallback text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.slack import kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import block, code, cut, cut_markup, date, escape, line, user
from bot.slack.render_steps import (
    INDENT,
    NOTHING_EXPECTED,
    STEP_SECTIONS,
    plan_text,
    step_lines,
    step_title,
    task_cards,
)
from policies.approvals import Approval, counted
from provisioning.jobs.job import BreakGlass, Failure, Job, JobState, StepState
from provisioning.plan import Plan, Presence, Step
from provisioning.reports import Attachment

APPROVE, DENY, WITHDRAW = "job_approve", "job_deny", "job_withdraw"
RETRY, ROLL_BACK, LEAVE, CANCEL = "job_retry", "job_rollback", "job_leave", "job_cancel"
REVEAL, DETAILS = "job_reveal", "job_details"
DENY_FORM, APPROVE_FORM = "job_deny_form", "job_approve_form"

WARNING_SECTIONS = 4
MOST_VOTES = 7
CONFIRM_CHARS = 270  # Slack takes 300, and what is left out is counted
SHOWN_DIFFERENCES = 3  # of a step, on the card; the details have more

_PLANNED = {Presence.ABSENT: "🆕", Presence.DIFFERS: "✏️", Presence.PRESENT: "✔️"}
STATES = {
    JobState.AWAITING_APPROVAL: ("🙋", "waits for approval"),
    JobState.QUEUED: ("🕒", "waits for its turn"),
    JobState.RUNNING: ("⏳", "runs"),
    JobState.WAITING: ("⏸️", "waits"),
    JobState.ROLLING_BACK: ("↩️", "is being rolled back"),
    JobState.SUCCEEDED: ("✅", "succeeded"),
    JobState.FAILED: ("❌", "failed"),
    JobState.ROLLED_BACK: ("↩️", "was rolled back"),
    JobState.DENIED: ("⛔", "was denied"),
    JobState.EXPIRED: ("⌛", "has expired"),
    JobState.WITHDRAWN: ("🚪", "was withdrawn"),
    JobState.CANCELLED: ("🛑", "was cancelled"),
    JobState.SUPERSEDED: ("🔁", "was superseded: the world had changed"),
}


NOT_BEGUN = frozenset({JobState.DENIED, JobState.EXPIRED, JobState.WITHDRAWN})  # by what became of the request


@dataclass(frozen=True)
class Rendered:
    """A message: ``text`` is what notifications and screen readers get; ``attachments`` go with it as files."""

    text: str
    blocks: list[Block]
    attachments: tuple[Attachment, ...] = ()


def badge(job: Job) -> str:
    """Return the mark of a job that went ahead without approval, for wherever it is shown; else nothing."""
    if job.break_glass is None:
        return ""
    return " · 🚨 *glass broken*, " + ("reviewed" if job.break_glass.is_reviewed else "not reviewed yet")


def job_message(
    job: Job, now: datetime, expected: Mapping[str, float] = NOTHING_EXPECTED, *, cards: bool = False
) -> Rendered:
    """Return the live message of *job* as it stands.

    *expected*: step key → seconds, from jobs before it. *cards*: steps as Slack's plan of task cards.
    """
    icon, words = STATES[job.state]
    title, _, aim = job.plan.summary.partition(": ")
    if job.cancelled_by is not None and not job.state.is_final:
        words += f", {user(job.cancelled_by.id, job.cancelled_by.name)} has asked to cancel it"
    blocks = [
        kit.header(f"{icon} {title}"),
        *([kit.section(plan_text(job.plan, aim))] if aim else []),
        kit.context(
            f"*Job {job.number}* {words} · asked by {user(job.requester.id, job.requester.name)}"
            f" · {code('/clearml ' + job.command)}{badge(job)}"
        ),
    ]
    if job.reason:
        blocks.append(kit.section(f"*Why:* {line(job.reason, 600)}"))
    if job.state is JobState.AWAITING_APPROVAL:
        blocks += plan_blocks(job.plan)
    elif job.state in NOT_BEGUN and all(status.state is StepState.PENDING for status in job.steps):
        blocks.append(kit.context(f"Nothing was done; Details has the {len(job.steps)} steps that were planned."))
    else:
        blocks += task_cards(job, now, expected) if cards else step_lines(job, now, expected)
    if job.failure is not None and job.state is not JobState.DENIED:  # the vote says the same, and who gave it
        blocks += failure_blocks(job.failure, mark=icon if job.state in NOT_BEGUN else "❌")
    blocks += _people(job)
    if buttons := _buttons(job):
        blocks.append(kit.actions(buttons, "job_buttons"))
    words += badge(job).replace("*", "")
    return Rendered(cut_markup(f"Job {job.number}: {escape(job.plan.summary)} {words}", kit.TEXT_CHARS), blocks)


def plan_blocks(plan: Plan) -> list[Block]:
    """Return what a plan would do, for the card, a dry run and the details."""
    changes = sum(not step.is_noop for step in plan.steps)
    blocks = [kit.section(f"*The plan*: {changes} of {len(plan.steps)} steps have something to do")]
    blocks += kit.sections([_plan_line(step) for step in plan.steps], most=STEP_SECTIONS)
    if plan.admission is not None and plan.admission.lines:
        mark = "📊" if plan.admission.fits else "⚠️"
        blocks += kit.sections([f"{mark} {escape(line)}" for line in plan.admission.lines], most=1)
    if plan.warnings:
        blocks += kit.sections([f"⚠️ {escape(warning)}" for warning in plan.warnings], most=WARNING_SECTIONS)
    return blocks


def bare_message(job: Job) -> Rendered:
    """Return the shortest message with the same buttons, for when Slack refuses the whole one."""
    icon, words = STATES[job.state]
    text = f"{icon} *Job {job.number}* {words}{badge(job)}. See `/clearml job show {job.number}`."
    return Rendered(text, [kit.section(text), kit.actions(_buttons(job), "job_buttons")])


def plan_message(plan: Plan, *, headline: str) -> Rendered:
    """Return a plan that is no job: a dry run, or nothing to do."""
    title, _, aim = plan.summary.partition(": ")
    return Rendered(
        cut_markup(f"{headline}: {escape(plan.summary)}", kit.TEXT_CHARS),
        [
            kit.header(title),
            *([kit.section(plan_text(plan, aim))] if aim else []),
            kit.section(headline),
            *plan_blocks(plan),
            kit.context(f"plan {code(plan.digest[:12])}"),
        ],
    )


def failure_blocks(failure: Failure, *, mark: str = "❌") -> list[Block]:
    """Return why it failed, the command's own last words, and what to do next."""
    blocks = [kit.section(f"{mark} *{line(failure.what, 1400)}*")]
    if failure.details:
        blocks.append(kit.section(block(failure.details)))
    if failure.next_action:
        blocks.append(kit.section(f"*Next:* {escape(cut(failure.next_action, 1400))}"))
    return blocks


def difference_lines(step: Step, *, most: int) -> list[str]:
    """Return ``• field: is → shall`` for each difference, at most *most* of them."""
    found = list(step.found.differences.items())
    lines = [
        f"• {code(path, 100)}: {code(_short(was), 100)} → {code(_short(shall), 100)}"
        for path, (was, shall) in found[:most]
    ]
    return [*lines, f"• … and {len(found) - most} more"] if len(found) > most else lines


def button_value(job_id: str, digest: str) -> str:
    """Return what a button carries: the job, and the plan that was seen beside the button."""
    return json.dumps({"job": job_id, "digest": digest})


def _plan_line(step: Step) -> str:
    found = {Presence.ABSENT: "", Presence.DIFFERS: "change", Presence.PRESENT: "already there"}[step.found.presence]
    parts = [part for part in (found, escape(cut(step.found.detail, 200))) if part]
    planned = f"{_PLANNED[step.found.presence]} {step_title(step)}"
    if parts:
        planned += f" _({': '.join(parts)})_"
    if step.is_noop:
        return planned
    lines = [planned, *(INDENT + one for one in difference_lines(step, most=SHOWN_DIFFERENCES))]
    if step.undo:
        lines.append(f"{INDENT}↩️ undo: {escape(cut(step.undo, 200))}")
    return "\n".join(lines)


def _people(job: Job) -> list[Block]:
    lines = [
        f"{'👍 approved' if vote.approve else '⛔ denied'} by {user(vote.actor.id, vote.actor.name)}"
        + (f" for {user(vote.behalf.id, vote.behalf.name)}" if vote.behalf else "")
        + f" {date(vote.at)}"
        + (f": {line(vote.reason, 500)}" if vote.reason else "")
        + (" _(has lost that right since: counts no more)_" if vote.lapsed else "")
        for vote in job.votes[-MOST_VOTES:]
    ]
    if job.approval is not None and job.state is JobState.AWAITING_APPROVAL:
        lines.insert(0, _asks(job.approval, given=len(counted(job.votes))))
    if job.break_glass is not None:
        lines.append(_glass(job.break_glass))
    if job.superseded_by:
        lines.append(f"asked again as {escape(job.superseded_by.replace('-', ' '))}")
    lines.append(f"plan {code(job.digest[:12])} · last change {date(job.updated_at)}")
    return [kit.context(*lines)]


def _glass(glass: BreakGlass) -> str:
    ran = f"🚨 ran without approval by the rule {code(glass.rule)}"
    if glass.reviewed_by is not None:
        reviewer = user(glass.reviewed_by.id, glass.reviewed_by.name)
        return f"{ran}; reviewed by {reviewer}: {line(glass.note, 500)}"
    return f"{ran}; somebody else reviews it: `/clearml job review`"


def _asks(approval: Approval, *, given: int) -> str:
    people = "one person" if approval.needed == 1 else f"{approval.needed} different people"
    so_far = f" ({given} so far)" if given else ""
    asked = ", and ".join(
        f"{'' if approval.needed == 1 else f'{one.count} '}with the role *{escape(' or '.join(sorted(one.roles)))}*"
        for one in approval.quorums
    )
    return (
        f"needs {people}{' ' if approval.needed == 1 else ': '}{asked}{so_far}, not the requester"
        f" · rule {code(approval.rule)}"
        f" · until {date(approval.expires_at)}"
    )


def _buttons(job: Job) -> list[Block]:
    value = button_value(job.id, job.digest)
    match job.state:
        case JobState.AWAITING_APPROVAL:
            return [
                kit.button("Approve", APPROVE, value, style="primary"),
                kit.button("Deny", DENY, value, style="danger"),
                kit.button("Details", DETAILS, value),
                kit.button("Withdraw", WITHDRAW, value),
            ]
        case JobState.QUEUED | JobState.RUNNING | JobState.WAITING:
            stop = kit.confirmation(
                "Cancel this job?", "It stops at the next safe point, and can then go on or be undone.", "Cancel job"
            )
            return [
                kit.button("Details", DETAILS, value),
                kit.button("Cancel", CANCEL, value, style="danger", confirm=stop),
            ]
        case JobState.FAILED:
            undo = kit.confirmation("Roll back?", _undo_text(job), "Roll back")
            return [
                kit.button("Retry from here", RETRY, value, style="primary"),
                kit.button("Roll back", ROLL_BACK, value, style="danger", confirm=undo),
                kit.button("Leave", LEAVE, value),
                kit.button("Details", DETAILS, value),
            ]
        case JobState.SUCCEEDED if job.plan.operation == "tenant create" and job.revealed_at is None:
            return [kit.button("Show credentials", REVEAL, value), kit.button("Details", DETAILS, value)]
        case _:
            return [kit.button("Details", DETAILS, value)]


def _undo_text(job: Job) -> str:
    done = {status.step_id for status in job.steps if status.applied}
    undos = [f"• {line(step.undo, 100)}" for step in reversed(job.plan.steps) if step.id in done and step.undo]
    shown = undos
    while len("\n".join(shown)) > CONFIRM_CHARS:
        shown = shown[:-1]
    more = [f"• … and {len(undos) - len(shown)} more"] if len(shown) < len(undos) else []
    return "\n".join([*shown, *more]) or "Nothing was done that could be taken back."


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
