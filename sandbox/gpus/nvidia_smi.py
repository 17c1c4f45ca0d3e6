"""The `nvidia-smi` that kwok runs for `kubectl exec`: answers as the real cards do, from a file.

Run as a program of its own, so it imports nothing of ours. ``SANDBOX_GPUS`` names the node's file
(sandbox/gpus/state.py says what is in it). Texts and layouts are those of driver 580; what the real program
does not document is written as it was seen: "All done." also where nothing was done, a mode that stays pending
while another client holds the card.
"""

import csv
import fcntl
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WIDTH_LGIP, WIDTH_LGI = 79, 57
IN_USE = (
    "is currently being used by one or more other processes (e.g. CUDA application or a monitoring application"
    " such as another instance of nvidia-smi). Please first kill all processes using the device and retry the"
    " command or reboot the system to make MIG mode effective."
)
NOT_FOUND, NO_PERMISSION_OR_USE, INVALID = 6, 19, 2  # NVML's codes, which the program exits with

Gpu = dict[str, Any]


def main(argv: list[str]) -> int:
    """Answer one command line; returns the exit code."""
    path = os.environ.get("SANDBOX_GPUS")
    if path is None or not Path(path).exists():
        say("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")
        return 9
    with _state(Path(path)) as state:
        return _answer(state["gpus"], state, list(argv))


@contextmanager
def _state(path: Path) -> Iterator[dict[str, Any]]:
    """Give the node's cards, locked, and write back what was changed."""
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state = json.load(file)
        before = json.dumps(state)
        yield state
        if json.dumps(state) != before:
            file.seek(0)
            file.truncate()
            json.dump(state, file, indent=1)


def _answer(gpus: list[Gpu], state: dict[str, Any], argv: list[str]) -> int:
    if argv[:1] == ["mig"]:
        return _mig(gpus, argv[1:])
    chosen, rest = _chosen(gpus, argv)
    if chosen is None:
        say("No devices were found")
        return NOT_FOUND
    match rest:
        case ["-mig" | "--multi-instance-gpu", ("0" | "1") as mode]:
            return _set_mode(chosen, "Enabled" if mode == "1" else "Disabled")
        case ["-L" | "--list-gpus"]:
            return _list(chosen)
        case _ if query := next((word for word in rest if word.startswith("--query-gpu=")), None):
            return _query(chosen, state, query.partition("=")[2], [word for word in rest if word != query])
    say(f"Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n{' '.join(argv)}")
    return INVALID


def _chosen(gpus: list[Gpu], argv: list[str]) -> tuple[list[Gpu] | None, list[str]]:
    """Return the cards that ``-i`` names (all without it) and the other words; None where one is not there."""
    words, named = list(argv), None
    for place, word in enumerate(argv):
        if word in {"-i", "--id"}:
            named, words = argv[place + 1].split(","), argv[:place] + argv[place + 2 :]
        elif word.startswith(("-i=", "--id=")):
            named, words = word.partition("=")[2].split(","), argv[:place] + argv[place + 1 :]
    if named is None:
        return gpus, words
    found = [gpu for gpu in gpus if {str(gpu["index"]), gpu["bus_id"], gpu["uuid"]} & set(named)]
    return (found if len(found) == len(named) else None), words


def _set_mode(gpus: list[Gpu], mode: str) -> int:
    verb = "enable" if mode == "Enabled" else "disable"
    code = 0
    for gpu in gpus:
        bus = gpu["bus_id"]
        if gpu["family"] == "none":
            say(f"Unable to {verb} MIG Mode for GPU {bus}: Not Supported\nTreating as warning and moving on.")
        elif gpu["stuck"]:  # seen in the field: it says that it is done, and nothing has happened
            say(f"{mode} MIG Mode for GPU {bus}")
        elif mode == "Disabled" and gpu["instances"]:
            say(f"Unable to {verb} MIG Mode for GPU {bus}: In use by another client")
            code = NO_PERMISSION_OR_USE
        elif gpu["in_use"] and gpu["current"] != mode:
            gpu["pending"] = mode
            say(f"Warning: MIG mode is in pending {verb} state for GPU {bus}:In use by another client\n{bus} {IN_USE}")
        else:
            gpu["current"] = gpu["pending"] = mode
            say(f"{mode} MIG Mode for GPU {bus}")
    say("All done.")
    return code


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _list(gpus: list[Gpu]) -> int:
    for gpu in gpus:
        say(f"GPU {gpu['index']}: {gpu['name']} (UUID: {gpu['uuid']})")
        for device, instance in enumerate(sorted(gpu["instances"], key=lambda one: int(one["start"]))):
            mig = f"MIG-{gpu['uuid'].removeprefix('GPU-')[:-2]}{instance['id']:02d}"
            say(f"  MIG {instance['profile']:<12} Device {device:>2}: (UUID: {mig})")
    return 0


