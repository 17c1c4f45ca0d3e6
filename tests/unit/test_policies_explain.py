"""Why the policy says what it says: in the order of the rules, up to the one that decides."""

import pytest

from commands.grammar import Invocation, parse
from commands.policy import PolicyExplain
from policies.approvals import Actor, Refusal
from policies.decide import Deny, NeedsApproval, decide
from policies.explain import Explanation, approver_roles, explain, holders_of, request_for
from policies.loader import default_text, load, version_of
from tests.unit.job_samples import NOW

DEFAULT = load(default_text())
OPERATOR = Actor(id="U0ANA", name="ana", roles=frozenset({"operator"}))


def _explained(text: str, rules: str = "", *, destroys: int | None = None, changes: int | None = None) -> Explanation:
    request = request_for(text, actor=OPERATOR, channel="C1", now=NOW, destroys=destroys, changes=changes)
    assert not isinstance(request, Refusal), request
    return explain(load(f"rules:\n{rules}") if rules else DEFAULT, request)


def test_each_rule_is_looked_at_until_one_decides() -> None:
    """With what it wanted and what there was; those below are named and not looked at."""
    found = _explained("tenant create acme")
    *others, last = found.looks
    assert last.rule == "changes-need-one-approver"
    assert last.matched
    assert "risks: wants change, here: change" in last.why
    assert all(look.matched is False for look in others)
    assert "risks: wants read, here: change" in others[0].why
    assert "destruction-needs-two-approvers" in found.unread
    assert found.verdict.startswith("needs approval by changes-need-one-approver: 1 with admin or approver")
    assert approver_roles(found) == {"approver", "admin"}


def test_what_depends_on_the_plan_says_so() -> None:
    """Both ways are told; with the numbers there is one."""
    rules = "- {name: big, changes_over: 5, effect: approve}\n- {name: rest, effect: allow}\n"
    unsure = _explained("tenant create acme", rules)
    assert [look.matched for look in unsure.looks] == [None, True]
    assert len(unsure.outcomes) == 2
    assert "or, as the plan turns out: allowed at once by rest" in unsure.verdict
    assert "changes_over: wants more than 5, here: not known before planning" in unsure.looks[0].why
    sure = _explained("tenant create acme", rules, destroys=0, changes=6)
    assert len(sure.outcomes) == 1
    assert isinstance(sure.outcomes[0], NeedsApproval)


def test_why_names_what_decided_and_nothing_else() -> None:
    """The condition that does not hold; all of them where all hold; and that there are none."""
    rules = (
        "- {name: far, risks: [change], channels: [C9], effect: deny, reason: not here}\n"
        "- {name: near, risks: [change], channels: [C1], effect: allow}\n"
    )
    far, near = _explained("tenant create acme", rules).looks
    assert far.why == "channels: wants C9, here: C1"
    assert near.why == "risks: wants change, here: change; channels: wants C1, here: C1"
    (bare,) = _explained("tenant create acme", "- {name: rest, effect: allow}\n").looks
    assert bare.why == "it has no conditions: it matches everything"
    assert bare.line == 0, "its file is not known"


def test_what_is_asked_before_it_is_planned_is_told_so_of_each_condition() -> None:
    """And what is known by then as what it is."""
    rules = "- {name: full, lacks_room: true, overcommit_over: 1, gpus_over: 1, effect: deny, reason: full}\n"
    (look, *_) = _explained("tenant create acme", rules + "- {name: rest, effect: allow}\n").looks
    assert [(check.condition, check.found) for check in look.checks] == [
        ("gpus_over", "3"),
        ("overcommit_over", "not known before planning"),
        ("lacks_room", "not known before planning"),
    ]


@pytest.mark.parametrize("second", ["lacks_room: true", "gpus_over: 8"])
def test_one_unknown_condition_leaves_the_rule_open_unless_another_fails(second: str) -> None:
    """A tenant has three GPUs unless told otherwise, which is known at once."""
    rules = f"- {{name: big, changes_over: 5, {second}, effect: approve}}\n- {{name: rest, effect: allow}}\n"
    found = _explained("tenant create acme", rules)
    assert found.looks[0].matched is (False if second.startswith("gpus") else None)


@pytest.mark.parametrize(("changes", "matched"), [(None, False), (9, True)])
def test_what_is_not_planned_depends_on_no_plan(changes: int | None, *, matched: bool) -> None:
    """A command without a dry run changes as much as is said of it, else nothing."""
    rules = "- {name: big, changes_over: 5, effect: approve}\n- {name: rest, effect: allow}\n"
    found = _explained("job retry 41", rules, changes=changes)
    assert found.looks[0].matched is matched
    assert len(found.outcomes) == 1


