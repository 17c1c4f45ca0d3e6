"""The steps on ClearML: the real client against the stand-in server, wired without a network."""

from collections.abc import Callable
from typing import Any

import pytest

from provisioning.clients.clearml import ClearML
from provisioning.plan import Presence
from provisioning.steps.base import StepAction, StepRun
from provisioning.steps.clearml_steps import AdminUser, AgentCredentials, Company, Domains, Queues
from sandbox.clearml.state import ClearMLState
from tests.fakes import FakeCluster, clearml_at

RUN = StepRun(job_id="job-1", step_id="x", attempt=1, timeout_s=60)
LABEL = "clearml-chatops: agent"


class Crash(BaseException):
    """The process died here."""


@pytest.fixture
def state() -> ClearMLState:
    return ClearMLState(clock=lambda: 1_000.0)


@pytest.fixture
def clearml(state: ClearMLState) -> ClearML:
    return clearml_at(state)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(namespaces={"acme": {}})


@pytest.fixture
def user_id(clearml: ClearML) -> str:
    return clearml.create_user(company_id=clearml.create_company("acme"), name="Ana", email="ana@acme.example")


def presence(action: StepAction, inputs: dict[str, Any]) -> Presence:
    return action.observe(inputs).presence


def test_a_company_is_made_once(state: ClearMLState, clearml: ClearML) -> None:
    """Absent, made, present; applied again it is the same one, also where names are not unique."""
    state.unique_names = False
    company, inputs = Company(clearml), {"name": "acme"}
    assert presence(company, inputs) is Presence.ABSENT
    made = company.apply(inputs, RUN)
    assert company.apply(inputs, RUN)["id"] == made["id"]
    seen = company.observe(inputs)
    assert (seen.presence, seen.outputs["id"]) == (Presence.PRESENT, made["id"])
    assert len([one for one in state.companies() if one["name"] == "acme"]) == 1


def test_an_admin_is_made_once(state: ClearMLState, clearml: ClearML) -> None:
    """With the role admin, and found again by the address in any case of letters."""
    company_id = clearml.create_company("acme")
    admin = AdminUser(clearml)
    inputs = {"company_id": company_id, "email": "ana@acme.example", "name": "Ana Lee"}
    assert presence(admin, inputs) is Presence.ABSENT
    made = admin.apply(inputs, RUN)
    assert admin.observe(inputs | {"email": "Ana@acme.example"}).outputs == {"id": made["id"]}
    assert admin.apply(inputs, RUN)["id"] == made["id"]
    (company,) = (one for one in state.companies() if one["name"] == "acme")
    assert [(one["email"], one["role"]) for one in company["users"]] == [("ana@acme.example", "admin")]


def test_undo_frees_the_admins_address(clearml: ClearML) -> None:
    """An address belongs to one user of the server: rolled back, another tenant may have it. Undone again: fine."""
    inputs = {"company_id": clearml.create_company("acme"), "email": "ana@acme.example", "name": "Ana"}
    admin = AdminUser(clearml)
    admin.apply(inputs, RUN)
    for _ in range(2):
        admin.undo(inputs, {}, RUN)
    other = inputs | {"company_id": clearml.create_company("beta")}
    admin.apply(other, RUN)
    assert presence(admin, other) is Presence.PRESENT


def test_undo_leaves_an_admin_that_was_there_before(clearml: ClearML, user_id: str) -> None:
    """Apply found it and said so."""
    (company_id,) = (one.id for one in clearml.companies() if one.name == "acme")
    inputs = {"company_id": company_id, "email": "ana@acme.example", "name": "Ana"}
    admin = AdminUser(clearml)
    admin.undo(inputs, admin.apply(inputs, RUN), RUN)
    assert admin.observe(inputs).outputs == {"id": user_id}


def credentials_inputs(user_id: str) -> dict[str, Any]:
    return {"user_id": user_id, "namespace": "acme", "secret": "clearml-agent-credentials", "label": LABEL}


def test_credentials_go_straight_into_the_secret(clearml: ClearML, cluster: FakeCluster, user_id: str) -> None:
    """The Secret holds a live key of that user; outputs and details hold no part of it."""
    action = AgentCredentials(clearml, cluster)
    inputs = credentials_inputs(user_id)
    assert presence(action, inputs) is Presence.ABSENT
    outputs = action.apply(inputs, RUN)
    stored = cluster.secrets["acme", "clearml-agent-credentials"]
    assert [one.access_key for one in clearml.credentials(user_id)] == [stored["access_key"]]
    seen = action.observe(inputs)
    assert seen.presence is Presence.PRESENT
    assert not [secret for secret in stored.values() if secret in f"{outputs}{seen}"]


