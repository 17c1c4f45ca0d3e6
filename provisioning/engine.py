"""The durable engine: DBOS runs jobs, one per subject at a time, and goes on after a crash."""

from pathlib import Path

from pydantic import SecretStr

from provisioning.jobs import Job
from provisioning.runner import Runner


class Engine:
    """Runs jobs durably. One per process.

    Args:
        runner: what does the work.
        data_dir: where the engine's own database and the lock of the process live.
        database_url: ``postgresql://…``; None: SQLite in *data_dir*.
        executor_id: who runs; a job resumes where this id comes back.
        max_parallel_jobs: how many jobs run at once, over all subjects.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        data_dir: Path,
        database_url: SecretStr | str | None = None,
        executor_id: str = "clearml-chatops-0",
        max_parallel_jobs: int = 8,
    ) -> None:
        self._runner = runner
        self._data_dir = data_dir
        self._database_url = database_url
        self._executor_id = executor_id
        self._max_parallel_jobs = max_parallel_jobs

    def start(self) -> None:
        """Take the data folder's lock and go on with what was interrupted. Raises: PermanentError."""
        raise NotImplementedError

    def stop(self, timeout_s: float = 30.0) -> None:
        """Let running steps finish for at most *timeout_s*, then let go."""
        raise NotImplementedError

    def submit(self, job: Job) -> None:
        """Run this attempt of the job when its subject is free. Safe to repeat: it runs once."""
        raise NotImplementedError

    def cancel(self, job_id: str) -> None:
        """Drop the job if it has not begun; a running one stops at its next look at the store."""
        raise NotImplementedError

    def wait(self, job_id: str, timeout_s: float) -> bool:
        """Return True once the job's newest attempt has ended, False after *timeout_s*."""
        raise NotImplementedError
