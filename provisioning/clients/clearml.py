"""The ClearML API: the calls that make and run tenants. The only module that imports httpx besides its errors'.

``system.*`` needs a root or system credential. What belongs to a tenant is done as one of its users: by
``Impersonate-As`` (the target's user, company and role) or ``Act-As`` (the target's user and company, the
caller's role). There is no call that finds a user of another company by e-mail: users are looked up as a user of
their company whose id is known. Source: clearml-server and the Enterprise API reference.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import httpx
from pydantic import SecretStr

from provisioning.clients.clearml_errors import (
    DUPLICATE,
    NO_SUCH_TARGET,
    NO_SUCH_USER,
    ROLE_NOT_ALLOWED,
    UNKNOWN_ENDPOINT,
    ClearMLError,
    from_answer,
    from_transport,
)
from provisioning.configuration import ClearMLServer
from provisioning.errors import PermanentError, TemporaryError

IMPERSONATE = "X-Clearml-Impersonate-As"
ACT_AS = "X-Clearml-Act-As"
TRIES = 3
PAGE = 500
WORKER_SEEN_S = 3600

KnownUsers = Callable[[str], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class Company:
    id: str
    name: str
    active: bool = True


@dataclass(frozen=True, kw_only=True)
class User:
    id: str
    name: str
    email: str = ""
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A new key. ``secret_key`` is told once, at creation."""

    access_key: str
    secret_key: SecretStr
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class CredentialInfo:
    access_key: str
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Queue:
    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Worker:
    id: str
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    version: str
    api_version: str


