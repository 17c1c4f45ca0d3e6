"""`platform status`: what is installed, whether it is well, where it differs, what is known to go wrong with it."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from commands.platform import Component, PlatformArgs
from policies.approvals import Refusal
from provisioning.clients.cluster_objects import Pod
from provisioning.clients.endpoints import Endpoint
from provisioning.clients.interfaces import ClusterReads
from provisioning.errors import ChatopsError
from provisioning.facts.platform import PlatformFactsGatherer
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_steps import SERVER_NAMESPACE, guarded
from provisioning.operations.platform_upgrade import change_of
from provisioning.platform.findings import PlatformFinding
from provisioning.platform.incompatibilities import Installed, incompatibilities
from provisioning.queries.base import Asked
from provisioning.queries.platform_report import PlatformView, report
from provisioning.reports import Report
from provisioning.steps.application_steps import RECORD
from provisioning.wording import counted

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML

SOON_DAYS = 21  # a certificate that expires within this is a finding
_INSTANCE = "app.kubernetes.io/instance"


class PlatformStatusQuery:
    """Looks at everything at once; what cannot be read is a finding, and does not hide the rest.

    Args:
        look: how an address is looked at (``provisioning.clients.endpoints.look``).
    """

    command = "platform status"

    def __init__(
        self,
        facts: PlatformFactsGatherer,
        *,
        cluster: ClusterReads,
        clearml: "ClearML",
        look: Callable[[str], Endpoint],
    ) -> None:
        self._facts = facts
        self._cluster = cluster
        self._clearml = clearml
        self._look = look

    def answer(self, args: PlatformArgs, asked: Asked) -> Report | Refusal:
        """Return the report. Raises: ChatopsError where the spec or the cluster cannot be read."""
        with ThreadPoolExecutor(8, thread_name_prefix="status") as pool:
            looked = pool.submit(self._facts.look, args.component)
            version = pool.submit(self._server_version)
            facts, troubles = looked.result()
            wanted = tuple(one for one in facts.spec.releases() if args.component in {None, one})
            pods = dict(zip(wanted, pool.map(lambda one: self._pods(facts, one), wanted), strict=True))
            others = {
                one: pool.submit(look, facts)
                for one, look in ((Component.POLICIES, self._policies), (Component.APPLICATIONS, self._applications))
                if one in facts.spec.components() and args.component in {None, one}
            }
            endpoints = tuple(pool.map(self._look, _addresses(facts))) if _has_server(args.component) else ()
            server_version, server_trouble = version.result()
        changes = {one: change_of(facts, one) for one in wanted if one in facts.releases and one in facts.charts}
        without = {one: future.result() for one, future in others.items()}
        findings = (
            *(PlatformFinding(f"{one}: {error.what}", _next(error)) for one, error in troubles.items()),
            *_health(facts, wanted, pods),
            *(
                PlatformFinding(f"{one}: {said}", f"run platform install {one}")
                for one, (said, is_well) in without.items()
                if not is_well
            ),
            *([server_trouble] if server_trouble and _has_server(args.component) else []),
            *_endpoint_findings(endpoints, asked.now),
        )
        known = tuple(
            incompatibilities(
                Installed(
                    spec=facts.spec,
                    releases={one: facts.releases[one] for one in facts.given_values},  # those that were looked at
                    values=facts.given_values,
                    agents=facts.agents if args.component is None else (),
                    agent_image_tag=facts.configuration.agent.image_tag,
                    server_version=server_version if _has_server(args.component) else "",
                    files={
                        one: file
                        for one in facts.spec.releases()
                        if (file := facts.spec.part(one).chart.file) is not None
                    },
                )
            )
        )
        return report(
            PlatformView(
                facts=facts,
                wanted=wanted,
                others={one: said for one, (said, _) in without.items()},
                pods=pods,
                changes=changes,
                endpoints=endpoints,
                findings=findings,
                known=known,
                server_version=server_version,
            )
        )

    def _pods(self, facts: PlatformFacts, component: Component) -> tuple[Pod, ...]:
        part = facts.spec.part(component)
        every = self._cluster.pods(part.namespace)
        labelled = tuple(pod for pod in every if pod.labels.get(_INSTANCE) == part.release)
        # An operator's own pods carry no release: where a namespace has one release, all of its pods are its.
        shared = sum(facts.spec.part(one).namespace == part.namespace for one in facts.spec.releases()) > 1
        return labelled if shared else every

    def _policies(self, facts: PlatformFacts) -> tuple[str, bool]:
        """Return what is there of the NetworkPolicies, and whether all are. Their content is for plans to compare."""
        shall = [
            (namespace, str(manifest["metadata"]["name"]))
            for _, namespace, manifests in guarded(facts)
            for manifest in manifests
        ]
        there = {
            (one.namespace, one.name)
            for namespace in dict.fromkeys(namespace for namespace, _ in shall)
            for one in self._cluster.network_policies(namespace)
        }
        if missing := [f"{namespace}/{name}" for namespace, name in shall if (namespace, name) not in there]:
            return f"not there: {', '.join(missing)}", False
        return f"all {len(shall)} NetworkPolicies are there", True

    def _applications(self, facts: PlatformFacts) -> tuple[str, bool]:
        """Return which archive was uploaded, by the record of the step that uploads, and whether it is the spec's."""
        wanted, server = facts.spec.applications, facts.spec.server
        record = self._cluster.secret(server.namespace if server else SERVER_NAMESPACE, RECORD) or {}
        found = record["sha256"].get_secret_value() if "sha256" in record else None
        if found is None:
            return "not uploaded", False
        is_ours = wanted is not None and found == wanted.sha256
        return f"{'the archive of the spec' if is_ours else 'another archive'} was uploaded ({found[:12]})", is_ours

    def _server_version(self) -> tuple[str, PlatformFinding | None]:
        try:
            return self._clearml.server_info().version, None
        except ChatopsError as error:
            return "", PlatformFinding(f"server: {error.what}", _next(error))


