"""`platform status` and `platform plan`: what they say of what is there, what is not, what differs and what fails."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from commands.platform import Component, PlatformArgs
from policies.approvals import Actor, Refusal
from provisioning.clients.cluster_objects import Pod
from provisioning.clients.endpoints import Endpoint
from provisioning.errors import PermanentError, UnreachableError
from provisioning.operations.base import Draft
from provisioning.operations.platform_install import InstallPlatform
from provisioning.operations.platform_steps import guarded
from provisioning.operations.platform_upgrade import UpgradePlatform
from provisioning.plan import Observation, Plan, Presence
from provisioning.queries.base import Asked
from provisioning.queries.platform_plan import PlatformPlanQuery
from provisioning.queries.platform_status import PlatformStatusQuery
from provisioning.reports import Cell, Facts, Lines, Report, Table
from provisioning.steps.application_steps import RECORD
from tests.unit.platform_samples import CHART_OF, facts
from tests.unit.platform_world import PlatformWorld

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DESCRIBE = "see why with kubectl describe pod -n redis-shared"
ASKED = Asked(actor=Actor(id="U1", name="vic"), now=NOW, channel=None)


@pytest.fixture
def world(tmp_path: Path) -> PlatformWorld:
    made = PlatformWorld(tmp_path)
    made.install()
    for _, namespace, manifests in guarded(facts()):
        for manifest in manifests:
            made.cluster.policies[namespace, manifest["metadata"]["name"]] = manifest
    made.cluster.secrets["clearml", RECORD] = {"sha256": "a" * 64}
    return made


class Api:
    def __init__(self, version: str | None = "3.30.0") -> None:
        self.version = version

    def server_info(self) -> Any:
        if self.version is None:
            raise UnreachableError("asking ClearML for its version: it cannot be reached")
        return SimpleNamespace(version=self.version)


def status(
    world: PlatformWorld, component: Component | None = None, *, version: str | None = "3.30.0", days: float | None = 90
) -> Report:
    """Ask for the status. *days*: how long the addresses' certificates hold; None: there is no TLS."""

    def look(url: str) -> Endpoint:
        if days is None:
            return Endpoint(url=url, answers=True, trouble="no TLS: what is sent can be read on the way")
        return Endpoint(url=url, answers=True, expires_at=NOW + timedelta(days=days))

    query = PlatformStatusQuery(world.gatherer(), cluster=world.cluster, clearml=cast("Any", Api(version)), look=look)
    answer = query.answer(PlatformArgs(component=component), ASKED)
    assert isinstance(answer, Report)
    return answer


def rows(answer: Report, title: str) -> list[tuple[Cell, ...]]:
    return [row for part in answer.parts if isinstance(part, Table) and part.title == title for row in part.rows]


def lines(answer: Report, title: str) -> list[str]:
    return [line for part in answer.parts if isinstance(part, Lines) and part.title == title for line in part.lines]


def pod(name: str, namespace: str, release: str, *, ready: bool = True, **about: Any) -> Pod:
    fields: dict[str, Any] = {"phase": "Running", "node": "n1", "requests": {}, "host_ports": ()} | about
    labels = {"app.kubernetes.io/instance": release}
    return Pod(namespace=namespace, name=name, labels=labels, is_ready=ready, **fields)


def test_a_platform_that_is_well_has_no_finding(world: PlatformWorld) -> None:
    world.cluster.all_pods = [pod("redis-0", "redis-shared", "redis", images=("docker.io/bitnamilegacy/redis:7.0.9",))]
    answer = status(world)
    assert answer.summary == "5 of 5 releases installed; nothing differs from the spec; 0 findings"
    assert [row[0] for row in rows(answer, "Components")] == [one.value for one in CHART_OF]
    assert next(row for row in rows(answer, "Components") if row[0] == "redis") == (
        "redis",
        "redis-shared/redis",
        "deployed, revision 1",
        "redis 17.8.3",
        "17.8.3",
        "1/1",
        "redis:7.0.9",
        "no",
    )
    assert [one.items for one in answer.parts if isinstance(one, Facts)] == [
        (
            ("policies", "all 4 NetworkPolicies are there"),
            ("applications", "the archive of the spec was uploaded (aaaaaaaaaaaa)"),
        )
    ]
    assert {row[1] for row in rows(answer, "Endpoints")} == {"yes"}
    assert isinstance(answer.data, dict)
    assert answer.data["server_version"] == "3.30.0"