class ClearML:
    """One server. Thread-safe.

    Raises (every call): ClearMLError where the API refuses, TemporaryError on 429 and 5xx, UnreachableError
    where it does not answer. Calls that only read are tried three times; calls that change are not repeated
    here, since the first may have been carried out: the step that made them looks first and then tries again.
    """

    def __init__(
        self,
        server: ClearMLServer,
        *,
        known_users: KnownUsers = lambda _company_id: (),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._server = server
        self._known_users = known_users
        self._created: dict[str, list[str]] = {}  # company id → ids of users that this process created
        self._lock = Lock()
        self._http = httpx.Client(
            base_url=server.api_url.rstrip("/") + "/",
            auth=(server.access_key, server.secret_key.get_secret_value()),
            timeout=server.timeout_s,
            transport=transport,
            limits=httpx.Limits(max_connections=32),
            follow_redirects=False,
        )

    def close(self) -> None:
        self._http.close()

    # -- the server -----------------------------------------------------------------------------------------

    def ping(self) -> None:
        """Answer or raise. Needs no credentials."""
        self._read("asking ClearML for a sign of life", "debug.ping")

    def server_info(self) -> ServerInfo:
        data = self._read("asking ClearML for its version", "server.info")
        return ServerInfo(version=str(data.get("version", "")), api_version=str(data.get("api_version", "")))

    # -- companies ------------------------------------------------------------------------------------------

    def companies(self) -> tuple[Company, ...]:
        """Return every company."""
        return self._companies({})

    def company_by_name(self, name: str) -> Company | None:
        """Return the company of that name; case does not count, since the API's filter does not count it either.

        Raises: PermanentError where there are several: names are unique only where the server is told so.
        """
        found = [one for one in self._companies({"name": name}) if one.name.casefold() == name.casefold()]
        if len(found) > 1:
            ids = ", ".join(company.id for company in found)
            raise PermanentError(
                f"looking for company {name}: ClearML has {len(found)} of that name ({ids})",
                next_action="rename all but one in ClearML, and set CLEARML__apiserver__company__unique_names",
            )
        return found[0] if found else None

    def create_company(self, name: str) -> str:
        """Create it and return its id. Look first: names may be taken twice."""
        data = self._change(f"creating company {name}", "system.create_company", {"name": name})
        return _text(data, "id")

    def _companies(self, body: dict[str, Any]) -> tuple[Company, ...]:
        data = self._read("listing companies", "system.get_companies", body)
        return tuple(
            Company(id=str(one["id"]), name=str(one["name"]), active=bool(one.get("active", True)))
            for one in data.get("companies", ())
        )

    # -- users ----------------------------------------------------------------------------------------------

    def users(self, user_id: str) -> tuple[User, ...]:
        """Return the users of the company that *user_id* belongs to."""
        data = self._read("listing users", "users.get_all_ex", headers={IMPERSONATE: user_id})
        return tuple(
            User(
                id=str(one["id"]),
                name=str(one.get("name", "")),
                email=str(one.get("email") or ""),
                role=str(one.get("role") or ""),
            )
            for one in data.get("users", ())
        )

    def user_by_email(self, company_id: str, email: str) -> User | None:
        """Return the company's user of that address, as far as one of the company's users is known to us."""
        with self._lock:
            known = [*self._created.get(company_id, ())]
        for user_id in dict.fromkeys([*known, *self._known_users(company_id)]):
            try:
                users = self.users(user_id)
            except ClearMLError as error:
                if error.code in {400, 401, 403}:  # this one is gone; another may still be there
                    continue
                raise
            return next((one for one in users if one.email.casefold() == email.casefold()), None)
        return None

    def create_user(self, *, company_id: str, name: str, email: str, role: str = "admin") -> str:
        """Create a user of the company and return its id. Raises: ClearMLError 400/801 where the e-mail is taken."""
        body = {"name": name, "company": company_id, "email": email, "role": role}
        try:
            data = self._change(f"creating user {email}", "auth.create_user", body)
        except ClearMLError as error:
            if error.kind != DUPLICATE:
                raise
            raise ClearMLError(
                f"creating user {email}: another user has this e-mail address already",
                code=error.code,
                subcode=error.subcode,
                next_action="use another address for this tenant's admin, or delete that user in ClearML, then Retry",
            ) from error
        user_id = _text(data, "id")
        with self._lock:
            self._created.setdefault(company_id, []).append(user_id)
        return user_id

    def delete_user(self, user_id: str) -> bool:
        """Delete the user. Returns False where it is gone already, or where this server cannot (open source)."""
        try:
            self._change("deleting a user", "auth.delete_user", {"user": user_id}, headers={ACT_AS: user_id})
        except ClearMLError as error:
            if error.kind in {UNKNOWN_ENDPOINT, NO_SUCH_TARGET, NO_SUCH_USER}:
                return False
            raise
        return True

    # -- credentials ----------------------------------------------------------------------------------------

    def create_credentials(self, user_id: str, label: str) -> Credentials:
        """Make a key for *user_id*. Without the header the key would silently be the caller's."""
        if not user_id:
            raise PermanentError("creating credentials: no user is named", next_action="report this fault of the bot")
        data = self._change(
            "creating credentials", "auth.create_credentials", {"label": label}, headers={IMPERSONATE: user_id}
        )
        made = data.get("credentials") or {}
        return Credentials(
            access_key=_text(made, "access_key"), secret_key=SecretStr(_text(made, "secret_key")), label=label
        )

    def credentials(self, user_id: str) -> tuple[CredentialInfo, ...]:
        """Return the user's keys, without secrets."""
        data = self._read("listing credentials", "auth.get_credentials", headers={IMPERSONATE: user_id})
        return tuple(
            CredentialInfo(access_key=str(one["access_key"]), label=str(one.get("label") or ""))
            for one in data.get("credentials", ())
        )

    def revoke_credentials(self, user_id: str, access_key: str) -> None:
        """Revoke the key. The API's schema says key_id, its handler reads access_key."""
        self._change(
            "revoking credentials",
            "auth.revoke_credentials",
            {"access_key": access_key},
            headers={IMPERSONATE: user_id},
        )

    # -- domains --------------------------------------------------------------------------------------------

    def domains(self, user_id: str) -> tuple[str, ...]:
        """Return the SSO domains of the user's company. There is no login.get_domains."""
        data = self._read("reading the SSO domains", "login.get_settings", headers={ACT_AS: user_id})
        return tuple(str(domain) for domain in data.get("domains") or ())

    def set_domains(self, user_id: str, domains: Iterable[str]) -> None:
        """Replace the whole list: read and merge first."""
        body = {"domains": list(domains)}
        self._change("writing the SSO domains", "login.set_domains", body, headers={ACT_AS: user_id})

    # -- queues and workers ---------------------------------------------------------------------------------

    def queues(self, user_id: str) -> tuple[Queue, ...]:
        """Return every queue of the user's company."""
        data = self._read("listing queues", "queues.get_all", {"page_size": PAGE}, headers={IMPERSONATE: user_id})
        return tuple(Queue(id=str(one["id"]), name=str(one["name"])) for one in data.get("queues", ()))

    def queue_by_name(self, user_id: str, name: str) -> Queue | None:
        """Return the queue of exactly that name; the API's filter is a regular expression."""
        body = {"name": f"^{re.escape(name)}$"}
        data = self._read("looking for a queue", "queues.get_all", body, headers={IMPERSONATE: user_id})
        found = [one for one in data.get("queues", ()) if one.get("name") == name]
        return Queue(id=str(found[0]["id"]), name=name) if found else None

    def create_queue(self, user_id: str, name: str) -> bool:
        """Create the queue. Returns False where it exists already: the agent's chart may have made it."""
        doing = f"creating queue {name}"
        try:
            try:
                self._change(doing, "queues.create", {"name": name}, headers={IMPERSONATE: user_id})
            except ClearMLError as error:
                if error.kind != ROLE_NOT_ALLOWED:
                    raise
                # An Enterprise admin may lack queue rights; with our own role it is allowed.
                self._change(doing, "queues.create", {"name": name}, headers={ACT_AS: user_id})
        except ClearMLError as error:
            if error.kind == DUPLICATE:
                return False
            raise
        return True

    def workers(self, user_id: str) -> tuple[Worker, ...]:
        """Return the workers of the user's company that were seen within the hour."""
        body = {"last_seen": WORKER_SEEN_S}
        data = self._read("listing workers", "workers.get_all", body, headers={IMPERSONATE: user_id})
        return tuple(
            Worker(id=str(one["id"]), queues=tuple(str(queue.get("name", "")) for queue in one.get("queues") or ()))
            for one in data.get("workers", ())
        )

    # -- the wire -------------------------------------------------------------------------------------------

    def _read(
        self, doing: str, endpoint: str, body: dict[str, Any] | None = None, *, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        for _ in range(TRIES - 1):
            try:
                return self._change(doing, endpoint, body, headers=headers)
            except TemporaryError:
                continue
        return self._change(doing, endpoint, body, headers=headers)

    def _change(
        self, doing: str, endpoint: str, body: dict[str, Any] | None = None, *, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = self._http.post(endpoint, json=body or {}, headers=headers)
        except httpx.HTTPError as error:
            raise from_transport(doing, self._server.api_url, error) from error
        try:
            envelope = answer.json()
            meta, data = envelope["meta"], envelope["data"]
        except (ValueError, KeyError, TypeError):
            raise from_answer(doing, answer.status_code, {}) from None
        if answer.status_code != 200:
            raise from_answer(doing, answer.status_code, meta if isinstance(meta, dict) else {})
        return data if isinstance(data, dict) else {}


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise PermanentError(
            f"ClearML's answer has no {name}",
            next_action="check that CLEARML_CHATOPS_CLEARML__API_URL is an API server",
        )
    return value
