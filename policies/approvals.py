"""Who approves what: the people, the ask, the votes, and the pure machine that counts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Actor(BaseModel):
    """Who does something. ``id`` is opaque: a Slack user's, or ``os:root`` or ``oidc:…`` on the command line."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    roles: frozenset[str] = frozenset()  # viewer, operator, approver, admin


class Quorum(BaseModel):
    """So many people who hold one of these roles."""

    model_config = ConfigDict(frozen=True)

    roles: frozenset[str]
    count: int


class Approval(BaseModel):
    """What must happen before a job may run, as the policy decided when it was asked. Times are aware, UTC."""

    model_config = ConfigDict(frozen=True)

    rule: str  # the policy rule's name
    approver_roles: frozenset[str]
    count: int  # how many different people with one of approver_roles
    also: tuple[Quorum, ...] = ()  # and so many more, all different
    expires_at: datetime
    reason_required: bool = False
    remind_at: datetime | None = None
    escalate_at: datetime | None = None
    escalate_to: tuple[str, ...] = ()  # ids of Slack users and user groups

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        return (Quorum(roles=self.approver_roles, count=self.count), *self.also)

    @property
    def needed(self) -> int:
        """Return how many different people must approve in all."""
        return sum(quorum.count for quorum in self.quorums)

    @property
    def may_vote(self) -> frozenset[str]:
        """Return the roles one of which lets somebody vote."""
        return frozenset().union(*(quorum.roles for quorum in self.quorums))

    @property
    def asks(self) -> str:
        """Return who is asked, in words: ``2 with admin or approver, and 1 with security``."""
        return ", and ".join(f"{quorum.count} with {' or '.join(sorted(quorum.roles))}" for quorum in self.quorums)


class Vote(BaseModel):
    """One person's word on one job."""

    model_config = ConfigDict(frozen=True)

    actor: Actor
    approve: bool
    at: datetime
    digest: str  # of the plan that they saw
    reason: str = ""
    behalf: Actor | None = None  # whose right it was, where the actor had none of their own
    lapsed: bool = False  # that right was lost before all others had approved: the vote counts no more

    @property
    def voice(self) -> Actor:
        """Return whose right counts, with the roles held then."""
        return self.behalf or self.actor


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
    behalf: Actor | None = None,
    rights_of_requester: frozenset[str] | None = None,
) -> Refusal | None:
    """Return why *voter* may not vote so now, or None. Rights are those of this moment.

    *behalf* is who has lent the voter their right. Each person is one vote, whether they cast it or lent it.
    *rights_of_requester* are the roles that the requester holds now; None where that was not looked up.
    """
    voice, votes = behalf or voter, counted(votes)
    if now >= approval.expires_at:
        return Refusal(reason="this request has expired", next_action="ask the requester to run the command again")
    if voter.id == requester.id:
        return Refusal(
            reason="this is your own request",
            next_action="another person must decide; Withdraw, or `job cancel`, takes it back"
            if approve
            else "use Withdraw to take it back",
        )
    if behalf is not None and behalf.id == requester.id:
        return Refusal(
            reason=f"@{behalf.name} has asked for it, and their right decides nothing here",
            next_action="another person must decide",
        )
    if not approval.may_vote & voice.roles:
        needed = " or ".join(sorted(approval.may_vote))
        have = ", ".join(sorted(voice.roles)) or "no role"
        return Refusal(
            reason=f"deciding on this needs the role {needed}, and you have {have}",
            next_action=f"ask somebody with the role {needed}",
        )
    has_left = rights_of_requester is not None and bool(requester.roles) and not requester.roles & rights_of_requester
    if approve and has_left:
        return Refusal(
            reason=f"@{requester.name}, who asked for this, has lost every role that they asked with",
            next_action="deny it; whoever has the right may ask for it anew",
        )
    if seen_digest != plan_digest:
        return Refusal(
            reason="the plan is no longer the one that you saw",
            next_action="read the card as it is now, and vote on that",
        )
    if any(voter.id in {vote.actor.id, vote.voice.id} for vote in votes):
        return Refusal(reason="you have voted already", next_action="another approver must add theirs")
    if any(voice.id in {vote.actor.id, vote.voice.id} for vote in votes):
        return Refusal(
            reason=f"@{voice.name}, whose right you use, has voted already",
            next_action="another approver must add theirs",
        )
    if approval.reason_required and not reason.strip():
        return Refusal(reason="this rule asks for a reason", next_action="vote again and give one")
    if approve and filled(approval, [*(vote.voice for vote in votes), voice]) == len(votes):
        return Refusal(
            reason=f"those with {' or '.join(sorted(approval.may_vote & voice.roles))} have approved already",
            next_action=f"of {approval.asks}, others are missing",
        )
    return None


def as_of_now(approval: Approval, votes: Sequence[Vote], rights: Mapping[str, frozenset[str]]) -> tuple[Vote, ...]:
    """Return *votes* with the roles that are left of each voice's: an approval counts for who could still give it.

    *rights* are the roles that voices hold now, by id; whoever is not in it has just voted. A Deny stays.
    """
    return tuple(_as_of_now(approval, vote, rights) if vote.approve and not vote.lapsed else vote for vote in votes)


def _as_of_now(approval: Approval, vote: Vote, rights: Mapping[str, frozenset[str]]) -> Vote:
    left = vote.voice.roles & rights.get(vote.voice.id, vote.voice.roles)
    voice = vote.voice.model_copy(update={"roles": left})
    whose = "actor" if vote.behalf is None else "behalf"
    return vote.model_copy(update={whose: voice, "lapsed": not approval.may_vote & left})


def counted(votes: Sequence[Vote]) -> tuple[Vote, ...]:
    """Return the votes that count."""
    return tuple(vote for vote in votes if not vote.lapsed)


def filled(approval: Approval, people: Sequence[Actor]) -> int:
    """Return how many of the approvals asked for *people* make up, each person being one of them at most.

    Exact: somebody who could stand for two groups stands for the one that nobody else can.
    """
    seats = [quorum.roles for quorum in approval.quorums for _ in range(quorum.count)]
    unlike = {person.id: person for person in people}
    holder: dict[int, str] = {}  # seat → person

    def seat(person: Actor, tried: set[int]) -> bool:
        for number, roles in enumerate(seats):
            if number in tried or not roles & person.roles:
                continue
            tried.add(number)
            if number not in holder or seat(unlike[holder[number]], tried):
                holder[number] = person.id
                return True
        return False

    return sum(seat(person, set()) for person in unlike.values())


def standing(approval: Approval, votes: Sequence[Vote]) -> Standing:
    """Return where the votes stand: one Deny denies; enough different people approve."""
    if any(not vote.approve for vote in votes):
        return Standing.DENIED
    have = filled(approval, [vote.voice for vote in counted(votes)])
    return Standing.APPROVED if have >= approval.needed else Standing.PENDING
