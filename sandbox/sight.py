"""What can be seen of the world from outside the bot: its database, the cluster's releases, ClearML's state."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioning.clients.cluster import ClusterClient
from provisioning.clients.helm import Helm
from provisioning.clock import Clock
from provisioning.evidence.verifier import verify
from provisioning.jobs.job import Job
from provisioning.redact import Redactor
from provisioning.store import Store
from provisioning.store.samples import Samples
from sandbox.clearml.state import ClearMLState


class Sight:
    """Reads only. Every answer is of this moment."""

    def __init__(self, *, db: Path, clock: Clock, helm: Helm, cluster: ClusterClient, clearml: ClearMLState) -> None:
        self._db = db
        self._clock = clock
        self._helm = helm
        self._cluster = cluster
        self._clearml = clearml

    def job(self, number: int | None = None) -> Job | None:
        """Return the job of that number, or the newest."""
        if not self._db.exists():
            return None
        store = self._store()
        if number is not None:
            return store.job_by_number(number)
        return max(store.jobs(limit=1000), key=lambda job: job.number, default=None)

    def job_lacks(self, expected: str) -> str | None:
        """Return None where the newest job (or ``41: succeeded``, that one) has the state, else what is so."""
        number, _, state = expected.rpartition(":")
        job = self.job(int(number) if number.strip() else None)
        if job is None:
            return "there is no such job"
        if job.state == state.strip().replace(" ", "_"):
            return None
        return f"job {job.number} is {job.state}" + (f": {job.failure.what}" if job.failure else "")

    def audit_count_lacks(self, expected: str) -> str | None:
        """Return None where there are exactly so many rows of an action (``job.approved 1``), else how many."""
        action, _, count = expected.rpartition(" ")
        found = sum(row["action"] == action.strip() for row in self.audit(limit=1000))
        return None if str(found) == count else f"there are {found} rows {action}"

    def audit_lacks(self, expected: str) -> str | None:
        """Return None where a row has that action or contains that text (``valid``: the chain holds; ``signed``:
        there is a checkpoint), else why."""
        if not self._db.exists():
            return "there is no audit trail yet"
        if expected == "valid":
            verdict = verify(self._db)
            return (
                None
                if verdict.ok
                else "; ".join(f"row {problem.seq}: {problem.detail}" for problem in verdict.problems)
            )
        if expected == "signed":
            signed = verify(self._db).signed
            return None if signed else "no row of the audit trail is signed yet"
        rows = self.audit(limit=1000)
        text = expected.removeprefix("contains ").casefold()
        if any(row["action"] == expected or text in " ".join(map(str, row.values())).casefold() for row in rows):
            return None
        return "the newest rows are: " + ", ".join(str(row["action"]) for row in rows[-12:])

    def audit(self, *, limit: int) -> list[dict[str, Any]]:
        """Return the newest rows, oldest first."""
        if not self._db.exists():
            return []
        return [dict(row) for row in self._store().audit_rows(limit=limit)]

    def samples_lack(self, expected: str) -> str | None:
        """Return None where so many samples were taken so far, else how many."""
        found = Samples(self._store()).since(datetime.fromtimestamp(0, tz=UTC)) if self._db.exists() else ()
        return None if str(len(found)) == expected else f"there are {len(found)} samples"

    def releases(self) -> list[dict[str, Any]]:
        """Return every helm release of the cluster."""
        return [
            {
                "namespace": release.namespace,
                "name": release.name,
                "revision": release.revision,
                "status": release.status,
                "chart": f"{release.chart}-{release.chart_version}",
            }
            for release in self._helm.releases()
        ]

    def release_lacks(self, where: str, *, status: str = "deployed") -> str | None:
        """Return None where ``namespace/name`` has a status that begins so, else what is there.

        ``namespace/name 1.1.0``: and its chart has that version.
        """
        where, _, version = where.partition(" ")
        namespace, _, name = where.partition("/")
        release = self._helm.release(namespace, name)
        if release is None:
            return f"there is no release {where}"
        if version and release.chart_version != version:
            return f"release {where} is of chart {release.chart_version}"
        return None if release.status.startswith(status) else f"release {where} is {release.status}"

    def has_namespace(self, name: str) -> bool:
        return self._cluster.namespace(name) is not None

    def node_lacks(self, expected: str) -> str | None:
        """Return None where each word holds of the node, else what is so.

        ``gpu-1: cordoned``, or ``open``; ``label=value`` or ``no label``.
        """
        name, _, words = expected.partition(":")
        found = next((node for node in self._cluster.nodes() if node.name == name.strip()), None)
        if found is None:
            return f"there is no node {name}"
        for word in (part.strip() for part in words.split(",")):
            key, equals, value = word.removeprefix("no ").partition("=")
            match word:
                case "cordoned" | "open":
                    holds = found.unschedulable == (word == "cordoned")
                case _ if equals:
                    holds = found.labels.get(key) == value
                case _ if word.startswith("no "):
                    holds = key not in found.labels
                case _:
                    raise ValueError(f"{word!r} says nothing of a node: write cordoned, open, label=value, no label")
            if not holds:
                labels = {label: text for label, text in found.labels.items() if "gpu-partitioning" in label}
                return f"{name} is {'cordoned' if found.unschedulable else 'open'}, labels {labels}"
        return None

    def company_lacks(self, name: str) -> str | None:
        """Return None where exactly one company has that name, else how many have."""
        count = sum(company["name"] == name for company in self._clearml.companies())
        return None if count == 1 else f"there are {count} companies of that name"

    def _store(self) -> Store:
        return Store(self._db, clock=self._clock, redact=Redactor())
