"""Rich text, tables and the newer blocks for data and progress."""

from typing import Any

from sandbox.slack.blocks.objects import ID
from sandbox.slack.blocks.schema import (
    Check,
    Field,
    Problems,
    anything,
    array,
    boolean,
    both,
    integer,
    number,
    one_of,
    optional,
    pattern,
    required,
    shape,
    string,
    typed,
    url,
)

MAX_TABLE_ROWS = 100
MAX_TABLE_COLUMNS = 20
MAX_DATA_TABLE_ROWS = 101

_STYLE = shape(
    {
        name: optional(boolean)
        for name in (
            "bold",
            "italic",
            "strike",
            "code",
            "underline",
            "highlight",
            "client_highlight",
            "unlink",
        )
    }
)
_STYLED: dict[str, Field] = {"style": optional(_STYLE)}


def _inline(kind: str, **fields: Field) -> Check:
    return shape({"type": required(one_of(kind)), **_STYLED, **fields})


_INLINE = typed(
    {
        "text": _inline("text", text=required(string(12_000))),
        "link": _inline("link", url=required(url()), text=optional(string(12_000)), unsafe=optional(boolean)),
        "emoji": _inline("emoji", name=required(string(100)), unicode=optional(string(100))),
        "user": _inline("user", user_id=required(pattern(r"[UW][A-Z0-9]{2,}", "a user's id"))),
        "usergroup": _inline("usergroup", usergroup_id=required(pattern(r"S[A-Z0-9]{2,}", "a group's id"))),
        "channel": _inline("channel", channel_id=required(pattern(r"[CDG][A-Z0-9]{2,}", "a channel's id"))),
        "broadcast": _inline("broadcast", range=required(one_of("here", "channel", "everyone"))),
        "color": _inline("color", value=required(pattern(r"#[0-9A-Fa-f]{6}", "a colour as #RRGGBB"))),
        "date": _inline(
            "date",
            timestamp=required(integer(0, 10**11)),
            format=required(string(200)),
            url=optional(url()),
            fallback=optional(string(200)),
        ),
    }
)


def _part(kind: str, **fields: Field) -> Check:
    return shape(
        {
            "type": required(one_of(kind)),
            "elements": required(array(_INLINE, most=1000, least=0)),
            **fields,
        }
    )


_SECTION = _part("rich_text_section")
_BORDER: dict[str, Field] = {"border": optional(integer(0, 1))}
_PARTS = typed(
    {
        "rich_text_section": _SECTION,
        "rich_text_preformatted": _part("rich_text_preformatted", language=optional(string(50)), **_BORDER),
        "rich_text_quote": _part("rich_text_quote", **_BORDER),
        "rich_text_list": shape(
            {
                "type": required(one_of("rich_text_list")),
                "style": required(one_of("bullet", "ordered")),
                "elements": required(array(_SECTION, most=1000, least=0)),
                "indent": optional(integer(0, 8)),
                "offset": optional(integer(0, 10_000)),
                **_BORDER,
            }
        ),
    }
)


def block(kind: str, fields: dict[str, Field], *more: Check) -> Check:
    """A block of *kind*: its fields, ``type`` and ``block_id``."""
    common: dict[str, Field] = {"type": required(one_of(kind)), "block_id": optional(ID)}
    return both(shape({**common, **fields}), *more)


RICH_TEXT = block("rich_text", {"elements": required(array(_PARTS, most=1000, least=0))})
_RAW_TEXT = shape({"type": required(one_of("raw_text")), "text": required(string(12_000))})
_RAW_NUMBER = shape(
    {
        "type": required(one_of("raw_number")),
        "value": required(number),
        "text": optional(string(2000)),
    }
)
_TABLE_CELL = typed({"raw_text": _RAW_TEXT, "rich_text": RICH_TEXT})
_DATA_CELL = typed({"raw_text": _RAW_TEXT, "raw_number": _RAW_NUMBER, "rich_text": RICH_TEXT})
_COLUMN = shape(
    {"align": optional(one_of("left", "center", "right")), "is_wrapped": optional(boolean)},
)
TABLE = block(
    "table",
    {
        "rows": required(array(array(_TABLE_CELL, most=MAX_TABLE_COLUMNS), most=MAX_TABLE_ROWS)),
        "column_settings": optional(array(_COLUMN, most=MAX_TABLE_COLUMNS, least=0)),
    },
)
DATA_TABLE = block(
    "data_table",
    {
        "rows": required(array(array(_DATA_CELL, most=MAX_TABLE_COLUMNS), most=MAX_DATA_TABLE_ROWS, least=2)),
        "caption": required(string(255)),
        "page_size": optional(integer(1, 100)),
        "row_header_column_index": optional(integer(0, MAX_TABLE_COLUMNS - 1)),
    },
)
_POINT = shape({"label": required(string(20)), "value": required(number)})
_SERIES = shape({"name": required(string(20)), "data": required(array(_POINT, most=20))})
_AXES = shape(
    {
        "categories": required(array(string(20), most=20)),
        "x_label": optional(string(50)),
        "y_label": optional(string(50)),
    }
)


def _chart(kind: str) -> Check:
    return both(
        shape(
            {
                "type": required(one_of(kind)),
                "series": required(array(_SERIES, most=6)),
                "axis_config": required(_AXES),
            }
        ),
        _series_stand_on_the_axis,
    )


def _series_stand_on_the_axis(value: Any, path: str, problems: Problems) -> None:
    """Series have names of their own, and a value for each category."""
    try:
        categories = value["axis_config"]["categories"]
        names = [series["name"] for series in value["series"]]
        labels = [[point["label"] for point in series["data"]] for series in value["series"]]
        unlike = [at for at, found in enumerate(labels) if sorted(found) != sorted(categories)]
    except (KeyError, TypeError):
        return  # said already: it has no such shape
    if len(set(names)) != len(names):
        problems.add("series names must be unique", f"{path}/series")
    if len(set(categories)) != len(categories):
        problems.add("categories must be unique", f"{path}/axis_config/categories")
    for at in unlike:
        problems.add("labels must match the categories of the axis", f"{path}/series/{at}/data")


DATA_VISUALIZATION = block(
    "data_visualization",
    {
        "title": required(string(50)),
        "chart": required(
            typed(
                {
                    "pie": shape(
                        {
                            "type": required(one_of("pie")),
                            "segments": required(array(_POINT, most=6)),
                        }
                    ),
                    **{kind: _chart(kind) for kind in ("bar", "line", "area")},
                }
            )
        ),
    },
)
TASK_CARD = block(
    "task_card",
    {
        "task_id": required(string(255)),
        "title": required(string(256)),
        "status": required(one_of("pending", "in_progress", "complete", "error")),
        "details": optional(RICH_TEXT),
        "output": optional(RICH_TEXT),
        "sources": optional(array(anything, most=20, least=0)),
    },
)
PLAN = block("plan", {"title": required(string(256)), "tasks": optional(array(TASK_CARD, most=50, least=0))})
