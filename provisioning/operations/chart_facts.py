"""What helm shows of a chart, as far as operations decide by it. Pure data, gathered by provisioning.facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ChartFacts:
    """One chart: the agent's, the router's, a component's."""

    name: str
    version: str
    values: Mapping[str, Any]  # its defaults: what it knows of
    sha256: str | None = None  # of its file, or of a folder's files
