"""Specs as YAML files: one document for each tenant, its fields those of `tenant create`. No secrets. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping

import yaml
from pydantic import JsonValue

from commands.tenants import TenantCreate
from policies.documents import DocumentError, Problem, read_all
from provisioning.operations.tenant_spec import recorded
from provisioning.port_ranges import PortRange

MOST_TENANTS = 100
MOST_BYTES = 262_144


class SpecFileError(DocumentError):
    """The text is no list of tenants' specs. ``problems`` says which document, field and line."""

    kind = "tenants"


def write(specs: Iterable[TenantCreate]) -> str:
    """Return the specs as YAML; ``read`` gives the same ones back."""
    return "---\n".join(
        yaml.safe_dump(_plain(recorded(spec)), sort_keys=False, allow_unicode=True, width=120) for spec in specs
    )


def read(text: str) -> tuple[TenantCreate, ...]:
    """Return the specs in *text*. Raises: SpecFileError, also where two of them cannot both be."""
    found = read_all(
        text,
        TenantCreate,
        SpecFileError,
        begin_with="begin with what tenant export writes",
        most=MOST_TENANTS,
        most_bytes=MOST_BYTES,
    )
    if problems := list(_conflicts(found)):
        raise SpecFileError(*problems)
    return tuple(spec for spec, _ in found)


def _conflicts(found: Iterable[tuple[TenantCreate, int]]) -> Iterator[Problem]:
    """Yield what two documents say that only one may: a name, an address, a domain, a router's host, a port."""
    holders: dict[tuple[str, str], int] = {}
    ranges: list[tuple[PortRange, int]] = []
    for number, (spec, line) in enumerate(found, 1):
        said = [
            ("name", spec.name),
            ("admin_email", spec.admin_email.casefold()),
            *(("domains", one) for one in spec.domains),
            *([("router_host", spec.router_host)] if spec.router_host else []),
        ]
        for field, value in said:
            first = holders.setdefault((field, value), number)
            if first != number:
                what = f"{value} stands in document {first} already: it can be one tenant's only"
                yield Problem(line=line, path=field, what=what, document=number)
        if spec.ports and spec.port_start is not None:
            wanted = PortRange(spec.port_start, spec.max_services)
            for other, first in ranges:
                if wanted.overlaps(other):
                    what = f"{wanted} overlaps {other} of document {first}"
                    yield Problem(line=line, path="port_start", what=what, document=number)
            ranges.append((wanted, number))


def _plain(said: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return *said* without nulls, and the GPUs as the number that people write: ``3``, not ``"3"``."""
    plain: dict[str, JsonValue] = {name: value for name, value in said.items() if value is not None}
    if isinstance(limit := plain.get("max_resources"), str):
        plain["max_resources"] = json.loads(limit)
    return plain
