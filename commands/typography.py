"""What phones and chat clients do to text, undone: links, entities, smart quotes, long dashes. Pure."""

import re
import shlex
import unicodedata

_LINK = re.compile(r"<(?:mailto:|https?://)?([^<>|\s]{1,500})(?:\|([^<>|]{1,500}))?>")
_MENTION = re.compile(r"<(?:@|#|!subteam\^)([A-Z0-9]{2,30})(?:\|[^<>|]{0,100})?>")
_QUOTES = str.maketrans(
    dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"') | dict.fromkeys("\u2018\u2019\u201a\u2032", "'")
)
# Two hyphens become one long dash, or a long and a short one, depending on the keyboard.
_LONG_DASH = re.compile(r"(?<!\S)(?:[\u2013\u2014\u2015]|[-\u2010-\u2013\u2212]{2})(?=[A-Za-z])")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])'(?=[^\W\d_])")
_HELD = "\ue000"  # private use: never printable, so no plain text has one


def plain(text: str) -> str:
    """Return *text* as it was meant: printable characters only, no invisible ones, one line."""
    named = _MENTION.sub(lambda found: found.group(1), text)  # ids, not names: names are anybody's to choose
    unlinked = _LINK.sub(lambda found: found.group(2) or found.group(1), named)
    unescaped = unlinked.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    visible = "".join(_visible(letter) for letter in unescaped)
    return _LONG_DASH.sub("--", visible.translate(_QUOTES)).strip()


def words(text: str) -> list[str]:
    """Return the words of a plain *text*, as a shell would split them; but an apostrophe between letters is one.

    Raises: ValueError, saying what to close or to leave out.
    """
    try:
        split = shlex.split(_APOSTROPHE.sub(_HELD, text))
    except ValueError as problem:
        if "escape" in str(problem):
            raise ValueError("the text ends in a backslash: leave it out") from None
        raise ValueError("a quote is opened and not closed: close it, or leave it out") from None
    return [word.replace(_HELD, "'") for word in split]


def _visible(letter: str) -> str:
    if letter.isprintable():
        return letter
    return "" if unicodedata.category(letter) == "Cf" else " "  # Cf: zero-width and direction marks
