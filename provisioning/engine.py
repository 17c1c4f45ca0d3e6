"""The durable engine: DBOS runs jobs, one per subject at a time, and goes on after a crash.

With engine_database the only module that imports dbos, and only once it runs: that takes a second, which no report
should wait for.
What holds, and what the four hazards are: docs/adr/0002-dbos-as-the-engine.md.
"""

import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from enum import StrEnum
from pathlib import Path
from threading import Condition, Lock
from typing import IO, TYPE_CHECKING, ClassVar, ParamSpec, TypeVar

from pydantic import SecretStr

from provisioning.data_folder import lock
from provisioning.engine_database import open_database
from provisioning.errors import PermanentError
from provisioning.jobs.attempts import Interrupted, failure_of
from provisioning.jobs.batches import is_batch
from provisioning.jobs.job import UNDER_WAY, Job
from provisioning.jobs.runner import Begun, Done, Runner, how_ended
from provisioning.jobs.schedule import Schedule

if TYPE_CHECKING:
    from dbos import DBOSConfig

log = logging.getLogger(__name__)

APPLICATION = "clearml-chatops"
# Pinned: by default it is a hash of the workflow's source, and an upgrade would strand the jobs under way.
# It changes only with the places of the calls in Engine._run_job, which are what a replay goes by.
APPLICATION_VERSION = "1"
WORKFLOW = "run_job"
QUEUE = "jobs"
BATCH_QUEUE = "batches"  # of their own: a batch waits for jobs, and must not take the places that those need
BATCHES_AT_ONCE = 2
SETTLED_LOOK_S = 0.2
ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


P = ParamSpec("P")
R = TypeVar("R")


class Fate(StrEnum):
    """What the engine knows of one attempt of a job."""

    UNKNOWN = "unknown"  # never submitted, or its database was lost: submit it
    ALIVE = "alive"  # it waits or runs, and comes to an end by itself
    ENDED = "ended"


