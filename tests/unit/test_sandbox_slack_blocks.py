"""What Slack refuses in blocks and views, one limit at a time: each case is just over, and just under is taken."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.slack.blocks.validation import problems_of_blocks, problems_of_view
from sandbox.slack.elements import button, says
from sandbox.slack.manifest import ManifestError, parse_manifest
from sandbox.slack.mrkdwn import plain
from sandbox.slack.rate_limits import POST_BURST, RateLimits
from sandbox.slack.text import to_text


def text(words: str, kind: str = "plain_text") -> dict[str, Any]:
    return {"type": kind, "text": words}


def section(words: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": text(words, "mrkdwn"), **more}


def push(label: str = "Go", **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": text(label), "action_id": "go", **more}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def option(words: str = "a", value: str = "a") -> dict[str, Any]:
    return {"text": text(words), "value": value}


def select(**more: Any) -> dict[str, Any]:
    return {"type": "static_select", "action_id": "s", "options": [option()], **more}


def table(rows: int, columns: int) -> dict[str, Any]:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * columns] * rows}


AT_THE_LIMIT: list[tuple[str, list[Any], list[Any], str]] = [
    ("blocks", [section()] * 50, [section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    (
        "header",
        [{"type": "header", "text": text("x" * 150)}],
        [{"type": "header", "text": text("x" * 151)}],
        "/blocks/0/text/text]",
    ),
    ("section", [section("x" * 3000)], [section("x" * 3001)], "must be less than 3001 characters"),
    (
        "fields",
        [{"type": "section", "fields": [text("x")] * 10}],
        [{"type": "section", "fields": [text("x")] * 11}],
        "no more than 10 items",
    ),
    (
        "field text",
        [{"type": "section", "fields": [text("x" * 2000)]}],
        [{"type": "section", "fields": [text("x" * 2001)]}],
        "less than 2001",
    ),
    (
        "context",
        [{"type": "context", "elements": [text("x")] * 10}],
        [{"type": "context", "elements": [text("x")] * 11}],
        "no more than 10 items",
    ),
    (
        "actions",
        [actions(*[push(action_id=f"a{n}") for n in range(25)])],
        [actions(*[push(action_id=f"a{n}") for n in range(26)])],
        "no more than 25 items",
    ),
    ("button text", [actions(push("x" * 75))], [actions(push("x" * 76))], "less than 76"),
    ("button value", [actions(push(value="x" * 2000))], [actions(push(value="x" * 2001))], "less than 2001"),
    ("action_id", [actions(push(action_id="x" * 255))], [actions(push(action_id="x" * 256))], "less than 256"),
    ("block_id", [section(block_id="x" * 255)], [section(block_id="x" * 256)], "less than 256"),
    (
        "options",
        [actions(select(options=[option()] * 100))],
        [actions(select(options=[option()] * 101))],
        "no more than 100",
    ),
    (
        "option text",
        [actions(select(options=[option("x" * 75)]))],
        [actions(select(options=[option("x" * 76)]))],
        "less than 76",
    ),
    (
        "option value",
        [actions(select(options=[option(value="x" * 150)]))],
        [actions(select(options=[option(value="x" * 151)]))],
        "less than 151",
    ),
    (
        "markdown",
        [{"type": "markdown", "text": "x" * 12000}],
        [{"type": "markdown", "text": "x" * 12001}],
        "less than 12001",
    ),
    (
        "markdown in all",
        [{"type": "markdown", "text": "x" * 6000}] * 2,
        [{"type": "markdown", "text": "x" * 6001}] * 2,
        "in all",
    ),
    ("table rows", [table(100, 2)], [table(101, 2)], "no more than 100"),
    ("table columns", [table(2, 20)], [table(2, 21)], "no more than 20"),
    ("tables", [table(1, 1)], [table(1, 1)] * 2, "no more than 1 blocks of type table"),
]
REFUSED: list[tuple[str, list[Any] | Any, str]] = [
    ("no list", {"type": "section"}, "must be an array"),
    ("no blocks", [], "no less than 1"),
    ("unknown block", [{"type": "sektion"}], "unsupported type: sektion"),
    ("unknown field", [section(colour="red")], "invalid additional property: colour"),
    ("no text", [{"type": "section"}], "must define at least one of: text, fields"),
    ("empty text", [section("")], "must be more than 0 characters"),
    ("mrkdwn header", [{"type": "header", "text": text("x", "mrkdwn")}], "must be one of: plain_text"),
    ("mrkdwn button", [actions({"type": "button", "text": text("x", "mrkdwn")})], "must be one of: plain_text"),
    ("style", [actions(push(style="green"))], "must be one of: primary, danger"),
    ("same action_id", [actions(push(), push())], 'action_id "go" already exists'),
    ("same block_id", [section(block_id="a"), section(block_id="a")], 'block_id "a" already exists'),
    ("input in actions", [actions({"type": "plain_text_input", "action_id": "a"})], "unsupported type"),
    ("both kinds of options", [actions(select(option_groups=[]))], "exactly one of"),
    ("no options", [actions({"type": "static_select"})], "exactly one of"),
    ("foreign initial_option", [actions(select(initial_option=option("b", "b")))], "must match an option"),
    (
        "image without alt",
        [{"type": "image", "image_url": "https://x.example/a.png"}],
        "missing required field: alt_text",
    ),
    ("script url", [actions(push(url="javascript:alert(1)"))], "must be a valid URL"),
    ("task status", [{"type": "task_card", "task_id": "a", "title": "x", "status": "done"}], "must be one of"),
    (
        "confirm title",
        [actions(push(confirm={"title": text("x" * 101), "text": text("x"), "confirm": text("y"), "deny": text("n")}))],
        "less than 101",
    ),
]


@pytest.mark.parametrize(
    ("under", "over", "message"), [case[1:] for case in AT_THE_LIMIT], ids=[case[0] for case in AT_THE_LIMIT]
)
def test_limits(under: list[Any], over: list[Any], message: str) -> None:
    """What is at the limit is taken; one more is refused, and the message says where."""
    assert problems_of_blocks(under) == ()
    assert any(message in problem for problem in problems_of_blocks(over)), problems_of_blocks(over)


@pytest.mark.parametrize(("blocks", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refusals(blocks: Any, message: str) -> None:
    """Wrong shapes are refused with Slack's wording."""
    assert any(message in problem for problem in problems_of_blocks(blocks)), problems_of_blocks(blocks)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["type", "text", "elements", "blocks", "element", "fields"]), inner, max_size=4
            )
        ),
        max_leaves=20,
    )
)
def test_validation_never_raises(value: Any) -> None:
    """Whatever JSON arrives, it is judged, not crashed on."""
    problems_of_blocks([value])
    problems_of_view(value)
    problems_of_view({"type": "modal", "blocks": [value]})


