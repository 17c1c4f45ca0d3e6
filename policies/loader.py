"""Policy YAML → a typed policy. Errors name the field's path and its line. Pure."""

from importlib.resources import files
from typing import Any

import yaml
from pydantic import ValidationError

from policies.policy import Policy

MAX_TEXT = 262_144


class PolicyError(ValueError):
    """The text is no policy; says where and what was expected."""


def load(text: str) -> Policy:
    """Return the policy in *text*. Raises: PolicyError."""
    if len(text) > MAX_TEXT:
        raise PolicyError(f"policy: {len(text)} characters: at most {MAX_TEXT} are read")
    try:
        loader = _NoAliasLoader(text)
        try:
            root = loader.get_single_node()
            document = loader.construct_document(root) if root is not None else None
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise PolicyError(f"policy: not YAML: {problem}") from problem
    try:
        return Policy.model_validate(document)
    except ValidationError as problem:
        said = [_say(error["loc"], error["msg"], root) for error in problem.errors()[:10]]
        raise PolicyError("policy: " + "; ".join(said)) from problem


def default_text() -> str:
    """Return the default policy's YAML, comments and all."""
    return files("policies").joinpath("default.yaml").read_text(encoding="utf-8")


def _say(path: tuple[int | str, ...], message: str, root: yaml.Node | None) -> str:
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    text = message.removeprefix("Value error, ")
    return f"line {_line(root, path)}: {shown or 'the whole file'}: {text[:1].lower()}{text[1:]}"


def _line(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    """Return the line of the deepest node on *path* that is there, from 1."""
    if node is None:
        return 1
    line = node.start_mark.line + 1
    for part in path:
        below: Any = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    line, below = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            below = node.value[part]
            line = below.start_mark.line + 1
        if below is None:
            break
        node = below
    return line


class _NoAliasLoader(yaml.SafeLoader):
    """Refuses aliases: a few lines of them can become gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are refused: write the value out")
        return super().compose_node(parent, index)
