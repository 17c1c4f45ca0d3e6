"""May this actor ask for this? Allow, deny with the reason, or needs approval. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TypeAlias

from commands.spec import Risk
from policies.approvals import Actor, Approval
from policies.policy import ROLES, Approvals, Policy, Rule


@dataclass(frozen=True, kw_only=True)
class PolicyRequest:
    """What is asked, by whom, where and when."""

    command: str  # "tenant create"
    risk: Risk
    subject: str  # the tenant; "" where there is none
    actor: Actor
    channel: str | None
    now: datetime  # aware, UTC


@dataclass(frozen=True, kw_only=True)
class Allow:
    """Yes, at once."""

    rule: str


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
    """Return what the first rule that matches says; deny where none does."""
    return _by_rule(policy, request) or _no_rule(policy, request)


def _by_rule(policy: Policy, request: PolicyRequest) -> Decision | None:
    for rule in policy.rules:
        if _matches(rule, request):
            return _effect(rule, request)
    return None


def _matches(rule: Rule, request: PolicyRequest) -> bool:
    return (
        (not rule.commands or any(fnmatchcase(request.command, pattern) for pattern in rule.commands))
        and (not rule.risks or request.risk in rule.risks)
        and (not rule.roles or bool(rule.roles & request.actor.roles))
        and (not rule.channels or request.channel in rule.channels)
        and (not rule.subjects or any(fnmatchcase(request.subject, pattern) for pattern in rule.subjects))
    )


def _effect(rule: Rule, request: PolicyRequest) -> Decision:
    match rule.effect:
        case "allow":
            return Allow(rule=rule.name)
        case "deny":
            return Deny(
                rule=rule.name,
                reason=rule.reason,
                next_action=f"if that is wrong, ask an admin about the policy's rule {rule.name}",
            )
        case "approve":
            asked = rule.approvals or Approvals()
            return NeedsApproval(
                rule=rule.name,
                approval=Approval(
                    rule=rule.name,
                    approver_roles=frozenset(asked.roles),
                    count=asked.count,
                    expires_at=request.now + timedelta(hours=asked.expires_after_h),
                    reason_required=asked.reason_required,
                ),
            )


def _no_rule(policy: Policy, request: PolicyRequest) -> Deny:
    """Say which roles would do: whoever is refused wants to know whom to ask."""
    would_do = [role for role in ROLES if _would_do(policy, request, role)]
    have = ", ".join(sorted(request.actor.roles)) or "no role"
    if would_do:
        needed = " or ".join(would_do)
        return Deny(
            rule="",
            reason=f"{request.command} needs the role {needed}, and you have {have}",
            next_action=f"ask somebody with the role {needed} to run it, or an admin for that role",
        )
    return Deny(
        rule="",
        reason=f"no rule of the policy allows {request.command} here, and you have {have}",
        next_action="ask an admin to look at the policy",
    )


def _would_do(policy: Policy, request: PolicyRequest, role: str) -> bool:
    """Return whether the requester could ask for it with *role* besides those that they have."""
    with_it = request.actor.model_copy(update={"roles": request.actor.roles | {role}})
    return isinstance(_by_rule(policy, replace(request, actor=with_it)), Allow | NeedsApproval)
