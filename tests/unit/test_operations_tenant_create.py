"""What `tenant create` would do, and why it must not: pure, from the request and the facts."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.capacity.profiles import UnknownGpu, model
from provisioning.configuration import Provisioning
from provisioning.operations.base import Draft
from provisioning.operations.chart_facts import ChartFacts
from provisioning.operations.registry import OPERATIONS
from provisioning.operations.tenant_create import CreateTenant
from provisioning.operations.tenant_facts import MigNodes, TenantFacts
from provisioning.plan import Plan, Step
from provisioning.port_ranges import PortRange
from tests.fakes import CHART_VALUES
from tests.unit import configuration_samples

H100 = MigNodes(gpu=model("H100-80GB/H800"), gpus=8, resources=frozenset({"nvidia.com/mig-7g.80gb"}))
A30 = MigNodes(gpu=model("A30"), gpus=2)
UNKNOWN = MigNodes(gpu=UnknownGpu(product="NVIDIA-L40S", memory_mib=46068), gpus=2)
OURS = {"clearml-chatops/tenant": "acme"}


def configuration(**changes: Any) -> Provisioning:
    return configuration_samples.configuration(**{"ports": {"external_ip": "203.0.113.10"}} | changes)


def facts(**changes: Any) -> TenantFacts:
    whole = TenantFacts(
        configuration=configuration(),
        chart=ChartFacts(name="clearml-enterprise-agent", version="1.0.0", values=CHART_VALUES),
        mig_nodes=(H100,),
    )
    return replace(whole, **changes)


def args(**changes: Any) -> TenantCreate:
    return TenantCreate.model_validate({"name": "acme", "admin_email": "ana.lee@acme.example", **changes})


def draft(*, given: TenantCreate | None = None, **changes: Any) -> Draft:
    answer = CreateTenant().draft(given or args(), facts(**changes))
    assert isinstance(answer, Draft), answer
    return answer


def refusal(*, given: TenantCreate | None = None, **changes: Any) -> Refusal:
    answer = CreateTenant().draft(given or args(), facts(**changes))
    assert isinstance(answer, Refusal), "it was not refused"
    return answer


def step(drafted: Draft, step_id: str) -> Step:
    return next(one for one in drafted.steps if one.id == step_id)


def values(drafted: Draft) -> dict[str, Any]:
    found = step(drafted, "agent").inputs["values"]
    assert isinstance(found, dict)
    return found


def test_the_operation_is_registered_under_its_command() -> None:
    """The planner finds it by the name that people type."""
    assert OPERATIONS["tenant create"].args is TenantCreate


def test_steps_run_in_waves_that_keep_the_order_needed() -> None:
    """The admin before the key, the namespace and its isolation before anything runs in it."""
    drafted = draft()
    plan = Plan(operation="tenant create", subject="acme", summary="", request={}, steps=drafted.steps)
    assert [{one.id for one in wave} for wave in plan.waves()] == [
        {"company", "namespace", "redis_policy"},
        {"admin_user", "policies"},
        {"credentials", "domains", "queues"},
        {"agent"},
        {"spec"},
    ]


def test_a_plan_is_plain_json_and_survives_it() -> None:
    """What is stored and approved is what is compared later: nothing changes shape on the way."""
    drafted = draft(given=args(ports=True))
    plan = Plan(operation="tenant create", subject="acme", summary="", request={}, steps=drafted.steps)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_no_secret_of_the_configuration_stands_in_a_plan() -> None:
    """Inputs hold references by name."""
    drafted = draft(configuration=configuration(agent={"chart": {"reference": "agent"}, "image_password": "a-token"}))
    text = json.dumps([one.model_dump(mode="json") for one in drafted.steps])
    assert not [secret for secret in ("a-redis-password", "a-system-secret", "SYSTEMKEY", "a-token") if secret in text]
    assert '{"$secret": "redis.password"}' in text


def test_the_summary_says_what_an_approver_needs() -> None:
    """Queues, limit, domains, ports in one line."""
    assert draft().summary == (
        "Create tenant acme: queues default, gpu-fraction-1_00, gpu-fraction-0_50, gpu-fraction-0_25;"
        " at most 3 GPUs; sign-in for acme.example; no session ports"
    )


def test_titles_and_undo_read_well() -> None:
    """Every step says what it does as an instruction, and how it is undone."""
    drafted = draft()
    assert step(drafted, "admin_user").title == "Create admin Ana Lee <ana.lee@acme.example>"
    assert step(drafted, "agent").title == "Install agent clearml-agent (clearml-enterprise-agent 1.0.0)"
    assert all(one.undo and one.title[0].isupper() for one in drafted.steps)


def test_helm_gets_the_time_to_wait_twice_and_to_go_back() -> None:
    """The step outlasts helm's own wait and its rollback."""
    agent = step(draft(), "agent")
    assert agent.inputs["wait_s"] == 300
    assert agent.timeout_s == 660


