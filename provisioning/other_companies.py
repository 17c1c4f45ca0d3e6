"""What the other companies of the ClearML server hold of what a new tenant asks for: its e-mail, its domains."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provisioning.errors import PermanentError
from provisioning.known_users import Survey

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML

PARALLEL_COMPANIES = 8


@dataclass(frozen=True, kw_only=True)
class OtherCompanies:
    """The server as seen by one tenant to be."""

    own_id: str | None  # of the company that has the tenant's name
    email_holder: str | None = None
    domain_holders: Mapping[str, str] = field(default_factory=dict)  # domain → company
    unread: tuple[str, ...] = ()  # companies that we did not make and that would not be read


@dataclass(frozen=True, kw_only=True)
class _Seen:
    company: str
    emails: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    was_read: bool = True


def look_at_others(clearml: "ClearML", survey: Survey, *, name: str, email: str) -> OtherCompanies:
    """Return what the companies other than *name* hold, read side by side, a bounded number at a time.

    Args:
        survey: whom we know. A company is only open to its users.

    Raises: TemporaryError, UnreachableError. A company that cannot be read is named, not fatal.
    """
    companies = clearml.companies()
    own = next((one.id for one in companies if one.name.casefold() == name.casefold()), None)
    others = [one for one in companies if one.id != own]
    with ThreadPoolExecutor(PARALLEL_COMPANIES, thread_name_prefix="companies") as pool:
        seen = list(pool.map(lambda one: _look(clearml, one.name, survey.users.get(one.id, ())), others))
    return OtherCompanies(
        own_id=own,
        email_holder=next((one.company for one in seen if email.casefold() in one.emails), None),
        domain_holders={domain: one.company for one in seen for domain in one.domains},
        unread=tuple(sorted(one.company for one in seen if not one.was_read and one.company not in survey.names)),
    )


def _look(clearml: "ClearML", company: str, users: Sequence[str]) -> _Seen:
    for user_id in users:
        try:
            return _Seen(
                company=company,
                emails=frozenset(user.email.casefold() for user in clearml.users(user_id)),
                domains=frozenset(domain.casefold() for domain in clearml.domains(user_id)),
            )
        except PermanentError:  # this user is gone; another may still be there
            continue
    return _Seen(company=company, was_read=False)
