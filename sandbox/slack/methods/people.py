"""users.info, users.list, users.lookupByEmail, usergroups.list, usergroups.users.list."""

from sandbox.slack.methods.call import Call, Method
from sandbox.slack.model import JSON, ApiError, Group, Person


def _user(call: Call, person: Person) -> JSON:
    profile: JSON = {
        "real_name": person.real_name,
        "display_name": person.name,
        "title": person.title,
        "team": call.state.team_id,
    }
    if person.email and "users:read.email" in call.state.manifest.scopes:
        profile["email"] = person.email
    return {
        "id": person.id,
        "team_id": call.state.team_id,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": person.deactivated,
        "profile": profile,
        "tz": "Etc/UTC",
        "tz_offset": 0,
        "is_admin": False,
        "is_owner": False,
        "is_restricted": person.guest,
        "is_ultra_restricted": False,
        "is_bot": person.bot,
        "is_app_user": False,
        "updated": 1_700_000_000,
    }


def _info(call: Call) -> JSON:
    person = call.state.people.get(call.text("user"))
    if person is None:
        raise ApiError("user_not_found")
    return {"user": _user(call, person)}


def _list(call: Call) -> JSON:
    page, metadata = call.page(list(call.state.people.values()), default=1000)
    return {"members": [_user(call, person) for person in page], "response_metadata": metadata}


def _by_email(call: Call) -> JSON:
    email = call.text("email").lower()
    for person in call.state.people.values():
        if person.email.lower() == email and not person.deactivated:
            return {"user": _user(call, person)}
    raise ApiError("users_not_found")


def _active(call: Call, group: Group) -> list[str]:
    return [each for each in group.members if not call.state.people[each].deactivated]


def _groups(call: Call) -> JSON:
    found = [
        {
            "id": group.id,
            "team_id": call.state.team_id,
            "is_usergroup": True,
            "name": group.name,
            "description": "",
            "handle": group.handle,
            "is_external": False,
            "date_create": 1_700_000_000,
            "date_delete": 1_700_000_001 if group.disabled else 0,
            "user_count": len(_active(call, group)),
            **({"users": _active(call, group)} if call.flag("include_users") else {}),
        }
        for group in call.state.groups.values()
        if call.flag("include_disabled") or not group.disabled
    ]
    return {"usergroups": found}


def _group_members(call: Call) -> JSON:
    group = call.state.groups.get(call.text("usergroup"))
    if group is None or (group.disabled and not call.flag("include_disabled")):
        raise ApiError("no_such_subteam")
    return {"users": _active(call, group)}


METHODS = {
    "users.info": Method(run=_info, scope="users:read"),
    "users.list": Method(run=_list, scope="users:read"),
    "users.lookupByEmail": Method(run=_by_email, scope="users:read.email"),
    "usergroups.list": Method(run=_groups, scope="usergroups:read"),
    "usergroups.users.list": Method(run=_group_members, scope="usergroups:read"),
}
