"""Text for Slack: what is cut stays markup, what is hostile stays text, and what is kept is the part that matters."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.mrkdwn import block, code, cut, cut_markup, duration, escape, mention, user

PIECES = st.lists(
    st.sampled_from(
        ["word ", "x", "\n", "&amp;", "&lt;", "&gt;", "<@U0000ANA>", "<!date^1^{date}|UTC>", "```\nsaid\n```"]
    ),
    max_size=30,
)


@given(PIECES, st.integers(12, 60))
def test_cut_markup_is_markup(pieces: list[str], most: int) -> None:
    """At most that long, the same up to where it ends, no half of an entity or a mention, no fence left open."""
    text = "".join(pieces)
    shown = cut_markup(text, most)
    assert len(shown) <= most
    assert shown.count("```") % 2 == 0
    without = re.sub(r"&(?:amp|lt|gt);|<[^<>]+>", "", shown)
    assert not set("&<>") & set(without)
    kept = shown.removesuffix("\n```").removesuffix("…") if shown != text else text
    assert text.startswith(kept)


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("abcdefghijkl", 12, "abcdefghijkl"),
        ("abcdefghijklm", 12, "abcdefghijk…"),
        ("```\n&amp;&amp;&amp;\n```", 18, "```\n&amp;…\n```"),
        ("abcd efgh ```\nlonger\n```", 15, "abcd efgh…"),
        ("```\na\n```\nand more of it", 20, "```\na\n```\nand more…"),
    ],
)
def test_cuts_end_where_markup_ends(text: str, most: int, shown: str) -> None:
    """As much as fits, whole; a fence is closed within the limit, or not opened."""
    assert cut_markup(text, most) == shown


def test_texts_are_cut_to_the_letter() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
    assert cut("abcd  efg", 7) == "abcd…"


def test_lines_stay_lines_and_control_characters_go() -> None:
    """A newline is shown; what would turn the text around, ring or hide is a blank."""
    assert escape("a\nb\x07c\u202ed\x00") == "a\nb c d "
    assert escape("<!channel> & co") == "&lt;!channel&gt; &amp; co"


def test_nothing_is_shown_as_a_blank() -> None:
    """Slack shows an empty code span, or block, as its backticks."""
    assert (code(""), code(" \n")) == ("` `", "` `")
    assert block("") == "```\n \n```"
    assert code("a\n`b`") == "`a 'b'`"


def test_a_block_keeps_its_end() -> None:
    """It says what failed; what was cut is told by an ellipsis, and what was not by none."""
    assert block("x" * 20, 20) == f"```\n{'x' * 20}\n```"
    long = "first\n" + "x" * 100 + "\nError: last"
    shown = block(long, 40)
    assert shown.startswith("```\n…")
    assert shown.endswith("Error: last\n```")
    assert "first" not in shown
    kept = len(shown) - len("```\n…\n```")
    assert 40 * 3 // 4 <= kept <= 40, "no more is cut than has to be, by a fifth"
    assert len(escape("&" * 90)) > len(block("&" * 90, 100)) - len("```\n…\n```")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("S0SECURITY", "<!subteam^S0SECURITY>"),
        ("U0000ANA", "<@U0000ANA>"),
        ("W0000ANA", "<@W0000ANA>"),
        ("S0|<!here>", "S0|&lt;!here&gt;"),
        ("C0000OPS", "C0000OPS"),
        ("os:root", "os:root"),
    ],
)
def test_people_and_groups_alone_are_notified(given: str, shown: str) -> None:
    assert mention(given) == shown


def test_who_is_not_slacks_is_named() -> None:
    """By name where there is one, else by id."""
    assert user("C0000OPS", "ops") == "ops"
    assert user("U0 ANA", "") == "U0 ANA"
    assert user("", "nobody") == "nobody"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (7260, "2 h 1 min"),
    ],
)
def test_durations_change_their_unit_where_it_is_full(seconds: float, words: str) -> None:
    assert duration(seconds) == words
