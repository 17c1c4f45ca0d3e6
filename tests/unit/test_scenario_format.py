"""The scenario format: what is understood, and that every mistake is named with its place."""

import pytest

from sandbox.cast import DEFAULT_CAST, Room, cast_from
from sandbox.scenario.matching import matches
from sandbox.scenario.model import ScenarioError, parse, seconds


def test_a_list_of_entries_is_a_scenario() -> None:
    """The shortest form needs no head: the default cast and channel are there."""
    scenario = parse(
        "- as: operator\n  run: /clearml help\n  expect: tenant create\n"
        "- as: approver\n  click: Approve\n  expect:\n    job: succeeded\n    within_s: 60\n"
    )
    first, second = scenario.entries
    assert (first.person, first.action, first.argument) == ("operator", "run", "/clearml help")
    assert first.expect == (("message", "contains tenant create"),)
    assert (second.person, second.expect, second.within_s) == ("approver-1", (("job", "succeeded"),), 60)


def test_people_and_channels_can_be_given() -> None:
    """The head replaces the cast; a role, a list of roles or a mapping will do."""
    scenario = parse(
        "people: {kim: operator, lee: [approver, viewer], max: {name: Max, role: admin}}\n"
        "channels: ['#gpu', {name: war-room, private: true, bot: false}]\n"
        "scenario:\n- {as: lee, run: /clearml whoami}\n"
    )
    assert [person.handle for person in scenario.cast.people] == ["kim", "lee", "max"]
    assert scenario.cast.roles() == {
        "operator": ["U00000001"],
        "approver": ["U00000002"],
        "viewer": ["U00000002"],
        "admin": ["U00000003"],
    }
    assert scenario.cast.channels == (Room(name="gpu"), Room(name="war-room", private=True, bot=False))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "must be a list of entries"),
        ("a: 1", "unknown at the top: a"),
        ("- run: x\n  click: y\n", "scenario:1: entry 1: one action an entry"),
        ("- as: nobody\n", "scenario:1: entry 1: nobody is called 'nobody'; there are: operator"),
        ("- as: operator\n- shout: hi\n", "scenario:2: entry 2: unknown: shout"),
        ("- as: admin\n  expect: {jbo: succeeded}\n", "unknown: jbo; known are: message"),
        ("- advance: soon\n", "advance: 'soon' is no duration"),
        ("- &a [1]\n- *a\n", "aliases are refused"),
        ("- {as: operator, run: [", "not YAML"),
        ("people: {kim: {id: nonsense}}\nscenario: [{as: kim}]", "id"),
        ("- {}\n", "nothing to do and nothing to expect"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, named: str) -> None:
    """Every refusal says where it is and what was expected."""
    with pytest.raises(ScenarioError) as caught:
        parse(text)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"), [(90, 90), ("90s", 90), ("25h", 90_000), ("1d 2h", 93_600), ("1.5m", 90)]
)
def test_durations(value: object, expected: float) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize(
    ("expected", "actual", "held"),
    [
        ("contains Job  1", "job 1 is queued", True),
        ("queued", "job 1 is queued", True),
        ("not contains secret", "nothing here", True),
        ("not contains nothing", "nothing here", False),
        ("equals nothing  here", "Nothing here", True),
        ("equals nothing", "nothing here", False),
        (r"matches \bjob \d+", "the job 12", True),
        (r"not matches \d", "abc", True),
    ],
)
def test_matching(expected: str, actual: str, held: bool) -> None:
    assert matches(expected, actual) is held


def test_the_default_cast_has_every_role_and_a_lone_approver_is_the_first() -> None:
    """An operator, two approvers, a viewer and an admin, in #platform-ops."""
    assert [sorted(person.roles)[0] for person in DEFAULT_CAST.people] == [
        "operator",
        "approver",
        "approver",
        "viewer",
        "admin",
    ]
    assert DEFAULT_CAST.channels == (Room(name="platform-ops"),)
    assert DEFAULT_CAST.find("approver").handle == "approver-1"
    assert DEFAULT_CAST.find("Approver 2").handle == "approver-2"
    with pytest.raises(ValueError, match="handles"):
        cast_from([], None)
