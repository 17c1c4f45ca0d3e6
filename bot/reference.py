"""The reference pages, written from the catalog and from the settings, so that they cannot drift.

``python -m bot.reference docs`` writes them; a test holds them to the code.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bot.manual import manual
from bot.settings import PREFIX, Settings
from commands.catalog import CATALOG, COMMAND
from commands.spec import DRY_RUN, CommandSpec, flag_of, is_positional, is_switch, metavar_of
from provisioning.platform.load import SCHEMA_NAME, schema_text

PAGES = ("commands.md", "configuration.md", SCHEMA_NAME, "clearml-chatops.1")
MADE_BY = "<!-- Written by `make docs`: change the code, not this page. -->"

COMMANDS_INTRO = f"""\
Everything works in Slack (`{COMMAND} …`) and on the command line (`clearml-chatops …`, with `--json` for machines),
under the same policy and into the same audit trail. A command whose arguments are missing opens a form in Slack.
Risks: *read* looks, *change* makes a plan that others approve, *destroy* needs more of them."""
SETTINGS_INTRO = f"""\
Settings come from the environment, `{PREFIX}` + name, with `__` between levels, and from the YAML file that
`{PREFIX}CONFIG_FILE` names, whose keys are the names below (`slack: {{bot_token: …}}`). The environment wins, field by
field. `clearml-chatops config check` says what is wrong; `config schema` prints the JSON schema."""


def commands_page() -> str:
    """Return docs/commands.md."""
    lines = [
        "# Commands",
        "",
        MADE_BY,
        "",
        COMMANDS_INTRO,
    ]
    for spec in CATALOG.values():
        lines += ["", f"## {spec.name}", "", f"{spec.summary}. Risk: {spec.risk.value}.", ""]
        lines += ["```text", f"{COMMAND} {spec.usage}", "```"]
        if rows := list(_arguments(spec)):
            lines += ["", "| Argument | Meaning | Default |", "|---|---|---|", *rows]
        if spec.examples:
            lines += ["", "```text", *(f"{COMMAND} {example}" for example in spec.examples), "```"]
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """Return docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        MADE_BY,
        "",
        SETTINGS_INTRO,
        "",
        "| Setting | Meaning | Default |",
        "|---|---|---|",
        *_settings(Settings, ""),
    ]
    return "\n".join(lines) + "\n"


def _arguments(spec: CommandSpec) -> Iterator[str]:
    for name, field in spec.args.model_fields.items():
        flag = flag_of(name, field)
        word = (
            metavar_of(field) if is_positional(field) else flag if is_switch(field) else f"{flag} {metavar_of(field)}"
        )
        yield f"| `{word}` | {_cell(field.description or '')} | {_default(field)} |"
    for switch, meant in spec.becomes.items():
        yield f"| `{switch}` | the same as `{meant}`, with its risk | off |"
    if spec.takes_dry_run:
        yield f"| `{DRY_RUN}` | show the plan and change nothing | off |"


def _settings(model: type[BaseModel], prefix: str, part: str = "") -> Iterator[str]:
    """Yield a row for each setting. *part*: what they belong to that may be left out as a whole."""
    for name, field in model.model_fields.items():
        full = f"{prefix}{name}"
        inner = _model_in(field.annotation)
        if inner is not None:
            named = "NAME__" if get_origin(field.annotation) is dict else ""
            is_optional = named or (not field.is_required() and field.default is None)
            yield from _settings(inner, f"{full}__{named}", f"{full}__{named}".upper() if is_optional else part)
            continue
        secret = " Secret." if _mentions(field.annotation, SecretStr) else ""
        default = f"*needed* with `{part}…`" if part and field.is_required() else _default(field)
        yield f"| `{full.upper()}` | {_cell((field.description or '') + secret)} | {default} |"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _mentions(annotation: Any, kind: type) -> bool:
    if get_origin(annotation) in {Union, UnionType}:
        return any(_mentions(part, kind) for part in get_args(annotation))
    return annotation is kind


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*needed*"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default in (None, "", (), {}, frozenset(), PydanticUndefined):
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple | list):
        return f"`{','.join(map(str, default))}`"
    return f"`{default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()


def pages() -> dict[str, str]:
    """Return file name → text."""
    from bot.cli import app

    return dict(zip(PAGES, (commands_page(), configuration_page(), schema_text(), manual(app)), strict=True))


if __name__ == "__main__":
    for file_name, page in pages().items():
        (Path(sys.argv[1]) / file_name).write_text(page, encoding="utf-8")
