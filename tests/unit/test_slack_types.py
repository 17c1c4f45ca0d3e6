"""The sandbox's rules on blocks, held against the types that Slack publishes: another hand's reading of the same."""

import json
from typing import Any

import pytest

from sandbox.slack.blocks.elements import ACCESSORIES, INPUTS
from sandbox.slack.blocks.schema import Check, Problems
from sandbox.slack.blocks.validation import MESSAGE_BLOCKS, problems_of_blocks, problems_of_view
from tests import slack_types
from tests.unit.test_sandbox_slack_blocks import AT_THE_LIMIT, REFUSED, VIEWS, actions, option, select, text

DEFINITIONS: dict[str, Any] = json.loads(slack_types.SCHEMA.read_text())["definitions"]
OURS: dict[str, Check] = {**MESSAGE_BLOCKS, **ACCESSORIES, **INPUTS}
# Where the types are silent: they describe one value at a time, and what Slack says in prose elsewhere they lack.
# Source: docs.slack.dev/reference/block-kit, and the same cases as Slack's API words its refusals.
NOT_SAID = {
    *("blocks", "no blocks", "markdown in all", "table columns", "tables"),  # how many of what in a message
    *("same action_id", "same block_id", "both kinds of options", "no options", "foreign initial_option"),
    *("no text", "script url", "input without submit", "min over max"),
}
# The types are older here: an option's value was 75 characters, and is 150 in the reference of today.
OLDER_IN_TYPES = {"option value"}


def _types_of(definition: dict[str, Any]) -> list[str]:
    kind = definition.get("properties", {}).get("type", {})
    return [kind["const"]] if "const" in kind else kind.get("enum", [])


PUBLISHED = {kind: one for one in DEFINITIONS.values() for kind in _types_of(one)}


@pytest.mark.parametrize("kind", sorted(OURS.keys() & PUBLISHED.keys()))
def test_each_block_and_element_has_the_fields_that_slack_publishes(kind: str) -> None:
    """Not one more, not one fewer, and the same ones are needed."""
    names = {name for one in DEFINITIONS.values() for name in one.get("properties", {})} - {"type"}
    everything, nothing = Problems(), Problems()
    OURS[kind]({"type": kind, **dict.fromkeys(names)}, "", everything)
    OURS[kind]({"type": kind}, "", nothing)
    unknown = {_named(each) for each in everything.found if each.startswith("invalid additional property")}
    needed = {_named(each) for each in nothing.found if each.startswith("missing required field")}
    assert names - unknown == PUBLISHED[kind]["properties"].keys() - {"type"}
    assert needed == set(PUBLISHED[kind]["required"]) - {"type"}


def _named(problem: str) -> str:
    return problem.partition(": ")[2].partition(" [")[0]


def test_most_of_what_the_sandbox_knows_is_published() -> None:
    """Else the test above would hold for want of cases. Images have two shapes; one block is newer than the types."""
    assert OURS.keys() - PUBLISHED.keys() == {"image", *slack_types.NEWER}


@pytest.mark.parametrize(
    ("name", "under", "over"), [case[:3] for case in AT_THE_LIMIT], ids=[case[0] for case in AT_THE_LIMIT]
)
def test_limits_are_those_of_the_types(name: str, under: list[Any], over: list[Any]) -> None:
    """What stands at a limit is taken by both, what is beyond it by neither, except where the types say nothing."""
    assert problems_of_blocks(under) == ()
    assert problems_of_blocks(over)
    assert bool(slack_types.problems_of_message(under)) is (name in OLDER_IN_TYPES)
    assert bool(slack_types.problems_of_message(over)) is (name not in NOT_SAID)


@pytest.mark.parametrize(
    ("name", "blocks"), [case[:2] for case in REFUSED if case[0] != "no list"], ids=lambda case: str(case)[:20]
)
def test_refusals_are_those_of_the_types(name: str, blocks: list[Any]) -> None:
    """What the sandbox refuses, Slack's types refuse too, except where they say nothing."""
    assert bool(slack_types.problems_of_message(blocks)) is (name not in NOT_SAID)


@pytest.mark.parametrize(("name", "view", "refused"), VIEWS, ids=[case[0] for case in VIEWS])
def test_views_are_judged_alike(name: str, view: dict[str, Any], refused: str | None) -> None:
    """A view's own limits, too."""
    assert bool(problems_of_view(view)) is (refused is not None)
    assert bool(slack_types.problems_of_view(view)) is (refused is not None and name not in NOT_SAID)


def test_the_limits_are_read_out_of_the_comments() -> None:
    """A new edition of the types whose comments read otherwise shall not pass for one without limits."""
    choice = select(options=[option("x" * 75, "y" * 75)] * 100, placeholder=text("z" * 150))
    assert slack_types.problems_of_message([actions(choice)]) == []
    for worse in (
        select(options=[option("x" * 76)]),
        select(options=[option()] * 101),
        select(placeholder=text("z" * 151)),
        {**select(), "option_groups": [{"label": text("g"), "options": [option()]}] * 101},
    ):
        assert slack_types.problems_of_message([actions(worse)])
