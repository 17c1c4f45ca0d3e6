"""What the stand-in server keeps, and how it refuses."""

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

ROLES = ("admin", "superuser", "user", "annotator")
SYSTEM_ROLES = frozenset({"system", "root"})
WORKER_TIMEOUT_S = 600.0  # after which a worker that does not report is forgotten


class ApiRefusal(Exception):  # noqa: N818 - what the real server calls an API error
    """A call that the server refuses, with the code and subcode of its error table (apierrors/errors.conf)."""

    def __init__(self, code: int, subcode: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.subcode = subcode
        self.message = message


@dataclass(kw_only=True)
class Credential:
    access_key: str
    secret_key: str = field(repr=False)
    label: str = ""
    expires_at: float | None = None
    last_used_at: float | None = None


@dataclass(kw_only=True)
class User:
    id: str
    name: str
    company: str
    email: str
    role: str
    internal: bool = False
    created_at: float = 0.0
    credentials: list[Credential] = field(default_factory=list)


@dataclass(kw_only=True)
class Worker:
    id: str
    user: str
    queues: list[str]  # ids
    registered_at: float
    seen_at: float
    timeout_s: float = WORKER_TIMEOUT_S


@dataclass(kw_only=True)
class Company:
    id: str
    name: str
    active: bool = True
    domains: list[str] = field(default_factory=list)
    queues: dict[str, str] = field(default_factory=dict)  # name → id
    workers: dict[str, Worker] = field(default_factory=dict)  # user id and worker id → worker
    settings: dict[str, Any] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)  # names of tasks


@dataclass(frozen=True, kw_only=True)
class Caller:
    """On whose behalf a call runs."""

    user: str
    company: str
    role: str


def new_credential(label: str, expires_at: float | None = None) -> Credential:
    """Return a key of the real ones' form: 30 upper-case letters and digits, and a secret that is safe in YAML."""
    return Credential(
        access_key="".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(30)),
        secret_key=secrets.choice(string.ascii_letters) + secrets.token_urlsafe(50),
        label=label,
        expires_at=expires_at,
    )
