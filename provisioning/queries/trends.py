"""`trends`: samples over time, growth, and when something may run out."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import JsonValue

from commands.measures import MEASURES
from commands.trends import TrendsArgs
from policies.approvals import Refusal
from provisioning.charts import trend_lines
from provisioning.charts.trend_lines import Line
from provisioning.queries.base import Asked
from provisioning.reports import Attachment, Cell, Chart, Lines, Part, Report, table
from provisioning.store.samples import Sample, Samples
from provisioning.trends import forecast
from provisioning.trends.forecast import Growth, HasRunOut, NoPace, OneStep, Point, RunsOut, TooFew, pace_of

if TYPE_CHECKING:
    from provisioning.sources import Sources

NO_LIMITS: Mapping[str, float] = MappingProxyType({})
CHART_POINTS = 20
FEW_DAYS = 4
DEFAULT = tuple(name for name, measure in MEASURES.items() if measure.runs_out or name == "tenants")


class Trends:
    """Answers `trends`. Thread-safe."""

    command = "trends"

    def __init__(self, sources: "Sources") -> None:
        self._samples = Samples(sources.store)

    def answer(self, args: TrendsArgs, asked: Asked) -> Report | Refusal:
        """Report what was sampled; looks at nothing but the store."""
        samples = self._samples.since(asked.now - timedelta(days=args.days))
        if not samples:
            return Refusal(
                reason="there are no samples yet" if args.days > 1 else "there are no samples of the last day",
                next_action="the bot takes one an hour while it runs (SAMPLE_EVERY_S): wait, or ask for more --days",
            )
        return report_of(samples, args.measures or DEFAULT, days=args.days, pictures=asked.pictures)


def report_of(
    samples: Sequence[Sample],
    names: Sequence[str],
    *,
    days: int,
    pictures: bool = True,
    limits: Mapping[str, float] = NO_LIMITS,
) -> Report:
    """Return the measures called *names* as a report with their picture, in which *limits* are drawn."""
    series = {name: points_of(samples, name) for name in names}
    known = {name: points for name, points in series.items() if points}
    missing = [name for name in names if name not in known]
    parts: list[Part] = [
        table(
            f"Since {samples[0].at:%Y-%m-%d %H:%M} UTC",
            ("Measure", ">Now", ">Then", ">A day", "Forecast"),
            [_row(name, points) for name, points in known.items()],
        ),
        *charts_of(known),
        Lines(lines=(f"Forecast: {forecast.METHOD}. It says where things go if they go on as they did.",)),
    ]
    if missing:
        parts.append(Lines(lines=(f"Not sampled yet: {', '.join(missing)}",), kind="warning"))
    return Report(
        title="Trends",
        summary=f"{len(samples)} sample{'' if len(samples) == 1 else 's'} of the last {days} days: "
        + "; ".join(f"{name} {points[-1][1]:g}" for name, points in list(known.items())[:4]),
        parts=tuple(parts),
        data={name: _data(name, points) for name, points in known.items()},
        attachments=picture_of(lines_of(known, limits), days=days) if pictures else (),
    )


def points_of(samples: Sequence[Sample], name: str) -> tuple[Point, ...]:
    """Return the points of one measure, by time."""
    return tuple((sample.at, sample.values[name]) for sample in samples if name in sample.values)


def charts_of(series: Mapping[str, Sequence[Point]]) -> list[Chart]:
    """Return a chart of each measure that can run out and has moved, as daily points or, of few days, all."""
    charts = []
    for name, points in series.items():
        days = forecast.daily(points)
        few = len(days) < FEW_DAYS
        kept = list(points if few else days)
        step = -(-len(kept) // CHART_POINTS)
        shown = kept[::-1][::step][::-1]  # the newest stays
        if MEASURES[name].runs_out and len({value for _, value in shown}) > 1:
            labels = (f"{at:%d %b %H:%M}" if few else f"{at:%d %b %y}" for at, _ in shown)
            values = (value for _, value in shown)
            charts.append(Chart(title=name, points=tuple(zip(labels, values, strict=True))))
    return charts


def lines_of(series: Mapping[str, tuple[Point, ...]], limits: Mapping[str, float]) -> tuple[Line, ...]:
    """Return the measures as lines of a picture, with what to say of each."""
    return tuple(
        Line(name=name, note=f"{MEASURES[name].meaning}; now {points[-1][1]:g}", points=points, limit=limits.get(name))
        for name, points in series.items()
    )


def picture_of(lines: Sequence[Line], *, days: int) -> tuple[Attachment, ...]:
    """Return the picture, where there are two points to draw a line between."""
    if not any(len(line.points) > 1 for line in lines):
        return ()
    content = trend_lines.draw(lines, title="Trends", note=f"the last {days} days, UTC")
    return (Attachment(name="trends.png", content=content, alt=trend_lines.describe(lines)),)


def forecast_of(name: str, points: Sequence[Point]) -> RunsOut | HasRunOut | Growth | NoPace:
    """Return when the measure runs out, where reaching zero would stop people; else how it grows."""
    return forecast.runs_out(points) if MEASURES[name].runs_out else forecast.growth(points)


def _row(name: str, points: Sequence[Point]) -> tuple[Cell, ...]:
    now, then = points[-1][1], points[0][1]
    match found := forecast_of(name, points):
        case TooFew() | OneStep() | HasRunOut():
            return name, now, then, None, forecast.said_of(found)
        case Growth():
            return name, now, then, pace_of(found), None
        case RunsOut():
            return name, now, then, pace_of(found.growth), forecast.said_of(found)


def _data(name: str, points: Sequence[Point]) -> JsonValue:
    found = forecast_of(name, points)
    data: dict[str, JsonValue] = {
        "meaning": MEASURES[name].meaning,
        "points": [{"at": at.isoformat(), "value": value} for at, value in points],
        "method": forecast.METHOD,
    }
    match found:
        case TooFew():
            data["too_few"] = str(found)
        case OneStep():
            data["one_step"] = {"change": found.change, "on": found.on.isoformat()}
        case HasRunOut():
            data["has_run_out"] = {"since": found.since.isoformat()}
        case Growth():
            data["growth"] = _growth(found)
        case RunsOut():
            data["growth"] = _growth(found.growth)
            data["runs_out"] = {
                "at": _iso(found.at),
                "earliest": _iso(found.earliest),
                "latest": _iso(found.latest),
                "horizon": found.horizon.isoformat(),
            }
    return data


def _iso(day: object) -> str | None:
    return None if day is None else str(day)


def _growth(found: Growth) -> JsonValue:
    return {"per_day": found.per_day, "low": found.low, "high": found.high, "points": found.points, "days": found.days}
