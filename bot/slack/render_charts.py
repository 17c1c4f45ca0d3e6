"""Slack's own charts within its limits: two a message, six series, twenty labels of twenty characters. Pure."""

from collections.abc import Sequence

from bot.slack.kit import Block
from bot.slack.mrkdwn import cut
from provisioning.reports import Bars, Chart

CHART = "data_visualization"
CHARTS = 2  # in one message: Slack takes no more
CHART_POINTS = 20
CHART_SERIES = 6
CHART_TITLE_CHARS = 50
LABEL_CHARS = 20


def line_chart(part: Chart) -> list[Block]:
    """Return a line of few points, since there is room for twenty labels; nothing where no line can be drawn."""
    points = part.points[-CHART_POINTS:]
    if len(points) < 2:
        return []
    return _drawn("line", part.title, [label for label, _ in points], [(part.title, [value for _, value in points])])


def bar_chart(part: Bars) -> list[Block]:
    """Return bars grouped by category, those that stand first; nothing where there is no category or no series."""
    categories = part.categories[:CHART_POINTS]
    if not categories or not part.series:
        return []
    series = [(name, list(values[:CHART_POINTS])) for name, values in part.series[:CHART_SERIES]]
    return _drawn("bar", part.title, categories, series)


def _drawn(
    kind: str, title: str, categories: Sequence[str], series: Sequence[tuple[str, Sequence[float]]]
) -> list[Block]:
    labels = distinct(categories, LABEL_CHARS)
    names = distinct([name for name, _ in series], LABEL_CHARS)
    return [
        {
            "type": CHART,
            "title": cut(title, CHART_TITLE_CHARS),
            "chart": {
                "type": kind,
                "series": [
                    {
                        "name": name,
                        "data": [{"label": label, "value": value} for label, value in zip(labels, values, strict=True)],
                    }
                    for name, (_, values) in zip(names, series, strict=True)
                ],
                "axis_config": {"categories": labels},
            },
        }
    ]


def distinct(texts: Sequence[str], most: int) -> list[str]:
    """Return *texts* in at most *most* characters each, no two alike: a label names one place on the axis."""
    found: list[str] = []
    taken: set[str] = set()
    for text in texts:
        label, number = cut(text, most), 2
        while label in taken:
            tail = f" {number}"
            label, number = cut(text, most - len(tail)) + tail, number + 1
        taken.add(label)
        found.append(label)
    return found
