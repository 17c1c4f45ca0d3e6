"""What Slack hands out for a limited time ends with that time, and works as often as Slack says."""

import time

import pytest

from sandbox.slack.model import ApiError
from sandbox.slack.passes import Passes


class Turned:
    """The workspace's clock and the machine's, in seconds."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Turned:
    made = Turned()
    monkeypatch.setattr(time, "monotonic", made)
    return made


@pytest.fixture
def issued(clock: Turned) -> Passes:
    return Passes(clock)


def refused(passes: Passes, key: str) -> tuple[str, int]:
    with pytest.raises(ApiError) as caught:
        passes.use_response_url(key)
    return caught.value.error, caught.value.status


def test_a_response_url_is_good_for_half_an_hour_and_five_uses(issued: Passes, clock: Turned) -> None:
    """One that was never handed out, one that is too old and one that is used up are not found, each in its words."""
    key = issued.response_url("U1", "C1", "7.0").removeprefix("/response/")
    clock.now_s += 30 * 60
    assert [issued.use_response_url(key).uses for _ in range(5)] == [1, 2, 3, 4, 5]
    assert refused(issued, key) == ("used_url", 404)
    other = issued.response_url("U1", "C1").removeprefix("/response/")
    clock.now_s += 30 * 60 + 1
    assert refused(issued, other) == ("expired_url", 404)
    assert refused(issued, f"{key}x") == ("invalid_url", 404)


def test_a_socket_ticket_is_good_once_and_for_half_a_minute(issued: Passes, clock: Turned) -> None:
    ticket, late = issued.ticket(), issued.ticket()
    clock.now_s += 30
    assert issued.redeem_ticket(ticket)
    assert not issued.redeem_ticket(ticket)
    clock.now_s += 0.1
    assert not issued.redeem_ticket(late)
    assert not issued.redeem_ticket("invented")


def test_a_trigger_is_good_for_three_seconds(issued: Passes, clock: Turned) -> None:
    trigger, late = issued.trigger("U1"), issued.trigger("U1")
    clock.now_s += 3
    assert issued.redeem_trigger(trigger).person == "U1"
    clock.now_s += 0.1
    with pytest.raises(ApiError) as caught:
        issued.redeem_trigger(late)
    assert caught.value.error == "expired_trigger_id"


def test_nothing_that_is_handed_out_can_be_guessed(issued: Passes) -> None:
    """As many random letters as Slack's, and none twice."""
    many = [
        [issued.trigger("U1"), issued.response_url("U1", "C1"), issued.ticket(), issued.upload("F1")] for _ in range(50)
    ]
    assert len({one for each in many for one in each}) == 200
    assert min(len(one) for each in many for one in each) >= 32
