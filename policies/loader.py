"""Policy YAML → a typed policy. Errors name each field's path and its line. Pure.

Every scalar is read as text and typed by the model alone: YAML's own guesses (``no`` is false, ``1:30`` is 90,
``010`` is 8) have no place in a file that decides what is allowed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from commands.mistakes import said_of
from policies.policy import Approvals, Policy, Rule

MAX_TEXT = 131_072  # characters
SHOWN_PROBLEMS = 10

_Path = tuple[int | str, ...]
_MODEL_AT: dict[int, type[BaseModel]] = {0: Policy, 2: Rule, 3: Approvals}  # by how long the path to it is


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, and where."""

    line: int  # from 1
    path: str  # rules[0].risks[1]; "" for the whole file
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.path + ': ' if self.path else ''}{self.what}"


class PolicyError(ValueError):
    """The text is no policy. ``problems`` says where, and what was expected."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("policy: " + "; ".join(map(str, problems)))
        self.problems = problems


def load(text: str) -> Policy:
    """Return the policy in *text*. Raises: PolicyError."""
    if len(text) > MAX_TEXT:
        raise PolicyError(_whole(f"{len(text)} characters: at most {MAX_TEXT} are read; say it in fewer rules"))
    root, document = _read(text)
    if root is None:
        raise PolicyError(_whole("it is empty: begin with the default policy (clearml-chatops config policy)"))
    if twice := tuple(_said_twice(root, ())):
        raise PolicyError(*twice[:SHOWN_PROBLEMS])
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        problems = [_problem(mistake, root) for mistake in error.errors()[:SHOWN_PROBLEMS]]
        raise PolicyError(*problems) from error


def default_text() -> str:
    """Return the default policy's YAML, comments and all."""
    return files("policies").joinpath("default.yaml").read_text(encoding="utf-8")


class _TextLoader(yaml.BaseLoader):
    """Reads scalars as text. Refuses aliases, a few lines of which can become gigabytes, and tags."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # types-pyyaml leaves it untyped
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise PolicyError(Problem(line=line, path="", what="aliases (*name) are refused: write the value out"))
        if getattr(event, "tag", None) not in {None, "!"}:
            raise PolicyError(Problem(line=line, path="", what="tags (!name) are refused: leave it out"))
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def _read(text: str) -> tuple[yaml.Node | None, Any]:
    try:
        loader = _TextLoader(text)
        try:
            root = loader.get_single_node()
            return root, loader.construct_document(root) if root is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(Problem(line=line, path="", what=f"not YAML: {error.problem}")) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"not YAML: the character #x{ord(text[error.position]):04x} is not allowed"
        raise PolicyError(Problem(line=line, path="", what=what)) from error
    except RecursionError:
        raise PolicyError(_whole("not YAML that a policy needs: it is nested too deep")) from None


def _said_twice(node: yaml.Node, path: _Path) -> Iterator[Problem]:
    """Yield keys that stand twice in one mapping: the first would be forgotten in silence."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _said_twice(item, (*path, index))
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value)[:80]
            line = key.start_mark.line + 1
            if name in seen:
                what = f"stands here again, after line {seen[name]}: keep one of them"
                yield Problem(line=line, path=_shown((*path, name)), what=what)
            seen[name] = line
            yield from _said_twice(value, (*path, name))


def _problem(mistake: ErrorDetails, root: yaml.Node) -> Problem:
    path = mistake["loc"]
    what = said_of(mistake)
    if mistake["type"] == "extra_forbidden":
        what = f"is not known: {_known(path)}"
    return Problem(line=_line(root, path), path=_shown(path), what=what)


def _known(path: _Path) -> str:
    names = list(_MODEL_AT[len(path) - 1].model_fields)
    near = get_close_matches(str(path[-1]), names, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"


def _whole(what: str) -> Problem:
    return Problem(line=1, path="", what=what)


def _shown(path: _Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part[:80]}" for part in path).lstrip(".")


def _line(node: yaml.Node, path: _Path) -> int:
    """Return the line of the deepest node on *path* that is there, from 1."""
    line = node.start_mark.line + 1
    for part in path:
        below: yaml.Node | None = None
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
