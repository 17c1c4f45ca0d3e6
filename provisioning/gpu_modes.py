"""What `nvidia-smi` says of MIG, as typed values, and what that means. Pure.

A mode is judged only by what is read back: the program prints "All done." also where nothing was done.
Source: NVIDIA's MIG user guide; driver 580's answers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from provisioning.errors import PermanentError

QUERY = ("--query-gpu=index,pci.bus_id,name,mig.mode.current,mig.mode.pending", "--format=csv,noheader")
NO_INSTANCES = ("No GPU instances found", "No MIG-enabled devices found")

_INSTANCE = re.compile(r"\|\s*(\d+)\s+MIG\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+):(\d+)\s*\|")


class Verdict(StrEnum):
    """What a GPU's two modes mean together."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    ENABLE_PENDING = "enable pending"  # a reset or reboot makes it so
    DISABLE_PENDING = "disable pending"
    NOT_CAPABLE = "not capable"


_VERDICTS = {
    ("Enabled", "Enabled"): Verdict.ENABLED,
    ("Disabled", "Disabled"): Verdict.DISABLED,
    ("Disabled", "Enabled"): Verdict.ENABLE_PENDING,
    ("Enabled", "Disabled"): Verdict.DISABLE_PENDING,
    ("[N/A]", "[N/A]"): Verdict.NOT_CAPABLE,
}


@dataclass(frozen=True, kw_only=True)
class GpuMode:
    """One GPU and its MIG mode, by nvidia-smi's own words."""

    index: int
    bus_id: str
    model: str
    current: str
    pending: str

    @property
    def verdict(self) -> Verdict:
        return _VERDICTS[self.current, self.pending]

    @property
    def is_capable(self) -> bool:
        return self.verdict is not Verdict.NOT_CAPABLE


@dataclass(frozen=True, kw_only=True)
class GpuInstance:
    """One GPU instance: where it lies on which GPU, in placement units."""

    gpu: int
    profile: str
    id: int
    start: int
    size: int


def parse_modes(text: str) -> tuple[GpuMode, ...]:
    """Return the GPUs in the answer to QUERY, by index. Raises: PermanentError where it is no such answer."""
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 5 or not cells[0].isdigit() or (cells[3], cells[4]) not in _VERDICTS:
            raise PermanentError(
                f"reading MIG modes: nvidia-smi said {line[:120]!r}",
                next_action="run `nvidia-smi` on the node: its driver does not answer as expected",
            )
        index, bus_id, model, current, pending = cells
        found.append(GpuMode(index=int(index), bus_id=bus_id, model=model, current=current, pending=pending))
    return tuple(sorted(found, key=lambda gpu: gpu.index))


def parse_instances(text: str) -> tuple[GpuInstance, ...]:
    """Return the instances in the answer to ``nvidia-smi mig -lgi``; none where it says that there are none."""
    return tuple(
        GpuInstance(gpu=int(gpu), profile=profile, id=int(number), start=int(start), size=int(size))
        for gpu, profile, _profile_id, number, start, size in _INSTANCE.findall(text)
    )


def wanted(gpus: Sequence[GpuMode], indexes: Sequence[int]) -> tuple[GpuMode, ...]:
    """Return the GPUs that a change is about: those of *indexes*, or all that are capable where none are named."""
    return tuple(gpu for gpu in gpus if gpu.index in indexes) if indexes else tuple(g for g in gpus if g.is_capable)


def differing(gpus: Sequence[GpuMode], mode: str) -> tuple[GpuMode, ...]:
    """Return the GPUs whose mode is not *mode* (Enabled, Disabled), now and after a reboot."""
    return tuple(gpu for gpu in gpus if (gpu.current, gpu.pending) != (mode, mode))


def failures(gpus: Sequence[GpuMode], mode: str, said: Mapping[int, str]) -> tuple[str, ...]:
    """Return a line for each GPU that is neither in *mode* nor on its way there, with nvidia-smi's words."""
    lines = []
    for gpu in gpus:
        if gpu.pending == mode:
            continue
        words = " ".join(said.get(gpu.index, "").split())
        lines.append(
            f"GPU {gpu.index} ({gpu.bus_id}): {gpu.verdict.value}, not {mode.lower()}"
            + (f"; nvidia-smi said: {words[:300]}" if words else "")
        )
    return tuple(lines)
