"""Who approves what: the people, the ask, the votes, and the pure machine that counts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Actor(BaseModel):
    """Who does something. ``id`` is opaque: a Slack user id, or ``os:root`` on the command line."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    roles: frozenset[str] = frozenset()  # viewer, operator, approver, admin


class Approval(BaseModel):
    """What must happen before a job may run, as the policy decided when it was asked."""

    model_config = ConfigDict(frozen=True)

    rule: str  # the policy rule's name
    approver_roles: frozenset[str]
    count: int  # how many different people
    expires_at: datetime  # aware, UTC
    reason_required: bool = False


class Vote(BaseModel):
    """One person's word on one job."""

    model_config = ConfigDict(frozen=True)

    actor: Actor
    approve: bool
    at: datetime
    digest: str  # of the plan that they saw
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """No, why, and what to do next. A value, not an error."""

    reason: str
    next_action: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.next_action}" if self.next_action else self.reason


class Standing(StrEnum):
    """Where the votes stand."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"


def refusal_to_vote(
    *,
    approval: Approval,
    requester: Actor,
    votes: Sequence[Vote],
    voter: Actor,
    plan_digest: str,
    seen_digest: str,
    approve: bool,
    reason: str,
    now: datetime,
) -> Refusal | None:
    """Return why *voter* may not vote so now, or None. Rights are those of this moment."""
    if now >= approval.expires_at:
        return Refusal(reason="this request has expired", next_action="ask the requester to run the command again")
    if voter.id == requester.id:
        return Refusal(
            reason="this is your own request",
            next_action="another person must decide; Withdraw takes it back"
            if approve
            else "use Withdraw to take it back",
        )
    if not approval.approver_roles & voter.roles:
        needed = " or ".join(sorted(approval.approver_roles))
        have = ", ".join(sorted(voter.roles)) or "no role"
        return Refusal(
            reason=f"deciding on this needs the role {needed}, and you have {have}",
            next_action=f"ask somebody with the role {needed}",
        )
    if seen_digest != plan_digest:
        return Refusal(
            reason="the plan is no longer the one that you saw",
            next_action="read the card as it is now, and vote on that",
        )
    if any(vote.actor.id == voter.id for vote in votes):
        return Refusal(reason="you have voted already", next_action="another approver must add theirs")
    if approval.reason_required and not reason.strip():
        return Refusal(reason="this rule asks for a reason", next_action="vote again and give one")
    return None


def standing(approval: Approval, votes: Sequence[Vote]) -> Standing:
    """Return where the votes stand: one Deny denies; enough different people approve."""
    if any(not vote.approve for vote in votes):
        return Standing.DENIED
    approvers = {vote.actor.id for vote in votes if vote.approve}
    return Standing.APPROVED if len(approvers) >= approval.count else Standing.PENDING
