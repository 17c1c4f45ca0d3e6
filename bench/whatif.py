"""What still fits on 40,000 GPUs: equal layouts solved once, as the product does, against each GPU by itself.

Each figure is processor time of a fresh process, so nothing is known beforehand; the machine may do other things.
"""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable

from bench.rows import Row
from policies.approvals import Refusal
from provisioning.capacity import question, whatif
from provisioning.capacity.inventory import Supply
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import GpuModel, model
from provisioning.capacity.solve import Room, nothing, rooms

NODES, GPUS = 5000, 8
HELD = 10  # instances of a node that pods hold
ALONE = 400  # GPUs solved one by one, and scaled up
MODEL = "H100-80GB/H800"
REQUESTS = (
    {"3g.40gb": 400, "2g.20gb": 100},
    {"4g.40gb": 50, "2g.20gb": 50},
    {"4g.40gb": 500},
)
LONGEST_S = 900


def rows(runs: int) -> list[Row]:
    """Return the processor time of both."""
    figures = [_in_a_fresh_process() for _ in range(runs)]
    return [
        Row(
            what=f"what-if: {NODES * GPUS} GPUs and {len(REQUESTS)} requests (processor time)",
            ours=[whole for whole, _ in figures],
            theirs=[alone for _, alone in figures],
            against=f"each GPU by itself ({ALONE}, scaled up)",
        )
    ]


def _in_a_fresh_process() -> tuple[float, float]:
    command = [sys.executable, "-m", "bench.whatif"]
    said = subprocess.run(command, check=True, capture_output=True, timeout=LONGEST_S).stdout
    whole, alone = json.loads(said)
    return float(whole), float(alone)


def supplies(nodes: int) -> list[Supply]:
    """Return nodes of which every GPU's layout is known, cut in five ways, each with other instances in use."""
    chosen = random.Random(7)  # noqa: S311 - the same cluster every time
    gpu, cuts = model(MODEL), _cuts()
    found = []
    for number in range(nodes):
        layouts = chosen.choice(cuts)
        there = [one.profile for layout in layouts for one in sorted(layout)]
        found.append(
            Supply(
                node=f"gpu-{number:04}",
                gpu=gpu,
                gpus=GPUS,
                mig_gpus=GPUS,
                exist=Counter(there),
                used=Counter(chosen.sample(there, min(HELD, len(there)))),
                layouts=dict(enumerate(layouts)),
            )
        )
    return found


def _cuts() -> list[list[Layout]]:
    mixed = _layout("3g.40gb@4 2g.20gb@0 1g.10gb@2")
    threes = _layout("3g.40gb@0 2g.20gb@4 1g.10gb@6")
    twos = _layout("2g.20gb@0 2g.20gb@2 2g.20gb@4 1g.10gb@6")
    ones = _layout(" ".join(f"1g.10gb@{start}" for start in range(7)))
    whole = _layout("7g.80gb@0")
    halves = ((mixed, mixed), (whole, ones), (mixed, twos), (whole, whole), (threes, twos))
    return [[one] * (GPUS // 2) + [other] * (GPUS // 2) for one, other in halves]


def _layout(text: str) -> Layout:
    parts = (part.split("@") for part in text.split())
    return frozenset(Instance(profile, int(start)) for profile, start in parts)


def _whole(nodes: list[Supply]) -> tuple[float, list[str]]:
    """Return the seconds that it takes to answer, and the answers."""
    began = time.process_time()
    found = rooms(nodes)
    answers = [question.answer(nodes, found, request) for request in REQUESTS]
    took = time.process_time() - began
    return took, [one.reason if isinstance(one, Refusal) else one.verdict for one in answers]


def _alone(nodes: list[Supply]) -> float:
    """Return the seconds that each GPU by itself would take. Raises: RuntimeError where the numbers differ."""
    chosen = random.Random(8)  # noqa: S311 - the same GPUs every time
    gpu = model(MODEL)
    sample = [
        _one_gpu(at, chosen.choice([*(node.layouts or {}).values()]))
        for at, node in enumerate(chosen.sample(nodes, ALONE))
    ]
    request = ",".join(REQUESTS[0])
    began = time.process_time()
    fits = [whatif.fits(MODEL, idle=",".join(map(str, sorted(_only(one)))), request=request) for one in sample]
    took = time.process_time() - began
    by_itself = [sum(one.creatable[profile.name] for one in fits) for profile in gpu.profiles]
    if by_itself != _creatable(gpu, rooms(sample).values()):
        raise RuntimeError(f"GPUs by themselves have room for {by_itself}, together for something else")
    return took / ALONE * NODES * GPUS


def _one_gpu(number: int, layout: Layout) -> Supply:
    exist = Counter(one.profile for one in layout)
    return Supply(node=f"one-{number}", gpu=model(MODEL), gpus=1, mig_gpus=1, exist=exist, layouts={0: layout})


def _only(one: Supply) -> Layout:
    (layout,) = (one.layouts or {}).values()
    return layout


def _creatable(gpu: GpuModel, found: Iterable[Room]) -> list[int]:
    total = nothing(gpu)
    for room in found:
        total = total.plus(room)
    return list(total.creatable[0][:-1])


def main() -> None:
    nodes = supplies(NODES)
    whole, answers = _whole(nodes)
    print(f"    {', '.join(answers)}", file=sys.stderr)
    print(json.dumps([whole, _alone(nodes)]))


if __name__ == "__main__":
    main()
