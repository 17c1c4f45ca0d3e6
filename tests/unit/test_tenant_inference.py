"""What a release that was made by hand says of its tenant: values come from outside, and may be anything."""

import pytest

from provisioning.operations.tenant_inference import Inferred, infer


def inferred(share: object, name: str = "gpu-fraction-0_50") -> Inferred:
    queue = {"templateOverrides": {"labels": {"required-resources": share}}}
    found = infer(
        name="acme",
        email="ana@acme.example",
        admin_name="Ana",
        domains=["acme.example"],
        values={"agentk8sglue": {"queues": {name: queue}, "monitoredResources": {"maxResources": 2}}},
    )
    assert isinstance(found, Inferred), found
    return found


def test_a_queue_of_ours_is_known_by_its_share() -> None:
    assert inferred("0.5").spec.queues == ("0.5",)
    assert inferred(0.125, "gpu-fraction-0_125").spec.queues == ("0.125",)


@pytest.mark.parametrize(
    "share",
    ["", "half", "NaN", "sNaN", "Infinity", "-0.5", "0", "1.5", "1E-999999999", "0.5E+999999999", None, [1], {}],
)
def test_a_share_that_is_none_is_told_and_left_out(share: object) -> None:
    """At once: a number of a billion digits is not written out to see what its queue would be called."""
    found = inferred(share)
    assert found.spec.queues == "none"
    assert found.notes[0].startswith("queue gpu-fraction-0_50 of the release is not one that this bot makes")
