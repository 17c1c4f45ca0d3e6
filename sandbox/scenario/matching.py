"""How an expectation's text is matched: pure."""

import re

_VERB = re.compile(r"^(not contains|contains|not matches|matches|equals)\s+(.*)$", re.DOTALL)


def matches(expected: str, actual: str) -> bool:
    """Return whether *actual* is as *expected* says.

    ``contains TEXT`` (also the meaning of TEXT alone), ``not contains TEXT``, ``equals TEXT``,
    ``matches REGEX``, ``not matches REGEX``. Case and runs of white space do not count, except in a regex.
    Raises: ValueError for a broken regex.
    """
    verb, text = _split(expected)
    if verb.endswith("matches"):
        try:
            found = re.search(text, actual) is not None
        except re.error as problem:
            raise ValueError(f"{expected!r}: not a regular expression: {problem}") from problem
    elif verb == "equals":
        found = _fold(text) == _fold(actual)
    else:
        found = _fold(text) in _fold(actual)
    return found != verb.startswith("not ")


def is_negative(expected: str) -> bool:
    """Return whether it says that something must not be there."""
    return _split(expected)[0].startswith("not ")


def _split(expected: str) -> tuple[str, str]:
    if found := _VERB.match(expected.strip()):
        return found.group(1), found.group(2).strip()
    return "contains", expected.strip()


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()
