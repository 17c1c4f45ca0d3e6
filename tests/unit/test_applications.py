"""ClearML's applications: the archive is checked, unpacked without harm, and its script run without showing secrets."""

import hashlib
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from provisioning.clients import applications
from provisioning.clients.applications import Applications, Upload, check, unpack
from provisioning.clients.process import ChildCancelledError, ChildProcesses
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError

KEY, SECRET = "the-access-key", "the-secret-key"
# Both generations of the real script's arguments; each writes down what it was given and what others could see.
SCRIPT = """
import argparse, pathlib, sys, time
parser = argparse.ArgumentParser()
for flag in {flags}:
    parser.add_argument(flag, required=flag != "--command")
parser.add_argument("-ml", action="store_true")
given = parser.parse_args()
assert pathlib.Path("upload_apps.py").exists(), "the script runs beside itself"
shown = pathlib.Path("/proc/self/cmdline").read_bytes() + pathlib.Path("/proc/self/environ").read_bytes()
assert b"the-secret-key" not in shown and b"the-access-key" not in shown
print(sorted(path.name for path in pathlib.Path(given.dir).iterdir()), "to", given.host, "as", {who})
{more}
"""
NEWER = SCRIPT.replace("{flags}", "['--host', '--key', '--secret', '--command', '--dir']").replace("{who}", "given.key")
OLDER = SCRIPT.replace("{flags}", "['--host', '--user', '--password', '--dir']").replace("{who}", "given.user")


def packed(folder: Path, script: str, *, name: str = "upload_apps.py") -> Path:
    archive = folder / "apps.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"top/{name}", script)
        file.writestr("top/apps/jupyter/app.json", "{}")
    return archive


def wanted(archive: Path) -> Upload:
    return Upload(
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        script="upload_apps.py",
        folder="apps",
        host="https://api.gpu.example.com",
        key=SecretStr(KEY),
        secret=SecretStr(SECRET),
    )


@pytest.fixture
def upload(tmp_path: Path) -> Callable[..., str]:
    def run(archive: Path, *, timeout_s: float = 30, cancelled: Callable[[], bool] = lambda: False) -> str:
        client = Applications(ChildProcesses(tmp_path / "children", grace_s=0.5))
        return client.upload(
            archive, wanted(archive), timeout_s=timeout_s, cancelled=cancelled, note=lambda _line: None
        )

    return run


@pytest.mark.parametrize("script", [NEWER, OLDER], ids=["--key", "--user"])
def test_both_generations_of_the_script_get_their_arguments(
    tmp_path: Path, upload: Callable[..., str], script: str
) -> None:
    """Its own help says which it is. Secrets are in no list of processes: the script looks for them itself."""
    said = upload(packed(tmp_path, script.replace("{more}", "")))
    assert said == "['jupyter'] to https://api.gpu.example.com as •••"


def test_a_script_of_another_kind_is_refused(tmp_path: Path, upload: Callable[..., str]) -> None:
    with pytest.raises(PermanentError, match="neither --key and --secret nor --user and --password"):
        upload(packed(tmp_path, "import argparse; argparse.ArgumentParser().parse_args()"))


def test_a_failing_script_is_quoted_without_its_secrets(tmp_path: Path, upload: Callable[..., str]) -> None:
    with pytest.raises(PermanentError, match="ended with 3") as caught:
        upload(packed(tmp_path, NEWER.replace("{more}", "print('403 for', given.secret); sys.exit(3)")))
    assert "403 for •••" in caught.value.details


def test_a_script_that_hangs_is_stopped(tmp_path: Path, upload: Callable[..., str]) -> None:
    begun = time.monotonic()
    with pytest.raises(TemporaryError, match="did not finish in 2 s"):
        upload(packed(tmp_path, NEWER.replace("{more}", "time.sleep(60)")), timeout_s=2)
    with pytest.raises(ChildCancelledError):
        upload(
            packed(tmp_path, NEWER.replace("{more}", "time.sleep(60)")),
            cancelled=lambda: time.monotonic() - begun > 5,
        )
    assert time.monotonic() - begun < 30


