"""The one redactor: stands before every log line, message, stored job and audit row."""

import re
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

from pydantic import JsonValue, SecretStr

HIDDEN = "•••"
SHORTEST = 6  # a known secret shorter than this would hide ordinary words

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
        self._known: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: SecretStr | str | None) -> None:
        """Learn a secret. Short ones are left to the shapes: they would hide ordinary words."""
        value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if value and len(value) >= SHORTEST:
            with self._lock:
                # Longest first, so that a secret which holds another goes whole.
                self._known = tuple(sorted({*self._known, value}, key=lambda known: (-len(known), known)))

    def __call__(self, text: str) -> str:
        """Return *text* with every secret replaced by •••."""
        for known in self._known:
            text = text.replace(known, HIDDEN)
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


def _hide(found: re.Match[str]) -> str:
    if "secret" not in found.re.groupindex:
        return HIDDEN
    start, end = (position - found.start() for position in found.span("secret"))
    whole = found.group()
    if _ORDINARY.fullmatch(whole[start:end]):
        return whole
    return f"{whole[:start]}{HIDDEN}{whole[end:]}"
