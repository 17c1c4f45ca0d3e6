"""A Slack user id → an actor with roles, as of now. Guests, bots and deactivated people have no roles.

Roles come from the setting ``slack.roles``: role → ids of users and user groups. Answers of Slack's are kept for
a short time; where Slack does not answer, the last answer counts for a while longer, but for nobody new.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from policies.approvals import Actor

log = logging.getLogger(__name__)

FRESH_S = 60.0
STALE_S = 900.0  # how long an old answer counts while Slack does not give a new one

T = TypeVar("T")


@dataclass(frozen=True)
class _Kept:
    value: Any
    at: float


class Identity:
    """Knows people. Thread-safe."""

    def __init__(
        self,
        client: WebClient,
        roles: Mapping[str, frozenset[str]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._roles = roles
        self._monotonic = monotonic
        self._kept: dict[str, _Kept] = {}
        self._lock = Lock()

    def actor(self, user_id: str) -> Actor:
        """Return who that is. Raises: SlackApiError, OSError where Slack cannot say and never did."""
        person = self._ask(f"user:{user_id}", lambda: self._person(user_id))
        name, is_member = person
        if not is_member:
            return Actor(id=user_id, name=name)
        roles = frozenset(role for role, holders in self._roles.items() if self._holds(user_id, holders))
        return Actor(id=user_id, name=name, roles=roles)

    def _holds(self, user_id: str, holders: frozenset[str]) -> bool:
        if user_id in holders:
            return True
        return any(
            user_id in self._ask(f"group:{group}", lambda group=group: self._members(group))  # type: ignore[misc] - bound now
            for group in sorted(holders)
            if group.startswith("S")
        )

    def _person(self, user_id: str) -> tuple[str, bool]:
        user: Mapping[str, Any] = self._client.users_info(user=user_id)["user"]
        profile = user.get("profile") or {}
        name = str(profile.get("display_name") or user.get("name") or user_id)
        outside = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")
        return name, not any(user.get(flag) for flag in outside)

    def _members(self, group: str) -> frozenset[str]:
        return frozenset(self._client.usergroups_users_list(usergroup=group)["users"])

    def _ask(self, key: str, ask: Callable[[], T]) -> T:
        now = self._monotonic()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and now - kept.at < FRESH_S:
            value: T = kept.value
            return value
        try:
            value = ask()
        except (SlackApiError, OSError) as error:
            if kept is None or now - kept.at > STALE_S:
                raise
            log.warning("Slack did not answer about %s (%s): its last answer counts", key, type(error).__name__)
            return kept.value  # type: ignore[no-any-return] - what an earlier call of the same key returned
        with self._lock:
            self._kept[key] = _Kept(value, now)
        return value
