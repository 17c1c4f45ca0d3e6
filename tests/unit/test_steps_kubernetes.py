"""The steps on namespaces and NetworkPolicies, against a strict cluster in memory."""

import json
from typing import Any

import pytest

from policies.network import redis_policy, tenant_labels, tenant_policies
from provisioning.clients.kubectl_diff import ObjectChange
from provisioning.errors import PermanentError
from provisioning.plan import Presence
from provisioning.steps.base import StepRun
from provisioning.steps.kubernetes_steps import Namespace, NetworkPolicies, NoNetworkPolicies, fields_of
from tests.fakes import FakeCluster, FakeKubectl

RUN = StepRun(job_id="job-1", step_id="x", attempt=1, timeout_s=60)
NAMESPACE = {"name": "acme", "labels": tenant_labels("acme")}
POLICIES: dict[str, Any] = {
    "namespace": "acme",
    "manifests": list(tenant_policies("acme", ingress_namespace="ingress-nginx", ports=False)),
}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def test_a_namespace_is_made_with_our_labels(cluster: FakeCluster) -> None:
    """Absent, made, present."""
    action = Namespace(cluster)
    assert action.observe(NAMESPACE).presence is Presence.ABSENT
    assert action.apply(NAMESPACE, RUN) == {"name": "acme", "created": True}
    assert cluster.namespaces["acme"].items() >= tenant_labels("acme").items()
    assert action.observe(NAMESPACE).presence is Presence.PRESENT


def test_missing_labels_are_named_and_added(cluster: FakeCluster) -> None:
    """Other labels stay."""
    cluster.namespaces["acme"] = {"team": "blue", "clearml-chatops/tenant": "acme"}
    action = Namespace(cluster)
    seen = action.observe(NAMESPACE)
    assert seen.presence is Presence.DIFFERS
    assert seen.differences == {"labels.app.kubernetes.io/managed-by": (None, "clearml-chatops")}
    action.apply(NAMESPACE, RUN)
    assert cluster.namespaces["acme"] == {"team": "blue"} | tenant_labels("acme")


def test_undo_deletes_the_namespace_of_this_job_though_a_crash_hid_who_made_it(cluster: FakeCluster) -> None:
    """The label remembers: applied twice, undone without outputs."""
    action = Namespace(cluster)
    action.apply(NAMESPACE, RUN)
    assert action.apply(NAMESPACE, RUN) == {"name": "acme", "created": True}
    for _ in range(2):
        action.undo(NAMESPACE, {}, RUN)
    assert "acme" not in cluster.namespaces


@pytest.mark.parametrize("labels", [{}, {"clearml-chatops/created-by": "job-0"}])
def test_undo_leaves_a_namespace_that_was_there_before(cluster: FakeCluster, labels: dict[str, str]) -> None:
    """Made by hand, or by an earlier job."""
    cluster.namespaces["acme"] = labels
    action = Namespace(cluster)
    outputs = action.apply(NAMESPACE, RUN)
    action.undo(NAMESPACE, outputs, RUN)
    assert "acme" in cluster.namespaces


