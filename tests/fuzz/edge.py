"""The bot's whole Slack edge in one thread: whatever Slack may send is dispatched and worked off.

Bolt, the listeners, the inbox, the gate, the policy, the service and the rendering are the real ones. Beneath them
nothing has effects: each command plans one step that does nothing, and an approval takes more people than there are.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from slack_bolt import App, BoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

from bot.slack.gate import Gate
from bot.slack.home import HomeTab
from bot.slack.identity import Person, Standing
from bot.slack.listeners import Listeners
from bot.slack.offers import Offers
from bot.slack.work import Work
from commands.catalog import CATALOG
from commands.spec import CommandArgs, CommandSpec, Risk
from policies.loader import PolicyVersion, load
from provisioning.engine import Engine
from provisioning.jobs.job import Job, JobState
from provisioning.jobs.runner import Runner
from provisioning.operations.base import Draft
from provisioning.plan import Observation, Presence, Step
from provisioning.planner import Planner
from provisioning.queries.base import Asked
from provisioning.redact import Redactor
from provisioning.reports import Report, table
from provisioning.service import JobService
from provisioning.store import Allowance, Deliveries, Store
from tests.fakes import FakePeople
from tests.integration.store_samples import TurnedClock

POLICY = load(
    "rules:\n"
    "- {name: look, risks: [read], effect: allow}\n"
    "- {name: many, effect: approve, approvals: {roles: [approver], count: 10}}\n"
)
PEOPLE = ("U1", "U2")
ROLES = ("viewer", "operator", "approver", "admin")
# What must reach nobody as markup, whoever typed it.
MARKUP = ("<!channel", "<!here", "<!everyone", "<https://evil.example", "<@UEVIL")


# What code raises that reads a payload with something missing or of another type.
NO_PAYLOAD = (KeyError, TypeError, ValueError, AttributeError)


class EscapedError(AssertionError):
    """A find: something was not handled where it came in. The text says what."""


class Edge:
    """One bot. Each thing that is sent must be refused at the door, or worked off to its end."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []  # what Slack was asked to show, newest last
        self._raised: list[Exception] = []
        clock, people = TurnedClock(), FakePeople({role: frozenset(PEOPLE) for role in ROLES})
        self._store = Store(folder / "edge.db", clock=clock, redact=Redactor())
        operations = {spec.name: _Plans(spec) for spec in CATALOG.values() if spec.risk is not Risk.READ}
        planner = Planner(actions={"test.nothing": cast("Any", _Nothing())}, facts=_NoFacts(), operations=operations)
        engine = cast("Engine", _NoEngine(Runner(self._store, {}, planner.replan, clock)))
        service = JobService(
            store=self._store,
            engine=engine,
            planner=planner,
            policy=lambda: PolicyVersion(policy=POLICY, text="", digest="p" * 64),
            clearml=cast("Any", None),
            clock=clock,
            people=people,
        )
        client = _Slack(self.said)
        gate, offers = Gate(_Members()), Offers({})
        queries = {spec.name: _Tells(spec.name) for spec in CATALOG.values() if spec.risk is Risk.READ}
        work = Work(
            service=service,
            store=self._store,
            queries=queries,
            people=people,
            client=client,
            offers=offers,
            gate=gate,
        )
        self._listeners = Listeners(
            work=work,
            store=self._store,
            forget=lambda _id: None,
            clock=clock,
            allowance=Allowance(self._store, 0),
            workers=1,
        )
        self._listeners._inbox._pools = {slow: cast("Any", _Inline()) for slow in (True, False)}
        self._app = App(
            client=client,
            authorize=lambda enterprise_id, team_id: AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id),
            process_before_response=True,
        )
        self._listeners.register(self._app)
        HomeTab(service=service, store=self._store, people=people, client=client, gate=gate).register(self._app)
        self._app.error(self._note)

    def give(self, payload: Mapping[str, Any]) -> None:
        """Dispatch *payload* as from Slack's socket. Raises: EscapedError for a find."""
        self.said.clear()
        self._raised.clear()
        # What dispatch itself raises is Bolt's own, before anything of ours was asked: its adapters log it.
        with _incidents() as incidents, suppress(*NO_PAYLOAD):
            self._app.dispatch(BoltRequest(body=dict(payload), mode="socket_mode"))
        if incidents:
            raise EscapedError(f"an incident: {incidents}")
        if undone := Deliveries(self._store).undone():
            raise EscapedError(f"never worked off: {undone}")
        if strange := [one for one in self._raised if not isinstance(one, NO_PAYLOAD)]:
            raise EscapedError(f"not told apart from a bug: {strange}") from strange[0]
        if markup := [piece for piece in MARKUP for text in self.said if piece in text]:
            raise EscapedError(f"sent as markup: {markup}")

    def job(self) -> Job:
        """Return the newest job that waits for approval, or that did."""
        waiting = self._store.jobs(states={JobState.AWAITING_APPROVAL}, limit=1)
        return (waiting or self._store.jobs(limit=1))[0]

    def _note(self, error: Exception) -> None:
        self._raised.append(error)


