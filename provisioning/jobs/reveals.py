"""Showing a new tenant's admin credentials: made at the click, once, for the requester alone, never stored."""

from threading import Lock
from typing import TYPE_CHECKING

from policies.approvals import Actor, Refusal
from provisioning.clock import Clock
from provisioning.jobs.changes import with_fields
from provisioning.jobs.decisions import SPOKEN, person_event
from provisioning.jobs.job import Job, JobState
from provisioning.store import Change, Store

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML, Credentials

LABEL = "clearml-chatops: revealed"
ADMIN_STEP = "admin_user"  # whose outputs name the admin


class Reveals:
    """Makes and revokes the credentials that are shown. Thread-safe."""

    def __init__(self, *, store: Store, clearml: "ClearML", clock: Clock) -> None:
        self._store = store
        self._clearml = clearml
        self._clock = clock
        self._lock = Lock()  # two clicks at once must not make two keys

    def reveal(self, job_id: str, actor: Actor) -> "Credentials | Refusal":
        """Make credentials of the tenant's admin and return them. Raises: ChatopsError, KeyError.

        Keys of a click that died half-way carry our label, are known to nobody, and are revoked.
        """
        with self._lock:
            job = self._store.job(job_id)
            refusal = _refusal(job, actor)
            if refusal is not None:
                return refusal
            user_id = _admin_of(job)
            for known in self._clearml.credentials(user_id):
                if known.label == LABEL:
                    self._clearml.revoke_credentials(user_id, known.access_key)
            credentials = self._clearml.create_credentials(user_id, LABEL)
            if refusal := self._taken_down(job_id, actor, user_id):
                self._clearml.revoke_credentials(user_id, credentials.access_key)
                return refusal
            return credentials

    def _taken_down(self, job_id: str, actor: Actor, user_id: str) -> Refusal | None:
        """Note that they are shown, or return why they may not be any more: another process was quicker."""
        refusal, now = None, self._clock.now()

        def change(fresh: Job) -> Change | None:
            nonlocal refusal
            refusal = _refusal(fresh, actor)
            if refusal is not None:
                return None
            return Change(
                job=with_fields(fresh, now, revealed_at=now),
                event=person_event(fresh, actor, "credentials.revealed", detail={"user": user_id}),
            )

        self._store.update_job(job_id, change)
        return refusal

    def unreveal(self, job_id: str, access_key: str) -> None:
        """Revoke what could not be shown, so that it can be revealed again. Raises: ChatopsError, KeyError."""
        with self._lock:
            job = self._store.job(job_id)
            self._clearml.revoke_credentials(_admin_of(job), access_key)
            now = self._clock.now()
            self._store.update_job(
                job_id,
                lambda fresh: Change(
                    job=with_fields(fresh, now, revealed_at=None),
                    event=person_event(fresh, fresh.requester, "credentials.unrevealed"),
                ),
            )


def _refusal(job: Job, actor: Actor) -> Refusal | None:
    if actor.id != job.requester.id:
        return Refusal(
            reason=f"only @{job.requester.name}, who asked for job {job.number}, may see its credentials",
            next_action=f"ask @{job.requester.name}",
        )
    if job.state is not JobState.SUCCEEDED:
        return Refusal(
            reason=f"job {job.number} {SPOKEN[job.state]}: it has no credentials to show",
            next_action="wait until it has succeeded" if not job.state.is_final else "",
        )
    if not any(status.step_id == ADMIN_STEP and "id" in status.outputs for status in job.steps):
        return Refusal(reason=f"job {job.number} made no admin: it has no credentials to show")
    if job.revealed_at is not None:
        return Refusal(
            reason=f"the credentials of job {job.number} were shown at {job.revealed_at:%Y-%m-%d %H:%M} UTC,"
            " and are shown once",
            next_action="the admin can make others in ClearML under Settings, Workspace",
        )
    return None


def _admin_of(job: Job) -> str:
    return str(job.status(ADMIN_STEP).outputs["id"])
