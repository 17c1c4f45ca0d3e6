"""Slack's Web API client, with the retries that it needs."""

from slack_sdk import WebClient
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)

from bot.settings import Slack


def web_client(slack: Slack, *, waits: bool = True) -> WebClient:
    """Return a Slack client that retries connection errors and 5xx and, where it *waits*, 429."""
    client = WebClient(token=slack.bot_token.get_secret_value(), base_url=slack.base_url, timeout=15)
    client.retry_handlers = [ConnectionErrorRetryHandler(max_retry_count=2), ServerErrorRetryHandler(max_retry_count=2)]
    if waits:
        client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=3))
    return client
