"""A job's steps as they run: lines of text, or Slack's plan of task cards. Pure."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from bot.slack import kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import channels_linked, cut, duration, escape
from provisioning.jobs.history import step_key
from provisioning.jobs.job import Job, StepState, StepStatus
from provisioning.plan import Plan, Step

STEP_SECTIONS = 20
LONG_S = 5.0  # what takes less needs no forecast
NOTHING_EXPECTED: Mapping[str, float] = MappingProxyType({})
TASKS = 50  # of one plan block
TITLE_CHARS = 256
INDENT = "\u2003\u2003"  # em spaces: Slack drops ordinary ones

_MARKS = {
    StepState.PENDING: "⚪",
    StepState.RUNNING: "⏳",
    StepState.WAITING: "⏸️",
    StepState.DONE: "✅",
    StepState.SKIPPED: "✔️",
    StepState.FAILED: "❌",
    StepState.UNDONE: "↩️",
}
_STATUSES = {
    StepState.PENDING: "pending",
    StepState.RUNNING: "in_progress",
    StepState.WAITING: "in_progress",
    StepState.DONE: "complete",
    StepState.SKIPPED: "complete",
    StepState.FAILED: "error",
    StepState.UNDONE: "pending",
}


def plan_text(plan: Plan, text: str) -> str:
    """Return what *plan* says of itself, escaped; a digest's names its channel, and links to it."""
    return channels_linked(escape(text)) if plan.operation.startswith("digest ") else escape(text)


def step_title(step: Step) -> str:
    """Return the step's title likewise, cut."""
    title = escape(cut(step.title, 300))
    return channels_linked(title) if step.kind.startswith("digest.") else title


def step_lines(job: Job, now: datetime, expected: Mapping[str, float]) -> list[Block]:
    """Return a line for each step, in sections."""
    lines = []
    for status in job.steps:
        title = step_title(job.plan.step(status.step_id))
        line = f"{_MARKS[status.state]} {title}{_times(status, now, expected)}"
        if note := _note(status):
            line += f"\n{INDENT}_{escape(cut(note, 200))}_"
        lines.append(line)
    return kit.sections(lines, most=STEP_SECTIONS)


def task_cards(job: Job, now: datetime, expected: Mapping[str, float]) -> list[Block]:
    """Return Slack's plan block with a card for each step. Not every workspace and client has it."""
    shown = job.steps[:TASKS]
    tasks = [_task(job, status, now, expected) for status in shown]
    plan: Block = {"type": "plan", "title": cut(_plain(f"Job {job.number}: {len(job.steps)} steps"), TITLE_CHARS)}
    more = len(job.steps) - len(shown)
    return [plan | {"tasks": tasks}, *([kit.context(f"… and {more} steps more")] if more else [])]


def _task(job: Job, status: StepStatus, now: datetime, expected: Mapping[str, float]) -> Block:
    title = _plain(job.plan.step(status.step_id).title) + _times(status, now, expected)
    card: Block = {
        "type": "task_card",
        "task_id": cut(status.step_id, 255),
        "title": cut(title, TITLE_CHARS),
        "status": _STATUSES[status.state],
    }
    said = status.failure.what if status.state is StepState.FAILED and status.failure else _note(status)
    if said:
        text = {"type": "text", "text": cut(_plain(said), 500)}
        card["details"] = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [text]}]}
    return card


def _times(status: StepStatus, now: datetime, expected: Mapping[str, float]) -> str:
    """Return `` · 12 s of about 40 s``, as far as it is known."""
    said = ""
    if status.started_at is not None and status.state is not StepState.SKIPPED:
        said += f" · {duration(((status.finished_at or now) - status.started_at).total_seconds())}"
    usual_s = expected.get(step_key(status.step_id), 0.0)
    if usual_s >= LONG_S and status.state in {StepState.RUNNING, StepState.PENDING}:
        said += f" of about {duration(usual_s)}" if status.started_at is not None else f" · about {duration(usual_s)}"
    if status.state is StepState.SKIPPED:
        said += " · already there"
    if status.state is StepState.UNDONE:
        said += " · undone"
    return said


def _note(status: StepStatus) -> str:
    return status.note if status.state in {StepState.RUNNING, StepState.WAITING} else ""


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split()) or " "
