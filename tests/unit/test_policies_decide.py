"""Who may ask for what, and whose approval it needs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.catalog import CATALOG
from commands.spec import Risk
from policies.approvals import Actor, Refusal
from policies.decide import (
    Allow,
    BlastRadius,
    Decision,
    Deny,
    NeedsApproval,
    PolicyRequest,
    decide,
    decide_on,
    is_denied_anyhow,
)
from policies.loader import default_text, load
from policies.policy import ROLES, Policy

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
DEFAULT = load(default_text())
PERMISSIVE = "- {name: rest, effect: allow}"


def _ask(
    command: str,
    *roles: str,
    policy: Policy = DEFAULT,
    risk: Risk | None = None,
    subject: str = "acme",
    channel: str | None = "C1",
) -> Decision:
    request = PolicyRequest(
        command=command,
        risk=risk or CATALOG[command].risk,
        subject=subject,
        actor=Actor(id="U0ANA", name="ana", roles=frozenset(roles)),
        channel=channel,
        now=NOW,
    )
    return decide(policy, request)


def _rules(*rules: str) -> Policy:
    return load("rules:\n" + "\n".join(rules))


def _risky(risk: Risk) -> str:
    """Return a command's name for the risk: none of today's commands destroys."""
    return "tenant delete" if risk is Risk.DESTROY else "tenant create"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("command", [name for name, spec in CATALOG.items() if spec.risk is Risk.READ])
def test_everybody_with_a_role_may_look(command: str, role: str) -> None:
    assert isinstance(_ask(command, role), Allow)


@pytest.mark.parametrize("role", ["operator", "admin"])
@pytest.mark.parametrize(
    ("risk", "count", "hours"),
    [(Risk.CHANGE, 1, 24), (Risk.DESTROY, 2, 4)],
)
def test_changes_need_one_approver_and_destruction_two(role: str, risk: Risk, count: int, hours: int) -> None:
    """Admins too: nobody changes anything alone."""
    found = _ask(_risky(risk), role, risk=risk)
    assert isinstance(found, NeedsApproval)
    assert found.approval.rule == found.rule
    assert found.approval.count == count
    assert found.approval.approver_roles == {"approver", "admin"}
    assert found.approval.expires_at == NOW + timedelta(hours=hours)
    assert not found.approval.reason_required


@pytest.mark.parametrize("role", ["operator", "admin"])
@pytest.mark.parametrize("command", ["job cancel", "job leave", "job retry", "job rollback"])
def test_jobs_that_were_approved_are_handled_without_another_vote(command: str, role: str) -> None:
    assert isinstance(_ask(command, role), Allow)


@given(
    command=st.sampled_from(sorted(CATALOG)) | st.text(max_size=20),
    risk=st.sampled_from(Risk),
    subject=st.text(max_size=20),
    channel=st.none() | st.text(max_size=12),
)
def test_without_a_role_nothing_is_allowed(command: str, risk: Risk, subject: str, channel: str | None) -> None:
    """Whatever the command, known or not; and the answer says which role would do."""
    found = _ask(command, risk=risk, subject=subject, channel=channel)
    assert isinstance(found, Deny)
    assert "and you have no role" in found.reason
    assert found.next_action.startswith("ask somebody with the role ")


@given(
    st.sets(st.sampled_from(ROLES)),
    st.sampled_from(Risk),
    st.sampled_from(sorted({*CATALOG} - {"job review", "approval delegate", "approval recall"})),
)
def test_only_operators_and_admins_change_anything(roles: set[str], risk: Risk, command: str) -> None:
    """Reading needs any role; the rest needs one of these two, whatever else somebody is."""
    allowed = not isinstance(_ask(command, *roles, risk=risk), Deny)
    reads = risk is Risk.READ and bool(roles)
    assert allowed == (reads or bool(roles & {"operator", "admin"}))


@pytest.mark.parametrize("roles", [(), ("viewer",), ("approver",), ("approver", "viewer")])
def test_who_may_not_is_told_which_role_would_do(roles: Sequence[str]) -> None:
    found = _ask("tenant create", *roles)
    assert isinstance(found, Deny)
    have = ", ".join(sorted(roles)) or "no role"
    assert found.reason == f"tenant create needs the role operator or admin, and you have {have}"
    assert found.next_action == "ask somebody with the role operator or admin to run it, or an admin for that role"


def test_a_role_that_would_not_do_is_not_named() -> None:
    """A rule that would deny it with the role, or one of another channel, leads nobody anywhere."""
    policy = _rules(
        "- {name: no, roles: [operator], effect: deny, reason: operators are on leave}",
        "- {name: yes, roles: [operator, admin], effect: allow}",
        "- {name: there, roles: [approver], channels: [C2], effect: allow}",
    )
    found = _ask("tenant create", "viewer", policy=policy)
    assert isinstance(found, Deny)
    assert "needs the role admin," in found.reason


def test_where_no_role_would_do_an_admin_is_to_look() -> None:
    policy = _rules("- {name: elsewhere, channels: [C2], effect: allow}")
    found = _ask("tenant create", "admin", policy=policy)
    assert isinstance(found, Deny)
    assert found.reason == "no rule of the policy allows tenant create here, and you have admin"
    assert found.next_action.startswith("ask an admin to look at the policy")


def test_the_first_rule_that_matches_decides() -> None:
    """A freeze above an allow stops it; below, it never speaks."""
    freeze = '- {name: freeze, subjects: ["prod-*"], effect: deny, reason: "frozen until Monday: ask #platform"}'
    frozen = _ask("tenant create", policy=_rules(freeze, PERMISSIVE), subject="prod-acme")
    assert isinstance(frozen, Deny)
    assert (frozen.rule, frozen.reason) == ("freeze", "frozen until Monday: ask #platform")
    assert "rule freeze" in frozen.next_action
    assert _ask("tenant create", policy=_rules(PERMISSIVE, freeze), subject="prod-acme") == Allow(rule="rest")


@pytest.mark.parametrize(
    ("condition", "matching", "other"),
    [
        ("commands: [tenant create]", {"command": "tenant create"}, {"command": "jobs"}),
        ('commands: ["job *"]', {"command": "job retry"}, {"command": "jobs"}),
        ("risks: [change]", {"risk": Risk.CHANGE}, {"risk": Risk.DESTROY}),
        ("roles: [admin, operator]", {"roles": ("viewer", "admin")}, {"roles": ("viewer",)}),
        ("channels: [C1, C3]", {"channel": "C3"}, {"channel": "C2"}),
        ("channels: [C1]", {"channel": "C1"}, {"channel": None}),
        ('subjects: [acme, "prod-*"]', {"subject": "prod-7"}, {"subject": "preprod-7"}),
        ("subjects: [acme]", {"subject": "acme"}, {"subject": ""}),
        ("subjects: [acme]", {"subject": "acme"}, {"subject": "acme2"}),
        ("roles: [admin], subjects: [acme]", {"roles": ("admin",)}, {"roles": ("admin",), "subject": "other"}),
    ],
)
def test_each_condition_holds_or_not(condition: str, matching: dict[str, object], other: dict[str, object]) -> None:
    """All conditions of a rule must hold; one that is left out holds always."""
    policy = _rules(f"- {{name: r, {condition}, effect: allow}}")

    def ask(
        command: str = "tenant create",
        risk: Risk | None = None,
        roles: Sequence[str] = (),
        subject: str = "acme",
        channel: str | None = "C1",
    ) -> Decision:
        return _ask(command, *roles, policy=policy, risk=risk, subject=subject, channel=channel)

    assert ask(**matching) == Allow(rule="r")  # type: ignore[arg-type]  # the table's rows differ in their keys
    assert isinstance(ask(**other), Deny)  # type: ignore[arg-type]


def test_an_approval_is_what_the_rule_asks() -> None:
    policy = _rules(
        "- {name: r, effect: approve, approvals: {roles: [admin], count: 3, expires_after_h: 0.5,"
        " reason_required: true}}"
    )
    found = _ask("tenant create", policy=policy)
    assert isinstance(found, NeedsApproval)
    assert found.approval.model_dump(exclude_defaults=True) == {
        "rule": "r",
        "approver_roles": frozenset({"admin"}),
        "count": 3,
        "expires_at": NOW + timedelta(minutes=30),
        "reason_required": True,
    }


def _request(**fields: object) -> PolicyRequest:
    known: dict[str, object] = {
        "command": "tenant create",
        "risk": Risk.CHANGE,
        "subject": "acme",
        "actor": Actor(id="U0ANA", name="ana", roles=frozenset({"operator"})),
        "channel": "C1",
        "now": NOW,
    }
    return PolicyRequest(**(known | fields))  # type: ignore[arg-type]  # the tests' fields differ


RADIUS = _rules(
    "- {name: wipes, destroys_over: 2, effect: deny, reason: too much}",
    "- {name: big, gpus_over: 8, effect: approve, approvals: {count: 2}}",
    "- {name: long, changes_over: 10, effect: approve, approvals: {count: 3}}",
    "- {name: rest, effect: allow}",
)


@pytest.mark.parametrize(
    ("radius", "rule"),
    [
        (BlastRadius(), "rest"),
        (BlastRadius(destroys=2, changes=10, gpus=8), "rest"),
        (BlastRadius(destroys=3), "wipes"),
        (BlastRadius(gpus=8.5), "big"),
        (BlastRadius(changes=11), "long"),
        (BlastRadius(destroys=3, changes=11, gpus=9), "wipes"),
    ],
)
def test_a_rule_looks_at_how_much_is_planned(radius: BlastRadius, rule: str) -> None:
    """More than the limit, not the limit itself."""
    assert decide(RADIUS, _request(blast=radius)).rule == rule


def test_before_planning_only_what_is_denied_anyhow_is_denied() -> None:
    """A rule that waits for the plan neither denies nor allows yet; and decide does not guess."""
    unplanned = _request(blast=BlastRadius.before_planning(1))
    assert is_denied_anyhow(RADIUS, unplanned) is None
    with pytest.raises(ValueError, match="not planned yet"):
        decide(RADIUS, unplanned)
    opened = _rules("- {name: small, changes_over: 5, effect: allow}", "- {name: no, effect: deny, reason: never}")
    assert is_denied_anyhow(opened, unplanned) is None
    closed = _rules(
        "- {name: much, destroys_over: 5, effect: deny, reason: a}", "- {name: no, effect: deny, reason: b}"
    )
    denied = is_denied_anyhow(closed, unplanned)
    assert denied is not None
    assert denied.rule == "no"


@given(
    destroys=st.integers(0, 4),
    changes=st.integers(0, 12),
    gpus=st.integers(0, 10),
    roles=st.sets(st.sampled_from(ROLES)),
)
def test_what_is_denied_anyhow_is_denied_whatever_the_plan(
    destroys: int, changes: int, gpus: int, roles: set[str]
) -> None:
    for policy in (RADIUS, DEFAULT):
        actor = Actor(id="U0ANA", name="ana", roles=frozenset(roles))
        early = is_denied_anyhow(policy, _request(actor=actor, blast=BlastRadius.before_planning(gpus)))
        late = decide(policy, _request(actor=actor, blast=BlastRadius(destroys=destroys, changes=changes, gpus=gpus)))
        assert early is None or isinstance(late, Deny)


GLASS = _rules(
    '- {name: freeze, subjects: ["prod-*"], effect: deny, reason: frozen, break_glass: [admin]}',
    "- {name: two, commands: [tenant create], effect: approve, break_glass: [admin, operator],"
    " approvals: {roles: [approver], also: [{roles: [admin]}]}}",
    "- {name: free, effect: allow}",
)


def test_the_glass_is_broken_where_the_rule_lets_them_and_with_a_reason() -> None:
    """Against an approval, or against a freeze; whoever could have approved is to be told."""
    found = decide(GLASS, _request(break_glass=True, reason="outage"))
    assert found == Allow(rule="two", told=frozenset({"approver", "admin"}))
    assert isinstance(found, Allow)
    assert found.broke_glass
    admin = Actor(id="U0ADA", name="ada", roles=frozenset({"admin"}))
    assert isinstance(decide(GLASS, _request(actor=admin, subject="prod-a", break_glass=True, reason="x")), Allow)


@pytest.mark.parametrize(
    ("fields", "reason", "next_action"),
    [
        ({"reason": "", "break_glass": True}, "needs a reason", "--reason"),
        ({"reason": "  ", "break_glass": True}, "needs a reason", "--reason"),
        ({"reason": "x", "break_glass": True, "subject": "prod-a"}, "admin may break the glass", "frozen"),
        ({"reason": "x", "break_glass": True, "command": "jobs"}, "no glass to break", "without --break-glass"),
    ],
)
def test_else_the_glass_stays_whole(fields: dict[str, object], reason: str, next_action: str) -> None:
    found = decide(GLASS, _request(**fields))
    assert isinstance(found, Deny)
    assert reason in found.reason
    assert next_action in found.next_action


def test_who_may_break_the_glass_is_told_so_by_the_denial() -> None:
    admin = Actor(id="U0ADA", name="ada", roles=frozenset({"admin"}))
    found = decide(GLASS, _request(actor=admin, subject="prod-a"))
    assert isinstance(found, Deny)
    assert "--break-glass" in found.next_action
    assert "--break-glass" not in getattr(decide(GLASS, _request(subject="prod-a")), "next_action", "")


def test_a_rule_may_ask_the_requester_why() -> None:
    policy = _rules("- {name: why, effect: allow, say_why: true}")
    found = decide(policy, _request())
    assert isinstance(found, Deny)
    assert "--reason" in found.next_action
    assert decide(policy, _request(reason="capacity")) == Allow(rule="why")


def test_a_group_is_a_role() -> None:
    """In conditions and in approvals; a name that is no group is a mistake with its line."""
    policy = load(
        "groups: {sre: [U0SRE, S0SRE, 'os:root']}\nrules:\n"
        "- {name: r, roles: [sre], effect: approve, approvals: {roles: [sre], count: 2}}\n"
    )
    assert isinstance(decide(policy, _request(actor=Actor(id="U", name="u", roles=frozenset({"sre"})))), NeedsApproval)
    assert isinstance(decide(policy, _request()), Deny)


PROD = '- {name: prod, commands: [tenant create], subjects: ["prod-*"], effect: approve, approvals: {roles: [admin]}}'
FILES = (
    "- {name: files, commands: [tenant apply], effect: approve, approvals: {roles: [approver], reason_required: true}}"
)


def _batch(policy: Policy, *subjects: str) -> Decision | Refusal:
    return decide_on(policy, replace(_request(), command="tenant apply"), subjects)


def test_a_batch_needs_the_approvals_of_the_command_for_one_too() -> None:
    """A file is no way around the rule for `tenant create`; both rules are named, different people approve."""
    found = _batch(_rules(PROD, FILES, PERMISSIVE), "prod-x")
    assert isinstance(found, NeedsApproval)
    assert (found.rule, found.approval.asks) == ("files and prod", "1 with approver, and 1 with admin")
    assert found.approval.reason_required
    assert found.approval.needed == 2


def test_a_batch_that_may_go_at_once_waits_for_what_one_of_it_needs() -> None:
    found = _batch(_rules(PROD, PERMISSIVE), "prod-x")
    assert isinstance(found, NeedsApproval)
    assert found.rule == "prod"


def test_one_rule_for_both_asks_once() -> None:
    """As the policy that ships does."""
    found = _batch(_rules("- {name: changes, effect: approve, approvals: {roles: [approver]}}"), "acme", "globex")
    assert isinstance(found, NeedsApproval)
    assert (found.rule, found.approval.needed) == ("changes", 1)


GLASS_OF_ADMINS = "effect: approve, break_glass: [operator], approvals: {roles: [admin]}"


@pytest.mark.parametrize("guarded", ["tenant apply", "tenant create"])
def test_the_glass_of_a_batch_is_broken_where_it_stands(guarded: str) -> None:
    """In front of the file or of one of its tenants; what needs nobody's approval has no glass, and stops nobody."""
    policy = _rules(f"- {{name: guarded, commands: [{guarded}], {GLASS_OF_ADMINS}}}", PERMISSIVE)
    request = replace(_request(), command="tenant apply", reason="it burns", break_glass=True)
    found = decide_on(policy, request, ["acme"])
    assert isinstance(found, Allow)
    assert (found.rule, found.told) == ("guarded", frozenset({"admin"}))
    assert isinstance(decide_on(_rules(PERMISSIVE), request, ["acme"]), Deny)
    only_one = _rules(f"- {{name: one, commands: [tenant create], {GLASS_OF_ADMINS}}}")
    assert isinstance(decide_on(only_one, request, ["acme"]), Deny), "no rule speaks of files"


