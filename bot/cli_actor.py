"""Who runs the command line: by a token of a trusted issuer where one is given, else the process's user.

A token that proves nothing ends the command: whoever gives one has said that they are not the process's user.
"""

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import JsonValue

from bot.oidc import token_file
from policies.approvals import Actor
from provisioning.errors import ChatopsError, PermanentError

if TYPE_CHECKING:
    from bot.core import Core
    from bot.oidc.tokens import Proof
    from bot.settings import Settings
    from provisioning.evidence.trail import Event
    from provisioning.redact import Redactor
    from provisioning.store import Store

PROVEN, REFUSED = "identity.proven", "identity.refused"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who it is. ``id`` is the Slack user's where the setting same_person says that it is one; *proof* is a token's."""

    id: str
    by: str  # the id here: os:NAME, or oidc:ISSUER:SUBJECT
    proof: "Proof | None" = None

    @property
    def name(self) -> str:
        return self.by.partition(":")[2]

    def told(self) -> dict[str, JsonValue]:
        """Return how it was proven, for machines and for the audit trail."""
        return {"by": self.by, "token": self.proof.told() if self.proof else None}

    def __str__(self) -> str:
        if self.proof is None:
            return f"{self.by}, the process's user"
        token = f"token {self.proof.token_id}" if self.proof.token_id else "a token"
        until = f"{self.proof.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        return f"{self.by}, by {token} of {self.proof.issuer_url}, which expires at {until}"


def os_user() -> str:
    """Return the name of the process's user, or its number where it has none.

    By the kernel's word: LOGNAME and USER are what anybody wants them to be, and a vote counts as this name's.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def identify(core: "Core", *, command: str) -> tuple[Actor, Identity]:
    """Return who runs *command*, with the roles held now. A token, and what it proves, is audited.

    Raises: PermanentError where a token proves nothing, or is missing where one is required; TemporaryError.
    """
    with auditing_no(core.store, command=command):
        identity = identity_by(core.settings, core.redact)
    record_proof(core.store, identity, command=command)
    return core.people.actor(identity.id), identity


def identity_alone() -> Identity:
    """Return who it is where no role is needed. Raises: ChatopsError.

    Without settings, as beside a copy of the data folder, it is the process's user; but no token is passed over.
    """
    from bot.cli_failures import CliError
    from bot.cli_settings import read_settings
    from bot.oidc.given import is_given

    try:
        settings = read_settings()
    except CliError:
        if is_given(token_file.get(), os.environ):
            raise
        return _of_process()
    return identity_by(settings)


def identity_by(settings: "Settings", redact: "Redactor | None" = None) -> Identity:
    """Return who it is, by a token if one is given. *redact* learns the token. Raises: ChatopsError."""
    from bot.oidc.given import OPTION, TOKEN, TOKEN_FILE, token_given

    token = token_given(token_file.get(), os.environ)
    if token is not None:
        if redact is not None:
            redact.add(token)
        from bot.oidc.tokens import proof_of
        from provisioning.clock import SystemClock

        proof = proof_of(token.get_secret_value(), settings.oidc, now=SystemClock().now())
        shown = Identity(id=proof.actor_id, by=proof.actor_id, proof=proof)
    elif settings.oidc.required:
        next_action = f"give a token with {OPTION}, {TOKEN} or {TOKEN_FILE}"
        raise PermanentError("who you are is only taken from a token here", next_action=next_action)
    else:
        shown = _of_process()
    return replace(shown, id=settings.same_person.get(shown.by, shown.by))


@contextmanager
def auditing_no(store: "Store", *, command: str) -> Iterator[None]:
    """Audit that somebody did not prove who they are; all that is known of them is the process's user."""
    try:
        yield
    except ChatopsError as error:
        own, detail = _of_process(), {"command": command, "why": error.what}
        store.record(_event(REFUSED, own, detail, outcome="refused"))
        raise


def record_proof(store: "Store", identity: Identity, *, command: str) -> None:
    """Audit what is known of a token, and of who is somebody's other name."""
    if identity.proof is not None or identity.id != identity.by:
        store.record(_event(PROVEN, identity, {"command": command, **identity.told()}))


def _event(action: str, identity: Identity, detail: Mapping[str, JsonValue], *, outcome: str = "") -> "Event":
    from provisioning.evidence.trail import Event

    return Event(action=action, actor=identity.id, actor_name=identity.name, outcome=outcome, detail=detail)


def _of_process() -> Identity:
    own = f"os:{os_user()}"
    return Identity(id=own, by=own)
