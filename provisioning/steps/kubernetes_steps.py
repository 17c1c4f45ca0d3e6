"""Steps on Kubernetes objects: a tenant's namespace, NetworkPolicies."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from provisioning.clients.interfaces import ClusterWrites, KubectlWrites
from provisioning.clients.kubectl_diff import ObjectChange
from provisioning.errors import PermanentError
from provisioning.manifests import SHOWN_FINGERPRINT, differing_objects, fingerprint
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun
from provisioning.wording import counted

CREATED_BY = "clearml-chatops/created-by"  # the job that made the namespace: only its undo may delete it
MOST_FIELDS = 20  # that differ, of all policies of one step


class NamespaceInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    labels: dict[str, str]


class Namespace:
    """``k8s.namespace``: the namespace exists and carries our labels. Outputs: ``name``, ``created``.

    A job that rolls back deletes the namespace only where it made it, which a label remembers: a crash
    between creating it and recording so changes nothing.
    """

    kind = "k8s.namespace"

    def __init__(self, cluster: ClusterWrites) -> None:
        self._cluster = cluster

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = NamespaceInputs.model_validate(inputs)
        found = self._cluster.namespace(wanted.name)
        if found is None:
            return Observation(presence=Presence.ABSENT)
        outputs: Outputs = {"name": wanted.name}
        if found["phase"] == "Terminating":
            return Observation(presence=Presence.DIFFERS, detail="being deleted", outputs=outputs)
        differences = _differences(found["labels"], wanted.labels)
        return Observation(
            presence=Presence.DIFFERS if differences else Presence.PRESENT,
            detail="labels differ" if differences else "exists with our labels",
            outputs=outputs,
            differences=differences,
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = NamespaceInputs.model_validate(inputs)
        self._cluster.ensure_namespace(wanted.name, wanted.labels, at_birth={CREATED_BY: run.job_id})
        made = self._cluster.namespace(wanted.name)
        created = made is not None and made["labels"].get(CREATED_BY) == run.job_id
        return {"name": wanted.name, "created": created}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = NamespaceInputs.model_validate(inputs)
        found = self._cluster.namespace(wanted.name)
        if found is not None and found["labels"].get(CREATED_BY) == run.job_id:
            run.note(f"deleting namespace {wanted.name}")
            self._cluster.delete_namespace(wanted.name, timeout_s=run.timeout_s)


class PoliciesInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    manifests: tuple[dict[str, Any], ...]
    gone: tuple[dict[str, Any], ...] = ()  # manifests of those that are to be there no longer
    shared: bool = False  # used by other tenants too: undo leaves them
    before: tuple[dict[str, Any], ...] = ()  # manifests that the namespace had: undo goes back to them


class NetworkPolicies:
    """``k8s.network_policies``: these NetworkPolicies are as written, by server-side apply, and those are not there.

    No outputs.
    """

    kind = "k8s.network_policies"

    def __init__(self, cluster: ClusterWrites, kubectl: KubectlWrites) -> None:
        self._cluster = cluster
        self._kubectl = kubectl

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = PoliciesInputs.model_validate(inputs)
        if self._cluster.namespace(wanted.namespace) is None:
            return Observation(presence=Presence.ABSENT)
        shall = [_name(manifest) for manifest in wanted.manifests]
        if not {one.name for one in self._cluster.network_policies(wanted.namespace)} & set(shall):
            return Observation(presence=Presence.ABSENT, detail=f"missing: {', '.join(shall)}")  # without a diff
        changes = self._kubectl.changes(wanted.manifests, namespace=wanted.namespace)
        surplus = self._surplus(wanted)
        if not changes and not surplus:
            return Observation(presence=Presence.PRESENT, detail="as planned")
        missing = [change.name for change in changes if change.found is None]
        if not surplus and len(missing) == len(changes):
            return Observation(presence=Presence.ABSENT, detail=f"missing: {', '.join(missing)}")
        differing = [change.name for change in changes if change.found is not None]
        said = (("to be removed", surplus), ("missing", missing), ("differ", differing))
        return Observation(
            presence=Presence.DIFFERS,
            detail="; ".join(f"{what}: {', '.join(names)}" for what, names in said if names),
            differences=dict.fromkeys(surplus, ("there", None)) | fields_of(changes),
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = PoliciesInputs.model_validate(inputs)
        self._kubectl.apply(wanted.manifests, namespace=wanted.namespace)
        if left := self._kubectl.changes(wanted.manifests, namespace=wanted.namespace):
            names = ", ".join(change.name for change in left)
            raise PermanentError(
                f"applying NetworkPolicies to {wanted.namespace}: {names} did not stay as applied",
                next_action="look for an admission controller that rewrites them, then Retry",
            )
        if surplus := self._surplus(wanted):
            gone = [one for one in wanted.gone if _name(one) in surplus]
            self._kubectl.delete(gone, namespace=wanted.namespace, timeout_s=run.timeout_s)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = PoliciesInputs.model_validate(inputs)
        if wanted.shared or self._cluster.namespace(wanted.namespace) is None:
            return
        if wanted.before:
            self._kubectl.apply(wanted.before, namespace=wanted.namespace)
        had = {_name(one) for one in wanted.before}
        if mine := [one for one in wanted.manifests if _name(one) not in had]:
            self._kubectl.delete(mine, namespace=wanted.namespace, timeout_s=run.timeout_s)

    def _surplus(self, wanted: PoliciesInputs) -> list[str]:
        if not wanted.gone:
            return []
        found = {one.name for one in self._cluster.network_policies(wanted.namespace)}
        return [name for name in map(_name, wanted.gone) if name in found]


class NoNetworkPolicies:
    """``k8s.no_network_policies``: none of these NetworkPolicies is there. No outputs. Undo sets them all again.

    So one that had been missing before is there after it: better one guard too many than one too few.
    """

    kind = "k8s.no_network_policies"

    def __init__(self, cluster: ClusterWrites, kubectl: KubectlWrites) -> None:
        self._cluster = cluster
        self._kubectl = kubectl

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = PoliciesInputs.model_validate(inputs)
        if self._cluster.namespace(wanted.namespace) is None:
            return Observation(presence=Presence.PRESENT, detail="the namespace is not there")
        changes = self._kubectl.changes(wanted.manifests, namespace=wanted.namespace)
        gone = {change.name for change in changes if change.found is None}
        there = [name for name in map(_name, wanted.manifests) if name not in gone]
        if not there:
            return Observation(presence=Presence.PRESENT, detail="none is there")
        return Observation(presence=Presence.DIFFERS, detail=f"there: {', '.join(there)}")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = PoliciesInputs.model_validate(inputs)
        self._kubectl.delete(wanted.manifests, namespace=wanted.namespace, timeout_s=run.timeout_s)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = PoliciesInputs.model_validate(inputs)
        if self._cluster.namespace(wanted.namespace) is not None:
            self._kubectl.apply(wanted.manifests, namespace=wanted.namespace)


def fields_of(changes: Sequence[ObjectChange]) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Return ``policy.spec.ingress[0].ports[0].port`` → (is, shall), at most `MOST_FIELDS` of them.

    The fingerprints of the rest stand for them, so that an approval is bound to all.
    """
    found = {change.name: dict(change.found) for change in changes if change.found is not None}
    shall = {change.name: dict(change.shall) for change in changes if change.found is not None}
    every = list(differing_objects(found, shall).items())
    fields = dict(every[:MOST_FIELDS])
    if rest := every[MOST_FIELDS:]:
        is_now, will_be = ({path: both[side] for path, both in rest} for side in (0, 1))
        fields[f"{counted(len(rest), 'field')} more, sha256"] = (
            fingerprint(is_now)[:SHOWN_FINGERPRINT],
            fingerprint(will_be)[:SHOWN_FINGERPRINT],
        )
    return {change.name: (None, "as planned") for change in changes if change.found is None} | fields


def _name(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["name"])


def _differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, tuple[JsonValue, JsonValue]]:
    return {f"labels.{key}": (found.get(key), value) for key, value in wanted.items() if found.get(key) != value}
