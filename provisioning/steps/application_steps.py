"""The step that uploads ClearML's GUI applications."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from policies.network import MANAGED_BY
from provisioning.clients.applications import Applications, Upload
from provisioning.clients.interfaces import ClusterWrites
from provisioning.configuration import ClearMLServer
from provisioning.errors import PermanentError
from provisioning.named_secrets import NamedSecrets
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun

RECORD = "clearml-chatops-applications"  # the Secret that remembers which archive was uploaded last


class UploadInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str | None
    url: str | None
    url_secret: str | None  # by name, where the address itself is secret
    sha256: str
    script: str
    folder: str
    python: str | None
    namespace: str  # where the record is kept: the server's


class UploadedApplications:
    """``platform.applications``: the applications of this archive were uploaded. Outputs: ``said``.

    The server does not tell which applications it holds, so a record in the cluster does. A crash between the
    upload and the record uploads again, which replaces what is there.
    """

    kind = "platform.applications"

    def __init__(
        self, applications: Applications, cluster: ClusterWrites, *, server: ClearMLServer, secrets: NamedSecrets
    ) -> None:
        self._applications = applications
        self._cluster = cluster
        self._server = server
        self._secrets = secrets

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = UploadInputs.model_validate(inputs)
        record = self._cluster.secret(wanted.namespace, RECORD) or {}
        uploaded = record["sha256"].get_secret_value() if "sha256" in record else None
        if uploaded is None:
            return Observation(presence=Presence.ABSENT)
        if uploaded != wanted.sha256:
            return Observation(
                presence=Presence.DIFFERS,
                detail="another archive was uploaded",
                differences={"sha256": (uploaded, wanted.sha256)},
            )
        return Observation(presence=Presence.PRESENT, detail="this archive was uploaded")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = UploadInputs.model_validate(inputs)
        said = self._applications.upload(
            self._archive(wanted),
            Upload(
                sha256=wanted.sha256,
                script=wanted.script,
                folder=wanted.folder,
                python=wanted.python,
                host=self._server.api_url,
                key=SecretStr(self._server.access_key),
                secret=self._server.secret_key,
            ),
            timeout_s=run.timeout_s,
            cancelled=run.cancelled,
            note=run.note,
        )
        self._cluster.put_secret(wanted.namespace, RECORD, {"sha256": wanted.sha256}, MANAGED_BY)
        return {"said": said}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        run.note("the applications stay: the server has no call that removes them")

    def _archive(self, wanted: UploadInputs) -> Path | SecretStr:
        if wanted.file is not None:
            return Path(wanted.file).expanduser()
        if wanted.url is not None:
            return SecretStr(wanted.url)
        found = self._secrets.find(wanted.url_secret or "")
        if found is None:
            raise PermanentError(
                f"the address of the applications, {wanted.url_secret}, is not there",
                next_action="create it, or correct applications.url_secret in the spec",
            )
        return found
