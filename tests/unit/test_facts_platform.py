"""The facts that the platform is judged by: the spec read anew, charts, releases, secrets; one fault hides no other."""

import hashlib
from pathlib import Path

import pytest

from commands.platform import Component, PlatformInstall, PlatformUpgrade
from provisioning.clients.helm_releases import Release
from provisioning.errors import PermanentError, UnreachableError
from tests.unit.platform_samples import CHART_OF, GENERATED, SPEC
from tests.unit.platform_world import PlatformWorld

DOWN = UnreachableError("fetching chart redis 17.8.3: the repository did not answer", next_action="Retry")
BILLING_FILE = "{repository: all, name: clearml-billing, version: 1.1.0}"


@pytest.fixture
def world(tmp_path: Path) -> PlatformWorld:
    return PlatformWorld(tmp_path)


def agent(namespace: str, chart: str = "clearml-enterprise-agent") -> Release:
    return Release("clearml-agent", namespace, 1, "deployed", chart, "1.0.0", "")


def test_everything_of_the_spec_is_looked_at(world: PlatformWorld) -> None:
    world.install()
    world.cluster.secrets["clearml", "clearml-platform-secrets"] = {"kafka_password": "made-before"}  # and no other
    found, troubles = world.gatherer().look(None)
    assert troubles == {}
    assert {one: (chart.name, chart.version) for one, chart in found.charts.items()} == CHART_OF
    assert set(found.releases) == set(found.given_values) == set(CHART_OF)
    assert found.secrets[GENERATED[0]].get_secret_value() == "made-before"
    assert set(GENERATED[1:]).isdisjoint(found.secrets)
    assert found.secrets["redis.password"].get_secret_value() == "the-redis-password"


def test_guards_that_stand_are_seen_where_they_are_part_of_it(world: PlatformWorld) -> None:
    """In the spec's own namespaces; for another component nobody asks."""
    for key in (("redis-shared", "allow-tenants-only"), ("kube-system", "somebody-elses")):
        world.cluster.policies[key] = {}
    for component in (None, Component.POLICIES):
        found, _ = world.gatherer().look(component)
        assert found.policies == {("redis-shared", "allow-tenants-only")}
    found, _ = world.gatherer().look(Component.REDIS)
    assert found.policies == frozenset()


def test_only_the_component_that_is_asked_for_is_looked_at(world: PlatformWorld) -> None:
    """Releases are listed at once: they tell what the component stands on."""
    world.install()
    found, _ = world.gatherer().look(Component.REDIS)
    assert set(found.charts) == set(found.given_values) == {Component.REDIS}
    assert set(found.releases) == set(CHART_OF)


def test_credentials_reach_helm_from_where_the_spec_says_they_lie(world: PlatformWorld) -> None:
    world.gatherer().look(Component.REDIS)
    asked = world.helm.asked[0]
    assert (asked.reference, asked.version, asked.username) == (
        "oci://registry.example.com/charts/redis",
        "17.8.3",
        "the-helm-token",
    )
    assert asked.password is not None
    assert asked.password.get_secret_value() == "the-helm-token"


def test_credentials_that_are_not_there_are_named(world: PlatformWorld) -> None:
    world.settings = {"platform": {"file": str(world.folder / "platform.yaml"), "secrets": {"billing": "b"}}}
    _, troubles = world.gatherer().look(Component.REDIS)
    assert "platform.secrets.helm is not there" in troubles[Component.REDIS].what
    assert "correct repositories in the platform spec" in troubles[Component.REDIS].next_action
    assert world.helm.asked == []


def test_a_chart_that_cannot_be_read_is_a_trouble_of_its_component_alone(world: PlatformWorld) -> None:
    """`status` tells it beside the rest; a change is not planned without it."""
    world.helm.down["redis"] = DOWN
    found, troubles = world.gatherer().look(None)
    assert troubles == {Component.REDIS: DOWN}
    assert set(found.charts) == set(CHART_OF) - {Component.REDIS}
    with pytest.raises(UnreachableError, match="did not answer"):
        world.gatherer().gather(PlatformInstall())


def test_what_only_removes_asks_no_repository(world: PlatformWorld) -> None:
    """One that is down must not stand in its way."""
    world.install()
    world.helm.down |= dict.fromkeys(world.helm.versions, DOWN)
    found = world.gatherer(looks_at_charts=False).gather(PlatformInstall())
    assert found.charts == {}
    assert set(found.releases) == set(CHART_OF)
    assert world.helm.asked == []


def test_a_release_of_that_name_elsewhere_is_not_ours(world: PlatformWorld) -> None:
    world.install()
    world.change(Component.REDIS, namespace="somebody-elses")
    found, _ = world.gatherer().look(None)
    assert Component.REDIS not in found.releases


