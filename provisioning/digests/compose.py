"""What stands in a digest: one short part for each thing that it includes, the audit's head last."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from commands.catalog import CATALOG
from commands.digests import Section
from policies.approvals import Actor, Refusal
from provisioning.digests.digest import Digest, local
from provisioning.digests.posts import Post, PostKind, Standing
from provisioning.digests.trouble import trouble_report
from provisioning.errors import ChatopsError
from provisioning.jobs.job import JobState
from provisioning.queries import trends
from provisioning.queries.base import Asked, Query
from provisioning.reports import Attachment, Bars, Cell, Chart, Facts, Lines, Part, Report, table
from provisioning.store import Store
from provisioning.store.digests import Digests
from provisioning.store.samples import Samples

MOST_JOBS = 5
MOST_WARNINGS = 6
LOOK_BACK = timedelta(days=1)
TREND_DAYS = 30
ALL = 100_000  # jobs: more than a store ever holds open
BOT = Actor(id="bot", name="bot", roles=frozenset({"viewer"}))


@dataclass(frozen=True)
class _Piece:
    parts: tuple[Part, ...]
    summary: str = ""
    attachments: tuple[Attachment, ...] = ()


class DigestComposer:
    """Composes digests from the queries that people ask, too, and from the store."""

    def __init__(self, *, store: Store, queries: Mapping[str, Query]) -> None:
        self._store = store
        self._digests = Digests(store)
        self._samples = Samples(store)
        self._queries = queries

    def compose(self, standing: Standing, post: Post, now: datetime) -> Report:
        """Return the post's report. What cannot be read is said in its place, and the rest stands."""
        if post.kind is PostKind.TROUBLE:
            return trouble_report(standing, post)
        digest = standing.digest
        pieces: dict[Section, Callable[[], _Piece]] = {
            "capacity": lambda: self._asked("capacity", now),
            "ports": lambda: self._asked("ports", now),
            "trends": lambda: self._trends(digest, trends.DEFAULT, now),
            "jobs": lambda: self._jobs(now),
            "approvals": lambda: self._approvals(now),
            "audit": lambda: _Piece(()),  # the head is always there
        }
        made = [_tried(section, pieces[section]) for section in digest.include]
        if post.kind is PostKind.ALERT and digest.alert is not None and "trends" not in digest.include:
            made.append(self._trends(digest, (digest.alert.measure,), now))  # how it came to that
        parts = [part for piece in made for part in piece.parts]
        summaries = [piece.summary for piece in made if piece.summary]
        return Report(
            title=_title(digest, post),
            summary=_banner(standing, post) or local(post.slot, digest.zone),
            parts=(*_opening(standing, post, summaries), *parts, self._head(), _foot(standing, post)),
            data=None,
            attachments=tuple(one for piece in made for one in piece.attachments),
        )

    def _asked(self, command: str, now: datetime) -> _Piece:
        """Return the summary, the warnings, the first bars and the pictures of what `command` answers."""
        query = self._queries.get(command)
        if query is None:
            return _Piece(())
        found = query.answer(CATALOG[command].args.model_validate({}), Asked(actor=BOT, now=now, channel=None))
        if isinstance(found, Refusal):
            return _Piece((), f"{command}: {found.reason}")
        said = [
            line for part in found.parts if isinstance(part, Lines) and part.kind == "warning" for line in part.lines
        ]
        shown = said[:MOST_WARNINGS]
        if len(said) > len(shown):
            shown.append(f"and {len(said) - len(shown)} more: /clearml {command}")
        parts: list[Part] = [Lines(title=found.title, lines=tuple(shown), kind="warning")] if shown else []
        parts += [part for part in found.parts if isinstance(part, Bars)][:1]  # a line of trends has its place, too
        return _Piece(tuple(parts), f"{found.title}: {found.summary}", found.attachments)

    def _trends(self, digest: Digest, names: Sequence[str], now: datetime) -> _Piece:
        """Return the last month's trends of the measures called *names*, with the alert's limit drawn in."""
        samples = self._samples.since(now - timedelta(days=TREND_DAYS))
        if not samples:
            return _Piece((), "Trends: no samples yet")
        limits = {digest.alert.measure: float(digest.alert.limit)} if digest.alert else {}
        watched = [*names, *(name for name in limits if name not in names)]
        found = trends.report_of(samples, watched, days=TREND_DAYS, limits=limits)
        charts = tuple(part for part in found.parts if isinstance(part, Chart))
        return _Piece(charts, f"{found.title}: {found.summary}", found.attachments)

    def _jobs(self, now: datetime) -> _Piece:
        recent = [job for job in self._store.jobs(limit=1000) if now - job.updated_at <= LOOK_BACK]
        failed = self._store.jobs(states={JobState.FAILED}, limit=ALL)
        counts = Counter(job.state for job in recent)
        said = ", ".join(f"{count} {state.value.replace('_', ' ')}" for state, count in sorted(counts.items()))
        summary = f"Jobs of the last day: {said or 'none'}"
        if not failed:
            return _Piece((), summary)
        rows: list[tuple[Cell, ...]] = [
            (job.number, job.plan.summary.partition(":")[0], job.requester.name, job.updated_at)
            for job in failed[:MOST_JOBS]
        ]
        title = f"Failed and not closed: {len(failed)}"
        return _Piece((table(title, (">Job", "What", "Asked by", "Since"), rows),), summary)

    def _approvals(self, now: datetime) -> _Piece:
        waiting = self._store.jobs(states={JobState.AWAITING_APPROVAL}, limit=ALL)
        if not waiting:
            return _Piece((), "Nothing waits for approval")
        rows: list[tuple[Cell, ...]] = [
            (job.number, job.plan.summary.partition(":")[0], job.requester.name, _age(now - job.created_at))
            for job in waiting[-MOST_JOBS:][::-1]
        ]
        title = f"Waiting for approval: {len(waiting)}"
        return _Piece((table(title, (">Job", "What", "Asked by", "For"), rows),), title)

    def _head(self) -> Part:
        seq, digest = self._digests.head()
        return Facts(
            title="Audit head",
            items=(
                ("Row", seq),
                ("Hash", digest),
                ("To check", f"clearml-chatops audit verify --head {digest}"),
            ),
        )


