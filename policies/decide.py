"""May this actor ask for this? Allow, deny with the reason, or needs approval. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

from policies.approvals import Actor, Approval, Quorum, Refusal
from policies.conditions import BlastRadius, PolicyRequest, matches
from policies.policy import ROLES, Approvals, Policy, Rule

__all__ = [
    "Allow",
    "BlastRadius",
    "Decision",
    "Deny",
    "NeedsApproval",
    "PolicyRequest",
    "decide",
    "decide_on",
    "is_denied_anyhow",
    "outcomes",
]

# What a command does to each of its subjects, where there is a command for one of them.
FOR_EACH = {"tenant apply": "tenant create"}
BREAK_GLASS = '--break-glass --reason "…"'


@dataclass(frozen=True, kw_only=True)
class Allow:
    """Yes, at once. ``told`` are the roles of those to be told that the glass was broken; else empty."""

    rule: str
    told: frozenset[str] = frozenset()

    @property
    def broke_glass(self) -> bool:
        return bool(self.told)


@dataclass(frozen=True, kw_only=True)
class Deny:
    """No, why, and what to do next."""

    rule: str  # "" where no rule matched
    reason: str
    next_action: str


@dataclass(frozen=True, kw_only=True)
class NeedsApproval:
    """Yes, once others have approved."""

    rule: str
    approval: Approval


Decision: TypeAlias = Allow | Deny | NeedsApproval


def decide(policy: Policy, request: PolicyRequest) -> Decision:
    """Return what the first rule that matches says; deny where none does.

    Raises: ValueError where it is not planned yet.
    """
    if not request.blast.is_planned:
        raise ValueError(f"{request.command} is not planned yet: what it decides may depend on the plan")
    return next(outcomes(policy, request))


def decide_on(policy: Policy, request: PolicyRequest, subjects: Sequence[str]) -> Decision | Refusal:
    """Return what is decided on all of *subjects* together: a denial of one is one of all.

    What the command for one of them (`FOR_EACH`) asks on one, a batch asks, too. A Refusal where they need different
    approvals: one click cannot stand for all of them.
    """
    found = {subject: _on_one(policy, replace(request, subject=subject)) for subject in subjects}
    for subject, decision in found.items():
        if isinstance(decision, Deny):
            whose = f"{subject}: " if len(found) > 1 else ""
            return replace(decision, reason=whose + decision.reason)
    asking = {subject: one for subject, one in found.items() if isinstance(one, NeedsApproval)}
    if not asking:
        return next(iter(found.values()))
    first_subject, first = next(iter(asking.items()))
    for subject, one in found.items():
        if one != first:
            return Refusal(
                reason=f"{first_subject} and {subject} need different approvals (rules {first.rule} and {one.rule})",
                next_action="ask for them one by one, or in separate files",
            )
    return first


def _on_one(policy: Policy, about: PolicyRequest) -> Decision:
    """Return what is decided on one subject of a batch: whatever is asked of it alone, and of the batch."""
    decision = decide(policy, about)
    if about.command not in FOR_EACH or decision.rule == "":
        return decision
    about_one = replace(about, command=FOR_EACH[about.command])
    if about.break_glass:
        return _through_glass(policy, [about, about_one]) or decision
    alone = decide(policy, about_one)
    match alone, decision:
        # That no rule speaks of the other command denies nothing: the policy is asked about this one.
        case Deny(rule=str(rule)), _ if rule:
            return alone
        case NeedsApproval(), Allow():
            return alone
        case NeedsApproval(), NeedsApproval() if alone.rule != decision.rule:
            return _both(decision, alone)
        case _:
            return decision


def _through_glass(policy: Policy, requests: Sequence[PolicyRequest]) -> Allow | Deny | None:
    """Return what is decided where the glass in front of all of *requests* is broken; None: there is none."""
    behind = [one for one in requests if _is_guarded(decide(policy, replace(one, break_glass=False)))]
    found = [decide(policy, one) for one in behind]
    if denied := next((one for one in found if isinstance(one, Deny)), None):
        return denied
    broken = [one for one in found if isinstance(one, Allow)]
    rules = dict.fromkeys(one.rule for one in broken)
    told = frozenset[str]().union(*(one.told for one in broken))
    return Allow(rule=" and ".join(rules), told=told) if broken else None


def _is_guarded(decision: Decision) -> bool:
    """Return whether a rule says that it may not be done at once."""
    return not isinstance(decision, Allow) and bool(decision.rule)


def _both(one: NeedsApproval, other: NeedsApproval) -> NeedsApproval:
    """Return what asks for the approvals of both, from different people, by the earlier end."""
    rule, mine, theirs = f"{one.rule} and {other.rule}", one.approval, other.approval
    merged = {
        "rule": rule,
        "also": (*mine.also, *theirs.quorums),
        "expires_at": min(mine.expires_at, theirs.expires_at),
        "reason_required": mine.reason_required or theirs.reason_required,
    }
    return NeedsApproval(rule=rule, approval=mine.model_copy(update=merged))


def is_denied_anyhow(policy: Policy, request: PolicyRequest) -> Deny | None:
    """Return the denial that stands whatever the plan is, or None: then it is worth planning."""
    found = list(outcomes(policy, request))
    last = found[-1]
    return last if isinstance(last, Deny) and all(isinstance(one, Deny) for one in found) else None


def outcomes(policy: Policy, request: PolicyRequest) -> Iterator[Decision]:
    """Yield what may be decided, in the order of the rules; exactly one where it is known how much is planned."""
    for rule in policy.rules:
        match matches(rule, request):
            case True:
                yield _effect(rule, request)
                return
            case None:
                yield _effect(rule, request)
            case False:
                pass
    yield _no_rule(policy, request)


def _effect(rule: Rule, request: PolicyRequest) -> Decision:
    if request.break_glass:
        return _break_glass(rule, request)
    if rule.say_why and not request.reason.strip():
        return Deny(
            rule=rule.name,
            reason=f"the rule {rule.name} asks why {request.command} is wanted",
            next_action='run it again with --reason "…"',
        )
    match rule.effect:
        case "allow":
            return Allow(rule=rule.name)
        case "deny":
            next_action = f"if that is wrong, ask an admin about the policy's rule {rule.name}"
            if rule.break_glass & request.actor.roles:
                next_action = f"in an emergency, {BREAK_GLASS} goes ahead; {next_action}"
            return Deny(rule=rule.name, reason=rule.reason, next_action=next_action)
        case "approve":
            return NeedsApproval(rule=rule.name, approval=_approval(rule, request))


def _approval(rule: Rule, request: PolicyRequest) -> Approval:
    asked = rule.approvals or Approvals()
    return Approval(
        rule=rule.name,
        approver_roles=frozenset(asked.roles),
        count=asked.count,
        also=tuple(Quorum(roles=frozenset(more.roles), count=more.count) for more in asked.also),
        expires_at=request.now + timedelta(hours=asked.expires_after_h),
        reason_required=asked.reason_required,
        remind_at=request.now + timedelta(hours=asked.remind_after_h) if asked.remind_after_h else None,
        escalate_at=request.now + timedelta(hours=asked.escalate_after_h) if asked.escalate_after_h else None,
        escalate_to=asked.escalate_to,
    )


def _break_glass(rule: Rule, request: PolicyRequest) -> Decision:
    """Going ahead without approval: only where the rule that matches names a role of theirs, and with a reason."""
    if rule.effect == "allow":
        return Deny(
            rule=rule.name,
            reason=f"{request.command} needs nobody's approval here, so there is no glass to break",
            next_action="run it again without --break-glass",
        )
    if not rule.break_glass & request.actor.roles:
        may = f"who has {' or '.join(sorted(rule.break_glass))} may" if rule.break_glass else "nobody may"
        return Deny(
            rule=rule.name,
            reason=f"by the rule {rule.name}, {may} break the glass here, and you have {_have(request.actor)}",
            next_action="run it without --break-glass" if rule.effect == "approve" else rule.reason,
        )
    if not request.reason.strip():
        return Deny(
            rule=rule.name,
            reason="breaking the glass needs a reason, which everybody will read",
            next_action=f"run it again with {BREAK_GLASS}",
        )
    asked = rule.approvals or Approvals()
    return Allow(rule=rule.name, told=frozenset(asked.roles).union(*(more.roles for more in asked.also)))


def _no_rule(policy: Policy, request: PolicyRequest) -> Deny:
    """Say which roles would do: whoever is refused wants to know whom to ask."""
    would_do = [role for role in (*ROLES, *policy.groups) if _would_do(policy, request, role)]
    if would_do:
        needed = " or ".join(would_do)
        return Deny(
            rule="",
            reason=f"{request.command} needs the role {needed}, and you have {_have(request.actor)}",
            next_action=f"ask somebody with the role {needed} to run it, or an admin for that role",
        )
    return Deny(
        rule="",
        reason=f"no rule of the policy allows {request.command} here, and you have {_have(request.actor)}",
        next_action="ask an admin to look at the policy: /clearml policy explain says which rules were looked at",
    )


def _would_do(policy: Policy, request: PolicyRequest, role: str) -> bool:
    """Return whether the requester could ask for it with *role* besides those that they have."""
    with_it = replace(request, actor=request.actor.model_copy(update={"roles": request.actor.roles | {role}}))
    for rule in policy.rules:
        if matches(rule, with_it) is not False:
            return isinstance(_effect(rule, with_it), Allow | NeedsApproval)
    return False


def _have(actor: Actor) -> str:
    return ", ".join(sorted(actor.roles)) or "no role"
