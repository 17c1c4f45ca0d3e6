"""What queries read from: what facts are read from, and what only reports need."""

from typing import TYPE_CHECKING, Protocol

from provisioning.sources import Sources

if TYPE_CHECKING:
    from provisioning.clients.nvidia_smi import NvidiaSmi
    from provisioning.people import People
    from provisioning.planner import Planner
    from provisioning.policy_source import PolicySource


class QuerySources(Sources, Protocol):
    """What queries read from. Shared by all threads."""

    @property
    def planner(self) -> "Planner": ...
    @property
    def smi(self) -> "NvidiaSmi": ...
    @property
    def policy(self) -> "PolicySource": ...
    @property
    def people(self) -> "People": ...
    def planner_of_one_moment(self) -> "Planner":
        """Return a planner that reads each thing once: for many plans."""
