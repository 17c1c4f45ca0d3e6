"""A router's values in both generations, where it is reached, and why it may not be there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.chart_values import unknown_keys
from provisioning.operations.chart_facts import ChartFacts
from provisioning.operations.tenant_facts import RouterFacts, TenantFacts
from provisioning.operations.tenant_router import Router, choose_router, router_step
from tests.fakes import CHART_VALUES, ROUTER_CHARTS
from tests.unit.configuration_samples import configuration

CHARTS = Path(__file__).parents[2] / "sandbox" / "charts"
TTR = {"chart": {"reference": "clearml-task-traffic-router"}, "signing_key": "a-signing-secret"}
GATEWAY = {
    "generation": "app-gateway",
    "chart": {"reference": "clearml-enterprise-app-gateway"},
    "auth_cookie_name": "clearml_token",
}
NO_SECRETS = {"apiServerUrlReference": "http://clearml-clearml-enterprise-apiserver.clearml:8008"}
KEY, SECRET = ({"$secret": f"acme/clearml-agent-credentials/{name}"} for name in ("access_key", "secret_key"))


def facts(router: dict[str, Any] = TTR, *, chart: str = "", recorded: Any = None, **seen: Any) -> TenantFacts:
    name = chart or router["chart"]["reference"]
    return TenantFacts(
        configuration=configuration(router=router),
        chart=ChartFacts(name="clearml-enterprise-agent", version="1.0.0", values=CHART_VALUES),
        recorded=recorded,
        router=RouterFacts(chart=ChartFacts(name=name, version="1.0.0", values=ROUTER_CHARTS[name]), **seen),
    )


def args(**changes: Any) -> TenantCreate:
    return TenantCreate.model_validate({"name": "acme", "admin_email": "ana@acme.example", **changes})


def chosen(world: TenantFacts, **changes: Any) -> Router:
    answer = choose_router(args(**changes), world)
    assert isinstance(answer, Router), answer
    return answer


def refused(world: TenantFacts, **changes: Any) -> Refusal:
    answer = choose_router(args(**changes), world)
    assert isinstance(answer, Refusal), answer
    return answer


@pytest.mark.parametrize(
    ("router", "server"),
    [
        (TTR, {"apiserverKey": KEY, "apiserverSecret": SECRET, "jwksKey": {"$secret": "router.signing_key"}}),
        (
            {k: v for k, v in TTR.items() if k != "signing_key"} | {"signing_key_secret": "clearml/clearml-conf/key"},
            {"apiserverKey": KEY, "apiserverSecret": SECRET, "jwksKey": {"$secret": "clearml/clearml-conf/key"}},
        ),
        (GATEWAY, {"apiKey": KEY, "apiSecret": SECRET, "authCookieName": "clearml_token"}),
    ],
)
def test_each_generation_has_its_keys(router: dict[str, Any], server: dict[str, Any]) -> None:
    """Credentials are the tenant's own, by reference; the API is reached inside the cluster."""
    assert chosen(facts(router)).values == {
        "clearml": NO_SECRETS | server,
        "ingress": {"enabled": True, "hostName": "acme.platform.example"},
    }


@pytest.mark.parametrize("name", sorted(ROUTER_CHARTS))
def test_the_stand_in_charts_know_these_keys(name: str) -> None:
    """What tests take for a chart's values is what the sandbox's charts have."""
    assert yaml.safe_load((CHARTS / name / "values.yaml").read_text()) == ROUTER_CHARTS[name]


def test_the_registrys_token_is_the_agents_by_name() -> None:
    """Where there is one."""
    world = facts()
    agent = {"chart": {"reference": "agent"}, "image_password": "a-registry-token"}
    world = replace(world, configuration=configuration(router=TTR, agent=agent))
    values = chosen(world).values
    assert values["imageCredentials"] == {"password": {"$secret": "agent.image_password"}}
    assert unknown_keys(values, ROUTER_CHARTS["clearml-task-traffic-router"]) == ()


