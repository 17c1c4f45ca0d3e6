"""The step that uploads the applications: what was uploaded is remembered in the cluster, whatever crashes between."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from provisioning.clients.applications import Upload
from provisioning.errors import PermanentError, TemporaryError
from provisioning.named_secrets import NamedSecrets
from provisioning.plan import Presence
from provisioning.steps.application_steps import RECORD, UploadedApplications
from provisioning.steps.base import StepRun
from tests.fakes import FakeCluster
from tests.unit.platform_samples import configuration

RUN = StepRun(job_id="job-1", step_id="applications", attempt=1, timeout_s=60)
INPUTS: dict[str, Any] = {
    "file": None,
    "url": "https://downloads.example.com/apps.zip",
    "url_secret": None,
    "sha256": "a" * 64,
    "script": "upload_apps.py",
    "folder": "apps",
    "python": None,
    "namespace": "clearml",
}


@dataclass
class Uploader:
    """Takes uploads. ``error``: why the next one fails."""

    error: Exception | None = None
    taken: list[tuple[Path | SecretStr, Upload]] = field(default_factory=list)

    def upload(self, archive: Path | SecretStr, wanted: Upload, **about: Any) -> str:
        if self.error is not None:
            problem, self.error = self.error, None
            raise problem
        assert about["timeout_s"] == RUN.timeout_s
        about["note"]("running the upload script")
        self.taken.append((archive, wanted))
        return "2 applications"


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def step(cluster: FakeCluster, uploader: Uploader) -> UploadedApplications:
    secrets = NamedSecrets(
        cluster, {"platform.secrets.apps": SecretStr("https://downloads.example.com/x?sig=precious")}
    )
    return UploadedApplications(cast("Any", uploader), cluster, server=configuration().clearml, secrets=secrets)


def test_an_archive_is_uploaded_once_with_the_bots_credentials(cluster: FakeCluster) -> None:
    """Then it is there, also for a bot that knows nothing but the cluster."""
    uploader, notes = Uploader(), list[str]()
    action = step(cluster, uploader)
    assert action.observe(INPUTS).presence is Presence.ABSENT
    assert action.apply(INPUTS, replace(RUN, note=notes.append)) == {"said": "2 applications"}
    archive, wanted = uploader.taken[0]
    assert isinstance(archive, SecretStr)
    assert archive.get_secret_value() == INPUTS["url"]
    assert (wanted.host, wanted.key.get_secret_value(), wanted.secret.get_secret_value()) == (
        "https://api.gpu.example.com",
        "the-access-key",
        "the-secret-key",
    )
    assert (wanted.sha256, wanted.script, wanted.folder) == ("a" * 64, "upload_apps.py", "apps")
    assert notes == ["running the upload script"]
    assert step(cluster, Uploader()).observe(INPUTS).presence is Presence.PRESENT
    assert cluster.secrets["clearml", RECORD] == {"sha256": "a" * 64}


def test_another_archive_differs_and_replaces(cluster: FakeCluster) -> None:
    cluster.secrets["clearml", RECORD] = {"sha256": "b" * 64}
    action = step(cluster, Uploader())
    seen = action.observe(INPUTS)
    assert seen.presence is Presence.DIFFERS
    assert seen.differences == {"sha256": ("b" * 64, "a" * 64)}
    action.apply(INPUTS, RUN)
    assert action.observe(INPUTS).presence is Presence.PRESENT


def test_what_fails_is_not_remembered(cluster: FakeCluster) -> None:
    """Neither an upload that fails, nor one whose record could not be written: Retry uploads again."""
    uploader = Uploader(error=PermanentError("the upload script ended with 3"))
    action = step(cluster, uploader)
    with pytest.raises(PermanentError, match="ended with 3"):
        action.apply(INPUTS, RUN)
    assert action.observe(INPUTS).presence is Presence.ABSENT
    cluster.fail_next_write = TemporaryError("etcd")
    with pytest.raises(TemporaryError):
        action.apply(INPUTS, RUN)
    assert action.observe(INPUTS).presence is Presence.ABSENT
    action.apply(INPUTS, RUN)
    assert len(uploader.taken) == 2


def test_an_archive_may_be_a_file_or_lie_at_a_secret_address(cluster: FakeCluster) -> None:
    uploader = Uploader()
    action = step(cluster, uploader)
    action.apply({**INPUTS, "url": None, "file": "/charts/apps.zip"}, RUN)
    action.apply({**INPUTS, "url": None, "url_secret": "platform.secrets.apps"}, RUN)
    file, address = (archive for archive, _ in uploader.taken)
    assert file == Path("/charts/apps.zip")
    assert isinstance(address, SecretStr)
    assert "precious" in address.get_secret_value()
    assert "precious" not in str(uploader.taken)


def test_an_address_that_is_not_there_is_named(cluster: FakeCluster) -> None:
    with pytest.raises(PermanentError, match=r"clearml/downloads/apps, is not there") as caught:
        step(cluster, Uploader()).apply({**INPUTS, "url": None, "url_secret": "clearml/downloads/apps"}, RUN)
    assert caught.value.next_action == "create it, or correct applications.url_secret in the spec"


def test_undo_leaves_them_and_says_so(cluster: FakeCluster) -> None:
    """The server has no call that removes one; the record goes on to be true."""
    cluster.secrets["clearml", RECORD] = {"sha256": "a" * 64}
    notes: list[str] = []
    step(cluster, Uploader()).undo(INPUTS, {}, replace(RUN, note=notes.append))
    assert "stay" in notes[0]
    assert cluster.secrets["clearml", RECORD] == {"sha256": "a" * 64}