# -- queues ---------------------------------------------------------------------------------------------------


def test_fraction_queues_ask_for_the_clusters_own_profiles() -> None:
    """Not for the guide's, which fit the 40 GB A100 only."""
    queues = values(draft())["agentk8sglue"]["queues"]
    limits = {
        name: queue["templateOverrides"]["resources"]["limits"] for name, queue in queues.items() if name != "default"
    }
    assert limits == {
        "gpu-fraction-1_00": {"nvidia.com/mig-7g.80gb": 1, "clear.ml/fraction-1": "1"},
        "gpu-fraction-0_50": {"nvidia.com/mig-3g.40gb": 1, "clear.ml/fraction-1": "0.5"},
        "gpu-fraction-0_25": {"nvidia.com/mig-2g.20gb": 1, "clear.ml/fraction-1": "0.25"},
    }


def test_every_queue_is_made_in_clearml_too() -> None:
    """By the API, beside the chart: one of the two may be slow."""
    assert step(draft(given=args(queues=["0.5"])), "queues").inputs["names"] == ["default", "gpu-fraction-0_50"]


def test_queues_none_needs_no_gpu() -> None:
    """The tenant gets the queue default, and no word about GPUs is said."""
    drafted = draft(given=args(queues="none"), mig_nodes=())
    assert list(values(drafted)["agentk8sglue"]["queues"]) == ["default"]
    assert not [warning for warning in drafted.warnings if "MIG" in warning]


def test_without_mig_nodes_the_default_queues_are_left_out_with_a_warning() -> None:
    """Nobody asked for them by name."""
    drafted = draft(mig_nodes=())
    assert list(values(drafted)["agentk8sglue"]["queues"]) == ["default"]
    assert "No node has the label cdmo.clear.ml/gpu-partitioning=mig" in drafted.warnings[0]


def test_without_mig_nodes_queues_that_were_asked_for_are_refused() -> None:
    """The same shares, but named: a tenant without them is not what was asked for."""
    answer = refusal(given=args(queues=["1", "0.5", "0.25"]), mig_nodes=())
    assert "no node has the label" in answer.reason
    assert "--queues none" in answer.next_action


def test_the_request_as_a_plan_keeps_it_tells_default_from_asked_for() -> None:
    """Planning again from the stored request decides the same."""
    stored = args().model_dump(mode="json", exclude_unset=True)
    assert "queues" not in stored
    assert TenantCreate.model_validate(stored) == args()
    draft(given=TenantCreate.model_validate(stored), mig_nodes=())


def test_an_unknown_gpu_is_named_and_refused() -> None:
    """Profiles are never guessed."""
    answer = refusal(mig_nodes=(UNKNOWN,))
    assert "NVIDIA-L40S (46068 MiB)" in answer.reason
    assert "--queues none" in answer.next_action


def test_a_share_that_the_model_cannot_make_is_refused_with_those_it_can() -> None:
    """0.75 of a GPU is no MIG profile."""
    answer = refusal(given=args(queues=["0.75", "0.5"]))
    assert answer.reason == "no MIG profile is 0.75 of a H100-80GB/H800"
    assert answer.next_action == "choose --queues from 1,0.5,0.25,0.125"


def test_a_quarter_that_fits_three_times_is_warned_of() -> None:
    """2g of an 8-unit GPU fits three times; on an A30 a quarter fits four times, and nothing is said."""
    wanted = "Queue gpu-fraction-0_25 gives 2g.20gb, which fits 3 times on a H100-80GB/H800, not 4 times"
    assert wanted in draft().warnings
    assert not [warning for warning in draft(mig_nodes=(A30,)).warnings if "fits" in warning]


def test_with_several_models_the_most_common_is_taken_and_said() -> None:
    """The approver sees which GPUs the queues cannot use."""
    drafted = draft(mig_nodes=(A30, H100, UNKNOWN))
    assert "nvidia.com/mig-7g.80gb" in json.dumps(values(drafted))
    assert (
        "The MIG nodes hold several GPU models: the queues use slices of H100-80GB/H800 and cannot use"
        " A30, NVIDIA-L40S (46068 MiB)"
    ) in drafted.warnings