def _query(gpus: list[Gpu], state: dict[str, Any], fields: str, options: list[str]) -> int:
    formats = next((word.partition("=")[2].split(",") for word in options if word.startswith("--format=")), [])
    if "csv" not in formats:
        say("\"--format=\" switch is missing. Please run 'nvidia-smi -h' for help.")
        return INVALID
    plain = "nounits" in formats
    columns: dict[str, tuple[str, Callable[[Gpu], str]]] = {
        "index": ("index", lambda gpu: str(gpu["index"])),
        "name": ("name", lambda gpu: gpu["name"]),
        "gpu_name": ("name", lambda gpu: gpu["name"]),
        "uuid": ("uuid", lambda gpu: gpu["uuid"]),
        "pci.bus_id": ("pci.bus_id", lambda gpu: gpu["bus_id"]),
        "memory.total": ("memory.total [MiB]", lambda gpu: f"{gpu['memory_mib']}{'' if plain else ' MiB'}"),
        "mig.mode.current": ("mig.mode.current", lambda gpu: gpu["current"]),
        "mig.mode.pending": ("mig.mode.pending", lambda gpu: gpu["pending"]),
        "driver_version": ("driver_version", lambda _gpu: str(state["driver"])),
    }
    wanted = [field.strip() for field in fields.split(",")]
    if unknown := [field for field in wanted if field not in columns]:
        say(f'Field "{unknown[0]}" is not a valid field to query.')
        return INVALID
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONE, escapechar="\\")
    rows = [[columns[field][1](gpu) for field in wanted] for gpu in gpus]
    if "noheader" not in formats:
        rows.insert(0, [columns[field][0] for field in wanted])
    writer.writerows([[cell if place == 0 else f" {cell}" for place, cell in enumerate(row)] for row in rows])
    sys.stdout.write(text.getvalue())
    return 0


def _mig(gpus: list[Gpu], argv: list[str]) -> int:
    chosen, rest = _chosen(gpus, argv)
    if chosen is None:
        say("No devices were found")
        return NOT_FOUND
    listing = rest[:1] in (["-lgip"], ["-lgipp"], ["--list-gpu-instance-profiles"])
    capable = [gpu for gpu in chosen if gpu["family"] != "none"]
    enabled = [gpu for gpu in capable if gpu["current"] == "Enabled"]
    if not (capable if listing else enabled):
        say("No MIG-supported devices found." if listing else "No MIG-enabled devices found.")
        return NOT_FOUND
    match rest:
        case ["-lgip" | "--list-gpu-instance-profiles"]:
            return _profiles(capable)
        case ["-lgipp" | "--list-gpu-instance-possible-placements"]:
            return _placements(capable)
        case ["-lgi" | "--list-gpu-instances"]:
            return _instances(enabled)
        case ["-dci" | "--destroy-compute-instance"]:
            return _destroy_compute(enabled)
        case ["-dgi" | "--destroy-gpu-instance"]:
            return _destroy_instances(enabled)
    say(f"Invalid combination of input arguments. Please run 'nvidia-smi mig -h' for help.\nmig {' '.join(argv)}")
    return INVALID


def _fits(gpu: Gpu, profile: dict[str, Any]) -> int:
    """Return how many more of the profile the card can hold where its instances stand: the Free column."""
    taken = {unit for one in gpu["instances"] for unit in range(one["start"], one["start"] + one["size"])}
    held = sum(one["profile"] == profile["name"] for one in gpu["instances"])
    free, end = 0, -1
    for start in sorted(profile["starts"]):
        if start > end and not taken & set(range(start, start + profile["size"])):
            free, end = free + 1, start + profile["size"] - 1
    return int(min(free, profile["max"] - held))