def test_what_is_missing_failed_or_unready_is_a_finding_with_what_to_do(world: PlatformWorld) -> None:
    world.helm.releases_ = [one for one in world.helm.releases_ if one.name != "cdmo"]
    world.change(Component.BILLING, status="failed")
    world.cluster.all_pods = [
        pod("redis-0", "redis-shared", "redis", ready=False, phase="Pending", trouble="ImagePullBackOff"),
        pod("migrate", "redis-shared", "redis", ready=False, phase="Succeeded"),
    ]
    answer = status(world)
    assert answer.summary.startswith("4 of 5 releases installed; billing differs from the spec")
    assert lines(answer, "Findings") == [
        "cdmo: not installed. Next: run platform install cdmo",
        f"redis: pod redis-shared/redis-0 is not ready (Pending, ImagePullBackOff). Next: {DESCRIBE} redis-0",
        "billing: its release is failed. Next: run platform install billing",
    ]


def test_several_that_are_missing_are_installed_by_one_command(world: PlatformWorld) -> None:
    """Alone, one that needs another would be refused."""
    world.helm.releases_ = [one for one in world.helm.releases_ if one.name == "redis"]
    answer = status(world)
    assert answer.summary.startswith("1 of 5 releases installed; what could be compared is as the spec says")
    assert lines(answer, "Findings") == [
        "not installed: gpu-operator, cdmo, billing, server. Next: run platform install"
    ]


def test_other_releases_pods_in_the_same_namespace_are_not_counted(tmp_path: Path) -> None:
    """Where two of ours share a namespace, labels tell; where one has it alone, an operator's pods are its, too."""
    world = PlatformWorld(tmp_path)
    world.text = world.text.replace(
        "chart: {repository: all, name: redis,", "namespace: clearml\n  chart: {repository: all, name: redis,"
    )
    world.__post_init__()
    world.install()
    world.cluster.all_pods = [
        pod("redis-0", "clearml", "redis"),
        pod("apiserver", "clearml", "clearml"),
        pod("webserver", "clearml", "clearml"),
        pod("driver", "gpu-operator", "made-by-the-operator"),
    ]
    ready = {row[0]: row[5] for row in rows(status(world), "Components")}
    assert (ready["redis"], ready["server"], ready["gpu-operator"]) == ("1/1", "2/2", "1/1")


def test_versions_and_values_that_differ_are_told_without_secrets(world: PlatformWorld) -> None:
    world.helm.versions["redis"] = "17.9.0"
    given = {
        **world.helm.given[("redis-shared", "redis")],
        "architecture": "replication",
        "auth": {"password": "old-one"},
    }
    world.helm.given = {**world.helm.given, ("redis-shared", "redis"): given}
    answer = status(world)
    assert "redis differs from the spec" in answer.summary
    assert next(row for row in rows(answer, "Components") if row[0] == "redis")[-1] == "version, 2 values"
    assert rows(answer, "Values that differ from the spec") == [
        ("redis", "architecture", "replication", "standalone"),
        ("redis", "auth.password", "•••", "•••"),
    ]
    assert "old-one" not in str(answer)


def test_a_repository_that_is_down_hides_nothing_else(world: PlatformWorld) -> None:
    world.helm.down["redis"] = UnreachableError(
        "fetching chart redis: it did not answer", next_action="try again later"
    )
    answer = status(world)
    assert lines(answer, "Findings") == ["redis: fetching chart redis: it did not answer. Next: try again later"]
    assert "what could be compared is as the spec says; 1 finding" in answer.summary
    redis = next(row for row in rows(answer, "Components") if row[0] == "redis")
    assert (redis[3], redis[4], redis[-1]) == ("redis 17.8.3", None, None)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (20.5, "its certificate expires in 20 days (2026-12-16). Next: renew it"),
        (-1, "its certificate has expired (2026-11-24). Next: renew it"),
        (
            None,
            "no TLS: what is sent can be read on the way. Next: give its Ingress a certificate that clients trust",
        ),
    ],
)
def test_certificates_that_end_soon_are_findings(world: PlatformWorld, days: float | None, said: str) -> None:
    found = lines(status(world, days=days), "Findings")
    assert found == [f"https://{host}.gpu.example.com: {said}" for host in ("api", "app", "files")]


def test_an_api_that_does_not_answer_is_a_finding_of_the_server(world: PlatformWorld) -> None:
    assert lines(status(world, version=None), "Findings") == [
        "server: asking ClearML for its version: it cannot be reached. Next: look at the bot's log"
    ]
    assert lines(status(world, Component.REDIS, version=None), "Findings") == []


def test_one_component_is_looked_at_alone(world: PlatformWorld) -> None:
    answer = status(world, Component.REDIS)
    assert [row[0] for row in rows(answer, "Components")] == ["redis"]
    assert rows(answer, "Endpoints") == []
    assert lines(status(world, Component.REDIS, version="3.21.6"), "Known to go wrong") == []


