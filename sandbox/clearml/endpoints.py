"""The calls: who may make them, what they take, what they do. Source: the schema of clearml-server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.clearml.state import ROLES, SYSTEM_ROLES, ApiRefusal, Caller, ClearMLState

Data = dict[str, Any]
ADMINS = frozenset({"admin", "superuser"}) | SYSTEM_ROLES
EVERYBODY: frozenset[str] = frozenset()  # no role asked


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One call. ``fields`` maps a field to the type that it must have."""

    run: Callable[[ClearMLState, Caller, Data], Data]
    roles: frozenset[str] = EVERYBODY
    required: tuple[str, ...] = ()
    fields: Mapping[str, type | tuple[type, ...]] = field(default_factory=dict)
    needs_auth: bool = True
    own_key_only: bool = False  # a configured credential may not be used for itself


def check(endpoint: Endpoint, caller: Caller, data: Data) -> None:
    """Refuse what the real server refuses before the call runs. Raises: ApiRefusal."""
    if endpoint.roles and caller.role not in endpoint.roles:
        raise ApiRefusal(403, 20, f"Forbidden (not allowed for role): role={caller.role}")
    for name in endpoint.required:
        if data.get(name) is None or data.get(name) == "":
            raise ApiRefusal(400, 12, f"Validation error ('{name}' is a required property)")
    for name, value in data.items():
        if name not in endpoint.fields:
            raise ApiRefusal(400, 12, f"Validation error (Additional properties are not allowed: '{name}')")
        if value is not None and not isinstance(value, endpoint.fields[name]):
            raise ApiRefusal(400, 12, f"Validation error (wrong type for '{name}')")
    if endpoint.own_key_only and caller.user.startswith("__"):
        raise ApiRefusal(400, 301, "Invalid user id (protected identity)")


def _create_company(state: ClearMLState, _caller: Caller, data: Data) -> Data:
    name = data["name"].strip()
    if len(name) < 3:
        raise ApiRefusal(400, 12, "Validation error (company name must have 3 characters or more)")
    return {"id": state.create_company(name)}


def _get_companies(state: ClearMLState, _caller: Caller, data: Data) -> Data:
    name = data.get("name")
    found = [
        {"id": one.id, "name": one.name, "active": one.active}
        for one in state.companies_by_id.values()
        if name is None or one.name.casefold() == name.casefold()
    ]
    return {"companies": found}


def _company_info(state: ClearMLState, _caller: Caller, data: Data) -> Data:
    company = state.companies_by_id.get(data["company"])
    if company is None:
        raise ApiRefusal(400, 10, f"Invalid id: company={data['company']}")
    return {"company": {"id": company.id, "name": company.name, "active": company.active}}


def _create_user(state: ClearMLState, caller: Caller, data: Data) -> Data:
    if caller.role not in SYSTEM_ROLES and data["company"] != caller.company:
        raise ApiRefusal(400, 10, "Invalid id (cannot create user in another company)")
    role = data.get("role") or "user"
    if role not in ROLES:
        raise ApiRefusal(400, 12, f"Validation error ('{role}' is not one of {list(ROLES)})")
    made = state.create_user(
        name=data["name"], company=data["company"], email=data["email"], role=role, internal=bool(data.get("internal"))
    )
    return {"id": made}


def _create_credentials(state: ClearMLState, caller: Caller, data: Data) -> Data:
    made = state.create_credentials(caller.user, data.get("label") or "")
    return {"credentials": {"access_key": made.access_key, "secret_key": made.secret_key, "label": made.label}}


def _get_credentials(state: ClearMLState, caller: Caller, _data: Data) -> Data:
    keys = state.users[caller.user].credentials
    return {"credentials": [{"access_key": key.access_key, "label": key.label} for key in keys]}


def _revoke_credentials(state: ClearMLState, caller: Caller, data: Data) -> Data:
    # The schema asks for key_id, the handler reads access_key.
    if not data.get("access_key"):
        raise ApiRefusal(400, 75, "Invalid user or invalid access key")
    return {"revoked": state.revoke_credentials(caller.user, data["access_key"])}


def _edit_user(state: ClearMLState, caller: Caller, data: Data) -> Data:
    user = state.users.get(data["user"])
    if user is None or user.company != caller.company:
        raise ApiRefusal(400, 301, f"Invalid user id: id={data['user']}")
    if data.get("role") not in ROLES:
        raise ApiRefusal(400, 12, "Validation error (role)")
    user.role = data["role"]
    return {"updated": 1, "fields": {"role": user.role}}


def _delete_user(state: ClearMLState, caller: Caller, data: Data) -> Data:
    user = state.users.get(data["user"])
    if user is None or (caller.role not in SYSTEM_ROLES and user.company != caller.company):
        raise ApiRefusal(400, 301, f"Invalid user id: id={data['user']}")
    del state.users[user.id]
    return {"deleted": True}