def test_undo_leaves_a_namespace_that_somebody_made_while_apply_looked(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark of who made it is given at birth alone: what came into being between two looks is not ours."""
    action, ensure = Namespace(cluster), cluster.ensure_namespace

    def beaten(name: str, labels: dict[str, str], **named: dict[str, str]) -> None:
        cluster.namespaces.setdefault(name, {"made-by": "hand"})
        ensure(name, labels, **named)

    monkeypatch.setattr(cluster, "ensure_namespace", beaten)
    outputs = action.apply(NAMESPACE, RUN)
    assert outputs == {"name": "acme", "created": False}
    action.undo(NAMESPACE, outputs, RUN)
    assert cluster.namespaces["acme"]["made-by"] == "hand"


def test_policies_of_a_namespace_that_does_not_exist_yet_are_absent(cluster: FakeCluster) -> None:
    """kubectl would fail; nothing is asked of it."""
    assert NetworkPolicies(cluster, FakeKubectl(cluster)).observe(POLICIES).presence is Presence.ABSENT


def test_policies_are_applied_and_found(cluster: FakeCluster) -> None:
    """Absent by name, then as planned."""
    cluster.namespaces["acme"] = {}
    action = NetworkPolicies(cluster, FakeKubectl(cluster))
    seen = action.observe(POLICIES)
    assert seen.presence is Presence.ABSENT
    assert "default-deny-ingress" in seen.detail
    action.apply(POLICIES, RUN)
    assert action.observe(POLICIES).presence is Presence.PRESENT


def test_a_policy_that_was_opened_by_hand_differs_field_by_field(cluster: FakeCluster) -> None:
    """Each field is named, with what it is and what it shall be; one that is gone is named as a whole."""
    cluster.namespaces["acme"] = {}
    sessions = POLICIES | {"manifests": list(tenant_policies("acme", ingress_namespace="ingress-nginx", ports=True))}
    action = NetworkPolicies(cluster, FakeKubectl(cluster))
    action.apply(sessions, RUN)
    opened = cluster.policies["acme", "allow-session-ports"]["spec"]
    opened["ingress"][0]["ports"][0]["port"] = 22
    opened["ingress"].append({"from": [{"namespaceSelector": {}}]})
    del cluster.policies["acme", "default-deny-ingress"]
    seen = action.observe(sessions)
    assert seen.presence is Presence.DIFFERS
    assert seen.detail == "missing: default-deny-ingress; differ: allow-session-ports"
    assert seen.differences == {
        "default-deny-ingress": (None, "as planned"),
        "allow-session-ports.spec.ingress[0].ports[0].port": (22, 10022),
        "allow-session-ports.spec.ingress[1].from[0].namespaceSelector": ({}, None),
    }
    action.apply(sessions, RUN)
    assert action.observe(sessions).presence is Presence.PRESENT


def test_many_fields_are_bounded_and_the_rest_is_bound_all_the_same() -> None:
    """What is not shown still voids an approval when it changes."""

    def opened(last: int) -> ObjectChange:
        ports = [{"port": port} for port in (*range(1, 40), last)]
        return ObjectChange(
            name="sessions",
            found={"spec": {"ports": ports}},
            shall={"spec": {"ports": [{"port": 10_022}]}},
        )

    one, other = fields_of([opened(40)]), fields_of([opened(41)])
    (rest,) = [path for path in one if "more" in path]
    assert rest == "20 fields more, sha256"
    assert len(one) == 21
    assert {path for path in one if one[path] != other[path]} == {rest}


def test_policies_that_do_not_stay_as_applied_are_an_error(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admission controller that rewrites them must not pass for isolation."""
    cluster.namespaces["acme"] = {}
    kubectl = FakeKubectl(cluster)
    monkeypatch.setattr(kubectl, "apply", lambda *_args, **_named: None)
    with pytest.raises(PermanentError, match="did not stay as applied"):
        NetworkPolicies(cluster, kubectl).apply(POLICIES, RUN)


def test_undo_takes_a_tenants_policies_and_leaves_shared_ones(cluster: FakeCluster) -> None:
    """The guard of Redis serves the other tenants too."""
    cluster.namespaces["acme"] = {}
    shared = {"namespace": "redis-shared", "manifests": [redis_policy("redis-shared", port=6379)], "shared": True}
    action = NetworkPolicies(cluster, FakeKubectl(cluster))
    for inputs in (POLICIES, shared):
        action.apply(inputs, RUN)
        action.undo(inputs, {}, RUN)
    assert [namespace for namespace, _ in cluster.policies] == ["redis-shared"]
    del cluster.namespaces["acme"]
    action.undo(POLICIES, {}, RUN)


def test_undo_keeps_the_guards_that_stood_before(cluster: FakeCluster) -> None:
    """Also where a crash hid what apply did: those that were there stay, those that were missing go again."""
    cluster.namespaces["acme"] = {}
    (first, *_) = POLICIES["manifests"]
    kubectl = FakeKubectl(cluster)
    kubectl.apply([first], namespace="acme")
    action, inputs = NetworkPolicies(cluster, kubectl), POLICIES | {"before": [first]}
    action.apply(inputs, RUN)
    for _ in range(2):
        action.undo(inputs, {}, RUN)
    assert [name for _, name in cluster.policies] == [first["metadata"]["name"]]


def test_manifests_survive_the_plans_json() -> None:
    """What was planned is what is applied."""
    assert json.loads(json.dumps(POLICIES)) == POLICIES


def test_no_policies_of_a_namespace_that_is_gone_are_there(cluster: FakeCluster) -> None:
    """Nothing to do, and kubectl is not asked about a namespace that it would refuse."""
    seen = NoNetworkPolicies(cluster, FakeKubectl(cluster)).observe(POLICIES)
    assert (seen.presence, seen.detail) == (Presence.PRESENT, "the namespace is not there")


def test_policies_are_taken_away_and_others_stay(cluster: FakeCluster) -> None:
    """Also those that somebody has changed since; what is gone already is fine; undo sets them again."""
    cluster.namespaces["acme"] = {}
    kubectl = FakeKubectl(cluster)
    NetworkPolicies(cluster, kubectl).apply(POLICIES, RUN)
    cluster.policies["acme", "somebody-elses"] = {"kind": "NetworkPolicy", "metadata": {"name": "somebody-elses"}}
    cluster.policies["acme", "default-deny-ingress"]["spec"] = {"podSelector": {}, "ingress": [{}]}
    del cluster.policies["acme", "allow-same-namespace"]
    action = NoNetworkPolicies(cluster, kubectl)
    seen = action.observe(POLICIES)
    assert seen.presence is Presence.DIFFERS
    assert "default-deny-ingress" in seen.detail
    assert "allow-same-namespace" not in seen.detail
    for _ in range(2):
        assert action.apply(POLICIES, RUN) == {}
    assert action.observe(POLICIES).presence is Presence.PRESENT
    assert list(cluster.policies) == [("acme", "somebody-elses")]
    for _ in range(2):
        action.undo(POLICIES, {}, RUN)
    assert action.observe(POLICIES).presence is Presence.DIFFERS
    assert not kubectl.changes(POLICIES["manifests"], namespace="acme")
    del cluster.namespaces["acme"]
    action.undo(POLICIES, {}, RUN)  # nothing is left to be guarded