def test_who_could_approve_is_whoever_an_outcome_asks() -> None:
    """Also where another outcome asks nobody."""
    rules = "- {name: big, changes_over: 5, effect: approve, approvals: {roles: [admin]}}\n- {name: r, effect: allow}\n"
    assert approver_roles(_explained("tenant create acme", rules)) == {"admin"}


def test_a_verdict_says_who_is_told_and_which_rule_denied() -> None:
    glass = "- {name: two, effect: approve, break_glass: [operator], approvals: {roles: [admin]}}\n"
    broken = _explained('tenant create acme --break-glass --reason "outage"', glass)
    assert broken.verdict == "allowed by two with the glass broken: everybody with admin is told"
    assert _explained("tenant create acme", "- {name: no, effect: deny, reason: frozen}\n").verdict == (
        "denied by no: frozen"
    )
    assert _explained("tenant create acme", "- {name: x, risks: [read], effect: allow}\n").verdict.startswith(
        "denied: no rule of the policy allows tenant create here"
    )


@pytest.mark.parametrize("condition", ["lacks_room: true", "overcommit_over: 1"])
def test_what_is_known_of_capacity_depends_on_the_plan_too(condition: str) -> None:
    """Whether there is room is not known before it is looked at: no is no answer."""
    found = _explained(
        "tenant create acme", f"- {{name: full, {condition}, effect: approve}}\n- {{name: rest, effect: allow}}\n"
    )
    assert [look.matched for look in found.looks] == [None, True]
    assert [type(one).__name__ for one in found.outcomes] == ["NeedsApproval", "Allow"]


def test_each_rule_has_its_line_of_the_file() -> None:
    """Also behind comments, and over several lines."""
    text = "# ours\nrules:\n- name: a\n  risks: [read]\n  effect: allow\n\n# the rest\n- {name: b,\n   effect: allow}\n"
    version = version_of(text)
    request = request_for("tenant create acme", actor=OPERATOR, channel="C1", now=NOW)
    assert not isinstance(request, Refusal)
    found = explain(version.policy, request, lines=version.lines)
    assert [(look.rule, look.line) for look in found.looks] == [("a", 3), ("b", 8)]


@pytest.mark.parametrize("roles", [(), ("viewer",), ("operator",), ("approver",), ("admin",)])
@pytest.mark.parametrize("text", ["jobs", "tenant create acme", "job retry 41", "tenant delete acme", "whoami"])
def test_what_is_explained_is_what_is_decided(text: str, roles: tuple[str, ...]) -> None:
    actor = OPERATOR.model_copy(update={"roles": frozenset(roles)})
    request = request_for(text, actor=actor, channel="C1", now=NOW, destroys=0, changes=3)
    assert not isinstance(request, Refusal)
    assert explain(DEFAULT, request).outcomes == (decide(DEFAULT, request),)


def test_what_is_no_command_is_refused() -> None:
    for text in ("tenant crate acme", "help", "tenant create acme --max-pods many"):
        assert isinstance(request_for(text, actor=OPERATOR, channel=None, now=NOW), Refusal)


@pytest.mark.parametrize(
    ("text", "next_action"),
    [
        ("tenant create acme --max-pods many", "it is used as tenant create NAME"),
        ("tenant create acme --colour red", "it is used as tenant create NAME"),
        ("tennant create acme", "write it as it is typed"),
        ("help", 'name one, as in "tenant create acme"'),
    ],
)
def test_a_refusal_says_how_it_is_written(text: str, next_action: str) -> None:
    """Its usage; where it is no command, an example."""
    refused = request_for(text, actor=OPERATOR, channel=None, now=NOW)
    assert isinstance(refused, Refusal)
    assert refused.next_action.startswith(next_action)


def test_reason_and_broken_glass_count_as_typed() -> None:
    rules = "- {name: r, effect: approve, break_glass: [admin]}\n"
    found = _explained('tenant create acme --break-glass --reason "outage"', rules)
    assert isinstance(found.outcomes[0], Deny)
    assert "admin may break the glass" in found.verdict


def test_holders_are_those_of_any_of_the_roles() -> None:
    holders = {"approver": frozenset({"U2", "S1"}), "admin": frozenset({"U1"}), "viewer": frozenset({"U9"})}
    assert holders_of(frozenset({"approver", "admin"}), holders) == ("S1", "U1", "U2")


def test_a_mention_names_a_person_by_id() -> None:
    """Slack sends mentions as ids with a handle, which anybody may choose: the id counts."""
    found = parse('policy explain "tenant create acme" --as <@U0BOB|alice> --channel <#C0OPS|random>')
    assert isinstance(found, Invocation)
    assert isinstance(found.args, PolicyExplain)
    assert (found.args.person, found.args.channel) == ("U0BOB", "C0OPS")
