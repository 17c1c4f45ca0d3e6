"""Companies, users, keys and sign-in: the services system, auth, users and login. Sources as in ``schema``'s."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox.clearml.model import ROLES, SYSTEM_ROLES, ApiRefusal, Caller, Credential, User
from sandbox.clearml.paging import page_of
from sandbox.clearml.schema import Data, Endpoint, Kind
from sandbox.clearml.state import ClearMLState

ADMINS = frozenset({"admin"}) | SYSTEM_ROLES
LONGEST_TOKEN_S = 31_536_000
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_HOST = re.compile(r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")


def _create_company(state: ClearMLState, _caller: Caller, data: Data) -> Data:
    name = data["name"].strip()
    if len(name) < 3:
        raise ApiRefusal(400, 12, "Validation error (error for field 'name': value is too short, minimum length is 3)")
    return {"id": state.create_company(name), "app_queues": []}


def _get_companies(state: ClearMLState, _caller: Caller, data: Data) -> Data:
    name, pattern = data.get("name"), compiled(data.get("name_pattern"))
    found = [
        {"id": one.id, "name": one.name, "active": one.active}
        for one in state.companies_by_id.values()
        if (name is None or one.name.casefold() == name.casefold()) and pattern.search(one.name)
    ]
    return {"companies": found}


def _company_info(state: ClearMLState, _caller: Caller, data: Data) -> Data:
    company = state.companies_by_id.get(data["company"])
    if company is None:
        raise ApiRefusal(400, 10, f"Invalid object id: company={data['company']}")
    return {"id": company.id, "name": company.name, "active": company.active, "defaults": {}, "services": []}


def _update_company_settings(state: ClearMLState, caller: Caller, data: Data) -> Data:
    _company_info(state, caller, data)
    settings = {name: value for name, value in data.items() if name != "company"}
    state.companies_by_id[data["company"]].settings.update(settings)
    return {"updated": 1}


def _create_user(state: ClearMLState, caller: Caller, data: Data) -> Data:
    if caller.role not in SYSTEM_ROLES and data["company"] != caller.company:
        raise ApiRefusal(400, 10, "Invalid object id (cannot create user in another company)")
    role, email = data.get("role") or "user", data["email"]
    if role not in ROLES:
        raise ApiRefusal(400, 12, f"Validation error (value '{role}' is not a valid choice)")
    if data.get("internal") and caller.role not in SYSTEM_ROLES:
        raise ApiRefusal(400, 13, f"Fields not allowed for role: role={caller.role}, field=internal")
    if not _EMAIL.fullmatch(email):
        raise ApiRefusal(400, 800, f"Data validation error: email=Invalid email address: {email}")
    made = state.create_user(
        name=data["name"], company=data["company"], email=email, role=role, internal=bool(data.get("internal"))
    )
    return {"id": made}


def _create_credentials(state: ClearMLState, caller: Caller, data: Data) -> Data:
    _refuse_protected(caller)
    made = state.create_credentials(caller.user, data.get("label") or "", data.get("expiration_sec"))
    return {"credentials": {"access_key": made.access_key, "secret_key": made.secret_key} | _told(made)}


def _get_credentials(state: ClearMLState, caller: Caller, _data: Data) -> Data:
    return {
        "credentials": [
            {"access_key": key.access_key, "last_used": iso(key.last_used_at)} | _told(key)
            for key in state.users[caller.user].credentials
        ]
    }


def _edit_credentials(state: ClearMLState, caller: Caller, data: Data) -> Data:
    for key in state.users[caller.user].credentials:
        if key.access_key == data["access_key"]:
            key.label = data.get("label") or ""
            return {"updated": 1}
    raise ApiRefusal(400, 75, f"Access key not found (invalid user or invalid access key): user={caller.user}")


def _revoke_credentials(state: ClearMLState, caller: Caller, data: Data) -> Data:
    _refuse_protected(caller)
    user = state.users[caller.user]
    left = [key for key in user.credentials if key.access_key != data["access_key"]]
    if len(left) == len(user.credentials):
        raise ApiRefusal(400, 300, f"Invalid user (invalid user or invalid access key): id={caller.user}")
    user.credentials = left
    return {"revoked": 1}


def _get_users_info(state: ClearMLState, _caller: Caller, data: Data) -> Data:
    emails, ids = data.get("emails") or [], data.get("users") or []
    found = [one for one in state.users.values() if (one.email and one.email in emails) or one.id in ids]
    return {"users": {one.id: {"id": one.id} | _auth_info(one) for one in found}}


def _edit_user(state: ClearMLState, caller: Caller, data: Data) -> Data:
    user = _own_user(state, caller, data["user"])
    if data.get("role") is not None:
        if data["role"] not in ROLES:
            raise ApiRefusal(400, 12, f"Validation error (value '{data['role']}' is not a valid choice)")
        user.role = data["role"]
    return {"updated": 1, "fields": {"role": user.role}}


def _delete_user(state: ClearMLState, caller: Caller, data: Data) -> Data:
    if data["user"] == caller.user:
        raise ApiRefusal(400, 16, f"Invalid value for fields (cannot delete yourself): user={caller.user}")
    user = state.users.get(data["user"]) if caller.role in SYSTEM_ROLES else None
    del state.users[(user or _own_user(state, caller, data["user"])).id]
    return {"deleted": True}


def _login(state: ClearMLState, caller: Caller, data: Data) -> Data:
    asked_s = data.get("expiration_sec")
    if asked_s is not None and asked_s > LONGEST_TOKEN_S:
        raise ApiRefusal(400, 12, f"Validation error ('{asked_s}' is higher than maximum ('{LONGEST_TOKEN_S}').)")
    return {"token": state.login(caller.user, asked_s)}


def _users(state: ClearMLState, caller: Caller, data: Data) -> Data:
    told = bool(data.get("include_auth"))
    if told and caller.role not in ADMINS:
        raise ApiRefusal(400, 13, f"Fields not allowed for role: role={caller.role}, field=include_auth")
    pattern, ids = compiled(data.get("name")), data.get("id")
    found = [
        {"id": one.id, "name": one.name, "company": {"id": one.company}} | (_auth_info(one) if told else {})
        for one in state.users.values()
        if one.company == caller.company and (ids is None or one.id in ids) and pattern.search(one.name)
    ]
    return {"users": page_of(found, data)}


def _current_user(state: ClearMLState, caller: Caller, _data: Data) -> Data:
    user = state.users[caller.user]
    company = state.companies_by_id[user.company]
    return {
        "user": {
            "id": user.id,
            "name": user.name,
            "role": caller.role,
            "company": {"id": company.id, "name": company.name},
        }
    }


def _set_domains(state: ClearMLState, caller: Caller, data: Data) -> Data:
    for domain in data["domains"]:
        if not _HOST.fullmatch(domain):
            raise ApiRefusal(400, 23, f"Malformed domain name: domain={domain}")
    state.companies_by_id[caller.company].domains = list(data["domains"])  # the whole list is replaced
    return {}


def _get_settings(state: ClearMLState, caller: Caller, _data: Data) -> Data:
    return {"domains": list(state.companies_by_id[caller.company].domains), "whitelist_entries": []}


def compiled(pattern: str | None) -> re.Pattern[str]:
    """Return the pattern; everything matches None. Raises: ApiRefusal 400/21."""
    try:
        return re.compile(pattern or "")
    except re.error as problem:
        raise ApiRefusal(400, 21, f"Malformed regular expression: err={problem}") from None


def iso(at: float | None) -> str | None:
    """Return the time as the API writes it."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def _told(key: Credential) -> Data:
    return {"label": key.label, "expire": iso(key.expires_at)}


