"""`capacity fits` answers offline, as JSON and as a table, and refuses what it does not understand."""

import json

import pytest
from typer.testing import CliRunner

from bot.cli_capacity import app
from provisioning.capacity.whatif import WhatIfError, find_model, fits


def test_a_3g_at_4_leaves_room_for_two_2g_and_a_4g() -> None:
    """The place decides: the same instance at 0 leaves one 2g and no 4g."""
    at_4 = fits("H100-80GB", used="3g.40gb@4")
    at_0 = fits("H100-80GB", used="3g.40gb@0")
    assert (at_4.creatable["2g.20gb"], at_4.creatable["4g.40gb"]) == (2, 1)
    assert (at_0.creatable["2g.20gb"], at_0.creatable["4g.40gb"]) == (1, 0)
    assert at_0.after_defrag == at_4.after_defrag


def test_idle_instances_are_ready_and_can_be_reclaimed() -> None:
    """Idle ones count as ready, stand in the way of new ones, and no longer do after a reclaim."""
    answer = fits("h100-80gb", used="1g.10gb@0", idle="3g.40gb@4")
    assert answer.ready["3g.40gb"] == 1
    assert answer.creatable["3g.40gb"] == 0
    assert answer.after_reclaim["3g.40gb"] == 1
    assert answer.creatable["7g.80gb"] == answer.after_defrag["7g.80gb"] == 0


def test_a_request_has_a_witness_that_can_be_run() -> None:
    """The witness names places and commands, largest first; what is ready need not be made."""
    answer = fits("H100-80GB", request="2x1g.10gb,2g.20gb,3g.40gb")
    assert answer.feasible
    assert [(one.profile, one.start) for one in answer.witness or ()] == [
        ("3g.40gb", 4),  # at 0 it would leave no room for all three others
        ("2g.20gb", 0),
        ("1g.10gb", 2),
        ("1g.10gb", 3),
    ]
    assert (answer.witness or ())[0].command == "mig -cgi 9:4 -C"
    assert answer.driver_order == "mig -cgi 9,14,19,19 -C"


def test_what_is_ready_need_not_be_made() -> None:
    """Idle instances serve the request where they stand; only the rest is created, beside them."""
    answer = fits("H100-80GB", idle="3g.40gb@4,1g.10gb@0", request="3g.40gb,2g.20gb")
    assert answer.feasible_keeping_idle
    assert [(str(one.profile), one.start, one.ready) for one in answer.witness or ()] == [
        ("3g.40gb", 4, True),
        ("2g.20gb", 2, False),
    ]
    assert answer.driver_order == "mig -cgi 14 -C"
    settled = fits("H100-80GB", idle="3g.40gb@0,3g.40gb@4", request="2x3g.40gb")
    assert settled.feasible_keeping_idle
    assert (settled.driver_order, len(settled.witness or ())) == (None, 2)


def test_fragmentation_is_what_places_cost() -> None:
    """1g at 0 and 1g at 4 leave no 3g though one would fit: all of it is lost; no 7g would fit in any way: nothing."""
    answer = fits("A100-40GB", used="1g.5gb@0,1g.5gb@4")
    assert (answer.after_reclaim["3g.20gb"], answer.after_defrag["3g.20gb"]) == (0, 1)
    assert answer.fragmentation["3g.20gb"] == 1
    assert answer.fragmentation["7g.40gb"] == 0
    sizes = {"1g.5gb": 1, "1g.5gb+me": 1, "1g.10gb": 2, "2g.10gb": 2, "3g.20gb": 4, "4g.20gb": 4, "7g.40gb": 8}
    lost = sum(size * (answer.after_defrag[name] - answer.after_reclaim[name]) for name, size in sizes.items())
    assert answer.gpu_fragmentation == round(lost / sum(size * answer.after_defrag[n] for n, size in sizes.items()), 4)
    assert fits("A100-40GB").gpu_fragmentation == 0


def test_a_request_may_need_a_defrag() -> None:
    """1g at 0 and 1g at 4 leave no 3g; moved together they do."""
    answer = fits("A100-40GB", used="1g.5gb@0,1g.5gb@4", request="3g.20gb")
    assert (answer.feasible, answer.feasible_after_defrag) == (False, True)
    assert len(answer.moved) == 2
    assert [one.profile for one in answer.witness or ()] == ["3g.20gb"]
    hopeless = fits("A100-40GB", used="7g.40gb@0", request="1g.5gb")
    assert (hopeless.feasible_after_defrag, hopeless.witness) == (False, None)


@pytest.mark.parametrize(
    ("model", "words", "said"),
    [
        ("H1000", {}, "did you mean H100"),
        ("", {}, "known are"),
        ("H100-80GB", {"used": "3g.40gb"}, "write PROFILE@START"),
        ("H100-80GB", {"used": "3g.20gb@0"}, "has no profile '3g.20gb'; it has: 1g.10gb"),
        ("H100-80GB", {"used": "3g.40gb@1"}, "starts at 0, 4 only"),
        ("H100-80GB", {"used": "3g.40gb@0", "idle": "1g.10gb@2"}, "overlaps"),
        ("H100-80GB", {"request": "two 3g"}, "write COUNTxPROFILE"),
        ("H100-80GB", {"request": "1g.10gb," * 999}, "longer than"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_the_next_action(
    model: str, words: dict[str, str], said: str
) -> None:
    with pytest.raises(WhatIfError, match=said):
        fits(model, **words)


def test_every_model_is_found_by_each_of_its_names() -> None:
    assert find_model("h800").name == find_model("H100 80GB").name == "H100-80GB/H800"
    assert find_model("GH200-96GB").name == "H100-96GB/GH200-96GB/H20"


def test_the_command_line_prints_json_with_the_documented_keys() -> None:
    """Keys: creatable, after_reclaim, after_defrag per profile; feasible and witness for a request."""
    runner = CliRunner()
    told = runner.invoke(app, ["fits", "--model", "H100-80GB", "--used", "3g.40gb@4", "--request", "4g.40gb", "--json"])
    answer = json.loads(told.stdout)
    assert told.exit_code == 0
    assert (answer["creatable"]["4g.40gb"], answer["feasible"]) == (1, True)
    assert answer["witness"] == [{"profile": "4g.40gb", "start": 0, "ready": False, "command": "mig -cgi 5:0 -C"}]
    assert (
        runner.invoke(app, ["fits", "--model", "H100-80GB", "--used", "7g.80gb@0", "--request", "1g.10gb"]).exit_code
        == 1
    )
    assert runner.invoke(app, ["fits", "--model", "H1000"]).exit_code == 2
