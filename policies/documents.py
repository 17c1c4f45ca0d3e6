"""YAML that people write → a typed model. Errors name each field's path and its line. Pure.

Every scalar is read as text and typed by the model alone: YAML's own guesses (``no`` is false, ``1:30`` is 90,
``010`` is 8) have no place in a file that decides what is allowed, or what is installed.
"""

import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from commands.mistakes import said_of

MAX_TEXT = 131_072  # characters
SHOWN_PROBLEMS = 10

_Path = tuple[int | str, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, and where."""

    line: int  # from 1
    path: str  # rules[0].risks[1]; "" for the whole file
    what: str
    document: int | None = None  # from 1, where the file may hold several

    def __str__(self) -> str:
        where = f"document {self.document}, " if self.document else ""
        return f"{where}line {self.line}: {self.path + ': ' if self.path else ''}{self.what}"


class DocumentError(ValueError):
    """The text is not what it should be. ``problems`` says where, and what was expected."""

    kind = "document"  # what it should be, for people

    def __init__(self, *problems: Problem) -> None:
        super().__init__(f"{self.kind}: " + "; ".join(map(str, problems)))
        self.problems = problems


def read(
    text: str,
    model: type[M],
    error: type[DocumentError],
    *,
    begin_with: str,
    context: Callable[[Any], dict[str, Any]] = lambda _document: {},
) -> M:
    """Return what *text* says, as *model*.

    Args:
        error: what is raised, with the kind of document in its name.
        begin_with: what to do where the text is empty.
        context: what the model's validators are given, out of the whole document before it is typed.

    Raises: *error*.
    """
    if len(text) > MAX_TEXT:
        raise error(_whole(f"{len(text)} characters: at most {MAX_TEXT} are read; say it shorter"))
    parsed = _parse(text, error)
    if not parsed:
        raise error(_whole(f"it is empty: {begin_with}"))
    if len(parsed) > 1:
        raise error(Problem(line=_first_line(parsed[1].root), path="", what="a second document: keep one of them"))
    found = _as_model(parsed[0], model, context)
    if isinstance(found, list):
        raise error(*_first_of(found))
    return found


def read_all(
    text: str, model: type[M], error: type[DocumentError], *, begin_with: str, most: int, most_bytes: int
) -> tuple[tuple[M, int], ...]:
    """Return every document of *text*, as *model*, with the line that it begins at.

    Args:
        most: documents, at most.
        most_bytes: of the text in UTF-8, at most.

    Raises: *error*, with the first problems of all documents.
    """
    size = len(text.encode("utf-8", errors="surrogatepass"))
    if size > most_bytes:
        raise error(_whole(f"{size} bytes: at most {most_bytes} are read at once; split it"))
    parsed = _parse(text, error)
    if not parsed:
        raise error(_whole(f"it is empty: {begin_with}"))
    if len(parsed) > most:
        raise error(_whole(f"{len(parsed)} documents: at most {most} are read at once; split it"))
    found: list[tuple[M, int]] = []
    problems: list[Problem] = []
    for number, one in enumerate(parsed, 1):
        read_one = _as_model(one, model, lambda _document: {})
        if isinstance(read_one, list):
            problems += [replace(problem, document=number) for problem in read_one]
        else:
            found.append((read_one, _first_line(one.root)))
    if problems:
        raise error(*_first_of(problems))
    return tuple(found)


def lines_of(text: str, name: str) -> tuple[int, ...]:
    """Return the line of each entry of the list *name* at the top of *text*, a document that could be read."""
    root = _parse(text, DocumentError)[0].root
    listed = (value for key, value in root.value if key.value == name) if isinstance(root, yaml.MappingNode) else ()
    return tuple(_first_line(item) for value in listed for item in value.value)


def _first_of(problems: list[Problem]) -> list[Problem]:
    """Return the first problems, and how many more there are."""
    if len(problems) <= SHOWN_PROBLEMS:
        return problems
    more = f"and {len(problems) - SHOWN_PROBLEMS} more mistakes: mend these first"
    return [*problems[:SHOWN_PROBLEMS], replace(problems[SHOWN_PROBLEMS], path="", what=more)]


@dataclass(frozen=True, kw_only=True)
class _Parsed:
    """One document: its nodes, which know their lines, and what they say."""

    root: yaml.Node
    said: Any


def _as_model(parsed: _Parsed, model: type[M], context: Callable[[Any], dict[str, Any]]) -> M | list[Problem]:
    if twice := list(_said_twice(parsed.root, ())):
        return twice
    try:
        return model.model_validate(parsed.said, context=context(parsed.said))
    except ValidationError as invalid:
        return [_problem(mistake, parsed.root, model) for mistake in invalid.errors()]


def _first_line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Refused(Exception):  # noqa: N818 - becomes a DocumentError, never leaves this module
    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.problem = Problem(line=line, path="", what=what)


class _TextLoader(yaml.BaseLoader):
    """Reads scalars as text. Refuses aliases, a few lines of which can become gigabytes, and tags."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # types-pyyaml leaves it untyped
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(line, "aliases (*name) are refused: write the value out")
        if getattr(event, "tag", None) not in {None, "!"}:
            raise _Refused(line, "tags (!name) are refused: leave it out")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def _parse(text: str, error: type[DocumentError]) -> list[_Parsed]:
    """Return the documents that are not empty. Raises: *error*."""
    try:
        loader = _TextLoader(text)
        try:
            return list(_documents(loader))
        finally:
            loader.dispose()
    except _Refused as refused:
        raise error(refused.problem) from None
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise error(Problem(line=line, path="", what=f"not YAML: {problem.problem}")) from problem
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        what = f"not YAML: the character #x{ord(text[problem.position]):04x} is not allowed"
        raise error(Problem(line=line, path="", what=what)) from problem
    except RecursionError:
        raise error(_whole(f"not YAML that a {error.kind} needs: it is nested too deep")) from None


def _documents(loader: _TextLoader) -> Iterator[_Parsed]:
    while loader.check_node():
        root = loader.get_node()
        if root is None or (isinstance(root, yaml.ScalarNode) and root.value == "" and root.style is None):
            continue  # nothing but a `---`, or comments
        yield _Parsed(root=root, said=loader.construct_document(root))


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


def _problem(mistake: ErrorDetails, root: yaml.Node, model: type[BaseModel]) -> Problem:
    path = mistake["loc"]
    what = said_of(mistake)
    if mistake["type"] == "extra_forbidden":
        what = f"is not known: {_known(path, model)}"
    return Problem(line=_line(root, path), path=_shown(path), what=what)


def _known(path: _Path, model: type[BaseModel]) -> str:
    holder = _type_at(model, path[:-1])
    names = list(_fields(holder)) if isinstance(holder, type) and issubclass(holder, BaseModel) else []
    near = get_close_matches(str(path[-1]), names, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"


def _type_at(model: Any, path: _Path) -> Any:
    """Return the type that stands at *path* below *model*."""
    found = model
    for part in path:
        found = _below(_bare(found), part)
    return _bare(found)


def _below(holder: Any, part: int | str) -> Any:
    if isinstance(holder, type) and issubclass(holder, BaseModel):
        field = _fields(holder).get(str(part))
        return field.annotation if field is not None else None
    return next((one for one in reversed(get_args(holder)) if one is not Ellipsis), None)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields by the name that is written."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _bare(annotation: Any) -> Any:
    """Return *annotation* without Annotated and ``| None``."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in {Union, types.UnionType}:
            annotation = next((one for one in get_args(annotation) if one is not types.NoneType), None)
        else:
            return annotation


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
