"""Votes: whose counts, when, for which plan, and where they stand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.approvals import (
    Actor,
    Approval,
    Quorum,
    Refusal,
    Standing,
    Vote,
    as_of_now,
    counted,
    filled,
    refusal_to_vote,
    standing,
)

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
APPROVAL = Approval(
    rule="two", approver_roles=frozenset({"approver", "admin"}), count=2, expires_at=NOW + timedelta(hours=1)
)
STRICT = APPROVAL.model_copy(update={"reason_required": True})


def _actor(name: str, *roles: str) -> Actor:
    return Actor(id=f"U0{name.upper()}", name=name, roles=frozenset(roles))


ANA = _actor("ana", "operator", "approver", "admin")  # asks; has every right but this one
BEN = _actor("ben", "approver")
CLEO = _actor("cleo", "admin", "viewer")


def _vote(actor: Actor, *, approve: bool = True) -> Vote:
    return Vote(actor=actor, approve=approve, at=NOW, digest="d1")


def _refusal(
    voter: Actor,
    *,
    votes: Sequence[Vote] = (),
    approval: Approval = APPROVAL,
    seen: str = "d1",
    now: datetime = NOW,
    reason: str = "",
    approve: bool = True,
    requester: Actor = ANA,
    behalf: Actor | None = None,
    rights_of_requester: frozenset[str] | None = None,
) -> Refusal | None:
    return refusal_to_vote(
        approval=approval,
        requester=requester,
        votes=votes,
        voter=voter,
        plan_digest="d1",
        seen_digest=seen,
        approve=approve,
        reason=reason,
        now=now,
        behalf=behalf,
        rights_of_requester=rights_of_requester,
    )


@pytest.mark.parametrize("approve", [True, False])
@pytest.mark.parametrize("voter", [BEN, CLEO])
def test_who_has_the_role_may_vote(voter: Actor, *, approve: bool) -> None:
    """One of the roles is enough, and others do no harm; also after somebody else's vote."""
    assert _refusal(voter, approve=approve) is None
    assert _refusal(voter, votes=[_vote(_actor("dan", "approver"))], approve=approve) is None


@pytest.mark.parametrize("approve", [True, False])
def test_nobody_decides_on_their_own_request(*, approve: bool) -> None:
    """Not even with every role; they are told to withdraw instead."""
    refused = _refusal(ANA, approve=approve)
    assert refused is not None
    assert refused.reason == "this is your own request"
    assert "Withdraw" in refused.next_action


def test_the_requester_is_known_by_id_not_by_name_or_roles() -> None:
    """A namesake is another person; the requester under a new name and with new roles is not."""
    assert _refusal(Actor(id="U0OTHER", name="ana", roles=frozenset({"approver"}))) is None
    assert _refusal(Actor(id=ANA.id, name="somebody", roles=frozenset({"admin"}))) is not None


@pytest.mark.parametrize(
    ("refused", "reason", "next_action"),
    [
        (_refusal(_actor("dan", "viewer", "operator")), "needs the role admin or approver", "ask somebody with"),
        (_refusal(_actor("dan")), "and you have no role", "ask somebody with"),
        (_refusal(BEN, now=NOW + timedelta(hours=1)), "has expired", "run the command again"),
        (_refusal(BEN, now=NOW + timedelta(days=9)), "has expired", "run the command again"),
        (_refusal(BEN, seen="d0"), "no longer the one that you saw", "read the card as it is now"),
        (_refusal(BEN, votes=[_vote(BEN)]), "you have voted already", "another approver"),
        (_refusal(BEN, votes=[_vote(BEN)], approve=False), "you have voted already", "another approver"),
        (_refusal(BEN, approval=STRICT), "asks for a reason", "vote again and give one"),
        (_refusal(BEN, approval=STRICT, reason=" \n"), "asks for a reason", "vote again and give one"),
        (_refusal(BEN, approval=STRICT, approve=False), "asks for a reason", "vote again and give one"),
    ],
)
def test_what_is_wrong_with_a_vote_is_said_at_the_click(refused: Refusal | None, reason: str, next_action: str) -> None:
    assert refused is not None
    assert reason in refused.reason
    assert next_action in refused.next_action


