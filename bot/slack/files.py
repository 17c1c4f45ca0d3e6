"""Files that people hand over, by a link or in a form: read from Slack itself, and only what they may see themselves.

Nothing but the id is taken from what people send: where the file lies, whose it is and who sees it say Slack's own
``files.info``, and the token goes to Slack's file host alone. Source: docs.slack.dev (files.info, file object).
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.mrkdwn import cut
from bot.slack.replies import is_slacks
from commands import grammar
from commands.file_links import file_id_of
from commands.grammar import Invocation, UsageError
from commands.spec import file_fields
from provisioning.errors import ChatopsError, PermanentError, TemporaryError

MOST_BYTES = 1_048_576  # commands have smaller limits of their own, and say so better
TIMEOUT_S = 10.0  # for each step of the download
PATIENCE_S = 30.0  # for all of it
_KINDS = frozenset({"application/json", "application/x-yaml", "application/yaml"})  # and every text/…
_HOSTED = frozenset({"hosted", "snippet", "post"})
_NEXT = {
    "missing_scope": "an admin of the workspace must install the app again, with the scope files:read of manifest.yml",
    "file_not_found": "share the file in a channel that the bot is in, or choose it in the form",
    "file_deleted": "upload it again",
}


class SharedFiles:
    """Reads them. Thread-safe."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def filled(self, invocation: Invocation, *, user: str, channel: str) -> Invocation | UsageError:
        """Return *invocation* with what is in the file where an argument only links to one. Raises: ChatopsError."""
        for name in file_fields(invocation.spec):
            linked = file_id_of(str(getattr(invocation.args, name)))
            if linked is not None:
                given = invocation.args.model_dump(exclude_unset=True)
                text = self.read(linked, user=user, channel=channel)
                built = grammar.build(invocation.spec, {**given, name: text}, how=invocation.how)
                return replace(built, text=invocation.text) if isinstance(built, Invocation) else built
        return invocation

    def read(self, file_id: str, *, user: str, channel: str) -> str:
        """Return the text of a file that *user* owns, or that is shared in *channel*. Raises: ChatopsError."""
        try:
            found = self._client.files_info(file=file_id)["file"]
        except SlackApiError as error:
            raise _failed(f"reading the file {file_id}", str(error.response.get("error"))) from error
        doing = f"reading the file {cut(str(found.get('name') or file_id), 80)}"
        if why := _unfit(found, user=user, channel=channel):
            raise PermanentError(f"{doing}: {why[0]}", next_action=why[1])
        url = str(found.get("url_private_download") or found.get("url_private") or "")
        if not is_slacks(url, self._client.base_url, "files"):
            raise PermanentError(f"{doing}: it does not lie in Slack", next_action="upload the file itself")
        content = self._download(url, doing)
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise PermanentError(f"{doing}: it is not UTF-8 text", next_action="save it as UTF-8") from None

    def _download(self, url: str, doing: str) -> bytes:
        headers = {"Authorization": f"Bearer {self._client.token}"}
        received, until = bytearray(), time.monotonic() + PATIENCE_S
        try:
            # A redirect is never followed: Slack sends those without the right to a file to its sign-in page.
            with httpx.stream("GET", url, headers=headers, follow_redirects=False, timeout=TIMEOUT_S) as answer:
                kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                if answer.status_code in {429, 500, 502, 503, 504}:
                    raise TemporaryError(f"{doing}: Slack answered {answer.status_code}", next_action="ask again")
                if answer.status_code != 200 or kind == "text/html":
                    raise _failed(doing, "missing_scope" if answer.is_redirect or kind == "text/html" else "no file")
                for part in answer.iter_bytes():
                    received += part
                    if len(received) > MOST_BYTES:
                        raise _too_large(doing)
                    if time.monotonic() > until:
                        raise TemporaryError(f"{doing}: it takes too long", next_action="ask again")
        except httpx.HTTPError as error:  # its text may hold the address
            what = f"{doing}: Slack could not be reached ({type(error).__name__})"
            raise TemporaryError(what, next_action="ask again") from None
        return bytes(received)


def _unfit(found: Mapping[str, Any], *, user: str, channel: str) -> tuple[str, str] | None:
    """Return what is wrong with the file, and what to do."""
    if not _may_see(found, user=user, channel=channel):  # whose it is or what is in it is not for them to know
        return "it is neither yours nor shared in this channel", "share it here, or upload one of your own"
    if found.get("is_external") or found.get("mode") not in _HOSTED:
        return "it does not lie in Slack", "upload the file itself"
    kind = str(found.get("mimetype") or "").lower()
    if not kind.startswith("text/") and kind not in _KINDS:
        return f"it is no text file ({cut(kind, 60) or 'unknown'})", "upload it as .yaml or as a text snippet"
    size = found.get("size")
    if not isinstance(size, int) or size > MOST_BYTES:
        return f"it is larger than {MOST_BYTES} bytes", "split it"
    return None


def _may_see(found: Mapping[str, Any], *, user: str, channel: str) -> bool:
    """Return whether they see it themselves: what the bot sees is more than what each of them may."""
    shared = {str(one) for place in ("channels", "groups", "ims") for one in found.get(place) or ()}
    return (bool(user) and found.get("user") == user) or (bool(channel) and channel in shared)


def _too_large(doing: str) -> ChatopsError:
    return PermanentError(f"{doing}: it is larger than {MOST_BYTES} bytes", next_action="split it")


def _failed(doing: str, said: str) -> ChatopsError:
    if said in {"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}:
        return TemporaryError(f"{doing}: Slack could not just now ({said})", next_action="ask again")
    return PermanentError(
        f"{doing}: Slack refused ({said})", next_action=_NEXT.get(said, "check the link: open it in Slack")
    )
