"""What does not agree among claims of ports, as a value, and how its ports are written. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """PROBLEM: sessions fail or will. WARNING: somebody should look. NOTE: good to know."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"


class Kind(StrEnum):
    """What does not agree."""

    OVERLAP = "declared overlap"
    SHARED_EDGE = "shared edge"
    OUT_OF_RANGE = "out of range"
    OUT_OF_POOL = "out of pool"
    DISAGREE = "lease and release disagree"
    NOT_LEASED = "declared, not leased"
    NOT_LIVE = "declared, not live"
    NOT_DECLARED = "live, not declared"
    FOREIGN = "foreign claimant"
    HOST_PORT = "port of a node"
    IN_POOL = "in the pool"
    DYNAMIC_BAND = "dynamic band"
    UNREAD = "not read"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that does not agree, in one sentence. ``ports``: ``31011-31014, 31017`` or ""."""

    kind: Kind
    severity: Severity
    tenants: tuple[str, ...]  # whom it concerns; nobody in particular where empty
    ports: str
    text: str


def problem(kind: Kind, ports: str, text: str, *, of: tuple[str, ...] = ()) -> Finding:
    """Return it about the tenants *of*; so do the next two."""
    return Finding(kind=kind, severity=Severity.PROBLEM, tenants=of, ports=ports, text=text)


def warning(kind: Kind, ports: str, text: str, *, of: tuple[str, ...] = ()) -> Finding:
    return Finding(kind=kind, severity=Severity.WARNING, tenants=of, ports=ports, text=text)


def note(kind: Kind, ports: str, text: str, *, of: tuple[str, ...] = ()) -> Finding:
    return Finding(kind=kind, severity=Severity.NOTE, tenants=of, ports=ports, text=text)


def spans(ports: Iterable[int]) -> str:
    """Return ports as people write them: ``31011-31014, 31017``."""
    runs: list[list[int]] = []
    for port in sorted(set(ports)):
        if runs and port == runs[-1][1] + 1:
            runs[-1][1] = port
        else:
            runs.append([port, port])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
