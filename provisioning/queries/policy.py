"""`policy explain` and `policy show`: what the policy decides and why, and which policy that is."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from pydantic import JsonValue

from commands.policy import PolicyExplain, PolicyShow
from policies.approvals import Refusal
from policies.explain import Explanation, approver_roles, explain, holders_of, request_for
from policies.loader import PolicyError, load
from policies.policy import ROLES, Policy, Rule
from provisioning.queries.base import Asked
from provisioning.reports import Cell, Facts, Lines, Part, Report, table
from provisioning.store.policy_versions import PolicyVersions
from provisioning.wording import listed

if TYPE_CHECKING:
    from provisioning.queries.sources import QuerySources

MOST_UNREAD = 10
_MATCHED = {True: "yes", False: "no", None: "perhaps"}


class ExplainPolicy:
    """Answers `policy explain`. Thread-safe."""

    command = "policy explain"

    def __init__(self, sources: "QuerySources") -> None:
        self._policy = sources.policy
        self._people = sources.people
        self._cluster = sources.configuration.cluster.name

    def answer(self, args: PolicyExplain, asked: Asked) -> Report | Refusal:
        """Ask the policy, plan nothing. Raises: UnreachableError where Slack cannot say who they are."""
        version = self._policy.current()
        policy = version.policy
        known = (*ROLES, *policy.groups)
        if unknown := [role for role in args.roles if role not in known]:
            return Refusal(reason=f"no role or group is called {unknown[0]}", next_action=f"name {' or '.join(known)}")
        person = args.person or asked.actor.id
        actor = asked.actor if person == asked.actor.id else self._people.actor(person)
        if args.roles:
            actor = actor.model_copy(update={"roles": frozenset(args.roles)})
        request = request_for(
            args.text,
            actor=actor,
            channel=args.channel or asked.channel,
            now=args.at or asked.now,
            cluster=self._cluster,
            destroys=args.destroys,
            changes=args.changes,
        )
        if isinstance(request, Refusal):
            return request
        explanation = explain(policy, request, lines=version.lines)
        holders = holders_of(approver_roles(explanation), self._people.holders())
        could = [one for one in holders if one != actor.id]
        return _explained(explanation, could, version.digest, str(self._policy.status().path or "the default policy"))


def _explained(found: Explanation, could: list[str], digest: str, file: str) -> Report:
    request = found.request
    who = f"{request.actor.name} ({request.actor.id})"
    roles = ", ".join(sorted(request.actor.roles)) or "no role"
    facts: list[tuple[str, Cell]] = [
        ("command", f"{request.command} ({request.risk.value})"),
        ("about", request.subject or None),
        ("asked by", f"{who}, with {roles}"),
        ("in", request.channel or "the command line"),
        ("at", request.now),
        ("cluster", request.cluster or None),
        ("GPUs asked for", request.blast.gpus),
        ("policy", f"{digest[:12]}, from {file}"),
    ]
    rows = [(look.line or None, look.rule, look.effect, _MATCHED[look.matched], look.why) for look in found.looks]
    parts: list[Part] = [
        Lines(title="Verdict", lines=(found.verdict,)),
        Facts(items=tuple(facts)),
        table("Rules that were looked at", (">Line", "Rule", "Effect", "Matches", "Why"), rows),
    ]
    if found.unread:
        named = listed(found.unread, MOST_UNREAD)
        parts.append(Lines(lines=(f"Not looked at, since the first rule that matches decides: {named}",)))
    if approver_roles(found):
        parts.append(
            Lines(title="Who could approve", lines=(", ".join(could) or "nobody: no one else has such a role",))
        )
    if len(found.outcomes) > 1:
        hint = "how much it does is known once it is planned: say it with --destroys and --changes, or use --dry-run"
        parts.append(Lines(lines=(hint,), kind="warning"))
    return Report(
        title=f"Policy: {request.command} {request.subject}".rstrip(),
        summary=found.verdict,
        parts=tuple(parts),
        data=_data(found, could, digest),
    )


def _data(found: Explanation, could: list[str], digest: str) -> JsonValue:
    looks: list[JsonValue] = [
        {
            "rule": look.rule,
            "line": look.line or None,
            "effect": look.effect,
            "matched": look.matched,
            "checks": [asdict(check) for check in look.checks],
        }
        for look in found.looks
    ]
    unread: list[JsonValue] = list(found.unread)
    roles: list[JsonValue] = [*sorted(found.request.actor.roles)]
    approvers: list[JsonValue] = list(could)
    return {
        "verdict": found.verdict,
        "policy": digest,
        "roles": roles,
        "looked_at": looks,
        "not_looked_at": unread,
        "could_approve": approvers,
    }


class ShowPolicy:
    """Answers `policy show`. Thread-safe."""

    command = "policy show"

    def __init__(self, sources: "QuerySources") -> None:
        self._policy = sources.policy
        self._versions = PolicyVersions(sources.store)

    def answer(self, args: PolicyShow, asked: Asked) -> Report | Refusal:  # noqa: ARG002 - every query is asked so
        """Show the version that counts, or an older one."""
        if args.digest is None:
            return self._current()
        stored = self._versions.find(args.digest)
        if stored is None:
            return Refusal(
                reason=f"no policy with a digest that begins with {args.digest} was ever used",
                next_action="take it from a row of the audit trail: /clearml audit",
            )
        facts: list[tuple[str, Cell]] = [("digest", stored.digest), ("first seen", stored.first_seen_at)]
        facts.append(("in use since", stored.in_use_since))
        try:
            return _shown(load(stored.text), facts, stored.digest)
        except PolicyError:  # an older version could say what this one no longer can
            lines = Lines(title="As it was written", lines=tuple(stored.text.splitlines()), kind="code")
            return Report(
                title=f"Policy {stored.digest[:12]}",
                summary=f"policy {stored.digest[:12]}, which this version of the bot can no longer read",
                parts=(Facts(items=tuple(facts)), lines),
                data={"digest": stored.digest, "text": stored.text},
            )

    def _current(self) -> Report:
        version, status = self._policy.current(), self._policy.status()
        in_use = self._versions.in_use()
        facts: list[tuple[str, Cell]] = [("digest", version.digest), ("from", str(status.path or "the default policy"))]
        if in_use is not None and in_use.digest == version.digest:
            facts.append(("in use since", in_use.in_use_since))
        problem = status.problem
        if in_use is not None and in_use.digest != version.digest:
            problem = f"the bot that ran last used another policy: {in_use.digest[:12]}"
        return _shown(version.policy, facts, version.digest, problem=problem)


def _shown(policy: Policy, facts: list[tuple[str, Cell]], digest: str, *, problem: str = "") -> Report:
    rows = [(number, rule.name, _conditions(rule), _effect(rule)) for number, rule in enumerate(policy.rules, 1)]
    groups = [(name, ", ".join(members)) for name, members in policy.groups.items()]
    parts: list[Part] = [Lines(lines=(problem,), kind="warning")] if problem else []
    parts += [
        Facts(items=tuple(facts)),
        table("Rules, the first that matches decides", (">#", "Rule", "Where", "Effect"), rows),
    ]
    if groups:
        parts.append(table("Groups", ("Group", "Members"), groups))
    return Report(
        title="Policy",
        summary=f"policy {digest[:12]}: {len(policy.rules)} rules" + (f"; {problem}" if problem else ""),
        parts=tuple(parts),
        data={"digest": digest, "problem": problem, "policy": policy.model_dump(mode="json", by_alias=True)},
    )


def _conditions(rule: Rule) -> str:
    said = [
        f"{name}: {', '.join(sorted(map(str, values)))}"
        for name in ("commands", "risks", "roles", "channels", "subjects", "clusters", "times")
        if (values := getattr(rule, name))
    ]
    said += [
        f"{name}: {limit}"
        for name in ("destroys_over", "changes_over", "gpus_over", "overcommit_over", "lacks_room")
        if (limit := getattr(rule, name)) is not None
    ]
    return "; ".join(said) or "everything"


def _effect(rule: Rule) -> str:
    words: str = rule.effect
    if rule.effect == "deny":
        words = f"deny: {rule.reason}"
    if rule.approvals is not None:
        asked = rule.approvals
        groups = [(asked.roles, asked.count), *((more.roles, more.count) for more in asked.also)]
        words += ": " + ", and ".join(f"{count} with {' or '.join(sorted(roles))}" for roles, count in groups)
        words += f" within {asked.expires_after_h:g} h"
    words += "; says why" if rule.say_why else ""
    words += f"; {' or '.join(sorted(rule.break_glass))} may break the glass" if rule.break_glass else ""
    return words
