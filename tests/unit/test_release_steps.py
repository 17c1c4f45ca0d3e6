"""A tenant's release as a step, and what undoing goes back to."""

import pytest

from provisioning.operations.chart_facts import ChartFacts
from provisioning.operations.release_steps import release_step, way_back
from provisioning.operations.tenant_facts import AgentRelease
from provisioning.plan import Step

CHART = ChartFacts(name="clearml-enterprise-agent", version="1.1.0", values={}, sha256="0" * 64)


def step(present: AgentRelease | None) -> Step:
    return release_step(
        "agent",
        called="agent clearml-agent",
        tenant="acme",
        release="clearml-agent",
        chart=CHART,
        present=present,
        values={"debugMode": True},
        wait_s=300,
        needs=("namespace",),
        more={"port_range": None},
    )


def release(status: str) -> AgentRelease:
    return AgentRelease(revision=3, status=status, chart="clearml-enterprise-agent", chart_version="1.0.0")


def test_what_is_new_is_uninstalled_and_what_was_deployed_comes_back() -> None:
    new, upgraded = step(None), step(release("deployed"))
    assert (new.inputs["back_to"], upgraded.inputs["back_to"]) == (None, 3)
    assert new.title == "Install agent clearml-agent (clearml-enterprise-agent 1.1.0)"
    assert upgraded.title == "Bring agent clearml-agent to what is planned (clearml-enterprise-agent 1.1.0)"
    assert upgraded.undo == "helm goes back to revision 3"
    assert upgraded.timeout_s > 2 * 300
    assert "port_range" in upgraded.inputs


@pytest.mark.parametrize("status", ["failed", "pending-install", "pending-upgrade", "pending-rollback", "uninstalling"])
def test_nothing_goes_back_to_a_revision_that_was_not_deployed(status: str) -> None:
    """helm would make again what had failed, or half of it."""
    back_to, undo = way_back(release(status))
    assert back_to is None
    assert f"it was {status} before" in undo
