"""Measures the platform once a slot, whoever asks and however often."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from provisioning.capacity.reading import read_gpus
from provisioning.capacity.view import look
from provisioning.clients.interfaces import ClusterReads
from provisioning.clock import Clock
from provisioning.errors import ChatopsError
from provisioning.jobs.job import OPEN, JobState
from provisioning.ports.finding import Severity
from provisioning.ports.reconcile import PortReport, reconcile
from provisioning.ports.survey import PortSurvey
from provisioning.store.samples import Sample, Samples
from provisioning.trends.gpus import of_gpus

if TYPE_CHECKING:
    from provisioning.store import Store

log = logging.getLogger(__name__)

RETRY = timedelta(seconds=30)
ALL = 100_000  # jobs: more than a store ever holds open


class Measuring:
    """Reads every measure of the platform now. Thread-safe."""

    def __init__(self, *, survey: PortSurvey, cluster: ClusterReads, store: "Store") -> None:
        self._survey = survey
        self._cluster = cluster
        self._store = store

    def measure(self) -> dict[str, float]:
        """Return measure → value. Raises: ChatopsError where the world could not be read."""
        ports = of_ports(reconcile(self._survey.look()))
        stock, usage = read_gpus(self._cluster)
        gpus = of_gpus(look(stock, usage, {}))
        return {**ports, **gpus, **self._of_jobs()}

    def _of_jobs(self) -> dict[str, float]:
        states = [job.state for job in self._store.jobs(states=OPEN, limit=ALL)]
        return {
            "tenants": len(self._store.tenants()),
            "jobs.open": len(states),
            "jobs.failed": states.count(JobState.FAILED),
            "approvals.waiting": states.count(JobState.AWAITING_APPROVAL),
        }


@dataclass
class Sampler:
    """Keeps one sample a slot of *every_s* seconds by the product's clock."""

    measuring: Measuring
    samples: Samples
    clock: Clock
    every_s: int
    taken: Callable[[Sample], None] = lambda _sample: None  # told of each new one
    _failed_at: datetime | None = None

    def tick(self) -> None:
        """Take this slot's sample where nobody has. A world that cannot be read is tried again after a while."""
        now = self.clock.now()
        slot = slot_of(now, self.every_s)
        if self.samples.has(slot) or (self._failed_at is not None and now < self._failed_at + RETRY):
            return
        try:
            sample = Sample(at=now, values=self.measuring.measure())
        except ChatopsError as error:
            log.warning("no sample for %s yet: %s", slot, error)
            self._failed_at = now
            return
        self._failed_at = None
        if self.samples.put(slot, sample):
            self.taken(sample)


def of_ports(found: PortReport) -> Mapping[str, float]:
    """Return the measures of ports."""
    reserved = {port for one in found.ranges for port in range(one.ports.start, one.ports.last + 1)}
    return {
        "ports.free": found.free_ports,
        "ports.room": found.room,
        "ports.reserved": len(reserved),
        "ports.live": sum(one.live for one in found.ranges),
        "ports.problems": found.count(Severity.PROBLEM),
    }


def slot_of(now: datetime, every_s: int) -> str:
    """Return the slot that *now* lies in, by the moment that it began at."""
    began = datetime.fromtimestamp(now.timestamp() // every_s * every_s, tz=UTC)
    return began.isoformat(timespec="seconds")
