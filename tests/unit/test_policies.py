"""Policies: who may do what, whose approval it needs, and how votes count."""

from datetime import UTC, datetime, timedelta

import pytest

from commands.catalog import CATALOG, Risk
from policies.approvals import Actor, Approval, Refusal, Standing, Vote, refusal_to_vote, standing
from policies.decide import Allow, Decision, Deny, NeedsApproval, PolicyRequest, decide
from policies.loader import PolicyError, default_text, load

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
DEFAULT = load(default_text())


def _actor(name: str, *roles: str) -> Actor:
    return Actor(id=f"U{name.upper()}", name=name, roles=frozenset(roles))


def _decide(command: str, *roles: str, text: str | None = None, subject: str = "acme", channel: str = "C1") -> Decision:
    policy = DEFAULT if text is None else load(text)
    risk = CATALOG[command].risk if command in CATALOG else Risk.DESTROY
    request = PolicyRequest(
        command=command, risk=risk, subject=subject, actor=_actor("ana", *roles), channel=channel, now=NOW
    )
    return decide(policy, request)


@pytest.mark.parametrize("role", ["viewer", "operator", "approver", "admin"])
def test_everybody_with_a_role_may_look(role: str) -> None:
    assert isinstance(_decide("jobs", role), Allow)


def test_changes_need_one_approver_for_a_day() -> None:
    """The default: one approver or admin, within 24 hours."""
    found = _decide("tenant create", "operator")
    assert isinstance(found, NeedsApproval)
    assert found.approval.count == 1
    assert found.approval.approver_roles == {"approver", "admin"}
    assert found.approval.expires_at == NOW + timedelta(hours=24)


def test_destruction_needs_two() -> None:
    found = _decide("tenant delete", "admin")
    assert isinstance(found, NeedsApproval)
    assert found.approval.count == 2


@pytest.mark.parametrize("roles", [(), ("viewer",), ("approver",)])
def test_who_may_not_is_told_which_role_would_do(roles: tuple[str, ...]) -> None:
    found = _decide("tenant create", *roles)
    assert isinstance(found, Deny)
    assert "needs the role admin or operator" in found.reason
    assert "ask somebody" in found.next_action


def test_the_first_rule_that_matches_decides() -> None:
    """A freeze above an allow stops it; other subjects and channels go on."""
    text = """
rules:
- {name: freeze, subjects: ["prod-*"], channels: [C1], effect: deny, reason: "frozen until Monday: ask #platform"}
- {name: rest, effect: allow}
"""
    frozen = _decide("tenant create", text=text, subject="prod-acme")
    assert isinstance(frozen, Deny)
    assert (frozen.rule, frozen.reason) == ("freeze", "frozen until Monday: ask #platform")
    assert isinstance(_decide("tenant create", text=text, subject="acme"), Allow)
    assert isinstance(_decide("tenant create", text=text, subject="prod-acme", channel="C2"), Allow)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the whole file"),
        ("rules: []", "rules: tuple should have at least 1 item"),
        ("rules:\n- name: a\n  effect: allow\n  risks: [wild]\n", "line 4: rules[0].risks[0]"),
        ("rules:\n- name: a\n  effect: deny\n", "line 2: rules[0]: a rule that denies needs a reason"),
        ("rules:\n- {name: a, effect: allow}\n- {name: a, effect: allow}\n", "two rules are called 'a'"),
        ("rules:\n- name: a\n  effect: allow\n  colour: red\n", "line 4: rules[0].colour: extra inputs"),
        ("rules:\n- name: a\n  effect: allow\n  approvals: {count: 2}\n", "approvals belong to effect: approve"),
        ("a: &a [1]\nb: *a\n", "aliases (*name) are refused"),
        ("rules: [" * 400, "not YAML"),
        ("x" * 300_000, "at most 262144"),
        ("rules: !!python/object/apply:os.system [id]", "not YAML"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(text)
    assert said in str(caught.value)


APPROVAL = Approval(
    rule="r",
    approver_roles=frozenset({"approver"}),
    count=2,
    expires_at=NOW + timedelta(hours=1),
    reason_required=False,
)
ASKER = _actor("ana", "operator", "approver")


def _vote(name: str, *, approve: bool = True) -> Vote:
    return Vote(actor=_actor(name, "approver"), approve=approve, at=NOW, digest="d")


def _refusal(
    voter: Actor,
    *,
    votes: tuple[Vote, ...] = (),
    approval: Approval = APPROVAL,
    seen: str = "d",
    now: datetime = NOW,
    reason: str = "",
    approve: bool = True,
) -> Refusal | None:
    return refusal_to_vote(
        approval=approval,
        requester=ASKER,
        votes=votes,
        voter=voter,
        plan_digest="d",
        seen_digest=seen,
        approve=approve,
        reason=reason,
        now=now,
    )


def test_an_approver_may_vote_once() -> None:
    ben = _actor("ben", "approver")
    assert _refusal(ben) is None
    again = _refusal(ben, votes=(_vote("ben"),))
    assert again is not None
    assert again.reason == "you have voted already"


@pytest.mark.parametrize("approve", [True, False])
def test_nobody_decides_on_their_own_request(approve: bool) -> None:
    """Not even with the approver's role."""
    refused = _refusal(ASKER, approve=approve)
    assert refused is not None
    assert refused.reason == "this is your own request"


def test_rights_expiry_digest_and_reason_are_checked_at_the_click() -> None:
    ben = _actor("ben", "approver")
    strict = APPROVAL.model_copy(update={"reason_required": True})
    said = [
        _refusal(_actor("cleo", "viewer")),
        _refusal(ben, now=NOW + timedelta(hours=1)),
        _refusal(ben, seen="other"),
        _refusal(ben, approval=strict, reason="  "),
    ]
    assert [refused.reason if refused else None for refused in said] == [
        "deciding on this needs the role approver, and you have viewer",
        "this request has expired",
        "the plan is no longer the one that you saw",
        "this rule asks for a reason",
    ]
    assert _refusal(ben, approval=strict, reason="quarter-end capacity") is None


def test_enough_different_people_approve_and_one_deny_denies() -> None:
    assert standing(APPROVAL, ()) is Standing.PENDING
    assert standing(APPROVAL, (_vote("ben"), _vote("ben"))) is Standing.PENDING
    assert standing(APPROVAL, (_vote("ben"), _vote("cleo"))) is Standing.APPROVED
    assert standing(APPROVAL, (_vote("ben"), _vote("cleo", approve=False))) is Standing.DENIED
