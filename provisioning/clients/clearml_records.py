"""What the ClearML API tells, as frozen typed values. Parsed once, here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from provisioning.errors import PermanentError

NOT_THE_API = "check that CLEARML_CHATOPS_CLEARML__API_URL is the API server (https://api.…), not the web server"

Data = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Company:
    id: str
    name: str
    active: bool = True


@dataclass(frozen=True, kw_only=True)
class User:
    """``email`` and ``role`` are empty where the server keeps them to itself. The id is opaque."""

    id: str
    name: str
    email: str = ""
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class EmailHolder:
    """Who has an e-mail address, which is unique on the whole server."""

    user: User
    company: Company


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A new key. ``secret_key`` is told once, at creation. ``expires`` is UTC; None: it does not, or is not told."""

    access_key: str
    secret_key: SecretStr
    label: str = ""
    expires: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class CredentialInfo:
    access_key: str
    label: str = ""
    last_used: datetime | None = None
    expires: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Queue:
    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Worker:
    id: str
    queues: tuple[str, ...] = ()  # names
    last_seen: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    version: str
    api_version: str
    build: str = ""


def company(data: Data) -> Company:
    """Raises: PermanentError (all of these) where what we need is not there."""
    return Company(id=text(data, "id"), name=text(data, "name").strip(), active=data.get("active") is not False)


def user(data: Data) -> User:
    return User(
        id=text(data, "id"),
        name=str(data.get("name") or ""),
        email=str(data.get("email") or ""),
        role=str(data.get("role") or ""),
    )


def credentials(data: Data, label: str) -> Credentials:
    return Credentials(
        access_key=text(data, "access_key"),
        secret_key=SecretStr(text(data, "secret_key")),
        label=label,
        expires=moment(data.get("expire")),
    )


def credential_info(data: Data) -> CredentialInfo:
    return CredentialInfo(
        access_key=text(data, "access_key"),
        label=str(data.get("label") or ""),
        last_used=moment(data.get("last_used")),
        expires=moment(data.get("expire")),
    )


def queue(data: Data) -> Queue:
    return Queue(id=text(data, "id"), name=text(data, "name"))


def worker(data: Data) -> Worker:
    return Worker(
        id=text(data, "id"),
        queues=tuple(str(one.get("name") or one.get("id")) for one in records(data, "queues")),
        last_seen=moment(data.get("last_activity_time")),
    )


def records(data: Data, name: str) -> tuple[Data, ...]:
    """Return the list of objects called *name*; empty where there is none. Raises: PermanentError for a scalar."""
    found = data.get(name) or ()
    if not isinstance(found, list | tuple) or not all(isinstance(one, dict) for one in found):
        raise PermanentError(f"ClearML's answer has no list of {name}", next_action=NOT_THE_API)
    return tuple(found)


def text(data: Data, name: str) -> str:
    """Return what *data* calls *name*. Raises: PermanentError where it is missing or empty."""
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise PermanentError(f"ClearML's answer has no {name}", next_action=NOT_THE_API)
    return value


def moment(value: object) -> datetime | None:
    """Return the ISO 8601 time in UTC; None where there is none that can be read."""
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
