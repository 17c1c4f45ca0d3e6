"""The connection over which Slack delivers, where the app is in Socket Mode: opened, and opened again."""

import logging
from http.client import HTTPException

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.errors import SlackApiError, SlackClientError

from provisioning.errors import PermanentError

log = logging.getLogger(__name__)

# What Slack says to a token that will never do. Source: docs.slack.dev/reference/methods/apps.connections.open
REFUSED = frozenset(
    {
        "access_denied",
        "account_inactive",
        "forbidden_team",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
AWAY = (SlackClientError, OSError, HTTPException)  # Slack's own words are a SlackClientError, too


class Socket:
    """Keeps one connection to Slack open. Jobs do not need it: while Slack is away they go on, and tell later."""

    def __init__(self, app: App, app_token: str) -> None:
        self._handler = SocketModeHandler(app, app_token)

    @property
    def is_open(self) -> bool:
        """True while Slack can deliver."""
        return bool(self._handler.client.is_connected())

    def open(self) -> None:
        """Connect; where Slack is away, only say so: `watch` tries again.

        Raises: PermanentError where Slack refuses the app's token.
        """
        try:
            self._handler.connect()
        except AWAY as error:
            if (said := _said(error)) in REFUSED:
                raise PermanentError(
                    f"connecting to Slack: it says {said}",
                    next_action="put an xapp-… token with connections:write into CLEARML_CHATOPS_SLACK__APP_TOKEN, "
                    "and look whether Socket Mode is on for the app",
                ) from error
            log.warning("Slack cannot be reached yet (%s): trying again", said)
        if self.is_open:
            log.info("connected to Slack")

    def watch(self) -> None:
        """Connect anew where there is no connection, or where the client has lost it without noticing."""
        if self.is_open:
            return
        log.warning("there is no connection to Slack: connecting anew")
        try:
            self._handler.client.connect_to_new_endpoint(force=True)
        except AWAY as error:
            log.warning("Slack cannot be reached (%s): trying again", _said(error))

    def close(self) -> None:
        """Take no more deliveries."""
        self._handler.close()


def _said(error: Exception) -> str:
    return str(error.response.get("error") if isinstance(error, SlackApiError) else error)
