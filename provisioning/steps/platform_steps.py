"""Steps of the platform that are no release: strong secrets, and the API's first answer."""

import secrets
import string
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from provisioning.clients.clearml_errors import ClearMLError
from provisioning.clients.interfaces import ClusterWrites
from provisioning.errors import ChatopsError, PermanentError, TemporaryError
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML

SECRET_CHARS = 40  # letters and digits: 238 bits, and no character that a shell, HOCON or a URL reads
POLL_S = 2.0
NOTE_S = 10  # how exact people are told how long it has been


class SecretsInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]  # namespace/name/key
    labels: dict[str, str]  # of a Secret that is made


class GeneratedSecrets:
    """``platform.secrets``: each of these keys holds a secret. No outputs. What is there stays; undo leaves all.

    One key is made once and read by both sides, so that they agree: billing's Kafka and the server, Redis and the
    tenants' agents, the server and the routers.
    """

    kind = "platform.secrets"

    def __init__(self, cluster: ClusterWrites) -> None:
        self._cluster = cluster

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = SecretsInputs.model_validate(inputs)
        missing = [
            f"{namespace}/{name}/{key}"
            for (namespace, name), keys in _by_secret(wanted.names).items()
            for key in keys
            if key not in (self._cluster.secret(namespace, name) or {})
        ]
        if not missing:
            return Observation(presence=Presence.PRESENT, detail=f"all {len(wanted.names)} are there")
        return Observation(presence=Presence.ABSENT, detail=f"missing: {', '.join(missing)}")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = SecretsInputs.model_validate(inputs)
        for (namespace, name), keys in _by_secret(wanted.names).items():
            there = {
                key: secret.get_secret_value() for key, secret in (self._cluster.secret(namespace, name) or {}).items()
            }
            made = {key: strong_secret() for key in keys if key not in there}
            if made:
                self._cluster.put_secret(namespace, name, {**there, **made}, wanted.labels)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        run.note("the secrets stay: what was installed with them holds their data")


class ApiInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str  # for people: the bot's own setting


class ApiAnswers:
    """``clearml.api``: the API answers, and takes the bot's credentials. Outputs: ``version``.

    Behind a new ingress a name may not resolve yet, somebody else's certificate be shown, or a default page: all of
    that is waited for. What the API itself refuses is not.
    """

    kind = "clearml.api"

    def __init__(self, clearml: "ClearML") -> None:
        self._clearml = clearml

    def observe(self, inputs: dict[str, Any]) -> Observation:
        ApiInputs.model_validate(inputs)
        try:
            return Observation(presence=Presence.PRESENT, detail="it answers", outputs=self._version())
        except TemporaryError:
            return Observation(presence=Presence.ABSENT, detail="no answer yet")
        except PermanentError:
            return Observation(presence=Presence.DIFFERS, detail="it answers, but not as it should")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = ApiInputs.model_validate(inputs)
        began = time.monotonic()
        while True:
            try:
                return self._version()
            except ClearMLError:
                raise
            except ChatopsError as problem:
                waited_s = time.monotonic() - began
                run.note(f"no answer yet, {waited_s // NOTE_S * NOTE_S:.0f} s of {run.timeout_s:.0f}: {problem.what}")
                if run.cancelled():
                    raise PermanentError("waiting for the API was cancelled", next_action="Retry") from problem
                if waited_s + POLL_S > run.timeout_s:
                    raise PermanentError(
                        f"{wanted.url} did not answer within {run.timeout_s:.0f} s",
                        next_action="look at the API server's pods and its ingress, then Retry",
                        details=f"{problem.what}\n{problem.next_action}".strip(),
                    ) from problem
            time.sleep(POLL_S)

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        return

    def _version(self) -> Outputs:
        self._clearml.ping()
        return {"version": self._clearml.server_info().version}


def strong_secret() -> str:
    """Return a new secret."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(SECRET_CHARS))


def _by_secret(names: tuple[str, ...]) -> Mapping[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        namespace, secret, key = name.split("/", 2)
        found.setdefault((namespace, secret), []).append(key)
    return found
