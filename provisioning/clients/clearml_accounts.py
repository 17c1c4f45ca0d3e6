"""Companies and their users. How users are found is decided in ``clearml``'s docstring."""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any

from pydantic import SecretStr

from provisioning.clients import clearml_records as records
from provisioning.clients.clearml_calls import Calls
from provisioning.clients.clearml_errors import (
    DUPLICATE,
    FIELD_VALUE,
    NO_SUCH_TARGET,
    NO_SUCH_USER,
    ROLE_NOT_ALLOWED,
    UNKNOWN_ENDPOINT,
    ClearMLError,
)
from provisioning.clients.clearml_records import Company, EmailHolder, User
from provisioning.clients.clearml_wire import Transport, acting_as, impersonating
from provisioning.configuration import ClearMLServer
from provisioning.errors import PermanentError

LIMITS = ("allowed_users", "max_running_apps")  # of a company

KnownUsers = Callable[[str], Iterable[str]]
"""Company id → ids of users of it that we made or found earlier."""


class Accounts(Calls):
    """Companies and users. Thread-safe."""

    def __init__(
        self,
        server: ClearMLServer,
        *,
        known_users: KnownUsers = lambda _company_id: (),
        learn: Callable[[SecretStr], None] = lambda _secret: None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(server, transport=transport)
        self._known_users = known_users
        self._learn = learn  # hears of every secret that is made, so that it can be hidden
        self._created: dict[str, list[str]] = {}  # company id → ids of users that this process created
        self._lock = Lock()

    # -- companies ------------------------------------------------------------------------------------------

    def companies(self) -> tuple[Company, ...]:
        """Return every company."""
        return self._companies("listing companies", {})

    def company_by_name(self, name: str) -> Company | None:
        """Return the active company of exactly that name; case does not count, as it does not for the server.

        Raises: PermanentError where there are several (names are unique only where the server is told so), or
        where the only one was deactivated.
        """
        wanted = name.strip().casefold()
        doing = f"looking for company {name}"
        found = [one for one in self._companies(doing, {"name": name.strip()}) if one.name.casefold() == wanted]
        active = [one for one in found if one.active]
        if len(active) > 1:
            ids = ", ".join(one.id for one in active)
            raise PermanentError(
                f"{doing}: ClearML has {len(active)} of that name ({ids})",
                next_action="rename all but one in ClearML, and set CLEARML__apiserver__company__unique_names",
            )
        if found and not active:
            raise PermanentError(
                f"{doing}: ClearML has one ({found[0].id}), but it was deactivated",
                next_action="choose another name, or have that company removed from ClearML",
            )
        return active[0] if active else None

    def create_company(self, name: str) -> str:
        """Create it and return its id. Look first: names may be taken twice."""
        data = self._change(f"creating company {name}", "system.create_company", {"name": name})
        return records.text(data, "id")

    def _companies(self, doing: str, body: dict[str, Any]) -> tuple[Company, ...]:
        data = self._read(doing, "system.get_companies", body)
        return tuple(records.company(one) for one in records.records(data, "companies"))

    def company_limits(self, company_id: str) -> dict[str, int]:
        """Return the limits that the server tells of the company; {} where it tells none, as none is documented."""
        data = self._read("reading a company", "system.company_info", {"company": company_id})
        company = data.get("company")
        told: dict[str, Any] = company if isinstance(company, dict) else data
        return {name: told[name] for name in LIMITS if isinstance(told.get(name), int)}

    def update_company_settings(self, company_id: str, limits: Mapping[str, int]) -> None:
        """Set limits of the company: ``allowed_users``, ``max_running_apps``."""
        self._change(
            "setting a company's limits",
            "system.update_company_settings",
            {"company": company_id, **limits},
            repeatable=True,
        )

    # -- tenants: server 3.30 and newer -------------------------------------------------------------------------

    def tenant_resources(self, company_id: str) -> tuple[str, ...] | None:
        """Return what runs for the company, in words; None where the server is too old to tell.

        The service ``tenants`` is documented by name only: the fields here and in ``delete_tenant`` are inferred.
        """
        try:
            data = self._read("asking what runs for a tenant", "tenants.get_tenant_resources", {"tenant": company_id})
        except ClearMLError as error:
            if error.kind == UNKNOWN_ENDPOINT:
                return None
            raise
        found = data.get("resources")
        return tuple(str(one.get("name") or one.get("id")) for one in found) if isinstance(found, list) else ()

    def delete_tenant(self, company_id: str, name: str, *, force: bool) -> None:
        """Delete the company, softly. The server refuses another name, and while resources run unless *force*."""
        self._change(
            f"deleting tenant {name}",
            "tenants.delete_tenant",
            {"tenant": company_id, "name": name, "force": force},
            repeatable=True,
        )

    # -- users ----------------------------------------------------------------------------------------------

    def users(self, user_id: str) -> tuple[User, ...]:
        """Return the users of the company that *user_id* belongs to, with e-mails and roles."""
        found = self._pages("listing users", "users.get_all_ex", "users", acting_as(user_id), include_auth=True)
        return tuple(records.user(one) for one in found)

    def email_holder(self, email: str) -> EmailHolder | None:
        """Return who has the address, in whatever company; None where nobody has it.

        Raises: ClearMLError 404/0 where the server is too old to tell.
        """
        spellings = list(dict.fromkeys([email, email.lower()]))  # the server compares case
        data = self._read("looking for an e-mail address", "auth.get_users_info", {"emails": spellings})
        infos = data.get("users") or {}
        for key, info in infos.items() if isinstance(infos, dict) else ():
            if str(info.get("email") or key).casefold() == email.casefold():
                return self._holder(str(info.get("id") or key), email)
        return None

    def _holder(self, user_id: str, email: str) -> EmailHolder:
        doing = "asking ClearML whose e-mail address it is"
        data = self._read(doing, "users.get_current_user", headers=impersonating(user_id))
        user = data.get("user") or {}
        company = user.get("company") or {}
        return EmailHolder(
            user=User(id=user_id, name=str(user.get("name") or ""), email=email, role=str(user.get("role") or "")),
            company=Company(id=records.text(company, "id"), name=str(company.get("name") or "")),
        )

    def user_by_email(self, company_id: str, email: str) -> User | None:
        """Return the company's user of that address; None where there is none.

        On a server without ``auth.get_users_info``, None may also mean that no user of the company is known to us.
        """
        try:
            holder = self.email_holder(email)
        except ClearMLError as error:
            if error.kind not in {UNKNOWN_ENDPOINT, ROLE_NOT_ALLOWED, NO_SUCH_TARGET}:
                raise
            holder = None
        if holder is not None:
            return holder.user if holder.company.id == company_id else None
        return self._among_known(company_id, email)

    def _among_known(self, company_id: str, email: str) -> User | None:
        with self._lock:
            known = [*self._created.get(company_id, ())]
        for user_id in dict.fromkeys([*known, *self._known_users(company_id)]):
            try:
                users = self.users(user_id)
            except ClearMLError as error:
                if error.code in {400, 403}:  # this one is gone; another may still be there
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
                f"creating user {email}: {self._whose(email)} has this e-mail address already",
                code=error.code,
                subcode=error.subcode,
                next_action="use another address for this tenant's admin, or delete that user in ClearML, then Retry",
            ) from error
        user_id = records.text(data, "id")
        with self._lock:
            self._created.setdefault(company_id, []).append(user_id)
        return user_id

    def _whose(self, email: str) -> str:
        try:
            holder = self.email_holder(email)
        except PermanentError:
            holder = None
        return "another user" if holder is None else f"user {holder.user.id} of company {holder.company.name}"

    def edit_role(self, colleague_id: str, user_id: str, role: str) -> None:
        """Give the user another role. *colleague_id* is a user of the same company: only there it may be done."""
        body = {"user": user_id, "role": role}
        self._change("changing a user's role", "auth.edit_user", body, headers=acting_as(colleague_id), repeatable=True)

    def delete_user(self, user_id: str) -> bool:
        """Delete the user. Returns False where it is gone already, or where this server cannot (open source).

        Done as ourselves; where only users of the own company may be deleted, in theirs. (Their own place is the
        last resort: the open-source server's code lets nobody delete whom they are.)
        """
        for headers in (None, acting_as(user_id)):
            try:
                body = {"user": user_id}
                data = self._change("deleting a user", "auth.delete_user", body, headers=headers, repeatable=True)
            except ClearMLError as error:
                if error.kind == UNKNOWN_ENDPOINT:
                    return False
                if error.kind not in {NO_SUCH_TARGET, NO_SUCH_USER, FIELD_VALUE}:
                    raise
            else:
                if data.get("deleted") is not False:
                    return True
        return False
