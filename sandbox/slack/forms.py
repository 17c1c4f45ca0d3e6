"""What people enter in the inputs of a view: the state Slack keeps, and the checks that it makes. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.slack.elements import Found, elements, option, words
from sandbox.slack.model import JSON, SandboxError

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_MANY = {
    "checkboxes",
    "multi_static_select",
    "multi_users_select",
    "multi_channels_select",
    "multi_conversations_select",
    "file_input",
}
_FIELDS = {
    "static_select": "selected_option",
    "radio_buttons": "selected_option",
    "external_select": "selected_option",
    "overflow": "selected_option",
    "checkboxes": "selected_options",
    "multi_static_select": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "channels_select": "selected_channel",
    "multi_channels_select": "selected_channels",
    "conversations_select": "selected_conversation",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "file_input": "files",
}
_INITIAL = {
    "selected_option": "initial_option",
    "selected_options": "initial_options",
    "selected_user": "initial_user",
    "selected_users": "initial_users",
    "selected_channel": "initial_channel",
    "selected_conversation": "initial_conversation",
    "selected_date": "initial_date",
    "selected_time": "initial_time",
    "selected_date_time": "initial_date_time",
    "value": "initial_value",
}
REQUIRED = "Please complete this required field."


def field_of(element: Mapping[str, Any]) -> str:
    """Return the name under which the element's value stands in the state."""
    return _FIELDS.get(str(element.get("type")), "value")


def initial_values(blocks: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, JSON]]:
    """Return the state of a view that nobody has touched."""
    values: dict[str, dict[str, JSON]] = {}
    for found in elements(blocks):
        element = found.element
        if element["type"] in {"button", "overflow"}:
            continue
        name = field_of(element)
        empty: Any = [] if element["type"] in _MANY else None
        state = {"type": element["type"], name: element.get(_INITIAL.get(name, ""), empty)}
        values.setdefault(found.block_id, {})[str(element["action_id"])] = state
    return values


def kept_values(
    blocks: Sequence[Mapping[str, Any]], before: Mapping[str, Mapping[str, JSON]]
) -> dict[str, dict[str, JSON]]:
    """Return the state of an updated view: what was entered stays where block_id and action_id stay."""
    values = initial_values(blocks)
    for block_id, actions in values.items():
        for action_id, state in actions.items():
            old = before.get(block_id, {}).get(action_id)
            if old and old.get("type") == state.get("type"):
                actions[action_id] = old
    return values


def files_of(values: Mapping[str, Mapping[str, JSON]]) -> list[str]:
    """Return the ids of the files that were chosen."""
    states = (state for actions in values.values() for state in actions.values())
    return [str(each["id"]) for state in states if state["type"] == "file_input" for each in state["files"]]


def labelled(blocks: Sequence[Mapping[str, Any]], label: str) -> Found:
    """Return the input labelled *label*: exactly, else the only one that starts so. Raises: SandboxError."""
    inputs = [found for found in elements(blocks) if found.block.get("type") == "input"]
    want = label.strip().casefold()
    exact = [found for found in inputs if words(found.block.get("label")).casefold() == want]
    near = [found for found in inputs if words(found.block.get("label")).casefold().startswith(want)]
    if exact or len(near) == 1:
        return (exact or near)[0]
    known = ", ".join(words(found.block.get("label")) for found in inputs) or "none"
    raise SandboxError(f"no input is labelled {label!r}; there are: {known}")


def entered(element: Mapping[str, Any], value: object) -> JSON:
    """Return the state after a person entered *value*. Raises: SandboxError where that cannot be entered."""
    kind, name = str(element["type"]), field_of(element)
    if name in {"selected_option", "selected_options"}:
        wanted = value if isinstance(value, list | tuple) else [] if value in {None, ""} else [value]
        chosen = [_offered(element, str(each)) for each in wanted]
        if name == "selected_options":
            return {"type": kind, name: chosen}
        return {"type": kind, name: chosen[0] if chosen else None}
    if kind in _MANY:
        return {
            "type": kind,
            name: [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)],
        }
    if isinstance(value, bool):
        raise SandboxError(f"a {kind} takes text, not {value!r}")
    return {"type": kind, name: None if value in {None, ""} else str(value)}


def _offered(element: Mapping[str, Any], text: str) -> JSON:
    found = option(element, text)
    if found is None:
        known = ", ".join(words(each.get("text")) for each in element.get("options") or [])
        raise SandboxError(f"no option reads {text!r}; there are: {known}")
    return found


def errors_of(blocks: Sequence[Mapping[str, Any]], values: Mapping[str, Mapping[str, JSON]]) -> dict[str, str]:
    """Return block_id → what Slack itself says at the input, before anything is sent to the app."""
    errors: dict[str, str] = {}
    for found in elements(blocks):
        if found.block.get("type") != "input":
            continue
        state = values.get(found.block_id, {}).get(str(found.element["action_id"]), {})
        value = state.get(field_of(found.element))
        if value in (None, "", []):
            if not found.block.get("optional"):
                errors[found.block_id] = REQUIRED
        elif problem := _problem(found.element, value):
            errors[found.block_id] = problem
    return errors


def _problem(element: Mapping[str, Any], value: Any) -> str:
    match element["type"]:
        case "plain_text_input":
            least, most = element.get("min_length") or 0, element.get("max_length") or 3000
            if not least <= len(value) <= most:
                return f"Enter {least} to {most} characters." if least else f"Enter at most {most} characters."
        case "email_text_input":
            if not _EMAIL.fullmatch(value):
                return "Enter a valid email address."
        case "url_text_input":
            if not _URL.fullmatch(value):
                return "Enter a valid URL."
        case "number_input":
            return _number_problem(element, value)
        case _:
            pass
    return ""


def _number_problem(element: Mapping[str, Any], value: str) -> str:
    if not _NUMBER.fullmatch(value):
        return "Enter a number."
    if "." in value and not element.get("is_decimal_allowed"):
        return "Enter a whole number."
    least, most = element.get("min_value"), element.get("max_value")
    if least is not None and float(value) < float(least):
        return f"Enter {least} or more."
    if most is not None and float(value) > float(most):
        return f"Enter {most} or less."
    return ""