def _profiles(gpus: list[Gpu]) -> int:
    rule = f"+{'-' * WIDTH_LGIP}+"
    say(rule)
    say(f"| {'GPU instance profiles:':<{WIDTH_LGIP - 1}}|")
    say(f"| {'GPU   Name               ID    Instances   Memory     P2P    SM    DEC   ENC':<{WIDTH_LGIP - 1}}|")
    say(f"| {'                               Free/Total   GiB              CE    JPEG  OFA':<{WIDTH_LGIP - 1}}|")
    say(f"|{'=' * WIDTH_LGIP}|")
    for gpu in gpus:
        for profile in gpu["profiles"]:
            count = f"{_fits(gpu, profile)}/{profile['max']}"
            head = f"{gpu['index']:>4}  MIG {profile['name']:<14}{profile['id']:>4}  {count:>6}"
            units = f"{profile['sm']:<3}    {profile['dec']}     {profile['enc']}   "
            first = f"{head}        {profile['gib']:<11.2f}No     {units}"
            second = f"{'':63}{profile['ce']}     {profile['jpeg']}     {profile['ofa']}   "
            say(f"|{first:<{WIDTH_LGIP}}|\n|{second:<{WIDTH_LGIP}}|\n{rule}")
    return 0


def _placements(gpus: list[Gpu]) -> int:
    for gpu in gpus:
        for profile in gpu["profiles"]:
            starts = ",".join(map(str, profile["starts"]))
            word = "Placement :" if len(profile["starts"]) == 1 else "Placements:"
            say(f"GPU {gpu['index']:>2} Profile ID {profile['id']:>2} {word} {{{starts}}}:{profile['size']}")
    return 0


def _instances(gpus: list[Gpu]) -> int:
    found = [(gpu, one) for gpu in gpus for one in sorted(gpu["instances"], key=lambda one: int(one["start"]))]
    if not found:
        say("No GPU instances found: Not Found")
        return NOT_FOUND
    rule = f"+{'-' * WIDTH_LGI}+"
    say(rule)
    say(f"| {'GPU instances:':<{WIDTH_LGI - 1}}|")
    say(f"| {'GPU   Name               Profile  Instance   Placement':<{WIDTH_LGI - 1}}|")
    say(f"| {'                           ID       ID       Start:Size':<{WIDTH_LGI - 1}}|")
    say(f"|{'=' * WIDTH_LGI}|")
    for gpu, one in found:
        name = f"{gpu['index']:>4}  MIG {one['profile']:<16}{one['profile_id']:>4}"
        row = f"{name}     {one['id']:>4}       {one['start']:>4}:{one['size']}"
        say(f"|{row:<{WIDTH_LGI}}|")
        say(rule)
    return 0


def _destroy_compute(gpus: list[Gpu]) -> int:
    found = [(gpu, one) for gpu in gpus for one in gpu["instances"] if one["compute"]]
    if not found:
        say("No compute instances found: Not Found")
        return NOT_FOUND
    for gpu, one in found:
        if gpu["in_use"]:
            say(
                f"Unable to destroy compute instance ID  0 from GPU {gpu['index']:>2} GPU instance ID {one['id']:>2}:"
                " In use by another client\nFailed to destroy compute instances: In use by another client"
            )
            return NO_PERMISSION_OR_USE
        one["compute"] = False
        say(f"Successfully destroyed compute instance ID  0 from GPU {gpu['index']:>2} GPU instance ID {one['id']:>2}")
    return 0


def _destroy_instances(gpus: list[Gpu]) -> int:
    if not any(gpu["instances"] for gpu in gpus):
        say("No GPU instances found: Not Found")
        return NOT_FOUND
    for gpu in gpus:
        for one in list(gpu["instances"]):
            if one["compute"]:
                say(
                    f"Unable to destroy GPU instance ID {one['id']:>2} from GPU {gpu['index']:>2}:"
                    " In use by another client\nFailed to destroy GPU instances: In use by another client"
                )
                return NO_PERMISSION_OR_USE
            gpu["instances"].remove(one)
            say(f"Successfully destroyed GPU instance ID {one['id']:>2} from GPU {gpu['index']:>2}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
