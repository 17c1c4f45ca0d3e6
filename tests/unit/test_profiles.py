"""The MIG table, the way from a node's labels to its model, and fractions to profiles."""

from decimal import Decimal

import pytest

from provisioning.capacity.placement import fit
from provisioning.capacity.profiles import GpuModel, UnknownGpu, identify, model, models


def labels(product: str, memory_mib: int | str) -> dict[str, str]:
    return {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": str(memory_mib)}


@pytest.mark.parametrize(
    ("product", "memory_mib", "name"),
    [
        ("NVIDIA-A100-SXM4-40GB", 40960, "A100-40GB/A800-40GB"),
        ("NVIDIA-A100-PCIE-40GB", 40536, "A100-40GB/A800-40GB"),
        ("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", 40960, "A100-40GB/A800-40GB"),
        ("NVIDIA-A100-SXM4-80GB", 81920, "A100-80GB/A800-80GB"),
        ("NVIDIA-H100-80GB-HBM3", 81559, "H100-80GB/H800"),
        ("NVIDIA-H100-80GB-HBM3-SHARED", 81559, "H100-80GB/H800"),
        ("NVIDIA-H100-NVL", 95830, "H100-94GB/NVL"),
        ("NVIDIA-GH200-480GB", 97871, "H100-96GB/GH200-96GB/H20"),
        ("NVIDIA-H200", 143771, "H200-141GB/H200-NVL"),
        ("NVIDIA-B200", 183359, "B200-180GB"),
        ("NVIDIA-GB200", 189471, "GB200-186GB"),
        ("NVIDIA-A30", 24576, "A30"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", 97887, "RTX PRO 6000 Blackwell"),
    ],
)
def test_labels_of_real_cards_name_their_model(product: str, memory_mib: int, name: str) -> None:
    """Product and memory together pick one row of the table."""
    gpu = identify(labels(product, memory_mib))
    assert isinstance(gpu, GpuModel)
    assert gpu.name == name


@pytest.mark.parametrize(
    ("product", "memory_mib"),
    [
        ("NVIDIA-A100-SXM-64GB", 65536),  # a custom card: its profiles are not ours to invent
        ("NVIDIA-H20", 144384),
        ("NVIDIA-L40S", 46068),
        ("NVIDIA-A30X", 24576),
        ("NVIDIA-H100-80GB-HBM3", ""),
        ("NVIDIA-H100-80GB-HBM3", "²"),
        ("", 81559),
    ],
)
def test_other_cards_are_unknown_by_their_own_name(product: str, memory_mib: int | str) -> None:
    """A card that the table does not hold, or whose labels are incomplete, is never taken for another."""
    gpu = identify(labels(product, memory_mib))
    assert isinstance(gpu, UnknownGpu)
    assert gpu.product == product
    assert (product or "no label nvidia.com/gpu.product") in str(gpu)


def test_memory_ranges_of_one_product_do_not_overlap() -> None:
    """No labels can match two rows."""
    rows = [(product, gpu.memory_mib) for gpu in models() for product in gpu.products]
    for product, (first, last) in rows:
        others = [memory for name, memory in rows if name == product and memory != (first, last)]
        assert all(last < low or high < first for low, high in others), product


@pytest.mark.parametrize(
    ("name", "fractions"),
    [
        ("A100-40GB/A800-40GB", {"1": "7g.40gb", "0.5": "3g.20gb", "0.25": "2g.10gb", "0.125": "1g.5gb"}),
        ("H100-80GB/H800", {"1": "7g.80gb", "0.5": "3g.40gb", "0.25": "2g.20gb", "0.125": "1g.10gb"}),
        ("H200-141GB/H200-NVL", {"1": "7g.141gb", "0.5": "3g.71gb", "0.25": "2g.35gb", "0.125": "1g.18gb"}),
        ("A30", {"1": "4g.24gb", "0.5": "2g.12gb", "0.25": "1g.6gb"}),
        ("RTX PRO 6000 Blackwell", {"1": "4g.96gb", "0.5": "2g.48gb", "0.25": "1g.24gb"}),
    ],
)
def test_fractions_map_to_the_profiles_of_the_model(name: str, fractions: dict[str, str]) -> None:
    """The guide's values are those of the 40 GB A100; every other model has its own."""
    found = {str(share): profile.name for share, profile in model(name).fractions().items()}
    assert found == fractions


def test_a_quarter_fits_three_times_on_eight_units_and_four_times_on_four() -> None:
    """The table's maxima agree with the placement search on an empty card."""
    quarter = Decimal("0.25")
    h100, a30 = model("H100-80GB/H800"), model("A30")
    assert fit(h100, h100.fractions()[quarter].name, frozenset()) == 3
    assert fit(a30, a30.fractions()[quarter].name, frozenset()) == 4


def test_profiles_go_by_the_name_that_nodes_use() -> None:
    """Drivers name the same slice differently; what the nodes advertise wins, ours is the fallback."""
    gb200 = model("GB200-186GB")
    whole = gb200.fractions()[Decimal(1)]
    assert gb200.resource(whole) == "nvidia.com/mig-7g.186gb"
    assert gb200.resource(whole, ["cpu", "nvidia.com/mig-7g.189gb"]) == "nvidia.com/mig-7g.189gb"
    assert gb200.profile("7g.189gb") is whole
    assert gb200.resource(gb200.profile("1g.23gb+me")) == "nvidia.com/mig-1g.23gb.me"


def test_every_row_is_consistent() -> None:
    """Starts lie on the card, and no profile takes more than the card has."""
    for gpu in models():
        for profile in gpu.profiles:
            assert all(start + profile.size <= gpu.units for start in profile.starts), (
                gpu.name,
                profile,
            )
            assert profile.compute <= gpu.compute
            assert set(profile.engines) == set(gpu.engines)
        assert set(gpu.aliases.values()) <= {profile.name for profile in gpu.profiles}