def test_policies_and_applications_that_are_not_as_the_spec_says_are_findings(world: PlatformWorld) -> None:
    """They are no releases, and part of the platform all the same."""
    del world.cluster.policies["redis-shared", "allow-tenants-only"]
    world.cluster.secrets["clearml", RECORD] = {"sha256": "b" * 64}
    assert lines(status(world), "Findings") == [
        "policies: not there: redis-shared/allow-tenants-only. Next: run platform install policies",
        "applications: another archive was uploaded (bbbbbbbbbbbb). Next: run platform install applications",
    ]
    del world.cluster.secrets["clearml", RECORD]
    answer = status(world, Component.APPLICATIONS)
    assert answer.summary == "nothing differs from the spec; 1 finding"
    assert isinstance(answer.data, dict)
    assert answer.data["findings"] == [
        {"what": "applications: not uploaded", "next_action": "run platform install applications"}
    ]
    assert lines(answer, "Findings") == ["applications: not uploaded. Next: run platform install applications"]
    assert rows(answer, "Components") == rows(answer, "Endpoints") == []


def test_what_is_known_to_go_wrong_is_warned_of(world: PlatformWorld) -> None:
    given = {**world.helm.given[("redis-shared", "redis")], "image": {}}
    world.helm.given = {**world.helm.given, ("redis-shared", "redis"): given}
    known = lines(status(world, version="3.21.6"), "Known to go wrong")
    assert any("have left docker.io/bitnami" in line for line in known)
    assert any("no call that deletes a tenant's company" in line for line in known)


class StubPlanner:
    """Plans by the real operations on facts that are given; looks at nothing."""

    def __init__(self, **answers: Any) -> None:
        self._facts = facts(**answers)

    def plan(self, command: str, args: Any) -> Plan | Refusal:
        operation = InstallPlatform() if command == "platform install" else UpgradePlatform()
        drafted = operation.draft(args, self._facts)
        if isinstance(drafted, Refusal):
            return drafted
        assert isinstance(drafted, Draft)
        differs = Observation(
            presence=Presence.DIFFERS,
            differences={"chart version": ("17.8.3", "17.9.0"), "architecture": ("replication", "standalone")},
        )
        steps = tuple(one.model_copy(update={"found": differs}) if one.id == "redis" else one for one in drafted.steps)
        about = {"subject": drafted.subject, "summary": drafted.summary, "warnings": drafted.warnings}
        return Plan(operation=command, request=args.model_dump(mode="json"), steps=steps, **about)


def plan(**answers: Any) -> Report | Refusal:
    return PlatformPlanQuery(cast("Any", StubPlanner(**answers))).answer(PlatformArgs(), ASKED)


def test_both_plans_stand_side_by_side_versions_and_values_apart() -> None:
    """Better changed one after the other; a warning that both have is said once."""
    answer = plan(installed=True)
    assert isinstance(answer, Report)
    titles = [part.title for part in answer.parts if not isinstance(part, Table) or part.rows]
    assert titles == [
        "Install",
        "Upgrade",
        "Versions that differ",
        "Values that differ",
        "Warnings",
    ]
    assert rows(answer, "Versions that differ") == [("redis", "chart version", "17.8.3", "17.9.0")]
    assert rows(answer, "Values that differ") == [("redis", "architecture", "replication", "standalone")]
    installed = rows(answer, "Install")
    api, server = (next(row for row in installed if word in str(row[1])) for word in ("API", "Install server"))
    assert api[2] == str(server[0])
    warned = lines(answer, "Warnings")
    assert len(warned) == len(set(warned)) > 0
    assert isinstance(answer.data, dict)
    assert set(answer.data) == {"install", "upgrade"}


def test_what_cannot_be_upgraded_yet_is_said_in_its_place() -> None:
    """Before the first installation only the one plan can be shown; missing secrets would be made by it."""
    answer = plan(generated=False)
    assert isinstance(answer, Report)
    assert answer.summary.endswith("Upgrading: not possible.")
    assert "nothing to upgrade" in lines(answer, "Upgrade")[0]
    assert any("Make strong secrets" in str(row[1]) for row in rows(answer, "Install"))


def test_where_neither_is_possible_the_reason_is_the_answer() -> None:
    answer = plan(terminating=frozenset({"clearml"}))
    assert isinstance(answer, Refusal)
    assert "namespace clearml is being deleted" in answer.reason


def test_a_spec_that_is_not_there_is_an_error_with_what_to_do(world: PlatformWorld) -> None:
    (world.folder / "platform.yaml").unlink()
    with pytest.raises(PermanentError) as caught:
        status(world)
    assert "clearml-chatops platform init" in caught.value.next_action
