"""A look at the GPUs as a report: tables, what fits, findings. Pure."""

from collections.abc import Iterable, Sequence

from provisioning.capacity.bars import bars_of
from provisioning.capacity.data import data_of
from provisioning.capacity.holdings import Holding
from provisioning.capacity.inventory import Supply
from provisioning.capacity.packing import Chosen
from provisioning.capacity.profiles import GpuModel, UnknownGpu
from provisioning.capacity.question import Answer, Verdict
from provisioning.capacity.view import ModelTotals, View
from provisioning.reports import Attachment, Cell, Facts, Lines, Part, Report, table
from provisioning.wording import listed

MOST_NODES = 60
MOST_WAITING = 20
MOST_FINDINGS = 30
MOST_CHOSEN = 20

_SAID = {
    Verdict.READY: "fits now: idle instances serve it as they are",
    Verdict.CREATABLE: "fits: what is not ready can be created, with every instance kept",
    Verdict.AFTER_RECLAIM: "fits once idle instances are removed",
    Verdict.AFTER_DEFRAG: "fits only once used instances are moved within their GPUs",
    Verdict.PERHAPS: "may fit: it depends on where instances stand, which is not known; ask with --probe",
    Verdict.NO: "does not fit, however the used instances stand",
}


def report_of(
    view: View,
    *,
    answer: Answer | None = None,
    node: str | None = None,
    profile: str | None = None,
    tenant: str | None = None,
    attachments: Sequence[Attachment] = (),
) -> Report:
    """Return *view*, or what of it concerns one node, profile or tenant, as a report."""
    parts: list[Part] = []
    if answer is not None:
        parts += [*_answered(answer), _profiles(view, set(answer.request)), _facts(view)]
    elif tenant is not None:
        parts += [_holdings(view.holdings, tenant), *_waiting(view, tenant)]
    else:
        parts += bars_of(view, profile)
        parts += [_profiles(view, {profile} if profile else None), _facts(view), *_nodes(view, node)]
        parts += [_holdings(view.holdings, tenant), *_waiting(view, tenant)]
    parts += _findings(view)
    title = "GPU capacity" + (f" of {node}" if node else "") + (f": {tenant or profile}" if tenant or profile else "")
    return Report(
        title=title,
        summary=summary_of(view, answer),
        parts=tuple(parts),
        data=data_of(view, answer, tenant=tenant, profile=profile),
        attachments=tuple(attachments),
    )


def summary_of(view: View, answer: Answer | None = None) -> str:
    """Return one line: the GPUs, the slices, who waits; an answer to what was asked comes first."""
    supplies = view.inventory.supplies
    exist = sum(sum(one.exist.values()) for one in supplies)
    used = sum(sum(one.used.values()) for one in supplies)
    said = f"{_many(sum(one.gpus for one in supplies), 'GPU')} on {_many(len(supplies), 'node')}"
    said += f"; {used} of {_many(exist, 'slice')} in use"
    if view.usage.waits:
        said += f"; {_many(view.usage.waits, 'pod')} waiting for GPUs"
    return said if answer is None else f"{request_text(answer)} {_SAID[answer.verdict]}. {said}"


def request_text(answer: Answer) -> str:
    return ", ".join(f"{count}x{name}" for name, count in answer.request.items())


def _profiles(view: View, only: set[str] | None) -> Part:
    rows: list[tuple[Cell, ...]] = []
    for totals in view.totals:
        for one in totals.gpu.profiles:
            name = one.name
            if only is None or name in only:
                rows.append((totals.gpu.name, name, *_numbers(totals, name)))
    titles = ("GPU", "Profile", ">Exist", ">Used", ">Ready", ">Creatable", ">Reclaim", ">Defrag", ">Lost")
    return table("Instances, on open nodes", titles, rows, empty="no GPU of a known model")


def _numbers(totals: ModelTotals, name: str) -> tuple[Cell, ...]:
    room = totals.room
    lost = tuple(round(100 * share) for share in totals.fragmentation(name))
    return (
        totals.exist.get(name, 0),
        totals.used.get(name, 0),
        totals.ready(name),
        span(totals.of(room.creatable, name)),
        span(totals.of(room.after_reclaim, name)),
        span(totals.of(room.after_defrag, name)),
        f"{span(lost)}%",
    )


