"""The sandbox's `nvidia-smi` prints what real cards print, and behaves as they do."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.gpus import nvidia_smi, state

DATA = Path(__file__).parents[1] / "data" / "nvidia-smi"
QUERY = ["--query-gpu=index,pci.bus_id,mig.mode.current,mig.mode.pending", "--format=csv,noheader"]


class Node:
    """One node's cards, and the program."""

    def __init__(self, folder: Path, card: str, gpus: int = 1, *, mig: bool = False, **slices: int) -> None:
        self.file = folder / "node.json"
        named = {name.replace("_", ".").removeprefix("p"): count for name, count in slices.items()}
        state.write(self.file, state.new("node", state.CARDS[card], gpus, named, mig=mig))

    def run(self, *argv: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", nvidia_smi.__file__, *argv],
            env={"SANDBOX_GPUS": str(self.file)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert not done.stderr
        return done.returncode, done.stdout

    def modes(self) -> list[str]:
        return [", ".join(line.split(", ")[2:]) for line in self.run(*QUERY)[1].splitlines()]

    def set(self, **fields: object) -> None:
        with state.changing(self.file) as found:
            for gpu in found["gpus"]:
                gpu.update(fields)


@pytest.mark.parametrize(
    ("card", "file", "words"),
    [
        ("h100", "h100-80gb.smi.txt", ["mig", "-lgip"]),
        ("h100", "h100-80gb.smi.txt", ["mig", "-lgipp"]),
        ("h100", "h100-80gb.smi.txt", ["mig", "-lgi"]),
        ("h200", "h200-141gb.lgip.txt", ["mig", "-lgip"]),
        ("h200", "h200-141gb.lgipp.txt", ["mig", "-lgipp"]),
    ],
)
def test_prints_what_real_cards_print(tmp_path: Path, card: str, file: str, words: list[str]) -> None:
    """Letter for letter, on idle cards that are not in MIG mode."""
    printed = Node(tmp_path, card).run(*words)[1]
    assert printed
    assert printed in (DATA / file).read_text()


def test_hopper_changes_its_mode_at_once_and_loses_it_in_a_reboot(tmp_path: Path) -> None:
    """No reset is needed; after a reboot the mode and the instances are gone."""
    node = Node(tmp_path, "h100", 2)
    assert node.run("-i", "1", "-mig", "1") == (0, "Enabled MIG Mode for GPU 00000000:07:00.0\nAll done.\n")
    assert node.modes() == ["Disabled, Disabled", "Enabled, Enabled"]
    with state.changing(node.file) as found:
        state.reboot(found)
    assert node.modes() == ["Disabled, Disabled"] * 2


def test_ampere_in_use_stays_pending_until_a_reboot_and_keeps_the_mode(tmp_path: Path) -> None:
    """It says "All done." although it only will be, and a reboot makes it so, for good."""
    node = Node(tmp_path, "a100")
    node.set(in_use=True)
    code, said = node.run("-i", "0", "-mig", "1")
    assert code == 0
    assert "pending enable state for GPU 00000000:06:00.0:In use by another client" in said
    assert said.endswith("All done.\n")
    assert node.modes() == ["Disabled, Enabled"]
    for _ in range(2):
        with state.changing(node.file) as found:
            state.reboot(found)
        assert node.modes() == ["Enabled, Enabled"]


def test_a_card_without_mig_says_so_and_is_done_all_the_same(tmp_path: Path) -> None:
    node = Node(tmp_path, "t4")
    code, said = node.run("-i", "0", "-mig", "1")
    assert code == 0
    assert "Not Supported" in said
    assert said.endswith("All done.\n")
    assert node.modes() == ["[N/A], [N/A]"]


def test_instances_are_listed_with_their_places_and_keep_the_mode_on(tmp_path: Path) -> None:
    """The mode goes off only after compute instances and GPU instances are destroyed, in that order."""
    node = Node(tmp_path, "h100", mig=True, p3g_40gb=1, p1g_10gb=2)
    listed = node.run("mig", "-lgi")[1]
    assert "|   0  MIG 3g.40gb            9        1          0:4     |" in listed
    assert "|   0  MIG 1g.10gb           19       12          5:1     |" in listed
    assert "In use by another client" in node.run("-i", "0", "-mig", "0")[1]
    assert node.modes() == ["Enabled, Enabled"]
    assert "Failed to destroy GPU instances: In use" in node.run("mig", "-dgi", "-i", "0")[1]
    assert node.run("mig", "-dci", "-i", "0")[1].count("Successfully destroyed compute instance") == 3
    assert node.run("mig", "-dgi", "-i", "0")[1].count("Successfully destroyed GPU instance") == 3
    assert node.run("mig", "-lgi") == (6, "No GPU instances found: Not Found\n")
    assert node.run("-i", "0", "-mig", "0")[1].endswith("All done.\n")
    assert node.modes() == ["Disabled, Disabled"]


def test_unknown_cards_fields_and_words_are_refused(tmp_path: Path) -> None:
    node = Node(tmp_path, "h100")
    assert node.run("-i", "7", "-mig", "1")[0] != 0
    assert 'Field "mig.state" is not a valid field' in node.run("--query-gpu=mig.state", "--format=csv")[1]
    assert "Invalid combination" in node.run("--reset-everything")[1]