class _Slack(WebClient):
    """Takes whatever it is asked to show, and connects to nothing."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(token="xoxb-1", base_url="https://slack.invalid/api/")
        self._said = said

    def api_call(self, api_method: str, **given: Any) -> Any:
        """Note what is shown, as Slack gets it."""
        called = {**(given.get("params") or {}), **(given.get("json") or {})}
        shown = {name: called[name] for name in ("text", "blocks", "view") if name in called}
        self._said.append(json.dumps(shown, ensure_ascii=False, default=str))
        theirs = {"id": "F1", "name": "<!channel>.yaml", "user": "UEVIL"}  # a file that nobody here may see
        return {"ok": True, "view": {"id": "V1"}, "ts": "1.1", "channel": "C1", "file": theirs}


class _Members:
    def person(self, user_id: str) -> Person:
        return Person(user_id, user_id, Standing.MEMBER if user_id in PEOPLE else Standing.GUEST)

    def may_act(self, person: Person) -> bool:
        return person.id in PEOPLE


class _Inline:
    """An executor that is done before it returns."""

    def submit(self, work: Callable[..., None], *given: Any) -> "Future[None]":
        future: Future[None] = Future()
        work(*given)
        future.set_result(None)
        return future

    def shutdown(self, **_how: Any) -> None:
        """There is nothing left to do."""


class _NoEngine:
    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def submit(self, _job: Any) -> None:
        raise EscapedError("a job was started, and nobody approved it")

    def cancel(self, _job_id: str) -> None:
        """Nothing runs."""


class _NoFacts:
    def gather(self, _operation: str, _args: CommandArgs) -> None:
        return None


class _Nothing:
    kind = "test.nothing"

    def observe(self, _inputs: Mapping[str, Any]) -> Observation:
        return Observation(presence=Presence.ABSENT)


class _Plans:
    """Any command: one step that holds what was asked for."""

    def __init__(self, spec: CommandSpec) -> None:
        self.command, self.args = spec.name, spec.args

    def draft(self, args: CommandArgs, _facts: None) -> Draft:
        inputs = args.model_dump(mode="json")
        step = Step(id="one", kind="test.nothing", title=f"Do {self.command} {args.subject}", inputs=inputs)
        return Draft(subject=args.subject, summary=f"{self.command} {args.subject}", steps=(step,))


class _Tells:
    """Any query: says back what it was asked."""

    def __init__(self, command: str) -> None:
        self.command = command

    def answer(self, args: CommandArgs, _asked: Asked) -> Report:
        rows = [(name, str(value)) for name, value in args.model_dump(mode="json").items()]
        return Report(title=self.command, summary=args.subject, parts=(table("", ("a", "b"), rows),), data={})


@contextmanager
def _incidents() -> Iterator[list[str]]:
    """Yield what the bot logs as a fault of its own."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name.startswith("bot."):
                error = record.exc_info[1] if record.exc_info else None
                found.append(f"{record.getMessage()}: {error!r}")

    handler = Handler(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)
