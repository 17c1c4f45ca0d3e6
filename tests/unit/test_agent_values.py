"""The agent release's values: the guide's, typed, with secrets by name only."""

from decimal import Decimal
from typing import Any

import pytest

from provisioning.chart_values import Secret, unknown_keys, variable
from provisioning.configuration import Agent, Chart, ClearMLServer, Redis
from provisioning.operations.agent_values import (
    OPEN_MAPS,
    FractionQueue,
    Sessions,
    agent_values,
)
from tests.fakes import CHART_VALUES
from tests.unit import configuration_samples

SERVER = ClearMLServer.model_validate(configuration_samples.SERVER)
REDIS = Redis.model_validate({"password": "a-redis-password"})
NO_PORTS = Sessions(port_mode_enabled=False, agent_id="acme")


def values(*, sessions: Sessions = NO_PORTS, **agent: Any) -> dict[str, Any]:
    return agent_values(
        tenant="acme",
        server=SERVER,
        agent=Agent.model_validate({"chart": Chart(reference="agent"), **agent}),
        redis=REDIS,
        queues=[
            FractionQueue(share=Decimal(1), resource="nvidia.com/mig-7g.40gb"),
            FractionQueue(share=Decimal("0.25"), resource="nvidia.com/mig-2g.10gb"),
        ],
        max_resources=Decimal("3.00"),
        max_pods=10,
        sessions=sessions,
    ).as_json()


def test_queues_are_the_guides() -> None:
    """Names, labels, limits and pods of the queues are those of the guide, on the GPU that it was written for."""
    assert values()["agentk8sglue"]["queues"] == {
        "default": {
            "templateOverrides": {"labels": {"required-resources": "0.5", "billing-monitored": "true"}},
            "queueSettings": {"maxPods": 10},
        },
        "gpu-fraction-1_00": {
            "templateOverrides": {
                "labels": {"required-resources": "1", "billing-monitored": "true"},
                "resources": {"limits": {"nvidia.com/mig-7g.40gb": 1, "clear.ml/fraction-1": "1"}},
            },
            "queueSettings": {"maxPods": 10},
        },
        "gpu-fraction-0_25": {
            "templateOverrides": {
                "labels": {"required-resources": "0.25", "billing-monitored": "true"},
                "resources": {"limits": {"nvidia.com/mig-2g.10gb": 1, "clear.ml/fraction-1": "0.25"}},
            },
            "queueSettings": {"maxPods": 10},
        },
    }


def test_the_limit_counts_the_label_of_every_pod() -> None:
    """maxResources is a number, whole where it can be, read from the pods' label."""
    assert values()["agentk8sglue"]["monitoredResources"] == {
        "maxResources": 3,
        "minResourcesFieldName": "metadata|labels|required-resources",
        "maxResourcesFieldName": "metadata|labels|required-resources",
    }


def test_environment_is_the_guides_with_the_password_by_name() -> None:
    """The Redis variables are plain text, the password is a reference, and nothing is quoted as HOCON."""
    variables = {one["name"]: one["value"] for one in values()["agentk8sglue"]["extraEnvs"]}
    assert variables == {
        "CLEARML_K8S_SUPPORT_SUSPENSION": "1",
        "CLEARML_K8S_PORTS_MODE_ON_REQUEST_ONLY": "1",
        "CLEARML_AGENT_REDIS_HOST": "redis-master.redis-shared",
        "CLEARML_AGENT_REDIS_PORT": "6379",
        "CLEARML_AGENT_REDIS_DB": "0",
        "CLEARML_AGENT_REDIS_PASSWORD": {"$secret": "redis.password"},
    }


def test_no_secret_stands_in_the_values() -> None:
    """What goes into a plan names secrets and holds none of them."""
    text = str(values(image_password="a-registry-token"))
    assert not [secret for secret in ("a-redis-password", "a-system-secret", "a-registry-token") if secret in text]
    assert "acme/clearml-agent-credentials/secret_key" in text


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("CLEARML__secure__login__email", "ana@acme.example", '"ana@acme.example"'),
        ("CLEARML__billing__enabled", "true", '"true"'),
        ("CLEARML__x", 'say "hi" # now', '"say \\"hi\\" # now"'),
        ("CLEARML_AGENT_REDIS_DB", "0", "0"),
        ("clearml__x", "a@b", "a@b"),
    ],
)
def test_only_hocon_variables_are_quoted(name: str, value: str, written: str) -> None:
    """ClearML parses what begins with CLEARML__ as HOCON; anything else would get literal quotes."""
    assert variable(name, value).value == written


def test_a_secret_in_a_hocon_variable_is_quoted_where_it_is_put_in() -> None:
    """Without quotes an @ or # in it would break the server's configuration."""
    assert variable("CLEARML__x", Secret(name="redis.password")).model_dump(by_alias=True) == {
        "name": "CLEARML__x",
        "value": {"$secret": "redis.password", "$quote": "hocon"},
    }


def test_what_is_no_text_stands_in_hocon_variables_only() -> None:
    """Numbers, truth values and lists have a meaning there; elsewhere they would be guessed at."""
    assert [variable("CLEARML__x", value).value for value in (True, 2, ("a", 'b"c'), "1")] == [
        "true",
        "2",
        '["a", "b\\"c"]',
        '"1"',
    ]
    with pytest.raises(TypeError, match="X: ClearML does not parse it"):
        variable("X", 2)


def test_sessions_with_ports_name_the_first_port_before_the_range() -> None:
    """startingPort is the envelope's start; the Services take the ports after it."""
    sessions = Sessions(
        port_mode_enabled=True, agent_id="acme", external_ip="203.0.113.10", starting_port=31010, max_services=10
    )
    assert values(sessions=sessions)["agentk8sglue"]["sessions"] == {
        "portModeEnabled": True,
        "agentID": "acme",
        "externalIP": "203.0.113.10",
        "startingPort": 31010,
        "maxServices": 10,
    }


def test_optional_values_are_left_out() -> None:
    """A pinned image and registry credentials are only there where they are configured."""
    assert "image" not in values()["agentk8sglue"]
    assert "imageCredentials" not in values()
    assert values(image_tag="1.24-1")["agentk8sglue"]["image"] == {"tag": "1.24-1"}


@pytest.mark.parametrize(
    ("share", "name"),
    [("1", "gpu-fraction-1_00"), ("0.5", "gpu-fraction-0_50"), ("0.125", "gpu-fraction-0_125")],
)
def test_queue_names_spell_the_share(share: str, name: str) -> None:
    """Two decimals as in the guide, more where the share has more."""
    assert FractionQueue(share=Decimal(share), resource="x").name == name


def test_every_value_is_known_to_the_chart() -> None:
    """A chart with the guide's keys knows all that we set."""
    assert unknown_keys(values(image_password="x", image_tag="y"), CHART_VALUES, open_maps=OPEN_MAPS) == ()


def test_keys_that_the_chart_does_not_know_are_named() -> None:
    """helm ignores unknown keys silently, so each is found, by path; queue names are ours to choose."""
    glue = CHART_VALUES["agentk8sglue"]
    other = {
        "clearml": {"agentk8sglueKey": ""},
        "agentk8sglue": {
            **{key: value for key, value in glue.items() if key != "debugMode"},
            "queues": {"default": {"queueSettings": {}}},
        },
    }
    assert unknown_keys(values(), other, open_maps=OPEN_MAPS) == (
        "clearml.agentk8sglueSecret",
        "agentk8sglue.debugMode",
    )
