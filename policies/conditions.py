"""What a rule asks of a request, one check for each condition that it states. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from commands.spec import Risk
from policies.approvals import Actor
from policies.policy import Rule

_YES_NO = {True: "yes", False: "no"}


@dataclass(frozen=True, kw_only=True)
class BlastRadius:
    """How much a plan does: its steps that destroy, its steps with something to do, the GPUs asked for.

    ``overcommit`` is everyone's full quota over the GPUs there are, ``lacks_room`` whether what is asked for does
    not surely fit now. None: not known before planning. Rules that ask for it then match perhaps.
    """

    destroys: int | None = 0
    changes: int | None = 0
    gpus: float = 0.0
    overcommit: float | None = 0.0
    lacks_room: bool | None = False

    @property
    def is_planned(self) -> bool:
        return self.destroys is not None and self.changes is not None

    @classmethod
    def before_planning(cls, gpus: float) -> "BlastRadius":
        return cls(destroys=None, changes=None, gpus=gpus, overcommit=None, lacks_room=None)


@dataclass(frozen=True, kw_only=True)
class PolicyRequest:
    """What is asked, by whom, where and when.

    ``reason`` is the requester's own, and ``break_glass`` whether they would go ahead without approval.
    """

    command: str  # "tenant create"
    risk: Risk
    subject: str  # the tenant; "" where there is none
    actor: Actor
    channel: str | None
    now: datetime  # aware, UTC
    cluster: str = ""
    blast: BlastRadius = BlastRadius()
    reason: str = ""
    break_glass: bool = False


@dataclass(frozen=True, kw_only=True)
class Check:
    """One condition of a rule, and whether it holds: None where that is not known before planning."""

    condition: str  # the field's name in the policy
    wanted: str
    found: str
    holds: bool | None


def checks(rule: Rule, request: PolicyRequest) -> tuple[Check, ...]:
    """Return a check for each condition that *rule* states."""
    return tuple(_checks(rule, request))


def matches(rule: Rule, request: PolicyRequest) -> bool | None:
    """Return whether all conditions of *rule* hold; None where that depends on the plan."""
    unsure = False
    for check in _checks(rule, request):
        if check.holds is False:
            return False
        unsure = unsure or check.holds is None
    return None if unsure else True


def _checks(rule: Rule, request: PolicyRequest) -> Iterator[Check]:
    if rule.commands:
        yield _pattern("commands", rule.commands, request.command)
    if rule.risks:
        yield _any_of("risks", rule.risks, {request.risk.value})
    if rule.roles:
        yield _any_of("roles", rule.roles, request.actor.roles)
    if rule.channels:
        yield _any_of("channels", rule.channels, {request.channel} if request.channel is not None else set())
    if rule.subjects:
        yield _pattern("subjects", rule.subjects, request.subject)
    if rule.clusters:
        yield _pattern("clusters", rule.clusters, request.cluster)
    if rule.times:
        yield Check(
            condition="times",
            wanted="; ".join(map(str, rule.times)),
            found=f"{request.now:%a %Y-%m-%d %H:%M} UTC",
            holds=any(window.holds(request.now) for window in rule.times),
        )
    if rule.destroys_over is not None:
        yield _over("destroys_over", rule.destroys_over, request.blast.destroys)
    if rule.changes_over is not None:
        yield _over("changes_over", rule.changes_over, request.blast.changes)
    if rule.gpus_over is not None:
        yield _over("gpus_over", rule.gpus_over, request.blast.gpus)
    if rule.overcommit_over is not None:
        yield _over("overcommit_over", rule.overcommit_over, request.blast.overcommit)
    if rule.lacks_room is not None:
        lacks = request.blast.lacks_room
        yield Check(
            condition="lacks_room",
            wanted=_YES_NO[rule.lacks_room],
            found="not known before planning" if lacks is None else _YES_NO[lacks],
            holds=None if lacks is None else lacks is rule.lacks_room,
        )


def _pattern(condition: str, patterns: Iterable[str], found: str) -> Check:
    holds = any(fnmatchcase(found, pattern) for pattern in patterns)
    return Check(condition=condition, wanted=", ".join(patterns), found=found or "none", holds=holds)


def _any_of(condition: str, wanted: Iterable[str], found: Iterable[str]) -> Check:
    return Check(
        condition=condition,
        wanted=", ".join(sorted(wanted)),
        found=", ".join(sorted(found)) or "none",
        holds=bool(set(wanted) & set(found)),
    )


def _over(condition: str, limit: float, found: float | None) -> Check:
    return Check(
        condition=condition,
        wanted=f"more than {limit:g}",
        found="not known before planning" if found is None else f"{found:g}",
        holds=None if found is None else found > limit,
    )
