"""Why the policy says what it says: each rule that was looked at, what held of it, and what comes of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, assert_never

from commands import grammar
from commands.grammar import HelpRequest, How, Invocation, UsageError
from commands.spec import CommandArgs, CommandSpec
from policies.approvals import Actor, Refusal
from policies.conditions import BlastRadius, Check, PolicyRequest, checks, matches
from policies.decide import Allow, Decision, Deny, NeedsApproval, outcomes
from policies.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Look:
    """One rule that was looked at. ``line`` is that of the file, 0 where it is not known; ``matched`` is None where
    it depends on the plan."""

    rule: str
    line: int
    effect: str
    checks: tuple[Check, ...]
    matched: bool | None

    @property
    def why(self) -> str:
        """Return what decided on it: the conditions that do not hold, else those that do."""
        if not self.checks:
            return "it has no conditions: it matches everything"
        told = [check for check in self.checks if check.holds is self.matched] or list(self.checks)
        return "; ".join(_said(check) for check in told)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What was asked, which rules were looked at, how many were not, and what comes of it.

    ``outcomes`` has one entry where that is certain; before planning it may depend on the plan.
    """

    request: PolicyRequest
    looks: tuple[Look, ...]
    unread: tuple[str, ...]  # rules below the one that decided
    outcomes: tuple[Decision, ...]

    @property
    def verdict(self) -> str:
        """Return one line."""
        return ", or, as the plan turns out: ".join(dict.fromkeys(words_of(one) for one in self.outcomes))


def explain(policy: Policy, request: PolicyRequest, *, lines: Mapping[str, int] = MappingProxyType({})) -> Explanation:
    """Return why *policy* says what it says to *request*. *lines* are those of its file, by rule."""
    looks: list[Look] = []
    for rule in policy.rules:
        matched = matches(rule, request)
        looks.append(
            Look(
                rule=rule.name,
                line=lines.get(rule.name, 0),
                effect=rule.effect,
                checks=checks(rule, request),
                matched=matched,
            )
        )
        if matched:
            break
    return Explanation(
        request=request,
        looks=tuple(looks),
        unread=tuple(rule.name for rule in policy.rules[len(looks) :]),
        outcomes=tuple(outcomes(policy, request)),
    )


def request_for(
    text: str,
    *,
    actor: Actor,
    channel: str | None,
    now: datetime,
    cluster: str = "",
    destroys: int | None = None,
    changes: int | None = None,
    overcommit: float | None = None,
    lacks_room: bool | None = None,
) -> PolicyRequest | Refusal:
    """Return what the policy would be asked for the command *text*, or why it is no command.

    Arguments that do not matter to a policy may be left out: ``tenant create acme``. *destroys*, *changes*,
    *overcommit* and *lacks_room* say what it would plan; None: not known.
    """
    understood = _understood(text)
    if isinstance(understood, Refusal):
        return understood
    spec, args, how = understood
    if not spec.takes_dry_run:
        destroys, changes, overcommit, lacks_room = destroys or 0, changes or 0, overcommit or 0.0, bool(lacks_room)
    return PolicyRequest(
        command=spec.name,
        risk=spec.risk,
        subject=args.subject,
        actor=actor,
        channel=channel,
        now=now,
        cluster=cluster,
        blast=BlastRadius(
            destroys=destroys, changes=changes, gpus=args.gpus, overcommit=overcommit, lacks_room=lacks_room
        ),
        reason=how.reason,
        break_glass=how.break_glass,
    )


def words_of(decision: Decision) -> str:
    """Return a decision in one line."""
    match decision:
        case Allow(rule=rule, told=told) if told:
            return f"allowed by {rule} with the glass broken: everybody with {' or '.join(sorted(told))} is told"
        case Allow(rule=rule):
            return f"allowed at once by {rule}"
        case Deny(rule=rule, reason=reason):
            return f"denied by {rule}: {reason}" if rule else f"denied: {reason}"
        case NeedsApproval(rule=rule, approval=approval):
            return f"needs approval by {rule}: {approval.asks}, until {approval.expires_at:%Y-%m-%d %H:%M} UTC"
        case _:
            assert_never(decision)


def approver_roles(explanation: Explanation) -> frozenset[str]:
    """Return the roles of those who could approve, whatever is planned."""
    asked = (one.approval.may_vote for one in explanation.outcomes if isinstance(one, NeedsApproval))
    return frozenset().union(*asked)


def holders_of(roles: frozenset[str], holders: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """Return the ids of people and user groups that hold one of *roles*, sorted."""
    return tuple(sorted(frozenset().union(*(holders.get(role, frozenset()) for role in roles))))


def _understood(text: str) -> tuple[CommandSpec, CommandArgs, How] | Refusal:
    match grammar.parse(text):
        case Invocation(spec=spec, args=args, how=how):
            return spec, args, how
        case UsageError(spec=CommandSpec() as spec, missing=missing, fields=(), given=given, how=how) if missing:
            known: dict[str, Any] = dict.fromkeys(missing, "") | dict(given)
            return spec, spec.args.model_construct(**known), how
        case UsageError(message=message, spec=CommandSpec() as spec):
            return Refusal(reason=message, next_action=f"it is used as {spec.usage}")
        case UsageError(message=message):
            return Refusal(reason=message, next_action='write it as it is typed, as in "tenant create acme"')
        case HelpRequest():
            return Refusal(reason="that is no command", next_action='name one, as in "tenant create acme"')


def _said(check: Check) -> str:
    return f"{check.condition}: wants {check.wanted}, here: {check.found}"


__all__ = [
    "Explanation",
    "Look",
    "approver_roles",
    "explain",
    "holders_of",
    "request_for",
    "words_of",
]
