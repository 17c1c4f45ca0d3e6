"""How much a plan does, as policies count it. Pure."""

import math

from pydantic import ValidationError

from commands.catalog import CATALOG
from policies.conditions import BlastRadius
from provisioning.jobs.batches import specs_of
from provisioning.plan import Plan


def radius_of(plan: Plan) -> BlastRadius:
    """Return how many steps destroy, how many have something to do, and how many GPUs the request asks for.

    A stored request that an older version wrote and that is none any more counts as more GPUs than any limit.
    """
    due = [step for step in plan.steps if not step.is_noop]
    try:
        specs = specs_of(plan)
        asked = specs or (CATALOG[plan.operation].args.model_validate(plan.request),)
        gpus = sum(one.gpus for one in asked)
    except ValidationError:
        gpus = math.inf
    promised = plan.admission
    return BlastRadius(
        destroys=sum(step.destroys for step in due),
        changes=len(due),
        gpus=gpus,
        overcommit=0.0 if promised is None or promised.overcommit is None else promised.overcommit,
        lacks_room=promised is not None and promised.fits is not True,
    )