def test_a_queue_above_the_limit_is_warned_of() -> None:
    """Its tasks would wait for ever."""
    drafted = draft(given=args(max_resources="0.5"))
    assert "Queue gpu-fraction-1_00 never starts a task: each counts 1, the limit is 0.5" in drafted.warnings


def test_the_limit_and_the_pods_reach_the_values() -> None:
    """As asked for."""
    glue = values(draft(given=args(max_resources=Decimal(8), max_pods=4)))["agentk8sglue"]
    assert glue["monitoredResources"]["maxResources"] == 8
    assert {queue["queueSettings"]["maxPods"] for queue in glue["queues"].values()} == {4}


# -- isolation ------------------------------------------------------------------------------------------------


def test_what_weakens_isolation_is_said() -> None:
    """One Redis password for all; a queue without a GPU that counts."""
    text = "\n".join(draft().warnings)
    assert "All tenants share one Redis password and database 0" in text
    assert "Queue default has no GPU, yet each of its tasks counts 0.5 toward the limit of 3" in text


def test_without_the_redis_namespace_its_policy_is_left_out_with_a_warning() -> None:
    """There is nothing to guard, or it is elsewhere: the approver should know."""
    drafted = draft(redis_namespace_exists=False)
    assert "redis_policy" not in [one.id for one in drafted.steps]
    assert "Namespace redis-shared is not there: the NetworkPolicy that guards Redis is left out" in drafted.warnings


def test_companies_that_cannot_be_read_are_said_without_names() -> None:
    """One more or less of them must not void an approval."""
    assert draft(unread_companies=("one",)).warnings == draft(unread_companies=("one", "two")).warnings
    assert len(draft(unread_companies=("one",)).warnings) == len(draft().warnings) + 1


# -- ports ----------------------------------------------------------------------------------------------------


def test_the_next_free_range_is_leased() -> None:
    """Past what others lease and use."""
    drafted = draft(
        given=args(ports=True),
        taken_ports=(("tenant beta", PortRange(30100, 10)),),
        live_ports=(("Service gamma/web", 30125),),
    )
    assert step(drafted, "agent").inputs["port_range"] == {"start": 30130, "size": 10}
    sessions = values(drafted)["agentk8sglue"]["sessions"]
    assert (sessions["startingPort"], sessions["maxServices"]) == (30130, 10)
    assert sessions["portModeEnabled"] is True
    assert sessions["externalIP"] == "203.0.113.10"
    assert "session ports 30131-30140" in drafted.summary


def test_a_tenant_keeps_its_own_range() -> None:
    """Planning again gives the same ports, though a lower range became free."""
    drafted = draft(given=args(ports=True), leased=PortRange(30200, 10))
    assert step(drafted, "agent").inputs["port_range"] == {"start": 30200, "size": 10}


def test_a_range_that_cannot_grow_moves() -> None:
    """More sessions than the own range holds, and a neighbour: the next free one."""
    drafted = draft(
        given=args(ports=True, max_services=20),
        leased=PortRange(30100, 10),
        taken_ports=(("tenant beta", PortRange(30120, 10)),),
    )
    assert step(drafted, "agent").inputs["port_range"] == {"start": 30140, "size": 20}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"taken_ports": (("tenant beta", PortRange(31020, 10)),)},
            "ports 31010-31020 are not free: tenant beta holds 31020-31030",
        ),
        (
            {"live_ports": (("Service gamma/web", 31011),)},
            "ports 31010-31020 are not free: Service gamma/web uses port 31011",
        ),
    ],
)
def test_ports_asked_for_that_somebody_holds_are_refused(changes: dict[str, Any], reason: str) -> None:
    """By whom, and what to do instead."""
    answer = refusal(given=args(ports=True, port_start=31010), **changes)
    assert answer.reason == reason
    assert "leave --port-start out" in answer.next_action


def test_ports_outside_of_the_pool_are_refused() -> None:
    """The guardrail's arithmetic holds here too."""
    assert (
        "31010-31020"
        in refusal(
            given=args(ports=True, port_start=31010),
            configuration=configuration(ports={"first": 31500, "external_ip": "203.0.113.10"}),
        ).reason
    )


def test_a_full_pool_is_refused() -> None:
    """With what would help."""
    answer = refusal(
        given=args(ports=True),
        configuration=configuration(ports={"first": 30100, "last": 30119, "external_ip": "203.0.113.10"}),
        taken_ports=(("tenant beta", PortRange(30105, 10)),),
    )
    assert answer.reason == "no 11 ports in a row are free between 30100 and 30119"
    assert "--max-services" in answer.next_action


