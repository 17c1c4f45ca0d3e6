"""What `--generate-secrets` makes is one and the same on both sides, as helm is handed it: made, put in, compared."""

import json
from decimal import Decimal
from typing import Any

import pytest

from commands.platform import Component
from provisioning.configuration import Agent, Chart, Router, ServerPods
from provisioning.named_secrets import NamedSecrets
from provisioning.operations.agent_values import FractionQueue, Sessions, agent_values
from provisioning.operations.platform_install import secrets_to_make
from provisioning.operations.platform_releases import whole_values
from provisioning.operations.router_values import router_values
from provisioning.steps.base import StepRun
from provisioning.steps.platform_steps import SECRET_CHARS, GeneratedSecrets
from tests.fakes import FakeCluster
from tests.unit.platform_samples import GENERATED, SPEC, configuration, facts, plain

REDIS = "clearml/clearml-platform-secrets/redis"
RUN = StepRun(job_id="job-1", step_id="secrets", attempt=1, timeout_s=60)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def releases(cluster: FakeCluster) -> dict[Component, Any]:
    """Return what each release is given, once every missing secret of the spec has been made."""
    text = SPEC.replace("version: 17.8.3}", f"version: 17.8.3}}\n  password: {{secret: {REDIS}}}")
    settings = configuration(redis={"password_secret": REDIS})
    seen = facts(text=text, configuration=settings, generated=False)
    missing = secrets_to_make(seen, seen.spec.components())
    assert set(missing) == {*GENERATED, REDIS}
    GeneratedSecrets(cluster).apply({"names": list(missing), "labels": {}}, RUN)
    secrets = NamedSecrets(cluster, settings.secrets())
    return {one: plain(secrets.fill_in(whole_values(seen, one), strict=True)) for one in seen.spec.releases()}


def made(cluster: FakeCluster, key: str) -> str:
    return cluster.secrets["clearml", "clearml-platform-secrets"][key]


def filled(cluster: FakeCluster, values: Any) -> Any:
    """Return a tenant's values with secrets put in; those of its own namespace are not of interest here."""
    return plain(NamedSecrets(cluster, configuration().secrets()).fill_in(values, strict=False))


def test_billings_kafka_and_the_server_that_sends_to_it(cluster: FakeCluster, releases: dict[Component, Any]) -> None:
    given = releases[Component.BILLING]["kafka"]["auth"]["password"]
    variables = {one["name"]: one["value"] for one in releases[Component.SERVER]["apiserver"]["extraEnvs"]}
    assert given == made(cluster, "kafka_password")
    assert json.loads(variables["CLEARML__SECURE__KAFKA__BILLING__sasl_plain_password"]) == given
    assert len(given) == SECRET_CHARS


def test_redis_and_the_tenants_agents(cluster: FakeCluster, releases: dict[Component, Any]) -> None:
    settings = configuration(redis={"password_secret": REDIS})
    values = agent_values(
        tenant="acme",
        server=settings.clearml,
        agent=Agent(chart=Chart(reference="agent")),
        redis=settings.redis,
        queues=[FractionQueue(share=Decimal(1), resource="nvidia.com/mig-7g.40gb")],
        max_resources=Decimal(1),
        max_pods=1,
        sessions=Sessions(port_mode_enabled=False, agent_id="acme"),
    ).as_json()
    given = releases[Component.REDIS]["auth"]["password"]
    assert given == made(cluster, "redis")
    assert given in json.dumps(filled(cluster, values))


def test_the_server_and_the_routers(cluster: FakeCluster, releases: dict[Component, Any]) -> None:
    where = "clearml/clearml-platform-secrets/token_signing_secret"
    router = Router(chart=Chart(reference="clearml-task-traffic-router"), signing_key_secret=where)
    values = router_values(
        tenant="acme",
        host="acme.gpu.example.com",
        router=router,
        server=ServerPods(),
        agent=Agent(chart=Chart(reference="agent")),
    ).as_json()
    given = releases[Component.SERVER]["clearml"]["secureAuthTokenSecret"]
    assert given == made(cluster, "token_signing_secret")
    assert filled(cluster, values)["clearml"]["jwksKey"] == given


def test_no_two_uses_share_a_secret(cluster: FakeCluster, releases: dict[Component, Any]) -> None:
    every = cluster.secrets["clearml", "clearml-platform-secrets"]
    assert len(set(every.values())) == len(every) == 5