def test_the_last_moment_counts() -> None:
    assert _refusal(BEN, now=APPROVAL.expires_at - timedelta(microseconds=1)) is None
    assert _refusal(BEN, approval=STRICT, reason="quarter-end capacity") is None


def test_a_right_that_was_lost_since_is_no_right() -> None:
    """Rights are those of the click, not of the moment of asking."""
    assert _refusal(BEN) is None
    assert _refusal(BEN.model_copy(update={"roles": frozenset({"viewer"})})) is not None


def test_where_votes_stand() -> None:
    """Enough different people approve; one Deny denies, whatever came before."""
    assert standing(APPROVAL, ()) is Standing.PENDING
    assert standing(APPROVAL, (_vote(BEN),)) is Standing.PENDING
    assert standing(APPROVAL, (_vote(BEN), _vote(BEN))) is Standing.PENDING
    assert standing(APPROVAL, (_vote(BEN), _vote(CLEO))) is Standing.APPROVED
    assert standing(APPROVAL, (_vote(BEN), _vote(CLEO, approve=False))) is Standing.DENIED


_CLICKS = st.lists(
    st.tuples(
        st.sampled_from([ANA, BEN, CLEO, _actor("dan", "approver"), _actor("eve", "viewer"), _actor("fay")]),
        st.booleans(),  # approve
        st.sampled_from(["d1", "d1", "d1", "d0"]),  # seen
        st.integers(0, 70),  # minutes since
    ),
    max_size=12,
)


@given(_CLICKS, st.integers(1, 3))
def test_whatever_is_clicked_only_rightful_votes_approve(
    clicks: list[tuple[Actor, bool, str, int]], count: int
) -> None:
    """Over any clicks: an approval has *count* different people with the role, none of them the requester, all of
    whom saw this plan in time; and nobody denied."""
    approval = APPROVAL.model_copy(update={"count": count})
    votes: list[Vote] = []
    for voter, approve, seen, minutes in clicks:
        if standing(approval, votes) is not Standing.PENDING:
            break
        now = NOW + timedelta(minutes=minutes)
        if _refusal(voter, votes=votes, approval=approval, seen=seen, now=now, approve=approve) is None:
            votes.append(Vote(actor=voter, approve=approve, at=now, digest=seen))
    assert len({vote.actor.id for vote in votes}) == len(votes)
    for vote in votes:
        assert vote.actor.id != ANA.id
        assert vote.actor.roles & approval.approver_roles
        assert vote.digest == "d1"
        assert vote.at < approval.expires_at
    match standing(approval, votes):
        case Standing.APPROVED:
            assert len(votes) == count
            assert all(vote.approve for vote in votes)
        case Standing.DENIED:
            assert [vote.approve for vote in votes].count(False) == 1
        case Standing.PENDING:
            assert len(votes) < count


def test_a_refusal_reads_as_one_line() -> None:
    assert str(Refusal(reason="it is frozen", next_action="wait")) == "it is frozen: wait"
    assert str(Refusal(reason="it is frozen")) == "it is frozen"


SECURITY = APPROVAL.model_copy(
    update={
        "approver_roles": frozenset({"approver"}),
        "count": 1,
        "also": (Quorum(roles=frozenset({"security"}), count=1),),
    }
)
SEB = _actor("seb", "security")
BOTH = _actor("bo", "security", "approver")


