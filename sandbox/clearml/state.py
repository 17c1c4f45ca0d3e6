"""What the stand-in server holds. Thread-safe; secrets never leave but where the real server tells them."""

import re
import secrets
import string
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

DEFAULT_COMPANY = "d1bd92a3b039400cbafc60a7a5b1e52b"
ROLES = ("admin", "superuser", "user", "annotator")
SYSTEM_ROLES = frozenset({"system", "root"})
CALLS_KEPT = 500
_ALPHABET = string.ascii_letters + string.digits


class ApiRefusal(Exception):  # noqa: N818 - what the real server calls an API error
    """A call that the server refuses, with the code and subcode of its error table."""

    def __init__(self, code: int, subcode: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.subcode = subcode
        self.message = message


@dataclass(kw_only=True)
class Credential:
    access_key: str
    secret_key: str
    label: str = ""


@dataclass(kw_only=True)
class User:
    id: str
    name: str
    company: str
    email: str
    role: str
    internal: bool = False
    credentials: list[Credential] = field(default_factory=list)


@dataclass(kw_only=True)
class Company:
    id: str
    name: str
    active: bool = True
    domains: list[str] = field(default_factory=list)
    queues: dict[str, str] = field(default_factory=dict)  # name → id
    workers: dict[str, tuple[float, tuple[str, ...]]] = field(default_factory=dict)  # id → (last seen, queues)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """On whose behalf a call runs."""

    user: str
    company: str
    role: str


class ClearMLState:
    """The server's memory, its faults, and the log of its calls."""

    def __init__(self, *, clock: Callable[[], float], unique_names: bool = True) -> None:
        self.lock = RLock()
        self.clock = clock
        self.unique_names = unique_names
        self.companies_by_id = {DEFAULT_COMPANY: Company(id=DEFAULT_COMPANY, name="clearml")}
        supervisor = User(id="__supervisor__", name="supervisor", company=DEFAULT_COMPANY, email="", role="system")
        supervisor.credentials.append(_new_credential("configured"))
        self.users = {supervisor.id: supervisor}
        self.tokens: dict[str, tuple[str, float]] = {}  # token → (user id, expires at)
        self.calls: deque[dict[str, Any]] = deque(maxlen=CALLS_KEPT)
        self.fail_next = 0  # so many calls answer 500
        self.slow_s = 0.0
        self.is_down = False
        self.refuse_key = False

    # -- for the sandbox and for tests ------------------------------------------------------------------------

    @property
    def system_key(self) -> str:
        return self.users["__supervisor__"].credentials[0].access_key

    @property
    def system_secret(self) -> str:
        return self.users["__supervisor__"].credentials[0].secret_key

    def companies(self) -> list[dict[str, Any]]:
        """Return what there is, without secrets."""
        with self.lock:
            return [
                {
                    "id": company.id,
                    "name": company.name,
                    "domains": list(company.domains),
                    "queues": sorted(company.queues),
                    "workers": sorted(company.workers),
                    "users": [
                        {
                            "id": user.id,
                            "name": user.name,
                            "email": user.email,
                            "role": user.role,
                            "keys": len(user.credentials),
                        }
                        for user in self.users.values()
                        if user.company == company.id
                    ],
                }
                for company in self.companies_by_id.values()
            ]

    def every_secret(self) -> list[str]:
        """Return every secret key that was ever handed out and still stands, for tests that search for leaks."""
        with self.lock:
            return [key.secret_key for user in self.users.values() for key in user.credentials]

    def add_company(self, name: str) -> str:
        """Add a company as an operator would by hand."""
        with self.lock:
            company = Company(id=uuid.uuid4().hex, name=name)
            self.companies_by_id[company.id] = company
            return company.id

    def see_worker(self, access_key: str, worker_id: str, queues: tuple[str, ...]) -> bool:
        """Let an agent report in with its key. Returns False where the key is not known."""
        with self.lock:
            user = self._user_of_key(access_key)
            if user is None:
                return False
            self.companies_by_id[user.company].workers[worker_id] = (self.clock(), queues)
            return True

    # -- who calls ------------------------------------------------------------------------------------------

    def user_by_credentials(self, access_key: str, secret_key: str) -> User:
        """Return whose key it is. Raises: ApiRefusal 401/22."""
        user = self._user_of_key(access_key)
        known = user is not None and any(
            secrets.compare_digest(key.secret_key, secret_key)
            for key in user.credentials
            if key.access_key == access_key
        )
        if user is None or not known or self.refuse_key:
            raise ApiRefusal(401, 22, "Unauthorized (invalid credentials) (failed to locate provided credentials)")
        return user

    def user_by_token(self, token: str) -> User:
        """Return whose token it is. Raises: ApiRefusal 401/30."""
        user_id, expires_at = self.tokens.get(token, ("", 0.0))
        if user_id not in self.users or expires_at < self.clock():
            raise ApiRefusal(401, 30, "Unauthorized (invalid token)")
        return self.users[user_id]

    def _user_of_key(self, access_key: str) -> User | None:
        return next(
            (one for one in self.users.values() if any(key.access_key == access_key for key in one.credentials)), None
        )

    # -- what calls do ----------------------------------------------------------------------------------------

    def login(self, user_id: str, expires_in_s: float) -> str:
        token = f"eyJhbGciOiJIUzI1NiJ9.{secrets.token_urlsafe(48)}.{secrets.token_urlsafe(32)}"
        self.tokens[token] = (user_id, self.clock() + expires_in_s)
        return token

    def create_company(self, name: str) -> str:
        taken = any(one.name.casefold() == name.casefold() for one in self.companies_by_id.values())
        if self.unique_names and taken:
            raise ApiRefusal(
                400, 801, f"Value combination already exists (unique field already contains this value): name={name}"
            )
        return self.add_company(name)

    def create_user(self, *, name: str, company: str, email: str, role: str, internal: bool) -> str:
        if company not in self.companies_by_id:
            raise ApiRefusal(400, 10, f"Invalid id: company={company}")
        if email and any(one.email.casefold() == email.casefold() for one in self.users.values()):
            raise ApiRefusal(
                400, 801, f"Value combination already exists (unique field already contains this value): email={email}"
            )
        user = User(id=uuid.uuid4().hex, name=name, company=company, email=email, role=role, internal=internal)
        self.users[user.id] = user
        return user.id

    def create_credentials(self, user_id: str, label: str) -> Credential:
        made = _new_credential(label)
        self.users[user_id].credentials.append(made)
        return made

    def revoke_credentials(self, user_id: str, access_key: str) -> int:
        user = self.users[user_id]
        left = [key for key in user.credentials if key.access_key != access_key]
        if len(left) == len(user.credentials):
            raise ApiRefusal(400, 75, "Invalid user or invalid access key")
        user.credentials = left
        return 1

    def create_queue(self, company_id: str, name: str) -> str:
        queues = self.companies_by_id[company_id].queues
        if len(name) < 3:
            raise ApiRefusal(400, 12, "Validation error (error for field 'name': String is too short)")
        if name in queues:
            raise ApiRefusal(
                400, 801, f"Value combination already exists (unique field already contains this value): name={name}"
            )
        queues[name] = uuid.uuid4().hex
        return queues[name]

    def queues(self, company_id: str, pattern: str | None) -> Iterator[dict[str, str]]:
        for name, queue_id in self.companies_by_id[company_id].queues.items():
            if pattern is None or re.search(pattern, name):
                yield {"id": queue_id, "name": name}

    @contextmanager
    def recorded(self, endpoint: str, headers: list[str]) -> Iterator[dict[str, Any]]:
        """Keep a line of the call's log; the caller fills in code, subcode and who."""
        line: dict[str, Any] = {
            "at": self.clock(),
            "endpoint": endpoint,
            "as": headers,
            "caller": "",
            "code": 0,
            "subcode": 0,
        }
        try:
            yield line
        finally:
            self.calls.append(line)


def _new_credential(label: str) -> Credential:
    return Credential(
        access_key="".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(30)),
        secret_key="".join(secrets.choice(_ALPHABET) for _ in range(50)),
        label=label,
    )
