"""What the command line prints: lines for people, with ``--json`` JSON for machines, one object a line.

An answer goes to standard output; progress, failures and what comes next go to standard error (`bot.cli_failures`).
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli_failures import complain

if TYPE_CHECKING:
    from provisioning.jobs.job import Job
    from provisioning.jobs.pending import Pending
    from provisioning.plan import Plan

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines, one object a line.")]


def tell(data: Mapping[str, Any], said: str, *, as_json: bool) -> None:
    """Print an answer: *data* for machines, *said* for people."""
    typer.echo(json.dumps(data) if as_json else said)


def print_plan(plan: "Plan", headline: str, *, as_json: bool, job: int | None = None) -> None:
    """Print a plan; *job* is the number of the one that it became."""
    if as_json:
        found = {"headline": headline, "job": job, "digest": plan.digest, **plan.model_dump(mode="json")}
        typer.echo(json.dumps(found))
        return
    typer.echo(f"{plan.summary}\n{headline}")
    for step in plan.steps:
        mark = {"absent": "+", "differs": "~", "present": "="}[step.found.presence.value]
        typer.echo(f"  {mark} {step.title}" + (f"  ({step.found.detail})" if step.found.detail else ""))
    for line in plan.admission.lines if plan.admission else ():
        typer.echo(f"  {' ' if plan.admission and plan.admission.fits else '!'} {line}")
    for warning in plan.warnings:
        typer.echo(f"  ! {warning}")


def print_job(job: "Job", *, as_json: bool) -> None:
    """Print a job with its steps."""
    if as_json:
        typer.echo(job.model_dump_json())
        return
    asked_by = f"asked by {job.requester.name}: {job.command}"
    typer.echo(f"Job {job.number}: {job.plan.summary}: {job.state.value}, {asked_by}{_badge(job)}")
    for status in job.steps:
        typer.echo(f"{status.state.value:>8}  {job.plan.step(status.step_id).title}")
    if job.failure is not None:
        complain(job.failure.what, job.failure.next_action, job.failure.details)


def print_pending(found: "Pending", *, as_json: bool) -> None:
    """Print what waits, for whom."""
    if as_json:
        kinds = {"yours": found.yours, "to_review": found.to_review, "others": found.others, "own": found.own_glass}
        typer.echo(json.dumps({kind: [job.model_dump(mode="json") for job in jobs] for kind, jobs in kinds.items()}))
        return
    if found.is_empty:
        typer.echo("none")
    for title, jobs in (
        ("Waiting for you", found.yours),
        ("To be reviewed", found.to_review),
        ("Waiting for others", found.others),
        ("Your broken glass, to be reviewed by others", found.own_glass),
    ):
        if jobs:
            typer.echo(title)
            print_jobs(jobs, as_json=False)


def print_jobs(jobs: "tuple[Job, ...]", *, as_json: bool) -> None:
    """Print jobs, one a line."""
    if as_json:
        for job in jobs:
            typer.echo(job.model_dump_json())
        return
    if not jobs:
        typer.echo("none")
    for job in jobs:
        when, who = f"{job.created_at:%Y-%m-%d %H:%M}", f"{job.requester.name:<16}"
        typer.echo(f"{job.number:>5}  {job.state.value:<17} {when}  {who} {job.plan.summary}{_badge(job)}")


def _badge(job: "Job") -> str:
    if job.break_glass is None:
        return ""
    return "  [glass broken, " + ("reviewed]" if job.break_glass.is_reviewed else "not reviewed yet]")
