"""Many tenants as one plan: a step for each, which becomes a job of its own (docs/adr/0010). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.jobs.batches import STEP_KIND
from provisioning.operations.tenant_checks import choose_ports
from provisioning.operations.tenant_create import CreateTenant
from provisioning.operations.tenant_facts import TenantFacts
from provisioning.operations.tenant_spec import changed, recorded
from provisioning.plan import Step
from provisioning.port_ranges import PortRange
from provisioning.wording import counted, listed

SHOWN_NAMES = 8
SLACK_S = 360  # of one tenant beyond its agent's install


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A tenant as it shall be, and the world as far as that tenant is concerned."""

    spec: TenantCreate
    facts: TenantFacts


class Parts:
    """Collects the steps of a batch. A later tenant takes no ports that an earlier one has chosen.

    Args:
        count: how many tenants there are.
        at_once: how many jobs the engine runs at the same time.
        install_s: how long the install of one agent may take.
    """

    def __init__(self, count: int, *, at_once: int, install_s: int) -> None:
        self._timeout_s = -(-count // at_once) * (2 * install_s + SLACK_S)
        self._steps: list[Step] = []
        self._warnings: dict[str, tuple[str, ...]] = {}
        self._taken: list[tuple[str, PortRange]] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._steps)

    def warnings(self, steps: Sequence[Step]) -> tuple[str, ...]:
        """Return what an approver of these steps should know, each warning once."""
        return tuple(dict.fromkeys(line for step in steps for line in self._warnings[step.id]))

    def add(self, one: Wanted, title: str, *, who: str) -> Refusal | None:
        """Add the tenant's step, or return why there is none.

        *title*: ``Create tenant acme``; *who*: what others are told of whose ports these are.
        """
        facts = replace(one.facts, taken_ports=(*one.facts.taken_ports, *self._taken))
        spec = _with_ports(one.spec, facts)
        if isinstance(spec, Refusal):
            return spec
        draft = CreateTenant().draft(spec, facts)
        if isinstance(draft, Refusal):
            return draft
        if spec.ports and spec.port_start is not None:
            self._taken.append((who, PortRange(spec.port_start, spec.max_services)))
        _, _, how = draft.summary.partition(": ")
        step = Step(
            id=f"tenant-{spec.name}",
            kind=STEP_KIND,
            title=f"{title}: {how}",
            inputs={"spec": recorded(spec)},
            undo="stays: its own job can be rolled back where it failed",
            timeout_s=self._timeout_s,
        )
        self._steps.append(step)
        self._warnings[step.id] = draft.warnings
        return None


def named(names: Sequence[str]) -> str:
    """Return ``3 tenants: acme, beta and gamma``, shortened where they are many."""
    return f"{counted(len(names), 'tenant')}: {listed(names, SHOWN_NAMES)}"


def _with_ports(spec: TenantCreate, facts: TenantFacts) -> TenantCreate | Refusal:
    """Return *spec* with its ports chosen, and said where siblings planned at the same time could choose the same.

    A range that the tenant holds is kept from them by its lease, and is said only where the record says it.
    """
    ports = choose_ports(spec, facts)
    if isinstance(ports, Refusal):
        return ports
    said = (spec.port_start, (facts.recorded or {}).get("port_start"))
    is_kept = ports == facts.held and said == (None, None)
    return spec if ports is None or is_kept else changed(spec, {"port_start": ports.start})