class Engine:
    """Runs jobs durably. One per process, and one process per data folder.

    Args:
        runner: what does the work.
        data_dir: where the engine's own database and the process's lock lie.
        database_url: ``postgresql://…``; None: SQLite in *data_dir*.
        executor_id: who runs. A job goes on where this id comes back, so it must not change between starts.
        max_parallel_jobs: how many jobs run at once, over all subjects.
        before_launch: called once the data folder is ours, before interrupted jobs go on: cleans up after a
            crash. Before that, another process's children are nobody's orphans.
    """

    _launched: ClassVar[Lock] = Lock()  # DBOS is a singleton of the process

    def __init__(
        self,
        runner: Runner,
        *,
        data_dir: Path,
        database_url: SecretStr | str | None = None,
        executor_id: str = "clearml-chatops-0",
        max_parallel_jobs: int = 8,
        before_launch: Callable[[], None] = lambda: None,
    ) -> None:
        self.runner = runner
        self._data_dir = data_dir
        self._database_url = database_url
        self._executor_id = executor_id
        self._max_parallel_jobs = max_parallel_jobs
        self._before_launch = before_launch
        self._lock_file: IO[str] | None = None
        self._active = 0
        self._changed = Condition()
        self._draining = False

    @property
    def is_running(self) -> bool:
        """True from a start until the stop begins."""
        return self._lock_file is not None and not self._draining

    def start(self) -> None:
        """Take the data folder's lock, then go on with every job that was interrupted. Safe to repeat.

        Raises: PermanentError, naming the process that holds the data folder.
        """
        if self._lock_file is not None:
            return
        if not Engine._launched.acquire(blocking=False):
            raise PermanentError(
                "starting the engine: this process already runs one", next_action="start another process for it"
            )
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock_file = lock(self._data_dir)
            self._draining = False
            self.runner.resume()
            self._before_launch()
            self._launch()
        except BaseException:
            self._let_go()
            raise

    def stop(self, timeout_s: float = 20.0, *, abort_s: float = 8.0) -> None:
        """Begin no more steps, and give running ones *timeout_s* to end.

        Then they are told to stop and have *abort_s*. What is interrupted goes on at the next start.
        """
        if self._lock_file is None:
            return
        self._draining = True
        if not self._drained(timeout_s):
            log.info("stopping: %d jobs are still in a step; interrupting them", self._active)
            self.runner.stop()
            if not self._drained(abort_s):
                log.warning("stopping: %d steps did not stop in time; they run again at the next start", self._active)
        self._let_go()

    def submit(self, job: Job) -> None:
        """Run this attempt of the job once its subject is free. The same attempt twice runs once.

        Where the engine does not run, nothing is lost: the store has the job, and the next start submits it.
        """
        if not self.is_running:
            return
        # A context of its own: called from inside a step, DBOS would take it for a child of that job.
        contextvars.Context().run(self._enqueue, job)

    def cancel(self, job_id: str) -> None:
        """Tell the job's running step at once that the store holds a cancellation."""
        self.runner.cancel(job_id)

    def look(self, job: Job) -> Fate:
        """Return what has become of this attempt of the job."""
        return contextvars.Context().run(self._look, job)

    def wait(self, job_id: str, timeout_s: float) -> bool:
        """Return True once the job's newest attempt has ended, False after *timeout_s*. Raises: KeyError."""
        until = time.monotonic() + timeout_s
        while self.runner.job(job_id).state in UNDER_WAY:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            with self._changed:
                self._changed.wait(min(left_s, SETTLED_LOOK_S))
        return True

    def _launch(self) -> None:
        from dbos import DBOS, DBOSPortableJSONSerializer

        logging.getLogger("dbos").setLevel(logging.WARNING)
        queues = {QUEUE: self._max_parallel_jobs, BATCH_QUEUE: BATCHES_AT_ONCE}
        url = open_database(self._data_dir, self._database_url, APPLICATION, queues)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": url,
            "application_version": APPLICATION_VERSION,
            "executor_id": self._executor_id,
            "serializer": DBOSPortableJSONSerializer(),  # nothing pickled: an upgrade can read it
            "log_level": "WARNING",  # hides an advertisement
            "max_executor_threads": self._max_parallel_jobs + BATCHES_AT_ONCE + 4,
            "enable_otlp": False,
        }
        DBOS(config=config)
        self._registered = DBOS.workflow(name=WORKFLOW, max_recovery_attempts=1000)(self._workflow())
        DBOS.launch()

    def _workflow(self) -> Callable[[str, int], Done]:
        def run_job(job_id: str, attempt: int) -> Done:
            """The one workflow: it interprets the plan that the job holds, so upgrades do not change its shape."""
            with self._counted():
                try:
                    return self._run_job(job_id, attempt)
                except Exception as error:
                    if not self._draining:  # else DBOS is being taken down around us
                        failure = failure_of(error, f"running {job_id}, attempt {attempt}")
                        self.runner.abandon(job_id, attempt, failure)
                    raise

        return run_job

    def _run_job(self, job_id: str, attempt: int) -> Done:
        from dbos import DBOS

        begun = DBOS.run_step({"name": "begin"}, self._call, self.runner.begin, job_id, attempt)
        if not begun["ok"]:
            return {"ok": False}
        self._run_steps(job_id, attempt, begun)
        return DBOS.run_step({"name": "finish"}, self._call, self.runner.finish, job_id, attempt)

    def _run_steps(self, job_id: str, attempt: int, begun: Begun) -> None:
        """Run each step as soon as the steps that it needs are done.

        All places in the replay are drawn before, wave after wave, whatever then begins when, or never: after a crash
        DBOS hands out what was recorded, and only what was interrupted runs again.
        """
        from dbos import DBOS

        places = {step_id: DBOS.reserve_step() for wave in begun["waves"] for step_id in wave}
        run = self.runner.undo_step if begun["undo"] else self.runner.run_step
        schedule = self.runner.schedule(job_id, attempt, begun)
        running: dict[Future[Done], str] = {}
        with ThreadPoolExecutor(len(places) or 1, thread_name_prefix=job_id) as pool:
            while True:
                for step_id in self._next(schedule, job_id):
                    step = pool.submit(
                        contextvars.copy_context().run,  # DBOS knows by the context which workflow this is
                        lambda step_id=step_id: places[step_id].run(
                            {"name": f"step:{step_id}"}, self._call, run, job_id, step_id, attempt
                        ),
                    )
                    running[step] = step_id
                if not running:
                    return
                for step in wait(running, return_when=FIRST_COMPLETED).done:
                    schedule.ended(running.pop(step), how_ended(step.result()))

    def _next(self, schedule: Schedule, job_id: str) -> tuple[str, ...]:
        """Return the steps that begin now: none once a step that waits may go on, so that the job soon does."""
        if schedule.waits and self.runner.may_go_on(self.runner.job(job_id)):
            schedule.hold()
        return tuple(schedule.begin())

    def _call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._draining:
            raise Interrupted
        return function(*args, **kwargs)

    def _enqueue(self, job: Job) -> None:
        from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

        with SetWorkflowID(_workflow_id(job)), SetEnqueueOptions(queue_partition_key=job.plan.subject):
            DBOS.enqueue_workflow(BATCH_QUEUE if is_batch(job.plan) else QUEUE, self._registered, job.id, job.attempt)

    def _look(self, job: Job) -> Fate:
        from dbos import DBOS

        status = DBOS.get_workflow_status(_workflow_id(job))
        if status is None:
            return Fate.UNKNOWN
        return Fate.ENDED if status.status in ENDED else Fate.ALIVE

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._active += 1
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def _drained(self, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._active == 0, timeout_s)

    def _let_go(self) -> None:
        from dbos import DBOS

        DBOS.destroy(destroy_registry=True)
        if self._lock_file is not None:
            self._lock_file.close()  # and with it the lock
            self._lock_file = None
        Engine._launched.release()


def _workflow_id(job: Job) -> str:
    return f"{job.id}:{job.attempt}" + (f":{job.wakes}" if job.wakes else "")