def _tried(section: Section, make: Callable[[], _Piece]) -> _Piece:
    try:
        return make()
    except ChatopsError as error:
        said = f"{section} could not be read: {error.what}" + (f"; {error.next_action}" if error.next_action else "")
        return _Piece((Lines(lines=(said,), kind="warning"),))


def _title(digest: Digest, post: Post) -> str:
    match post.kind:
        case PostKind.ALERT:
            return f"⚠️ Alert: {digest.alert}"
        case PostKind.CLEAR:
            return f"✅ Over: {digest.alert}"
        case PostKind.SLOT | PostKind.RUN | PostKind.TROUBLE:
            return f"Digest {digest.name}"


def _banner(standing: Standing, post: Post) -> str:
    """Return what an alert or its end says first; "" where neither begins."""
    digest = standing.digest
    if digest.alert is None or post.kind not in {PostKind.ALERT, PostKind.CLEAR}:
        return ""
    value = post.values.get(digest.alert.measure)
    now = f"{digest.alert.measure} is {value:g}" if value is not None else f"{digest.alert.measure} was not measured"
    if post.kind is PostKind.ALERT:
        return f"{now}: the alert {digest.alert} of digest {digest.name} holds, and is over at {digest.clear}"
    return f"{now}: the alert {digest.alert} of digest {digest.name} is over ({digest.clear})"


def _opening(standing: Standing, post: Post, summaries: list[str]) -> list[Part]:
    digest = standing.digest
    warnings = []
    if post.kind in {PostKind.SLOT, PostKind.RUN} and standing.alert_since is not None:
        value = post.values.get(digest.alert.measure) if digest.alert else None
        now = f", now {value:g}" if value is not None else ""
        since = local(standing.alert_since, digest.zone)
        warnings.append(f"The alert {digest.alert} holds since {since}{now}; it is over at {digest.clear}")
    if post.missed:
        several = "an earlier slot" if post.missed == 1 else f"{post.missed} earlier slots"
        warnings.append(f"This stands for {several} that passed while the bot was not running, too")
    if post.tries:
        warnings.append("This may stand here twice: an earlier try to post it was cut off or failed")
    parts: list[Part] = [Lines(lines=tuple(warnings), kind="warning")] if warnings else []
    if summaries:
        parts.append(Lines(lines=tuple(summaries)))
    return parts


def _foot(standing: Standing, post: Post) -> Part:
    digest = standing.digest
    upcoming = None if digest.paused else digest.schedule.next_after(post.slot)
    if upcoming is None:
        return Lines(lines=(f"paused · to go on: /clearml digest resume {digest.name}",))
    return Lines(lines=(f"next: {local(upcoming, digest.zone)} · to stop: /clearml digest pause {digest.name}",))


def _age(passed: timedelta) -> str:
    minutes = int(passed.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
