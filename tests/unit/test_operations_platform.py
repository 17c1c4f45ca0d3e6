"""What the operations on the platform plan, refuse and warn of."""

from dataclasses import replace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from commands.platform import Component, PlatformInstall, PlatformUninstall, PlatformUpgrade
from policies.approvals import Refusal
from provisioning.operations.base import Draft
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_install import InstallPlatform
from provisioning.operations.platform_releases import located, release_inputs
from provisioning.operations.platform_uninstall import UninstallPlatform
from provisioning.operations.platform_upgrade import UpgradePlatform
from provisioning.operations.redis_guard import redis_guard
from provisioning.plan import Plan
from tests.unit.platform_samples import GENERATED, SPEC, chart, configuration, facts, release, spec


def installed(seen: PlatformFacts, **args: Any) -> Draft | Refusal:
    return InstallPlatform().draft(PlatformInstall(**args), seen)


def upgraded(seen: PlatformFacts, **args: Any) -> Draft | Refusal:
    return UpgradePlatform().draft(PlatformUpgrade(**args), seen)


def uninstalled(seen: PlatformFacts, **args: Any) -> Draft | Refusal:
    return UninstallPlatform().draft(PlatformUninstall(**args), seen)


def waves(draft: Draft | Refusal) -> list[set[str]]:
    assert isinstance(draft, Draft), draft
    plan = Plan(operation="x", subject=draft.subject, summary=draft.summary, request={}, steps=draft.steps)
    return [{step.id for step in wave} for wave in plan.waves()]


def said(draft: Draft | Refusal) -> str:
    assert isinstance(draft, Refusal), draft
    return str(draft)


def test_the_order_is_that_of_what_needs_what() -> None:
    """Billing before the server, one GPU operator before the other, applications after the API; the rest at once."""
    assert waves(installed(facts())) == [
        {
            *(f"namespace_{name}" for name in ("gpu-operator", "cdmo-operator", "redis-shared")),
            *(f"namespace_{name}" for name in ("clearml-billing", "clearml")),
        },
        {"policies_server", "policies_billing", "policies_redis", "gpu_operator", "redis", "billing"},
        {"cdmo", "server"},
        {"api"},
        {"applications"},
    ]


def test_a_failed_component_does_not_stop_the_others() -> None:
    draft = installed(facts())
    assert isinstance(draft, Draft)
    assert draft.goes_on


def test_missing_secrets_are_refused_or_made_before_what_needs_them() -> None:
    """One key for both sides, made once: billing and the server wait for it."""
    assert "--generate-secrets" in said(installed(facts(generated=False)))
    draft = installed(facts(generated=False), generate_secrets=True)
    assert isinstance(draft, Draft)
    by_id = {step.id: step for step in draft.steps}
    assert set(GENERATED) == set(by_id["secrets"].inputs["names"])  # type: ignore[arg-type]  # a list of texts
    assert {step.id for step in draft.steps if "secrets" in step.needs} == {"billing", "server"}


def test_a_secret_that_is_not_ours_to_make_is_asked_for() -> None:
    """Neither a Secret of another name nor a setting is made up."""
    text = SPEC.replace("{setting: platform.secrets.billing}", "{secret: clearml/registry/token}")
    assert "create it" in said(installed(facts(text=text), generate_secrets=True))
    without = configuration(platform={"secrets": {"helm": "the-helm-token"}})
    assert "CLEARML_CHATOPS_PLATFORM__SECRETS__BILLING" in said(installed(facts(configuration=without)))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("redis.password", "sdk" + "Woq23"),
        ("clearml/clearml-platform-secrets/kafka_password", "jdhf" + "Kmsd1"),
        (
            "clearml/clearml-platform-secrets/token_signing_secret",
            "ymLh1ok5k5xNUQfS944Xdx9xj" + "f0wueokqKM2dMZfHuH9ayItG2",
        ),
    ],
)
def test_the_guides_secrets_are_refused(where: str, value: str) -> None:
    """Whoever reads the guide could sign tokens, or read the tenants' Redis."""
    seen = facts()
    refused = said(installed(replace(seen, secrets={**seen.secrets, where: SecretStr(value)})))
    assert where in refused
    assert "public documentation" in refused
    assert value not in refused


def test_a_public_secret_in_the_spec_itself_is_refused() -> None:
    text = SPEC.replace("supervisor:", "variables: {CLEARML__x: " + "sdk" + "Woq23}\n  supervisor:")
    assert "server.variables.CLEARML__x" in said(installed(facts(text=text)))


