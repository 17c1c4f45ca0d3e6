"""Which GPU queues a new tenant gets: shares of a GPU to profiles of the cluster's model. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from policies.approvals import Refusal
from provisioning.capacity.profiles import GpuModel, Profile
from provisioning.operations.agent_values import FractionQueue
from provisioning.operations.tenant_facts import MIG_NODE_LABEL, MigNodes


@dataclass(frozen=True, kw_only=True)
class ChosenQueues:
    """The fraction queues, and what an approver should know of them."""

    queues: tuple[FractionQueue, ...] = ()
    warnings: tuple[str, ...] = ()


def choose_queues(
    shares: Sequence[Decimal], nodes: Sequence[MigNodes], *, asked_for: bool, max_resources: Decimal
) -> ChosenQueues | Refusal:
    """Return the queues for *shares*, or why there can be none.

    *asked_for* is False where the shares are the command's default: without MIG nodes the tenant then gets
    none, instead of a refusal.
    """
    if not shares:
        return ChosenQueues()
    if not nodes:
        return _without_nodes(asked_for=asked_for)
    known = sorted(
        ((kind.gpu, kind) for kind in nodes if isinstance(kind.gpu, GpuModel)),
        key=lambda pair: (-pair[1].gpus, pair[0].name),
    )
    unknown = sorted(str(kind.gpu) for kind in nodes if not isinstance(kind.gpu, GpuModel))
    if not known:
        return Refusal(
            reason=f"the MIG nodes hold GPUs whose profiles are not known: {', '.join(unknown)}",
            next_action=(
                "run it with --queues none, or ask an admin to add the model to provisioning/capacity/profiles.json"
            ),
        )
    model, kind = known[0]
    offered = model.fractions()
    if missing := [share for share in shares if share not in offered]:
        return Refusal(
            reason=f"no MIG profile is {_listed(missing)} of a {model.name}",
            next_action=f"choose --queues from {','.join(_text(share) for share in offered)}",
        )
    queues = tuple(
        FractionQueue(share=share, resource=model.resource(offered[share], kind.resources))
        for share in dict.fromkeys(shares)
    )
    others = [other.name for other, _ in known[1:]] + unknown
    warnings = [
        *_several_models(model, others),
        *(warning for queue in queues for warning in _misfit(queue, model, offered[queue.share])),
        *(
            f"Queue {queue.name} never starts a task: each counts {_text(queue.share)}, the limit is"
            f" {_text(max_resources)}"
            for queue in queues
            if queue.share > max_resources
        ),
    ]
    return ChosenQueues(queues=queues, warnings=tuple(warnings))


def _without_nodes(*, asked_for: bool) -> ChosenQueues | Refusal:
    label = "=".join(MIG_NODE_LABEL)
    if asked_for:
        return Refusal(
            reason=f"GPU queues were asked for, but no node has the label {label}",
            next_action="enable MIG on a node and label it, or run it with --queues none",
        )
    return ChosenQueues(warnings=(f"No node has the label {label}: the tenant gets queue default only, without a GPU",))


def _several_models(model: GpuModel, others: list[str]) -> list[str]:
    if not others:
        return []
    rest = ", ".join(others)
    return [f"The MIG nodes hold several GPU models: the queues use slices of {model.name} and cannot use {rest}"]


def _misfit(queue: FractionQueue, model: GpuModel, profile: Profile) -> list[str]:
    expected = int(1 / queue.share)
    if expected * queue.share != 1 or profile.max >= expected:
        return []
    fits = f"fits {profile.max} times on a {model.name}, not {expected} times"
    return [f"Queue {queue.name} gives {profile.name}, which {fits}"]


def _text(share: Decimal) -> str:
    return f"{share.normalize():f}"


def _listed(shares: Sequence[Decimal]) -> str:
    return ", ".join(_text(share) for share in shares)