def test_no_secret_stands_in_the_step() -> None:
    """Plans are shown, stored and audited."""
    world = facts()
    step = router_step("acme", world, chosen(world), needs=("credentials", "policies"))
    assert "a-signing-secret" not in step.model_dump_json()
    assert (step.kind, step.needs) == ("helm.release", ("credentials", "policies"))


@pytest.mark.parametrize(
    ("said", "recorded", "live", "host"),
    [
        (None, None, None, "acme.platform.example"),
        (None, None, "old.platform.example", "old.platform.example"),
        (None, "kept.platform.example", "old.platform.example", "kept.platform.example"),
        ("new.platform.example", "kept.platform.example", None, "new.platform.example"),
    ],
)
def test_a_host_stays_until_another_is_said(
    said: str | None, recorded: str | None, live: str | None, host: str
) -> None:
    """Said, recorded, live, by default: in this order."""
    world = facts(recorded={"router_host": recorded} if recorded else None, host=live)
    assert chosen(world, router_host=said).host == host


def test_the_default_lies_in_the_routers_domain() -> None:
    """Which is the server's, or one in it."""
    assert chosen(facts(TTR | {"domain": "apps.platform.example"})).host == "acme.apps.platform.example"


def test_a_move_is_said_to_the_approver() -> None:
    """Links to the old host end."""
    (warning,) = chosen(facts(host="old.platform.example"), router_host="new.platform.example").warnings
    assert "old.platform.example to new.platform.example" in warning


@pytest.mark.parametrize("host", ["acme.elsewhere.example", "platform.example", "acmeplatform.example"])
def test_a_host_outside_the_servers_domain_is_refused(host: str) -> None:
    """People's sign-in would not reach it."""
    assert "does not lie in platform.example" in refused(facts(), router_host=host).reason


def test_a_taken_host_is_refused_with_its_holder() -> None:
    """Also where it was the default."""
    world = facts(holders={"acme.platform.example": "tenant globex"})
    assert refused(world).reason == "host acme.platform.example is taken by tenant globex"


def test_a_chart_of_the_other_generation_is_refused() -> None:
    """helm would ignore the keys that it does not know."""
    reason = refused(facts(chart="clearml-enterprise-app-gateway")).reason
    assert "knows no clearml.apiserverKey, clearml.apiserverSecret, clearml.jwksKey" in reason


def test_without_the_setting_there_is_a_router_only_where_none_is_asked_for() -> None:
    """A host that is said is no silent nothing."""
    world = replace(facts(), configuration=configuration(router=None), router=None)
    assert choose_router(args(), world) is None
    for asked in ({"router": True}, {"router_host": "acme.platform.example"}):
        assert refused(world, **asked).reason == "no router is configured on this platform"
    assert choose_router(args(router=False), facts()) is None


@pytest.mark.parametrize("host", ["acme", "a b.x.example", "-a.x.example", "a..x.example", "*.x.example"])
def test_what_is_no_host_name_is_refused_by_the_command(host: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ValidationError, match="is no domain"):
        args(router_host=host)


def test_no_router_and_a_host_do_not_go_together() -> None:
    """One of them is a mistake."""
    with pytest.raises(ValidationError, match="leave --no-router out"):
        args(router=False, router_host="acme.platform.example")


@pytest.mark.parametrize(
    ("router", "said"),
    [
        ({"chart": {"reference": "x"}}, "needs ROUTER__SIGNING_KEY"),
        (TTR | {"signing_key_secret": "clearml/clearml-conf/key"}, "needs ROUTER__SIGNING_KEY"),
        ({"chart": {"reference": "x"}, "generation": "app-gateway"}, "needs ROUTER__AUTH_COOKIE_NAME"),
        (TTR | {"release": "clearml-agent"}, "are one name"),
        (TTR | {"domain": "no domain"}, "pattern"),
    ],
)
def test_settings_that_cannot_work_are_refused(router: dict[str, Any], said: str) -> None:
    """At the start, not in a job."""
    with pytest.raises(ValidationError, match=said):
        configuration(router=router)
