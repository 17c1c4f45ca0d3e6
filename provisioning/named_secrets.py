"""Secrets by name, as plans hold them: found in the bot's settings or in the cluster, put in at the last moment."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import SecretStr

from provisioning.chart_values import filled_in
from provisioning.configuration import setting_of
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

    def fill_in(self, value: Any, *, strict: bool, remedies: Mapping[str, str] = MappingProxyType({})) -> Any:
        """Return *value* with every ``{"$secret": name}`` put in as a SecretStr, quoted where ``$quote`` says so.

        One that is not there is empty, for it may not be there yet. Where it is *strict*, that raises PermanentError.
        *remedies*: namespace → what people do where a secret of it is gone.
        """
        return filled_in(value, lambda name: self._find(name, remedies if strict else None))

    def _find(self, name: str, remedies: Mapping[str, str] | None) -> SecretStr:
        found = self.find(name)
        if found is not None:
            return found
        if remedies is None:
            return SecretStr("")
        namespace, is_stored, _ = name.partition("/")
        if not is_stored:
            raise PermanentError(
                f"reading the secret {setting_of(name)}: it is not set",
                next_action="ask an admin to set it and to start the bot again, then Retry",
            )
        raise PermanentError(
            f"reading the secret {name}: it is not there",
            next_action=remedies.get(namespace, "put it there, then Retry"),
        )
