"""What `kubectl diff` prints, read back: each object as it is and as it would be. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from provisioning import chart_yaml
from provisioning.errors import PermanentError

# kubectl compares files that hold an object each; with so much context the diff holds the whole of both.
PROGRAM = "diff -U1000000 -N"

_BY_THE_SERVER = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")


@dataclass(frozen=True, kw_only=True)
class ObjectChange:
    """One object that would be changed. Values of Secrets are masked by kubectl."""

    name: str
    found: Mapping[str, Any] | None  # None: it is not there
    shall: Mapping[str, Any]


def changes_of(text: str) -> tuple[ObjectChange, ...]:
    """Return the objects that differ in more than what the server fills in, by name.

    The same world gives the same answer. Raises: PermanentError where *text* cannot be read.
    """
    changes = []
    try:
        for before, after in _files(text):
            found, shall = _object(before), _object(after)
            if shall is not None and found != shall:
                changes.append(ObjectChange(name=str(shall["metadata"]["name"]), found=found, shall=shall))
    except (yaml.YAMLError, KeyError, TypeError):
        raise PermanentError(
            "reading what kubectl diff says: it is no comparison of objects",
            next_action="ask an admin to run kubectl diff where the bot runs: is its diff the usual one?",
        ) from None
    return tuple(sorted(changes, key=lambda change: change.name))


def _files(text: str) -> Iterator[tuple[str, str]]:
    """Yield each file's content before and after."""
    before: list[str] = []
    after: list[str] = []
    is_body = False
    for line in text.splitlines():
        if line.startswith("diff "):  # a line of a file has a mark before it
            if before or after:
                yield "\n".join(before), "\n".join(after)
            before, after, is_body = [], [], False
        elif line.startswith("@@"):
            is_body = True
        elif is_body:
            mark, content = line[:1], line[1:]
            if mark in {" ", "-"}:
                before.append(content)
            if mark in {" ", "+"}:
                after.append(content)
    if before or after:
        yield "\n".join(before), "\n".join(after)


def _object(text: str) -> dict[str, Any] | None:
    loaded = chart_yaml.load(text)
    if loaded is None:
        return None
    plain: dict[str, Any] = json.loads(json.dumps(loaded, default=str))
    plain["metadata"] = {key: value for key, value in plain["metadata"].items() if key not in _BY_THE_SERVER}
    return plain
