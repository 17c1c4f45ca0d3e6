"""What queries read from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioning.clients.interfaces import ClusterReads, HelmReads
from provisioning.configuration import Provisioning

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML
    from provisioning.clients.nvidia_smi import NvidiaSmi
    from provisioning.people import People
    from provisioning.planner import Planner
    from provisioning.policy_source import PolicySource
    from provisioning.store import Store


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What queries read from. Shared by all threads."""

    configuration: Provisioning
    clearml: "ClearML"
    cluster: ClusterReads
    helm: HelmReads
    store: "Store"
    planner: "Planner"
    smi: "NvidiaSmi"
    planner_of_one_moment: "Callable[[], Planner]"  # reads each thing once: for many plans
    policy: "PolicySource"
    people: "People"
