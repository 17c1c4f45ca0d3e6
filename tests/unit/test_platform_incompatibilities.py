"""What is known to go wrong with what is installed: each is found, said with what to do, and without a secret."""

from typing import Any

import pytest

from commands.platform import Component
from provisioning.platform.findings import PlatformFinding
from provisioning.platform.incompatibilities import Installed, incompatibilities, version_number
from tests.unit.platform_samples import facts, release, spec


def found(**changes: Any) -> list[str]:
    seen = facts(installed=True)
    fields: dict[str, Any] = {"spec": seen.spec, "releases": seen.releases, "values": seen.given_values} | changes
    return [str(one) for one in incompatibilities(Installed(**fields))]


def given(component: Component, **changes: Any) -> dict[Component, Any]:
    seen = facts(installed=True)
    return {**seen.given_values, component: {**seen.given_values[component], **changes}}


def test_the_platform_of_the_spec_has_none() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"values": given(Component.GPU_OPERATOR, migManager={"enabled": True})}, "NVIDIA's MIG manager is on"),
        ({"values": given(Component.GPU_OPERATOR, mig={"strategy": "single"})}, "mig.strategy is not mixed"),
        ({"values": given(Component.REDIS, image={})}, "have left docker.io/bitnami"),
        ({"values": given(Component.REDIS, image={"tag": "8.2.1-debian-12-r0"})}, "have left docker.io/bitnami"),
        ({"values": given(Component.BILLING, kafka={"auth": {"password": "another-one"}})}, "different passwords"),
        ({"values": given(Component.REDIS, auth={"password": "sdk" + "Woq23"})}, "Redis password of the installation"),
        ({"server_version": "3.21.6-1443"}, "no call that deletes a tenant's company"),
        ({"files": {Component.BILLING: "/charts/clearml-billing-1.0.0.tgz"}}, "called clearml-billing-1.0.0.tgz"),
        (
            {"agents": [release(Component.REDIS, chart_version="6.12.3")], "agent_image_tag": "1.24-x"},
            "agent.image_tag pins 1.24-x",
        ),
    ],
)
def test_each_is_found(changes: dict[str, Any], words: str) -> None:
    warnings = found(**changes)
    assert any(words in warning for warning in warnings), warnings
    assert not any("another-one" in warning or "sdk" + "Woq23" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CLEARML__billing__enabled:", "true", "has a colon in its name"),
        ("CLEARML__secure__x__email", "ops@example.com", "is not quoted"),
        ("CLEARML__secure__x__password", "abc#def", "is not quoted"),
        ("CLEARML__secure__x__email", '"ops@example.com"', ""),
        ("CLEARML__hosts__x__host", "redis-master.redis-shared", ""),
        ("PATH", "a:b", ""),
    ],
)
def test_variables_that_the_server_reads_otherwise(name: str, value: str, words: str) -> None:
    """A platform that was installed by hand from the guide has some of them."""
    warnings = found(
        values=given(Component.SERVER, apiserver={"extraEnvs": [{"name": name, "value": value}]}),
    )
    assert any(words in warning for warning in warnings) if words else warnings == []


def test_what_is_fine_is_not_warned_of() -> None:
    assert (
        found(
            server_version="3.30.0", agent_image_tag="1.24-x", agents=[release(Component.REDIS, chart_version="6.9.0")]
        )
        == []
    )
    newer = release(Component.REDIS, chart_version="24.0.0")
    seen = facts(installed=True)
    assert found(releases={**seen.releases, Component.REDIS: newer}, values=given(Component.REDIS, image={})) == []
    assert found(values=given(Component.REDIS, image={"tag": "latest"})) == []


def test_versions_are_compared_by_number() -> None:
    assert version_number("v1.10.0-rc.1+x") == (1, 10, 0) > version_number("1.9.9")
    assert spec().server is not None


def test_nobody_is_left_with_what_is_wrong_and_no_way_out() -> None:
    for what, action in (("it is down", ""), ("", "start it")):
        with pytest.raises(ValueError, match="says what is wrong and what to do"):
            PlatformFinding(what, action)
