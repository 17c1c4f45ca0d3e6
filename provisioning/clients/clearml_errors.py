"""The ClearML API's refusals → our errors, in one place.

The API answers with an envelope whose ``meta.result_code`` and ``result_subcode`` say what is wrong; the HTTP
status equals the code. Source: clearml-server, apierrors/errors.conf.
"""

from typing import Any

from provisioning.clients.clearml_records import NOT_THE_API
from provisioning.errors import ChatopsError, PermanentError, TemporaryError

MOST_TEXT = 300
NO_SUCH_TARGET = (400, 6)  # of Impersonate-As or Act-As
FIELD_VALUE = (400, 16)
INVALID_ACCESS_KEY = (400, 75)
INVALID_USER = (400, 300)
NO_SUCH_USER = (400, 301)
DUPLICATE = (400, 801)
ROLE_NOT_ALLOWED = (403, 20)
UNKNOWN_ENDPOINT = (404, 0)

_KEYS = "CLEARML_CHATOPS_CLEARML__ACCESS_KEY and CLEARML_CHATOPS_CLEARML__SECRET_KEY"
_FAULT = "this is a fault of the bot: report it"
_NEXT = {
    (400, 5): _FAULT,
    NO_SUCH_TARGET: "either that user was deleted in ClearML: run the command again; or the role of "
    "CLEARML_CHATOPS_CLEARML__ACCESS_KEY may not act for users of other companies: it must be root or system",
    (400, 11): _FAULT,
    (400, 12): _FAULT,
    (400, 22): "correct the e-mail address, then run the command again",
    (400, 23): "correct the domain, then run the command again",
    INVALID_ACCESS_KEY: "the key is gone already: run the command again",
    INVALID_USER: "that user was deleted in ClearML: run the command again",
    NO_SUCH_USER: "the user was deleted in ClearML, or is one of its configured system users: run the command again",
    (400, 800): "correct the value that the message names, then run the command again",
    DUPLICATE: "choose another name, or look at who has it",
    (401, 20): f"set {_KEYS}",
    (401, 21): f"check {_KEYS}: the server cannot read them",
    (401, 22): f"check {_KEYS}: the server does not know this pair",
    (401, 30): f"check {_KEYS}",
    ROLE_NOT_ALLOWED: "the credentials need the role system or root: check CLEARML_CHATOPS_CLEARML__ACCESS_KEY",
    UNKNOWN_ENDPOINT: "this server's version has no such call: clearml-chatops doctor says which version it is",
}
_OTHERWISE = {401: f"check {_KEYS}", 403: "check the role of CLEARML_CHATOPS_CLEARML__ACCESS_KEY"}


class ClearMLError(PermanentError):
    """The API refused. ``code`` and ``subcode`` as in the envelope."""

    def __init__(self, what: str, *, code: int, subcode: int, next_action: str = "", details: str = "") -> None:
        super().__init__(what, next_action=next_action, details=details)
        self.code = code
        self.subcode = subcode

    @property
    def kind(self) -> tuple[int, int]:
        return self.code, self.subcode


def from_answer(doing: str, status: int, meta: dict[str, Any], *, delay_s: float | None = None) -> ChatopsError:
    """Return what a refusal means for people.

    Args:
        meta: the envelope's; empty where the answer had none, which the API itself never does: a proxy's page,
            or another server's.
        delay_s: what the answer asked us to wait.
    """
    if not meta:
        return _from_elsewhere(doing, status, delay_s)
    code = _number(meta.get("result_code"), status)
    subcode = _number(meta.get("result_subcode"), 0)
    said = " ".join(str(meta.get("result_msg") or "no message").split())[:MOST_TEXT]
    what = f"{doing}: ClearML answered {code}/{subcode}: {said}"
    if _is_temporary(code):
        return _temporary(what, "try again; if it stays, look at the API server's log", delay_s)
    next_action = _NEXT.get((code, subcode)) or _OTHERWISE.get(code, "do what the message says, then try again")
    return ClearMLError(what, code=code, subcode=subcode, next_action=next_action)


def _from_elsewhere(doing: str, status: int, delay_s: float | None) -> ChatopsError:
    what = f"{doing}: the answer ({status}) is not the ClearML API's"
    if _is_temporary(status):
        return _temporary(what, "check that the API server's pods are ready behind its ingress", delay_s)
    return PermanentError(what, next_action=NOT_THE_API)


def _is_temporary(code: int) -> bool:
    return code == 429 or code >= 500


def _temporary(what: str, next_action: str, delay_s: float | None) -> TemporaryError:
    if delay_s is None:
        return TemporaryError(what, next_action=next_action)
    return TemporaryError(what, next_action=next_action, delay_s=delay_s)


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) else default