def test_both_glasses_are_broken_by_who_may_break_both() -> None:
    files = f"- {{name: files, commands: [tenant apply], {GLASS_OF_ADMINS}}}"
    one = (
        "- {name: one, commands: [tenant create], effect: approve, approvals: {roles: [approver]}, break_glass: [ROLE]}"
    )
    request = replace(_request(), command="tenant apply", reason="it burns", break_glass=True)
    found = decide_on(_rules(files, one.replace("ROLE", "operator")), request, ["acme"])
    assert isinstance(found, Allow)
    assert found.told == {"admin", "approver"}
    denied = decide_on(_rules(files, one.replace("ROLE", "admin")), request, ["acme"])
    assert isinstance(denied, Deny)
    assert denied.rule == "one"


def test_tenants_that_need_different_approvals_are_not_in_one_batch() -> None:
    found = _batch(_rules(PROD, FILES, PERMISSIVE), "prod-x", "acme")
    assert isinstance(found, Refusal)
    assert found.next_action == "ask for them one by one, or in separate files"


FROZEN = '- {name: freeze, commands: [tenant create], subjects: ["prod-*"], effect: deny, reason: frozen}'


def test_a_denial_of_one_of_a_batch_is_one_of_all() -> None:
    """And says of which, where there are several; the freeze of `tenant create` holds for a file, too."""
    policy = _rules(FROZEN, PERMISSIVE)
    many, one = _batch(policy, "acme", "prod-x"), _batch(policy, "prod-x")
    assert isinstance(many, Deny)
    assert isinstance(one, Deny)
    assert (many.rule, many.reason, one.reason) == ("freeze", "prod-x: frozen", "frozen")


