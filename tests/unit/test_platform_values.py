"""What each chart of the platform is given: the guide's values, its mistakes put right, secrets by name alone."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from commands.platform import Component
from provisioning.chart_values import differing_values, filled_in, merged, overridden, secret_names, unknown_keys
from provisioning.platform.load import example, load
from provisioning.platform.spec import PlatformSpec
from provisioning.platform.values import api_service, full_name, values_of

CHARTS = Path(__file__).parents[2] / "sandbox" / "charts"
CHART_OF = {
    Component.GPU_OPERATOR: "gpu-operator",
    Component.CDMO: "clearml-dynamic-mig-operator",
    Component.REDIS: "redis",
    Component.BILLING: "clearml-billing",
    Component.SERVER: "clearml-enterprise",
}


def spec(*changes: tuple[str, str]) -> PlatformSpec:
    text = example()
    for was, becomes in changes:
        assert was in text
        text = text.replace(was, becomes, 1)
    return load(text)


def chart_values(component: Component) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CHARTS / CHART_OF[component] / "values.yaml").read_text())
    return values


def variables(wanted: PlatformSpec, known: dict[str, Any] | None = None) -> dict[str, Any]:
    values = values_of(wanted, Component.SERVER, chart_values(Component.SERVER) if known is None else known)
    apiserver: Any = values["apiserver"]
    return {one["name"]: one["value"] for one in apiserver["extraEnvs"]}


@pytest.mark.parametrize("component", CHART_OF)
def test_the_chart_knows_every_value(component: Component) -> None:
    """helm ignores unknown keys in silence; the stand-ins carry the real charts' keys as far as they are public."""
    assert unknown_keys(values_of(spec(), component, chart_values(component)), chart_values(component)) == ()


def test_the_gpu_operator_leaves_slices_to_the_dynamic_operator() -> None:
    """The keys of NVIDIA's chart, as the guide sets them."""
    assert values_of(spec(), Component.GPU_OPERATOR, {}) == {
        "migManager": {"enabled": False},
        "mig": {"strategy": "mixed"},
    }


def test_redis_gets_its_password_by_name_and_images_that_are_still_there() -> None:
    assert values_of(spec(), Component.REDIS, {}) == {
        "architecture": "standalone",
        "auth": {"password": {"$secret": "redis.password"}},
        "image": {"repository": "bitnamilegacy/redis"},
    }


def test_billing_and_the_server_get_one_kafka_password() -> None:
    """The guide's second printed password is on one side only: here both sides name the same secret."""
    billing = values_of(spec(), Component.BILLING, {})
    assert billing["kafka"] == {"auth": {"password": {"$secret": "clearml/clearml-platform-secrets/kafka_password"}}}
    assert variables(spec())["CLEARML__SECURE__KAFKA__BILLING__sasl_plain_password"] == {
        "$secret": "clearml/clearml-platform-secrets/kafka_password",
        "$quote": "hocon",
    }


def test_every_variable_is_hocon() -> None:
    """JSON is HOCON: what is JSON means what it says, whatever characters stand in it."""
    found = variables(spec(("email: ops@example.com", "email: 'ops+a#b$c@example.com'")))
    for name, value in found.items():
        assert name.startswith("CLEARML__")
        if isinstance(value, str):
            json.loads(value)
    assert json.loads(found["CLEARML__secure__credentials__supervisor__email"]) == "ops+a#b$c@example.com"
    assert found["CLEARML__HOSTS__KAFKA__BILLING__HOST"] == '["clearml-billing-kafka.clearml-billing:9092"]'
    assert found["CLEARML__HOSTS__REDIS__BILLING__DB"] == "2"
    assert found["CLEARML__billing__enabled"] == "true"  # the guide's name ends with a colon
    assert json.loads(found["CLEARML__services__auth__default_groups__users__features"]) == ["applications"]
    assert len(found) == 28