def view(**more: Any) -> dict[str, Any]:
    return {"type": "modal", "title": text("T"), "blocks": [section()], **more}


VIEWS: list[tuple[str, dict[str, Any], str | None]] = [
    ("fine", view(), None),
    ("title 24", view(title=text("x" * 24)), None),
    ("title 25", view(title=text("x" * 25)), "less than 25"),
    ("metadata 3000", view(private_metadata="x" * 3000), None),
    ("metadata 3001", view(private_metadata="x" * 3001), "less than 3001"),
    ("100 blocks", view(blocks=[section()] * 100), None),
    ("101 blocks", view(blocks=[section()] * 101), "no more than 100"),
    ("callback 256", view(callback_id="x" * 256), "less than 256"),
    ("submit 25", view(submit=text("x" * 25)), "less than 25"),
    ("no title", {"type": "modal", "blocks": []}, "missing required field: title"),
    ("title on home", {"type": "home", "title": text("x"), "blocks": []}, "invalid additional property: title"),
    (
        "input without submit",
        view(blocks=[{"type": "input", "label": text("L"), "element": {"type": "plain_text_input"}}]),
        "missing required field: submit",
    ),
    (
        "min over max",
        view(
            submit=text("S"),
            blocks=[
                {
                    "type": "input",
                    "label": text("L"),
                    "element": {"type": "plain_text_input", "min_length": 5, "max_length": 4},
                }
            ],
        ),
        "min_length",
    ),
    (
        "number without kind",
        view(submit=text("S"), blocks=[{"type": "input", "label": text("L"), "element": {"type": "number_input"}}]),
        "is_decimal_allowed",
    ),
]


@pytest.mark.parametrize(("given_view", "message"), [case[1:] for case in VIEWS], ids=[case[0] for case in VIEWS])
def test_views(given_view: dict[str, Any], message: str | None) -> None:
    """A view's own limits."""
    problems = problems_of_view(given_view)
    assert problems == () if message is None else any(message in each for each in problems), problems


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("*bold* _it_ ~gone~ `code *stays*`", "bold it gone code *stays*"),
        ("a_b_c 2*3*4", "a_b_c 2*3*4"),
        ("<@U1> in <#C1> of <!subteam^S1>", "@U1 in @C1 of @S1"),
        ("<https://x.example|here> <mailto:a@b.example|a@b.example>", "here a@b.example"),
        ("<!date^1764000000^{date_num} {time}|then>", "2025-11-24 16:00"),
        ("&lt;b&gt; &amp;amp; :white_check_mark:", "<b> &amp; ✅"),
        ("&gt; quoted\n```a\n*b*```", "quoted\na\n*b*"),
        ("<!here> <!channel>", "@here @channel"),
    ],
)
def test_mrkdwn_reads_as_a_reader_sees_it(source: str, expected: str) -> None:
    """Names for ids, labels for links, no marks; code is left alone."""
    assert plain(source, lambda identity: f"@{identity}") == expected


