"""`tenant drift` and `tenant fix`: what differs from the record is told field by field, and mended after approval."""

from typing import Any

import pytest

from policies.approvals import Refusal
from provisioning.clients.helm_releases import Release
from provisioning.errors import UnreachableError
from provisioning.jobs.job import JobState
from provisioning.plan import Presence
from tests.integration.tenant_world import ACME, World


def drifted(world: World, text: str = "tenant drift acme") -> dict[str, Any]:
    data = world.report(text).data
    assert isinstance(data, dict)
    return data


def spoil(world: World) -> None:
    """Change by hand what people change by hand: a value of the release, a policy, a queue."""
    values = world.cluster.releases["acme", "clearml-agent"].values
    values["agentk8sglue"]["monitoredResources"]["maxResources"] = 12
    del world.cluster.policies["acme", "default-deny-ingress"]
    world.state.companies_by_id[world.company("acme")["id"]].queues.pop("default")


def test_a_tenant_as_recorded_has_not_drifted(world: World) -> None:
    """With ports and without."""
    world.make(f"{ACME} --ports --max-resources 8")
    assert drifted(world) == {"tenant": "acme", "drift": False, "differences": []}
    assert world.report("tenant drift acme").summary == "none: it is as job-1 recorded it"


def test_each_field_that_differs_is_told(world: World) -> None:
    """What was found, and what it shall be."""
    world.make(ACME)
    spoil(world)
    told = {(one["step"], one["field"]): (one["found"], one["shall"]) for one in drifted(world)["differences"]}
    assert told["agent", "agentk8sglue.monitoredResources.maxResources"] == (12, 3)
    assert told["queues", ""] == ("missing: default", "as planned")
    assert ("policies", "") in told or ("policies", "default-deny-ingress") in told
    assert {step for step, _ in told} == {"agent", "queues", "policies"}


def test_a_policy_that_was_opened_is_told_by_field(world: World) -> None:
    """In the report, and where it is opened otherwise while a fix waits."""
    world.make(f"{ACME} --ports")
    policy = world.cluster.policies["acme", "allow-session-ports"]["spec"]["ingress"][0]["ports"][0]
    policy["port"] = 22
    field = "allow-session-ports.spec.ingress[0].ports[0].port"
    assert [(one["field"], one["found"], one["shall"]) for one in drifted(world)["differences"]] == [(field, 22, 10022)]
    job = world.job(world.plan("tenant fix acme"))
    policy["port"] = 23
    failure = world.run(job).failure
    assert failure is not None
    assert f"{field} (was 22, is 23)" in failure.what


def test_a_secret_that_differs_is_not_told(world: World) -> None:
    """Only that it does."""
    world.make(ACME)
    world.cluster.releases["acme", "clearml-agent"].values["clearml"]["agentk8sglueSecret"] = "typed-by-hand"
    report = world.report("tenant drift acme")
    assert "typed-by-hand" not in str(report.parts) + str(report.data)
    assert drifted(world)["drift"] is True


def test_all_tenants_are_compared_and_things_are_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One listing of releases for all; no company is asked for its users twice."""
    names = ["acme", "beta", "gamma", "delta"]
    for name in names:
        world.make(f"tenant create {name} --admin-email ana@{name}.example")
    spoil(world)
    asked: list[str] = []
    releases = world.helm.releases

    def list_releases(namespace: str | None = None) -> tuple[Release, ...]:
        asked.append("releases")
        return releases(namespace)

    monkeypatch.setattr(world.helm, "releases", list_releases)
    world.state.calls.clear()
    found = drifted(world, "tenant drift")["tenants"]
    assert {one["tenant"]: one["drift"] for one in found} == {name: name == "acme" for name in names}
    assert asked == ["releases"]
    listings = [call for call in world.state.calls if call["endpoint"] == "users.get_all_ex"]
    assert len(listings) == len(names)


def test_a_report_has_few_columns_and_says_what_to_do(world: World) -> None:
    """Readable on a phone."""
    world.make(ACME)
    spoil(world)
    (parts, line) = world.report("tenant drift").parts
    assert parts.rows == (("acme", 3, "policies, queues, agent"),)  # type: ignore[union-attr]  # a table
    assert "tenant drift --fix" in str(line)


def test_what_cannot_be_compared_is_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither drifted nor not."""
    world.make(ACME)

    def refuse(*_args: object) -> None:
        raise UnreachableError("reading the chart: the registry did not answer")

    monkeypatch.setattr(world.helm, "show_chart", refuse)
    assert drifted(world)["drift"] == {"unknown": "reading the chart: the registry did not answer"}
    assert drifted(world, "tenant drift")["tenants"][0]["drift"]["unknown"]


def test_without_a_record_there_is_nothing_to_compare_with(world: World) -> None:
    """Read or change: refused, with the way to a record."""
    for answer in (world.ask("tenant drift nobody"), world.refusal("tenant fix nobody")):
        assert isinstance(answer, Refusal)
        assert answer.reason.startswith("nothing is recorded of tenant nobody")
        assert "tenant import nobody" in answer.next_action


def test_what_has_drifted_is_fixed_and_nothing_else(world: World) -> None:
    """After it, planning finds nothing to do; the record is the same."""
    world.make(f"{ACME} --ports")
    record = world.store.tenant("acme")
    spoil(world)
    plan = world.plan("tenant fix acme")
    assert {step.id for step in plan.steps if not step.is_noop} == {"agent", "queues", "policies"}
    assert plan.summary.startswith("Make tenant acme as recorded: ")
    assert world.run(world.job(plan)).state is JobState.SUCCEEDED
    assert world.plan("tenant fix acme").is_noop
    assert drifted(world)["drift"] is False
    assert world.store.tenant("acme") == record
    assert [str(lease.ports) for lease in world.store.leases()] == ["30100-30110"]


def test_a_world_that_changes_while_a_fix_waits_voids_it(world: World) -> None:
    """What was approved is what runs."""
    world.make(ACME)
    spoil(world)
    job = world.job(world.plan("tenant fix acme"))
    world.cluster.releases["acme", "clearml-agent"].values["agentk8sglue"]["debugMode"] = True
    failed = world.run(job)
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert "the world has changed since this was asked" in failed.failure.what
    assert "debugMode" in failed.failure.what


def test_a_tenant_whose_company_is_gone_is_made_again(world: World) -> None:
    """A fix is the whole plan of the record."""
    world.make(ACME)
    world.state.companies_by_id.pop(world.company("acme")["id"])
    for user in [one for one in world.state.users.values() if one.email == "ana@acme.example"]:
        del world.state.users[user.id]
    plan = world.plan("tenant fix acme")
    assert plan.step("company").found.presence is Presence.ABSENT
    assert world.run(world.job(plan)).state is JobState.SUCCEEDED
    assert world.plan("tenant fix acme").is_noop
