"""Steps on a company of the ClearML server beside those that make it: its further users, its settings."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, JsonValue

from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML, User


class _Inputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WantedUser(_Inputs):
    name: str
    role: str


class UsersInputs(_Inputs):
    company_id: str
    admin_user_id: str  # as whom the company is looked at
    users: dict[str, WantedUser] = {}  # e-mail → who is to be there
    gone: tuple[str, ...] = ()  # e-mails of users who are to be there no longer
    # E-mail → role when this was planned, None: no such user. Where given, it is what undo goes back to: a crash may
    # hide what apply did.
    before: dict[str, str | None] = {}


class Users:
    """``clearml.users``: the company has these users in these roles, and those no longer.

    Outputs: ``created`` (e-mails), ``roles`` (e-mail → role before). Undo deletes whom it made and gives roles back;
    who was deleted does not come back.
    """

    kind = "clearml.users"

    def __init__(self, clearml: "ClearML") -> None:
        self._clearml = clearml

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = UsersInputs.model_validate(inputs)
        found = self._found(wanted)
        differences: dict[str, tuple[JsonValue, JsonValue]] = {
            email: (found[email.casefold()].role if email.casefold() in found else None, user.role)
            for email, user in wanted.users.items()
            if email.casefold() not in found or found[email.casefold()].role != user.role
        }
        differences |= {
            email: (found[email.casefold()].role, None) for email in wanted.gone if email.casefold() in found
        }
        if not differences:
            return Observation(presence=Presence.PRESENT, detail="as planned")
        if all(was is None for was, _ in differences.values()) and len(differences) == len(wanted.users):
            return Observation(presence=Presence.ABSENT)
        return Observation(presence=Presence.DIFFERS, differences=differences)

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = UsersInputs.model_validate(inputs)
        found = self._found(wanted)
        created: list[JsonValue] = []
        roles: dict[str, JsonValue] = {}
        for email, user in wanted.users.items():
            there = found.get(email.casefold())
            if there is None:
                run.note(f"making user {email}")
                self._clearml.create_user(company_id=wanted.company_id, name=user.name, email=email, role=user.role)
                created.append(email)
            elif there.role != user.role:
                run.note(f"making {email} {user.role}")
                self._clearml.edit_role(wanted.admin_user_id, there.id, user.role)
                roles[email] = there.role
        for email in wanted.gone:
            there = found.get(email.casefold())
            if there is not None and not self._clearml.delete_user(there.id):
                run.note(f"user {email} stays: this server has no call to delete it")
        return {"created": created, "roles": roles}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = UsersInputs.model_validate(inputs)
        found = self._found(wanted)
        for email, role in (wanted.before or _before(outputs)).items():
            there = found.get(email.casefold())
            if there is None or there.role == role:
                continue
            if role is not None:
                self._clearml.edit_role(wanted.admin_user_id, there.id, role)
            elif not self._clearml.delete_user(there.id):
                run.note(f"user {email} stays: this server has no call to delete it")

    def _found(self, wanted: UsersInputs) -> "dict[str, User]":
        return {user.email.casefold(): user for user in self._clearml.users(wanted.admin_user_id) if user.email}


def _before(outputs: Outputs) -> dict[str, str | None]:
    """Return e-mail → role before, as apply has noted it."""
    created, roles = outputs.get("created"), outputs.get("roles")
    made: dict[str, str | None] = {str(email): None for email in created} if isinstance(created, list) else {}
    had = {email: str(role) for email, role in roles.items()} if isinstance(roles, dict) else {}
    return made | had


class SettingsInputs(_Inputs):
    company_id: str
    settings: dict[str, int]  # allowed_users, max_running_apps
    before: dict[str, int]  # what is recorded of them


class CompanySettings:
    """``clearml.company_settings``: the company has these limits. No outputs.

    No documented call tells a company's limits: what was set and recorded is taken for what is so, unless the
    server tells otherwise.
    """

    kind = "clearml.company_settings"

    def __init__(self, clearml: "ClearML") -> None:
        self._clearml = clearml

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = SettingsInputs.model_validate(inputs)
        known: dict[str, Any] = {**wanted.before, **self._clearml.company_limits(wanted.company_id)}
        differences: dict[str, tuple[JsonValue, JsonValue]] = {
            name: (known.get(name), value) for name, value in wanted.settings.items() if known.get(name) != value
        }
        if not differences:
            return Observation(presence=Presence.PRESENT, detail="set so")
        return Observation(presence=Presence.DIFFERS, differences=differences)

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = SettingsInputs.model_validate(inputs)
        self._clearml.update_company_settings(wanted.company_id, wanted.settings)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = SettingsInputs.model_validate(inputs)
        before = {name: value for name, value in wanted.before.items() if name in wanted.settings}
        if before:
            self._clearml.update_company_settings(wanted.company_id, before)
        if unknown := sorted(wanted.settings.keys() - before.keys()):
            run.note(f"{', '.join(unknown)} stay: what they were before is not known")
