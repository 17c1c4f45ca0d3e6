"""`tenant export`: the recorded specs as a YAML file."""

from typing import TYPE_CHECKING

from pydantic import JsonValue

from commands.fleet import TenantExport
from policies.approvals import Refusal
from provisioning.fleet import spec_files
from provisioning.operations.tenant_spec import of_record, recorded
from provisioning.queries.base import Asked
from provisioning.reports import Attachment, Lines, Report

if TYPE_CHECKING:
    from provisioning.store import Store

SHOWN_NAMES = 20


class TenantExportQuery:
    """Reads records only: what shall be, not what is."""

    command = "tenant export"

    def __init__(self, store: "Store") -> None:
        self._store = store

    def answer(self, args: TenantExport, asked: Asked) -> Report | Refusal:  # noqa: ARG002 - a file has no clock
        records = {record.name: record for record in self._store.tenants()}
        if unknown := [name for name in args.names if name not in records]:
            return Refusal(
                reason=f"nothing is recorded of {', '.join(unknown[:SHOWN_NAMES])}",
                next_action="see tenant list; tenant import records a tenant that was made by hand",
            )
        names = list(dict.fromkeys(args.names)) or sorted(records)
        if not names:
            return Refusal(reason="no tenant is recorded yet", next_action="create one with tenant create")
        specs = [of_record(name, records[name].request) for name in names]
        text = spec_files.write(specs)
        data: list[JsonValue] = [recorded(spec) for spec in specs]
        count = f"{len(names)} tenant{'' if len(names) == 1 else 's'}"
        return Report(
            title="Export",
            summary=f"the specs of {count}, without secrets",
            parts=(Lines(lines=("tenant apply takes such a file: change it, and apply it again",)),),
            data={"tenants": data},
            attachments=(Attachment(name="tenants.yaml", content=text.encode(), alt=f"Specs of {count} in YAML"),),
            document=text,
        )
