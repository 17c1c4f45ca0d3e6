"""Digests into channels: one message, its pictures in its thread."""

import logging

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import render_report, uploads
from bot.slack.render_job import Rendered
from provisioning.channels import INVITE
from provisioning.errors import ChatopsError, PermanentError, TemporaryError
from provisioning.reports import Report

log = logging.getLogger(__name__)

_ANOTHER = "or give the digest another channel: /clearml digest add … --channel"
_NOBODY = ("Slack does not know that person any more", "give the digest another owner: digest add it again")
_NEVER = {  # what Slack says → what that is, what to do
    "not_in_channel": ("the bot is not in the channel", f"in that channel: {INVITE}; {_ANOTHER}"),
    "channel_not_found": (
        "Slack shows the bot no such channel: it is private without the bot, or gone",
        f"in that channel: {INVITE}; {_ANOTHER}",
    ),
    "is_archived": ("the channel is archived", f"unarchive it, {_ANOTHER}"),
    "restricted_action": ("apps may not post there", f"ask an admin of the workspace to let them, {_ANOTHER}"),
    "user_not_found": _NOBODY,
    "user_disabled": _NOBODY,
    "account_inactive": _NOBODY,
    "cannot_dm_bot": _NOBODY,
}


class SlackPoster:
    """Sends reports to channels. Thread-safe."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def post(self, channel: str, report: Report) -> str:
        """Return the message's ts. Raises: PermanentError where the channel cannot have it, TemporaryError."""
        shown = render_report.message(report)
        try:
            return self._send(channel, shown)
        except SlackApiError as error:
            said = str(error.response.get("error"))
            plain = render_report.without_charts(shown) if said == "invalid_blocks" else None
            if plain is not None:
                log.warning("Slack knows no charts here: the digest goes without them")
                return self._plainly(channel, plain)
            if said in _NEVER:
                what, next_action = _NEVER[said]
                raise PermanentError(f"posting in {channel}: {what} ({said})", next_action=next_action) from error
            raise TemporaryError(f"posting in {channel}: {said}", next_action="the bot tries again") from error
        except OSError as error:
            raise TemporaryError(
                f"posting in {channel}: Slack cannot be reached ({type(error).__name__})",
                next_action="the bot tries again",
            ) from error

    def _plainly(self, channel: str, shown: Rendered) -> str:
        try:
            return self._send(channel, shown)
        except (SlackApiError, OSError) as error:
            raise TemporaryError(
                f"posting in {channel}: Slack did not take it ({type(error).__name__})",
                next_action="the bot tries again",
            ) from error

    def _send(self, channel: str, shown: Rendered) -> str:
        answer = self._client.chat_postMessage(
            channel=channel, text=shown.text, blocks=shown.blocks, unfurl_links=False
        )
        return str(answer["ts"])

    def illustrate(self, channel: str, ts: str, report: Report) -> None:
        """Put the report's pictures into the message's thread. Where that fails the message says all in words."""
        try:
            uploads.to_conversation(self._client, report.attachments, channel=channel, thread_ts=ts)
        except (ChatopsError, OSError) as error:
            log.warning("the pictures of a digest were not posted: %s", error)
