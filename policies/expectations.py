"""A table of what a policy must say, for ``policy test``. Pure.

policy: policy.yaml
tests:
- {name: nobody creates tenants alone, command: tenant create acme, roles: [operator], expect: approve}
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field

from commands.arguments import Moment
from policies import documents
from policies.approvals import Actor, Refusal
from policies.decide import Allow, Decision, Deny, NeedsApproval
from policies.documents import DocumentError
from policies.explain import explain, request_for, words_of
from policies.loader import PolicyVersion
from policies.policy import ROLES, Policy

_MARKS = {True: "matches", False: "does not match", None: "may match, as the plan turns out"}
MONDAY_MORNING = datetime(2026, 1, 5, 9, tzinfo=UTC)


class ExpectationsError(DocumentError):
    """The text is no table of expectations."""

    kind = "expectations"


class Expectation(BaseModel):
    """One line of the table: what is asked, and what the policy must say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    command: str = Field(min_length=1, max_length=3000)  # as typed: tenant create acme --reason "…"
    roles: frozenset[str] = frozenset()  # of the requester; groups of the policy are roles, too
    channel: str | None = None
    cluster: str = ""
    at: Moment = MONDAY_MORNING
    destroys: int = Field(default=0, ge=0)  # steps of the plan
    changes: int = Field(default=1, ge=0)
    overcommit: float = Field(default=0.0, ge=0)  # everyone's full quota over the GPUs there are
    lacks_room: bool = False  # what is asked for does not surely fit now
    expect: Literal["allow", "deny", "approve"]
    rule: str | None = None  # the rule that decides
    people: int | None = None  # how many must approve, in all
    says: str | None = None  # a part of the answer


class Table(BaseModel):
    """A whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: str = ""  # a path beside this file; "" for the one that is given, or the default one
    tests: tuple[Expectation, ...] = Field(min_length=1, max_length=1000)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one expectation: ``problems`` is empty where it held."""

    expectation: Expectation
    problems: tuple[str, ...]
    looked_at: tuple[str, ...] = ()  # a line for each rule, where it did not hold

    @property
    def held(self) -> bool:
        return not self.problems


def load(text: str) -> Table:
    """Return the table in *text*. Raises: ExpectationsError."""
    return documents.read(text, Table, ExpectationsError, begin_with="write a list of expectations under tests:")


def run(version: PolicyVersion, table: Table) -> tuple[Result, ...]:
    """Ask the policy each of them."""
    return tuple(_result(version, expectation) for expectation in table.tests)


def _result(version: PolicyVersion, expectation: Expectation) -> Result:
    if unknown := tuple(_unknown(version.policy, expectation)):
        return Result(expectation=expectation, problems=unknown)
    request = request_for(
        expectation.command,
        actor=Actor(id="U0TEST", name="somebody", roles=expectation.roles),
        channel=expectation.channel,
        now=expectation.at,
        cluster=expectation.cluster,
        destroys=expectation.destroys,
        changes=expectation.changes,
        overcommit=expectation.overcommit,
        lacks_room=expectation.lacks_room,
    )
    if isinstance(request, Refusal):
        return Result(expectation=expectation, problems=(str(request),))
    explanation = explain(version.policy, request, lines=version.lines)
    problems = tuple(_problems(expectation, explanation.outcomes[0]))
    looked_at = tuple(f"line {look.line}: {look.rule} {_MARKS[look.matched]}: {look.why}" for look in explanation.looks)
    return Result(expectation=expectation, problems=problems, looked_at=looked_at if problems else ())


def _unknown(policy: Policy, wanted: Expectation) -> Iterator[str]:
    """Yield what is named and not there: a table that speaks of nobody would hold for ever."""
    known = (*ROLES, *policy.groups)
    for role in sorted(wanted.roles - set(known)):
        yield f"no role or group is called {role}: name {' or '.join(known)}"
    names = [rule.name for rule in policy.rules]
    if wanted.rule is not None and wanted.rule not in names:
        near = get_close_matches(wanted.rule, names, n=1)
        yield f"the policy has no rule {wanted.rule}: " + (
            f"did you mean {near[0]}?" if near else "name one that it has"
        )


def _problems(wanted: Expectation, decision: Decision) -> Iterator[str]:
    answer = words_of(decision)
    if _kind(decision) != wanted.expect:
        yield f"expected {wanted.expect}, but it is {answer}"
        return
    if wanted.rule is not None and decision.rule != wanted.rule:
        yield f"expected the rule {wanted.rule}, but {decision.rule or 'no rule'} decides"
    people = decision.approval.needed if isinstance(decision, NeedsApproval) else 0
    if wanted.people is not None and people != wanted.people:
        yield f"expected {wanted.people} to approve, but it is {people}"
    whole = f"{answer}: {decision.next_action}" if isinstance(decision, Deny) else answer
    if wanted.says is not None and wanted.says.casefold() not in whole.casefold():
        yield f"expected it to say {wanted.says!r}, but it says: {whole}"


def _kind(decision: Decision) -> str:
    match decision:
        case Allow():
            return "allow"
        case Deny():
            return "deny"
        case NeedsApproval():
            return "approve"
        case _:
            assert_never(decision)
