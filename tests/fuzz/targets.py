"""What is fuzzed: each target takes bytes and returns. Whatever it raises is a find."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from sqlite3 import DatabaseError

from bot.slack import forms
from commands import grammar
from commands.grammar import HelpRequest, Invocation, UsageError
from policies import loader
from policies.loader import PolicyError
from provisioning import audit_verify

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
            verdict = audit_verify.verify(path, keys=["ab" * 32])
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


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "grammar": grammar_of,
    "policy": policy_of,
    "export": export_of,
    "form": form_of,
}


def seeds(target: str) -> list[bytes]:
    """Return the kept inputs of *target*: good ones to begin with, and whatever was once a find."""
    return [path.read_bytes() for path in sorted((SEEDS / target).iterdir())]