def _auth_info(user: User) -> Data:
    return {"email": user.email, "role": user.role, "created": iso(user.created_at)}


def _own_user(state: ClearMLState, caller: Caller, user_id: str) -> User:
    user = state.users.get(user_id)
    if user is None or user.company != caller.company:
        raise ApiRefusal(400, 301, f"Invalid user id: id={user_id}, company={caller.company}")
    return user


def _refuse_protected(caller: Caller) -> None:
    if caller.user.startswith("__"):  # a credential that stands in the server's configuration
        raise ApiRefusal(400, 301, "Invalid user id (protected identity)")


_LISTING = {
    "id": Kind.TEXTS,
    "name": Kind.TEXT,
    "only_fields": Kind.TEXTS,
    "order_by": Kind.TEXTS,
    "page": Kind.NUMBER,
    "page_size": Kind.NUMBER,
    "include_auth": Kind.FLAG,
}

ACCOUNTS: Mapping[str, Endpoint] = {
    "system.create_company": Endpoint(
        run=_create_company, roles=SYSTEM_ROLES, required=("name",), fields={"name": Kind.TEXT, "defaults": Kind.OBJECT}
    ),
    "system.get_companies": Endpoint(
        run=_get_companies,
        roles=SYSTEM_ROLES,
        fields={
            "name": Kind.TEXT,
            "name_pattern": Kind.TEXT,
            "custom_data": Kind.OBJECT,
            "custom_events": Kind.FLAG,
        },
    ),
    "system.company_info": Endpoint(
        run=_company_info, roles=SYSTEM_ROLES, required=("company",), fields={"company": Kind.TEXT}
    ),
    "system.update_company_settings": Endpoint(
        run=_update_company_settings,
        roles=SYSTEM_ROLES,
        required=("company",),
        fields={
            "company": Kind.TEXT,
            "allowed_users": Kind.NUMBER,
            "allowed_service_users": Kind.NUMBER,
            "features": Kind.TEXTS,
            "exclude_features": Kind.TEXTS,
            "max_running_apps": Kind.NUMBER,
        },
    ),
    "auth.login": Endpoint(run=_login, fields={"expiration_sec": Kind.NUMBER, "set_cookie": Kind.FLAG}),
    "auth.create_user": Endpoint(
        run=_create_user,
        roles=ADMINS,
        required=("name", "company", "email"),
        fields={
            **dict.fromkeys(("name", "company", "email", "role", "given_name", "family_name", "avatar"), Kind.TEXT),
            "internal": Kind.FLAG,
        },
    ),
    "auth.edit_user": Endpoint(
        run=_edit_user, roles=ADMINS, required=("user",), fields={"user": Kind.TEXT, "role": Kind.TEXT}
    ),
    "auth.delete_user": Endpoint(run=_delete_user, roles=ADMINS, required=("user",), fields={"user": Kind.TEXT}),
    "auth.get_users_info": Endpoint(
        run=_get_users_info,
        roles=SYSTEM_ROLES,
        fields={"emails": Kind.TEXTS, "users": Kind.TEXTS, "include_providers_info": Kind.FLAG},
    ),
    "auth.create_credentials": Endpoint(
        run=_create_credentials, fields={"label": Kind.TEXT, "expiration_sec": Kind.NUMBER}
    ),
    "auth.get_credentials": Endpoint(run=_get_credentials),
    "auth.edit_credentials": Endpoint(
        run=_edit_credentials, required=("access_key",), fields={"access_key": Kind.TEXT, "label": Kind.TEXT}
    ),
    "auth.revoke_credentials": Endpoint(  # the schema asks for key_id, the server reads access_key
        run=_revoke_credentials, required=("access_key",), fields={"access_key": Kind.TEXT, "key_id": Kind.TEXT}
    ),
    "users.get_all": Endpoint(run=_users, fields=_LISTING),
    "users.get_all_ex": Endpoint(
        run=_users, fields={**_LISTING, "include_activity": Kind.FLAG, "active_in_projects": Kind.TEXTS}
    ),
    "users.get_current_user": Endpoint(run=_current_user),
    "login.set_domains": Endpoint(
        run=_set_domains, roles=ADMINS, required=("domains",), fields={"domains": Kind.TEXTS}
    ),
    "login.get_settings": Endpoint(run=_get_settings, roles=ADMINS),
}
