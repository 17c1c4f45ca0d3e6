"""Names as Kubernetes takes them. What passes here can stand in an argument list: it is never a flag."""

import re

from provisioning.errors import PermanentError

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_RELEASE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,51}[a-z0-9])?")  # helm: 53 characters


def namespace(text: str) -> str:
    """Return *text*, a namespace's name. Raises: PermanentError."""
    return _checked(_LABEL, "namespace", text)


def release(text: str) -> str:
    """Return *text*, a helm release's name. Raises: PermanentError."""
    return _checked(_RELEASE, "release", text)


def resource(text: str) -> str:
    """Return *text*, the name of an object in Kubernetes. Raises: PermanentError."""
    return _checked(_SUBDOMAIN, "object", text)


def _checked(pattern: re.Pattern[str], what: str, text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise PermanentError(
            f"{text[:80]!r} is no {what} name", next_action="use lower-case letters, digits and hyphens"
        )
    return text
