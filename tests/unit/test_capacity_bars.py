"""Bars of what the GPUs hold: the report's own numbers, of those that have any, within what Slack draws."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.slack.render_report import message
from provisioning.capacity.bars import bars_of
from provisioning.capacity.inventory import take_stock
from provisioning.capacity.profiles import MEMORY_LABEL, models
from provisioning.capacity.report import report_of
from provisioning.capacity.view import View, look
from provisioning.clients.cluster_objects import GpuUsage, Node
from sandbox.slack.blocks.validation import problems_of_blocks
from tests.slack_limits import problems_of_message
from tests.unit.test_capacity_report import gpu_node, view

NOBODY = GpuUsage(held={}, waiting=(), waits=0)


def of(*nodes: Node) -> View:
    return look(take_stock(list(nodes), NOBODY), NOBODY, {"a-tenant": Decimal(3)})


def every_model() -> View:
    """One node of each model that is known, each of another size, and one of a model that is not."""
    return of(
        *(
            replace(node, labels={**node.labels, MEMORY_LABEL: str(model.memory_mib[0])})
            for at, model in enumerate(models())
            for node in [gpu_node(f"{'n' * 60}-{at}", {}, product=f"NVIDIA-{model.products[0]}", gpus=at + 1)]
        ),
        gpu_node("x", {"1g.9gb": 4}, product="NVIDIA-X1"),
    )


def test_bars_are_the_tables_numbers() -> None:
    """Used, ready and creatable of each profile; what is only known between two ends says that it is the least."""
    (bars,) = bars_of(view())
    assert bars.title == "H100-80GB/H800: instances by profile"
    found = {name: dict(zip(bars.categories, values, strict=True)) for name, values in bars.series}
    assert found["Used"]["3g.40gb"] == 1
    assert (found["Used"]["1g.10gb"], found["Ready"]["1g.10gb"]) == (2, 1)
    assert list(found)[2] == "Creatable, at least"
    totals = view().totals[0]
    assert all(
        least == totals.of(totals.room.creatable, profile)[0] for profile, least in found["Creatable, at least"].items()
    )
    (empty,) = bars_of(of(gpu_node("b", {})))
    assert [name for name, _ in empty.series] == ["Used", "Ready", "Creatable"]


def test_a_profile_without_any_number_has_no_bar() -> None:
    """Also where some might be created, if places were known: a bar of "at least 0" says nothing."""
    (bars,) = bars_of(of(gpu_node("a", {"3g.40gb": 1, "1g.10gb": 3}, gpus=1)))
    assert "1g.10gb" in bars.categories
    assert all(any(values[at] for _, values in bars.series) for at in range(len(bars.categories)))


def test_without_gpus_or_mig_there_are_no_bars() -> None:
    assert bars_of(of()) == []
    assert bars_of(of(gpu_node("x", {"1g.9gb": 4}, product="NVIDIA-X1"))) == []


@pytest.mark.parametrize("profile", [None, "1g.10gb", "7g.80gb"])
def test_every_model_at_once_is_within_what_slack_draws(profile: str | None) -> None:
    """The two models with the most GPUs by profile; one profile by every model that knows it."""
    found = every_model()
    assert len(found.totals) == len(models()) == 13
    bars = bars_of(found, profile)
    shown = message(report_of(found, profile=profile))
    assert problems_of_blocks(shown.blocks) == ()
    assert problems_of_message(shown.text, shown.blocks) == []
    drawn = [block for block in shown.blocks if block["type"] == "data_visualization"]
    assert len(drawn) == len(bars) == (2 if profile is None else 1)
    if profile is not None:
        assert bars[0].title == f"{profile} by model"
        assert len(bars[0].categories) == sum(
            any(one.name == profile for one in totals.gpu.profiles) for totals in found.totals
        )
