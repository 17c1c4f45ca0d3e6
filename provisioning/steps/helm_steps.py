"""Steps on helm releases. Values stand in the plan with secrets by name; here they are put in, in memory."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, SecretStr

from provisioning.clients.helm_releases import Release
from provisioning.clients.interfaces import ClusterReads, HelmWrites
from provisioning.configuration import Chart
from provisioning.errors import PermanentError
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun

HIDDEN = "•••"


class ReleaseInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    release: str
    chart: str  # the configured chart, by the name that the bot has for it: "agent"
    chart_name: str  # what Chart.yaml says
    chart_version: str
    values: dict[str, Any]  # secrets as {"$secret": name}
    wait_s: int  # how long helm waits for readiness, and once more where it then goes back
    port_range: dict[str, int] | None = None  # for people and leases; helm gets it within the values


class HelmRelease:
    """``helm.release``: the release is deployed, of this chart and version, with exactly these values.

    Outputs: ``revision``. helm waits until everything is ready and goes back where it is not.

    Args:
        charts: the configured charts by the bot's names for them.
        secrets: the bot's own secrets by name: ``redis.password``. Other names are
            ``namespace/Secret/key`` of Kubernetes Secrets.
    """

    kind = "helm.release"

    def __init__(
        self,
        helm: HelmWrites,
        cluster: ClusterReads,
        *,
        charts: Mapping[str, Chart],
        secrets: Mapping[str, SecretStr],
    ) -> None:
        self._helm = helm
        self._cluster = cluster
        self._charts = charts
        self._secrets = secrets

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = ReleaseInputs.model_validate(inputs)
        release = self._helm.release(wanted.namespace, wanted.release)
        if release is None:
            return Observation(presence=Presence.ABSENT)
        differences = self._differences(wanted, release)
        return Observation(
            presence=Presence.DIFFERS if differences else Presence.PRESENT,
            detail=(f"revision {release.revision} {release.status}, chart {release.chart} {release.chart_version}"),
            outputs={"revision": release.revision},
            differences=differences,
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = ReleaseInputs.model_validate(inputs)
        values = self._filled_in(wanted.values, strict=True)
        if done := self._helm.recover(wanted.namespace, wanted.release):
            run.note(done)
        before = self._helm.release(wanted.namespace, wanted.release)
        if before is not None and not self._differences(wanted, before):
            return {"revision": before.revision}
        run.note(f"helm installs {wanted.release} and waits until it is ready")
        release = self._helm.upgrade_install(
            wanted.namespace,
            wanted.release,
            self._charts[wanted.chart],
            values,
            timeout_s=max(5.0, min(wanted.wait_s, run.timeout_s / 2)),
            cancelled=run.cancelled,
        )
        return {"revision": release.revision}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = ReleaseInputs.model_validate(inputs)
        self._helm.recover(wanted.namespace, wanted.release)
        release = self._helm.release(wanted.namespace, wanted.release)
        if release is not None and release.revision > 1:  # ours was an upgrade, also where a crash hid that
            run.note(f"release {wanted.release} stays: it was there before this job")
        else:
            self._helm.uninstall(wanted.namespace, wanted.release, timeout_s=run.timeout_s, cancelled=run.cancelled)

    def _differences(self, wanted: ReleaseInputs, release: Release) -> dict[str, tuple[JsonValue, JsonValue]]:
        differences: dict[str, tuple[JsonValue, JsonValue]] = {}
        for name, found, shall in (
            ("status", release.status, "deployed"),
            ("chart", release.chart, wanted.chart_name),
            ("chart version", release.chart_version, wanted.chart_version),
        ):
            if found != shall:
                differences[name] = (found, shall)
        found_values = self._helm.values(wanted.namespace, wanted.release)
        return differences | differing_values(found_values, self._filled_in(wanted.values, strict=False))

    def _filled_in(self, value: Any, *, strict: bool) -> Any:
        """Return *value* with secrets put in. One that is not there yet is an empty SecretStr unless *strict*."""
        match value:
            case {"$secret": str(name)} if len(value) == 1:
                return self._secret(name, strict=strict)
            case dict():
                return {key: self._filled_in(item, strict=strict) for key, item in value.items()}
            case list() | tuple():
                return [self._filled_in(item, strict=strict) for item in value]
            case _:
                return value

    def _secret(self, name: str, *, strict: bool) -> SecretStr:
        if name in self._secrets:
            return self._secrets[name]
        namespace, _, rest = name.partition("/")
        secret, _, key = rest.partition("/")
        stored = self._cluster.secret(namespace, secret) if secret else None
        if stored is not None and key in stored:
            return stored[key]
        if strict:
            raise PermanentError(
                f"reading the secret {name}: it is not there", next_action="Retry from the credentials' step"
            )
        return SecretStr("")


def differing_values(found: Any, shall: Any) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Return path → (is, shall) of every leaf that differs. Secrets, and values that are not ours, are •••."""
    left, right = dict(_leaves(found, "")), dict(_leaves(shall, ""))
    differences: dict[str, tuple[JsonValue, JsonValue]] = {}
    for path in sorted(left.keys() | right.keys()):
        if path not in right:
            differences[path] = (HIDDEN, None)
        elif isinstance(right[path], SecretStr):
            if left.get(path) != right[path].get_secret_value():
                differences[path] = (HIDDEN if path in left else None, HIDDEN)
        elif path not in left or not _same(left[path], right[path]):
            differences[path] = (left.get(path), right[path])
    return differences


def _same(found: Any, shall: Any) -> bool:
    return bool(found == shall) and isinstance(found, bool) == isinstance(shall, bool)  # True == 1 in Python


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield path and value of every leaf. Items of a list that have a name go by it, not by their place."""
    match value:
        case dict() if value or not path:
            for key, item in value.items():
                name = f'"{key}"' if "." in str(key) else str(key)
                yield from _leaves(item, f"{path}.{name}" if path else name)
        case list() if value:
            for index, item in enumerate(value):
                place = item["name"] if isinstance(item, dict) and "name" in item else index
                yield from _leaves(item, f"{path}[{place}]")
        case _:
            yield path, value