def span(ends: Sequence[int]) -> str:
    """Return ``3`` or ``1-3``."""
    return str(ends[0]) if ends[0] == ends[-1] else f"{ends[0]}-{ends[-1]}"


def _facts(view: View) -> Facts:
    items: list[tuple[str, Cell]] = []
    for totals in view.totals:
        lost = [round(100 * share) for share in totals.whole_fragmentation]
        compute = totals.mig_gpus * totals.gpu.compute
        said = f"{_many(totals.gpus, 'GPU')} on {_many(totals.nodes, 'node')}, {totals.mig_gpus} in MIG mode"
        said += f"; {span(totals.stranded)} of {compute} compute slices stranded; {span(lost)}% lost to fragmentation"
        items.append((totals.gpu.name, said))
    for name, gpus in _unknown(view.inventory.supplies):
        items.append((name, f"{_many(gpus, 'GPU')} of an unknown model: nothing is computed for it"))
    if whole := sum(one.whole for one in view.inventory.supplies):
        used = sum(one.whole_used for one in view.inventory.supplies)
        items.append(("Not in MIG mode", f"{used} of {whole} whole GPUs in use"))
    items.append(("Places", _places(view)))
    over = view.overcommit
    if over.tenants:
        ratio = f"{over.ratio:.2f} times what there is" if over.ratio is not None else "there is no GPU"
        items.append(("At full quota", f"{_many(over.tenants, 'tenant')} may use {over.promised} GPUs: {ratio}"))
    return Facts(title="The GPUs", items=tuple(items))


def _places(view: View) -> str:
    unread = len(view.unread)
    if not unread:
        some_of = any(
            0 < used < one.exist.get(name, 0) for one in view.inventory.supplies for name, used in one.used.items()
        )
        but = "; which of a node's equal instances are used is not, hence ranges" if some_of else ""
        return f"known{but}" if view.rooms else "nothing to know"
    read = f"read from {_many(view.read, 'node')}; " if view.read else ""
    return f"{read}not known on {_many(unread, 'node')}: ranges from counts alone; --probe reads them"


