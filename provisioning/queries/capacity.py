"""`capacity`: what the GPUs hold, who uses what, what still fits."""

import json
from typing import TYPE_CHECKING

from commands.capacity import CapacityArgs
from policies.approvals import Refusal
from provisioning.capacity import data, probe, question
from provisioning.capacity.holdings import limits_of
from provisioning.capacity.inventory import Inventory
from provisioning.capacity.reading import read_gpus
from provisioning.capacity.report import report_of
from provisioning.capacity.view import View, look
from provisioning.queries.base import Asked
from provisioning.reports import Attachment, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from provisioning.capacity.probe import Smi
    from provisioning.clients.interfaces import ClusterReads
    from provisioning.store import Store

SHOWN_NODES = 12


class CapacityQuery:
    """Answers `capacity`. Thread-safe."""

    command = "capacity"

    def __init__(self, cluster: "ClusterReads", store: "Store", smi: "Callable[[], Smi]") -> None:
        self._cluster = cluster
        self._store = store
        self._smi = smi

    def answer(self, args: CapacityArgs, asked: Asked) -> Report | Refusal:
        """Look at the cluster and report. Raises: ChatopsError where it could not be read."""
        request = question.parse_request(args.fits)
        if isinstance(request, Refusal):
            return request
        view = self._look(args, asked)
        if isinstance(view, Refusal):
            return view
        if args.tenant is not None and all(one.namespace != args.tenant for one in view.holdings):
            return Refusal(
                reason=f"there is no tenant {args.tenant}, and no namespace of that name holds GPUs",
                next_action="see /clearml capacity for who does",
            )
        if args.profile is not None and all(
            one.name != args.profile for totals in view.totals for one in totals.gpu.profiles
        ):
            there = ", ".join(dict.fromkeys(one.name for totals in view.totals for one in totals.gpu.profiles))
            return Refusal(reason=f"no open node can have a {args.profile}", next_action=f"choose from: {there or '-'}")
        found = question.answer(view.inventory.supplies, view.rooms, request) if request else None
        if isinstance(found, Refusal):
            return found
        wanted = asked.pictures and args.tenant is None and found is None
        drawn = _drawn(view) if wanted else None
        report = report_of(
            view,
            answer=found,
            node=args.node,
            profile=args.profile,
            tenant=args.tenant,
            attachments=() if drawn is None else (drawn,),
        )
        return report if args.export is None else _with_export(report, view, args.export, args.profile)

    def _look(self, args: CapacityArgs, asked: Asked) -> View | Refusal:
        stock, usage = read_gpus(self._cluster)
        if args.node is not None:
            only = tuple(one for one in stock.supplies if one.node == args.node)
            if not only:
                there = [one.node for one in stock.supplies]
                shown = ", ".join(there[:SHOWN_NODES]) + (" …" if len(there) > SHOWN_NODES else "")
                return Refusal(
                    reason=f"there is no node {args.node} with GPUs", next_action=f"there are: {shown or 'none'}"
                )
            findings = tuple(said for said in stock.findings if said.startswith(f"{args.node} "))
            stock = Inventory(supplies=only, findings=findings)
        limits = limits_of(self._store.tenants())
        if not args.probe:
            return look(stock, usage, limits)
        read = probe.read_places(stock, self._smi(), asked.tell)
        return look(read.inventory, usage, limits, read=read.read, failures=read.failures)


def _drawn(view: View) -> Attachment | None:
    from provisioning.capacity import picture  # and with it Pillow, which numbers do not need

    return picture.gpu_picture(view)


def _with_export(report: Report, view: View, kind: str, profile: str | None) -> Report:
    text = data.csv_of(view, profile) if kind == "csv" else json.dumps(report.data, indent=1)
    nodes = len(view.inventory.supplies)
    export = Attachment(
        name=f"capacity.{kind}",
        content=text.encode(),
        alt=f"The numbers of {nodes} node{'' if nodes == 1 else 's'} by profile, as {kind}.",
    )
    return Report(
        title=report.title,
        summary=report.summary,
        parts=report.parts,
        data=report.data,
        attachments=(*report.attachments, export),
    )
