"""`tenant delete`: releases, namespace, company with all data, leases, record. The audit trail stays. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from commands.tenant_lifecycle import TenantDelete
from policies.approvals import Refusal
from policies.guardrails import name_refusal
from policies.network import TENANT_LABEL
from provisioning.operations.base import Draft
from provisioning.operations.tenant_existing import not_recorded
from provisioning.plan import Step
from provisioning.wording import listed

SHOWN = 5  # pods in a message
SECONDS_TO_UNINSTALL = 270
SECONDS_FOR_DATA = 1800


@dataclass(frozen=True, kw_only=True)
class DoomedTenant:
    """What there is of a tenant that is to be deleted."""

    reserved: tuple[str, ...]  # namespaces of the platform
    is_recorded: bool
    made_by_job: int | None = None  # the number of a job of ours that set out to make the company
    namespace_owner: str | None = (
        None  # what the namespace says whose it is; "" where it says nothing; None: no namespace
    )
    releases: tuple[str, ...] = ()  # of the namespace, those of routers first
    company_id: str | None = None
    task_pods: tuple[str, ...] = ()  # pods that no controller looks after: tasks and sessions
    resources: tuple[str, ...] = ()  # what the server says that runs, where it is new enough to say
    has_tenants_api: bool = False  # server 3.30 and newer
    can_run_jobs: bool = True  # the API server's and the file server's pods run where the settings say


class DeleteTenant:
    """The operation. Nothing of it is undone."""

    command = "tenant delete"
    args = TenantDelete

    def draft(self, args: TenantDelete, facts: DoomedTenant) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if refusal := _refusal(args, facts):
            return refusal
        return Draft(
            subject=args.name,
            summary=f"Delete tenant {args.name}: {_what(facts)}",
            steps=tuple(_steps(args, facts)),
            warnings=tuple(_warnings(args, facts)),
        )


def _what(facts: DoomedTenant) -> str:
    parts = [f"release {release}" for release in facts.releases]
    if facts.namespace_owner is not None:
        parts.append("its namespace with everything in it")
    if facts.company_id is not None:
        parts.append(f"company {facts.company_id} with all users, tasks, models and files")
    return ", ".join([*parts, "its record and its ports"])


def _steps(args: TenantDelete, facts: DoomedTenant) -> Iterator[Step]:
    """Yield them in the order of ClearML's guide: what would write goes before what is written."""
    tenant = args.name
    done: tuple[str, ...] = ()
    for release in facts.releases:
        yield Step(
            id=f"uninstall_{release}",
            kind="helm.uninstalled",
            destroys=True,
            title=f"Uninstall {release}",
            needs=done,
            inputs={"namespace": tenant, "release": release, "wait_s": SECONDS_TO_UNINSTALL},
            timeout_s=300,
        )
        done = (f"uninstall_{release}",)
    if facts.namespace_owner is not None:
        yield Step(
            id="namespace",
            kind="k8s.namespace_absent",
            destroys=True,
            title=f"Delete namespace {tenant}",
            needs=done,
            inputs={"namespace": tenant, "tenant": tenant},
            timeout_s=300,
        )
        done = ("namespace",)
    if facts.company_id is not None:
        by_jobs = not facts.has_tenants_api
        yield Step(
            id="company",
            kind="clearml.company_absent",
            destroys=True,
            title=f"Delete company {tenant} and its users" + (" by the server's own job" if by_jobs else ""),
            needs=done,
            inputs={"id": facts.company_id, "name": tenant, "force": args.force, "by_jobs": by_jobs},
            timeout_s=SECONDS_FOR_DATA,
        )
        done = ("company",)
        if by_jobs:
            yield Step(
                id="data",
                kind="clearml.company_data",
                destroys=True,
                title="Delete the company's data from ElasticSearch and the file server",
                needs=done,
                inputs={"id": facts.company_id},
                timeout_s=SECONDS_FOR_DATA,
            )
            done = ("data",)
    yield Step(
        id="forget",
        kind="tenant.forget",
        title="Forget the tenant's record and give its ports free; the audit trail stays",
        needs=done,
        inputs={"tenant": tenant, "port_range": None},
    )


def _warnings(args: TenantDelete, facts: DoomedTenant) -> Iterator[str]:
    yield "Nothing of this comes back: Roll back does not undo a deletion. Back up first what is still wanted"
    yield "Artifacts on external storage (S3, GCS, Azure) stay where they are"
    if facts.task_pods:
        yield f"These pods are killed with their work: {listed(facts.task_pods, SHOWN)}"
    if facts.resources:
        yield f"The server says that these run: {listed(facts.resources, SHOWN)}"
    if facts.company_id is not None and facts.has_tenants_api:
        yield "The server deletes tenants softly: their data stays in its databases until it cleans up"
    if args.force:
        yield "Forced: whatever still runs does not stop the deletion"


def _refusal(args: TenantDelete, facts: DoomedTenant) -> Refusal | None:
    name = args.name
    if refused := name_refusal(name, also=facts.reserved):
        return refused
    if not facts.is_recorded and facts.namespace_owner is None and facts.company_id is None:
        return not_recorded(name)
    if facts.namespace_owner is not None and facts.namespace_owner != name:
        return Refusal(
            reason=f"namespace {name} does not say that it is this tenant's, so it is not deleted",
            next_action=f"an admin can say so: kubectl label namespace {name} {TENANT_LABEL}={name}",
        )
    ours = facts.is_recorded or facts.namespace_owner == name or facts.made_by_job is not None
    if facts.company_id is not None and not ours:
        return Refusal(
            reason=f"company {name} ({facts.company_id}) was not made by this bot, so it is not deleted",
            next_action=f"take it up first with /clearml tenant import {name}, or delete it by hand",
        )
    running = (*facts.task_pods, *facts.resources)
    if running and not args.force:
        return Refusal(
            reason=f"tenant {name} is at work: {listed(running, SHOWN)}",
            next_action="wait until its tasks have ended or stop them, or say --force to kill them",
        )
    if facts.company_id is not None and not facts.has_tenants_api and not facts.can_run_jobs:
        return Refusal(
            reason="the ClearML server is older than 3.30, and its pods, where a company is deleted, do not run"
            " where the settings say",
            next_action="ask an admin to set SERVER__NAMESPACE, SERVER__APISERVER and SERVER__FILESERVER",
        )
    return None
