"""A scenario's text → typed entries. Errors name the line and what was expected there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.cast import DEFAULT_CAST, Cast, cast_from
from sandbox.controlplane.nodes import FakeNode, from_words

MAX_BYTES = 262_144
ACTIONS = ("run", "upload", "shortcut", "click", "fill", "fault", "advance")
EXPECTATIONS = (
    "message",
    "answer",
    "no_message",
    "modal",
    "file",
    "job",
    "audit",
    "audit_count",
    "helm_release",
    "pending_release",
    "no_helm_release",
    "namespace",
    "no_namespace",
    "company",
    "node",
    "gpu",
    "samples",
    "orphans",
    "within_s",
)
DEFAULT_WITHIN_S = 30.0


class ScenarioError(ValueError):
    """The file is not a scenario; the text names the file, the line and what was expected."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry: who (``as``), at most one action, and what must then be so."""

    number: int  # from 1
    line: int
    person: str | None
    channel: str | None
    action: str | None  # one of ACTIONS
    argument: Any
    expect: tuple[tuple[str, Any], ...]  # (kind, value), in the order written
    within_s: float


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A whole file."""

    name: str
    cast: Cast
    policy: Mapping[str, Any] | None
    settings: Mapping[str, str]  # environment of the bot, without the prefix
    nodes: tuple[FakeNode, ...]  # besides the sandbox's own
    entries: tuple[Entry, ...]


def load(path: Path) -> Scenario:
    """Read *path*. Raises: ScenarioError."""
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise ScenarioError(f"{path}: {problem.strerror}: check the path") from problem
    if len(text) > MAX_BYTES:
        raise ScenarioError(f"{path}: larger than {MAX_BYTES} bytes: split it")
    return parse(text.decode("utf-8", errors="replace"), name=path.name)


def parse(text: str, *, name: str = "scenario") -> Scenario:
    """Return the scenario in *text*: a list of entries, or a mapping with ``scenario`` and a head.

    The head may hold ``people``, ``channels``, ``policy``, ``settings`` and ``nodes``. Raises: ScenarioError.
    """
    try:
        document = yaml.load(text, Loader=_LineLoader)  # noqa: S506 - a SafeLoader that also keeps lines
    except yaml.YAMLError as problem:
        raise ScenarioError(f"{name}: not YAML: {problem}") from problem
    head: dict[str, Any] = {}
    if isinstance(document, dict):
        head = {key: value for key, value in document.items() if key != _LINE}
        document = head.pop("scenario", head.pop("steps", None))
        if unknown := set(head) - {"people", "channels", "policy", "settings", "nodes", "description"}:
            raise ScenarioError(f"{name}: unknown at the top: {', '.join(sorted(unknown))}")
    if not isinstance(document, list) or not document:
        raise ScenarioError(f"{name}: must be a list of entries, or a mapping with the list under 'scenario'")
    try:
        cast = cast_from(_bare(head.get("people")), _bare(head.get("channels")))
        nodes = tuple(from_words(words) for words in _bare(head.get("nodes") or []))
    except ValueError as problem:
        raise ScenarioError(f"{name}: {problem}") from problem
    entries = tuple(_entry(name, number, given, cast) for number, given in enumerate(document, 1))
    settings = {str(key): str(value) for key, value in _bare(head.get("settings") or {}).items()}
    return Scenario(
        name=name, cast=cast, policy=_bare(head.get("policy")), settings=settings, nodes=nodes, entries=entries
    )


def seconds(value: Any) -> float:
    """Return ``90``, ``"90s"``, ``"25h"`` or ``"1d 2h"`` as seconds. Raises: ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", str(value))
    if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*([smhd])|\s", "", str(value)):
        raise ValueError(f"{value!r} is no duration: write seconds, or 30s, 15m, 25h, 2d")
    return sum(float(count) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] for count, unit in parts)


def _entry(name: str, number: int, given: Any, cast: Cast) -> Entry:
    if not isinstance(given, dict):
        raise ScenarioError(f"{name}: entry {number}: must be a mapping with: as, {', '.join(ACTIONS)}, expect")
    line = given.get(_LINE, 0)
    where = f"{name}:{line}: entry {number}"
    if unknown := set(given) - {_LINE, "as", "in", "expect", *ACTIONS}:
        raise ScenarioError(f"{where}: unknown: {', '.join(sorted(map(str, unknown)))}")
    actions = [action for action in ACTIONS if action in given]
    if len(actions) > 1:
        raise ScenarioError(f"{where}: one action an entry, not {' and '.join(actions)}")
    if not actions and "expect" not in given and "as" not in given:
        raise ScenarioError(f"{where}: nothing to do and nothing to expect")
    person = given.get("as")
    if person is not None:
        try:
            person = cast.find(str(person)).handle
        except KeyError as problem:
            raise ScenarioError(f"{where}: {problem.args[0]}") from problem
    action = actions[0] if actions else None
    argument = _bare(given[action]) if action else None
    if action == "advance":
        try:
            argument = seconds(argument)
        except ValueError as problem:
            raise ScenarioError(f"{where}: advance: {problem}") from problem
    expect, within_s = _expect(where, given.get("expect"))
    if action is None and any(kind == "answer" for kind, _ in expect):
        raise ScenarioError(f"{where}: expect: answer: the entry does nothing to answer to: write message")
    channel = given.get("in")
    return Entry(
        number=number,
        line=line,
        person=person,
        channel=str(channel).lstrip("#") if channel else None,
        action=action,
        argument=argument,
        expect=expect,
        within_s=within_s,
    )


def _expect(where: str, given: Any) -> tuple[tuple[tuple[str, Any], ...], float]:
    found: list[tuple[str, Any]] = []
    within_s = DEFAULT_WITHIN_S
    blocks = given if isinstance(given, list) else [] if given is None else [given]
    for block in blocks:
        if isinstance(block, str):
            found.append(("message", f"contains {block}"))
            continue
        if not isinstance(block, dict):
            raise ScenarioError(f"{where}: expect: must be a mapping with: {', '.join(EXPECTATIONS)}")
        for kind, value in _bare(block).items():
            if kind not in EXPECTATIONS:
                raise ScenarioError(f"{where}: expect: unknown: {kind}; known are: {', '.join(EXPECTATIONS)}")
            if kind == "within_s":
                within_s = seconds(value)
            else:
                found += [(kind, item) for item in (value if isinstance(value, list) else [value])]
    return tuple(found), within_s


_LINE = "__line__"


class _LineLoader(yaml.SafeLoader):
    """Keeps each mapping's line under a key of its own, and refuses aliases (they can explode)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are refused")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        mapping[_LINE] = node.start_mark.line + 1
        return mapping


def _bare(value: Any) -> Any:
    """Return *value* without the lines that the loader kept."""
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key != _LINE}
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value


__all__ = ["DEFAULT_CAST", "Entry", "Scenario", "ScenarioError", "load", "parse", "seconds"]
