"""api.test, auth.test, apps.connections.open, team.info, bots.info, blocks.validate."""

from sandbox.slack.blocks.validation import problems_of_blocks
from sandbox.slack.methods.call import Call, Method
from sandbox.slack.model import JSON, ApiError
from sandbox.slack.posting import parsed
from sandbox.slack.state import team_json


def _api_test(call: Call) -> JSON:
    if error := call.arguments.get("error"):
        raise ApiError(str(error), args=dict(call.arguments))
    return {"args": dict(call.arguments)} if call.arguments else {}


def _auth_test(call: Call) -> JSON:
    state = call.state
    return {
        "url": f"https://{team_json(state)['domain']}.slack.com/",
        "team": state.team_name,
        "user": state.people[state.bot_user_id].name,
        "team_id": state.team_id,
        "user_id": state.bot_user_id,
        "bot_id": state.bot_id,
        "is_enterprise_install": False,
    }


def _connections_open(call: Call) -> JSON:
    if not call.state.manifest.socket_mode:
        raise ApiError("socket_mode_not_enabled")
    address = call.base_url.replace("http://", "ws://", 1)
    return {"url": f"{address}/link/?ticket={call.workspace.passes.ticket()}&app_id={call.state.app_id}"}


def _team_info(call: Call) -> JSON:
    state = call.state
    return {"team": {**team_json(state), "name": state.team_name, "email_domain": "", "icon": {}}}


def _bots_info(call: Call) -> JSON:
    state = call.state
    if call.arguments.get("bot") not in {None, "", state.bot_id}:
        raise ApiError("bot_not_found")
    return {
        "bot": {
            "id": state.bot_id,
            "deleted": False,
            "name": state.people[state.bot_user_id].name,
            "user_id": state.bot_user_id,
            "app_id": state.app_id,
            "icons": {},
        }
    }


def _blocks_validate(call: Call) -> JSON:
    call.require("blocks")
    blocks = parsed(call.arguments["blocks"], "invalid_blocks_format")
    if problems := problems_of_blocks(blocks):
        raise ApiError("invalid_blocks", messages=problems)
    return {}


METHODS = {
    "api.test": Method(run=_api_test, caller="anyone", takes_json=True),
    "auth.test": Method(run=_auth_test, caller="both", takes_json=True),
    "apps.connections.open": Method(run=_connections_open, caller="app", takes_json=True),
    "team.info": Method(run=_team_info, scope="team:read"),
    "bots.info": Method(run=_bots_info, scope="users:read"),
    "blocks.validate": Method(run=_blocks_validate, caller="anyone", takes_json=True),
}