def test_the_text_is_not_shown_where_there_are_blocks() -> None:
    """As in Slack: text is for notifications then."""
    blocks = [section("*Plan*", accessory=push("Show")), actions(push("Approve"))]
    assert to_text({"text": "hidden", "blocks": blocks}) == "Plan\n[Show]\n[Approve]"
    assert to_text({"text": "shown", "blocks": []}) == "shown"


@pytest.mark.parametrize("label", ["Approve", "approve", ":white_check_mark: Approve", "✅ Approve"])
def test_a_button_is_found_by_what_it_reads(label: str) -> None:
    """Case and an emoji before the words do not count; other words do."""
    assert says(text(":white_check_mark: Approve"), label)
    found = button([actions(push("Approved"), push("Approve"))], "Approve")
    assert found is not None
    assert found.element["text"]["text"] == "Approve"


def test_rate_limits_count_per_method_and_per_channel() -> None:
    """50 updates a minute; a burst of posts, then one a second; the wait is told in whole seconds."""
    limits = RateLimits()
    assert [limits.admit("chat.update", 0.0) for _ in range(51)] == [0] * 50 + [60]
    assert limits.admit("chat.update", 59.5) == 1
    assert limits.admit("chat.update", 60.0) == 0
    assert [limits.admit_post("C1", 0.0) for _ in range(POST_BURST + 1)] == [0] * POST_BURST + [1]
    assert limits.admit_post("C2", 0.0) == 0
    assert limits.admit_post("C1", 1.0) == 0
    assert limits.admit_post("C1", 1.0) == 1


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("{command: x, description: d}", "starts with /"),
        ("{command: /x, description: d}", "scope 'commands'"),
        ("{command: /x}", "description"),
        ("{command: /" + "x" * 32 + ", description: d}", "longer than 32"),
    ],
)
def test_commands_that_slack_refuses(features: str, message: str) -> None:
    """The stand-in reads the product's own manifest, and refuses what Slack refuses."""
    head = "display_information: {name: X}"
    with pytest.raises(ManifestError, match=message):
        parse_manifest(f"{head}\nfeatures: {{slash_commands: [{features}]}}")


@pytest.mark.parametrize(
    ("shortcut", "message"),
    [
        ("{name: X, type: message, callback_id: x, description: d}", "scope 'commands'"),
        ("{name: X, type: message, description: d}", "needs a type"),
        ("{name: X, type: menu, callback_id: x, description: d}", "needs a type"),
        ("{name: " + "x" * 25 + ", type: message, callback_id: x, description: d}", "at most 24"),
    ],
)
def test_shortcuts_that_slack_refuses(shortcut: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        parse_manifest(f"display_information: {{name: X}}\nfeatures: {{shortcuts: [{shortcut}]}}")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [("[]", "must be a mapping"), ("{", "not YAML"), ("display_information: {}", "name is missing")],
)
def test_manifests_that_are_none(manifest: str, message: str) -> None:
    """What is no manifest at all is told so."""
    with pytest.raises(ManifestError, match=message):
        parse_manifest(manifest)


def _bars(categories: list[str], **series: list[str]) -> dict[str, Any]:
    drawn = [
        {"name": name, "data": [{"label": label, "value": 1} for label in labels]} for name, labels in series.items()
    ]
    chart = {"type": "bar", "series": drawn, "axis_config": {"categories": categories}}
    return {"type": "data_visualization", "title": "t", "chart": chart}


@pytest.mark.parametrize(
    ("chart", "said"),
    [
        (_bars(["a", "b"], one=["a", "b"], two=["b", "a"]), ""),
        (_bars(["a", "b"], one=["a"]), "labels must match the categories"),
        (_bars(["a", "b"], one=["a", "c"]), "labels must match the categories"),
        (_bars(["a", "a"], one=["a", "a"]), "categories must be unique"),
        (_bars(["a"]), "no less than 1"),
        (_bars([str(number) for number in range(21)], one=["a"] * 21), "no more than 20"),
        (_bars(["a" * 21], one=["a" * 21]), "less than 21 characters"),
        ({"type": "data_visualization", "title": "t", "chart": {"type": "bar", "series": 1}}, "must be an array"),
    ],
)
def test_a_chart_has_a_value_of_each_series_for_each_category(chart: dict[str, Any], said: str) -> None:
    """As Slack's reference of the block says; a chart without even that shape is refused for that."""
    assert (said in " ".join(problems_of_blocks([chart]))) is True
    assert bool(problems_of_blocks([chart])) is bool(said)


def test_series_have_names_of_their_own() -> None:
    chart = _bars(["a"], one=["a"])
    chart["chart"]["series"] *= 2
    assert "series names must be unique" in " ".join(problems_of_blocks([chart]))
