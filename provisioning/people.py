"""Who people are: what is known below Slack. The edge knows the workspace."""

from collections.abc import Mapping
from typing import Protocol

from policies.approvals import Actor


class People(Protocol):
    """Thread-safe."""

    def actor(self, actor_id: str) -> Actor:
        """Return who that is, with the roles and groups held now. Raises: UnreachableError."""

    def holders(self) -> Mapping[str, frozenset[str]]:
        """Return role or group → ids of Slack users and user groups, ``os:NAME`` and ``oidc:ISSUER:SUBJECT``."""

    def people_with(self, roles: frozenset[str]) -> frozenset[str]:
        """Return the ids of the Slack users who hold one of *roles*, user groups opened. Raises: UnreachableError."""
