"""What nvidia-smi prints, and what it means."""

import pytest

from provisioning.errors import PermanentError
from provisioning.gpu_modes import GpuInstance, Verdict, differing, failures, parse_instances, parse_modes, wanted

ANSWER = """\
1, 00000000:07:00.0, NVIDIA A100-SXM4-80GB, Disabled, Enabled
0, 00000000:06:00.0, NVIDIA A100-SXM4-80GB, Enabled, Enabled
2, 00000000:08:00.0, Tesla T4, [N/A], [N/A]
"""


def test_modes_are_read_by_index_and_judged_by_both_words() -> None:
    gpus = parse_modes(ANSWER)
    assert [gpu.index for gpu in gpus] == [0, 1, 2]
    assert [gpu.verdict for gpu in gpus] == [Verdict.ENABLED, Verdict.ENABLE_PENDING, Verdict.NOT_CAPABLE]
    assert [gpu.is_capable for gpu in gpus] == [True, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        "0, 00000000:06:00.0, NVIDIA H100, Enabled",
        "0, 00000000:06:00.0, NVIDIA H100, Perhaps, Enabled",
        "x, 00000000:06:00.0, NVIDIA H100, Enabled, Enabled",
    ],
)
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="reading MIG modes: nvidia-smi said"):
        parse_modes(text)


def test_a_change_is_about_the_named_gpus_or_all_that_are_capable() -> None:
    gpus = parse_modes(ANSWER)
    assert [gpu.index for gpu in wanted(gpus, ())] == [0, 1]
    assert [gpu.index for gpu in wanted(gpus, (1, 2))] == [1, 2]
    assert [gpu.index for gpu in differing(gpus, "Enabled")] == [1, 2]
    assert [gpu.index for gpu in differing(gpus, "Disabled")] == [0, 1, 2]


def test_a_gpu_fails_unless_it_is_on_its_way() -> None:
    """Pending is no failure; the program's "All done." is no success."""
    lines = failures(parse_modes(ANSWER), "Enabled", {2: "Unable: Not Supported\nAll done."})
    assert lines == (
        "GPU 2 (00000000:08:00.0): not capable, not enabled; nvidia-smi said: Unable: Not Supported All done.",
    )


def test_instances_are_read_with_their_places() -> None:
    text = """\
+---------------------------------------------------------+
| GPU instances:                                          |
| GPU   Name               Profile  Instance   Placement  |
|                            ID       ID       Start:Size |
|=========================================================|
|   0  MIG 1g.10gb+me        20       13          6:1     |
+---------------------------------------------------------+
|  11  MIG 3g.40gb            9        1          0:4     |
+---------------------------------------------------------+
"""
    assert parse_instances(text) == (
        GpuInstance(gpu=0, profile="1g.10gb+me", id=13, start=6, size=1),
        GpuInstance(gpu=11, profile="3g.40gb", id=1, start=0, size=4),
    )
    assert parse_instances("No MIG-enabled devices found.\n") == ()
