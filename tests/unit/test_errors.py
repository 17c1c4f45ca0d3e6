"""What every refusal and error says, held in all of the source: the next action, settings by their names, no Python."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bot.settings import Settings
from provisioning.errors import PermanentError, TemporaryError, reason_of

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for room in ("bot", "commands", "policies", "provisioning") for path in (ROOT / room).rglob("*.py")
)
ERRORS = {"PermanentError", "TemporaryError", "UnreachableError"}
# Refusals and errors that end a matter: nothing is to be done about them.
ENDS = {"made no admin: it has no credentials to show"}


def calls_of(path: Path, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
            yield node


def names_of(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Yield the dotted names of settings in groups: ``router.domain``."""
    for name, field in model.model_fields.items():
        inner = [one for one in (field.annotation, *getattr(field.annotation, "__args__", ())) if is_model(one)]
        if before:
            yield f"{before}.{name}"
        for one in inner:
            yield from names_of(one, f"{before}.{name}" if before else name)


def is_model(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, BaseModel)


def test_every_refusal_and_error_says_what_to_do_next() -> None:
    """Who reads it at night has nobody to ask."""
    silent = [
        f"{path.relative_to(ROOT)}: {ast.unparse(call)}"
        for path in SOURCES
        for call in calls_of(path, {*ERRORS, "Refusal"})
        if next_action_of(call) in {"", "''"}
    ]
    assert [one for one in silent if not any(end in one for end in ENDS)] == []


def next_action_of(call: ast.Call) -> str:
    return next((ast.unparse(one.value) for one in call.keywords if one.arg == "next_action"), "")


def test_files_that_cannot_be_read_are_told_in_words() -> None:
    """An OSError's own text is `[Errno 2] No such file or directory: …`: `reason_of` says it better."""
    told = [
        f"{path.relative_to(ROOT)}:{value.lineno}: {ast.unparse(value)}"
        for path in SOURCES
        for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(handler, ast.ExceptHandler) and handler.type is not None and handler.name
        if ast.unparse(handler.type) in {"OSError", "(OSError, UnicodeDecodeError)", "UnicodeDecodeError"}
        for raised in ast.walk(handler)
        if isinstance(raised, ast.Raise)
        for value in ast.walk(raised)
        if isinstance(value, ast.FormattedValue) and ast.unparse(value.value) == handler.name
    ]
    assert told == []


def test_settings_are_called_as_their_page_calls_them() -> None:
    """`ROUTER__DOMAIN`, which docs/configuration.md has, and no dotted name that is found nowhere.

    Paths in the platform's spec are dotted: those say that they are of the spec.
    """
    dotted = re.compile("|".join(rf"(?<![\w.]){re.escape(name)}(?![\w.])" for name in names_of(Settings)))
    found = [
        f"{path.relative_to(ROOT)}:{constant.lineno}: {constant.value}"
        for path in SOURCES
        if "platform" not in str(path.relative_to(ROOT))
        for call in calls_of(path, {*ERRORS, "Refusal", "warn", "fail", "ValueError"})
        for constant in ast.walk(call)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str) and dotted.search(constant.value)
    ]
    assert found == []


def test_an_error_is_one_line_that_ends_with_the_next_action() -> None:
    """As it stands in logs."""
    error = PermanentError("creating namespace acme: 403 quota", next_action="ask an admin to raise it")
    assert str(error) == "creating namespace acme: 403 quota: ask an admin to raise it"
    assert TemporaryError("a", next_action="b").delay_s > 0


def test_reasons_are_words(tmp_path: Path) -> None:
    """Of the operating system, without number and path."""
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "none").read_text()
    assert reason_of(missing.value) == "No such file or directory"
    with pytest.raises(UnicodeDecodeError) as odd:
        b"\xff".decode()
    assert reason_of(odd.value) == "it is not UTF-8 text"
