"""Tenants as they are: the word for each, what its pods hold, and that what was not read stays unknown."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from provisioning.clients.clearml_records import Company, Worker
from provisioning.clients.cluster_objects import Deployment, NamespaceFacts, Pod, ServicePorts
from provisioning.clients.helm_releases import Release
from provisioning.errors import PermanentError
from provisioning.fleet.seen import People, Platform, Tenant, Unknown, names_of, read, tenant_of
from provisioning.fleet.status import status_of
from provisioning.store import TenantRecord

AGENT = Release("clearml-agent", "acme", 3, "deployed", "clearml-enterprise-agent", "1.0.0", "")
RECORD = TenantRecord(name="acme", request={}, job="job-1", recorded_at=datetime(2026, 1, 5, tzinfo=UTC))
ALIVE = People(users=(), workers=(Worker(id="acme:agent"),))
REFUSED = Unknown("listing pods: 403 forbidden")


def deployment(replicas: int = 1) -> Deployment:
    return Deployment(namespace="acme", name="agent", release="clearml-agent", replicas=replicas, ready=replicas)


def pod(name: str = "p", phase: str = "Running", node: str | None = "gpu-1", **words: object) -> Pod:
    fields = {"labels": {}, "requests": {}, "host_ports": ()} | words
    return Pod(namespace="acme", name=name, phase=phase, node=node, **fields)  # type: ignore[arg-type]  # by kind


def platform(**words: object) -> Platform:
    fields: dict[str, object] = {
        "companies": (Company(id="c1", name="Acme"),),
        "namespaces": (NamespaceFacts(name="acme", phase="Active", labels={}, annotations={}),),
        "releases": (AGENT,),
        "pods": (),
        "services": (),
        "deployments": (deployment(),),
        "policies": (),
        "stored": (),
        "records": {"acme": RECORD},
        "leases": {},
        "changing": {},
    }
    return Platform(**(fields | words))  # type: ignore[arg-type]  # by kind


def tenant(**words: object) -> Tenant:
    return tenant_of(platform(**words), "acme", release="clearml-agent", agent="agent")


TERMINATING = NamespaceFacts(name="acme", phase="Terminating", labels={}, annotations={})


@pytest.mark.parametrize(
    ("seen", "people", "status", "why"),
    [
        ({}, ALIVE, "ready", ""),
        ({}, People(users=(), workers=()), "silent", "no worker"),
        ({}, People(users=(), workers=Unknown("timed out")), "unknown", "timed out"),
        ({"deployments": (deployment(0),)}, People(users=(), workers=()), "suspended", "scaled to zero"),
        ({"changing": {"acme": 7}}, ALIVE, "changing", "job 7"),
        ({"records": {}}, ALIVE, "unmanaged", "tenant import acme"),
        ({"companies": ()}, ALIVE, "broken", "no company"),
        ({"namespaces": ()}, ALIVE, "broken", "namespace is gone"),
        ({"namespaces": (TERMINATING,)}, ALIVE, "broken", "Terminating"),
        ({"releases": ()}, ALIVE, "broken", "not installed"),
        ({"releases": (replace(AGENT, status="failed"),)}, ALIVE, "broken", "is failed"),
        ({"releases": REFUSED}, ALIVE, "unknown", "403"),
        ({"releases": REFUSED, "companies": ()}, ALIVE, "broken", "no company"),
        ({"companies": (Company(id="c1", name="acme"), Company(id="c2", name="ACME"))}, ALIVE, "unknown", "c1, c2"),
        ({"companies": (Company(id="c1", name="acme", active=False),)}, ALIVE, "broken", "no company"),
    ],
)
def test_a_tenant_has_one_word_and_its_reason(seen: dict[str, object], people: People, status: str, why: str) -> None:
    """What is surely wrong is said before what is not known; what is not known is never called ready."""
    found, reason = status_of(tenant(**seen), people)
    assert found == status
    assert why in reason


def test_slices_and_shares_of_live_pods_count() -> None:
    """Those that run or begin to, on a node for slices; neither finished ones nor other resources."""
    pods = (
        pod("a", requests={"nvidia.com/mig-3g.40gb": 1, "example.com/x": 4}, labels={"required-resources": "0.5"}),
        pod("b", requests={"nvidia.com/mig-3g.40gb": 1, "nvidia.com/gpu": 2}, labels={"required-resources": "0.25"}),
        pod("c", "Pending", None, requests={"nvidia.com/gpu": 1}, labels={"required-resources": "1"}),
        pod("d", "Succeeded", requests={"nvidia.com/gpu": 1}, labels={"required-resources": "1"}),
    )
    seen = tenant(pods=pods)
    assert seen.slices == {"3g.40gb": 2, "gpu": 2}
    assert seen.counted == Decimal("1.75")


@pytest.mark.parametrize("share", ["half", "NaN", "sNaN", "Infinity", "-1", "1E9", "1E99999", ""])
def test_a_pods_share_that_is_no_number_is_not_counted(share: str) -> None:
    """Tenants label their own pods: what one of them writes must not end the list of all."""
    assert isinstance(tenant(pods=(pod(labels={"required-resources": share}),)).counted, Unknown)


def test_what_was_not_listed_is_unknown_everywhere() -> None:
    """Not zero, not none."""
    seen = tenant(pods=REFUSED, services=REFUSED, deployments=REFUSED, companies=REFUSED)
    assert [seen.slices, seen.counted, seen.node_ports, seen.suspended, seen.company] == [REFUSED] * 5


def test_live_ports_are_in_order() -> None:
    """Of this namespace alone."""
    made = [
        ServicePorts(namespace=where, name=f"s{port}", type="NodePort", node_ports=(port,), health_check_node_port=None)
        for where, port in (("acme", 30012), ("acme", 30011), ("beta", 30013))
    ]
    assert tenant(services=tuple(made)).node_ports == (30011, 30012)


def test_tenants_are_recorded_labelled_or_run_an_agent() -> None:
    """Each once; a namespace that says it is another tenant's is not one."""
    spaces = tuple(
        NamespaceFacts(name=name, phase="Active", labels={"clearml-chatops/tenant": says}, annotations={})
        for name, says in (("beta", "beta"), ("impostor", "acme"))
    )
    byhand = Release("agent", "gamma", 1, "deployed", "clearml-agent", "5.0.0", "")
    other = Release("redis", "redis-shared", 1, "deployed", "redis", "1.0.0", "")
    found = names_of(
        platform(namespaces=spaces, releases=(AGENT, byhand, other)), label="clearml-chatops/tenant", agent="agent"
    )
    assert list(found) == ["acme", "beta", "gamma"]


def test_a_fault_is_no_reason_and_an_operators_error_is() -> None:
    """A mistake of ours must not be shown as something about the tenant."""

    def fail(error: Exception) -> int:
        raise error

    assert read(lambda: fail(PermanentError("403"))) == Unknown("403")
    with pytest.raises(ZeroDivisionError):
        read(lambda: fail(ZeroDivisionError()))


@pytest.mark.parametrize(
    ("agent", "router", "status", "why"),
    [
        (1, 1, "ready", ""),
        (0, 0, "suspended", "its agent is scaled to zero"),
        (0, 1, "suspended", "its agent is scaled to zero, but its router runs: tenant suspend acme stops it"),
        (1, 0, "broken", "its router is scaled to zero: tenant resume acme brings it back"),
    ],
)
def test_a_router_that_does_not_do_as_its_agent_is_said(agent: int, router: int, status: str, why: str) -> None:
    """Of a tenant that was suspended before routers were, or whose router was scaled by hand."""
    found = (deployment(agent), replace(deployment(router), name="router", release="clearml-ttr"))
    seen = tenant_of(platform(deployments=found), "acme", release="clearml-agent", agent="agent", router="clearml-ttr")
    assert status_of(seen, ALIVE) == (status, why)
