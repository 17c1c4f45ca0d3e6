"""Steps on Kubernetes objects: a tenant's namespace, NetworkPolicies."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from provisioning.clients.interfaces import ClusterWrites, KubectlWrites
from provisioning.errors import PermanentError
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun

CREATED_BY = "clearml-chatops/created-by"  # the job that made the namespace: only its undo may delete it
SHOWN_CHARS = 1000  # of one object's difference


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
        found = self._cluster.namespace(wanted.name)
        labels = {**wanted.labels, CREATED_BY: run.job_id} if found is None else wanted.labels
        self._cluster.ensure_namespace(wanted.name, labels)
        created = found is None or found["labels"].get(CREATED_BY) == run.job_id
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
        shall = [str(manifest["metadata"]["name"]) for manifest in wanted.manifests]
        if not {one.name for one in self._cluster.network_policies(wanted.namespace)} & set(shall):
            return Observation(presence=Presence.ABSENT, detail=f"missing: {', '.join(shall)}")  # without a diff
        changes = objects(self._kubectl.diff(wanted.manifests, namespace=wanted.namespace))
        if surplus := self._surplus(wanted):
            return Observation(
                presence=Presence.DIFFERS,
                detail="; ".join(
                    [f"to be removed: {', '.join(surplus)}", *([f"differ: {', '.join(changes)}"] if changes else [])]
                ),
                differences={name: (removed, added) for name, (removed, added) in changes.items()},
            )
        if not changes:
            return Observation(presence=Presence.PRESENT, detail="as planned")
        if all(not removed for removed, _ in changes.values()):
            return Observation(presence=Presence.ABSENT, detail=f"missing: {', '.join(changes)}")
        return Observation(
            presence=Presence.DIFFERS,
            detail=f"differ: {', '.join(changes)}",
            differences={name: (removed, added) for name, (removed, added) in changes.items()},
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = PoliciesInputs.model_validate(inputs)
        self._kubectl.apply(wanted.manifests, namespace=wanted.namespace)
        if left := objects(self._kubectl.diff(wanted.manifests, namespace=wanted.namespace)):
            raise PermanentError(
                f"applying NetworkPolicies to {wanted.namespace}: {', '.join(left)} did not stay as applied",
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
        found = {one.name for one in self._cluster.network_policies() if one.namespace == wanted.namespace}
        return [name for name in map(_name, wanted.gone) if name in found]


class NoNetworkPolicies:
    """``k8s.no_network_policies``: none of these NetworkPolicies is there. No outputs. Undo does nothing."""

    kind = "k8s.no_network_policies"

    def __init__(self, cluster: ClusterWrites, kubectl: KubectlWrites) -> None:
        self._cluster = cluster
        self._kubectl = kubectl

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = PoliciesInputs.model_validate(inputs)
        if self._cluster.namespace(wanted.namespace) is None:
            return Observation(presence=Presence.PRESENT, detail="the namespace is not there")
        changes = objects(self._kubectl.diff(wanted.manifests, namespace=wanted.namespace))
        names = [str(one["metadata"]["name"]) for one in wanted.manifests]
        there = [name for name in names if name not in changes or changes[name][0]]
        if not there:
            return Observation(presence=Presence.PRESENT, detail="none is there")
        return Observation(presence=Presence.DIFFERS, detail=f"there: {', '.join(there)}")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = PoliciesInputs.model_validate(inputs)
        self._kubectl.delete(wanted.manifests, namespace=wanted.namespace, timeout_s=run.timeout_s)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        run.note("they stay away: platform install policies sets them again")


def objects(diff: str) -> dict[str, tuple[str, str]]:
    """Return what *diff* (``Kubectl.diff``) changes: object's name → (lines removed, lines added)."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    removed: list[str] = []
    added: list[str] = []
    for line in diff.splitlines():
        if line.startswith("# "):
            removed, added = found.setdefault(line.rsplit(".", 1)[-1], ([], []))
        elif line.startswith("-"):
            removed.append(line[1:])
        elif line.startswith("+"):
            added.append(line[1:])
    return {
        name: ("\n".join(minus)[:SHOWN_CHARS], "\n".join(plus)[:SHOWN_CHARS])
        for name, (minus, plus) in found.items()
        if minus or plus
    }


def _name(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["name"])


def _differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, tuple[JsonValue, JsonValue]]:
    return {f"labels.{key}": (found.get(key), value) for key, value in wanted.items() if found.get(key) != value}
