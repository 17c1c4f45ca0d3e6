"""A tenant's helm release, as operations decide by it."""

from provisioning.clients.helm_releases import Release
from provisioning.operations.tenant_facts import AgentRelease


def as_it_is(found: Release | None) -> AgentRelease | None:
    """Return what decides on the release; None where there is none."""
    if found is None:
        return None
    return AgentRelease(
        revision=found.revision, status=found.status, chart=found.chart, chart_version=found.chart_version
    )
