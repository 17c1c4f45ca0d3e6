"""Secrets by name, as plans hold them: found in the bot's settings or in the cluster, put in at the last moment."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import SecretStr

from provisioning.errors import PermanentError


class ReadsSecrets(Protocol):
    def secret(self, namespace: str, name: str) -> dict[str, SecretStr] | None: ...


class NamedSecrets:
    """Names are settings (``redis.password``) or keys of Kubernetes Secrets (``namespace/Secret/key``). Thread-safe."""

    def __init__(self, cluster: ReadsSecrets, settings: Mapping[str, SecretStr]) -> None:
        self._cluster = cluster
        self._settings = settings

    def find(self, name: str) -> SecretStr | None:
        """Return the secret, or None where it is not there. Raises: ChatopsError."""
        if name in self._settings:
            return self._settings[name]
        namespace, _, rest = name.partition("/")
        secret, _, key = rest.partition("/")
        stored = self._cluster.secret(namespace, secret) if secret else None
        return stored.get(key) if stored is not None else None

    def fill_in(self, value: Any, *, strict: bool) -> Any:
        """Return *value* with every ``{"$secret": name}`` put in as a SecretStr, quoted where ``$quote`` says so.

        One that is not there yet is empty unless *strict*. Raises: PermanentError where it is *strict*.
        """
        match value:
            case {"$secret": str(name), **more} if set(more) <= {"$quote"}:
                found = self._find(name, strict=strict)
                return quoted(found) if more.get("$quote") == "hocon" else found
            case dict():
                return {key: self.fill_in(item, strict=strict) for key, item in value.items()}
            case list() | tuple():
                return [self.fill_in(item, strict=strict) for item in value]
            case _:
                return value

    def _find(self, name: str, *, strict: bool) -> SecretStr:
        found = self.find(name)
        if found is not None:
            return found
        if strict:
            raise PermanentError(
                f"reading the secret {name}: it is not there", next_action="Retry from the credentials' step"
            )
        return SecretStr("")


def quoted(secret: SecretStr) -> SecretStr:
    """Return the secret as a quoted text of HOCON."""
    return SecretStr(json.dumps(secret.get_secret_value(), ensure_ascii=False))