def test_an_archive_of_another_checksum_is_refused(tmp_path: Path) -> None:
    """What was approved is what runs."""
    archive = packed(tmp_path, NEWER)
    with pytest.raises(PermanentError, match="the spec says 0000"):
        check(archive, "0" * 64)
    with pytest.raises(PermanentError, match="No such file"):
        check(tmp_path / "none.zip", "0" * 64)


@pytest.mark.parametrize("name", ["../up.py", "/etc/passwd", "a/../../b", "C:/x", "..\\up.py", "a\\..\\b"], ids=repr)
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(name, "x")
    with pytest.raises(PermanentError, match="the archive is refused"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "up.py").exists()
    assert list((tmp_path / "out").rglob("*")) == []


def test_links_are_refused(tmp_path: Path) -> None:
    """One that points outside would let the next entry be written there."""
    link = zipfile.ZipInfo("apps")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/tmp")
    with pytest.raises(PermanentError, match="a link or a device"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_bombs_are_refused_before_they_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", b"\0" * 50_000_000)
    with pytest.raises(PermanentError, match="out of all proportion"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    monkeypatch.setattr(applications, "MOST_ENTRIES", 3)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        for number in range(4):
            file.writestr(str(number), "x")
    with pytest.raises(PermanentError, match="4 entries"):
        unpack(tmp_path / "b.zip", tmp_path / "out2")


def test_what_is_no_zip_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"<html>please sign in</html>")
    with pytest.raises(PermanentError, match="not a zip file"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize(
    ("status", "error"), [(404, PermanentError), (403, PermanentError), (503, TemporaryError), (0, UnreachableError)]
)
def test_a_download_that_fails_does_not_show_its_address(
    tmp_path: Path, status: int, error: type[ChatopsError]
) -> None:
    """The address lets whoever has it download."""

    def answer(request: httpx.Request) -> httpx.Response:
        if status == 0:
            raise httpx.ConnectError(f"no route to {request.url}")
        return httpx.Response(status)

    client = Applications(ChildProcesses(tmp_path / "children"), transport=httpx.MockTransport(answer))
    archive = packed(tmp_path, NEWER)
    with pytest.raises(error) as caught:
        client.upload(
            SecretStr("https://downloads.example.com/apps.zip?signature=precious"),
            wanted(archive),
            timeout_s=5,
            cancelled=lambda: False,
            note=lambda _line: None,
        )
    assert "precious" not in f"{caught.value} {caught.value.details}"


def test_a_download_is_unpacked_and_run(tmp_path: Path) -> None:
    archive = packed(tmp_path, NEWER.replace("{more}", ""))
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=archive.read_bytes()))
    client = Applications(ChildProcesses(tmp_path / "children"), transport=transport)
    notes: list[str] = []
    said = client.upload(
        SecretStr("https://downloads.example.com/apps.zip"),
        wanted(archive),
        timeout_s=30,
        cancelled=lambda: False,
        note=notes.append,
    )
    assert said.startswith("['jupyter']")
    assert notes == ["downloading the archive", "unpacking the archive", "running the upload script"]


def test_another_interpreter_may_run_the_script(tmp_path: Path) -> None:
    """The script's own needs may be installed elsewhere."""
    archive = packed(tmp_path, NEWER.replace("{more}", ""))
    client = Applications(ChildProcesses(tmp_path / "children"))
    with pytest.raises(PermanentError, match="starting python-of-nobody"):
        client.upload(
            archive,
            Upload(**{**wanted(archive).__dict__, "python": "/nowhere/python-of-nobody"}),
            timeout_s=5,
            cancelled=lambda: False,
            note=lambda _line: None,
        )
    assert Path(sys.executable).exists()


def fetched(tmp_path: Path, answer: Callable[[httpx.Request], httpx.Response], archive: Path) -> str:
    client = Applications(ChildProcesses(tmp_path / "children"), transport=httpx.MockTransport(answer))
    return client.upload(
        SecretStr("https://downloads.example.com/apps.zip"),
        wanted(archive),
        timeout_s=30,
        cancelled=lambda: False,
        note=lambda _line: None,
    )


