"""Steps on digests: the definition that is kept, and a post that is owed."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from provisioning.clock import Clock
from provisioning.digests.digest import Digest
from provisioning.digests.posts import Owner, Post, PostKind, post_id
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun
from provisioning.store import Store
from provisioning.store.digests import Digests


class KeepInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    wanted: Digest | None  # None: there is no such digest
    before: Digest | None  # when this was planned: undo keeps it again


class KeepDigest:
    """``digest.keep``: this is kept under that name. No outputs."""

    kind = "digest.keep"

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._digests = Digests(store)
        self._clock = clock

    def observe(self, inputs: dict[str, Any]) -> Observation:
        asked = KeepInputs.model_validate(inputs)
        found = self._digests.get(asked.name)
        if found == asked.wanted:
            detail = "there is none" if found is None else "kept so"
            return Observation(presence=Presence.PRESENT, detail=detail)
        if found is None:
            return Observation(presence=Presence.ABSENT)
        wanted = {} if asked.wanted is None else asked.wanted.model_dump(mode="json")
        return Observation(
            presence=Presence.DIFFERS,
            detail="kept otherwise",
            differences={
                key: (value, wanted.get(key))
                for key, value in found.model_dump(mode="json").items()
                if value != wanted.get(key)
            },
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        asked = KeepInputs.model_validate(inputs)
        self._keep(asked.name, asked.wanted, self._owner(asked, run))
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        asked = KeepInputs.model_validate(inputs)
        self._keep(asked.name, asked.before)

    def _owner(self, asked: KeepInputs, run: StepRun) -> Owner | None:
        """Return whose the digest is from now on: who gave it its shape. Who pauses it takes it over from nobody."""
        if asked.wanted is None:
            return None
        if asked.before is not None and asked.wanted == asked.before.model_copy(update={"paused": asked.wanted.paused}):
            return None
        requester = self._store.job(run.job_id).requester
        return Owner(id=requester.id, name=requester.name)

    def _keep(self, name: str, digest: Digest | None, owner: Owner | None = None) -> None:
        if self._digests.get(name) == digest:
            return  # done before a crash: the slots since then must not be passed over
        if digest is None:
            self._digests.remove(name)
        else:
            self._digests.put(digest, self._clock.now(), owner)


class RunInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str


class RunDigestNow:
    """``digest.run``: the job owes one post of the digest, which the running bot sends. No outputs."""

    kind = "digest.run"

    def __init__(self, store: Store, clock: Clock) -> None:
        self._digests = Digests(store)
        self._clock = clock

    def observe(self, inputs: dict[str, Any]) -> Observation:
        return Observation(presence=Presence.ABSENT)

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        name = RunInputs.model_validate(inputs).name
        self._digests.owe(
            Post(
                id=post_id(name, PostKind.RUN, run.job_id),
                digest=name,
                kind=PostKind.RUN,
                slot=self._clock.now(),
                values={},
            )
        )
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        """Nothing: what was said is said."""
