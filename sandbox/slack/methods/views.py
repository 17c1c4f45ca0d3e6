"""views.open, views.push, views.update, views.publish. No scope is needed."""

from sandbox.slack import viewing
from sandbox.slack.methods.call import Call, Method
from sandbox.slack.model import JSON
from sandbox.slack.payloads import view_json


def _scoped(call: Call) -> None:
    """A file_input needs the scope of those who read files. Raises: ApiError (missing_scope)."""
    if "file_input" in str(call.arguments["view"]):
        call.need_scope("files:read")


def _open(call: Call) -> JSON:
    call.require("trigger_id", "view")
    _scoped(call)
    # the view is looked at first: a call that Slack refuses does not use the trigger up
    viewing.checked(call.state, call.arguments["view"], "modal")
    trigger = call.workspace.passes.redeem_trigger(call.text("trigger_id"))
    return {"view": view_json(call.state, viewing.open_modal(call.state, trigger, call.arguments["view"]))}


def _push(call: Call) -> JSON:
    call.require("trigger_id", "view")
    _scoped(call)
    viewing.checked(call.state, call.arguments["view"], "modal")
    trigger = call.workspace.passes.redeem_trigger(call.text("trigger_id"))
    return {"view": view_json(call.state, viewing.push_modal(call.state, trigger, call.arguments["view"]))}


def _update(call: Call) -> JSON:
    call.require("view")
    _scoped(call)
    return {"view": view_json(call.state, viewing.update_modal(call.state, call.arguments))}


def _publish(call: Call) -> JSON:
    call.require("user_id", "view")
    return {"view": view_json(call.state, viewing.publish_home(call.state, call.arguments))}


METHODS = {
    "views.open": Method(run=_open, takes_json=True),
    "views.push": Method(run=_push, takes_json=True),
    "views.update": Method(run=_update, takes_json=True),
    "views.publish": Method(run=_publish, takes_json=True),
}
