"""The ClearML API: the calls that make and run tenants.

``system.*`` needs a root or system credential. What belongs to a tenant is done as one of its users: by
``Impersonate-As`` (the target's user, company and role) or ``Act-As`` (the target's user and company, the
caller's role). Source: clearml-server (service_repo/validators.py, the schemas of its services) and ClearML's
Enterprise API reference.

Decisions, where these leave a choice:

- **Finding a user by e-mail.** ``auth.get_users_info`` (system and root) answers for the whole server, so an admin
  whose creation we did not live to record is found again; the company comes from ``users.get_current_user`` as
  that user. A server without that call (404/0) lets us look only as a user of the company whose id we know.
- **Listing a company's users** is done by ``Act-As``: e-mails are told to admins only (``include_auth``), and with
  our own role it does not matter what role the known user has. Without ``include_auth`` there are no e-mails.
- **Acting for another company's users**: the open-source server lets only root do it, the Enterprise guide does it
  with the role system. A refusal (400/6) says so.
- **Unversioned paths**: the server takes the newest version of each call.
"""

import re
from collections.abc import Iterable

from provisioning.clients import clearml_records as records
from provisioning.clients.clearml_accounts import Accounts, KnownUsers
from provisioning.clients.clearml_errors import (
    DUPLICATE,
    INVALID_ACCESS_KEY,
    INVALID_USER,
    ROLE_NOT_ALLOWED,
    ClearMLError,
)
from provisioning.clients.clearml_records import (
    Company,
    CredentialInfo,
    Credentials,
    EmailHolder,
    Queue,
    ServerInfo,
    User,
    Worker,
)
from provisioning.clients.clearml_wire import acting_as, impersonating

__all__ = [
    "ClearML",
    "ClearMLError",
    "Company",
    "CredentialInfo",
    "Credentials",
    "EmailHolder",
    "KnownUsers",
    "Queue",
    "ServerInfo",
    "User",
    "Worker",
]

WORKER_SEEN_S = 3600


class ClearML(Accounts):
    """One server. Thread-safe.

    Raises (every call): ClearMLError where the API refuses, TemporaryError on 429 and 5xx, UnreachableError
    where it does not answer. Calls that may be made twice are tried three times; the others are not repeated,
    since the first may have been carried out: the step that made them looks first and then tries again.
    """

    # -- credentials ----------------------------------------------------------------------------------------

    def create_credentials(self, user_id: str, label: str) -> Credentials:
        """Make a key for *user_id*: without the header it would silently be the caller's."""
        data = self._change(
            "creating credentials", "auth.create_credentials", {"label": label}, headers=impersonating(user_id)
        )
        made = records.credentials(data.get("credentials") or {}, label)
        self._learn(made.secret_key)
        return made

    def credentials(self, user_id: str) -> tuple[CredentialInfo, ...]:
        """Return the user's keys, without secrets."""
        data = self._read("listing credentials", "auth.get_credentials", headers=impersonating(user_id))
        return tuple(records.credential_info(one) for one in records.records(data, "credentials"))

    def revoke_credentials(self, user_id: str, access_key: str) -> bool:
        """Revoke the user's key. Returns False where the user has no such key (any more)."""
        try:
            self._change(
                "revoking credentials",
                "auth.revoke_credentials",
                {"access_key": access_key},  # the schema asks for key_id, the server reads access_key
                headers=impersonating(user_id),
                repeatable=True,
            )
        except ClearMLError as error:
            if error.kind in {INVALID_USER, INVALID_ACCESS_KEY}:
                return False
            raise
        return True

    # -- domains --------------------------------------------------------------------------------------------

    def domains(self, user_id: str) -> tuple[str, ...]:
        """Return the SSO domains of the user's company. There is no login.get_domains."""
        data = self._read("reading the SSO domains", "login.get_settings", headers=acting_as(user_id))
        return tuple(str(domain) for domain in data.get("domains") or ())

    def set_domains(self, user_id: str, domains: Iterable[str]) -> None:
        """Replace the whole list: read and merge first."""
        self._change(
            "writing the SSO domains",
            "login.set_domains",
            {"domains": list(domains)},
            headers=acting_as(user_id),
            repeatable=True,
        )

    # -- queues and workers ---------------------------------------------------------------------------------

    def queues(self, user_id: str) -> tuple[Queue, ...]:
        """Return every queue of the user's company."""
        found = self._pages("listing queues", "queues.get_all", "queues", impersonating(user_id))
        return tuple(records.queue(one) for one in found)

    def queue_by_name(self, user_id: str, name: str) -> Queue | None:
        """Return the queue of exactly that name; the API's filter is a regular expression."""
        pattern = f"^{re.escape(name)}$"
        found = self._pages("looking for a queue", "queues.get_all", "queues", impersonating(user_id), name=pattern)
        return next((queue for queue in map(records.queue, found) if queue.name == name), None)

    def create_queue(self, user_id: str, name: str) -> bool:
        """Create the queue. Returns False where it exists already: the agent's chart may have made it."""
        doing = f"creating queue {name}"
        try:
            try:
                self._change(doing, "queues.create", {"name": name}, headers=impersonating(user_id))
            except ClearMLError as error:
                if error.kind != ROLE_NOT_ALLOWED:
                    raise
                # An Enterprise admin may lack queue rights; with our own role it is allowed.
                self._change(doing, "queues.create", {"name": name}, headers=acting_as(user_id))
        except ClearMLError as error:
            if error.kind == DUPLICATE:
                return False
            raise
        return True

    def workers(self, user_id: str, *, seen_within_s: int = WORKER_SEEN_S) -> tuple[Worker, ...]:
        """Return the workers of the user's company that were seen within so many seconds, by the server's clock."""
        data = self._read(
            "listing workers",
            "workers.get_all",
            {"last_seen": seen_within_s},
            headers=impersonating(user_id),
        )
        return tuple(records.worker(one) for one in records.records(data, "workers"))
