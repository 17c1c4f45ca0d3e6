"""How fast Slack may be called: tokens that come back evenly. Pure: the time is passed in."""


class Pace:
    """At most *burst* + *per_minute* calls in any minute.

    Slack's Tier 3 (chat.update) is 50 a minute over the whole workspace: 8 + 42.
    """

    def __init__(self, *, burst: int, per_minute: float) -> None:
        self._burst = float(burst)
        self._per_s = per_minute / 60
        self._tokens = self._burst
        self._at: float | None = None

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next call may be made; 0 where it may be made now."""
        self._refill(now)
        # A sliver short of a token counts as one: floating point must not make anybody wait for nothing.
        return max(0.0, (1 - self._tokens) / self._per_s) if self._tokens < 1 - 1e-6 else 0.0

    def take(self, now: float) -> None:
        """Count a call."""
        self._refill(now)
        self._tokens -= 1

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
