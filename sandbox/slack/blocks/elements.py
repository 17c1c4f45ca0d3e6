"""Block elements: buttons, menus, inputs; and where each may stand."""

from typing import Any

from sandbox.slack.blocks.objects import (
    CONFIRM,
    DISPATCH,
    ID,
    IMAGE_FIELDS,
    IMAGE_SOURCE,
    OPTIONS_OR_GROUPS,
    initial_is_offered,
    option,
    options_fields,
    plain_text,
    text,
)
from sandbox.slack.blocks.schema import (
    Check,
    Field,
    Problems,
    array,
    boolean,
    both,
    integer,
    one_of,
    optional,
    pattern,
    required,
    shape,
    string,
    typed,
    url,
)

_DATE = pattern(r"\d{4}-\d{2}-\d{2}", "a date as YYYY-MM-DD")
_TIME = pattern(r"([01]\d|2[0-3]):[0-5]\d", "a time as HH:mm")
_NUMBER = pattern(r"-?\d+(\.\d+)?", "a number as a string")
_CONVERSATION = pattern(r"[CDG][A-Z0-9]{2,}", "a conversation's id")
_USER = pattern(r"[UW][A-Z0-9]{2,}", "a user's id")


def _element(kind: str, fields: dict[str, Field], *more: Check) -> Check:
    common: dict[str, Field] = {"type": required(one_of(kind)), "action_id": optional(ID)}
    return both(shape({**common, **fields}), *more)


_FOCUS: dict[str, Field] = {"focus_on_load": optional(boolean)}
_CONFIRM: dict[str, Field] = {"confirm": optional(CONFIRM)}
_PLACEHOLDER: dict[str, Field] = {"placeholder": optional(plain_text(150))}
_MENU = {**_FOCUS, **_CONFIRM, **_PLACEHOLDER}
_MAX_SELECTED: dict[str, Field] = {"max_selected_items": optional(integer(1, 100))}
_RESPONSE_URL: dict[str, Field] = {"response_url_enabled": optional(boolean)}
_FILTER: dict[str, Field] = {
    "filter": optional(
        shape(
            {
                "include": optional(array(one_of("im", "mpim", "private", "public"), most=4)),
                "exclude_external_shared_channels": optional(boolean),
                "exclude_bot_users": optional(boolean),
            }
        )
    ),
    "default_to_current_conversation": optional(boolean),
}


def _lengths_agree(value: Any, path: str, problems: Problems) -> None:
    if not isinstance(value, dict):
        return
    least, most = value.get("min_length"), value.get("max_length")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        problems.add("min_length must be less than or equal to max_length", path)


def _choice(kind: str, *, many: bool) -> Check:
    initial = "initial_options" if many else "initial_option"
    each = option(formatted=True)
    return _element(
        kind,
        {
            "options": required(array(each, most=10)),
            initial: optional(array(each, most=10) if many else each),
            **_FOCUS,
            **_CONFIRM,
        },
        initial_is_offered(initial),
    )


def _ids_menu(
    kind: str, initial: str, check: Check, more: dict[str, Field] | None = None, *, many: bool = False
) -> Check:
    name = f"{initial}s" if many else initial
    fields = {**_MENU, name: optional(array(check, most=100) if many else check), **(more or {})}
    return _element(kind, {**fields, **(_MAX_SELECTED if many else {})})


BUTTON = _element(
    "button",
    {
        "text": required(plain_text(75)),
        "url": optional(url()),
        "value": optional(string(2000)),
        "style": optional(one_of("primary", "danger")),
        "accessibility_label": optional(string(75)),
        **_CONFIRM,
    },
)
IMAGE = both(shape({"type": required(one_of("image")), **IMAGE_FIELDS}), IMAGE_SOURCE)
MENUS: dict[str, Check] = {
    "button": BUTTON,
    "overflow": _element("overflow", {"options": required(array(option(with_url=True), most=5)), **_CONFIRM}),
    "static_select": _element(
        "static_select",
        {**_MENU, **options_fields(), "initial_option": optional(option())},
        OPTIONS_OR_GROUPS,
        initial_is_offered("initial_option"),
    ),
    "multi_static_select": _element(
        "multi_static_select",
        {
            **_MENU,
            **_MAX_SELECTED,
            **options_fields(),
            "initial_options": optional(array(option(), most=100)),
        },
        OPTIONS_OR_GROUPS,
        initial_is_offered("initial_options"),
    ),
    "external_select": _element(
        "external_select",
        {**_MENU, "initial_option": optional(option()), "min_query_length": optional(integer(0, 100))},
    ),
    "users_select": _ids_menu("users_select", "initial_user", _USER),
    "multi_users_select": _ids_menu("multi_users_select", "initial_user", _USER, many=True),
    "channels_select": _ids_menu("channels_select", "initial_channel", _CONVERSATION, _RESPONSE_URL),
    "multi_channels_select": _ids_menu("multi_channels_select", "initial_channel", _CONVERSATION, many=True),
    "conversations_select": _ids_menu(
        "conversations_select", "initial_conversation", _CONVERSATION, {**_RESPONSE_URL, **_FILTER}
    ),
    "multi_conversations_select": _ids_menu(
        "multi_conversations_select", "initial_conversation", _CONVERSATION, _FILTER, many=True
    ),
    "checkboxes": _choice("checkboxes", many=True),
    "radio_buttons": _choice("radio_buttons", many=False),
    "datepicker": _element("datepicker", {**_MENU, "initial_date": optional(_DATE)}),
    "timepicker": _element("timepicker", {**_MENU, "initial_time": optional(_TIME), "timezone": optional(string(100))}),
    "datetimepicker": _element(
        "datetimepicker",
        {**_FOCUS, **_CONFIRM, "initial_date_time": optional(integer(10**9, 10**10 - 1))},
    ),
}
_TYPED: dict[str, Field] = {
    "initial_value": optional(string(3000, least=0)),
    "dispatch_action_config": optional(DISPATCH),
    **_FOCUS,
    **_PLACEHOLDER,
}
INPUTS: dict[str, Check] = {
    "plain_text_input": _element(
        "plain_text_input",
        {
            **_TYPED,
            "multiline": optional(boolean),
            "min_length": optional(integer(0, 3000)),
            "max_length": optional(integer(1, 3000)),
        },
        _lengths_agree,
    ),
    "email_text_input": _element("email_text_input", _TYPED),
    "url_text_input": _element("url_text_input", _TYPED),
    "number_input": _element(
        "number_input",
        {
            **_TYPED,
            "is_decimal_allowed": required(boolean),
            "initial_value": optional(_NUMBER),
            "min_value": optional(_NUMBER),
            "max_value": optional(_NUMBER),
        },
    ),
    "file_input": _element(
        "file_input",
        {"filetypes": optional(array(string(20), most=100)), "max_files": optional(integer(1, 10))},
    ),
    **{kind: check for kind, check in MENUS.items() if kind not in {"button", "overflow"}},
}
ACCESSORIES = {**MENUS, "image": IMAGE}
ACTIONS = MENUS
ACCESSORY, ACTION, INPUT = typed(ACCESSORIES), typed(ACTIONS), typed(INPUTS)
CONTEXT = typed({"image": IMAGE, "plain_text": text(2000), "mrkdwn": text(2000)})
