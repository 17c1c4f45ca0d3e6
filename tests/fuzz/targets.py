"""What is fuzzed: each target takes bytes and returns. Whatever it raises is a find."""

import functools
import json
import tempfile
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from sqlite3 import DatabaseError

from bot.slack import forms
from commands import grammar
from commands.catalog import CATALOG
from commands.grammar import HelpRequest, Invocation, UsageError
from policies import loader
from policies.loader import PolicyError
from provisioning.evidence import verifier
from tests.fuzz.edge import Edge

SEEDS = Path(__file__).parent / "seeds"
MOST_ANSWER = 20_000  # characters of an error that people read


def grammar_of(data: bytes) -> None:
    """Any text is understood, or answered with what is wrong; what is understood can be said again."""
    answer = grammar.parse(data.decode(errors="replace"))
    assert isinstance(answer, Invocation | UsageError | HelpRequest)
    if isinstance(answer, Invocation):
        again = grammar.parse(grammar.render(answer.spec, answer.args, how=answer.how))
        assert isinstance(again, Invocation)
        assert again.args == answer.args
    elif isinstance(answer, UsageError):
        assert len(answer.message) < MOST_ANSWER


def policy_of(data: bytes) -> None:
    """A policy, or an error that names a line."""
    try:
        loader.load(data.decode(errors="replace"))
    except PolicyError as error:
        refused = error
    else:
        return
    assert refused.problems
    assert all(problem.line >= 1 for problem in refused.problems)
    assert len(str(refused)) < MOST_ANSWER


def export_of(data: bytes) -> None:
    """The audit verifier: a verdict, or a file that is no trail. Never "whole" for rows that no trusted key signed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        path.write_bytes(data)
        try:
            verdict = verifier.verify(path, keys=["ab" * 32])
        except (DatabaseError, ValueError, KeyError, TypeError):
            return
        assert not (verdict.ok and verdict.signed), "nobody has the key to this public key"


def form_of(data: bytes) -> None:
    """A submitted window: values or an error for people; ValueError and the like where it is no form of ours."""
    try:
        view = json.loads(data)
        spec, _ = forms.spec_and_channel(view)
        answer = grammar.build(spec, forms.values(spec, view))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return
    if isinstance(answer, UsageError):
        assert all(len(text) <= 2000 for text in forms.errors(answer).values())


@functools.cache
def _edge() -> tuple[Edge, "count[int]"]:
    """Return the bot that envelopes are given to, with one job that waits for approval."""
    edge = Edge(Path(tempfile.mkdtemp(prefix="clearml-chatops-fuzz-")))
    envelope = (SEEDS / "envelope" / "command_create").read_text().replace("$N", "0")
    edge.give(json.loads(envelope))
    return edge, count(1)


def envelope_of(data: bytes) -> None:
    """What Slack may send: commands, clicks, forms, shortcuts, events. Refused at the door, or worked off to its end.

    ``$JOB`` and ``$DIGEST`` name the job that waits, ``$N`` is new each time: what came before is not done again.
    """
    edge, number = _edge()
    job = edge.job()
    for name, value in (("$JOB", job.id), ("$DIGEST", job.plan.digest), ("$N", str(next(number)))):
        data = data.replace(name.encode(), value.encode())
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(payload, dict):
        edge.give(payload)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "grammar": grammar_of,
    "policy": policy_of,
    "export": export_of,
    "form": form_of,
    "envelope": envelope_of,
}


# What mutations are made of, beside the seeds: what each format gives a meaning to.
PIECES: Mapping[str, list[bytes]] = {
    "grammar": [
        *b"-- ' \" = , <@U1|x> --dry-run \x00".split(b" "),
        b" ",
        *(name.encode() for name in CATALOG),
        *(f"--{field.replace('_', '-')} ".encode() for spec in CATALOG.values() for field in spec.args.model_fields),
        b"9" * 30,
        b"\xe2\x80\x94",
    ],
    "policy": [*b": - & &a *a !!x { [ ' \xff".split(b" "), b"\n", b"  ", b"\t", b"version: ", b"rules:"],
    "export": [*b'" { } null -1 1e999 [] 00 NaN "proof":null \xff'.split(b" "), b"\n"],
    "form": [*b'" null [] {} -1 NaN "value": \\ud800 \xff'.split(b" ")],
    "envelope": [
        *b'" null [] {} -1 NaN true \\ud800 \\u0000 $JOB $DIGEST $N U1 U2 UGUEST C1'.split(b" "),
        *b"<!channel> <https://evil.example|x> <@UEVIL>".split(b" "),
        *(
            name.encode()
            for name in (
                "job_approve",
                "job_deny",
                "job_retry",
                "job_reveal",
                "form_open",
                "preview_ask",
                "view_submission",
                "message_action",
                "apply_tenants",
            )
        ),
    ],
}


def seeds(target: str) -> list[bytes]:
    """Return the kept inputs of *target*: good ones to begin with, and whatever was once a find."""
    return [path.read_bytes() for path in sorted((SEEDS / target).iterdir())]
