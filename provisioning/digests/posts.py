"""What a digest owes, and how it stands. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from provisioning.digests.digest import Digest


class PostKind(StrEnum):
    """Why something is posted."""

    SLOT = "slot"
    RUN = "run"  # asked for beside the slots
    ALERT = "alert"
    CLEAR = "clear"
    TROUBLE = "trouble"  # that it cannot be posted: to its owner, not to its channel


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who gave a digest its shape. ``id`` is Slack's, or ``os:NAME``."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Post:
    """One message that a digest owes. ``id``: ``morning:slot:2026-11-30T08:00:00+00:00``."""

    id: str
    digest: str
    kind: PostKind
    slot: datetime  # aware, UTC
    missed: int = 0  # earlier slots that this one stands for, too
    values: Mapping[str, float]  # what was measured when it became due
    state: str = "due"  # due, claimed, posted, failed
    tries: int = 0
    problem: str = ""
    addressee: str = ""  # id of whom it goes to; "": to the digest's channel


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A digest and how it stands. Slots up to ``cursor`` are dealt with. ``trouble``: why it was not posted last."""

    digest: Digest
    cursor: datetime
    alert_since: datetime | None
    last: Post | None = None
    owner: Owner | None = None  # None: of a digest from before owners were kept
    trouble: str = ""


def post_id(digest: str, kind: PostKind, about: str) -> str:
    return f"{digest}:{kind.value}:{about}"