@pytest.mark.parametrize("external_ip", [None, "0.0.0.0"])
def test_a_placeholder_address_is_refused(external_ip: str | None) -> None:
    """Whether it is set, or the chart's default would be used."""
    answer = refusal(given=args(ports=True), configuration=configuration(ports={"external_ip": external_ip}))
    assert "0.0.0.0" in answer.reason
    assert "PORTS__EXTERNAL_IP" in answer.next_action


def test_an_address_that_only_the_chart_knows_is_warned_of() -> None:
    """It is shown, since nobody configured it here."""
    glue = CHART_VALUES["agentk8sglue"]
    known = CHART_VALUES | {"agentk8sglue": glue | {"sessions": glue["sessions"] | {"externalIP": "198.51.100.7"}}}
    drafted = draft(
        given=args(ports=True),
        configuration=configuration(ports={}),
        chart=ChartFacts(name="agent", version="1", values=known),
    )
    assert "No external IP is configured (PORTS__EXTERNAL_IP): the chart advertises 198.51.100.7" in drafted.warnings


def test_ports_are_not_looked_at_where_none_are_asked_for() -> None:
    """No lease, no warning, port mode off."""
    drafted = draft(leased=PortRange(30200, 10))
    assert step(drafted, "agent").inputs["port_range"] is None
    assert values(drafted)["agentk8sglue"]["sessions"] == {"portModeEnabled": False, "agentID": "acme"}


# -- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kube-public", "clearml", "redis-shared"])
def test_reserved_names_are_refused(name: str) -> None:
    """The platform lives there."""
    assert f"the name {name} is reserved" in refusal(given=args(name=name)).reason


def test_public_secrets_in_the_configuration_are_refused() -> None:
    """Whichever setting holds one: here the guide's Redis password, spelt in two parts."""
    answer = refusal(configuration=configuration(redis={"password": "sdk" + "Woq23"}))
    assert answer.reason.startswith("REDIS__PASSWORD is")


def test_public_mail_providers_are_refused() -> None:
    """Everybody could sign in."""
    assert "gmail.com" in refusal(given=args(admin_email="ana@gmail.com")).reason


def test_a_company_that_is_not_ours_is_refused() -> None:
    """No namespace of ours, no record, no job that made it."""
    answer = refusal(company_id="c1")
    assert answer.reason == "ClearML has a company acme already (c1), and not by this bot"


@pytest.mark.parametrize(
    "ours",
    [{"namespace_labels": OURS}, {"recorded": {"name": "acme", "admin_email": "ana@acme.example"}}, {"made_by_job": 7}],
)
def test_a_company_that_is_ours_is_taken_up(ours: dict[str, Any]) -> None:
    """Any one trace of ours is enough: a namespace, a record, or a job that began."""
    draft(company_id="c1", **ours)


@pytest.mark.parametrize("labels", [{}, {"clearml-chatops/tenant": "other"}])
def test_a_namespace_that_is_not_this_tenants_is_refused(labels: dict[str, str]) -> None:
    """Nothing is installed into somebody else's namespace."""
    answer = refusal(namespace_labels=labels)
    assert answer.reason == "namespace acme exists and was not made for this tenant"
    assert "kubectl label namespace acme clearml-chatops/tenant=acme" in answer.next_action


def test_a_namespace_that_is_going_away_is_refused_for_now() -> None:
    """Creating in it fails until it is gone."""
    answer = refusal(namespace_labels=OURS, namespace_is_terminating=True)
    assert answer.next_action == "wait until it is gone, then run the command again"


def test_an_email_of_another_company_is_refused() -> None:
    """An address is unique on the whole server."""
    assert "user of company beta" in refusal(email_holder="beta").reason


def test_a_domain_of_another_company_is_refused() -> None:
    """One domain on two tenants is unstable; another of the list is no excuse."""
    answer = refusal(given=args(domains=["acme.example", "b.example"]), domain_holders={"b.example": "beta"})
    assert answer.reason == "domain b.example is whitelisted for company beta already"


def test_a_chart_that_does_not_know_our_values_is_refused() -> None:
    """helm would ignore them silently."""
    chart = ChartFacts(name="clearml-agent", version="5.3.3", values={"agentk8sglue": {"queue": "default"}})
    answer = refusal(chart=chart)
    assert "chart clearml-agent 5.3.3 knows no clearml, agentk8sglue.extraEnvs" in answer.reason
