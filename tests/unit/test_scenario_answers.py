"""What an entry of a scenario expects as an answer: nothing that was there before holds it."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.scenario.model import ScenarioError, parse
from sandbox.scenario.runner import Happening, Outcome, Runner
from sandbox.slack.delivery import Dispatcher, Envelope
from sandbox.slack.manifest import parse_manifest
from sandbox.slack.model import JSON, Channel, Person
from sandbox.slack.posting import content, post, update
from sandbox.slack.workspace import Workspace

MANIFEST = """
display_information: {name: ClearML}
features: {slash_commands: [{command: /clearml, description: Runs the service}]}
oauth_config: {scopes: {bot: [commands, "chat:write"]}}
settings: {socket_mode_enabled: true, interactivity: {is_enabled: true}}
"""


class Parrot:
    """An app that posts what it is told, changes its first message on ``edit …``, and else keeps silent."""

    def __init__(self, workspace: Workspace) -> None:
        self._state = workspace.state
        self._channel = next(iter(workspace.state.channels.values()))
        self._first: Any = None

    def send(self, envelope: Envelope) -> "Future[JSON]":
        verb, _, text = str(envelope.payload["text"]).partition(" ")
        said = content({"text": text or verb}, self._state)
        if verb == "say":
            posted = post(self._state, self._channel, said)
            self._first = self._first or posted
        elif verb == "edit":
            update(self._state, self._first, said)
        done: Future[JSON] = Future()
        done.set_result({})
        return done


def play(*entries: str) -> tuple[Outcome, list[Happening]]:
    """Play entries, each on its line, in a workspace where the parrot is the app."""
    workspace = Workspace(
        manifest=parse_manifest(MANIFEST),
        people=[Person(id="U0000001", name="kim", real_name="Kim", email="")],
        channels=[Channel(id="C0000001", name="gpu", members=("kim",))],
        dispatcher=Dispatcher(ack_s=1),
    )
    workspace.dispatcher.transport = Parrot(workspace)
    text = "people: {kim: operator}\nchannels: ['#gpu']\nscenario:\n" + "\n".join(entries)
    happenings: list[Happening] = []
    world: Any = SimpleNamespace(workspace=workspace, sight=None)
    return Runner(world, parse(text), happenings.append).play(), happenings


def test_what_was_there_before_is_no_answer() -> None:
    """It is a message that is there; and the outcome says that nothing came."""
    outcome, happenings = play(
        "- {run: /clearml say the bill, expect: {answer: the bill}}",
        "- {run: /clearml nothing, expect: {message: the bill, answer: the bill, within_s: 0}}",
    )
    assert (outcome.held, outcome.broken, outcome.ok) == (2, 1, False)
    assert [one.detail for one in happenings if one.kind == "broken"] == ["what came since is:\nnothing"]


def test_a_changed_message_and_the_same_words_again_are_answers() -> None:
    """A card is changed where it stands; a second reply may read as the first."""
    outcome, _ = play(
        "- {run: /clearml say queued, expect: {answer: queued}}",
        "- {run: /clearml edit done, expect: {answer: done}}",
        "- {run: /clearml say done, expect: {answer: done}}",
    )
    assert (outcome.held, outcome.ok) == (3, True)


@pytest.mark.parametrize(("said", "held"), [("say all is well", True), ("say a secret", False), ("nothing", False)])
def test_an_answer_that_lacks_something_must_have_come(said: str, *, held: bool) -> None:
    """Silence holds no words, and is no answer."""
    outcome, _ = play(f"- {{run: /clearml {said}, expect: {{answer: not contains secret, within_s: 0}}}}")
    assert outcome.ok is held


def test_where_nothing_is_done_nothing_answers() -> None:
    """Such an entry means a message, and is told so before anything is played."""
    with pytest.raises(ScenarioError, match=r"scenario:1: entry 1: expect: answer: .* write message"):
        parse("- {as: operator, expect: {answer: x}}")
