"""What helm says of a release, parsed at the edge. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_PENDING = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")
_GOOD = ("deployed", "superseded")  # what a rollback may go back to, best first
_CHART_VERSION = re.compile(r"v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


@dataclass(frozen=True)
class Release:
    """One helm release at its newest revision. ``status`` is helm's: deployed, failed, pending-upgrade, …"""

    name: str
    namespace: str
    revision: int
    status: str
    chart: str  # the chart's name
    chart_version: str
    app_version: str

    def __str__(self) -> str:
        """Return it in one line: ``revision 3 deployed, chart clearml-agent 1.4.0``."""
        return f"revision {self.revision} {self.status}, chart {self.chart} {self.chart_version}"

    @property
    def is_pending(self) -> bool:
        """True where helm is at work on it, or died at it: see `Helm.recover`."""
        return self.status in _PENDING


def parse_release(item: Mapping[str, Any]) -> Release:
    """Return the release that one item of ``helm list --output json`` is."""
    chart, version = _split(item["chart"])
    return Release(
        name=item["name"],
        namespace=item["namespace"],
        revision=int(item["revision"]),
        status=item["status"],
        chart=chart,
        chart_version=version,
        app_version=item.get("app_version", ""),
    )


def last_good(history: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the revision that a rollback may go back to, out of ``helm history --output json``; None where none is."""
    found = [(one["status"], int(one["revision"])) for one in history]
    for status in _GOOD:
        if revisions := [revision for state, revision in found if state == status]:
            return max(revisions)
    return None


def _split(chart: str) -> tuple[str, str]:
    """Return name and version of ``clearml-enterprise-agent-1.4.0-rc.1``."""
    for dash in (match.start() for match in re.finditer("-", chart)):
        if _CHART_VERSION.fullmatch(chart[dash + 1 :]):
            return chart[:dash], chart[dash + 1 :]
    return chart, ""
