"""What is said about digests: conditions, alerts that do not flap, channels, one request in one spelling."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.digests import DigestAdd, beyond
from commands.grammar import Invocation, UsageError, parse, render
from commands.measures import Condition
from provisioning.digests.digest import Digest, Turn, turn_of


def add(text: str) -> DigestAdd:
    found = parse(f"digest add morning {text}")
    assert isinstance(found, Invocation), found
    assert isinstance(found.args, DigestAdd)
    assert parse(render(found.spec, found.args)) == Invocation(
        spec=found.spec, args=found.args, text=render(found.spec, found.args)
    )
    return found.args


def refused(text: str) -> str:
    found = parse(f"digest add morning {text}")
    assert isinstance(found, UsageError)
    return found.message


def test_a_digest_as_people_type_it() -> None:
    """From Slack, with its links, its quotes and its entities."""
    said = add(
        "--at “weekdays 09:00 Europe/Berlin” --channel <#C0123ABC|ops> --alert ports.free&lt;50"
        " --clear 'ports.free above 80'"
    )
    assert (said.subject, said.channel, str(said.schedule)) == (
        "digest:morning",
        "C0123ABC",
        "0 9 * * 1-5 Europe/Berlin",
    )
    assert (str(said.alert), str(said.ends)) == ("ports.free<50", "ports.free>80")
    assert said.asked_in("C999") is said
    assert add("--cron '0 9 * * 1-5' --include ports,audit").asked_in("C999").channel == "C999"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "either --at"),
        ("--at 'daily 09:00' --cron '0 9 * * *'", "either --at"),
        ("--at 'wekdays 09:00'", "did you mean weekdays"),
        ("--cron '0 9 * *'", "has 4 fields"),
        ("--at '09:00' --channel ops", "pick one with #"),
        ("--at '09:00' --include ports,weather", "weather"),
        ("--at '09:00' --alert ports.fre<50", "did you mean ports.free?"),
        ("--at '09:00' --alert ports.free", "is no condition"),
        ("--at '09:00' --alert ports.free=50", "is no condition"),
        ("--at '09:00' --clear ports.free>50", "--clear needs --alert"),
        ("--at '09:00' --alert ports.free<50 --clear tenants>80", "must watch the same"),
        ("--at '09:00' --alert ports.free<50 --clear ports.free<80", "look the other way"),
        ("--at '09:00' --alert ports.free<50 --clear ports.free>40", "can hold at once"),
        ("--at '09:00' --alert ports.free<=50 --clear ports.free>=50", "can hold at once"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    assert says in refused(text)


NUMBERS = st.decimals(0, 10_000, places=2)


@given(st.sampled_from(["<", "<=", ">", ">="]), NUMBERS, st.lists(NUMBERS, max_size=30))
def test_no_value_both_alerts_and_clears(sign: str, limit: Decimal, values: list[Decimal]) -> None:
    """Where nobody says what ends it; and a series that stays between the limits turns it at most once."""
    alert = Condition(measure="ports.free", sign=sign, limit=limit)
    clear = beyond(alert)
    digest = Digest(name="m", cron="0 9 * * *", zone="UTC", channel="C01", include=("ports",), alert=alert, clear=clear)
    alerting = False
    for value in values:
        assert not (alert.holds(float(value)) and clear.holds(float(value)))
        match turn_of(digest, alerting=alerting, values={"ports.free": float(value)}):
            case Turn.ALERT:
                assert not alerting
                alerting = True
            case Turn.CLEAR:
                assert alerting
                alerting = False
            case None:
                pass


def test_between_the_limits_nothing_turns() -> None:
    """49 alerts, 60 and 49 again say nothing, 81 clears, 60 says nothing; unmeasured says nothing."""
    args = add("--at 09:00 --alert ports.free<50 --clear ports.free>80")
    digest = Digest(
        name="m", cron="0 9 * * *", zone="UTC", channel="C01", include=("ports",), alert=args.alert, clear=args.ends
    )
    alerting, turns = False, []
    for values in (
        {"ports.free": 49.0},
        {"ports.free": 60.0},
        {"ports.free": 49.0},
        {},
        {"ports.free": 81.0},
        {"ports.free": 60.0},
    ):
        turn = turn_of(digest, alerting=alerting, values=values)
        alerting = alerting if turn is None else turn is Turn.ALERT
        turns.append(turn)
    assert turns == [Turn.ALERT, None, None, None, Turn.CLEAR, None]


def test_a_digest_asked_for_in_the_bots_own_conversation_can_be_planned_again() -> None:
    """A job plans once more before it runs, from the request as it was stored: its channel is one there, too."""
    said = add("--at 'daily 09:00'").asked_in("D0123ABC")
    stored = said.model_dump(mode="json", exclude_unset=True)
    assert DigestAdd.model_validate(stored).channel == "D0123ABC"
