"""Files of people: kept, and who may see them. The app's own come by methods/files.py."""

from collections.abc import Mapping
from typing import Any

from sandbox.slack.model import Person, SandboxError, StoredFile
from sandbox.slack.state import State

MAX_FORM_BYTES = 10_000_000  # of a file in a form: Slack's limit
MAX_FILES = 10  # in one input, unless it says less


def keep(state: State, person: Person, given: object) -> StoredFile:
    """Return a new file of *person*, of ``{"name": …, "content": text}``. Raises: SandboxError."""
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or not given["name"]:
        raise SandboxError("a file is {name: tenants.yaml, content: …}")
    content = str(given.get("content") or "").encode()
    if not 0 < len(content) <= MAX_FORM_BYTES:
        raise SandboxError(f"{given['name']} has {len(content)} bytes: 1 to {MAX_FORM_BYTES} are taken")
    with state.lock:
        stored = StoredFile(id=state.new_id("F"), name=given["name"], length=len(content), content=content)
        stored.owner, stored.completed = person.id, True
        state.files[stored.id] = stored
    return stored


def chosen(state: State, person: Person, element: Mapping[str, Any], value: object) -> list[StoredFile]:
    """Return the files that *person* chose in a file_input. Raises: SandboxError where Slack lets them not."""
    given = value if isinstance(value, list) else [] if value in (None, "") else [value]
    if len(given) > (most := element.get("max_files") or MAX_FILES):
        raise SandboxError(f"{most} files at most")
    kinds = {str(kind).lower() for kind in element.get("filetypes") or ()}
    for one in given:
        name = str(one.get("name")) if isinstance(one, dict) else ""
        if kinds and name.rpartition(".")[2].lower() not in kinds:
            raise SandboxError(f"{name or one!r} cannot be chosen: only {', '.join(sorted(kinds))}")
    return [keep(state, person, one) for one in given]


def visible_to_app(state: State, stored: StoredFile) -> bool:
    """Return whether the app sees it: its own, one handed to it, one shared where it is a member."""
    if stored.content is None:
        return False
    shared = (state.channels[each] for each in stored.channels)
    return (
        stored.owner in {"", state.bot_user_id}
        or stored.given
        or any(state.bot_user_id in each.members or each.im for each in shared)
    )
