"""The one redactor: stands before every log line, message, stored job and audit row.

A secret that it knows is found however it was written down: plain, quoted for JSON, a URL or YAML, in base64 (also
as a part of a longer text), or broken over lines. Secrets that nobody told it of are found by their shape alone.
"""

import base64
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import Any
from urllib.parse import quote, quote_plus

from pydantic import JsonValue, SecretStr

HIDDEN = "•••"
SHORTEST = 6  # a known secret shorter than this would hide ordinary words
MOST_LEARNT = 64  # secrets made at run time that are remembered, the newest; each costs time on every line

_BREAK = re.compile(r"\\*\r?\n[ \t]*|\\+r\\+n|\\+n")  # an end of line, also as JSON or repr write it

_SURROGATE = re.compile("[\ud800-\udfff]")

# Shapes of secrets that nobody registered. Each match, or its group called "secret", is hidden.
_SHAPES = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        (r"\bx(?:ox[a-z]|app)-[A-Za-z0-9-]{6,}", 0),  # Slack tokens
        (r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?", 0),  # JWTs
        (r"\b(?:Bearer|Basic)\s+(?P<secret>[A-Za-z0-9._~+/=-]{6,})", re.IGNORECASE),
        (r"[a-z][a-z0-9+.-]*://[^\s/:@]*:(?P<secret>[^\s/@]+)@", re.IGNORECASE),  # user:password@host
        (
            (
                r"(?:password|passwd|passphrase|secret[_-]?key|agentk8sglue(?:Key|Secret)|client[_-]?secret|api[_-]?secret"
                r"|signing[_-]?secret|access[_-]?token|auth[_-]?token|\btoken|\bsecret)"
                r"[\"']?\s*[:=]\s*[\"']?(?P<secret>(?!•)[^\s\"',;{}&]{4,})"
            ),
            re.IGNORECASE,
        ),
        (r"--[a-z-]*(?:password|token|secret|key)[ =](?P<secret>(?![-•])\S{4,})", re.IGNORECASE),
    )
)
# Words that follow "token" or "password" in plain sentences, and are no secrets.
_ORDINARY = re.compile(r"(?:is|was|are|and|or|for|with|from|not|must|has|of|in|to|the|that|which)\b", re.IGNORECASE)


class Redactor:
    """Hides known secrets, and what looks like one. Thread-safe; idempotent."""

    def __init__(self, secrets: Iterable[SecretStr | str | None] = ()) -> None:
        self._lock = Lock()
        self._for_good: frozenset[str] = frozenset()
        self._learnt: deque[frozenset[str]] = deque(maxlen=MOST_LEARNT)
        self._forms: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: SecretStr | str | None) -> None:
        """Know a secret for good. Short ones are left to the shapes: they would hide ordinary words."""
        with self._lock:
            self._for_good |= forms_of(secret)
            self._sort()

    def learn(self, secret: SecretStr | str | None) -> None:
        """Know a secret that was made just now; the oldest of many are forgotten."""
        with self._lock:
            self._learnt.append(forms_of(secret))
            self._sort()

    def _sort(self) -> None:
        forms = self._for_good.union(*self._learnt)
        # Longest first, so that a secret which holds another goes whole.
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def __call__(self, text: str) -> str:
        """Return *text* with every secret replaced by •••, and what is no character of Unicode by \ufffd."""
        text = hide(_whole(text), self._forms)
        for shape in _SHAPES:
            text = shape.sub(_hide, text)
        return text

    def scrub(self, value: Any) -> JsonValue:
        """Return JSON *value* with every string in it redacted, keys included."""
        match value:
            case str():
                return self(value)
            case Mapping():
                return {self(str(key)): self.scrub(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.scrub(item) for item in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self(str(value))


def forms_of(secret: SecretStr | str | None) -> frozenset[str]:
    """Return how *secret* may stand in a text; nothing for one that is shorter than SHORTEST."""
    value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    if not value or len(value) < SHORTEST:
        return frozenset()
    quoted = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    return frozenset({value, *quoted, quote(value), quote(value, safe=""), quote_plus(value), *_in_base64(value)})


def hide(text: str, forms: Iterable[str]) -> str:
    """Return *text* with each of *forms* (the longest first) replaced by •••, also where lines break inside it."""
    for form in forms:
        text = text.replace(form, HIDDEN)
    if _BREAK.search(text) is None:
        return text
    joined, places = _without_breaks(text)
    spans = [
        (places[start], places[start + len(form) - 1] + 1) for form in forms for start in _occurrences(form, joined)
    ]
    for start, stop in sorted(_merged(spans), reverse=True):
        text = f"{text[:start]}{HIDDEN}{text[stop:]}"
    return text


def _whole(text: str) -> str:
    """Return *text* without lone surrogates, which neither a database nor UTF-8 takes."""
    return (
        text if _SURROGATE.search(text) is None else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _without_breaks(text: str) -> tuple[str, list[int]]:
    """Return *text* without its line breaks, and where each character that is left stood."""
    parts: list[str] = []
    places: list[int] = []
    start = 0
    for stop, following in [*(found.span() for found in _BREAK.finditer(text)), (len(text), len(text))]:
        parts.append(text[start:stop])
        places += range(start, stop)
        start = following
    return "".join(parts), places


def _occurrences(form: str, text: str) -> Iterator[int]:
    start = text.find(form)
    while start >= 0:
        yield start
        start = text.find(form, start + 1)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _in_base64(value: str) -> set[str]:
    """Return the part of its base64 that *value* alone decides, at each of the three places it may begin at."""
    raw, found = value.encode("utf-8", errors="surrogatepass"), set()
    for before in range(3):
        bits = 8 * (before + len(raw))
        core = slice(-(-8 * before // 6), bits // 6)
        for altchars in (b"+/", b"-_"):
            found.add(base64.b64encode(b"\0" * before + raw, altchars).decode()[core])
    return {form for form in found if len(form) >= SHORTEST + 2}


def _hide(found: re.Match[str]) -> str:
    if "secret" not in found.re.groupindex:
        return HIDDEN
    start, end = (position - found.start() for position in found.span("secret"))
    whole = found.group()
    if _ORDINARY.fullmatch(whole[start:end]):
        return whole
    return f"{whole[:start]}{HIDDEN}{whole[end:]}"