def _unknown(supplies: Iterable[Supply]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for supply in supplies:
        if isinstance(supply.gpu, UnknownGpu):
            found[str(supply.gpu)] = found.get(str(supply.gpu), 0) + supply.gpus
    return sorted(found.items())


def _nodes(view: View, node: str | None) -> list[Part]:
    supplies = view.inventory.supplies
    rows: list[tuple[Cell, ...]] = [
        (
            one.node,
            one.gpu.name if isinstance(one.gpu, GpuModel) else str(one.gpu),
            f"{one.mig_gpus}/{one.gpus}",
            ", ".join(f"{name} {one.used.get(name, 0)}/{count}" for name, count in sorted(one.exist.items())) or None,
            one.closed or "open",
        )
        for one in supplies[:MOST_NODES]
    ]
    title = "Nodes" if len(supplies) <= MOST_NODES else f"Nodes, the first {MOST_NODES} of {len(supplies)}"
    parts: list[Part] = [table(title, ("Node", "GPU", ">In MIG mode", "Used/exist", "State"), rows, empty="none")]
    if node is not None and len(supplies) == 1 and supplies[0].layouts is not None:
        placed = [
            (gpu, " ".join(map(str, sorted(layout, key=lambda one: one.start))) or None)
            for gpu, layout in sorted(supplies[0].layouts.items())
        ]
        parts.append(table("Where instances stand", (">GPU", "PROFILE@START"), placed))
    return parts


def _holdings(holdings: Iterable[Holding], tenant: str | None) -> Part:
    rows: list[tuple[Cell, ...]] = [
        (
            one.namespace,
            ", ".join(f"{count}x{name}" for name, count in one.slices.items()) or None,
            round(float(one.gpus), 3),
            None if one.limit is None else f"{one.limit.normalize():f}",
            None if not one.limit else f"{float(one.gpus) / float(one.limit):.0%}",
            len(one.waiting) or None,
        )
        for one in holdings
        if tenant is None or one.namespace == tenant
    ]
    titles = ("Namespace", "Holds", ">GPUs", ">maxResources", ">Of it", ">Waiting")
    return table("Who holds what", titles, rows, empty="nobody holds GPUs")


def _waiting(view: View, tenant: str | None) -> list[Part]:
    pods = [pod for pod in view.usage.waiting if tenant is None or pod.namespace == tenant]
    if not pods:
        return []
    rows: list[tuple[Cell, ...]] = [
        (
            f"{pod.namespace}/{pod.name}",
            ", ".join(f"{count}x{_short(name)}" for name, count in pod.requests.items()),
            pod.since,
            pod.reason.partition(". ")[0].rstrip(".") or "the scheduler has not said",
        )
        for pod in pods[:MOST_WAITING]
    ]
    count = view.usage.waits if tenant is None else len(pods)
    title = "Pods that wait" if count <= len(rows) else f"Pods that wait, {len(rows)} of {count}"
    return [table(title, ("Pod", "Wants", "Since", "Why"), rows)]


def _short(resource: str) -> str:
    return resource.removeprefix("nvidia.com/").removeprefix("mig-")


def _answered(answer: Answer) -> list[Part]:
    lines = [f"{request_text(answer)} {_SAID[answer.verdict]}."]
    if served := ", ".join(f"{count}x{name}" for name, count in answer.ready.items() if count):
        lines.append(f"Ready: {served}.")
    if answer.short:
        lines += [
            f"At best {best} x {name} can be had, {answer.request[name]} are asked for."
            for name, best in answer.short.items()
        ]
    if answer.maybe_sooner:
        unknown = len(answer.unknown_nodes)
        why = (
            f"places on {_many(unknown, 'node')} are not known: ask with --probe"
            if unknown
            else ("it depends on which of equal instances are used")
        )
        lines.append(f"A gentler way may do: {why}.")
    said = tuple(lines)
    title = "Does it fit?"
    parts: list[Part] = [
        Lines(title=title, lines=said) if answer.fits else Lines(title=title, lines=said, kind="warning")
    ]
    if answer.chosen:
        shown = [_created(one, answer) for one in answer.chosen[:MOST_CHOSEN]]
        left = len(answer.chosen) - len(shown)
        more = [f"… and on {_many(left, 'more GPU')}: see --json"] if left > 0 else []
        parts.append(Lines(title="One way, in this order", lines=(*shown, *more), kind="code"))
    return parts


def command_of(one: Chosen) -> str:
    """Return what creates it: with starts, and so in any driver's hands at these places."""
    places = ",".join(f"{one.model.profile(made.profile).id}:{made.start}" for made in one.witness.instances)
    return f"nvidia-smi mig -i {one.gpu} -cgi {places} -C"


def _created(one: Chosen, answer: Answer) -> str:
    made = " ".join(map(str, one.witness.instances))
    gone = " ".join(map(str, answer.removed.get((one.node, one.gpu), ())))
    how = "all made anew: " if one.moved else f"without the idle {gone}: " if gone else ""
    return f"{one.node} GPU {one.gpu}: {how}{made}\n    {command_of(one)}"


def _findings(view: View) -> list[Part]:
    said = [f"{node}: its instances cannot stand on its GPUs: only ready is known" for node in view.contradicting]
    said += [f"not read: {failure}" for failure in view.failures]
    said += view.inventory.findings
    closed = [f"{one.node} ({one.closed})" for one in view.inventory.supplies if one.closed]
    if closed:
        said.append(f"not counted as ready or creatable: {listed(closed, 8)}")
    inferred = [one.gpu.name for one in view.totals if one.gpu.placements == "inferred"]
    if inferred:
        said.append(f"the places of {', '.join(inferred)} are inferred from its family, not seen on a card")
    if len(said) > MOST_FINDINGS:
        said = [*said[:MOST_FINDINGS], f"… and {len(said) - MOST_FINDINGS} more: see --json on the command line"]
    return [Lines(title="Look at", lines=tuple(said), kind="warning")] if said else []


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
