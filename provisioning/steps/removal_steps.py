"""Steps that remove a tenant for good: the namespace, the company with its data.

None of them is undone. Each can be tried again at any point, and says that it is done where nothing is left.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, field_validator

from policies.network import TENANT_LABEL
from provisioning.clients.interfaces import ClusterReads, ClusterWrites, KubectlWrites
from provisioning.configuration import ServerPods
from provisioning.errors import PermanentError, TemporaryError
from provisioning.plan import Observation, Outputs, Presence
from provisioning.server_pods import running_pod
from provisioning.steps.base import StepRun

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")  # of a company: it becomes a path and an argument


class _Inputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Removal:
    """What is the same of all of them: nothing that was taken comes back."""

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        raise PermanentError(
            "what was deleted does not come back by undoing",
            next_action="Retry goes on deleting; Leave closes the job, and `tenant create` makes the tenant anew",
        )


class AbsentNamespaceInputs(_Inputs):
    namespace: str
    tenant: str  # whose label it must carry


class AbsentNamespace(_Removal):
    """``k8s.namespace_absent``: there is no such namespace. One that is not the tenant's is never deleted."""

    kind = "k8s.namespace_absent"

    def __init__(self, cluster: ClusterWrites) -> None:
        self._cluster = cluster

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = AbsentNamespaceInputs.model_validate(inputs)
        if self._cluster.namespace(wanted.namespace) is None:
            return Observation(presence=Presence.PRESENT, detail="it is gone")
        return Observation(presence=Presence.DIFFERS, detail="it is there")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = AbsentNamespaceInputs.model_validate(inputs)
        found = self._cluster.namespace(wanted.namespace)
        if found is None:
            return {}
        if found["labels"].get(TENANT_LABEL) != wanted.tenant:
            raise PermanentError(
                f"deleting namespace {wanted.namespace}: it does not say that it is tenant {wanted.tenant}'s",
                next_action=f"look at its label {TENANT_LABEL}, then Retry, or Leave the job",
            )
        run.note(f"deleting namespace {wanted.namespace} with everything in it")
        self._cluster.delete_namespace(wanted.namespace, timeout_s=run.timeout_s)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = AbsentNamespaceInputs.model_validate(inputs)
        found = self._cluster.namespace(wanted.namespace)
        if found is None or found["phase"] == "Terminating":
            super().undo(inputs, outputs, run)
        run.note(f"namespace {wanted.namespace} is still there: nothing was taken")


class AbsentCompanyInputs(_Inputs):
    id: str
    name: str
    force: bool = False
    by_jobs: bool  # the server is older than 3.30: by the documented jobs inside the API server's pod

    @field_validator("id")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        return checked_id(value)


class AbsentCompany(_Removal):
    """``clearml.company_absent``: the server has no such company, with its users. No outputs."""

    kind = "clearml.company_absent"

    def __init__(self, clearml: "ClearML", jobs: "ServerJobs") -> None:
        self._clearml = clearml
        self._jobs = jobs

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = AbsentCompanyInputs.model_validate(inputs)
        if not self._is_there(wanted):
            return Observation(presence=Presence.PRESENT, detail="it is gone")
        return Observation(presence=Presence.DIFFERS, detail=f"company {wanted.id}")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = AbsentCompanyInputs.model_validate(inputs)
        if not self._is_there(wanted):
            return {}
        if not wanted.by_jobs:
            self._clearml.delete_tenant(wanted.id, wanted.name, force=wanted.force)
        else:
            run.note("the API server's job deletes the company's data from MongoDB")
            job = ("delete_company_data_from_mongo", "--id", wanted.id, "--name", wanted.name, "--delete-user")
            self._jobs.run(job, run)
        if self._is_there(wanted):
            raise TemporaryError(
                f"deleting company {wanted.name}: the server said it did, but it is still there", next_action="Retry"
            )
        return {}

    def _is_there(self, wanted: AbsentCompanyInputs) -> bool:
        return any(company.id == wanted.id and company.active for company in self._clearml.companies())


class CompanyDataInputs(_Inputs):
    id: str

    @field_validator("id")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        return checked_id(value)


class CompanyData(_Removal):
    """``clearml.company_data``: ElasticSearch and the file server keep nothing of the company. No outputs.

    Nothing tells whether anything is left, so it is done whenever it is asked for; doing it twice is harmless.
    """

    kind = "clearml.company_data"

    def __init__(self, jobs: "ServerJobs") -> None:
        self._jobs = jobs

    def observe(self, inputs: dict[str, Any]) -> Observation:
        CompanyDataInputs.model_validate(inputs)
        return Observation(presence=Presence.DIFFERS, detail="nothing tells what is left: it is removed again")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = CompanyDataInputs.model_validate(inputs)
        run.note("the API server's job deletes the company's data from ElasticSearch")
        self._jobs.run(("cleanup_deleted_companies", "--ids", wanted.id, "--delete-company"), run)
        run.note("deleting the company's files from the file server")
        self._jobs.remove_files(wanted.id, run)
        return {}


class ServerJobs:
    """What is done inside the pods of a ClearML server before 3.30. Source: ClearML's guide to deleting tenants."""

    def __init__(self, cluster: ClusterReads, kubectl: KubectlWrites, server: ServerPods) -> None:
        self._cluster = cluster
        self._kubectl = kubectl
        self._server = server

    def run(self, job: Sequence[str], run: StepRun) -> None:
        """Run one of the server's management jobs. Raises: PermanentError with its last words."""
        name, *arguments = job
        command = ["env", "PYTHONPATH=../trains-server-repo", "python3", "-m", f"jobs.management.{name}", *arguments]
        self._exec(self._server.apiserver, self._server.apiserver_container, command, f"running {name}", run)

    def remove_files(self, company_id: str, run: StepRun) -> None:
        """Delete the company's folder on the file server."""
        path = f"{self._server.files_path.rstrip('/')}/{checked_id(company_id)}"
        command = ["rm", "-rf", "--", path]
        self._exec(self._server.fileserver, self._server.fileserver_container, command, f"deleting {path}", run)

    def _exec(self, prefix: str, container: str | None, command: list[str], doing: str, run: StepRun) -> None:
        namespace = self._server.namespace
        pod = running_pod(self._cluster, namespace, prefix)
        if pod is None:
            raise TemporaryError(
                f"{doing}: no pod {prefix}… runs in namespace {namespace}",
                next_action="wait until the ClearML server runs, or check SERVER__NAMESPACE, SERVER__APISERVER and"
                " SERVER__FILESERVER, then Retry",
            )
        ended = self._kubectl.exec(namespace, pod, container, command, timeout_s=run.timeout_s, cancelled=run.cancelled)
        if ended.returncode != 0:
            raise PermanentError(
                f"{doing} in {namespace}/{pod}: it ended with {ended.returncode}",
                next_action="read its last words, mend what they say, then Retry",
                details="\n".join((ended.stdout + ended.stderr).splitlines()[-12:]),
            )


def checked_id(value: str) -> str:
    """Return the company's id. Raises: ValueError where it could be anything else, above all empty."""
    if not _ID.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is no company id")
    return value