def test_secrets_are_quoted_where_they_are_put_in() -> None:
    """A client secret with a # in it would end there."""
    values = values_of(spec(), Component.SERVER, chart_values(Component.SERVER))
    filled = filled_in(values, lambda name: SecretStr(f'{name}#"x'))
    by_name = {one["name"]: one["value"] for one in filled["apiserver"]["extraEnvs"]}
    secret = by_name["CLEARML__secure__login__sso__oauth_client__auth0__client_secret"]
    assert json.loads(secret.get_secret_value()) == 'platform.secrets.sso_client#"x'
    assert filled["imageCredentials"]["password"].get_secret_value() == 'agent.image_password#"x'


def test_without_billing_nothing_points_at_it() -> None:
    text = example()
    start, end = text.index("# Billing: ClearML hands"), text.index("# The ClearML server.")
    assert not [name for name in variables(load(text[:start] + text[end:])) if "illing" in name.lower()]


def test_the_servers_own_keys_are_values_where_its_chart_takes_them() -> None:
    """The open chart's public pair and signing secret are never left in place."""
    values: Any = values_of(spec(), Component.SERVER, chart_values(Component.SERVER))
    own = {"$secret": "clearml/clearml-platform-secrets/token_signing_secret"}
    assert values["clearml"]["secureAuthTokenSecret"] == own
    assert "CLEARML__secure__auth__token_secret" not in variables(spec())


def test_the_servers_own_keys_are_variables_where_its_chart_does_not_take_them() -> None:
    known = chart_values(Component.SERVER)
    known["clearml"] = {"cookieDomain": ""}
    values: Any = values_of(spec(), Component.SERVER, known)
    assert values["clearml"] == {"cookieDomain": "gpu.example.com"}
    assert variables(spec(), known)["CLEARML__secure__auth__token_secret"] == {
        "$secret": "clearml/clearml-platform-secrets/token_signing_secret",
        "$quote": "hocon",
    }


def test_one_setting_names_the_file_server() -> None:
    """The guide says file. in one place and today's charts files. in another."""
    values: Any = values_of(spec(("files: files", "files: file")), Component.SERVER, {})
    assert values["fileserver"]["ingress"] == {"enabled": True, "hostName": "file.gpu.example.com"}


@pytest.mark.parametrize(
    ("release", "chart", "name"),
    [
        ("clearml", "clearml-enterprise", "clearml-clearml-enterprise"),
        ("my-clearml-enterprise", "clearml-enterprise", "my-clearml-enterprise"),
        ("r" * 50, "clearml-enterprise", "r" * 50 + "-clearml-ente"),
    ],
)
def test_names_follow_from_the_release(release: str, chart: str, name: str) -> None:
    """The guide's NetworkPolicy and its router name the same server differently; both follow from the release."""
    assert full_name(release, chart) == name


def test_the_router_finds_the_api_by_the_same_rule() -> None:
    assert api_service(spec(), "clearml-enterprise") == "http://clearml-clearml-enterprise-apiserver.clearml:8008"


def test_values_files_lie_below_ours() -> None:
    ours: Any = {"a": {"b": 1}, "s": {"$secret": "x.y"}}
    assert merged(ours, {"a": {"c": 2}, "d": 3}) == {"a": {"b": 1, "c": 2}, "s": {"$secret": "x.y"}, "d": 3}
    assert list(overridden(ours, {"a": {"b": 7, "c": 2}, "s": {"t": 1}})) == ["a.b", "s"]
    assert list(secret_names({"l": [{"value": {"$secret": "q/r/s", "$quote": "hocon"}}], **ours})) == ["q/r/s", "x.y"]


def test_differences_hide_secrets() -> None:
    """What is compared in the clear is shown as dots."""
    shall = {"auth": {"password": SecretStr("new-password")}, "architecture": "standalone"}
    found = {"auth": {"password": "old-password"}, "architecture": "replication"}
    assert differing_values(found, shall) == {
        "auth.password": ("•••", "•••"),
        "architecture": ("replication", "standalone"),
    }
