"""Tells admins that the policy's file is not taken, and that a new one is. Each is said once while the bot runs."""

import logging

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.render_reminders import policy_refused, policy_taken
from provisioning.people import People
from provisioning.policy_source import PolicySource

log = logging.getLogger(__name__)

ADMINS = frozenset({"admin"})


class PolicyNews:
    """``tick`` looks at the file, and says what is new. Called by one thread at a time."""

    def __init__(self, *, policy: PolicySource, people: People, client: WebClient) -> None:
        self._policy = policy
        self._people = people
        self._client = client
        self._told = ""  # the problem that was told last; "" where all is well

    def tick(self) -> None:
        """Take a new version, where there is one; tell every admin where it is none, and where it is one again."""
        self._policy.refresh()
        status = self._policy.status()
        if status.problem == self._told:
            return
        shown = policy_refused(status.problem, status.digest) if status.problem else policy_taken(status.digest)
        for person in sorted(self._people.people_with(ADMINS)):
            try:
                self._client.chat_postMessage(channel=person, text=shown.text, blocks=shown.blocks, unfurl_links=False)
            except (SlackApiError, OSError) as error:
                log.warning("%s was not told of the policy file: %s", person, type(error).__name__)
        self._told = status.problem
