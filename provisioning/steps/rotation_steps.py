"""Steps that give a tenant's agent another key, and take the old one away once the new one is proven.

Plans know keys by their fingerprints only. The Secret holds both pairs until the end: ``previous_…`` is the old one,
so whatever crashes, neither is lost.
"""

import hashlib
import time
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, SecretStr

from provisioning.clients.clearml_records import Credentials, Worker
from provisioning.clients.interfaces import ClusterWrites
from provisioning.errors import PermanentError
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun
from provisioning.steps.clearml_steps import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML

POLL_S = 1.0
PREVIOUS = "previous_"
PREVIOUS_ACCESS_KEY, PREVIOUS_SECRET_KEY = PREVIOUS + ACCESS_KEY, PREVIOUS + SECRET_KEY
Stored = dict[str, SecretStr]


def fingerprint(access_key: str) -> str:
    """Return what a plan calls the key by: 16 hex digits that tell nothing of it."""
    return hashlib.sha256(access_key.encode()).hexdigest()[:16]


class RotationInputs(BaseModel):
    """Which key is to go, and what must stay."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: str
    namespace: str
    secret: str
    label: str  # of the keys in ClearML that are ours
    secret_labels: dict[str, str] = {}
    old: str  # fingerprint of the key that is to go
    others: tuple[str, ...] = ()  # fingerprints of keys of our label that have nothing to do with this rotation


class _Keys:
    """The keys of one tenant's admin, in ClearML and in the Secret. Thread-safe."""

    def __init__(self, clearml: "ClearML", cluster: ClusterWrites) -> None:
        self._clearml = clearml
        self._cluster = cluster

    def stored(self, wanted: RotationInputs) -> Stored:
        return self._cluster.secret(wanted.namespace, wanted.secret) or {}

    def live(self, wanted: RotationInputs) -> dict[str, str]:
        """Return fingerprint → access key of the user's keys that stand."""
        return {fingerprint(one.access_key): one.access_key for one in self._clearml.credentials(wanted.user_id)}

    def new(self, wanted: RotationInputs) -> str | None:
        """Return the access key in the Secret where it is live, whole and not the old one."""
        stored = self.stored(wanted)
        if ACCESS_KEY not in stored or SECRET_KEY not in stored:
            return None
        access_key = stored[ACCESS_KEY].get_secret_value()
        mark = fingerprint(access_key)
        return access_key if mark != wanted.old and mark in self.live(wanted) else None

    def make(self, wanted: RotationInputs) -> Credentials:
        return self._clearml.create_credentials(wanted.user_id, wanted.label)

    def put(self, wanted: RotationInputs, data: dict[str, str]) -> None:
        self._cluster.put_secret(wanted.namespace, wanted.secret, data, wanted.secret_labels)

    def revoke(self, wanted: RotationInputs, access_key: str) -> None:
        self._clearml.revoke_credentials(wanted.user_id, access_key)

    def made_since(self, wanted: RotationInputs, *, besides: str | None = None) -> tuple[str, ...]:
        """Return the access keys that this rotation made: of a try that died, all but one are known to nobody."""
        return tuple(
            one.access_key
            for one in self._clearml.credentials(wanted.user_id)
            if one.label == wanted.label
            and one.access_key != besides
            and fingerprint(one.access_key) not in {wanted.old, *wanted.others}
        )


