"""A Slack user id → an actor with roles, as of now. Guests, bots and deactivated people have no roles.

Roles, and the policy's groups, are given as ids of users and user groups. Answers of Slack's are kept for
a short time; where Slack does not answer, the last answer counts for a while longer, but for nobody new.
"""

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Generic, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from policies.approvals import Actor
from provisioning.errors import UnreachableError

log = logging.getLogger(__name__)

FRESH_S = 60.0
STALE_S = 900.0  # how long an old answer counts while Slack does not give a new one

T = TypeVar("T")


class Identity:
    """Knows people. Thread-safe."""

    def __init__(
        self,
        client: WebClient,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._people = _Answers(_shape_person, monotonic)
        self._groups: _Answers[frozenset[str]] = _Answers(frozenset, monotonic)

    def actor(self, user_id: str, holders: Mapping[str, frozenset[str]]) -> Actor:
        """Return who that is; *holders* are role → ids of users and user groups.

        Raises: UnreachableError where Slack cannot say, and did not lately.
        """
        name, is_member = self._people.get(user_id, lambda: self._client.users_info(user=user_id)["user"])
        if not is_member:
            return Actor(id=user_id, name=name)
        roles = frozenset(role for role, ids in holders.items() if self._holds(user_id, ids))
        return Actor(id=user_id, name=name, roles=roles)

    def _holds(self, user_id: str, holders: frozenset[str]) -> bool:
        if user_id in holders:
            return True
        groups = (holder for holder in sorted(holders) if holder.startswith("S"))
        return any(user_id in self.members(group) for group in groups)

    def members(self, group: str) -> frozenset[str]:
        """Return the ids of a user group's active members. Raises: UnreachableError."""
        return self._groups.get(group, lambda: self._client.usergroups_users_list(usergroup=group)["users"])


class _Answers(Generic[T]):
    """Slack's answers by key, kept for a while."""

    def __init__(self, shape: Callable[[Any], T], monotonic: Callable[[], float]) -> None:
        self._shape = shape
        self._monotonic = monotonic
        self._kept: dict[str, tuple[T, float]] = {}
        self._lock = Lock()

    def get(self, key: str, ask: Callable[[], Any]) -> T:
        now = self._monotonic()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and now - kept[1] < FRESH_S:
            return kept[0]
        try:
            value = self._shape(ask())
        except (SlackApiError, OSError) as error:
            said = error.response.get("error") if isinstance(error, SlackApiError) else type(error).__name__
            if kept is None or now - kept[1] > STALE_S:
                raise UnreachableError(
                    f"Slack could not be asked who {key} is ({said}), and without that nobody has a role",
                    next_action="try again in a minute; an admin checks with: clearml-chatops doctor",
                ) from error
            log.warning("Slack did not answer about %s (%s): its last answer counts", key, said)
            return kept[0]
        with self._lock:
            self._kept[key] = (value, now)
        return value


def _shape_person(user: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the name, and whether they are a full member of the workspace."""
    profile = user.get("profile") or {}
    name = str(profile.get("display_name") or user.get("name") or user.get("id") or "")
    outside = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")
    return name, not any(user.get(flag) for flag in outside)
