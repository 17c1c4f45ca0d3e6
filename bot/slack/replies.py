"""Replies to one person alone, and the fence that turns errors into replies."""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot.slack import render_lists, render_report, uploads
from bot.slack.render_job import Rendered
from provisioning.errors import ChatopsError
from provisioning.looks import Tell

log = logging.getLogger(__name__)

Reply: TypeAlias = Callable[[Rendered], None]
TIMEOUT_S = 10
# After these waits people are told that it goes on; a response_url takes five replies, the answer among them.
PATIENCE_S = (1.0, 10.0, 50.0)
SLACK_HOSTS = frozenset({"slack.com", "slack-gov.com"})


def to_person(client: WebClient, *, channel: str, user: str, response_url: str = "") -> Reply:
    """Return what replies to *user* alone: by the response_url, else as an ephemeral message, else directly.

    The response_url works in channels that the bot is not in, but only five times in half an hour. Files cannot be
    for one person's eyes in a channel: they go to the bot's conversation with *user*.
    """

    def reply(shown: Rendered) -> None:
        try:
            say(shown)
        except SlackApiError as error:
            plain = render_report.without_charts(shown) if error.response.get("error") == "invalid_blocks" else None
            if plain is None:
                raise
            say(plain)
        uploads.to_person(client, shown.attachments, user=user, comment=shown.text)

    def say(shown: Rendered) -> None:
        if is_slacks(response_url, client.base_url) and _by_url(response_url, shown):
            return
        if channel:
            try:
                client.chat_postEphemeral(channel=channel, user=user, text=shown.text, blocks=shown.blocks)
            except SlackApiError as error:
                log.info("no ephemeral message in %s: %s", channel, error.response.get("error"))
            else:
                return
        client.chat_postMessage(channel=user, text=shown.text, blocks=shown.blocks)

    return reply


def refresh_copy(client: WebClient, response_url: str, shown: Rendered) -> None:
    """Put *shown* in the place of a message that one person alone has: nothing else brings it up to date."""
    if is_slacks(response_url, client.base_url):
        _by_url(response_url, shown, replaces=True)


def is_slacks(url: str, base_url: str, host_of: str = "hooks") -> bool:
    """Return whether *url* leads to the Slack that *base_url* is of: a payload must not send us elsewhere.

    *host_of*: which of Slack's hosts it may be besides the API's own: hooks or files.
    """
    try:
        asked, ours = urlsplit(url), urlsplit(base_url)
        same = (asked.scheme, asked.hostname, asked.port) == (ours.scheme, ours.hostname, ours.port)
    except ValueError:
        return False
    host, home = asked.hostname or "", ours.hostname or ""
    other = home in SLACK_HOSTS and (asked.scheme, host) == ("https", f"{host_of}.{home}") and asked.port in {None, 443}
    return (same or other) and asked.username is None and asked.password is None


@contextmanager
def fence(reply: Reply) -> Iterator[None]:
    """Errors for people go to the person; any other becomes an incident id and a log line."""
    try:
        yield
    except ChatopsError as error:
        log.warning("failed: %s", error)
        reply(render_lists.problem(error))
    except Exception:
        incident_id = uuid.uuid4().hex[:8]
        log.exception("incident %s", incident_id)
        reply(render_lists.incident(incident_id))


def _by_url(response_url: str, shown: Rendered, *, replaces: bool = False) -> bool:
    try:
        answer = WebhookClient(response_url, timeout=TIMEOUT_S).send(
            text=shown.text, blocks=shown.blocks, response_type="ephemeral", replace_original=replaces
        )
    except OSError as error:
        log.warning("the response_url did not answer: %s", type(error).__name__)
        return False
    if answer.status_code != 200:
        log.warning("the response_url refused a reply: %s", answer.status_code)
    return answer.status_code == 200


@contextmanager
def patience(reply: Reply, command: str) -> Iterator[Tell]:
    """Where what is inside takes long, say so, and later how far it is. Gives what takes its word on that."""
    ended = threading.Event()
    told = [""]

    def tell(words: str) -> None:
        told[0] = words

    def say() -> None:
        last = ""
        for wait_s in PATIENCE_S:
            if ended.wait(wait_s):
                return
            words = f"⏳ Working on `{command}`: {told[0]} …" if told[0] else f"⏳ Working on `{command}` …"
            if words == last:
                continue
            last = words
            try:
                reply(render_lists.notice(words))
            except Exception:
                log.exception("the word that it takes long could not be said")

    threading.Thread(target=say, name="patience", daemon=True).start()
    try:
        yield tell
    finally:
        ended.set()
