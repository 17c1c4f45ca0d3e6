"""Children run in a group of their own, never outlive a cancel, and a dead bot's are found again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioning.clients import process_table
from provisioning.clients.child_records import MARK
from provisioning.clients.process import ChildCancelledError, ChildProcesses, ChildTimedOutError
from provisioning.errors import PermanentError

PYTHON = sys.executable


@pytest.fixture
def children(tmp_path: Path) -> ChildProcesses:
    return ChildProcesses(tmp_path / "children", grace_s=0.5)


def _wait_gone(pid: int, within_s: float = 3) -> bool:
    deadline = time.monotonic() + within_s
    while process_table.start_time(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process_table.start_time(pid) is None


def _wait_file(path: Path, within_s: float = 5) -> str:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.01)
    pytest.fail(f"{path.name} never came")


def test_it_returns_how_the_child_ended(children: ChildProcesses) -> None:
    """Exit code, stdout and stderr come back apart, whatever the code is."""
    code = "import sys; print('out ü'); print('err', file=sys.stderr); sys.exit(3)"
    completed = children.run([PYTHON, "-c", code], timeout_s=20)
    assert (completed.returncode, completed.stdout, completed.stderr) == (3, "out ü\n", "err\n")


def test_input_and_output_larger_than_a_pipe_pass(children: ChildProcesses) -> None:
    """Four megabytes in and out do not deadlock, and arrive whole."""
    content = os.urandom(2 << 20).hex().encode()
    code = "import sys; data = sys.stdin.read(); sys.stderr.write(data); sys.stdout.write(data)"
    completed = children.run([PYTHON, "-c", code], stdin=content, timeout_s=30)
    assert completed.stdout.encode() == content
    assert completed.stderr.encode() == content


def test_a_child_without_input_reads_nothing(children: ChildProcesses) -> None:
    """Nothing of the bot's own stdin reaches a child."""
    assert children.run([PYTHON, "-c", "import sys; print(repr(sys.stdin.read()))"], timeout_s=20).stdout == "''\n"


def test_the_whole_input_is_there_before_the_child_starts(children: ChildProcesses, tmp_path: Path) -> None:
    """The input is a sealed file, not a pipe that a dying bot would cut short."""
    code = "import os, sys; print(os.fstat(0).st_size, os.path.exists(os.readlink('/proc/self/fd/0')))"
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    assert children.run([PYTHON, "-c", code], stdin=b"x" * 100_000, timeout_s=20).stdout == "100000 False\n"