@pytest.mark.parametrize(
    ("people", "count"),
    [
        ([], 0),
        ([BEN], 1),
        ([BEN, _actor("dan", "approver")], 1),
        ([BOTH], 1),
        ([BOTH, BEN], 2),
        ([BEN, BOTH], 2),
        ([BOTH, SEB], 2),
        ([SEB, BOTH], 2),
        ([BEN, BEN, SEB], 2),
        ([_actor("eve", "viewer")], 0),
    ],
)
def test_somebody_in_two_groups_stands_for_the_one_that_nobody_else_can(people: list[Actor], count: int) -> None:
    assert filled(SECURITY, people) == count
    expected = Standing.APPROVED if count == 2 else Standing.PENDING
    assert standing(SECURITY, [_vote(person) for person in people]) is expected


@pytest.mark.parametrize(
    ("rights", "lapsed", "left"),
    [
        ({}, False, 1),
        ({BOTH.id: frozenset({"security", "approver"})}, False, 1),
        ({BOTH.id: frozenset({"security"})}, False, 1),
        ({BOTH.id: frozenset({"viewer"})}, True, 0),
        ({BOTH.id: frozenset()}, True, 0),
    ],
)
def test_an_approval_counts_for_who_could_still_give_it(
    rights: dict[str, frozenset[str]], lapsed: bool, left: int
) -> None:
    """And only in the groups that they are still in: rights that were gained since add nothing."""
    (vote,) = as_of_now(SECURITY, [_vote(BOTH)], rights)
    assert (vote.lapsed, filled(SECURITY, [one.voice for one in counted([vote])])) == (lapsed, left)
    assert vote.voice.roles == BOTH.roles & rights.get(BOTH.id, BOTH.roles)


def test_who_has_left_one_of_two_groups_stands_for_the_other_alone() -> None:
    votes = as_of_now(SECURITY, [_vote(BOTH)], {BOTH.id: frozenset({"approver"})})
    assert standing(SECURITY, [*votes, _vote(BEN)]) is Standing.PENDING
    assert standing(SECURITY, [*votes, _vote(SEB)]) is Standing.APPROVED


def test_a_lent_right_lapses_with_its_lender() -> None:
    """And a vote that lapsed keeps nobody from voting again."""
    lent = _vote(SEB).model_copy(update={"behalf": BEN})
    (lapsed,) = as_of_now(APPROVAL, [lent], {BEN.id: frozenset(), SEB.id: frozenset({"approver"})})
    assert lapsed.lapsed
    assert _refusal(BEN, votes=[lent]) is not None
    assert _refusal(BEN, votes=[lapsed]) is None


def test_a_lost_right_takes_no_denial_back() -> None:
    """Whoever has denied and left since has denied; it is approvals that count for who could still give them."""
    denied = as_of_now(APPROVAL, [_vote(BEN, approve=False)], {BEN.id: frozenset()})
    assert standing(APPROVAL, [*denied, _vote(CLEO), _vote(_actor("dan", "approver"))]) is Standing.DENIED
    assert counted(denied) == denied


def test_an_approval_that_lapsed_stays_so() -> None:
    """A right that is given back brings no vote back: whoever wants to approve says so again."""
    lapsed = as_of_now(APPROVAL, [_vote(BEN)], {BEN.id: frozenset()})
    back = as_of_now(APPROVAL, lapsed, {BEN.id: frozenset({"approver"})})
    assert standing(APPROVAL, [*back, _vote(CLEO)]) is Standing.PENDING
    assert counted(back) == ()


def test_what_is_left_of_a_lent_right_is_the_lenders() -> None:
    """The lender's roles are those that shrink; who cast the vote stays who they were."""
    lent = _vote(SEB).model_copy(update={"behalf": BOTH})
    (vote,) = as_of_now(SECURITY, [lent], {BOTH.id: frozenset({"approver"}), SEB.id: frozenset()})
    assert vote.actor == SEB
    assert vote.behalf == BOTH.model_copy(update={"roles": frozenset({"approver"})})
    (own,) = as_of_now(SECURITY, [_vote(BOTH)], {BOTH.id: frozenset({"approver"})})
    assert (own.actor.roles, own.behalf) == (frozenset({"approver"}), None)