def test_that_no_rule_speaks_of_the_command_for_one_denies_no_batch() -> None:
    """The policy is asked about the batch; where it denies that itself, the batch is denied."""
    files = _rules("- {name: files, commands: [tenant apply], effect: allow}")
    assert _batch(files, "acme", "globex") == Allow(rule="files")
    alone = _rules("- {name: alone, commands: [tenant create], effect: allow}")
    assert isinstance(_batch(alone, "acme"), Deny)


def test_what_is_no_batch_asks_for_itself_alone() -> None:
    """Another command on the same tenant has nothing to do with creating it."""
    found = decide_on(_rules(FROZEN, PERMISSIVE), replace(_request(), command="tenant drift"), ["prod-x"])
    assert found == Allow(rule="rest")


@pytest.mark.parametrize(("prod", "files"), [(2, 24), (24, 2)])
@pytest.mark.parametrize("asks", [True, False])
def test_approvals_of_two_rules_end_with_the_earlier_and_ask_what_either_asks(
    *, prod: int, files: int, asks: bool
) -> None:
    rule = "- {{name: {0}, commands: [{1}], effect: approve, approvals: {{roles: [admin], {2}: {3}, {4}: {5}}}}}"
    hours, why = "expires_after_h", "reason_required"
    policy = _rules(
        rule.format("prod", "tenant create", hours, prod, why, str(asks).lower()),
        rule.format("files", "tenant apply", hours, files, why, str(not asks).lower()),
    )
    found = _batch(policy, "acme")
    assert isinstance(found, NeedsApproval)
    assert found.approval.expires_at == NOW + timedelta(hours=2)
    assert found.approval.reason_required


