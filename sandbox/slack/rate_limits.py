"""Slack's rate limits: tiers per method, and one message a second per channel. Pure: time is passed in."""

import math
import threading
from collections import deque

TIER_1, TIER_2, TIER_3, TIER_4 = 1, 20, 50, 100  # calls a minute
WINDOW_S = 60.0
POST_BURST = 4  # Slack allows short bursts above 1/s; how short is not documented
SPECIAL = 300  # a minute: "several hundred", auth.test and posts across the workspace
CONNECTIONS = 30  # apps.connections.open is tier 1 on paper; reconnects of ten sockets must fit

PER_MINUTE: dict[str, int] = {
    "api.test": TIER_4,
    "apps.connections.open": CONNECTIONS,
    "auth.test": SPECIAL,
    "blocks.validate": TIER_4,
    "bots.info": TIER_3,
    "chat.delete": TIER_3,
    "chat.postEphemeral": TIER_4,
    "chat.postMessage": SPECIAL,
    "chat.update": TIER_3,
    "conversations.info": TIER_3,
    "conversations.join": TIER_3,
    "conversations.list": TIER_2,
    "conversations.members": TIER_4,
    "conversations.open": TIER_3,
    "files.completeUploadExternal": TIER_4,
    "files.getUploadURLExternal": TIER_4,
    "files.info": TIER_4,
    "team.info": TIER_3,
    "usergroups.list": TIER_2,
    "usergroups.users.list": TIER_2,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "views.open": TIER_4,
    "views.publish": TIER_4,
    "views.push": TIER_4,
    "views.update": TIER_4,
}


class RateLimits:
    """Counts the calls of one app in one workspace. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, deque[float]] = {}
        self._posts: dict[str, tuple[float, float]] = {}  # channel → (tokens, at)

    def admit(self, method: str, now_s: float) -> int:
        """Count a call of *method*. Returns 0, or the seconds to wait where there were too many."""
        with self._lock:
            calls = self._calls.setdefault(method, deque())
            while calls and now_s - calls[0] >= WINDOW_S:
                calls.popleft()
            if len(calls) >= PER_MINUTE.get(method, TIER_3):
                return max(1, math.ceil(WINDOW_S - (now_s - calls[0])))
            calls.append(now_s)
            return 0

    def admit_post(self, channel_id: str, now_s: float) -> int:
        """Count a message to the channel. Returns 0, or the seconds to wait."""
        with self._lock:
            tokens, at_s = self._posts.get(channel_id, (float(POST_BURST), now_s))
            tokens = min(float(POST_BURST), tokens + (now_s - at_s))
            if tokens < 1:
                self._posts[channel_id] = (tokens, now_s)
                return max(1, math.ceil(1 - tokens))
            self._posts[channel_id] = (tokens - 1, now_s)
            return 0
