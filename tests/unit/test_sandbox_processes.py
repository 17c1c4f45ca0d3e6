"""What the sandbox starts ends with it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.processes import Child

SLEEP = [sys.executable, "-c", "import time; time.sleep(120)"]
OWNER = """
import sys, time
from pathlib import Path
from sandbox.processes import Child
child = Child("child", {argv!r}, log=Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(120)
"""


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_children_end_with_who_started_them(tmp_path: Path, number: signal.Signals) -> None:
    """A test run that is ended by a signal leaves no control plane behind."""
    command = [sys.executable, "-c", OWNER.format(argv=SLEEP), str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert _lives(pid)
        os.kill(owner.pid, number)
        owner.wait(10)
    deadline = time.monotonic() + 10
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_nothing_waits_for_a_child_that_was_ended(tmp_path: Path, how: str) -> None:
    child = Child("child", SLEEP, log=tmp_path / "log")
    will = child._will.pid
    getattr(child, how)()
    assert child.returncode is not None
    assert not _lives(will)
