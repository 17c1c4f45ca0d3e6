"""Who may ask for what, and whose approval it needs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.catalog import CATALOG
from commands.spec import Risk
from policies.approvals import Actor
from policies.decide import Allow, Decision, Deny, NeedsApproval, PolicyRequest, decide
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


@given(st.sets(st.sampled_from(ROLES)), st.sampled_from(Risk), st.sampled_from(sorted(CATALOG)))
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
    assert found.next_action == "ask an admin to look at the policy"


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
    assert found.approval.model_dump() == {
        "rule": "r",
        "approver_roles": frozenset({"admin"}),
        "count": 3,
        "expires_at": NOW + timedelta(minutes=30),
        "reason_required": True,
    }
