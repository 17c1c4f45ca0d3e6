"""What the tests of the ClearML client and of its stand-in share: a clock that is turned, and clients."""

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from provisioning.clients.clearml import ClearML
from provisioning.configuration import ClearMLServer
from sandbox.clearml.state import ClearMLState


class Turned:
    """A clock that tests turn, in seconds."""

    time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def client(
    url: str,
    state: ClearMLState,
    *,
    secret: str = "",
    known: Mapping[str, Sequence[str]] | None = None,
    timeout_s: float = 2,
) -> ClearML:
    """Return the real client with the supervisor's credentials."""
    server = ClearMLServer(
        api_url=url,
        web_url="https://app.example",
        files_url="https://files.example",
        access_key=state.system_key,
        secret_key=SecretStr(secret or state.system_secret),
        timeout_s=timeout_s,
    )
    return ClearML(server, known_users=lambda company: (known or {}).get(company, ()))
