"""A tenant's release as a step, the agent's and the router's alike, and the way back from it. Pure."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from pydantic import JsonValue

from provisioning.operations.chart_facts import ChartFacts
from provisioning.operations.tenant_facts import AgentRelease
from provisioning.plan import Step

ROLLBACK_MARGIN_S = 60
DEPLOYED = "deployed"


def release_step(
    step_id: str,
    *,
    called: str,
    tenant: str,
    release: str,
    chart: ChartFacts,
    present: AgentRelease | None,
    values: Mapping[str, JsonValue],
    wait_s: int,
    needs: Iterable[str],
    more: Mapping[str, JsonValue] = MappingProxyType({}),
) -> Step:
    """Return the step that makes the release so, and goes back to what was there where that was deployed.

    Args:
        step_id: also the bot's name for the chart: ``agent``.
        called: what people call it: ``router clearml-ttr at acme.gpu.example.com``.
        present: the release as it is.
        wait_s: how long helm waits for readiness, and once more where it then goes back.
        more: inputs beside those that every release has.
    """
    back_to, undo = way_back(present)
    which = f"({chart.name} {chart.version})"
    return Step(
        id=step_id,
        kind="helm.release",
        title=f"Install {called} {which}" if present is None else f"Bring {called} to what is planned {which}",
        needs=tuple(needs),
        inputs={
            "namespace": tenant,
            "release": release,
            "chart": step_id,
            "chart_name": chart.name,
            "chart_version": chart.version,
            "chart_sha256": chart.sha256,
            "values": dict(values),
            "wait_s": wait_s,
            "back_to": back_to,
            **more,
        },
        undo=undo,
        timeout_s=2 * wait_s + ROLLBACK_MARGIN_S,
    )


class Present(Protocol):
    """A release as it is. ``status`` is helm's."""

    @property
    def revision(self) -> int: ...
    @property
    def status(self) -> str: ...


def way_back(present: Present | None) -> tuple[int | None, str]:
    """Return the revision that undoing a change of the release goes back to, and how that is told.

    None: one that failed, or that helm died at, is nothing to go back to. It stays as the change made it.
    """
    if present is None:
        return None, "uninstalled, if this job installed it"
    if present.status != DEPLOYED:
        return None, f"uninstalled, if this job installed it anew; else it stays, for it was {present.status} before"
    return present.revision, f"helm goes back to revision {present.revision}"
