"""Modals about a job: its details, the question why, the credentials. Pure."""

import json

from bot.slack import kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import code, cut, escape
from bot.slack.render_job import APPROVE_FORM, DENY_FORM, button_value, difference_lines
from provisioning.jobs.job import Job
from provisioning.plan import Step

MOST_STEPS = 45
MOST_DIFFERENCES = 10


def details_modal(job: Job) -> Block:
    """Return every step with what it found, what differs, how it is undone and what it gets."""
    title = f"*{escape(cut(job.plan.summary, 500))}* · job {job.number} · plan {code(job.digest[:12])}"
    blocks = [kit.section(title)]
    for step in job.plan.steps[:MOST_STEPS]:
        blocks += [kit.section(_details(step)), {"type": "divider"}]
    if more := len(job.plan.steps) - MOST_STEPS:
        blocks += [kit.section(f"… and {more} steps more")] if more > 0 else []
    return kit.modal(f"Job {job.number}", blocks)


def reason_modal(job: Job, *, approve: bool, seen_digest: str) -> Block:
    """Return the form that asks why."""
    blocks = [
        kit.section(f"*{escape(cut(job.plan.summary, 500))}* · job {job.number}"),
        kit.text_input(
            "Reason", "reason", multiline=True, max_length=1000, hint="Everybody sees it, and the audit keeps it."
        ),
    ]
    metadata = button_value(job.id, seen_digest)
    if approve:
        return kit.modal("Approve", blocks, callback_id=APPROVE_FORM, submit="Approve", metadata=metadata)
    return kit.modal("Deny", blocks, callback_id=DENY_FORM, submit="Deny", metadata=metadata)


def credentials_modal(job: Job, access_key: str, secret_key: str) -> Block:
    """Return the admin's new credentials; they stand in this modal and nowhere else."""
    return kit.modal(
        "Credentials",
        [
            kit.section(
                f"Credentials of the admin of tenant *{escape(job.plan.subject)}*. They are shown this once: hand them"
                " on by a channel of your company's, or copy them into a vault now."
            ),
            kit.section(f"*Access key*\n{code(access_key)}"),
            kit.section(f"*Secret key*\n{code(secret_key)}"),
        ],
    )


def credentials_wait_modal() -> Block:
    """Return what stands in the modal until the credentials are made."""
    return text_modal("Credentials", "⏳ Making credentials …")


def outdated_modal() -> Block:
    """Return what stands in the place of a window that an older version opened."""
    return text_modal("Out of date", "I was updated since this was opened and cannot read it: close it and ask again.")


def text_modal(title: str, text: str) -> Block:
    return kit.modal(title, [kit.section(escape(text))])


def _details(step: Step) -> str:
    found = step.found.presence.value
    if step.found.detail:
        found += f", {escape(cut(step.found.detail, 300))}"
    lines = [
        f"*{escape(cut(step.title, 300))}*",
        f"found: {found}",
        f"undo: {escape(cut(step.undo, 300)) if step.undo else 'nothing is taken back'}",
        *difference_lines(step, most=MOST_DIFFERENCES),
    ]
    if step.inputs:
        lines.append(f"with {code(json.dumps(step.inputs, ensure_ascii=False), 1000)}")
    return "\n".join(lines)
