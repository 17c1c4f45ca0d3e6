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

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from commands.arguments import OFF_SLACK, OFF_SLACK_ID
from commands.catalog import CATALOG
from commands.spec import Risk
from policies.windows import Window

ROLES = ("viewer", "operator", "approver", "admin")
MOST_RULES = 500
MOST_GROUPS = 50

_CHANNEL = re.compile(r"[CDG][A-Z0-9]{1,30}")
_PERSON = re.compile(rf"[USW][A-Z0-9]{{1,30}}|{OFF_SLACK_ID}", re.ASCII)
_GROUP = re.compile(r"[a-z][a-z0-9-]{0,39}")
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


def _person(value: str) -> str:
    if not _PERSON.fullmatch(value):
        raise ValueError(
            f"{value[:60]!r} is nobody's id: write a user's (U0123456789), a user group's (S0123456789), os:NAME or"
            " oidc:ISSUER:SUBJECT"
        )
    return value


def _group(value: str) -> str:
    if value in ROLES:
        raise ValueError(f"{value!r} is a role already, which the setting ROLES gives: choose another name")
    if not _GROUP.fullmatch(value):
        raise ValueError(f"{value[:60]!r} is no group's name: use lower-case letters, digits and dashes, as in sre")
    return value


def _role(value: str, info: ValidationInfo) -> str:
    """A role, or a group of the policy, whose names the loader hands over."""
    known = (*ROLES, *sorted((info.context or {}).get("groups", ())))
    if value not in known:
        said = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
        raise ValueError(f"{value[:60]!r} is wrong here: write {said} (other groups are named under groups)")
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
_Person = Annotated[str, AfterValidator(_person)]
_Pattern = Annotated[str, Field(min_length=1, max_length=100)]
_Over = Annotated[int, Field(ge=0, le=10_000)]
_Ratio = Annotated[float, Field(ge=0, le=1000)]
_Hours = Annotated[float, Field(gt=0, le=24 * 30, allow_inf_nan=False)]
Role = Annotated[str, AfterValidator(_role)]  # a role, or the name of a group


class MorePeople(BaseModel):
    """So many more people, who hold one of these roles and are none of the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: frozenset[Role] = Field(min_length=1)
    count: int = Field(default=1, ge=1, le=10)


class Approvals(BaseModel):
    """How many different people of which roles must approve, for how long the ask stands, who is reminded when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: frozenset[Role] = Field(default=frozenset({"approver", "admin"}), min_length=1)
    count: int = Field(default=1, ge=1, le=10)
    also: tuple[MorePeople, ...] = Field(default=(), max_length=5)
    expires_after_h: _Hours = 24
    reason_required: bool = False  # of everybody who votes
    remind_after_h: _Hours | None = None  # a word in the job's thread
    escalate_after_h: _Hours | None = None  # a mention of escalate_to
    escalate_to: tuple[_Person, ...] = Field(default=(), max_length=10)

    @model_validator(mode="after")
    def _comes_before_the_end(self) -> Self:
        for name in ("remind_after_h", "escalate_after_h"):
            after_h = getattr(self, name)
            if after_h is not None and after_h >= self.expires_after_h:
                raise ValueError(f"{name} must come before expires_after_h, which is {self.expires_after_h:g}")
        if (self.escalate_after_h is None) != (not self.escalate_to):
            raise ValueError("escalate_after_h and escalate_to go together: after how long, and who is mentioned")
        if any(one.startswith(OFF_SLACK) for one in self.escalate_to):
            raise ValueError("escalate_to: only people and user groups of Slack can be mentioned there")
        return self


class Rule(BaseModel):
    """One rule. A condition that is left out matches everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)  # shown to people and kept in the audit trail
    commands: Annotated[tuple[_Command, ...], _NotEmpty] = ()  # names, or with a star: "tenant *"
    risks: Annotated[frozenset[Risk], _NotEmpty] = frozenset()
    roles: Annotated[frozenset[Role], _NotEmpty] = frozenset()  # the requester has one of these
    channels: Annotated[tuple[_Channel, ...], _NotEmpty] = ()  # ids; the command line is in none
    subjects: Annotated[tuple[_Pattern, ...], _NotEmpty] = ()  # tenants, or with a star: "prod-*"
    clusters: Annotated[tuple[_Pattern, ...], _NotEmpty] = ()  # the setting CLUSTER__NAME, or with a star
    times: Annotated[tuple[Window, ...], _NotEmpty] = ()  # one of these windows
    destroys_over: _Over | None = None  # the plan has more steps that destroy than this
    changes_over: _Over | None = None  # the plan has more steps with something to do than this
    gpus_over: _Over | None = None  # more GPUs than this are asked for
    overcommit_over: _Ratio | None = None  # everyone's full quota is more than this many times the GPUs there are
    lacks_room: bool | None = None  # what is asked for does not surely fit on the GPUs now
    effect: Literal["allow", "deny", "approve"]
    reason: str = Field(default="", max_length=500)  # for deny: why, and what to do next
    approvals: Approvals | None = None  # for approve
    say_why: bool = False  # the requester must give --reason
    break_glass: Annotated[frozenset[Role], _NotEmpty] = frozenset()  # who may go ahead at once, with a reason

    @model_validator(mode="after")
    def _effect_has_what_it_needs(self) -> Self:
        if self.effect == "deny" and not self.reason.strip():
            raise ValueError("a rule that denies needs a reason: people will read it")
        if self.effect != "deny" and self.reason:
            raise ValueError(f"a reason belongs to effect: deny, not to effect: {self.effect}")
        if self.effect != "approve" and self.approvals is not None:
            raise ValueError(f"approvals belong to effect: approve, not to effect: {self.effect}")
        if self.effect == "deny" and self.say_why:
            raise ValueError("say_why belongs to effect: allow or approve: what is denied needs no reason of theirs")
        if self.effect == "allow" and self.break_glass:
            raise ValueError("break_glass belongs to effect: approve or deny: what is allowed goes ahead anyhow")
        return self


def _rules(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    if not 1 <= len(rules) <= MOST_RULES:
        raise ValueError(f"{len(rules)} rules: a policy has 1 to {MOST_RULES}")
    names = Counter(rule.name for rule in rules)
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise ValueError(f"two rules are called {twice[0]!r}: names are shown to people and must differ")
    return rules


_Group = Annotated[str, AfterValidator(_group)]
_Members = Annotated[tuple[_Person, ...], _NotEmpty, Field(max_length=200)]


class Policy(BaseModel):
    """All rules, in order, and the groups that they speak of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[Literal[1], BeforeValidator(_version)] = 1
    groups: Annotated[dict[_Group, _Members], Field(max_length=MOST_GROUPS)] = {}  # name → ids
    rules: Annotated[tuple[Rule, ...], AfterValidator(_rules)]
