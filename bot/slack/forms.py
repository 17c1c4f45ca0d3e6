"""Modals for commands: a field for each argument, and their values back again. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from bot.slack import kit
from bot.slack.kit import Block
from commands.catalog import CATALOG
from commands.grammar import UsageError
from commands.spec import CommandSpec, is_many, is_switch

COMMAND_FORM = "command_form"


def form(spec: CommandSpec, *, channel: str, given: Mapping[str, Any] | None = None) -> Block:
    """Return the modal that asks for the arguments of *spec*, filled with what was *given*."""
    blocks = [_field(name, field, (given or {}).get(name)) for name, field in spec.args.model_fields.items()]
    metadata = json.dumps({"command": spec.name, "channel": channel})
    title = spec.name[:1].upper() + spec.name[1:]
    return kit.modal(title, blocks, callback_id=COMMAND_FORM, submit="Plan it", metadata=metadata)


def spec_and_channel(view: Mapping[str, Any]) -> tuple[CommandSpec, str]:
    """Return what a submitted form is for. Raises: KeyError, ValueError where it is no form of ours."""
    metadata = json.loads(view["private_metadata"])
    return CATALOG[metadata["command"]], str(metadata["channel"])


def values(spec: CommandSpec, view: Mapping[str, Any]) -> dict[str, Any]:
    """Return field → value of a submitted form; fields that were left empty are left out."""
    state = view["state"]["values"]
    found: dict[str, Any] = {}
    for name, field in spec.args.model_fields.items():
        element = state.get(name, {}).get("value", {})
        if is_switch(field):
            found[name] = bool(element.get("selected_options"))
        elif text := str(element.get("value") or "").strip():
            found[name] = _split(text) if is_many(field) else text
    return found


def errors(error: UsageError) -> dict[str, str]:
    """Return block_id → what is wrong there; what belongs to no field stands at the first one."""
    found = dict.fromkeys(error.missing, "this is needed")
    found |= {name: text for name, text in error.fields if name}
    if not found and error.spec is not None:
        found[next(iter(error.spec.args.model_fields))] = error.message
    return {name: text[:2000] for name, text in found.items()}


def _split(text: str) -> tuple[str, ...] | str:
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    return "none" if parts == ("none",) else parts


def _field(name: str, field: FieldInfo, given: Any) -> Block:
    label = name.replace("_", " ").capitalize()
    if is_switch(field):
        option = {"text": {"type": "plain_text", "text": field.description or label}, "value": "yes"}
        element: Block = {"type": "checkboxes", "action_id": "value", "options": [option]}
        if given:
            element["initial_options"] = [option]
        return {
            "type": "input",
            "block_id": name,
            "label": {"type": "plain_text", "text": label},
            "element": element,
            "optional": True,
        }
    default = None if field.is_required() else field.default
    shown = default if given is None else given
    text = ",".join(map(str, shown)) if isinstance(shown, tuple | list) else str(shown if shown is not None else "")
    hint = (field.description or "") + (", separated by commas" if is_many(field) else "")
    return kit.text_input(label, name, value=text, hint=hint, optional=not field.is_required())
