"""Modals and Home tabs: opened, pushed, updated, published, answered. Raises ApiError as the API does."""

from collections.abc import Mapping
from typing import Any

from sandbox.slack import forms
from sandbox.slack.blocks.validation import is_view_too_large, problems_of_view
from sandbox.slack.elements import with_ids
from sandbox.slack.model import JSON, ApiError, View
from sandbox.slack.passes import Trigger
from sandbox.slack.posting import parsed
from sandbox.slack.state import State

MAX_STACK = 3
TROUBLE = "We had some trouble connecting. Try again?"


def checked(state: State, given: Any, kind: str) -> JSON:
    """Return the view with its ids filled in. Raises: ApiError."""
    view = parsed(given, "invalid_arguments")
    if not isinstance(view, dict):
        raise ApiError("invalid_arguments", messages=("missing required field: view [json-pointer:/view]",))
    if problems := problems_of_view(view):
        raise ApiError("invalid_arguments", messages=problems)
    if view["type"] != kind:
        raise ApiError("invalid_arguments", messages=(f"must be of type {kind} [json-pointer:/view/type]",))
    if is_view_too_large(view):
        raise ApiError("view_too_large")
    return {**view, "blocks": with_ids(view["blocks"], lambda: state.new_id("b"))}


def open_modal(state: State, trigger: Trigger, given: Any) -> View:
    """Open a modal, which is the only one that the person has open.

    A trigger from inside a modal is answered like any other, and yet the person sees nothing of it: some of Slack's
    clients show it, some do not. What is meant for there is views.push and views.update. Source: slackapi/bolt-js
    issues 1072 and 1827, slackapi/bolt-python issue 481.
    """
    with state.lock:
        view = checked(state, given, "modal")
        _external_id_is_free(state, view)
        opened = _new(state, trigger.person, view)
        if trigger.modal is None:
            state.modals[trigger.person] = [opened]
            state.touch()
        return opened


def push_modal(state: State, trigger: Trigger, given: Any) -> View:
    """Put a modal on top of the one that the trigger came from."""
    with state.lock:
        view = checked(state, given, "modal")
        stack = state.modals.get(trigger.person, [])
        if trigger.modal is None or all(each.id != trigger.modal for each in stack):
            raise ApiError("not_found")
        return push(state, trigger.person, view)


def push(state: State, person_id: str, view: JSON) -> View:
    """Put the checked view on top of the person's stack."""
    stack = state.modals.setdefault(person_id, [])
    if len(stack) >= MAX_STACK:
        raise ApiError("push_limit_reached")
    _external_id_is_free(state, view)
    pushed = _new(state, person_id, view)
    if stack:
        pushed.root_id, pushed.previous_id = stack[0].id, stack[-1].id
    stack.append(pushed)
    state.touch()
    return pushed


def update_modal(state: State, arguments: Mapping[str, Any]) -> View:
    """Replace an open modal's view, named by view_id or external_id."""
    with state.lock:
        found = _named(state, arguments)
        if found is None:
            raise ApiError("not_found")
        if arguments.get("hash") and arguments["hash"] != found.hash:
            raise ApiError("hash_conflict")
        replace(state, found, checked(state, arguments.get("view"), found.type))
        return found


def replace(state: State, found: View, view: JSON) -> None:
    """Show the checked view in place of what *found* shows; entered values stay where their ids stay."""
    found.values = forms.kept_values(view["blocks"], found.values)
    found.view = view
    found.hash = state.new_hash()
    found.errors, found.trouble = {}, ""
    state.touch()


def publish_home(state: State, arguments: Mapping[str, Any]) -> View:
    """Publish a person's Home tab."""
    with state.lock:
        if not state.manifest.home_tab:
            raise ApiError("not_enabled")
        person = state.people.get(str(arguments.get("user_id", "")))
        if person is None or person.deactivated:
            raise ApiError("invalid_arguments", messages=("user_not_found [json-pointer:/user_id]",))
        view = checked(state, arguments.get("view"), "home")
        home = state.homes.get(person.id)
        if arguments.get("hash") and home is not None and arguments["hash"] != home.hash:
            raise ApiError("hash_conflict")
        if home is None:
            home = state.homes[person.id] = _new(state, person.id, view)
            state.touch()
        else:
            replace(state, home, view)
        return home


def answer_submission(state: State, found: View, ack: Mapping[str, Any]) -> None:
    """Do what the ack of a view_submission says: close, show errors, update, push, clear."""
    with state.lock:
        stack = state.modals.get(found.person, [])
        try:
            match ack.get("response_action"):
                case None if not ack:
                    if found in stack:
                        del stack[stack.index(found) :]
                case "errors":
                    _show_errors(found, ack.get("errors"))
                case "update":
                    replace(state, found, checked(state, ack.get("view"), "modal"))
                case "push":
                    push(state, found.person, checked(state, ack.get("view"), "modal"))
                case "clear":
                    stack.clear()
                case other:
                    found.trouble = f"{TROUBLE} (unknown response_action {other!r})"
        except ApiError as problem:
            found.trouble = f"{TROUBLE} ({'; '.join((problem.error, *problem.messages))})"
        state.touch()


def _show_errors(found: View, errors: Any) -> None:
    inputs = {
        block["block_id"] for block in found.view["blocks"] if isinstance(block, dict) and block["type"] == "input"
    }
    if not isinstance(errors, dict) or not errors or set(errors) - inputs:
        raise ApiError("errors_name_no_input")
    found.errors = {str(block_id): str(message) for block_id, message in errors.items()}


def _new(state: State, person_id: str, view: JSON) -> View:
    view_id = state.new_id("V")
    return View(
        id=view_id,
        type=view["type"],
        person=person_id,
        view=view,
        hash=state.new_hash(),
        root_id=view_id,
        values=forms.initial_values(view["blocks"]),
    )


def _named(state: State, arguments: Mapping[str, Any]) -> View | None:
    if view_id := arguments.get("view_id"):
        return state.view(str(view_id))
    if external_id := arguments.get("external_id"):
        for stack in state.modals.values():
            for view in stack:
                if view.view.get("external_id") == external_id:
                    return view
        return None
    raise ApiError("invalid_arguments", messages=("missing required field: view_id",))


def _external_id_is_free(state: State, view: JSON) -> None:
    external_id = view.get("external_id")
    if external_id and any(
        each.view.get("external_id") == external_id for stack in state.modals.values() for each in stack
    ):
        raise ApiError("duplicate_external_id")
