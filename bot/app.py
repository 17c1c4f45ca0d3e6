"""The one composition root of the bot: Slack's edge over the core, started and stopped in order."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult

from bot import core, logs
from bot.health import HealthServer
from bot.http_edge import HttpEdge
from bot.metrics import Metrics
from bot.settings import Settings
from bot.slack.client import web_client
from bot.slack.digest_posts import SlackPoster
from bot.slack.gate import Gate
from bot.slack.home import HomeTab
from bot.slack.listeners import Listeners
from bot.slack.offers import Offers, sources
from bot.slack.policy_news import PolicyNews
from bot.slack.progress import LiveMessages
from bot.slack.reminders import Reminders
from bot.slack.socket import Socket
from bot.slack.work import Work
from bot.tracing import Traces, otlp_tracer
from provisioning.digests.compose import DigestComposer
from provisioning.digests.desk import Desk
from provisioning.errors import PermanentError
from provisioning.store.digests import Digests
from provisioning.store.seen import Seen

log = logging.getLogger(__name__)

SWEEP_S = 2
ACKERS = 16  # threads that commit and ack; the work is done by others
POLICY_S = 5
WATCHDOG_S = 10


class Bot:
    """The running bot. ``start`` returns once it listens; ``stop`` drains."""

    def __init__(self, settings: Settings) -> None:
        if settings.slack is None:
            raise PermanentError(
                "starting the bot: no Slack workspace is set",
                next_action="set CLEARML_CHATOPS_SLACK__BOT_TOKEN and CLEARML_CHATOPS_SLACK__APP_TOKEN",
            )
        slack = settings.slack
        self._core = core.build(settings)
        logs.set_up(self._core.redact, settings.log_format)
        client = web_client(slack)
        self._metrics = Metrics(self._core.clock)
        self._metrics.watch(self._core.store)
        if settings.traces_endpoint is not None:
            Traces(otlp_tracer(settings.traces_endpoint)).watch(self._core.store)
        self._app = _TimedApp(
            self._metrics,
            client=client,
            authorize=_authorized,
            signing_secret=slack.signing_secret.get_secret_value() if slack.signing_secret else None,
            request_verification_enabled=slack.mode == "http",
            listener_executor=ThreadPoolExecutor(ACKERS, thread_name_prefix="listener"),
        )
        self._live = LiveMessages(
            self._core.store, web_client(slack, waits=False), self._core.clock, cards=slack.task_cards
        )
        identity = self._core.identity
        if identity is None:
            raise PermanentError("no Slack workspace is set", next_action="set CLEARML_CHATOPS_SLACK__BOT_TOKEN")
        self._reminders = Reminders(
            store=self._core.store,
            people=self._core.people,
            client=web_client(slack, waits=False),
            clock=self._core.clock,
        )
        self._policy_news = PolicyNews(
            policy=self._core.policy, people=self._core.people, client=web_client(slack, waits=False)
        )
        offers = Offers(sources(self._core.store, self._core.cluster.nodes))
        service, store, people = self._core.service, self._core.store, self._core.people
        gate = Gate(identity, teams=slack.teams, channels=slack.channels)
        self._listeners = Listeners(
            work=Work(
                service=service,
                store=store,
                queries=self._core.queries,
                people=people,
                client=client,
                offers=offers,
                gate=gate,
            ),
            store=store,
            forget=identity.forget,
            clock=self._core.clock,
            allowance=self._core.allowance,
            workers=slack.workers,
        )
        self._listeners.register(self._app)
        HomeTab(service=service, store=store, people=people, client=client, gate=gate).register(self._app)
        self._desk = Desk(
            digests=Digests(self._core.store),
            composer=DigestComposer(store=self._core.store, queries=self._core.queries),
            poster=SlackPoster(client),
            measure=self._core.sampler.measuring.measure,
            clock=self._core.clock,
            people=self._core.people,
        )
        self._core.sampler.taken = self._desk.watch
        self._scheduler = _scheduler()
        self._socket: Socket | None = None
        self._http: HttpEdge | None = None
        if slack.mode == "socket" and slack.app_token is not None:
            self._socket = Socket(self._app, slack.app_token.get_secret_value())
        elif slack.signing_secret is not None:
            self._http = HttpEdge(
                self._app,
                signing_secret=slack.signing_secret.get_secret_value(),
                seen=Seen(self._core.store).before,
                host=slack.http_host,
                port=slack.http_port,
            )

        self._health = self._health_server(settings)

    def start(self) -> None:
        """Clean up after a crash, go on with interrupted jobs, then listen. Raises: PermanentError."""
        if self._health is not None:
            self._health.start()
            log.info("probes and metrics at %s", self._health.url)
        self._core.checkpoints.check_key()  # one that cannot be read is said now, not in the night
        self._core.policy.use()
        self._core.service.start()
        self._live.start()
        self._listeners.start()
        self._scheduler.add_job(self._core.service.sweep, "interval", seconds=SWEEP_S, id="sweep")
        self._scheduler.add_job(self._core.checkpoints.tick, "interval", seconds=SWEEP_S, id="checkpoints")
        self._scheduler.add_job(self._policy_news.tick, "interval", seconds=POLICY_S, id="policy")
        self._scheduler.add_job(self._reminders.tick, "interval", seconds=POLICY_S, id="reminders")
        self._scheduler.add_job(self._live.mend, "interval", seconds=SWEEP_S, id="mend")
        self._desk.start()
        self._scheduler.add_job(self._report, "interval", seconds=SWEEP_S, id="reports")
        self._scheduler.start()
        if self._socket is not None:
            self._socket.open()
            self._scheduler.add_job(self._socket.watch, "interval", seconds=WATCHDOG_S, id="watchdog")
        if self._http is not None:
            self._http.start()
            log.info("listening at %s", self._http.url)
        log.info("clearml-chatops is up")

    def stop(self) -> None:
        """Take no more commands, let running steps come to an end, show what is left."""
        log.info("stopping")
        if self._socket is not None:
            self._socket.close()
        if self._http is not None:
            self._http.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._listeners.stop()
        self._core.engine.stop()
        self._live.stop()
        try:
            self._core.checkpoints.make()
        except PermanentError as error:
            log.error("the audit's last rows stay unsigned: %s", error)  # noqa: TRY400 - what went wrong is in the text
        self._core.close()
        if self._health is not None:
            self._health.stop()

    def _health_server(self, settings: Settings) -> HealthServer | None:
        if settings.health.port is None:
            return None
        checks = {
            "engine": lambda: self._core.engine.is_running,
            "store": lambda: self._core.store.changed_elsewhere() >= 0,
            "slack": lambda: self._socket is None or self._socket.is_open,
        }
        self._metrics.watch_process(checks, settings.data_dir.expanduser())
        return HealthServer(
            host=settings.health.host, port=settings.health.port, checks=checks, metrics=self._metrics.text
        )

    def _report(self) -> None:
        """Post digests, then sample: a slot that is due turns into the alert itself, before a sample says it alone."""
        self._desk.tick()
        self._core.sampler.tick()


class _TimedApp(App):
    """Bolt, with the time measured that Slack waits for the ack: dispatch returns once it is given."""

    def __init__(self, metrics: Metrics, **settings: Any) -> None:
        super().__init__(**settings)
        self._metrics = metrics

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        with self._metrics.acks.time():
            return super().dispatch(req)


def _authorized(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
    """Tell Bolt what it would else ask Slack at the first delivery: an ack must not wait for Slack's Web API.

    Slack authenticates each delivery by the socket or by its signature; our own calls use our own client.
    """
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


def serve(settings: Settings, stop: threading.Event) -> None:
    """Run the bot until *stop* is set. Raises: PermanentError where it cannot start."""
    bot = Bot(settings)
    try:  # also where it starts only in part: the engine's threads would keep the process alive
        bot.start()
        stop.wait()
    finally:
        bot.stop()


def _scheduler() -> BackgroundScheduler:
    # APScheduler's default drops a run that is one second late.
    return BackgroundScheduler(
        timezone="UTC", job_defaults={"misfire_grace_time": 3600, "coalesce": True, "max_instances": 1}
    )
