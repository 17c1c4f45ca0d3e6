"""Slack's own commands that say who is in a channel: /invite, /remove, /archive. The app hears nothing of them."""

from sandbox.slack.model import Channel, Person
from sandbox.slack.state import State

_OWN = frozenset({"/invite", "/remove", "/archive"})


def is_own(command: str) -> bool:
    """Return whether Slack itself answers *command* here."""
    return command in _OWN


def run(state: State, person: Person, channel: Channel, command: str, rest: str) -> None:
    """Do what *person* says in *channel*: ``/invite @name``. What cannot be is told by Slackbot."""
    with state.lock:
        problem = _refusal(person, channel, command)
        if problem is None and command == "/archive":
            channel.archived = True
            state.touch()
        elif problem is None:
            problem = _change(state, channel, rest, joins=command == "/invite")
    if problem is not None:
        state.slackbot(person.id, channel.id, problem)


def _refusal(person: Person, channel: Channel, command: str) -> str | None:
    if channel.im:
        return f"{command} does not work in a direct message."
    return None if person.id in channel.members else f"You are not in #{channel.name}."


def _change(state: State, channel: Channel, said: str, *, joins: bool) -> str | None:
    try:
        who = state.person(said)
    except KeyError:
        return f"{said or 'Nobody'} could not be found: name somebody, as in @name."
    if joins == (who.id in channel.members):
        return f"@{who.name} is {'already' if joins else 'not'} in #{channel.name}."
    others = tuple(each for each in channel.members if each != who.id)
    channel.members = (*others, who.id) if joins else others
    state.touch()
    return None
