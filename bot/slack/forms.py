"""Modals for commands: a field for each argument, and their values back again. Pure."""

import json
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from bot.slack import kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import cut, escape
from commands import typography
from commands.catalog import CATALOG
from commands.file_links import reference_to
from commands.grammar import AS_USUAL, How, UsageError, parse
from commands.spec import CommandSpec, choices_of, file_fields, is_choice, is_file, is_many, is_switch

COMMAND_FORM = "command_form"
OPEN = "form_open"  # a button; its value is the command whose form it opens, as far as it was typed
MOST_TYPED = 1900  # characters that a button keeps of a command; a longer one begins anew
DRY_RUN_BLOCK = "__dry_run"  # no argument is called so
CHANNEL_BLOCK = "__channel"
FILE_BLOCK = "__file_"  # and the argument's name
FILE_TYPES = ("yaml", "yml", "json", "txt")
MOST_OPTIONS = 100  # of a menu in Slack; beyond that the name is typed
OPTION_CHARS = 75
YES, NO = "yes", "no"  # of a switch that may be left as it is
MOST_TEXT = 3000  # characters of a text field in Slack

Choices: TypeAlias = Mapping[str, Sequence[str]]  # kind → names that live data offers: tenants, nodes


def form(
    spec: CommandSpec,
    *,
    channel: str,
    given: Mapping[str, Any] | None = None,
    how: How = AS_USUAL,
    choices: Choices | None = None,
    problem: str = "",
) -> Block:
    """Return the modal that asks for the arguments of *spec*, filled with what was *given*, under its *problem*.

    Without a *channel*, as from the Home tab, it asks for one: a job's message needs a place. It keeps in mind *how*
    the command was to be run.
    """
    blocks: list[Block] = []
    for name, field in spec.args.model_fields.items():
        blocks.append(_field(name, field, (given or {}).get(name), (choices or {}).get(choices_of(field), ())))
        blocks += [_file_field(name)] if is_file(field) else []
    if not channel:
        blocks.insert(0, _channel_field())
    if problem:
        blocks.insert(0, kit.section(f"⚠️ {escape(cut(problem, 2500))}"))
    if spec.takes_dry_run:
        blocks.append(_checkbox(DRY_RUN_BLOCK, "Dry run", "show the plan here, and change nothing", given=how.dry_run))
    kept = {"reason": how.reason, "break_glass": how.break_glass}
    metadata = json.dumps({"command": spec.name, "channel": channel, "how": kept})
    title = spec.name[:1].upper() + spec.name[1:]
    submit = "Plan it" if spec.takes_dry_run else "Run it"
    return kit.modal(title, blocks, callback_id=COMMAND_FORM, submit=submit, metadata=metadata)


def button(typed: str, spec: CommandSpec, label: str = "Fill in the form …", style: str = "") -> Block:
    """Return the button that opens the form of *spec*, with what was *typed* in it."""
    kept = typography.plain(typed)
    is_kept = len(kept) <= MOST_TYPED and "<" not in kept  # no markup, even where Slack shows none
    return kit.button(label, OPEN, kept if is_kept else spec.name, style=style)


def asked_for(value: str) -> UsageError | None:
    """Return the form that a button's *value* is for: its command, what it is filled with, what of it is wrong."""
    said = parse(f"{value} …")
    if isinstance(said, UsageError) and said.spec is not None and not said.wants_form:
        said = parse(f"{said.spec.name} …")  # an option that is none: the form shows those that there are
    return said if isinstance(said, UsageError) and said.wants_form else None


def opened(asked: UsageError, spec: CommandSpec, *, channel: str, choices: Choices) -> Block:
    """Return the form that *asked* asks for: what is wrong stands at its top, for Slack shows it nowhere else yet."""
    wrong = "" if asked.missing and not asked.fields else asked.message
    return form(spec, channel=channel, given=dict(asked.given), how=asked.how, choices=choices, problem=wrong)


def spec_and_channel(view: Mapping[str, Any]) -> tuple[CommandSpec, str]:
    """Return what a submitted form is for. Raises: KeyError, ValueError where it is no form of ours."""
    metadata = json.loads(view["private_metadata"])
    channel = str(metadata["channel"]) or str(_state(view, CHANNEL_BLOCK).get("selected_conversation") or "")
    return CATALOG[metadata["command"]], channel


def values(spec: CommandSpec, view: Mapping[str, Any]) -> dict[str, Any]:
    """Return field → value of a submitted form; fields that were left empty are left out."""
    found: dict[str, Any] = {}
    for name, field in spec.args.model_fields.items():
        element = _state(view, name)
        if is_choice(field):
            if said := _chosen(element):
                found[name] = said[0] == YES
        elif is_switch(field):
            found[name] = bool(element.get("selected_options"))
        elif chosen := _chosen(element):
            found[name] = chosen if is_many(field) else chosen[0]
        elif text := str(element.get("value") or "").strip():
            found[name] = _split(text) if is_many(field) else text
        elif files := _files(view, name):
            found[name] = reference_to(str(files[0]["id"]))
    return found


def given_twice(spec: CommandSpec, view: Mapping[str, Any]) -> dict[str, str]:
    """Return block_id → what is wrong, where a text is written and a file chosen for the same argument."""
    return {
        FILE_BLOCK + name: "write it above, or choose a file: not both"
        for name in file_fields(spec)
        if _files(view, name) and str(_state(view, name).get("value") or "").strip()
    }


