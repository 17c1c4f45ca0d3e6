"""A chart, as operations decide by it."""

from provisioning.clients.interfaces import HelmReads
from provisioning.configuration import Chart
from provisioning.operations.chart_facts import ChartFacts


def look_at(helm: HelmReads, chart: Chart) -> ChartFacts:
    """Return what helm shows of the chart, which it fetches where it has not. Raises: ChatopsError."""
    shown = helm.show_chart(chart)
    return ChartFacts(
        name=str(shown["name"]),
        version=str(shown["version"]),
        values=helm.show_values(chart),
        sha256=helm.chart_sha256(chart),
    )
