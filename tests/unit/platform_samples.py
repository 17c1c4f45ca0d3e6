"""A platform for tests of its operations: the sandbox's charts, a small spec, everything there or nothing."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from commands.platform import Component
from provisioning.chart_values import filled_in
from provisioning.clients.helm_releases import Release
from provisioning.configuration import Provisioning
from provisioning.operations.chart_facts import ChartFacts
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_releases import whole_values
from provisioning.platform.load import load
from provisioning.platform.spec import PlatformSpec

CHARTS = Path(__file__).parents[2] / "sandbox" / "charts"
CHART_OF = {
    Component.GPU_OPERATOR: ("gpu-operator", "v25.3.0"),
    Component.CDMO: ("clearml-dynamic-mig-operator", "1.0.0"),
    Component.REDIS: ("redis", "17.8.3"),
    Component.BILLING: ("clearml-billing", "1.1.0"),
    Component.SERVER: ("clearml-enterprise", "1.0.0"),
}
REPOSITORY = "{repository: all, name: %s, version: %s}"
SPEC = "\n".join(
    [
        "base_domain: gpu.example.com",
        "repositories:",
        "  all:",
        "    url: oci://registry.example.com/charts",
        "    username: {setting: platform.secrets.helm}",
        "    password: {setting: platform.secrets.helm}",
        *(
            f"{component.field}:\n  chart: {REPOSITORY % chart}"
            + {
                Component.BILLING: (
                    "\n  registry_password: {setting: platform.secrets.billing}"
                    "\n  kafka_password_value: kafka.auth.password"
                ),
                Component.SERVER: "\n  supervisor: {email: ops@example.com}",
            }.get(component, "")
            for component, chart in CHART_OF.items()
        ),
        "policies: {}",
        "applications: {url: https://example.com/apps.zip, sha256: " + "a" * 64 + "}",
    ]
)
GENERATED = tuple(
    f"clearml/clearml-platform-secrets/{key}"
    for key in ("kafka_password", "token_signing_secret", "api_key", "api_secret")
)


def spec(text: str = SPEC) -> PlatformSpec:
    return load(text)


def configuration(**changes: Any) -> Provisioning:
    return Provisioning.model_validate(
        {
            "data_dir": "/nowhere",
            "clearml": {
                "api_url": "https://api.gpu.example.com",
                "web_url": "https://app.gpu.example.com",
                "files_url": "https://files.gpu.example.com",
                "access_key": "the-access-key",
                "secret_key": "the-secret-key",
            },
            "agent": {"chart": {"reference": "agent"}, "image_password": "the-image-password"},
            "redis": {"password": "the-redis-password"},
            "platform": {"secrets": {"helm": "the-helm-token", "billing": "the-billing-token"}},
        }
        | changes
    )


def chart(component: Component, version: str | None = None) -> ChartFacts:
    name, known = CHART_OF[component]
    values = yaml.safe_load((CHARTS / name / "values.yaml").read_text())
    return ChartFacts(name=name, version=version or known, values=values)


def release(component: Component, **changes: Any) -> Release:
    name, version = CHART_OF[component]
    part = spec().part(component)
    fields: dict[str, Any] = {
        "name": part.release,
        "namespace": part.namespace,
        "revision": 1,
        "status": "deployed",
        "chart": name,
        "chart_version": version,
        "app_version": "",
    }
    return Release(**(fields | changes))


def facts(*, generated: bool = True, installed: bool = False, text: str = SPEC, **changes: Any) -> PlatformFacts:
    """Return facts. *generated*: the secrets of --generate-secrets are there. *installed*: so is everything."""
    settings = changes.pop("configuration", configuration())
    secrets = dict(settings.secrets())
    if generated:
        secrets |= {name: SecretStr(f"strong-{name.rsplit('/', 1)[-1]}") for name in GENERATED}
    bare = PlatformFacts(
        configuration=settings,
        spec=load(text),
        charts={component: chart(component) for component in load(text).releases()},
        secrets=secrets,
    )
    if installed:
        releases = {component: release(component) for component in bare.spec.releases()}
        given = {one: plain(filled_in(whole_values(bare, one), secrets.__getitem__)) for one in releases}
        changes = {"releases": releases, "given_values": given} | changes
    return PlatformFacts(**({name: getattr(bare, name) for name in bare.__dataclass_fields__} | changes))


def plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return value
