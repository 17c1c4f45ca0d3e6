"""Do others have our time? Requests that are five minutes old are refused, and certificates end by the clock."""

from datetime import UTC, datetime

from provisioning.checks.findings import Finding, fail, ok, warn

WARN_S, FAIL_S = 10, 120  # a Date header is exact to the second


def skew(what: str, theirs: datetime | None, now: datetime | None = None) -> Finding:
    """Return how far *theirs* is from this machine's time."""
    if theirs is None:
        return warn(what, "it does not tell its time", "compare it by hand")
    apart_s = round(abs(((now or datetime.now(UTC)) - theirs).total_seconds()))
    if apart_s < WARN_S:
        return ok(what, f"{apart_s} s from ours")
    judged = fail if apart_s >= FAIL_S else warn
    return judged(what, f"{apart_s} s from ours", "run NTP on both machines")