def test_credentials_that_are_there_are_kept(clearml: ClearML, cluster: FakeCluster, user_id: str) -> None:
    """Applied again, the agent's key stays as it is."""
    action = AgentCredentials(clearml, cluster)
    action.apply(credentials_inputs(user_id), RUN)
    before = dict(cluster.secrets)
    action.apply(credentials_inputs(user_id), RUN)
    assert cluster.secrets == before


def test_a_crash_between_making_and_keeping_a_key_leaves_no_orphan(
    clearml: ClearML, cluster: FakeCluster, user_id: str
) -> None:
    """The next run revokes the key that nobody can use, and keys of others stay."""
    theirs = clearml.create_credentials(user_id, "made by hand").access_key
    action = AgentCredentials(clearml, cluster)
    cluster.fail_next_write = Crash()  # type: ignore[assignment]  # what kill -9 does: nothing catches it
    with pytest.raises(Crash):
        action.apply(credentials_inputs(user_id), RUN)
    orphan = {one.access_key for one in clearml.credentials(user_id)} - {theirs}
    assert len(orphan) == 1

    assert presence(action, credentials_inputs(user_id)) is Presence.ABSENT
    action.apply(credentials_inputs(user_id), RUN)
    kept = cluster.secrets["acme", "clearml-agent-credentials"]["access_key"]
    assert {one.access_key for one in clearml.credentials(user_id)} == {theirs, kept}
    assert kept not in orphan


def test_a_revoked_key_is_found_out_and_replaced(clearml: ClearML, cluster: FakeCluster, user_id: str) -> None:
    """A Secret alone proves nothing."""
    action = AgentCredentials(clearml, cluster)
    action.apply(credentials_inputs(user_id), RUN)
    stale = cluster.secrets["acme", "clearml-agent-credentials"]["access_key"]
    clearml.revoke_credentials(user_id, stale)
    assert presence(action, credentials_inputs(user_id)) is Presence.DIFFERS
    action.apply(credentials_inputs(user_id), RUN)
    assert cluster.secrets["acme", "clearml-agent-credentials"]["access_key"] != stale
    assert presence(action, credentials_inputs(user_id)) is Presence.PRESENT


def test_undone_credentials_are_revoked_and_gone(clearml: ClearML, cluster: FakeCluster, user_id: str) -> None:
    """Undone again, nothing more happens."""
    action = AgentCredentials(clearml, cluster)
    outputs = action.apply(credentials_inputs(user_id), RUN)
    for _ in range(2):
        action.undo(credentials_inputs(user_id), outputs, RUN)
    assert clearml.credentials(user_id) == ()
    assert cluster.secrets == {}


def test_domains_are_merged(clearml: ClearML, user_id: str) -> None:
    """The API replaces the list; what was on it stays on it."""
    clearml.set_domains(user_id, ["old.example"])
    action, inputs = Domains(clearml), {"user_id": user_id, "domains": ["acme.example", "old.example"]}
    seen = action.observe(inputs)
    assert seen.presence is Presence.DIFFERS
    assert seen.differences == {"domains": (["old.example"], ["acme.example", "old.example"])}
    outputs = action.apply(inputs, RUN)
    assert clearml.domains(user_id) == ("old.example", "acme.example")
    assert presence(action, inputs) is Presence.PRESENT
    action.undo(inputs, outputs, RUN)
    assert clearml.domains(user_id) == ("old.example",)


def test_domains_of_an_unrecorded_apply_are_taken_back(clearml: ClearML, user_id: str) -> None:
    """Undo after a crash has no outputs: what was asked for is taken off."""
    action, inputs = Domains(clearml), {"user_id": user_id, "domains": ["acme.example"]}
    assert presence(action, inputs) is Presence.ABSENT
    action.apply(inputs, RUN)
    action.undo(inputs, {}, RUN)
    assert clearml.domains(user_id) == ()


def test_queues_that_the_chart_made_meanwhile_are_fine(
    clearml: ClearML, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """801 between looking and making is success."""
    action, inputs = Queues(clearml), {"user_id": user_id, "names": ["default", "gpu-fraction-1_00"]}
    assert presence(action, inputs) is Presence.ABSENT
    create: Callable[[str, str], bool] = clearml.create_queue

    def race(user: str, name: str) -> bool:
        create(user, name)
        return create(user, name)

    monkeypatch.setattr(clearml, "create_queue", race)
    assert action.apply(inputs, RUN) == {"created": []}
    assert presence(action, inputs) is Presence.PRESENT


def test_missing_queues_are_named(clearml: ClearML, user_id: str) -> None:
    """Some there, some not: it differs, and only those are made."""
    clearml.create_queue(user_id, "default")
    action, inputs = Queues(clearml), {"user_id": user_id, "names": ["default", "gpu-fraction-1_00"]}
    seen = action.observe(inputs)
    assert (seen.presence, seen.detail) == (Presence.DIFFERS, "missing: gpu-fraction-1_00")
    assert action.apply(inputs, RUN) == {"created": ["gpu-fraction-1_00"]}
