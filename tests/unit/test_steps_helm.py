"""The step on a helm release: what it compares, what it shows, what it puts in."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from provisioning.chart_values import differing_values
from provisioning.configuration import Chart
from provisioning.errors import PermanentError, UnreachableError
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


def test_what_it_would_render_is_found_without_a_secret(
    action: HelmRelease, helm: FakeHelm, cluster: FakeCluster
) -> None:
    """The same whether the secrets are there or not: each goes by its name."""
    seen = action.observe(INPUTS)
    assert list(seen.renders) == ["Deployment/clearml-agent", "Secret/clearml-agent"]
    assert seen.detail.startswith("renders 2 objects, sha256 ")
    assert "<acme/clearml-agent-credentials/secret_key>" in helm.renderings[0]
    assert not any(secret in helm.renderings[0] for secret in SECRETS)
    cluster.secrets.clear()
    assert action.observe(INPUTS) == seen
    other = INPUTS | {"values": {**INPUTS["values"], "more": 1}}
    assert action.observe(other).renders["Secret/clearml-agent"] != seen.renders["Secret/clearml-agent"]


def test_what_is_as_it_shall_be_renders_nothing(action: HelmRelease, helm: FakeHelm) -> None:
    """A plan with nothing to do costs no rendering."""
    action.apply(INPUTS, RUN)
    assert action.observe(INPUTS).renders == {}
    assert helm.renderings == []


def test_a_chart_that_cannot_be_rendered_says_why(action: HelmRelease, helm: FakeHelm) -> None:
    """One that helm cannot be asked about is a fault."""
    helm.fail_rendering = PermanentError("rendering acme/clearml-agent", details="Error: x\nno such key")
    seen = action.observe(INPUTS)
    assert seen.detail == "what it renders shows only when it runs (no such key)"
    helm.fail_rendering = UnreachableError("no answer")
    with pytest.raises(UnreachableError):
        action.observe(INPUTS)


def test_another_chart_than_the_approved_one_is_not_installed(action: HelmRelease, helm: FakeHelm) -> None:
    """Nor is it where the job is retried; put back, it is."""
    approved = INPUTS | {"chart_sha256": helm.chart_sha256(Chart(reference="agent"))}
    helm.templates["1.0.0"] = {"replicas": 9}
    for _ in range(2):
        with pytest.raises(PermanentError, match=r"clearml-enterprise-agent 1\.0\.0 is not what was approved"):
            action.apply(approved, RUN)
    assert helm.installs == []
    helm.templates.clear()
    assert action.apply(approved, RUN) == {"revision": 1}


def test_a_release_that_is_kept_stays_as_it_is(action: HelmRelease, helm: FakeHelm) -> None:
    """`platform install` only installs what is missing: what differs is said, and left."""
    action.apply(INPUTS, RUN)
    other = INPUTS | {"keep": True, "values": {"agentk8sglue": {"debugMode": True}}, "chart_version": "2.0.0"}
    seen = action.observe(other)
    assert seen.presence is Presence.PRESENT
    assert seen.detail.endswith("places and stays as it is")
    assert seen.outputs == {"revision": 1}
    assert action.apply(other, RUN) == {"revision": 1}
    assert len(helm.installs) == 1


@pytest.mark.parametrize("status", ["failed", "pending-install"])
def test_one_that_is_not_deployed_is_not_kept(
    action: HelmRelease, cluster: FakeCluster, helm: FakeHelm, status: str
) -> None:
    """Half a release is none."""
    action.apply(INPUTS, RUN)
    found = cluster.releases["acme", "clearml-agent"]
    found.release = replace(found.release, status=status)
    assert action.observe(INPUTS | {"keep": True}).presence is Presence.DIFFERS
    action.apply(INPUTS | {"keep": True}, RUN)
    assert cluster.releases["acme", "clearml-agent"].release.status == "deployed"
    assert len(helm.installs) == 2


def test_undo_goes_back_to_the_revision_that_was_there(
    action: HelmRelease, cluster: FakeCluster, helm: FakeHelm
) -> None:
    """As a revision of its own; where the step has done nothing yet, and again, nothing happens."""
    action.apply(INPUTS, RUN)
    changed = INPUTS | {"back_to": 1, "values": {"agentk8sglue": {"debugMode": True}}}
    action.undo(changed, {}, RUN)
    assert cluster.releases["acme", "clearml-agent"].release.revision == 1
    assert action.apply(changed, RUN) == {"revision": 2}
    notes: list[str] = []
    action.undo(changed, {"revision": 2}, replace(RUN, note=notes.append))
    assert notes == ["release clearml-agent goes back to revision 1"]
    assert cluster.releases["acme", "clearml-agent"].release.revision == 3
    assert helm.values("acme", "clearml-agent") == helm.installs[0]


def test_undo_of_a_change_recovers_first_and_never_uninstalls(action: HelmRelease, cluster: FakeCluster) -> None:
    """A release that is gone since stays gone: going back is not installing."""
    action.apply(INPUTS, RUN)
    changed = INPUTS | {"back_to": 1}
    cluster.releases.clear()
    action.undo(changed, {}, RUN)
    assert cluster.releases == {}
