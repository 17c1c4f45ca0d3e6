"""Charts in reports: Slack's own within its limits, left out where it knows none, bars on the command line."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from slack_sdk.errors import SlackApiError

from bot import cli_report
from bot.slack import render_report
from bot.slack.digest_posts import SlackPoster
from bot.slack.render_charts import distinct
from provisioning.errors import PermanentError, TemporaryError
from provisioning.reports import Bars, Chart, Lines, Report
from sandbox.slack.blocks.validation import problems_of_blocks
from tests.slack_limits import problems_of_message

LONG = tuple((f"{day:02d} Nov 2026 with more", 2600.0 - day) for day in range(1, 61))


def report(*charts: Chart | Bars) -> Report:
    return Report(title="Trends", summary="s", parts=(Lines(lines=("words",)), *charts), data=None)


class Channel:
    """Slack's client, of a workspace that may know no charts."""

    def __init__(self, *refusals: str) -> None:
        self.refusals = list(refusals)
        self.sent: list[list[dict[str, Any]]] = []

    def chat_postMessage(self, *, blocks: list[dict[str, Any]], **_more: object) -> dict[str, str]:  # noqa: N802
        if self.refusals and (said := self.refusals.pop(0)):
            raise SlackApiError(said, {"error": said})  # type: ignore[no-untyped-call]  # slack_sdk's
        self.sent.append(blocks)
        return {"ts": "1.2"}


def types(blocks: list[dict[str, Any]]) -> list[str]:
    return [block["type"] for block in blocks]


def test_charts_are_slacks_own_within_its_limits() -> None:
    """Two a message, the newest twenty points each, labels cut; one point is no chart."""
    shown = render_report.message(
        report(
            Chart(title="x" * 80, points=LONG),
            Chart(title="one", points=LONG[:1]),
            Chart(title="second", points=LONG),
            Chart(title="third", points=LONG),
        )
    )
    charts = [block for block in shown.blocks if block["type"] == "data_visualization"]
    assert [chart["title"][:6] for chart in charts] == ["xxxxxx", "second"]
    assert problems_of_blocks(shown.blocks) == ()
    assert charts[0]["chart"]["series"][0]["data"][-1]["value"] == 2540
    assert len(charts[0]["chart"]["axis_config"]["categories"]) == 20


def test_a_workspace_without_charts_gets_the_words() -> None:
    """One more try without them; a message that has none is not tried again."""
    channel = Channel("invalid_blocks")
    assert SlackPoster(channel).post("C01", report(Chart(title="t", points=LONG))) == "1.2"  # type: ignore[arg-type]
    assert "data_visualization" not in types(channel.sent[0])
    with pytest.raises(TemporaryError):
        SlackPoster(Channel("invalid_blocks")).post("C01", report())  # type: ignore[arg-type]  # a stand-in
    stubborn = Channel("invalid_blocks", "invalid_blocks")
    with pytest.raises(TemporaryError):
        SlackPoster(stubborn).post("C01", report(Chart(title="t", points=LONG)))  # type: ignore[arg-type]  # a stand-in
    with pytest.raises(PermanentError) as raised:
        SlackPoster(Channel("not_in_channel")).post("C01", report())  # type: ignore[arg-type]  # a stand-in
    assert raised.value.next_action.startswith("in that channel: /invite @clearml-chatops; or give the digest another")


@pytest.mark.parametrize(
    "bars",
    [
        Bars(title="none", categories=(), series=()),
        Bars(title="no series", categories=("a",), series=()),
        Bars(title="one", categories=("1g.10gb",), series=(("Used", (0,)),)),
        Bars(
            title="x" * 80,
            categories=tuple(f"a profile of a very long name {number}" for number in range(40)),
            series=tuple((f"a series of a long name {number}", tuple(range(40))) for number in range(9)),
        ),
        Bars(title="<!channel> & *b*", categories=("<!here>", "a|b", "`c`"), series=(("<@U1>", (1, 2, 3)),)),
    ],
    ids=lambda bars: bars.title[:9],
)
def test_bars_keep_slacks_limits_at_the_extremes(bars: Bars) -> None:
    """Labels that are the same once cut are told apart; what is too much is left out; nothing is drawn of nothing."""
    shown = render_report.message(report(bars, Chart(title="t", points=LONG), bars))
    assert problems_of_blocks(shown.blocks) == ()
    assert problems_of_message(shown.text, shown.blocks) == []
    drawn = [block["chart"] for block in shown.blocks if block["type"] == "data_visualization"]
    assert [chart["type"] for chart in drawn] == (["bar", "line"] if bars.series else ["line"])
    if bars.series:
        categories = drawn[0]["axis_config"]["categories"]
        assert len(set(categories)) == len(categories) == min(len(bars.categories), 20)
        assert [len(series["data"]) for series in drawn[0]["series"]] == [len(categories)] * min(len(bars.series), 6)


def test_cut_labels_are_distinct_and_short() -> None:
    """However many are alike, and whatever they end with."""
    labels = distinct(["same name, too long for it"] * 30 + ["b", "b", "b 2"], 20)
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 20
    assert labels[-3:] == ["b", "b 2", "b 2 2"]


@pytest.mark.parametrize(
    ("points", "line"),
    [
        ((("a", 1.0), ("b", 4.5), ("c", 8.0)), "t  1 ▁▅█ 8"),
        ((("a", 5.0), ("b", 5.0)), "t  5 ▁▁ 5"),
        ((), "t  no samples"),
    ],
)
def test_charts_are_bars_on_the_command_line(points: tuple[tuple[str, float], ...], line: str) -> None:
    out = StringIO()
    cli_report.show(report(Chart(title="t", points=points)), as_json=False, console=Console(file=out, width=100))
    assert line in out.getvalue()
