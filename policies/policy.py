"""The policy: rules that say who may ask for what, and whose approval it needs. Pure data.

Rules are read from top to bottom; the first that matches decides. Where none matches, the answer is no.
A mistake in a policy must not open anything: what cannot match, or would match more than it says, is refused.
"""

import re
from collections import Counter
from collections.abc import Sized
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from commands.catalog import CATALOG
from commands.spec import Risk

ROLES = ("viewer", "operator", "approver", "admin")
Role = Literal["viewer", "operator", "approver", "admin"]
MOST_RULES = 500

_CHANNEL = re.compile(r"[CDG][A-Z0-9]{1,30}")
_Some = TypeVar("_Some", bound=Sized)


def _command(pattern: str) -> str:
    if not any(fnmatchcase(name, pattern) for name in CATALOG):
        near = get_close_matches(pattern, CATALOG, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(CATALOG)}"
        raise ValueError(f"no command is called {pattern[:60]!r}: {hint}")
    return pattern


def _channel(value: str) -> str:
    if not _CHANNEL.fullmatch(value):
        raise ValueError(
            f"{value[:60]!r} is no channel id: copy the id from the end of the channel's About, as in C0123456789"
        )
    return value


def _some(values: _Some) -> _Some:
    if not len(values):
        raise ValueError("an empty list matches nothing: name something, or leave the line out to match everything")
    return values


def _version(value: Any) -> Any:
    return 1 if value == "1" else value


_NotEmpty = AfterValidator(_some)
_Command = Annotated[str, AfterValidator(_command)]
_Channel = Annotated[str, AfterValidator(_channel)]
_Subject = Annotated[str, Field(min_length=1, max_length=100)]


class Approvals(BaseModel):
    """How many different people of which roles must approve, and for how long the ask stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: frozenset[Role] = Field(default=frozenset({"approver", "admin"}), min_length=1)
    count: int = Field(default=1, ge=1, le=10)
    expires_after_h: float = Field(default=24, gt=0, le=24 * 30, allow_inf_nan=False)
    reason_required: bool = False  # of everybody who votes


class Rule(BaseModel):
    """One rule. A condition that is left out matches everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)  # shown to people and kept in the audit trail
    commands: Annotated[tuple[_Command, ...], _NotEmpty] = ()  # names, or with a star: "tenant *"
    risks: Annotated[frozenset[Risk], _NotEmpty] = frozenset()
    roles: Annotated[frozenset[Role], _NotEmpty] = frozenset()  # the requester has one of these
    channels: Annotated[tuple[_Channel, ...], _NotEmpty] = ()  # ids; the command line is in none
    subjects: Annotated[tuple[_Subject, ...], _NotEmpty] = ()  # tenants, or with a star: "prod-*"
    effect: Literal["allow", "deny", "approve"]
    reason: str = Field(default="", max_length=500)  # for deny: why, and what to do next
    approvals: Approvals | None = None  # for approve

    @model_validator(mode="after")
    def _effect_has_what_it_needs(self) -> Self:
        if self.effect == "deny" and not self.reason.strip():
            raise ValueError("a rule that denies needs a reason: people will read it")
        if self.effect != "deny" and self.reason:
            raise ValueError(f"a reason belongs to effect: deny, not to effect: {self.effect}")
        if self.effect != "approve" and self.approvals is not None:
            raise ValueError(f"approvals belong to effect: approve, not to effect: {self.effect}")
        return self


def _rules(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    if not 1 <= len(rules) <= MOST_RULES:
        raise ValueError(f"{len(rules)} rules: a policy has 1 to {MOST_RULES}")
    names = Counter(rule.name for rule in rules)
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise ValueError(f"two rules are called {twice[0]!r}: names are shown to people and must differ")
    return rules


class Policy(BaseModel):
    """All rules, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[Literal[1], BeforeValidator(_version)] = 1
    rules: Annotated[tuple[Rule, ...], AfterValidator(_rules)]
