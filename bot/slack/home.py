"""The app's Home tab: published when it is opened."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias

from slack_bolt import App
from slack_sdk import WebClient

from bot.slack.deliveries import slack_id
from bot.slack.gate import Gate
from bot.slack.render_home import Glance, home
from bot.slack.sight import may_see
from policies.approvals import Actor
from provisioning.people import People
from provisioning.service import JobService
from provisioning.store import Store
from provisioning.store.samples import Samples

log = logging.getLogger(__name__)

JOBS = 200
AUDIT_ROWS = 8
AUDIT_LOOKED_AT = 200
UNTOLD = frozenset({"step", "report"})  # families of actions: a job's steps stand in its message, reads are many
SAMPLE_AGE = timedelta(hours=6)  # an older one is no glance at the present

Payload: TypeAlias = Mapping[str, Any]


class HomeTab:
    """Registers itself with a Bolt app. Reads the store alone, so that it is there at once."""

    def __init__(self, *, service: JobService, store: Store, people: People, client: WebClient, gate: Gate) -> None:
        self._service = service
        self._store = store
        self._samples = Samples(store)
        self._people = people
        self._client = client
        self._gate = gate

    def register(self, app: App) -> None:
        app.event("app_home_opened")(self._on_opened)

    def _on_opened(self, event: Payload) -> None:
        user = slack_id(event["user"])
        if event.get("tab", "home") != "home":
            return
        if self._gate.refusal(user=user, channel="", teams=self._gate.teams) is None:
            self.publish(user)

    def publish(self, user: str) -> None:
        """Show *user* their Home as it is now."""
        actor = self._people.actor(user)
        of_whom = None if may_see(self._service, actor, "jobs") else actor.id
        jobs = self._store.jobs(requester=of_whom, limit=JOBS)
        pending = self._service.pending(actor)
        if not may_see(self._service, actor, "approvals"):
            pending = replace(pending, to_review=(), others=())
        view = home(actor, jobs, pending, self._glance(actor))
        self._client.views_publish(user_id=user, view=view)

    def _glance(self, actor: Actor) -> Glance:
        may_look = may_see(self._service, actor, "capacity")
        newest = self._samples.since(self._service.now() - SAMPLE_AGE) if may_look else ()
        may_audit = may_see(self._service, actor, "audit")
        return Glance(
            sample=newest[-1] if newest else None,
            audit=tuple(self._newest_rows()) if may_audit else (),
            may_create=may_see(self._service, actor, "tenant create new --admin-email a@new.example"),
        )

    def _newest_rows(self) -> list[dict[str, Any]]:
        """Return what people and jobs did last, newest first."""
        rows = self._store.audit_rows(limit=AUDIT_LOOKED_AT)[::-1]
        return [row for row in rows if row["action"].partition(".")[0] not in UNTOLD][:AUDIT_ROWS]