def test_redis_has_the_password_that_agents_are_given() -> None:
    """A generated one is named in the bot's settings, so that both sides read the same key."""
    name = "clearml/clearml-platform-secrets/redis"
    text = SPEC.replace("version: 17.8.3}", "version: 17.8.3}\n  password: {secret: " + name + "}")
    refused = said(installed(facts(text=text), generate_secrets=True))
    assert f"CLEARML_CHATOPS_REDIS__PASSWORD_SECRET={name}" in refused
    both = facts(text=text, configuration=configuration(redis={"password_secret": name}))
    assert isinstance(installed(both, generate_secrets=True), Draft)


def test_a_component_that_is_named_alone_needs_what_it_stands_on() -> None:
    assert said(installed(facts(), component="cdmo")).startswith("cdmo needs gpu-operator, which is not installed")
    there = facts(releases={Component.GPU_OPERATOR: release(Component.GPU_OPERATOR)})
    assert waves(installed(there, component="cdmo")) == [{"namespace_cdmo-operator"}, {"cdmo"}]
    broken = facts(releases={Component.GPU_OPERATOR: release(Component.GPU_OPERATOR, status="failed")})
    assert "cdmo needs gpu-operator" in said(installed(broken, component="cdmo"))


def test_what_is_not_in_the_spec_is_not_ours() -> None:
    text = SPEC.replace("policies: {}\n", "")
    assert "no part of the platform spec" in said(installed(facts(text=text), component="policies"))


def test_a_chart_of_another_name_is_refused() -> None:
    """A wrong file in the spec would be installed in the component's place."""
    seen = facts()
    wrong = replace(seen, charts={**seen.charts, Component.BILLING: chart(Component.REDIS)})
    assert "billing.chart is called redis 17.8.3" in said(installed(wrong))


def test_a_chart_that_does_not_know_our_values_is_refused() -> None:
    seen = facts()
    older = replace(chart(Component.GPU_OPERATOR), values={"mig": {"strategy": "single"}})
    refused = said(installed(replace(seen, charts={**seen.charts, Component.GPU_OPERATOR: older})))
    assert "knows no migManager: helm would ignore" in refused


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mig": {"strategy": "single"}}, "sets mig.strategy, which the spec sets"),
        ({"driver": {"token": "written-out"}}, "holds a secret at driver.token"),
        ({"nodeSelectr": {}}, "knows no nodeSelectr"),
    ],
)
def test_values_files_add_and_do_not_change(values: dict[str, Any], words: str) -> None:
    refused = said(installed(facts(more_values={Component.GPU_OPERATOR: values})))
    assert words in refused
    assert "written-out" not in refused


def test_values_files_reach_the_release() -> None:
    seen = facts(more_values={Component.GPU_OPERATOR: {"driver": {"enabled": False}}})
    assert release_inputs(seen, Component.GPU_OPERATOR)["values"] == {
        "driver": {"enabled": False},
        "migManager": {"enabled": False},
        "mig": {"strategy": "mixed"},
    }


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("oci://registry.example.com/charts", ("oci://registry.example.com/charts/redis", None)),
        ("OCI://registry.example.com/charts", ("oci://registry.example.com/charts/redis", None)),
        ("https://charts.example.com", ("redis", "https://charts.example.com")),
    ],
)
def test_oci_registries_and_repositories_are_both_meant(url: str, found: tuple[str, str | None]) -> None:
    """Credentials go by name: they stand neither in plans nor in arguments."""
    wanted = spec(SPEC.replace("oci://registry.example.com/charts", url))
    assert located(wanted, Component.REDIS) == (*found, "platform.secrets.helm", "platform.secrets.helm")


def test_a_digest_is_that_of_the_specs_version() -> None:
    """An upgrade of the values alone keeps the version that is installed, which the digest is not of."""
    pinned = f"@sha256:{'a' * 64}"
    text = SPEC.replace("version: 17.8.3}", f"version: 17.8.3, digest: '{pinned[1:]}'}}")
    seen = facts(text=text)
    reference = "oci://registry.example.com/charts/redis"
    for version, wanted in ((None, reference + pinned), ("17.8.3", reference + pinned), ("17.7.0", reference)):
        chart = release_inputs(seen, Component.REDIS, version=version)["chart"]
        assert isinstance(chart, dict)
        assert chart["reference"] == wanted


def test_a_file_is_a_chart() -> None:
    text = SPEC.replace("{repository: all, name: clearml-billing, version: 1.1.0}", "{file: /charts/billing-1.1.0.tgz}")
    assert located(spec(text), Component.BILLING) == ("/charts/billing-1.1.0.tgz", None, None, None)