def _has_server(component: Component | None) -> bool:
    return component in {None, Component.SERVER}


def _addresses(facts: PlatformFacts) -> tuple[str, ...]:
    clearml = facts.configuration.clearml
    return tuple(dict.fromkeys((clearml.api_url, clearml.web_url, clearml.files_url)))


def _health(
    facts: PlatformFacts, wanted: Iterable[Component], pods: Mapping[Component, tuple[Pod, ...]]
) -> Iterable[PlatformFinding]:
    match [one for one in wanted if one not in facts.releases]:
        case []:
            pass
        case [one]:
            yield PlatformFinding(f"{one}: not installed", f"run platform install {one}")
        case several:  # which need each other: one command knows the order
            yield PlatformFinding(f"not installed: {', '.join(several)}", "run platform install")
    for component in wanted:
        release = facts.releases.get(component)
        if release is None:
            continue
        if release.status != "deployed":
            yield PlatformFinding(f"{component}: its release is {release.status}", f"run platform install {component}")
        for pod in pods[component]:
            if not pod.is_ready and pod.phase != "Succeeded":
                why = f", {pod.trouble}" if pod.trouble else ""
                yield PlatformFinding(
                    f"{component}: pod {pod.namespace}/{pod.name} is not ready ({pod.phase}{why})",
                    f"see why with kubectl describe pod -n {pod.namespace} {pod.name}",
                )


def _endpoint_findings(endpoints: Iterable[Endpoint], now: datetime) -> Iterable[PlatformFinding]:
    for one in endpoints:
        if one.trouble:
            yield PlatformFinding(
                f"{one.url}: {one.trouble}",
                "give its Ingress a certificate that clients trust"
                if one.answers
                else "see that the name resolves to the ingress controller, that the server's Ingress has it, and that"
                " the server's pods are ready",
            )
        if one.expires_at is not None and (days := (one.expires_at - now).days) < SOON_DAYS:
            when = f"expires in {counted(days, 'day')}" if days >= 0 else "has expired"
            yield PlatformFinding(f"{one.url}: its certificate {when} ({one.expires_at:%Y-%m-%d})", "renew it")


def _next(error: ChatopsError) -> str:
    return error.next_action or "look at the bot's log"
