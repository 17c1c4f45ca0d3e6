"""What the operations on the platform decide by. Independent facts are asked for at the same time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import SecretStr

from commands.platform import Component, PlatformArgs, PlatformUpgrade
from provisioning.chart_values import secret_names
from provisioning.clients.helm_releases import Release
from provisioning.configuration import Chart
from provisioning.errors import ChatopsError, PermanentError, reason_of
from provisioning.facts.charts import look_at
from provisioning.named_secrets import NamedSecrets
from provisioning.operations.chart_facts import ChartFacts
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_releases import located
from provisioning.platform.load import SpecError, load
from provisioning.platform.spec import PlatformSpec
from provisioning.sources import Sources

PARALLEL_QUESTIONS = 6
MOST_VALUES_BYTES = 262_144
AGENT_IN_CHART_NAME = "agent"
NEXT = "write one (clearml-chatops platform init) and name it in CLEARML_CHATOPS_PLATFORM__FILE"

T = TypeVar("T")


class PlatformFactsGatherer:
    """Gathers what one command on the platform decides by. Thread-safe.

    Args:
        looks_at_charts: False for what only removes: a repository that is down must not be in its way.
    """

    def __init__(self, command: str, sources: Sources, *, looks_at_charts: bool = True) -> None:
        self.command = command
        self._sources = sources
        self._looks_at_charts = looks_at_charts
        self._secrets = NamedSecrets(sources.cluster, sources.configuration.secrets())

    def gather(self, args: PlatformArgs) -> PlatformFacts:
        """Return the facts about the component that *args* names and about those that it needs.
        Raises: ChatopsError."""
        keeps_versions = isinstance(args, PlatformUpgrade) and args.values_only
        facts, troubles = self.look(args.component, keeps_versions=keeps_versions)
        if troubles:
            raise next(iter(troubles.values()))
        return facts

    def look(
        self, component: Component | None, *, keeps_versions: bool = False
    ) -> tuple[PlatformFacts, Mapping[Component, ChatopsError]]:
        """Return the facts, and why a chart or a values file could not be read, by component.

        *keeps_versions*: look at each chart in the version that is installed, and not in the spec's.

        Raises: ChatopsError where the spec or the cluster cannot be read.
        """
        spec = read_spec(self._sources.configuration.platform.file)
        every = spec.releases()
        chosen = tuple(one for one in every if component is None or one is component)
        every_release = self._sources.helm.releases()
        releases = _ours(spec, every_release)
        agents = _agents(spec, every_release)
        charts, more, troubles = self._charts(
            spec,
            chosen if self._looks_at_charts else (),
            {one: release.chart_version for one, release in releases.items()} if keeps_versions else {},
        )
        given = self._parallel(
            (one for one in chosen if one in releases),
            lambda one: self._sources.helm.values(spec.part(one).namespace, spec.part(one).release),
        )
        namespaces = dict.fromkeys(spec.part(one).namespace for one in chosen)
        guards = component in {None, Component.POLICIES} and spec.policies is not None
        guarded = dict.fromkeys(spec.part(one).namespace for one in every) if guards else {}
        facts = PlatformFacts(
            configuration=self._sources.configuration,
            spec=spec,
            charts=charts,
            more_values=more,
            releases=releases,
            given_values=given,
            secrets=self._found_secrets(spec, more),
            terminating=frozenset(
                name for name, phase in self._parallel(namespaces, self._phase).items() if phase == "Terminating"
            ),
            policies=frozenset().union(*self._parallel(guarded, self._policies).values()),
            tenants=tuple(
                sorted({*(one.namespace for one in agents), *(one.name for one in self._sources.store.tenants())})
            ),
            agents=agents,
        )
        return facts, troubles

    def _charts(
        self, spec: PlatformSpec, components: Iterable[Component], versions: Mapping[Component, str]
    ) -> tuple[dict[Component, ChartFacts], dict[Component, Mapping[str, Any]], dict[Component, ChatopsError]]:
        def read(component: Component) -> tuple[ChartFacts, Mapping[str, Any]] | ChatopsError:
            try:
                chart = self._chart(spec, component, versions.get(component))
                return chart, _more_values(spec.part(component).values_file)
            except ChatopsError as error:
                return error

        charts: dict[Component, ChartFacts] = {}
        more: dict[Component, Mapping[str, Any]] = {}
        troubles: dict[Component, ChatopsError] = {}
        for component, found in self._parallel(components, read).items():
            match found:
                case ChatopsError():
                    troubles[component] = found
                case (chart, values):
                    charts[component], more[component] = chart, values
        return charts, more, troubles

    def _chart(self, spec: PlatformSpec, component: Component, version: str | None) -> ChartFacts:
        reference, repo, username, password = located(spec, component, version=version)
        chart = Chart(
            reference=reference,
            version=version or spec.part(component).chart.version,
            repo=repo,
            username=self._credential(username),
            password=SecretStr(found) if (found := self._credential(password)) is not None else None,
        )
        return look_at(self._sources.helm, chart)

    def _credential(self, name: str | None) -> str | None:
        if name is None:
            return None
        found = self._secrets.find(name)
        if found is None:
            raise PermanentError(
                f"reading the credentials of a chart repository: {name} is not there",
                next_action="set it, or correct repositories in the platform spec",
            )
        return found.get_secret_value()

    def _found_secrets(self, spec: PlatformSpec, more: Mapping[Component, Mapping[str, Any]]) -> dict[str, SecretStr]:
        names = dict.fromkeys(
            (
                *references(spec),
                *secret_names(more),
                self._sources.configuration.redis.password_secret or "redis.password",
            )
        )
        found = self._parallel(names, self._secrets.find)
        return {name: secret for name, secret in found.items() if secret is not None}

    def _phase(self, namespace: str) -> str:
        found = self._sources.cluster.namespace(namespace)
        return found["phase"] if found is not None else ""

    def _policies(self, namespace: str) -> frozenset[tuple[str, str]]:
        return frozenset((namespace, one.name) for one in self._sources.cluster.network_policies(namespace))

    @staticmethod
    def _parallel(items: Iterable[Any], ask: Callable[[Any], T]) -> dict[Any, T]:
        asked = list(items)
        with ThreadPoolExecutor(PARALLEL_QUESTIONS, thread_name_prefix="platform") as pool:
            return dict(zip(asked, pool.map(ask, asked), strict=True))


def _ours(spec: PlatformSpec, releases: Iterable[Release]) -> dict[Component, Release]:
    known = {(one.namespace, one.name): one for one in releases}
    found = {one: known.get((spec.part(one).namespace, spec.part(one).release)) for one in spec.releases()}
    return {component: release for component, release in found.items() if release is not None}


def _agents(spec: PlatformSpec, releases: Iterable[Release]) -> tuple[Release, ...]:
    """Return the agents of tenants, also those that somebody else installed."""
    ours = {spec.part(one).namespace for one in spec.releases()}
    return tuple(one for one in releases if AGENT_IN_CHART_NAME in one.chart and one.namespace not in ours)


def read_spec(path: Path | None) -> PlatformSpec:
    """Return the spec in *path*. Raises: PermanentError."""
    if path is None:
        raise PermanentError("there is no platform spec", next_action=NEXT)
    try:
        return load(path.expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(f"reading the platform spec {path}: {reason_of(error)}", next_action=NEXT) from error
    except SpecError as error:
        raise PermanentError(f"{path.name}: {error}", next_action="correct the file, then ask again") from error


def references(value: Any) -> Iterator[str]:
    """Yield the names of every secret that the spec (or a part of its JSON) refers to."""
    match value:
        case PlatformSpec():
            yield from references(value.model_dump(mode="json"))
        case {"setting": setting, "secret": secret}:
            yield str(setting or secret)
        case dict():
            for item in value.values():
                yield from references(item)
        case list():
            for item in value:
                yield from references(item)
        case _:
            return


def _more_values(path: str | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    next_action = "correct values_file in the platform spec"
    try:
        raw = Path(path).expanduser().read_bytes()
        if len(raw) > MOST_VALUES_BYTES:
            raise PermanentError(f"{path}: larger than {MOST_VALUES_BYTES >> 10} KiB", next_action=next_action)
        found = yaml.safe_load(raw)
    except OSError as problem:
        raise PermanentError(f"reading {path}: {reason_of(problem)}", next_action=next_action) from problem
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise PermanentError(f"reading {path}: it is no YAML", next_action=next_action) from None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise PermanentError(f"reading {path}: it must be a mapping of names to values", next_action=next_action)
    return found
