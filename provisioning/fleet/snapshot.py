"""A planner for many plans of one moment: what they all look at is read once.

Planning one tenant looks at every other company's users and domains, at every release, node and Service. For all
tenants that would be the square of it.
"""

from typing import cast

from provisioning.clients.interfaces import ClusterWrites, HelmWrites, KubectlWrites
from provisioning.clock import Clock
from provisioning.facts import FactsGatherer
from provisioning.fleet.memory import Remembering
from provisioning.fleet.moment import of_one_moment
from provisioning.planner import Planner
from provisioning.sources import Sources
from provisioning.steps.registry import build_actions


def planner_of_one_moment(sources: Sources, *, kubectl: KubectlWrites, clock: Clock) -> Planner:
    """Return a planner that sees the world as it is when it first looks. For reports, not for jobs."""
    seen = of_one_moment(sources)
    actions = build_actions(
        configuration=seen.configuration,
        clearml=seen.clearml,
        cluster=cast("ClusterWrites", seen.cluster),
        helm=cast("HelmWrites", seen.helm),
        kubectl=cast("KubectlWrites", Remembering(kubectl, once=("changes",))),
        store=sources.store,
        clock=clock,
    )
    return Planner(actions=actions, facts=FactsGatherer(seen))