def test_an_archive_is_read_no_further_than_it_may_be_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte more is refused, from a file and from a server that goes on sending; the limit itself is fine."""
    archive = packed(tmp_path, NEWER.replace("{more}", ""))
    size = archive.stat().st_size
    monkeypatch.setattr(applications, "CHUNK", 64)
    monkeypatch.setattr(applications, "MOST_ARCHIVE_BYTES", size)
    check(archive, wanted(archive).sha256)
    asked = fetched(tmp_path, lambda _request: httpx.Response(200, content=archive.read_bytes()), archive)
    assert asked.startswith("['jupyter']")
    monkeypatch.setattr(applications, "MOST_ARCHIVE_BYTES", size - 1)
    with pytest.raises(PermanentError, match=r"apps\.zip is larger than"):
        check(archive, wanted(archive).sha256)
    sent = 0

    def endless(_request: httpx.Request) -> httpx.Response:
        def body() -> Iterator[bytes]:
            nonlocal sent
            for _ in range(1000):
                sent += size
                yield b"x" * size

        return httpx.Response(200, content=body())

    with pytest.raises(PermanentError, match="downloading the applications: more than"):
        fetched(tmp_path, endless, archive)
    assert sent <= 2 * size, "it is not read to its end"


def test_an_address_may_lead_to_another_and_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    """As downloads do that a storage signs; 429 is no reason to look at the spec."""
    archive = packed(tmp_path, NEWER.replace("{more}", ""))

    def moved(request: httpx.Request) -> httpx.Response:
        if request.url.host == "downloads.example.com":
            return httpx.Response(302, headers={"location": "https://storage.example.com/apps.zip"})
        return httpx.Response(200, content=archive.read_bytes())

    assert fetched(tmp_path, moved, archive).startswith("['jupyter']")
    with pytest.raises(TemporaryError, match="429"):
        fetched(tmp_path, lambda _request: httpx.Response(429), archive)


def test_bombs_of_many_parts_are_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all entries make together counts, to the last byte that is allowed."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for number in range(4):
            file.writestr(f"part-{number}", b"x" * 1000)
    monkeypatch.setattr(applications, "MOST_UNPACKED_BYTES", 4000)
    unpack(tmp_path / "a.zip", tmp_path / "fits")
    monkeypatch.setattr(applications, "MOST_UNPACKED_BYTES", 3999)
    with pytest.raises(PermanentError, match="'part-3' grows out of all proportion"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["top/apps/a.json"], "the archive holds no file upload_apps.py"),
        (["upload_apps.py/a.json", "apps/a.json"], "the archive holds no file upload_apps.py"),
        (["upload_apps.py"], "the archive holds no folder apps"),
        (["upload_apps.py", "apps"], "the archive holds no folder apps"),
    ],
)
def test_what_is_not_in_the_archive_is_named(
    tmp_path: Path, upload: Callable[..., str], names: list[str], said: str
) -> None:
    """A folder of the script's name is no script, nor the other way round."""
    with zipfile.ZipFile(tmp_path / "apps.zip", "w") as file:
        for name in names:
            file.writestr(name, "")
    with pytest.raises(PermanentError, match=said) as caught:
        upload(tmp_path / "apps.zip")
    assert "applications.script or applications.folder" in caught.value.next_action


def test_folders_of_the_archive_are_made_also_empty_and_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.mkdir("apps/empty")
        file.writestr("apps/a.json", "{}")
        file.mkdir("apps")
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["a.json", "apps", "empty"]


def test_nothing_of_an_upload_stays_on_the_disk(
    tmp_path: Path, upload: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it went well or not; a script that says nothing has no last line."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    silent = NEWER.replace("print(sorted", "(lambda *_: None)(sorted").replace("{more}", "")
    assert upload(packed(tmp_path, silent)) == ""
    with pytest.raises(PermanentError):
        upload(packed(tmp_path, "import argparse; argparse.ArgumentParser().parse_args()"))
    assert list((tmp_path / "temporary").iterdir()) == []
