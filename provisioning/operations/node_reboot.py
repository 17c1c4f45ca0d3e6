"""`node reboot`: one drained node, by the configured command or by people. Pure."""

from commands.nodes import NodeReboot
from policies.approvals import Refusal
from provisioning.operations.base import Draft
from provisioning.operations.node_facts import RebootFacts
from provisioning.plan import Step

STEP_S = 600  # of one look and one command; waiting for the node is no part of it
MOST_NAMED = 5
LOST = "a reboot ends GPU instances; on Hopper and newer the MIG mode too, which node mig enable turns on again"


class RebootNode:
    """The operation."""

    command = "node reboot"
    args = NodeReboot

    def draft(self, args: NodeReboot, facts: RebootFacts) -> Draft | Refusal:
        """Return the one step, or why the node must not be rebooted now."""
        name = args.node
        if not facts.exists:
            return Refusal(reason=f"there is no node {name}", next_action="see kubectl get nodes")
        boot = args.boot or facts.boot_id
        if not boot:
            return Refusal(
                reason=f"{name} has not said its bootID, so its return could not be seen",
                next_action=f"look at its kubelet: kubectl describe node {name}",
            )
        if boot == facts.boot_id and (refusal := _not_drained(name, facts)):
            return refusal
        how = "by the configured command" if facts.by_command else "by hand: the job waits until somebody has"
        return Draft(
            subject=args.subject,
            summary=f"Reboot node {name}: {how}; at most {facts.timeout_s // 60} minutes",
            steps=(
                Step(
                    id=f"reboot:{name}",
                    kind="node.reboot",
                    title=f"Reboot {name} and wait until it is ready again",
                    inputs={"node": name, "boot_id": boot, "timeout_s": facts.timeout_s},
                    timeout_s=STEP_S,
                ),
            ),
            warnings=(LOST,),
        )


def _not_drained(name: str, facts: RebootFacts) -> Refusal | None:
    drain = f"kubectl drain {name} --ignore-daemonsets, then ask again"
    if not facts.unschedulable:
        return Refusal(reason=f"{name} takes pods: only a cordoned and drained node is rebooted", next_action=drain)
    if facts.pods:
        named = ", ".join(facts.pods[:MOST_NAMED]) + (" …" if len(facts.pods) > MOST_NAMED else "")
        return Refusal(reason=f"{len(facts.pods)} pods still run on {name}: {named}", next_action=drain)
    return None
