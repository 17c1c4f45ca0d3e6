"""The Home tab, published out of a real store."""

from pathlib import Path
from unittest.mock import MagicMock

from bot.slack.home import HomeTab
from policies.approvals import Actor
from provisioning.clock import SystemClock
from provisioning.evidence.trail import Event
from provisioning.jobs.pending import pending_for
from tests.integration.store_samples import open_store
from tests.slack_limits import texts_of

ANA = Actor(id="UANA", name="ana", roles=frozenset({"operator"}))


def test_home_tells_what_was_done_and_not_each_step_of_it(tmp_path: Path) -> None:
    """A job of forty steps would otherwise hide what people did before it; who read what is not news."""
    store = open_store(tmp_path)
    store.record(Event(action="job.requested", actor="UANA", subject="acme"))
    for number in range(40):
        store.record(Event(action="step.done", actor="bot", subject="acme", step=f"s{number}"))
        store.record(Event(action="report.read", actor="UANA"))
    store.record(Event(action="job.succeeded", actor="bot", subject="acme"))
    service, client = MagicMock(now=SystemClock().now, pending=lambda actor: pending_for(actor, (), ())), MagicMock()
    tab = HomeTab(
        service=service,
        store=store,
        people=MagicMock(actor=lambda _: ANA),
        client=client,
        gate=MagicMock(),
    )
    tab.publish("UANA")
    store.close()
    told = list(texts_of(client.views_publish.call_args.kwargs["view"]))
    assert any("job.requested" in text and "job.succeeded" in text for text in told)
    assert not any("step.done" in text or "report.read" in text for text in told)
