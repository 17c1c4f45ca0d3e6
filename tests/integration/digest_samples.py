"""Digests, and a world around them that is turned by hand."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from provisioning.clock import Clock
from provisioning.digests.compose import DigestComposer
from provisioning.digests.desk import Desk
from provisioning.digests.digest import Digest
from provisioning.errors import PermanentError, UnreachableError
from provisioning.reports import Report
from provisioning.steps.base import StepRun
from provisioning.store import Store
from provisioning.store.digests import Digests
from tests.fakes import FakePeople

START = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
RUN = StepRun(job_id="job-1", step_id="digest", attempt=1, timeout_s=5)
MORNING = Digest.model_validate(
    {
        "name": "morning",
        "cron": "0 9 * * *",
        "zone": "UTC",
        "channel": "C01",
        "include": ["jobs", "approvals", "audit"],
        "alert": {"measure": "ports.free", "sign": "<", "limit": "50"},
        "clear": {"measure": "ports.free", "sign": ">", "limit": "80"},
    }
)


class Hands(Clock):
    """A clock that is turned, a world that is measured, a channel that is read."""

    def __init__(self) -> None:
        self.at = START
        self.free: float | None = 100.0
        self.sent: list[Report] = []
        self.told: list[tuple[str, Report]] = []
        self.pictures = 0
        self.gone: set[str] = set()  # people who cannot be told
        self.fail: Callable[[], BaseException] | None = None

    def now(self) -> datetime:
        return self.at

    def measure(self) -> Mapping[str, float]:
        if self.free is None:
            raise UnreachableError("listing Services: the cluster did not answer")
        return {"ports.free": self.free}

    def post(self, channel: str, report: Report) -> str:
        if channel != "C01":
            if channel in self.gone:
                raise PermanentError(f"posting in {channel}: user_disabled")
            self.told.append((channel, report))
            return f"dm-{len(self.told)}"
        if self.fail is not None:
            raise self.fail()
        self.sent.append(report)
        return f"ts-{len(self.sent)}"

    def illustrate(self, channel: str, ts: str, report: Report) -> None:
        assert ts == f"ts-{len(self.sent)}"
        self.pictures += 1

    @property
    def titles(self) -> list[str]:
        return [report.title for report in self.sent]


def desk(store: Store, hands: Hands, composer: DigestComposer | None = None) -> Desk:
    composer = composer or DigestComposer(store=store, queries={})
    return Desk(
        digests=Digests(store),
        composer=composer,
        poster=hands,
        measure=hands.measure,
        clock=hands,
        people=FakePeople({"admin": frozenset({"U9", "os:root"})}),
    )


def actions(store: Store) -> list[str]:
    return [row["action"] for row in store.audit_rows(limit=1000)]


def words(report: Report) -> str:
    return f"{report.summary} {report.parts}"
