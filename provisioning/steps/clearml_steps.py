"""Steps on the ClearML server: a tenant's company, admin, credentials, SSO domains, queues.

Secrets pass from the API straight into a Kubernetes Secret; outputs hold names and ids only. What an
observation hands on says nothing of who made it: undo is only asked for where this job set out to make it.
"""

import uuid
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from provisioning.clients.clearml_errors import DUPLICATE, ClearMLError
from provisioning.clients.interfaces import ClusterWrites
from provisioning.errors import PermanentError
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML

HELPER = "clearml-chatops-lookup-"
ACCESS_KEY = "access_key"
SECRET_KEY = "secret_key"  # noqa: S105 - the name of a field


class _Inputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CompanyInputs(_Inputs):
    name: str


class Company:
    """``clearml.company``: a company of that name exists. Outputs: ``id``, ``created``.

    Names are unique only where the server is told so: it is always looked up first. Undo leaves it: servers before
    3.30 have no call that deletes a company, and later ones keep the name of one that was deleted.
    """

    kind = "clearml.company"

    def __init__(self, clearml: "ClearML") -> None:
        self._clearml = clearml

    def observe(self, inputs: dict[str, Any]) -> Observation:
        found = self._clearml.company_by_name(CompanyInputs.model_validate(inputs).name)
        if found is None:
            return Observation(presence=Presence.ABSENT)
        return Observation(
            presence=Presence.PRESENT,
            detail=f"company {found.id}",
            outputs={"id": found.id},
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = CompanyInputs.model_validate(inputs)
        found = self._clearml.company_by_name(wanted.name)
        if found is not None:
            return {"id": found.id, "created": False}
        return {"id": self._clearml.create_company(wanted.name), "created": True}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        run.note("the company stays: the next tenant create of that name takes it up")


class AdminUserInputs(_Inputs):
    company_id: str
    email: str
    name: str


class AdminUser:
    """``clearml.admin_user``: the company has a user of that e-mail. Outputs: ``id``, ``created``.

    Users can only be listed as one of their company. So a crash between making the admin and hearing its id
    hides it, and its address is taken: then a helper is made, finds the admin, and is deleted again.
    """

    kind = "clearml.admin_user"

    def __init__(self, clearml: "ClearML") -> None:
        self._clearml = clearml

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = AdminUserInputs.model_validate(inputs)
        found = self._clearml.user_by_email(wanted.company_id, wanted.email)
        if found is None:
            return Observation(presence=Presence.ABSENT)
        return Observation(presence=Presence.PRESENT, detail=f"user {found.id}", outputs={"id": found.id})

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = AdminUserInputs.model_validate(inputs)
        found = self._clearml.user_by_email(wanted.company_id, wanted.email)
        if found is not None:
            return {"id": found.id, "created": False}
        try:
            user_id = self._clearml.create_user(
                company_id=wanted.company_id, name=wanted.name, email=wanted.email, role="admin"
            )
        except ClearMLError as error:
            hidden = self._find_hidden(wanted, run) if error.kind == DUPLICATE else None
            if hidden is None:
                raise
            return {"id": hidden}
        return {"id": user_id, "created": True}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = AdminUserInputs.model_validate(inputs)
        found = self._clearml.user_by_email(wanted.company_id, wanted.email)
        if found is not None and outputs.get("created", True) and not self._clearml.delete_user(found.id):
            run.note("the user stays: this server has no call to delete it")

    def _find_hidden(self, wanted: AdminUserInputs, run: StepRun) -> str | None:
        run.note("the address is taken: looking whether an earlier try of this job took it")
        email = f"{HELPER}{uuid.uuid4().hex[:12]}@clearml-chatops.invalid"
        helper = self._clearml.create_user(
            company_id=wanted.company_id, name=HELPER.rstrip("-"), email=email, role="user"
        )
        users = self._clearml.users(helper)
        for user in users:
            if user.email.startswith(HELPER) and user.id != helper:
                self._clearml.delete_user(user.id)  # of a look that died
        self._clearml.delete_user(helper)
        return next((user.id for user in users if user.email.casefold() == wanted.email.casefold()), None)


class CredentialsInputs(_Inputs):
    user_id: str
    namespace: str
    secret: str
    label: str  # of the key in ClearML: what is ours to revoke
    secret_labels: dict[str, str] = {}


class AgentCredentials:
    """``clearml.credentials``: a Secret holds a live key of the user. Outputs: ``secret`` (its name).

    ClearML tells a key's secret once, so it is written at once. A crash between the two leaves a key that
    nobody can use: it carries our label, and the next run revokes it before it makes a new one.
    """

    kind = "clearml.credentials"

    def __init__(self, clearml: "ClearML", cluster: ClusterWrites) -> None:
        self._clearml = clearml
        self._cluster = cluster

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = CredentialsInputs.model_validate(inputs)
        stored = self._cluster.secret(wanted.namespace, wanted.secret)
        if stored is None:
            return Observation(presence=Presence.ABSENT)
        outputs: Outputs = {"secret": wanted.secret}
        where = f"Secret {wanted.secret}"
        if self._is_live(wanted):
            return Observation(presence=Presence.PRESENT, detail=f"{where} holds a live key", outputs=outputs)
        return Observation(presence=Presence.DIFFERS, detail=f"{where} holds no live key of this user", outputs=outputs)

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = CredentialsInputs.model_validate(inputs)
        if not self._is_live(wanted):
            self._revoke(wanted, run)
            made = self._clearml.create_credentials(wanted.user_id, wanted.label)
            self._cluster.put_secret(
                wanted.namespace,
                wanted.secret,
                {ACCESS_KEY: made.access_key, SECRET_KEY: made.secret_key.get_secret_value()},
                wanted.secret_labels,
            )
        return {"secret": wanted.secret}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = CredentialsInputs.model_validate(inputs)
        self._cluster.delete_secret(wanted.namespace, wanted.secret)
        self._revoke(wanted, run)

    def _is_live(self, wanted: CredentialsInputs) -> bool:
        stored = self._cluster.secret(wanted.namespace, wanted.secret)
        if stored is None or ACCESS_KEY not in stored or SECRET_KEY not in stored:
            return False
        access_key = stored[ACCESS_KEY].get_secret_value()
        return any(info.access_key == access_key for info in self._clearml.credentials(wanted.user_id))

    def _revoke(self, wanted: CredentialsInputs, run: StepRun) -> None:
        for info in self._clearml.credentials(wanted.user_id):
            if info.label == wanted.label:
                run.note("revoking a key that was made earlier")
                self._clearml.revoke_credentials(wanted.user_id, info.access_key)


class DomainsInputs(_Inputs):
    user_id: str
    domains: tuple[str, ...]
    gone: tuple[str, ...] = ()
    before: tuple[str, ...] = ()  # recorded when this was planned: undo leaves them, whatever a crash hid


class Domains:
    """``clearml.domains``: people of these e-mail domains may sign in, of those no longer.

    Outputs: ``added``, ``removed``.

    The API replaces the whole list: it is read, merged and written.
    """

    kind = "clearml.domains"

    def __init__(self, clearml: "ClearML") -> None:
        self._clearml = clearml

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = DomainsInputs.model_validate(inputs)
        found = sorted(self._clearml.domains(wanted.user_id))
        missing, surplus = set(wanted.domains) - set(found), set(wanted.gone) & set(found)
        if not missing and not surplus:
            return Observation(presence=Presence.PRESENT, detail=f"whitelist: {', '.join(found)}")
        if not found:
            return Observation(presence=Presence.ABSENT)
        return Observation(
            presence=Presence.DIFFERS,
            detail=f"whitelist: {', '.join(found)}",
            differences={"domains": (list(found), sorted({*found, *missing} - surplus))},
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = DomainsInputs.model_validate(inputs)
        found = self._clearml.domains(wanted.user_id)
        added = [domain for domain in wanted.domains if domain not in found]
        removed = [domain for domain in wanted.gone if domain in found]
        if added or removed:
            self._clearml.set_domains(wanted.user_id, [one for one in (*found, *added) if one not in removed])
        return {"added": [*added], "removed": [*removed]}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = DomainsInputs.model_validate(inputs)
        added = outputs.get("added", [domain for domain in wanted.domains if domain not in wanted.before])
        found = self._clearml.domains(wanted.user_id)
        left = [domain for domain in found if not isinstance(added, list) or domain not in added]
        # Without outputs, after a crash, all that was to go is put back: it was there when this was planned.
        removed = outputs.get("removed", list(wanted.gone))
        left += [str(one) for one in removed if one not in left] if isinstance(removed, list) else []
        if left != list(found):
            self._clearml.set_domains(wanted.user_id, left)


class QueuesInputs(_Inputs):
    user_id: str
    names: tuple[str, ...]


class Queues:
    """``clearml.queues``: the company has these queues. Outputs: ``created``.

    The agent's chart may make them at the same time: one that exists by then is as good.
    """

    kind = "clearml.queues"

    def __init__(self, clearml: "ClearML") -> None:
        self._clearml = clearml

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = QueuesInputs.model_validate(inputs)
        missing = self._missing(wanted)
        if not missing:
            return Observation(presence=Presence.PRESENT, detail=f"all {len(wanted.names)} exist")
        if len(missing) == len(wanted.names):
            return Observation(presence=Presence.ABSENT)
        return Observation(presence=Presence.DIFFERS, detail=f"missing: {', '.join(missing)}")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = QueuesInputs.model_validate(inputs)
        created = [name for name in self._missing(wanted) if self._clearml.create_queue(wanted.user_id, name)]
        if missing := self._missing(wanted):
            raise PermanentError(
                f"creating queues: {', '.join(missing)} are not there though the server said so",
                next_action="look at the queues as the tenant's admin, then Retry",
            )
        return {"created": [*created]}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        run.note("the queues stay with their company")

    def _missing(self, wanted: QueuesInputs) -> list[str]:
        found = {queue.name for queue in self._clearml.queues(wanted.user_id)}
        return [name for name in wanted.names if name not in found]
