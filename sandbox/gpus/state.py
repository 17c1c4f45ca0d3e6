"""What a sandbox node's cards hold, kept in one JSON file a node: made here, answered from by nvidia_smi.py.

Sources: NVIDIA's MIG user guide for the A100s, real cards for the H100 and H200.
"""

import fcntl
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from provisioning.capacity.profiles import GpuModel, Profile, model

DRIVER = "580.159.04"

Family = Literal["ampere", "hopper", "none"]
State = dict[str, Any]  # {"driver", "gpus": [...]}, the file's JSON


@dataclass(frozen=True, kw_only=True)
class Card:
    """One kind of card: its names, what MIG can make of it, and how its mode behaves.

    ``engines`` holds, by profile, SMs and the DEC, ENC, CE, JPEG and OFA engines, as ``nvidia-smi mig -lgip``
    prints them; ``gib`` the memory by profile.
    """

    name: str  # nvidia-smi's: "NVIDIA H100 80GB HBM3"
    product: str  # the label nvidia.com/gpu.product
    memory_mib: int
    family: Family
    table: str = ""  # of provisioning.capacity.profiles
    engines: Mapping[str, tuple[int, ...]]
    gib: Mapping[str, float]


_HOPPER_ENGINES = {
    19: (16, 1, 0, 1, 1, 0),
    20: (16, 1, 0, 1, 1, 1),
    15: (26, 1, 0, 1, 1, 0),
    14: (32, 2, 0, 2, 2, 0),
    9: (60, 3, 0, 3, 3, 0),
    5: (64, 4, 0, 4, 4, 0),
    0: (132, 7, 0, 8, 7, 1),
}
_AMPERE_ENGINES = {
    19: (14, 0, 0, 1, 0, 0),
    20: (14, 1, 0, 1, 1, 1),
    15: (14, 1, 0, 1, 0, 0),
    14: (28, 1, 0, 2, 0, 0),
    9: (42, 2, 0, 3, 0, 0),
    5: (56, 2, 0, 4, 0, 0),
    0: (98, 5, 0, 7, 1, 1),
}


def _card(
    name: str,
    memory_mib: int,
    family: Family,
    *,
    table: str = "",
    engines: Mapping[int, tuple[int, ...]] | None = None,
    gib: Mapping[int, float] | None = None,
) -> Card:
    profiles = model(table).profiles if table else ()
    return Card(
        name=name,
        product=name.replace(" ", "-"),
        memory_mib=memory_mib,
        family=family,
        table=table,
        engines={profile.name: (engines or {})[profile.id] for profile in profiles},
        gib={profile.name: (gib or {})[profile.id] for profile in profiles},
    )


CARDS: Mapping[str, Card] = {
    "h100": _card(
        "NVIDIA H100 80GB HBM3",
        81559,
        "hopper",
        table="H100-80GB/H800",
        engines=_HOPPER_ENGINES,
        gib={19: 9.75, 20: 9.75, 15: 19.62, 14: 19.62, 9: 39.5, 5: 39.5, 0: 79.25},
    ),
    "h200": _card(
        "NVIDIA H200",
        143771,
        "hopper",
        table="H200-141GB/H200-NVL",
        engines=_HOPPER_ENGINES,
        gib={19: 16.0, 20: 16.0, 15: 32.5, 14: 32.5, 9: 69.75, 5: 69.75, 0: 140.0},
    ),
    "a100": _card(
        "NVIDIA A100-SXM4-80GB",
        81920,
        "ampere",
        table="A100-80GB/A800-80GB",
        engines=_AMPERE_ENGINES,
        gib={19: 9.5, 20: 9.5, 15: 19.5, 14: 19.5, 9: 39.25, 5: 39.25, 0: 79.0},
    ),
    "a100-40gb": _card(
        "NVIDIA A100-SXM4-40GB",
        40960,
        "ampere",
        table="A100-40GB/A800-40GB",
        engines=_AMPERE_ENGINES,
        gib={19: 4.75, 20: 4.75, 15: 9.75, 14: 9.75, 9: 19.62, 5: 19.62, 0: 39.38},
    ),
    "t4": _card("Tesla T4", 15360, "none"),
}


def card_of(product: str) -> Card:
    """Return the card with that product label. Raises: KeyError."""
    for card in CARDS.values():
        if card.product == product:
            return card
    raise KeyError(f"the sandbox has no card {product!r}; it has: {', '.join(card.product for card in CARDS.values())}")


def new(node: str, card: Card, gpus: int, slices: Mapping[str, int], *, mig: bool) -> State:
    """Return the state of *gpus* cards that hold *slices* (profile → instances), placed largest first."""
    table = model(card.table) if card.table else None
    profiles = [] if table is None else [_profile(card, profile) for profile in table.profiles]
    mode = "[N/A]" if table is None else "Enabled" if mig else "Disabled"
    cards = [
        {
            "index": index,
            "name": card.name,
            "uuid": f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{node}.{index}')}",
            "bus_id": f"00000000:{6 + index:02X}:00.0",
            "memory_mib": card.memory_mib,
            "family": card.family,
            "current": mode,
            "pending": mode,
            "in_use": False,
            "stuck": False,
            "profiles": profiles,
            "instances": [],
        }
        for index in range(gpus)
    ]
    if table is not None:
        _place(cards, table, slices)
    return {"driver": DRIVER, "gpus": cards}


def write(path: Path, state: State) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(state, indent=1))


@contextmanager
def changing(path: Path) -> Iterator[State]:
    """Give the state of the file, locked as nvidia_smi.py locks it, and write it back."""
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state: State = json.load(file)
        yield state
        file.seek(0)
        file.truncate()
        json.dump(state, file, indent=1)


def reboot(state: State) -> None:
    """Do to the cards what a reboot does: Ampere takes what is pending, Hopper loses the mode, all lose instances."""
    for gpu in state["gpus"]:
        match gpu["family"]:
            case "ampere":
                gpu["current"] = gpu["pending"]
            case "hopper":
                gpu["current"] = gpu["pending"] = "Disabled"
        gpu["instances"] = []


def _profile(card: Card, profile: Profile) -> dict[str, Any]:
    sm, dec, enc, ce, jpeg, ofa = card.engines[profile.name]
    return {
        "name": profile.name,
        "id": profile.id,
        "size": profile.size,
        "max": profile.max,
        "starts": list(profile.starts),
        "gib": card.gib[profile.name],
        "sm": sm,
        "dec": dec,
        "enc": enc,
        "ce": ce,
        "jpeg": jpeg,
        "ofa": ofa,
    }


def _place(cards: list[dict[str, Any]], table: GpuModel, slices: Mapping[str, int]) -> None:
    wanted = sorted(
        (table.profile(name) for name, count in slices.items() for _ in range(count)),
        key=lambda profile: (-profile.size, -profile.compute),
    )
    for profile in wanted:
        gpu, start = next(
            (gpu, start)
            for gpu in cards
            for start in profile.starts
            if not {unit for one in gpu["instances"] for unit in range(one["start"], one["start"] + one["size"])}
            & set(range(start, start + profile.size))
        )
        gpu["instances"].append(
            {
                "profile": profile.name,
                "profile_id": profile.id,
                "id": _instance_id(profile, start),
                "start": start,
                "size": profile.size,
                "compute": True,
            }
        )


def _instance_id(profile: Profile, start: int) -> int:
    """Return an id as drivers number instances: by kind and place, so that no two of a card share one."""
    base = {8: 0, 4: 1, 2: 3, 1: 7}.get(profile.size, 7)
    return base + start // profile.size
