"""Who is heard at all, before any policy: which workspaces, which channels, and full members of the workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.slack.identity import Person, Standing
from policies.approvals import Refusal

_WHY = {
    Standing.GUEST: "guests of this workspace may not use me",
    Standing.BOT: "bots may not use me",
    Standing.STRANGER: "people of other workspaces may not use me",
    Standing.DEACTIVATED: "your account is deactivated",
}


class Knows(Protocol):
    """``bot.slack.identity.Identity``, as far as the gate needs it."""

    def person(self, user_id: str) -> Person: ...

    def may_act(self, person: Person) -> bool: ...


@dataclass(frozen=True)
class Gate:
    """Empty lists let everything through. Ids are opaque: T… of a workspace, E… of an Enterprise Grid."""

    identity: Knows
    teams: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    def refusal(self, *, user: str, channel: str, teams: frozenset[str]) -> Refusal | None:
        """Return why this person is not heard there, or None. Raises: UnreachableError where Slack cannot say."""
        if self.teams and not self.teams & teams:
            return Refusal(
                reason="I take nothing from this workspace",
                next_action="an admin lists it in CLEARML_CHATOPS_SLACK__TEAMS",
            )
        # The bot's conversation with one person is no channel that others could be kept out of.
        if self.channels and channel and channel not in self.channels and not channel.startswith("D"):
            return Refusal(
                reason="I take nothing in this channel",
                next_action="go to one that is meant for it; an admin lists them in CLEARML_CHATOPS_SLACK__CHANNELS",
            )
        person = self.identity.person(user)
        if self.identity.may_act(person):
            return None
        return Refusal(reason=_WHY[person.standing], next_action="ask a member of the workspace to do it")


def teams_of(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the workspace and the enterprise that a payload comes from, and of its person's workspace.

    On Enterprise Grid an interaction may name the enterprise alone. A person of another workspace, in a shared channel,
    brings their own.
    """
    user = body.get("user")
    own = user.get("team_id") if isinstance(user, Mapping) else None
    if own:
        return frozenset(map(str, (own, *_ids(body.get("enterprise")))))
    found = (body.get("team_id"), body.get("enterprise_id"), *_ids(body.get("team")), *_ids(body.get("enterprise")))
    return frozenset(str(one) for one in found if one)


def _ids(value: Any) -> tuple[str, ...]:
    return (str(value["id"]),) if isinstance(value, Mapping) and value.get("id") else ()
