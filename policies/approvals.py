"""Who approves what: the people, the ask, the votes, and the pure machine that counts them."""

from datetime import datetime

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
