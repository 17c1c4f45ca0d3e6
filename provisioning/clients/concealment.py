"""Keeps the values that a tool was given out of what the tool says. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from provisioning import redact

_SECRET_NAME = re.compile(r"passw|secret|token|credential|private|jwks|(^|[a-z_.-])(api|access|glue)?key$", re.I)


class Concealment:
    """Replaces every secret of *values* in a text: SecretStr leaves, and leaves under telling names.

    A name tells where it holds password, secret, token or ends in key; ``{"name": …_PASSWORD, "value": x}``
    tells by the value of its name. Every form that `redact.forms_of` knows is replaced.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        forms = {form for secret in _secrets(values) for form in redact.forms_of(secret)}
        self._forms = sorted(forms, key=len, reverse=True)  # the longest first: one may hold another

    def __call__(self, text: str) -> str:
        return redact.hide(text, self._forms)


def tells_a_secret(path: str) -> bool:
    """Return whether what stands at *path* is a secret by its name: ``values.redis.password``."""
    return bool(_SECRET_NAME.search(path.rpartition(".")[2]))


def plain(value: Any) -> Any:
    """Return *value* with every SecretStr in the clear."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def _secrets(value: Any, *, telling: bool = False) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case {"name": str(name), "value": inner}:
            yield from _secrets(inner, telling=telling or bool(_SECRET_NAME.search(name)))
        case Mapping():
            for key, item in value.items():
                yield from _secrets(item, telling=telling or bool(_SECRET_NAME.search(str(key))))
        case list() | tuple():
            for item in value:
                yield from _secrets(item, telling=telling)
        case str() | int() | float() if telling and not isinstance(value, bool):
            yield str(value)
        case _:
            return
