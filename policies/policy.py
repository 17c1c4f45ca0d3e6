"""The policy: rules that say who may ask for what, and whose approval it needs. Pure data.

Rules are read from top to bottom; the first that matches decides. Where none matches, the answer is no.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from commands.catalog import Risk

ROLES = ("viewer", "operator", "approver", "admin")
Role = Literal["viewer", "operator", "approver", "admin"]


class Approvals(BaseModel):
    """How many different people of which roles must approve, and for how long the ask stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: frozenset[Role] = Field(default=frozenset({"approver", "admin"}), min_length=1)
    count: int = Field(default=1, ge=1, le=10)
    expires_after_h: float = Field(default=24, gt=0, le=24 * 30)
    reason_required: bool = False


class Rule(BaseModel):
    """One rule. A condition that is left out matches everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    commands: tuple[str, ...] = ()  # names, or a prefix with a star: "tenant *"
    risks: frozenset[Risk] = frozenset()
    roles: frozenset[Role] = frozenset()  # the requester has one of these
    channels: tuple[str, ...] = ()  # channel ids
    subjects: tuple[str, ...] = ()  # tenants, or a prefix with a star: "prod-*"
    effect: Literal["allow", "deny", "approve"]
    reason: str = Field(default="", max_length=500)  # for deny: why, and what to do next
    approvals: Approvals | None = None  # for approve

    @model_validator(mode="after")
    def _effect_has_what_it_needs(self) -> Self:
        if self.effect == "deny" and not self.reason:
            raise ValueError("a rule that denies needs a reason: people will read it")
        if self.effect != "approve" and self.approvals is not None:
            raise ValueError(f"approvals belong to effect: approve, not to effect: {self.effect}")
        return self


class Policy(BaseModel):
    """All rules, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=500)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two rules are called {min(twice)!r}: names are shown to people and must differ")
        return self
