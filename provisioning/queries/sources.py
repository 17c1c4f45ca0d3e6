"""What queries read from: what facts are read from, and what only reports need."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioning.sources import Sources

if TYPE_CHECKING:
    from provisioning.clients.nvidia_smi import NvidiaSmi
    from provisioning.people import People
    from provisioning.planner import Planner
    from provisioning.policy_source import PolicySource


@dataclass(frozen=True, kw_only=True)
class QuerySources(Sources):
    """What queries read from. Shared by all threads."""

    planner: "Planner"
    smi: "NvidiaSmi"
    planner_of_one_moment: "Callable[[], Planner]"  # reads each thing once: for many plans
    policy: "PolicySource"
    people: "People"
