"""What the stand-in server holds, and its faults. Thread-safe; secrets leave only where the real server tells them."""

import os
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from sandbox.clearml import persistence
from sandbox.clearml.model import (
    SYSTEM_ROLES,
    WORKER_TIMEOUT_S,
    ApiRefusal,
    Company,
    Credential,
    User,
    Worker,
    new_credential,
)

__all__ = ["DEFAULT_COMPANY", "ApiRefusal", "ClearMLState"]

DEFAULT_COMPANY = "d1bd92a3b039400cbafc60a7a5b1e52b"
SUPERVISOR = "__supervisor__"
CALLS_KEPT = 500


class ClearMLState:
    """The server's memory, its faults, and the log of its calls.

    Args:
        clock: seconds since the epoch.
        unique_names: ``CLEARML__apiserver__company__unique_names``.
        file: keeps everything but the log and the faults across restarts, where given (0600: it holds secrets).
    """

    def __init__(self, *, clock: Callable[[], float], unique_names: bool = True, file: Path | None = None) -> None:
        self.lock = RLock()
        self.clock = clock
        self.unique_names = unique_names
        self._file = file
        self._saved = ""
        self.companies_by_id: dict[str, Company] = {}
        self.users: dict[str, User] = {}
        self.tokens: dict[str, tuple[str, float | None]] = {}  # token → (user id, expires at)
        self.calls: deque[dict[str, Any]] = deque(maxlen=CALLS_KEPT)
        # Faults. Each counts calls down, or holds until it is taken back.
        self.fail_next = 0  # so many calls answer fail_code, and do nothing
        self.fail_code = 500  # 500: the server's own words; 502, 503, 504: a proxy's, without an envelope
        self.drop_next = 0  # so many connections break, and nothing is done
        self.lose_next = 0  # so many calls are carried out, and the connection breaks before the answer
        self.fail_jobs = 0  # so many commands inside the server's pods fail
        self.slow_s = 0.0
        self.is_down = False
        self.refuse_key = False
        self.agents: dict[str, Callable[[], str | None]] = {}  # company's name → the key that its agent uses now
        # How servers differ.
        self.admins_make_queues = True  # False: an Enterprise admin without the feature queue_management
        self.system_crosses_companies = True  # False: the open-source server, where only root acts for everyone
        self.missing_endpoints: set[str] = set()  # as in an older version
        self.server_version: tuple[int, ...] = (3, 21, 6)  # 3.30 brought the service tenants
        self.cleaned: list[str] = []  # what management jobs inside the server's pods have removed
        if file is not None and file.exists():
            self._load(file)
        else:
            self._begin()

    def _begin(self) -> None:
        self.companies_by_id[DEFAULT_COMPANY] = Company(id=DEFAULT_COMPANY, name="clearml")
        supervisor = User(id=SUPERVISOR, name="supervisor", company=DEFAULT_COMPANY, email="", role="system")
        supervisor.credentials.append(new_credential("configured"))
        self.users[supervisor.id] = supervisor
        self.save()

    def _load(self, file: Path) -> None:
        self._saved = file.read_text()
        self.companies_by_id, self.users, self.tokens = persistence.parse(self._saved)

    def save(self) -> None:
        """Write the file, where there is one and something changed: whole, or not at all."""
        if self._file is None:
            return
        with self.lock:
            text = persistence.dump(self.companies_by_id, self.users, self.tokens)
            if text == self._saved:
                return
            new = self._file.with_name(self._file.name + ".new")
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
                stream.write(text)
            new.replace(self._file)
            self._saved = text

    # -- for the sandbox and for tests ------------------------------------------------------------------------

    @property
    def system_key(self) -> str:
        return self.users[SUPERVISOR].credentials[0].access_key

    @property
    def system_secret(self) -> str:
        return self.users[SUPERVISOR].credentials[0].secret_key

    def companies(self) -> list[dict[str, Any]]:
        """Return what there is, without secrets."""
        with self.lock:
            return [persistence.shown(company, self.users.values(), self.workers(company.id)) for company in self._all]

    def snapshot(self) -> dict[str, Any]:
        """Return everything that may be looked at, as JSON without secrets: companies, calls, faults."""
        faults = ("fail_next", "fail_code", "drop_next", "lose_next", "slow_s", "is_down", "refuse_key")
        with self.lock:
            return {
                "companies": self.companies(),
                "calls": [dict(call) for call in self.calls],
                "faults": {name: getattr(self, name) for name in faults},
            }

    def every_secret(self) -> list[str]:
        """Return every secret key that was ever handed out and still stands, for tests that search for leaks."""
        with self.lock:
            return [key.secret_key for user in self.users.values() for key in user.credentials]

    def add_company(self, name: str) -> str:
        """Add a company as an operator would by hand."""
        with self.lock:
            company = Company(id=uuid.uuid4().hex, name=name)
            self.companies_by_id[company.id] = company
            self.save()
            return company.id

    def see_worker(
        self, access_key: str, worker_id: str, queues: Iterable[str], *, timeout_s: float = WORKER_TIMEOUT_S
    ) -> bool:
        """Let an agent report in with its key; the queues that it names are made. False where the key is unknown.

        It is forgotten after *timeout_s* without a report, as the real server does.
        """
        with self.lock:
            user = self._user_of_key(access_key)
            if user is None:
                return False
            next(key for key in user.credentials if key.access_key == access_key).last_used_at = self.clock()
            known = self.companies_by_id[user.company].queues
            ids = [known.get(name) or self.create_queue(user.company, name) for name in queues]
            self.register_worker(user, worker_id, ids, timeout_s)
            self.save()
            return True

    @property
    def _all(self) -> list[Company]:
        return list(self.companies_by_id.values())

    # -- who calls ------------------------------------------------------------------------------------------

    def user_by_credentials(self, access_key: str, secret_key: str) -> User:
        """Return whose key it is. Raises: ApiRefusal 401/22."""
        user = self._user_of_key(access_key)
        key = None if user is None else next(one for one in user.credentials if one.access_key == access_key)
        if user is None or key is None or self.refuse_key or not _same(key.secret_key, secret_key):
            raise ApiRefusal(401, 22, "Unauthorized (invalid credentials) (failed to locate provided credentials)")
        key.last_used_at = self.clock()
        return user

    def user_by_token(self, token: str) -> User:
        """Return whose token it is. Raises: ApiRefusal 401/30."""
        user_id, expires_at = self.tokens.get(token, ("", 0.0))
        if user_id not in self.users or (expires_at is not None and expires_at < self.clock()):
            raise ApiRefusal(401, 30, "Invalid token (invalid jwt token)")
        return self.users[user_id]

    def _user_of_key(self, access_key: str) -> User | None:
        now = self.clock()
        for user in self.users.values():
            for key in user.credentials:
                if key.access_key == access_key and (key.expires_at is None or key.expires_at > now):
                    return user
        return None

    # -- what calls do ----------------------------------------------------------------------------------------

    def login(self, user_id: str, expires_in_s: float | None) -> str:
        """Return a new token. One of a system user does not expire unless asked."""
        if expires_in_s is None and self.users[user_id].role not in SYSTEM_ROLES:
            expires_in_s = 30 * 86_400
        token = f"eyJhbGciOiJIUzI1NiJ9.{secrets.token_urlsafe(48)}.{secrets.token_urlsafe(32)}"
        self.tokens[token] = (user_id, None if expires_in_s is None else self.clock() + expires_in_s)
        return token

    def create_company(self, name: str) -> str:
        if self.unique_names and any(one.name.casefold() == name.casefold() for one in self._all):
            raise duplicate(name=name)
        return self.add_company(name)

    def create_user(self, *, name: str, company: str, email: str, role: str, internal: bool) -> str:
        if company not in self.companies_by_id:
            raise ApiRefusal(400, 10, f"Invalid object id: company={company}")
        if any(one.email == email for one in self.users.values()):  # the database's index compares case
            raise duplicate(email=email)
        user = User(
            id=uuid.uuid4().hex,
            name=name,
            company=company,
            email=email,
            role=role,
            internal=internal,
            created_at=self.clock(),
        )
        self.users[user.id] = user
        return user.id

    def create_credentials(self, user_id: str, label: str, expires_in_s: float | None) -> Credential:
        made = new_credential(label, None if expires_in_s is None else self.clock() + expires_in_s)
        self.users[user_id].credentials.append(made)
        return made

    def create_queue(self, company_id: str, name: str) -> str:
        queues, name = self.companies_by_id[company_id].queues, name.strip()
        if len(name) < 3:
            raise ApiRefusal(400, 800, "Data validation error: name=String value is too short")
        if name in queues:
            raise duplicate(name=name, company=company_id)
        queues[name] = uuid.uuid4().hex
        return queues[name]

    def register_worker(self, user: User, worker_id: str, queues: list[str], timeout_s: float) -> None:
        """Raises: ApiRefusal 400/701 for a queue that the company does not have."""
        company = self.companies_by_id[user.company]
        unknown = set(queues) - set(company.queues.values())
        if unknown:
            raise ApiRefusal(400, 701, f"Invalid queue id: ids=({', '.join(sorted(unknown))})")
        now = self.clock()
        company.workers[f"{user.id} {worker_id}"] = Worker(
            id=worker_id, user=user.id, queues=queues, registered_at=now, seen_at=now, timeout_s=timeout_s
        )

    def workers(self, company_id: str) -> list[Worker]:
        """Return the workers that are not forgotten yet. An agent that runs reports in right before."""
        agent = self.agents.get(self.companies_by_id[company_id].name)
        if agent is not None and (access_key := agent()) is not None:
            self.see_worker(access_key, "agent", ("default",))
        now = self.clock()
        workers = self.companies_by_id[company_id].workers.values()
        return [one for one in workers if one.seen_at + one.timeout_s > now]

    @contextmanager
    def recorded(self, endpoint: str, acting: list[str], headers: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Keep a line of the call's log, names only; the caller fills in code, subcode, who and fields."""
        line: dict[str, Any] = {
            "at": self.clock(),
            "endpoint": endpoint,
            "as": acting,
            "caller": "",
            "headers": sorted(set(headers)),
            "fields": [],
            "code": 0,
            "subcode": 0,
        }
        try:
            yield line
        finally:
            self.calls.append(line)
            self.save()


def duplicate(**values: str) -> ApiRefusal:
    """Return what the server says of a value that must be unique and is taken."""
    listed = ", ".join(f"{name}={value}" for name, value in values.items())
    return ApiRefusal(
        400, 801, f"Value combination already exists (unique field already contains this value): {listed}"
    )


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())