def test_plans_hold_no_secret() -> None:
    draft = installed(facts())
    assert isinstance(draft, Draft)
    for step in draft.steps:
        assert "strong-" not in step.model_dump_json()
        assert "the-" not in step.model_dump_json().replace("the-platform", "")


def test_weak_isolation_and_mismatched_addresses_are_said() -> None:
    elsewhere = configuration()
    elsewhere = elsewhere.model_copy(
        update={"clearml": elsewhere.clearml.model_copy(update={"files_url": "https://file.gpu.example.com"})}
    )
    draft = installed(facts(configuration=elsewhere))
    assert isinstance(draft, Draft)
    assert any("files.gpu.example.com" in warning and "clearml.files_url" in warning for warning in draft.warnings)
    assert any("weak isolation" in warning for warning in draft.warnings)


def test_an_upgrade_of_what_is_as_it_should_be_changes_nothing() -> None:
    draft = upgraded(facts(installed=True))
    assert isinstance(draft, Draft)
    titles = [step.title for step in draft.steps if step.kind == "helm.release"]
    assert titles
    assert all(title.startswith("Leave ") for title in titles)
    assert draft.summary.endswith("no release differs from the spec")


def test_versions_and_values_are_told_apart() -> None:
    """And where both change at once, the approver is told how to keep them apart."""
    seen = facts(installed=True, text=SPEC.replace("version: 17.8.3}", "version: 17.8.3}\n  architecture: replication"))
    given = {**seen.given_values, Component.REDIS: {**seen.given_values[Component.REDIS], "architecture": "standalone"}}
    charts = {
        **seen.charts,
        Component.SERVER: chart(Component.SERVER, "1.1.0"),
        Component.REDIS: chart(Component.REDIS, "17.9.0"),
    }
    draft = upgraded(replace(seen, given_values=given, charts=charts))
    assert isinstance(draft, Draft)
    titles = {step.id: step.title for step in draft.steps}
    assert titles["redis"] == "Upgrade redis: chart 17.8.3 → 17.9.0, and change 1 value"
    assert titles["server"] == "Upgrade server: chart 1.0.0 → 1.1.0, values stay"
    assert titles["billing"] == "Leave billing as it is, chart 1.1.0"
    assert "versions: redis 17.8.3 → 17.9.0, server 1.0.0 → 1.1.0; values: redis (1)" in draft.summary
    assert [one for one in draft.warnings if "platform upgrade redis --values-only first" in one]
    only = upgraded(replace(seen, given_values=given), values_only=True)  # whose charts are those that are installed
    assert isinstance(only, Draft)
    step = next(step for step in only.steps if step.id == "redis")
    assert (step.title, step.inputs["chart_version"]) == ("Change 1 value of redis, chart 17.8.3 stays", "17.8.3")


def test_an_upgrade_goes_back_to_the_revision_that_was_there() -> None:
    seen = facts(installed=True)
    later = {**seen.releases, Component.SERVER: release(Component.SERVER, revision=7)}
    draft = upgraded(replace(seen, releases=later), component="server")
    assert isinstance(draft, Draft)
    step = next(step for step in draft.steps if step.id == "server")
    assert (step.inputs["back_to"], step.undo) == (7, "helm goes back to revision 7")


@pytest.mark.parametrize("status", ["failed", "pending-upgrade", "superseded"])
def test_nothing_goes_back_to_a_revision_that_was_not_deployed(status: str) -> None:
    """helm would make again what had failed."""
    seen = facts(installed=True)
    broken = {**seen.releases, Component.SERVER: release(Component.SERVER, revision=7, status=status)}
    draft = upgraded(replace(seen, releases=broken), component="server")
    assert isinstance(draft, Draft)
    step = next(step for step in draft.steps if step.id == "server")
    assert step.inputs["back_to"] is None
    assert f"it was {status} before" in step.undo


def test_the_servers_own_namespace_reaches_redis() -> None:
    """Wherever it is; tenants' plans write the same policy."""
    settings = configuration(server={"namespace": "clearml-prod"})
    draft = installed(facts(configuration=settings))
    assert isinstance(draft, Draft)
    (policy,) = cast("Any", next(one for one in draft.steps if one.id == "policies_redis").inputs["manifests"])
    names = [
        one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for one in policy["spec"]["ingress"][0]["from"][1:]
    ]
    assert names == ["clearml-prod", "clearml-billing"]
    assert policy == redis_guard(settings, "redis-shared")


def test_an_older_chart_is_warned_of() -> None:
    seen = facts(installed=True)
    later = {**seen.releases, Component.SERVER: release(Component.SERVER, chart_version="1.10.0")}
    draft = upgraded(replace(seen, releases=later), component="server")
    assert isinstance(draft, Draft)
    assert "server: chart 1.0.0 is older than 1.10.0, which is installed" in draft.warnings


