"""The step on a helm release: what it compares, what it shows, what it puts in."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from provisioning.chart_values import differing_values
from provisioning.configuration import Chart
from provisioning.errors import PermanentError
from provisioning.named_secrets import NamedSecrets
from provisioning.plan import Presence
from provisioning.steps.base import StepRun
from provisioning.steps.helm_steps import HelmRelease
from tests.fakes import FakeCluster, FakeHelm

RUN = StepRun(job_id="job-1", step_id="agent", attempt=1, timeout_s=660)
INPUTS: dict[str, Any] = {
    "namespace": "acme",
    "release": "clearml-agent",
    "chart": "agent",
    "chart_name": "clearml-enterprise-agent",
    "chart_version": "1.0.0",
    "wait_s": 300,
    "values": {
        "clearml": {"agentk8sglueSecret": {"$secret": "acme/clearml-agent-credentials/secret_key"}},
        "agentk8sglue": {
            "debugMode": False,
            "extraEnvs": [
                {"name": "CLEARML_AGENT_REDIS_DB", "value": "0"},
                {"name": "CLEARML_AGENT_REDIS_PASSWORD", "value": {"$secret": "redis.password"}},
            ],
        },
    },
}
SECRETS = ("the-agents-secret", "the-redis-password")


@pytest.fixture
def cluster() -> FakeCluster:
    made = FakeCluster(namespaces={"acme": {}})
    made.secrets["acme", "clearml-agent-credentials"] = {"access_key": "KEY", "secret_key": SECRETS[0]}
    return made


@pytest.fixture
def helm(cluster: FakeCluster) -> FakeHelm:
    return FakeHelm(cluster)


@pytest.fixture
def action(cluster: FakeCluster, helm: FakeHelm) -> HelmRelease:
    return HelmRelease(
        helm,
        charts={"agent": Chart(reference="agent")},
        secrets=NamedSecrets(cluster, {"redis.password": SecretStr(SECRETS[1])}),
    )


def test_a_release_is_installed_with_its_secrets_put_in(action: HelmRelease, helm: FakeHelm) -> None:
    """helm gets the values in the clear, outputs and observations hold none of them."""
    assert action.observe(INPUTS).presence is Presence.ABSENT
    assert action.apply(INPUTS, RUN) == {"revision": 1}
    (given,) = helm.installs
    assert given["clearml"]["agentk8sglueSecret"] == SECRETS[0]
    assert given["agentk8sglue"]["extraEnvs"][1]["value"] == SECRETS[1]
    seen = action.observe(INPUTS)
    assert seen.presence is Presence.PRESENT
    assert seen.detail == "revision 1 deployed, chart clearml-enterprise-agent 1.0.0"


def test_applied_again_nothing_is_upgraded(action: HelmRelease, helm: FakeHelm) -> None:
    """No new revision where everything is as planned."""
    action.apply(INPUTS, RUN)
    assert action.apply(INPUTS, RUN) == {"revision": 1}
    assert len(helm.installs) == 1


def test_a_changed_secret_differs_and_is_not_shown(action: HelmRelease, cluster: FakeCluster) -> None:
    """Compared by value, in memory; the path is named, the values are hidden."""
    action.apply(INPUTS, RUN)
    cluster.secrets["acme", "clearml-agent-credentials"]["secret_key"] = "another-secret"
    seen = action.observe(INPUTS)
    assert seen.presence is Presence.DIFFERS
    assert seen.differences == {"clearml.agentk8sglueSecret": ("•••", "•••")}
    assert "another-secret" not in seen.model_dump_json()


def test_drift_is_shown_by_path(action: HelmRelease, cluster: FakeCluster) -> None:
    """Plain values with what is and what shall be; what we do not set is hidden, it may be a secret."""
    action.apply(INPUTS, RUN)
    values = cluster.releases["acme", "clearml-agent"].values
    values["agentk8sglue"]["debugMode"] = True
    values["agentk8sglue"]["extraEnvs"][0]["value"] = "7"
    values["imageCredentials"] = {"password": "typed-by-hand"}
    seen = action.observe(INPUTS)
    assert seen.differences == {
        "agentk8sglue.debugMode": (True, False),
        "agentk8sglue.extraEnvs[CLEARML_AGENT_REDIS_DB].value": ("7", "0"),
        "imageCredentials.password": ("•••", None),
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "failed"}, "status"),
        ({"chart_version": "0.9.0"}, "chart version"),
        ({"chart": "clearml-agent"}, "chart"),
    ],
)
def test_another_chart_version_or_status_differs(
    action: HelmRelease, cluster: FakeCluster, change: dict[str, str], field: str
) -> None:
    """A failed release with the right values is not done."""
    action.apply(INPUTS, RUN)
    found = cluster.releases["acme", "clearml-agent"]
    found.release = replace(found.release, **change)  # type: ignore[arg-type]  # only text fields are changed here
    assert list(action.observe(INPUTS).differences) == [field]
    assert action.apply(INPUTS, RUN) == {"revision": 2}


def test_a_release_left_pending_by_a_dead_process_is_recovered_first(
    action: HelmRelease, cluster: FakeCluster, helm: FakeHelm
) -> None:
    """helm alone would refuse for ever."""
    action.apply(INPUTS, RUN)
    found = cluster.releases["acme", "clearml-agent"]
    found.release = replace(found.release, status="pending-install")
    notes: list[str] = []
    assert action.apply(INPUTS, replace(RUN, note=notes.append)) == {"revision": 1}
    assert helm.recovered == ["acme/clearml-agent"]
    assert "pending-install" in notes[0]


def test_a_missing_secret_stops_before_helm(action: HelmRelease, cluster: FakeCluster, helm: FakeHelm) -> None:
    """Looking is possible without it; installing with an empty one is not."""
    cluster.secrets.clear()
    assert action.observe(INPUTS).presence is Presence.ABSENT
    with pytest.raises(PermanentError, match="acme/clearml-agent-credentials/secret_key"):
        action.apply(INPUTS, RUN)
    assert helm.installs == []


def test_undo_uninstalls_what_this_job_installed(action: HelmRelease, cluster: FakeCluster) -> None:
    """Also without outputs, after a crash, and again."""
    action.apply(INPUTS, RUN)
    for _ in range(2):
        action.undo(INPUTS, {}, RUN)
    assert cluster.releases == {}


def test_undo_leaves_a_release_that_it_only_upgraded(action: HelmRelease, cluster: FakeCluster) -> None:
    """It was there before this job."""
    action.apply(INPUTS, RUN)
    action.apply(INPUTS | {"values": {}}, RUN)
    notes: list[str] = []
    action.undo(INPUTS, {"revision": 2}, replace(RUN, note=notes.append))
    assert cluster.releases
    assert "stays" in notes[0]


def test_numbers_compare_as_numbers_and_empty_maps_count() -> None:
    """helm stores values as JSON: 3.0 comes back as 3. A map that lost its keys is not the same as none."""
    assert differing_values({"a": 3, "b": {}}, {"a": 3.0, "b": {}}) == {}
    assert differing_values({"a": True}, {"a": 1}) == {"a": (True, 1)}
    assert differing_values({"b": {"c": 1}}, {"b": {}}) == {"b": (None, {}), "b.c": ("•••", None)}
    assert differing_values({}, {"x.y/z": 1}) == {'"x.y/z"': (None, 1)}
