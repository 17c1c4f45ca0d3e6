"""What the operations on the platform decide by. Pure data, gathered by provisioning.facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from commands.platform import Component
from provisioning.clients.helm_releases import Release
from provisioning.configuration import Provisioning
from provisioning.operations.chart_facts import ChartFacts
from provisioning.platform.spec import PlatformSpec


@dataclass(frozen=True, kw_only=True)
class PlatformFacts:
    """The world as far as the platform is concerned. Components that were not looked at stand in no mapping."""

    configuration: Provisioning
    spec: PlatformSpec
    charts: Mapping[Component, ChartFacts] = field(default_factory=dict)
    more_values: Mapping[Component, Mapping[str, Any]] = field(default_factory=dict)  # of the spec's values_file
    releases: Mapping[Component, Release] = field(default_factory=dict)  # those that are there
    given_values: Mapping[Component, Mapping[str, Any]] = field(default_factory=dict)  # what each release was given
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)  # by name; those that are there
    terminating: frozenset[str] = frozenset()  # namespaces
    policies: frozenset[tuple[str, str]] = frozenset()  # NetworkPolicies that are there: namespace, name
    tenants: tuple[str, ...] = ()
    agents: tuple[Release, ...] = ()  # of tenants, whoever made them

    def redis_secret(self) -> str:
        """Return what tenants' agents get Redis's password by."""
        return self.configuration.redis.password_secret or "redis.password"