class NewKey:
    """``clearml.new_key``: the Secret holds a live key that is not the old one, and the old one beside it.

    Outputs: ``secret`` (its name). It revokes nothing; undo puts the old key back first, then revokes the new one.
    """

    kind = "clearml.new_key"

    def __init__(self, clearml: "ClearML", cluster: ClusterWrites) -> None:
        self._keys = _Keys(clearml, cluster)

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = RotationInputs.model_validate(inputs)
        outputs: Outputs = {"secret": wanted.secret}
        if self._keys.new(wanted) is not None:
            detail = f"Secret {wanted.secret} holds a new key and the old one"
            return Observation(presence=Presence.PRESENT, detail=detail, outputs=outputs)
        return Observation(
            presence=Presence.DIFFERS, detail=f"Secret {wanted.secret} holds no new key", outputs=outputs
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = RotationInputs.model_validate(inputs)
        if self._keys.new(wanted) is None:
            old = _old_pair(wanted, self._keys.stored(wanted))
            if old is None:
                raise PermanentError(
                    f"making a new key: Secret {wanted.namespace}/{wanted.secret} no longer holds the old one",
                    next_action=f"Leave this job, then /clearml tenant rotate {wanted.namespace} plans anew",
                )
            made = self._keys.make(wanted)
            previous = {PREVIOUS + key: value for key, value in old.items()}
            secret_key = made.secret_key.get_secret_value()
            self._keys.put(wanted, {ACCESS_KEY: made.access_key, SECRET_KEY: secret_key, **previous})
        return {"secret": wanted.secret}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = RotationInputs.model_validate(inputs)
        old = _old_pair(wanted, self._keys.stored(wanted))
        if old is None or wanted.old not in self._keys.live(wanted):
            raise _no_way_back(wanted)
        self._keys.put(wanted, old)
        for access_key in self._keys.made_since(wanted):
            run.note("revoking the new key")
            self._keys.revoke(wanted, access_key)


class OldKeyRevoked:
    """``clearml.old_key_revoked``: the old key, and what tries that died had made, are no more. No outputs."""

    kind = "clearml.old_key_revoked"

    def __init__(self, clearml: "ClearML", cluster: ClusterWrites) -> None:
        self._keys = _Keys(clearml, cluster)

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = RotationInputs.model_validate(inputs)
        if wanted.old in self._keys.live(wanted):
            return Observation(presence=Presence.DIFFERS, detail="the old key is valid")
        if PREVIOUS_ACCESS_KEY in self._keys.stored(wanted):
            return Observation(presence=Presence.DIFFERS, detail="the old key is revoked and still in the Secret")
        return Observation(presence=Presence.PRESENT, detail="the old key is revoked")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = RotationInputs.model_validate(inputs)
        new = self._keys.new(wanted)
        if new is None:
            raise PermanentError(
                f"revoking the old key: Secret {wanted.namespace}/{wanted.secret} holds no new key that is valid",
                next_action="Roll back: the old key is still valid",
            )
        if old := self._keys.live(wanted).get(wanted.old):
            run.note("revoking the old key")
            self._keys.revoke(wanted, old)
        for access_key in self._keys.made_since(wanted, besides=new):
            self._keys.revoke(wanted, access_key)
        stored = self._keys.stored(wanted)
        self._keys.put(wanted, {key: stored[key].get_secret_value() for key in (ACCESS_KEY, SECRET_KEY)})
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = RotationInputs.model_validate(inputs)
        if wanted.old not in self._keys.live(wanted):
            raise _no_way_back(wanted)
        run.note("the old key is still valid")


class WorkerBackInputs(RotationInputs):
    wait_s: int  # how long a worker may take to report in


class WorkerBack:
    """``clearml.worker_back``: a worker of the tenant reports in once more, and the new key is in use. No outputs.

    Both are told by the server's own clock: activity later than what was seen when this began to wait. Where the
    server does not tell when the old key was used, it does not tell for the new one either, and the worker decides.
    """

    kind = "clearml.worker_back"

    def __init__(self, clearml: "ClearML", cluster: ClusterWrites, *, poll_s: float = POLL_S) -> None:
        self._clearml = clearml
        self._keys = _Keys(clearml, cluster)
        self._poll_s = poll_s

    def observe(self, inputs: dict[str, Any]) -> Observation:
        return Observation(presence=Presence.ABSENT)  # what a worker did before the upgrade proves nothing

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = WorkerBackInputs.model_validate(inputs)
        before = _newest(self._clearml.workers(wanted.user_id))
        deadline = time.monotonic() + min(wanted.wait_s, run.timeout_s)
        run.note("waiting for a worker to report in with the new key")
        while True:
            is_back = _newest(self._clearml.workers(wanted.user_id)) > before
            is_used = self._is_new_key_used(wanted)
            if is_back and is_used:
                return {}
            if run.cancelled() or time.monotonic() > deadline:
                missing = "a worker reported in, but not with the new key" if is_back else "no worker reported in"
                raise PermanentError(
                    f"waiting {wanted.wait_s} s for tenant {wanted.namespace} to come back: {missing};"
                    " the old key is still valid",
                    next_action=f"look at the agent with `kubectl logs -n {wanted.namespace}`: Retry waits again,"
                    " Roll back gives the agent its old key",
                )
            time.sleep(self._poll_s)

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        run.note("it only waited")

    def _is_new_key_used(self, wanted: RotationInputs) -> bool:
        new = self._keys.new(wanted)
        found = self._clearml.credentials(wanted.user_id)
        if all(one.last_used is None for one in found if fingerprint(one.access_key) == wanted.old):
            return new is not None
        return any(one.last_used is not None for one in found if one.access_key == new)


def _newest(workers: tuple[Worker, ...]) -> float:
    return max((one.last_seen.timestamp() for one in workers if one.last_seen is not None), default=0.0)


def _old_pair(wanted: RotationInputs, stored: Stored) -> dict[str, str] | None:
    """Return the old key's pair, wherever in the Secret it stands."""
    for prefix in ("", PREVIOUS):
        if prefix + ACCESS_KEY in stored and prefix + SECRET_KEY in stored:
            pair = {key: stored[prefix + key].get_secret_value() for key in (ACCESS_KEY, SECRET_KEY)}
            if fingerprint(pair[ACCESS_KEY]) == wanted.old:
                return pair
    return None


def _no_way_back(wanted: RotationInputs) -> PermanentError:
    return PermanentError(
        f"giving tenant {wanted.namespace} its old key back: it is revoked, and the new one is in use",
        next_action="Leave closes the job; the tenant runs with the new key. /clearml tenant rotate"
        f" {wanted.namespace} tidies up",
    )
