"""Whether a request fits on the cluster: the gentlest sure way, a witness that is legal, and what is not known said."""

from collections import Counter

import pytest
from pydantic import ValidationError

from commands.capacity import CapacityArgs
from policies.approvals import Refusal
from provisioning.capacity import placement
from provisioning.capacity.inventory import Supply
from provisioning.capacity.measures import counts_of
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import model
from provisioning.capacity.question import Answer, Verdict, answer, parse_request
from provisioning.capacity.solve import rooms

H100 = model("H100-80GB/H800")


def layout(text: str) -> Layout:
    return frozenset(Instance(name, int(start)) for name, _, start in (each.partition("@") for each in text.split()))


def node(*gpus: str, used: str = "", known: bool = True, name: str = "n", closed: str = "") -> Supply:
    """A node of H100s: what stands on each, and what of it is used (``3g.40gb 1g.10gb 1g.10gb``)."""
    layouts = [layout(text) for text in gpus]
    return Supply(
        node=name,
        gpu=H100,
        gpus=len(gpus),
        mig_gpus=len(gpus),
        exist=sum((counts_of(one) for one in layouts), Counter[str]()),
        used=Counter(used.split()),
        layouts=dict(enumerate(layouts)) if known else None,
        closed=closed,
    )


def ask(request: str, *nodes: Supply) -> Answer:
    wanted = parse_request(request.split(","))
    assert not isinstance(wanted, Refusal)
    found = answer(nodes, rooms(nodes), wanted)
    assert isinstance(found, Answer)
    return found


@pytest.mark.parametrize(
    ("request_", "nodes", "verdict"),
    [
        ("2x3g.40gb", [node("3g.40gb@0 3g.40gb@4")], Verdict.READY),
        ("3g.40gb,2g.20gb", [node("3g.40gb@4")], Verdict.CREATABLE),
        ("4g.40gb", [node("3g.40gb@4", used="3g.40gb")], Verdict.CREATABLE),
        ("4g.40gb", [node("1g.10gb@0 3g.40gb@4", used="3g.40gb")], Verdict.AFTER_RECLAIM),
        ("4g.40gb", [node("3g.40gb@0", used="3g.40gb")], Verdict.AFTER_DEFRAG),
        ("7g.80gb", [node("1g.10gb@0", used="1g.10gb")], Verdict.NO),
        ("4g.40gb", [node("3g.40gb@0", used="3g.40gb", known=False)], Verdict.AFTER_DEFRAG),  # wherever it stands
        ("4g.40gb,2g.20gb", [node("3g.40gb@0", "", used="3g.40gb", known=False)], Verdict.PERHAPS),
        ("2x2g.20gb", [node("2g.20gb@0", known=False)], Verdict.CREATABLE),  # 1 ready, 2 more wherever it stands
        ("3g.40gb", [node("3g.40gb@0", closed="cordoned")], Verdict.NO),
    ],
)
def test_the_gentlest_way_that_is_sure(request_: str, nodes: list[Supply], verdict: Verdict) -> None:
    assert ask(request_, *nodes).verdict is verdict


def test_a_witness_can_be_created_where_it_says() -> None:
    """Over two nodes: beside what stands there, what is ready not made again."""
    nodes = [node("3g.40gb@4", used="3g.40gb", name="a"), node("1g.10gb@0", "", name="b")]
    found = ask("4g.40gb,2x3g.40gb,1g.10gb", *nodes)
    assert (found.verdict, found.ready) == (Verdict.CREATABLE, {"1g.10gb": 1})
    made: Counter[str] = Counter()
    for one in found.chosen:
        (supply,) = (each for each in nodes if each.node == one.node)
        standing = (supply.layouts or {})[one.gpu]
        placement.check(H100, [*standing, *one.witness.instances])
        made += counts_of(frozenset(one.witness.instances))
    assert made == Counter({"4g.40gb": 1, "3g.40gb": 2})


def test_idle_instances_in_the_way_are_named() -> None:
    """Only those that overlap have to go."""
    found = ask("4g.40gb", node("1g.10gb@0 1g.10gb@6 2g.20gb@4", used="2g.20gb"))
    assert found.verdict is Verdict.AFTER_RECLAIM
    assert found.removed == {("n", 0): (Instance("1g.10gb", 0),)}


def test_of_equal_instances_any_may_be_used() -> None:
    """One of two 3g is used, nobody knows which: a 4g cannot be promised after a reclaim; after a defrag it can."""
    found = ask("4g.40gb", node("3g.40gb@0 3g.40gb@4", used="3g.40gb"))
    assert (found.verdict, found.maybe_sooner) == (Verdict.AFTER_DEFRAG, True)


def test_what_no_way_can_give_is_counted() -> None:
    assert ask("9x7g.80gb", node("", "")).short == {"7g.80gb": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [("2x3g.41gb", "no GPU model has a profile 3g.41gb"), ("three", "is no request"), ("501x1g.10gb", "501 x 1g.10gb")],
)
def test_requests_that_make_no_sense_are_refused(text: str, said: str) -> None:
    refused = parse_request([text])
    assert isinstance(refused, Refusal)
    assert said in refused.reason
    assert refused.next_action


def test_other_drivers_names_are_understood() -> None:
    """7g.79gb is what some drivers call an A100's 7g.80gb."""
    assert parse_request(["7g.79gb", "2X1g.10GB"]) == {"7g.80gb": 1, "1g.10gb": 2}


@pytest.mark.parametrize("text", ["0x1g.10gb", "1000x1g.10gb", "99999*3g.40gb"])
def test_a_count_that_cannot_be_is_not_taken_for_a_profile(text: str) -> None:
    """What is wrong is the count, and that is what is said."""
    with pytest.raises(ValidationError, match="ask for 1 to 999 of a profile"):
        CapacityArgs.model_validate({"fits": [text]})