def how(view: Mapping[str, Any]) -> How:
    """Return how the command of a submitted form is to be run."""
    kept = json.loads(view["private_metadata"])["how"]
    dry_run = bool(_state(view, DRY_RUN_BLOCK).get("selected_options"))
    return How(dry_run=dry_run, reason=str(kept["reason"]), break_glass=bool(kept["break_glass"]))


def errors(error: UsageError) -> dict[str, str]:
    """Return block_id → what is wrong there; what belongs to no field stands at the first one."""
    found = dict.fromkeys(error.missing, "this is needed")
    if error.spec is not None:
        texts = [name for name in error.missing if name in file_fields(error.spec)]
        found |= dict.fromkeys(texts, "write it here, or choose a file below")
    found |= {name: text for name, text in error.fields if name}
    if not found and error.spec is not None:
        found[next(iter(error.spec.args.model_fields))] = error.message
    return {name: text[:2000] for name, text in found.items()}


def _state(view: Mapping[str, Any], block_id: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = view["state"]["values"].get(block_id, {}).get("value", {})
    return found


def _files(view: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = _state(view, FILE_BLOCK + name).get("files") or ()
    return found


def _chosen(element: Mapping[str, Any]) -> tuple[str, ...]:
    one = element.get("selected_option")
    many = element.get("selected_options") or ([one] if one else [])
    return tuple(str(option["value"]) for option in many)


def _split(text: str) -> tuple[str, ...] | str:
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    return "none" if parts == ("none",) else parts


def _field(name: str, field: FieldInfo, given: Any, offered: Sequence[str]) -> Block:
    label = name.replace("_", " ").capitalize()
    description = field.description or label
    if is_choice(field):
        said = None if given is None else YES if given else NO
        return _menu(name, label, description, (YES, NO), said, many=False, optional=True)
    if is_switch(field):
        return _checkbox(name, label, description, given=bool(given))
    default = None if field.is_required() else field.default
    shown = default if given is None else given
    optional = not field.is_required() or is_file(field)  # a file may be chosen instead
    words = _words_of(field.annotation) or tuple(offered)
    if 0 < len(words) <= MOST_OPTIONS and max(map(len, words)) <= OPTION_CHARS:
        return _menu(name, label, description, words, shown, many=is_many(field), optional=optional)
    text = ",".join(map(str, shown)) if isinstance(shown, tuple | list) else str(shown if shown is not None else "")
    hint = description + (", separated by commas" if is_many(field) else "")
    element = _element_for(field)
    if element.get("type") == "number_input" and not text.isdecimal():
        text = ""  # Slack takes no number_input whose initial value is none
    return kit.text_input(label, name, value=text, hint=hint, optional=optional, **element)


def _file_field(name: str) -> Block:
    element: Block = {"type": "file_input", "filetypes": list(FILE_TYPES), "max_files": 1}
    return _input(FILE_BLOCK + name, "File", element, hint="instead of the text above", optional=True)


def _element_for(field: FieldInfo) -> dict[str, Any]:
    """Return what makes Slack itself check the input: a number in its range; or a field of many lines."""
    if is_file(field):
        return {"multiline": True, "max_length": MOST_TEXT}
    if int not in {field.annotation, *get_args(field.annotation)} or is_many(field):
        return {}
    bounds = {"ge": "min_value", "le": "max_value"}
    found = {
        slack: str(getattr(limit, ours))
        for limit in field.metadata
        for ours, slack in bounds.items()
        if getattr(limit, ours, None) is not None
    }
    return {"type": "number_input", "is_decimal_allowed": False, **found}


def _words_of(annotation: Any) -> tuple[str, ...]:
    """Return the words of a Literal, or of one or None."""
    if get_origin(annotation) in {Union, UnionType}:
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return _words_of(parts[0]) if len(parts) == 1 else ()
    if get_origin(annotation) is Literal:
        return tuple(word for word in get_args(annotation) if isinstance(word, str))
    return ()


def _menu(name: str, label: str, hint: str, words: Sequence[str], shown: Any, *, many: bool, optional: bool) -> Block:
    options = [_option(word, word) for word in words]
    given = {str(one) for one in (shown if isinstance(shown, tuple | list) else (shown,))}
    initial = [option for option in options if option["value"] in given]
    element: Block = {"type": "multi_static_select" if many else "static_select", "options": options}
    if initial and many:
        element["initial_options"] = initial
    elif initial:
        element["initial_option"] = initial[0]
    return _input(name, label, element, hint=hint, optional=optional)


def _checkbox(name: str, label: str, text: str, *, given: bool) -> Block:
    option = _option(text, "yes")
    element: Block = {"type": "checkboxes", "options": [option]}
    if given:
        element["initial_options"] = [option]
    return _input(name, label, element, optional=True)


def _channel_field() -> Block:
    element: Block = {
        "type": "conversations_select",
        "filter": {"include": ["public", "private"], "exclude_bot_users": True},
    }
    return _input(
        CHANNEL_BLOCK, "Channel", element, hint="where the request and its approval are shown", optional=False
    )


def _input(name: str, label: str, element: Block, *, hint: str = "", optional: bool) -> Block:
    made: Block = {
        "type": "input",
        "block_id": name,
        "label": {"type": "plain_text", "text": label},
        "element": {**element, "action_id": "value"},
        "optional": optional,
    }
    if hint:
        made["hint"] = {"type": "plain_text", "text": hint[:2000]}
    return made


def _option(text: str, value: str) -> Block:
    return {"text": {"type": "plain_text", "text": text[:OPTION_CHARS]}, "value": value}
