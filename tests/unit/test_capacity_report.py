"""A look at the GPUs as report, JSON, CSV and picture: the same numbers, whatever the cluster holds."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from pydantic import JsonValue

from bot.slack.render_report import message
from provisioning.capacity import data, picture
from provisioning.capacity.holdings import limits_of
from provisioning.capacity.inventory import take_stock
from provisioning.capacity.report import report_of
from provisioning.capacity.view import View, look
from provisioning.clients.cluster_objects import GpuUsage, Node, WaitingPod
from provisioning.reports import Facts, Lines, Table
from provisioning.store.tenants import TenantRecord
from tests.slack_limits import problems_of_message
from tests.unit.job_samples import HOSTILE

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def gpu_node(name: str, slices: dict[str, int], *, product: str = "NVIDIA-H100-80GB-HBM3", gpus: int = 2) -> Node:
    return Node(
        name=name,
        labels={
            "nvidia.com/gpu.product": product,
            "nvidia.com/gpu.memory": "81559",
            "nvidia.com/gpu.count": str(gpus),
            "nvidia.com/gpu.replicas": "0",
        },
        allocatable={f"nvidia.com/mig-{profile}": str(count) for profile, count in slices.items()},
        unschedulable=False,
    )


def view(reason: str = "0/2 nodes are available: 2 Insufficient nvidia.com/mig-4g.40gb. preemption: no") -> View:
    usage = GpuUsage(
        held={("a", "acme", "nvidia.com/mig-3g.40gb"): 1, ("a", "stray", "nvidia.com/mig-1g.10gb"): 2},
        waiting=(
            WaitingPod(namespace="acme", name="huge", requests={"nvidia.com/mig-4g.40gb": 1}, reason=reason, since=NOW),
        ),
        waits=1,
    )
    nodes = [
        gpu_node("a", {"3g.40gb": 1, "1g.10gb": 3}),
        gpu_node("b", {}),
        gpu_node("x", {"1g.9gb": 4}, product="NVIDIA-X1"),
    ]
    return look(take_stock(nodes, usage), usage, {"acme": Decimal(3), "globex": Decimal("4.5")})


def test_who_holds_what_stands_against_their_limits() -> None:
    """Shares of GPUs as queues count them; namespaces that are no tenants have no limit."""
    held = {one.namespace: (one.gpus, one.limit, len(one.waiting)) for one in view().holdings}
    assert held == {
        "acme": (Fraction(1, 2), Decimal(3), 1),
        "stray": (Fraction(1, 4), None, 0),
        "globex": (Fraction(0), Decimal("4.5"), 0),
    }
    over = view().overcommit
    assert (over.promised, over.there, over.ratio) == (Decimal("7.5"), 6, 1.25)


def test_limits_are_those_of_the_records() -> None:
    """The command's default where a record says nothing; a record that is none any more keeps no report back."""
    requests: dict[str, dict[str, JsonValue]] = {
        "acme": {"name": "acme", "admin_email": "ana@acme.example"},
        "globex": {"name": "globex", "admin_email": "bo@globex.example", "max_resources": "4.5"},
        "older": {"name": "older", "of": "another version"},
    }
    records = [TenantRecord(name=name, request=one, job="j", recorded_at=NOW) for name, one in requests.items()]
    assert limits_of(records) == {"acme": Decimal(3), "globex": Decimal("4.5")}


def test_the_report_says_what_is_exact_what_is_a_range_and_what_is_unknown() -> None:
    report = report_of(view())
    table = next(part for part in report.parts if isinstance(part, Table))
    rows = {str(row[1]): row for row in table.rows}
    assert rows["3g.40gb"][2:5] == (1, 1, 0)
    assert rows["7g.80gb"][5] == "2-3"  # node b has two; of a, whether all stands on one GPU is not known
    facts = dict(next(part for part in report.parts if isinstance(part, Facts)).items)
    assert "unknown model" in str(facts["NVIDIA-X1 (81559 MiB)"])
    assert "ranges from counts alone" in str(facts["Places"])
    assert "1.25 times" in str(facts["At full quota"])
    waiting = [part for part in report.parts if isinstance(part, Table) and part.title == "Pods that wait"]
    assert waiting[0].rows[0][-1] == "0/2 nodes are available: 2 Insufficient nvidia.com/mig-4g.40gb"


def test_one_tenant_sees_its_own_alone() -> None:
    report = report_of(view(), tenant="acme")
    assert "stray" not in json.dumps(report.data)
    assert all("stray" not in str(part) for part in report.parts if not isinstance(part, Lines))


def test_json_and_csv_hold_the_same_numbers() -> None:
    found = view()
    as_json = data.data_of(found)
    rows = list(csv.DictReader(io.StringIO(data.csv_of(found))))
    models = as_json["models"]
    assert isinstance(models, list)
    for profile in models[0]["profiles"]:  # type: ignore[index,call-overload,union-attr]
        same = [row for row in rows if row["profile"] == profile["profile"] and row["node"] in {"a", "b"}]  # type: ignore[index,call-overload]
        assert sum(int(row["exist"]) for row in same) == profile["exist"]  # type: ignore[index,call-overload]
        ends = [sum(int(row[f"creatable_{end}"]) for row in same) for end in ("low", "high")]
        assert ends == profile["creatable"]  # type: ignore[index,call-overload]
    assert {row["profile"] for row in rows if row["node"] == "x"} == {"nvidia.com/mig-1g.9gb"}


@pytest.mark.parametrize("reason", ["", HOSTILE, "x" * 3000])
def test_a_message_of_it_is_within_slacks_limits(reason: str) -> None:
    shown = message(report_of(view(reason)))
    assert problems_of_message(shown.text, shown.blocks) == []


def test_a_formula_in_a_name_stays_text() -> None:
    """Exports are opened in spreadsheets."""
    usage = GpuUsage(held={}, waiting=(), waits=0)
    found = look(take_stock([gpu_node("n", {}, product="=HYPERLINK(1)")], usage), usage, {})
    assert all(
        not cell.startswith(("=", "+", "@")) for row in csv.reader(io.StringIO(data.csv_of(found))) for cell in row
    )


def test_the_picture_shows_each_gpu_and_whose_its_slices_are() -> None:
    """Also of GPUs that are not known; places that are not known are drawn as they may be."""
    bars = picture.bars_of(view())
    assert [(bar.node, bar.label) for bar in bars] == [
        (node, f"GPU {index}") for node in ("a", "b", "x") for index in range(2)
    ]
    held = sorted(str(one.holder) for bar in bars for one in bar.slices)
    assert held == ["None", "acme", "stray", "stray"]
    drawn = picture.gpu_picture(view())
    assert drawn is not None
    assert drawn.content.startswith(b"\x89PNG")
    assert "acme 8%" in drawn.alt


def test_one_profile_is_all_that_its_export_holds() -> None:
    """JSON and CSV are narrowed as the tables are."""
    found = data.data_of(view(), profile="3g.40gb")
    whole = json.dumps([found["models"], found["nodes"]])
    assert "3g.40gb" in whole
    assert '"1g.10gb"' not in whole
    rows = list(csv.DictReader(io.StringIO(data.csv_of(view(), "3g.40gb"))))
    assert [(row["node"], row["profile"]) for row in rows] == [("a", "3g.40gb"), ("b", "3g.40gb")]


def test_a_tenants_data_counts_its_own_pods() -> None:
    assert data.data_of(view(), tenant="acme")["pending_count"] == 1
    assert data.data_of(view(), tenant="stray")["pending_count"] == 0
