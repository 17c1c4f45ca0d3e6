"""Files that go with an answer, into a conversation. Slack shows files to everybody there: none is ephemeral."""

from collections.abc import Sequence

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError

from bot.slack.mrkdwn import cut
from provisioning.errors import ChatopsError, PermanentError, TemporaryError
from provisioning.reports import Attachment

ALT_CHARS = 1000  # Slack's limit
TITLE_CHARS = 250
COMMENT_CHARS = 3000

_ASK_AN_ADMIN = {
    "missing_scope": "an admin of the workspace must install the app again, with the scope files:write of manifest.yml",
    "not_in_channel": "invite the bot to the channel",
    "channel_not_found": "invite the bot to the channel",
    "is_archived": "choose a channel that is not archived",
    "file_uploads_disabled": "an admin of the workspace must allow files",
    "storage_limit_reached": "an admin of the workspace must free storage",
}


def to_conversation(
    client: WebClient,
    attachments: Sequence[Attachment],
    *,
    channel: str,
    thread_ts: str | None = None,
    comment: str = "",
) -> None:
    """Post *attachments* as one message to the conversation of id *channel* (``C…`` or ``D…``, no person's ``U…``).

    *comment* is mrkdwn, escaped by the caller. Raises: PermanentError, TemporaryError.
    """
    if not attachments:
        return
    try:
        client.files_upload_v2(
            channel=channel,
            thread_ts=thread_ts,
            initial_comment=comment[:COMMENT_CHARS] or None,
            file_uploads=[
                {
                    "filename": each.name,
                    "title": cut(each.name, TITLE_CHARS),
                    "content": each.content,
                    "alt_txt": cut(each.alt, ALT_CHARS),
                }
                for each in attachments
            ],
        )
    except SlackApiError as error:
        raise _failed(str(error.response.get("error")), attachments) from error
    except SlackRequestError:  # the host that takes the bytes; the text may hold the address it was sent to
        raise _failed("it did not take the bytes", attachments) from None


def to_person(client: WebClient, attachments: Sequence[Attachment], *, user: str, comment: str) -> None:
    """Post *attachments* to the bot's own conversation with *user*, below *comment*.

    Raises: PermanentError, TemporaryError.
    """
    if not attachments:
        return
    try:
        # A message to a person's id opens the conversation; files can only be shared into its own id.
        said = client.chat_postMessage(channel=user, text=comment[:COMMENT_CHARS])
    except SlackApiError as error:
        raise _failed(str(error.response.get("error")), attachments) from error
    to_conversation(client, attachments, channel=str(said["channel"]))


def _failed(said: str, attachments: Sequence[Attachment]) -> ChatopsError:
    names = ", ".join(each.name for each in attachments)
    if next_action := _ASK_AN_ADMIN.get(said):
        return PermanentError(f"handing over {names}: Slack refused ({said})", next_action=next_action)
    return TemporaryError(f"handing over {names}: Slack could not just now ({said})", next_action="ask again")
