"""What is read from ClearML's answers: leniently where we can do without, firmly where we cannot."""

from datetime import UTC, datetime
from typing import Any

import pytest

from provisioning.clients import clearml_records as records
from provisioning.errors import PermanentError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-02T03:04:05+00:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.000Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T05:04:05+02:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (None, None),
        ("", None),
        ("yesterday", None),
        (7, None),
    ],
)
def test_times_are_utc_or_none(value: object, expected: datetime | None) -> None:
    assert records.moment(value) == expected


@pytest.mark.parametrize("data", [{}, {"id": ""}, {"id": None}, {"id": 7}])
def test_an_answer_without_an_id_is_not_taken(data: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="no id"):
        records.company({"name": "acme", **data})


@pytest.mark.parametrize("value", [7, "text", {"a": 1}, ["text"]])
def test_a_list_must_be_one(value: object) -> None:
    with pytest.raises(PermanentError, match="no list of users"):
        records.records({"users": value}, "users")


def test_what_we_can_do_without_may_be_missing() -> None:
    assert records.records({}, "users") == ()
    assert records.user({"id": "u1"}) == records.User(id="u1", name="")
    assert records.company({"id": "c1", "name": " acme "}) == records.Company(id="c1", name="acme")
    assert records.worker({"id": "w1", "queues": [{"id": "q1"}]}).queues == ("q1",)


def test_a_new_keys_secret_is_not_in_its_text() -> None:
    made = records.credentials({"access_key": "AK", "secret_key": "canary", "expire": None}, "label")
    assert "canary" not in f"{made} {made!r}"
    assert made.secret_key.get_secret_value() == "canary"
