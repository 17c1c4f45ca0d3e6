"""A Slack user id → who that is and which roles they hold, as of now. Ids are opaque (U…, W… on Enterprise Grid).

Roles, and the policy's groups, are given as ids of users and user groups. Only full members of the workspace hold
any; guests where a setting lets them; bots, strangers of shared channels and deactivated people never.

How long a right outlives its loss: a person is asked for again after 10 s, a user group after 60 s (its method allows
20 calls a minute), and both at once where Slack sends an event about them. While Slack does not answer, the last answer
counts for 2 minutes (a person) or 5 (a group); after that nobody has a role until it answers again.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Any, Generic, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from policies.approvals import Actor
from provisioning.errors import UnreachableError

log = logging.getLogger(__name__)

PERSON_FRESH_S, PERSON_STALE_S = 10.0, 120.0
GROUP_FRESH_S, GROUP_STALE_S = 60.0, 300.0

T = TypeVar("T")


class Standing(StrEnum):
    """What somebody is to the workspace. All but members are refused, whatever a policy says."""

    MEMBER = "member"
    GUEST = "guest"
    BOT = "bot"
    STRANGER = "stranger"  # of another workspace, in a shared channel
    DEACTIVATED = "deactivated"


@dataclass(frozen=True)
class Person:
    """One user as Slack knows them."""

    id: str
    name: str
    standing: Standing


class Identity:
    """Knows people. Thread-safe; asks Slack once for the same thing at the same time."""

    def __init__(
        self, client: WebClient, *, allow_guests: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._allow_guests = allow_guests
        self._people = _Answers(_shape_person, monotonic, fresh_s=PERSON_FRESH_S, stale_s=PERSON_STALE_S)
        self._groups: _Answers[frozenset[str]] = _Answers(
            frozenset, monotonic, fresh_s=GROUP_FRESH_S, stale_s=GROUP_STALE_S
        )

    def person(self, user_id: str) -> Person:
        """Return who that is. Raises: UnreachableError where Slack cannot say, and did not lately."""
        return self._people.get(user_id, lambda: self._client.users_info(user=user_id)["user"])

    def may_act(self, person: Person) -> bool:
        """Return whether the workspace's people of this kind may do anything at all."""
        return person.standing is Standing.MEMBER or (person.standing is Standing.GUEST and self._allow_guests)

    def actor(self, user_id: str, holders: Mapping[str, frozenset[str]]) -> Actor:
        """Return who that is; *holders* are role → ids of users and user groups.

        Raises: UnreachableError where Slack cannot say, and did not lately.
        """
        person = self.person(user_id)
        if not self.may_act(person):
            return Actor(id=user_id, name=person.name)
        roles = frozenset(role for role, ids in holders.items() if self._holds(user_id, ids))
        return Actor(id=user_id, name=person.name, roles=roles)

    def members(self, group: str) -> frozenset[str]:
        """Return the ids of a user group's active members. Raises: UnreachableError."""
        return self._groups.get(group, lambda: self._client.usergroups_users_list(usergroup=group)["users"])

    def forget(self, some_id: str) -> None:
        """Slack says that a person or a user group has changed: ask anew."""
        self._people.forget(some_id)
        self._groups.forget(some_id)

    def _holds(self, user_id: str, holders: frozenset[str]) -> bool:
        if user_id in holders:
            return True
        groups = (holder for holder in sorted(holders) if holder.startswith("S"))
        return any(user_id in self.members(group) for group in groups)


class _Answers(Generic[T]):
    """Slack's answers by key, kept for a while."""

    def __init__(
        self, shape: Callable[[Any], T], monotonic: Callable[[], float], *, fresh_s: float, stale_s: float
    ) -> None:
        self._shape = shape
        self._monotonic = monotonic
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._kept: dict[str, tuple[T, float]] = {}
        self._asking: dict[str, Lock] = {}
        self._changes: dict[str, int] = {}  # how often it was said that the key has changed
        self._lock = Lock()

    def get(self, key: str, ask: Callable[[], Any]) -> T:
        with self._lock:
            asking = self._asking.setdefault(key, Lock())
        with asking:  # whoever comes second finds the answer of the first
            return self._get(key, ask)

    def forget(self, key: str) -> None:
        with self._lock:
            self._changes[key] = self._changes.get(key, 0) + 1
            self._kept.pop(key, None)

    def _get(self, key: str, ask: Callable[[], Any]) -> T:
        began = self._monotonic()
        with self._lock:
            kept, changes = self._kept.get(key), self._changes.get(key, 0)
        if kept is not None and began - kept[1] < self._fresh_s:
            return kept[0]
        try:
            value = self._shape(ask())
        except (SlackApiError, OSError) as error:
            said = error.response.get("error") if isinstance(error, SlackApiError) else type(error).__name__
            if kept is None or self._monotonic() - kept[1] > self._stale_s:
                raise UnreachableError(
                    f"Slack could not be asked who {key} is ({said}), and without that nobody has a role",
                    next_action="try again in a minute; an admin checks with: clearml-chatops doctor",
                ) from error
            log.warning("Slack did not answer about %s (%s): its last answer counts", key, said)
            return kept[0]
        with self._lock:
            if self._changes.get(key, 0) == changes:  # else it is old already
                self._kept[key] = (value, began)
        return value


def _shape_person(user: Mapping[str, Any]) -> Person:
    profile = user.get("profile") or {}
    name = str(profile.get("display_name") or user.get("name") or user.get("id") or "")
    return Person(id=str(user.get("id", "")), name=name, standing=_standing(user))


def _standing(user: Mapping[str, Any]) -> Standing:
    if user.get("deleted"):
        return Standing.DEACTIVATED
    if user.get("is_bot") or user.get("is_workflow_bot"):
        return Standing.BOT
    if user.get("is_stranger"):
        return Standing.STRANGER
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        return Standing.GUEST
    return Standing.MEMBER
