"""Secrets by name, as plans hold them: found in the bot's settings or in the cluster, put in at the last moment."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import SecretStr

from provisioning.chart_values import filled_in
from provisioning.errors import PermanentError


class ReadsSecrets(Protocol):
    def secret(self, namespace: str, name: str) -> dict[str, SecretStr] | None: ...


class NamedSecrets:
    """Names are settings (``redis.password``) or keys of Kubernetes Secrets (``namespace/Secret/key``). Thread-safe.

    Args:
        learn: is told every secret that was found in the cluster, so that it is redacted from then on.
    """

    def __init__(
        self,
        cluster: ReadsSecrets,
        settings: Mapping[str, SecretStr],
        *,
        learn: Callable[[SecretStr], None] = lambda _secret: None,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._learn = learn

    def find(self, name: str) -> SecretStr | None:
        """Return the secret, or None where it is not there. Raises: ChatopsError."""
        if name in self._settings:
            return self._settings[name]
        namespace, _, rest = name.partition("/")
        secret, _, key = rest.partition("/")
        stored = self._cluster.secret(namespace, secret) if secret else None
        found = stored.get(key) if stored is not None else None
        if found is not None:
            self._learn(found)
        return found

    def fill_in(self, value: Any, *, strict: bool) -> Any:
        """Return *value* with every ``{"$secret": name}`` put in as a SecretStr, quoted where ``$quote`` says so.

        One that is not there yet is empty unless *strict*. Raises: PermanentError where it is *strict*.
        """
        return filled_in(value, lambda name: self._find(name, strict=strict))

    def _find(self, name: str, *, strict: bool) -> SecretStr:
        found = self.find(name)
        if found is not None:
            return found
        if strict:
            raise PermanentError(
                f"reading the secret {name}: it is not there", next_action="Retry from the credentials' step"
            )
        return SecretStr("")