def test_tenants_are_those_of_the_bot_and_those_that_somebody_made_by_hand(world: PlatformWorld) -> None:
    """An agent's release tells; the operator's own chart is no agent, whatever it is called."""
    world.tenants = ("acme", "umbrella")
    world.helm.releases_ = [agent("acme"), agent("by-hand"), agent("gpu-operator", "node-agent"), agent("web", "nginx")]
    found, _ = world.gatherer().look(None)
    assert found.tenants == ("acme", "by-hand", "umbrella")
    assert [one.namespace for one in found.agents] == ["acme", "by-hand"]


def test_a_namespace_that_is_being_deleted_is_seen(world: PlatformWorld) -> None:
    world.cluster.terminating.add("clearml")
    found, _ = world.gatherer().look(None)
    assert found.terminating == frozenset({"clearml"})


def test_another_file_is_another_plan(world: PlatformWorld) -> None:
    """A chart is held by its content; a folder, as charts in the making are, by that of its files."""
    file = world.folder / "clearml-billing.tgz"
    (world.folder / "platform.yaml").write_text(SPEC.replace(BILLING_FILE, f"{{file: {file}}}"))
    for content in (b"one", b"two"):
        file.write_bytes(content)
        found, troubles = world.gatherer().look(Component.BILLING)
        assert troubles == {}
        assert found.charts[Component.BILLING].sha256 == hashlib.sha256(content).hexdigest()
    file.unlink()
    file.mkdir()
    seen = set()
    for content in (b"name: one", b"name: two"):
        (file / "Chart.yaml").write_bytes(content)
        found, _ = world.gatherer().look(Component.BILLING)
        seen.add(found.charts[Component.BILLING].sha256)
    assert len(seen) == 2
    assert None not in seen


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"a: [", "it is no YAML"),
        (b"\xff\xff", "it is no YAML"),
        (b"- a\n- b\n", "must be a mapping"),
        (b"1: a\n", "must be a mapping"),
        (b"x" * 262_145, "larger than 256 KiB"),
    ],
    ids=["missing", "broken", "not-text", "list", "numbers", "large"],
)
def test_a_values_file_that_is_none_is_told_with_what_to_correct(
    world: PlatformWorld, content: bytes | None, said: str
) -> None:
    file = world.folder / "more.yaml"
    if content is not None:
        file.write_bytes(content)
    text = SPEC.replace("version: 17.8.3}", f"version: 17.8.3}}\n  values_file: {file}")
    (world.folder / "platform.yaml").write_text(text)
    _, troubles = world.gatherer().look(Component.REDIS)
    assert said in troubles[Component.REDIS].what
    assert troubles[Component.REDIS].next_action == "correct values_file in the platform spec"


def test_a_values_file_is_read_and_an_empty_one_adds_nothing(world: PlatformWorld) -> None:
    file = world.folder / "more.yaml"
    text = SPEC.replace("version: 17.8.3}", f"version: 17.8.3}}\n  values_file: {file}")
    (world.folder / "platform.yaml").write_text(text)
    for content, more in (("master: {count: 2}\n", {"master": {"count": 2}}), ("# nothing\n", {})):
        file.write_text(content)
        found, troubles = world.gatherer().look(Component.REDIS)
        assert troubles == {}
        assert found.more_values[Component.REDIS] == more


@pytest.mark.parametrize(
    ("file", "said", "next_action"),
    [
        (None, "there is no platform spec", "platform init"),
        ("none.yaml", "reading the platform spec", "platform init"),
        ("wrong.yaml", "wrong.yaml: ", "correct the file, then ask again"),
    ],
)
def test_a_spec_that_cannot_be_read_says_how_to_get_one(
    world: PlatformWorld, file: str | None, said: str, next_action: str
) -> None:
    (world.folder / "wrong.yaml").write_text("base_domain: 5\n")
    world.settings = {"platform": {"file": str(world.folder / file) if file else None}}
    with pytest.raises(PermanentError) as caught:
        world.gatherer().look(None)
    assert said in caught.value.what
    assert next_action in caught.value.next_action


@pytest.mark.parametrize(("values_only", "wanted"), [(False, "17.8.3"), (True, "17.7.0")])
def test_what_keeps_its_version_is_looked_at_in_the_version_that_is_installed(
    world: PlatformWorld, values_only: bool, wanted: str
) -> None:
    """Also where the spec pins another by its digest: that one's content and defaults say nothing of what runs."""
    (world.folder / "platform.yaml").write_text(
        SPEC.replace("version: 17.8.3}", f"version: 17.8.3, digest: 'sha256:{'a' * 64}'}}")
    )
    world.install()
    world.change(Component.REDIS, chart_version="17.7.0")
    found = world.gatherer().gather(PlatformUpgrade(component="redis", values_only=values_only))
    asked = {(chart.reference, chart.version) for chart in world.helm.asked if "redis" in chart.reference}
    pinned = "" if values_only else f"@sha256:{'a' * 64}"
    assert asked == {(f"oci://registry.example.com/charts/redis{pinned}", wanted)}
    assert found.charts[Component.REDIS].sha256