def _users(state: ClearMLState, caller: Caller, _data: Data) -> Data:
    found = [one for one in state.users.values() if one.company == caller.company]
    return {"users": [{"id": one.id, "name": one.name, "email": one.email, "role": one.role} for one in found]}


def _set_domains(state: ClearMLState, caller: Caller, data: Data) -> Data:
    if not all(isinstance(domain, str) for domain in data["domains"]):
        raise ApiRefusal(400, 12, "Validation error (domains)")
    state.companies_by_id[caller.company].domains = list(data["domains"])  # the whole list is replaced
    return {}


def _get_settings(state: ClearMLState, caller: Caller, _data: Data) -> Data:
    return {"domains": list(state.companies_by_id[caller.company].domains), "whitelist_entries": []}


def _create_queue(state: ClearMLState, caller: Caller, data: Data) -> Data:
    return {"id": state.create_queue(caller.company, data["name"].strip())}


def _get_queues(state: ClearMLState, caller: Caller, data: Data) -> Data:
    return {"queues": list(state.queues(caller.company, data.get("name")))[: data.get("page_size") or 500]}


def _delete_queue(state: ClearMLState, caller: Caller, data: Data) -> Data:
    queues = state.companies_by_id[caller.company].queues
    name = next((name for name, queue_id in queues.items() if queue_id == data["queue"]), None)
    if name is None:
        raise ApiRefusal(400, 701, f"Invalid queue id: id={data['queue']}")
    del queues[name]
    return {"deleted": 1}


def _get_workers(state: ClearMLState, caller: Caller, data: Data) -> Data:
    oldest = state.clock() - (data.get("last_seen") or 3600)
    workers = state.companies_by_id[caller.company].workers.items()
    return {
        "workers": [
            {"id": worker, "queues": [{"name": name} for name in queues]}
            for worker, (seen_at, queues) in workers
            if seen_at >= oldest
        ]
    }


def _login(state: ClearMLState, caller: Caller, data: Data) -> Data:
    return {"token": state.login(caller.user, data.get("expiration_sec") or 30 * 86_400)}


def _ping(_state: ClearMLState, _caller: Caller, _data: Data) -> Data:
    return {"msg": "Because it trains cats and dogs"}


def _info(_state: ClearMLState, _caller: Caller, _data: Data) -> Data:
    return {"version": "3.21.6", "build": "1443", "api_version": "2.30"}


ENDPOINTS: Mapping[str, Endpoint] = {
    "debug.ping": Endpoint(run=_ping, needs_auth=False),
    "server.info": Endpoint(run=_info),
    "auth.login": Endpoint(run=_login, fields={"expiration_sec": int}),
    "system.create_company": Endpoint(
        run=_create_company, roles=SYSTEM_ROLES, required=("name",), fields={"name": str, "defaults": dict}
    ),
    "system.get_companies": Endpoint(
        run=_get_companies, roles=SYSTEM_ROLES, fields={"name": str, "name_pattern": str, "only_fields": list}
    ),
    "system.company_info": Endpoint(
        run=_company_info, roles=SYSTEM_ROLES, required=("company",), fields={"company": str}
    ),
    "auth.create_user": Endpoint(
        run=_create_user,
        roles=ADMINS,
        required=("name", "company", "email"),
        fields={"name": str, "company": str, "email": str, "role": str, "internal": bool},
    ),
    "auth.create_credentials": Endpoint(
        run=_create_credentials, fields={"label": str, "expiration_sec": int}, own_key_only=True
    ),
    "auth.get_credentials": Endpoint(run=_get_credentials),
    "auth.revoke_credentials": Endpoint(
        run=_revoke_credentials, fields={"access_key": str, "key_id": str}, own_key_only=True
    ),
    "auth.edit_user": Endpoint(
        run=_edit_user, roles=ADMINS, required=("user", "role"), fields={"user": str, "role": str}
    ),
    "auth.delete_user": Endpoint(run=_delete_user, roles=ADMINS, required=("user",), fields={"user": str}),
    "users.get_all_ex": Endpoint(run=_users, fields={"page": int, "page_size": int, "only_fields": list}),
    "login.set_domains": Endpoint(run=_set_domains, roles=ADMINS, required=("domains",), fields={"domains": list}),
    "login.get_settings": Endpoint(run=_get_settings, roles=ADMINS),
    "queues.create": Endpoint(
        run=_create_queue, required=("name",), fields={"name": str, "tags": list, "system_tags": list}
    ),
    "queues.get_all": Endpoint(
        run=_get_queues, fields={"name": str, "page": int, "page_size": int, "only_fields": list, "id": list}
    ),
    "queues.delete": Endpoint(run=_delete_queue, required=("queue",), fields={"queue": str, "force": bool}),
    "workers.get_all": Endpoint(run=_get_workers, fields={"last_seen": int}),
}
