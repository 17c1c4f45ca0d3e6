"""How helm keeps a release: a Secret of type helm.sh/release.v1 holding base64 of gzip of JSON. Pure.

Read in one listing, it spares a helm process for each release. Source: helm's pkg/storage/driver.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# What is not replaced by a later revision. A label of the Secret, so the cluster does the sorting out.
CURRENT = "owner=helm,status notin (superseded,uninstalled)"
MOST_BYTES = 64 * 1024 * 1024  # unpacked; a Secret holds 1 MiB at most, but gzip can hold a thousand times more


@dataclass(frozen=True, kw_only=True)
class StoredRelease:
    """One revision of a release. ``values`` is what it was given and may hold secrets, so repr leaves it out."""

    namespace: str
    name: str
    revision: int
    status: str  # deployed, failed, pending-upgrade, …
    chart: str
    values: Mapping[str, Any] = field(repr=False)
    defaults: Mapping[str, Any] = field(repr=False)  # the chart's own
    problem: str = ""  # why values could not be read


def parse_stored(secret: Mapping[str, Any]) -> StoredRelease:
    """Return the revision that a Secret of helm's (as JSON) holds; with ``problem`` where it cannot be read."""
    meta = secret.get("metadata") or {}
    labels = meta.get("labels") or {}
    said, problem = _body((secret.get("data") or {}).get("release"))
    chart = _mapping(said.get("chart"))
    return StoredRelease(
        namespace=str(meta.get("namespace", "")),
        name=str(labels.get("name", meta.get("name", ""))),
        revision=int(labels["version"]) if str(labels.get("version", "")).isdigit() else 0,
        status=str(labels.get("status", "unknown")),
        chart=str(_mapping(chart.get("metadata")).get("name", "")),
        values=_mapping(said.get("config")),
        defaults=_mapping(chart.get("values")),
        problem=problem,
    )


def in_force(revisions: Iterable[StoredRelease]) -> tuple[StoredRelease, ...]:
    """Return what each release may have in the cluster: its newest revision and, where that is not deployed,
    the one that is. A failed or pending upgrade may have made some of its objects, and left others as they were."""
    newest: dict[tuple[str, str], StoredRelease] = {}
    deployed: dict[tuple[str, str], StoredRelease] = {}
    for one in sorted(revisions, key=lambda one: (one.namespace, one.name, one.revision)):
        newest[one.namespace, one.name] = one
        if one.status == "deployed":
            deployed[one.namespace, one.name] = one
    older = (one for key, one in deployed.items() if one.revision != newest[key].revision)
    return tuple(sorted([*newest.values(), *older], key=lambda one: (one.namespace, one.name, one.revision)))


def _body(data: object) -> tuple[Mapping[str, Any], str]:
    """Return the release's JSON, or nothing and why."""
    try:
        packed = base64.b64decode(base64.b64decode(str(data or ""), validate=True), validate=True)
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        text = unpacking.decompress(packed, MOST_BYTES)
        if unpacking.unconsumed_tail:
            return {}, f"it is larger than {MOST_BYTES // 1024 // 1024} MiB"
        said = json.loads(text)
    except (binascii.Error, ValueError, zlib.error, RecursionError):
        return {}, "it is not as helm 3 and 4 write it"
    return (said, "") if isinstance(said, dict) else ({}, "it is not as helm 3 and 4 write it")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