@pytest.mark.parametrize("approve", [True, False])
def test_the_requesters_right_decides_nothing_in_other_hands(*, approve: bool) -> None:
    """Lent by whoever has asked, it is refused; lent by anybody else, it counts, once."""
    refused = _refusal(SEB, behalf=ANA, approve=approve)
    assert refused is not None
    assert refused.reason == "@ana has asked for it, and their right decides nothing here"
    assert _refusal(SEB, behalf=BEN, approve=approve) is None
    twice = _refusal(SEB, behalf=BEN, votes=[_vote(BEN)], approve=approve)
    assert twice is not None
    assert twice.reason == "@ben, whose right you use, has voted already"


def test_what_a_requester_who_has_left_asked_for_is_only_denied() -> None:
    """Left is who holds none of the roles that they asked with; who was not looked up, or had none then, has not."""
    gone = _refusal(BEN, rights_of_requester=frozenset({"viewer"}))
    assert gone is not None
    assert gone.reason == "@ana, who asked for this, has lost every role that they asked with"
    assert _refusal(BEN, rights_of_requester=frozenset()) == gone
    assert _refusal(BEN, rights_of_requester=frozenset({"viewer"}), approve=False) is None
    assert _refusal(BEN, rights_of_requester=frozenset({"operator"})) is None
    assert _refusal(BEN, rights_of_requester=None) is None
    nobody = ANA.model_copy(update={"roles": frozenset()})
    assert _refusal(BEN, requester=nobody, rights_of_requester=frozenset()) is None


def test_the_requester_is_told_what_is_theirs_to_do() -> None:
    """Who approves their own is told of others; who denies it, of Withdraw."""
    approving, denying = _refusal(ANA), _refusal(ANA, approve=False)
    assert approving is not None
    assert denying is not None
    assert approving.next_action == "another person must decide; Withdraw, or `job cancel`, takes it back"
    assert denying.next_action == "use Withdraw to take it back"


def test_a_group_that_has_approved_is_not_asked_again() -> None:
    """Two approvers do not stand for security; they may still deny."""
    dan = _actor("dan", "approver")
    refused = _refusal(dan, approval=SECURITY, votes=[_vote(BEN)])
    assert refused is not None
    assert refused.reason == "those with approver have approved already"
    assert refused.next_action == "of 1 with approver, and 1 with security, others are missing"
    assert _refusal(dan, approval=SECURITY, votes=[_vote(BEN)], approve=False) is None
    assert _refusal(SEB, approval=SECURITY, votes=[_vote(BEN)]) is None


@given(
    st.lists(st.sets(st.sampled_from(["a", "b", "c"])), max_size=7),
    st.lists(
        st.tuples(st.sets(st.sampled_from(["a", "b", "c"]), min_size=1), st.integers(1, 2)), min_size=1, max_size=3
    ),
)
def test_the_count_is_the_best_there_is(people: list[set[str]], asked: list[tuple[set[str], int]]) -> None:
    """Against every way to give people to groups."""
    quorums = [Quorum(roles=frozenset(roles), count=count) for roles, count in asked]
    approval = APPROVAL.model_copy(
        update={"approver_roles": quorums[0].roles, "count": quorums[0].count, "also": tuple(quorums[1:])}
    )
    seats = [quorum.roles for quorum in quorums for _ in range(quorum.count)]

    def best(left: list[set[str]], free: tuple[frozenset[str], ...]) -> int:
        if not left:
            return 0
        taken = (
            1 + best(left[1:], (*free[:index], *free[index + 1 :]))
            for index, roles in enumerate(free)
            if roles & left[0]
        )
        return max([best(left[1:], free), *taken])

    actors = [_actor(f"p{number}", *roles) for number, roles in enumerate(people)]
    assert filled(approval, actors) == best(people, tuple(seats))
