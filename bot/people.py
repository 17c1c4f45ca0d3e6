"""Who holds which role: the setting ``roles``, the policy's groups, and the workspace, if there is one."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from commands.arguments import OFF_SLACK
from policies.approvals import Actor
from policies.explain import holders_of
from policies.policy import Policy

if TYPE_CHECKING:
    from bot.slack.identity import Identity


class Everybody:
    """``provisioning.people.People`` over settings, policy and Slack. Thread-safe."""

    def __init__(
        self,
        roles: Mapping[str, frozenset[str]],
        policy: Callable[[], Policy],
        identity: "Callable[[], Identity | None]",  # only asked where somebody of Slack is meant
    ) -> None:
        self._roles = roles
        self._policy = policy
        self._identity = identity

    def actor(self, actor_id: str) -> Actor:
        """Return who that is, with the roles and groups held now. Raises: UnreachableError."""
        holders = self.holders()
        if not actor_id.startswith(OFF_SLACK) and (identity := self._identity()) is not None:
            return identity.actor(actor_id, holders)
        held = frozenset(role for role, ids in holders.items() if actor_id in ids)
        return Actor(id=actor_id, name=actor_id.partition(":")[2] or actor_id, roles=held)

    def holders(self) -> Mapping[str, frozenset[str]]:
        """Return role or group → ids of Slack users and user groups, ``os:NAME`` and ``oidc:ISSUER:SUBJECT``."""
        groups = {name: frozenset(members) for name, members in self._policy().groups.items()}
        return {**groups, **self._roles}

    def people_with(self, roles: frozenset[str]) -> frozenset[str]:
        """Return the ids of the Slack users who hold one of *roles*, user groups opened. Raises: UnreachableError."""
        identity = self._identity()
        if identity is None:
            return frozenset()
        found: set[str] = set()
        for holder in holders_of(roles, self.holders()):
            if holder.startswith("S"):
                found |= identity.members(holder)
            elif not holder.startswith(OFF_SLACK):
                found.add(holder)
        return frozenset(found)
