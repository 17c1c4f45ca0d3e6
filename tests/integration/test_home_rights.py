"""The Home tab is open to everybody in the workspace: it shows no more than the policy lets them ask for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from slack_sdk import WebClient

from bot.slack import deliveries, forms
from bot.slack.gate import Gate
from bot.slack.home import HomeTab
from commands.catalog import CATALOG
from policies.loader import load
from provisioning.store import Delivery
from provisioning.store.samples import Sample, Samples
from tests.integration.engine_samples import DANA, VERA, World
from tests.integration.work_samples import Members, work_in

POLICY = load(
    "rules:\n- {name: look, risks: [read], roles: [viewer, operator], effect: allow}\n"
    "- {name: do, roles: [operator], effect: allow}\n"
)


class _Client:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}

    def views_open(self, *, trigger_id: str, view: dict[str, Any]) -> dict[str, Any]:
        self.shown[trigger_id] = json.dumps(view, ensure_ascii=False)
        return {"view": {"id": "V1"}}

    def views_publish(self, *, user_id: str, view: dict[str, Any]) -> None:
        self.shown[user_id] = json.dumps(view, ensure_ascii=False)


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the requester of a queued job, a viewer and somebody without a role see."""
    world = World(tmp_path, shape={"one": ()}, policy=POLICY)  # no engine runs: the job stays queued
    world.ask("acme")
    Samples(world.store).put("now", Sample(at=world.clock.now(), values={"gpus": 7777.0}))
    client = _Client()
    tab = HomeTab(
        service=world.service,
        store=world.store,
        people=world.people,
        client=cast("WebClient", client),
        gate=Gate(Members()),
    )
    work = work_in(world, client, {"tenants": lambda: ["zebra"]})
    button = {**forms.button("tenant show", CATALOG["tenant show"]), "action_ts": "1.1"}
    for user in (DANA.id, VERA.id, "UNOBODY"):
        tab.publish(user)
        body = {"user": {"id": user}, "trigger_id": f"form of {user}"}
        opened = deliveries.of_open(body, button, channel="")
        kept = Delivery(key=opened.key, kind=opened.kind, body=dict(opened.body), received_at=world.clock.now())
        work.handlers()[opened.kind](kept)
    yield client.shown
    world.close()


def test_who_may_look_sees_what_runs_and_the_capacity(shown: dict[str, str]) -> None:
    for user in (DANA.id, VERA.id):
        assert "Job 1" in shown[user]
        assert "7777" in shown[user]
        assert "job.requested" in shown[user]


def test_who_has_no_role_sees_nothing_of_others(shown: dict[str, str]) -> None:
    """No tenant's name, no job, no measure, no row of the audit trail; but whom to ask."""
    assert "zebra" in shown[f"form of {VERA.id}"], "its menu"
    assert "zebra" not in shown["form of UNOBODY"]
    said = shown["UNOBODY"]
    assert "no role: ask an admin for one" in said
    for secret in ("acme", "Job 1", "7777", "job.requested", "New tenant"):
        assert secret not in said