def test_reminders_count_from_the_request() -> None:
    """Those that the rule wants, and no others."""
    rule = "- {name: slow, effect: approve, approvals: {expires_after_h: 24, remind_after_h: 2, escalate_after_h: 5, "
    found = decide(_rules(rule + "escalate_to: [U0BOSS]}}"), _request())
    assert isinstance(found, NeedsApproval)
    asked = found.approval
    assert (asked.remind_at, asked.escalate_at) == (NOW + timedelta(hours=2), NOW + timedelta(hours=5))
    assert asked.escalate_to == ("U0BOSS",)
    plain = decide(_rules("- {name: slow, effect: approve}"), _request())
    assert isinstance(plain, NeedsApproval)
    assert (plain.approval.remind_at, plain.approval.escalate_at) == (None, None)


def test_blanks_say_nobody_why() -> None:
    found = decide(_rules("- {name: why, effect: allow, say_why: true}"), _request(reason=" \t"))
    assert isinstance(found, Deny)
    assert found.reason == "the rule why asks why tenant create is wanted"


def test_whoever_could_have_approved_is_told_and_nobody_else() -> None:
    """The rule's own roles, not those that a rule has by default."""
    glass = "- {name: two, effect: approve, break_glass: [operator], approvals: {roles: [admin]}}"
    found = decide(_rules(glass), _request(break_glass=True, reason="outage"))
    assert found == Allow(rule="two", told=frozenset({"admin"}))


def test_glass_that_nobody_or_others_may_break_is_told_as_such() -> None:
    """Where the rule asks for approval, the way on is to ask for it; where it denies, there is none but its reason."""
    nobody = decide(_rules("- {name: two, effect: approve}"), _request(break_glass=True, reason="outage"))
    assert isinstance(nobody, Deny)
    assert "by the rule two, nobody may break the glass here" in nobody.reason
    assert nobody.next_action == "run it without --break-glass"
    frozen = decide(_rules("- {name: ice, effect: deny, reason: till May}"), _request(break_glass=True, reason="x"))
    assert isinstance(frozen, Deny)
    assert frozen.next_action == "till May"