def test_what_is_not_installed_is_not_upgraded() -> None:
    assert "run platform install" in said(upgraded(facts()))
    one = facts(releases={Component.REDIS: release(Component.REDIS)}, given_values={Component.REDIS: {}})
    assert "run platform install server" in said(upgraded(one, component="server"))
    draft = upgraded(one)
    assert isinstance(draft, Draft)
    assert any(warning.startswith("Not installed, and left out: gpu-operator") for warning in draft.warnings)


def test_nothing_is_removed_under_tenants() -> None:
    seen = facts(installed=True, tenants=("acme", "globex"))
    assert said(uninstalled(seen)).startswith("tenants stand on this platform: acme, globex")
    forced = uninstalled(seen, force=True)
    assert isinstance(forced, Draft)
    assert any("will not work any more: acme, globex" in warning for warning in forced.warnings)


def test_dependents_are_removed_first() -> None:
    seen = facts(installed=True)
    assert said(uninstalled(seen, component="billing")).startswith("server needs billing and is installed")
    assert waves(uninstalled(seen)) == [
        {"server", "redis", "cdmo"},
        {"billing", "gpu_operator", "policies_server", "policies_redis"},
        {"policies_billing"},
    ]


def test_a_plan_of_uninstalling_promises_only_what_rolling_back_does() -> None:
    """A release that is gone stays gone; the guards come back."""
    draft = uninstalled(facts(installed=True))
    assert isinstance(draft, Draft)
    undo = {step.id: step.undo for step in draft.steps}
    assert undo["redis"] == "cannot be undone once it is gone: platform install redis installs it again"
    assert undo["policies_redis"] == "set again, as the spec has them"


def test_values_alone_are_changed_with_the_chart_that_runs_and_its_content_is_bound() -> None:
    """Its SHA-256 is part of the approval as it is of any other upgrade: a chart republished since is not installed."""
    text = SPEC.replace("version: 17.8.3}", "version: 17.9.0}\n  architecture: replication")
    seen = facts(installed=True, text=text)
    charts = {**seen.charts, Component.REDIS: replace(chart(Component.REDIS, "17.8.3"), sha256="b" * 64)}
    given = {**seen.given_values, Component.REDIS: {**seen.given_values[Component.REDIS], "architecture": "standalone"}}
    only = upgraded(replace(seen, charts=charts, given_values=given), values_only=True, component="redis")
    assert isinstance(only, Draft)
    (step,) = (step for step in only.steps if step.id == "redis")
    assert (step.inputs["chart_version"], step.inputs["chart_sha256"]) == ("17.8.3", "b" * 64)
    source = step.inputs["chart"]
    assert isinstance(source, dict)
    assert source["version"] == "17.8.3"


@pytest.mark.parametrize("status", ["deployed", "failed"])
def test_values_alone_cannot_be_changed_where_the_chart_that_runs_is_not_to_be_had(status: str) -> None:
    """A file holds one version. Where nothing is to be done, it is in nobody's way; it is never installed instead."""
    text = SPEC.replace("{repository: all, name: clearml-billing, version: 1.1.0}", "{file: /charts/billing.tgz}")
    seen = facts(installed=True, text=text)
    releases = {**seen.releases, Component.BILLING: release(Component.BILLING, chart_version="1.0.0", status=status)}
    answer = upgraded(replace(seen, releases=releases), values_only=True)
    if status == "deployed":
        assert isinstance(answer, Draft)
        assert Component.BILLING.field not in {step.id for step in answer.steps}
    else:
        assert said(answer).startswith("billing runs chart 1.0.0, and its file holds 1.1.0")


def test_rolling_back_takes_no_guard_that_stood_before() -> None:
    """One of the server's two was there, and Redis's, which all tenants rely on: they are what undo goes back to."""
    there = frozenset({("clearml", "default-deny-ingress"), ("redis-shared", "allow-tenants-only")})
    for drafted in (installed(facts(policies=there)), upgraded(facts(installed=True, policies=there))):
        assert isinstance(drafted, Draft)
        steps = {step.id: step for step in drafted.steps}
        before = {
            name: [one["metadata"]["name"] for one in cast("Any", steps[name].inputs["before"])]
            for name in ("policies_server", "policies_billing", "policies_redis")
        }
        assert before == {
            "policies_server": ["default-deny-ingress"],
            "policies_billing": [],
            "policies_redis": ["allow-tenants-only"],
        }
        assert "were there before" in steps["policies_redis"].undo
        assert steps["policies_billing"].undo == "deleted"
