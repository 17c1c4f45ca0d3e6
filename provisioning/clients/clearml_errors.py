"""The ClearML API's refusals and httpx's exceptions → our errors, in one place.

The API answers with an envelope whose ``meta.result_code`` and ``result_subcode`` say what is wrong; the HTTP
status equals the code. Source: clearml-server, apierrors/errors.conf.
"""

from typing import Any

import httpx

from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError

MOST_TEXT = 300
NO_SUCH_TARGET = (400, 6)  # of Impersonate-As or Act-As
NO_SUCH_USER = (400, 301)
DUPLICATE = (400, 801)
ROLE_NOT_ALLOWED = (403, 20)
UNKNOWN_ENDPOINT = (404, 0)

_NEXT = {
    (400, 5): "this is a fault of the bot: report it",
    (400, 6): "the user to act for does not exist any more: run the command again",
    (400, 75): "the key is gone already: run the command again",
    (400, 801): "choose another name, or look at who has it",
    (401, 20): "set CLEARML_CHATOPS_CLEARML__ACCESS_KEY and __SECRET_KEY",
    (401, 22): "check CLEARML_CHATOPS_CLEARML__ACCESS_KEY and __SECRET_KEY: the server does not know this pair",
    (401, 30): "check CLEARML_CHATOPS_CLEARML__ACCESS_KEY and __SECRET_KEY",
    (403, 20): "the credentials need the role system or root: check CLEARML_CHATOPS_CLEARML__ACCESS_KEY",
    (404, 0): "this server's version has no such call: see clearml-chatops doctor",
}


class ClearMLError(PermanentError):
    """The API refused. ``code`` and ``subcode`` as in the envelope."""

    def __init__(self, what: str, *, code: int, subcode: int, next_action: str = "", details: str = "") -> None:
        super().__init__(what, next_action=next_action, details=details)
        self.code = code
        self.subcode = subcode

    @property
    def kind(self) -> tuple[int, int]:
        return self.code, self.subcode


def from_transport(doing: str, url: str, error: httpx.HTTPError) -> ChatopsError:
    """Return what *error* means for people. The request may have been carried out or not."""
    host = httpx.URL(url).host
    if isinstance(error, httpx.TimeoutException):
        return UnreachableError(
            f"{doing}: ClearML at {host} did not answer in time",
            next_action="check that the API server is healthy, then try again",
        )
    return UnreachableError(
        f"{doing}: ClearML at {host} cannot be reached ({type(error).__name__})",
        next_action="check CLEARML_CHATOPS_CLEARML__API_URL and that the API server is up, then try again",
    )


def from_answer(doing: str, status: int, meta: dict[str, Any]) -> ChatopsError:
    """Return what a refusal means for people. *meta* is the envelope's; empty where there was none."""
    code = _number(meta.get("result_code"), status)
    subcode = _number(meta.get("result_subcode"), 0)
    said = " ".join(str(meta.get("result_msg") or "no message").split())[:MOST_TEXT]
    what = f"{doing}: ClearML answered {code}/{subcode}: {said}"
    if code == 429 or code >= 500 or not meta:
        return TemporaryError(what, next_action="try again; if it stays, look at the API server's log")
    next_action = _NEXT.get((code, subcode), "see the message; clearml-chatops doctor checks the connection")
    return ClearMLError(what, code=code, subcode=subcode, next_action=next_action)


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) else default