def test_our_settings_and_the_tools_own_variables_are_withheld(
    children: ChildProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child sees neither our secrets nor variables that change what helm does; it does see the rest."""
    monkeypatch.setenv("CLEARML_CHATOPS_SLACK__BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("HELM_DEBUG", "true")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    seen = json.loads(children.run([PYTHON, "-c", code], timeout_s=20).stdout)
    assert "CLEARML_CHATOPS_SLACK__BOT_TOKEN" not in seen
    assert "HELM_DEBUG" not in seen
    assert seen["HTTPS_PROXY"] == "http://proxy.example:3128"


def test_a_cancel_kills_the_whole_group(children: ChildProcesses, tmp_path: Path) -> None:
    """What the child started dies with it, although both ignore TERM."""
    pids = tmp_path / "pids"
    code = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal, time;"
        " signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)'])\n"
        f"open({str(pids)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(pids)!r} + '.new', {str(pids)!r})\n"
        "time.sleep(60)\n"
    )
    started = time.monotonic()
    with pytest.raises(ChildCancelledError, match="cancelled"):
        children.run([PYTHON, "-c", code], timeout_s=30, cancelled=pids.exists)
    assert time.monotonic() - started < 10
    parent, child = pids.read_text().split()
    assert _wait_gone(int(parent))
    assert _wait_gone(int(child))


def test_a_cancelled_child_may_end_by_itself(tmp_path: Path) -> None:
    """TERM comes first, so that helm can store where it stopped."""
    children = ChildProcesses(tmp_path / "children", grace_s=5)
    ready, last_words = tmp_path / "ready", tmp_path / "last-words"
    code = (
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(last_words)!r}, 'w').write('bye'), sys.exit(0)))\n"
        f"open({str(ready)!r}, 'w').write('1')\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(ChildCancelledError):
        children.run([PYTHON, "-c", code], timeout_s=30, cancelled=ready.exists)
    assert last_words.read_text() == "bye"


def test_a_timeout_says_so_with_the_last_lines(children: ChildProcesses) -> None:
    """A child that runs too long is killed, the error is temporary and quotes what it said last."""
    code = "import sys, time; print('waiting for x', file=sys.stderr, flush=True); time.sleep(60)"
    with pytest.raises(ChildTimedOutError, match="did not finish in 1 s") as caught:
        children.run([PYTHON, "-c", code], timeout_s=1)
    assert caught.value.details == "waiting for x"


def test_a_grandchild_that_holds_the_pipes_does_not_hold_us(children: ChildProcesses) -> None:
    """When the child ends, what it left behind is killed and `run` returns."""
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    started = time.monotonic()
    completed = children.run([PYTHON, "-c", code], timeout_s=30)
    assert time.monotonic() - started < 10
    assert _wait_gone(int(completed.stdout))


def test_nothing_is_started_once_the_bot_goes_down(children: ChildProcesses, tmp_path: Path) -> None:
    """After stop_all a run ends as cancelled before its program starts."""
    children.stop_all()
    with pytest.raises(ChildCancelledError):
        children.run([PYTHON, "-c", f"open({str(tmp_path / 'x')!r}, 'w')"], timeout_s=5)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [(["/nonexistent/helm"], "starting helm: No such file"), ([PYTHON, "-c", "\0"], "an argument holds a NUL")],
)
def test_a_program_that_cannot_start_is_a_permanent_error(children: ChildProcesses, argv: list[str], says: str) -> None:
    """The error names the program and what to do."""
    with pytest.raises(PermanentError, match=says) as caught:
        children.run(argv, timeout_s=5)
    assert "tools install" in caught.value.next_action


def test_living_children_are_known_by_what_they_work_on(children: ChildProcesses, tmp_path: Path) -> None:
    """While a child runs its subject has a pid; afterwards it has none, and no record stays."""
    seen: list[tuple[tuple[int, int], ...]] = []

    def look() -> bool:
        seen.append(children.owners("helm release acme/agent"))
        return False

    children.run([PYTHON, "-c", "import time; time.sleep(0.3)"], timeout_s=20, cancelled=look, subject="other")
    assert set(seen) == {()}
    seen.clear()
    children.run(
        [PYTHON, "-c", "import time; time.sleep(0.3)"],
        timeout_s=20,
        cancelled=look,
        subject="helm release acme/agent",
    )
    assert [owner for _, owner in seen[-1]] == [os.getpid()]
    assert children.owners("helm release acme/agent") == ()
    assert list((tmp_path / "children").iterdir()) == []


BOT = """
import sys
from pathlib import Path
from provisioning.clients.process import ChildProcesses
code = '''
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True)
open(sys.argv[1] + ".partial", "w").write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".partial", sys.argv[1])
time.sleep(120)
'''
children = ChildProcesses(Path(sys.argv[1]))
children.run([sys.executable, "-c", code, sys.argv[2]], timeout_s=100, subject="helm release a/b")
"""


def test_a_killed_bots_children_are_reaped_by_the_next(tmp_path: Path) -> None:
    """kill -9 of the bot leaves its helm running; the next bot kills it and what it had started apart."""
    run_dir, pids = tmp_path / "children", tmp_path / "pids"
    bot = subprocess.Popen([PYTHON, "-c", BOT, run_dir, pids])
    child, grandchild = (int(pid) for pid in _wait_file(pids, within_s=20).split())
    children = ChildProcesses(run_dir)
    try:
        assert children.reap_orphans() == [], "a living bot's children are left alone"
        bot.send_signal(signal.SIGKILL)
        bot.wait()
        assert [pid for pid, _ in children.owners("helm release a/b")] == [child]
        lines = children.reap_orphans()
    finally:
        bot.kill()
        bot.wait()
    assert lines[0] == f"killed helm release a/b (pid {child}) of a dead bot"
    assert len(lines) == 2
    assert _wait_gone(child)
    assert _wait_gone(grandchild)
    assert children.reap_orphans() == []
    assert list(run_dir.glob("*.json")) == []


def test_a_recycled_pid_is_never_killed(tmp_path: Path) -> None:
    """A record whose pid now belongs to another process is dropped, and that process lives."""
    run_dir = tmp_path / "children"
    run_dir.mkdir()
    stranger = subprocess.Popen([PYTHON, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        record = {
            "pid": stranger.pid,
            "started": "1@an-earlier-boot",
            "subject": "helm release a/b",
            "owner": stranger.pid,
            "owner_started": "1@an-earlier-boot",
        }
        (run_dir / f"{stranger.pid}.json").write_text(json.dumps(record))
        (run_dir / "torn.json").write_text('{"pid":')
        children = ChildProcesses(run_dir)
        assert children.owners("helm release a/b") == ()
        assert children.reap_orphans() == []
        assert stranger.poll() is None
        assert not (run_dir / f"{stranger.pid}.json").exists()
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="marks are found in /proc")
def test_a_child_without_a_record_is_found_by_its_mark(tmp_path: Path) -> None:
    """A bot that dies between starting a child and recording it leaves no helm behind either."""
    run_dir = tmp_path / "children"
    code = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True).pid)"
    )
    starter = subprocess.run(
        [PYTHON, "-c", code], env={**os.environ, MARK: str(run_dir)}, capture_output=True, text=True, check=True
    )
    pid = int(starter.stdout)
    assert ChildProcesses(run_dir).reap_orphans() == [f"killed an unrecorded child (pid {pid}) of a dead bot"]
    assert _wait_gone(pid)
