"""Steps on GPUs' MIG mode, and the reboots that it may take. Judged only by reading the mode back."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from provisioning.errors import PermanentError, TemporaryError
from provisioning.gpu_modes import GpuMode, Verdict, differing, failures
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import Ask, StepRun, StepWaits
from provisioning.steps.node_steps import Nodes, existing

POLL_S = 3.0
BACK_S = 600  # how long the device plugin's pod may take after its node is back


class Smi(Protocol):
    """What MIG steps need of nvidia-smi; `provisioning.clients.nvidia_smi` says what each promises."""

    def modes(self, node: str) -> tuple[GpuMode, ...]: ...

    def set_mode(self, node: str, gpu: int, *, enabled: bool) -> str: ...

    def destroy_instances(self, node: str, gpu: int) -> str: ...


class Reboots(Protocol):
    """What reboots a node by itself, where something does."""

    @property
    def is_set(self) -> bool: ...

    def reboot(self, node: str, cancelled: Callable[[], bool]) -> None: ...


class ModeInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str
    gpus: tuple[int, ...]  # all that the change is about
    mode: Literal["Enabled", "Disabled"]
    before: dict[str, str] = {}  # index → the mode that undo puts back, of those that this job changes


class MigMode:
    """``node.mig_mode``: each of the GPUs is in the mode, or will be after a reboot. Outputs: ``pending``, indexes.

    Out of MIG mode, the instances of the GPUs are destroyed first.
    """

    kind = "node.mig_mode"

    def __init__(self, smi: Smi) -> None:
        self._smi = smi

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = ModeInputs.model_validate(inputs)
        others = differing(_chosen(self._smi, wanted), wanted.mode)
        if not others:
            detail = f"{len(wanted.gpus)} GPUs are {wanted.mode.lower()}"
            return Observation(presence=Presence.PRESENT, detail=detail, outputs={"pending": []})
        return Observation(
            presence=Presence.DIFFERS,
            differences={f"GPU {gpu.index}": (gpu.verdict.value, wanted.mode.lower()) for gpu in others},
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = ModeInputs.model_validate(inputs)
        said = _ask(self._smi, wanted, differing(_chosen(self._smi, wanted), wanted.mode), run)
        after = _chosen(self._smi, wanted)
        if bad := failures(after, wanted.mode, said):
            raise _failed(wanted, after, bad)
        pending = [gpu.index for gpu in differing(after, wanted.mode)]
        return {"pending": list(pending)}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        """Put back the mode of the GPUs whose mode this job has changed. Instances are not made again."""
        wanted = ModeInputs.model_validate(inputs)
        for gpu in self._smi.modes(wanted.node):
            former = wanted.before.get(str(gpu.index))
            if former is None or (gpu.current, gpu.pending) == (former, former):
                continue
            run.note(f"GPU {gpu.index} goes back to {former.lower()}")
            if former == "Disabled":
                self._smi.destroy_instances(wanted.node, gpu.index)
            self._smi.set_mode(wanted.node, gpu.index, enabled=former == "Enabled")
        back = {str(gpu.index): gpu.pending for gpu in self._smi.modes(wanted.node)}
        if bad := [f"GPU {index}" for index, former in wanted.before.items() if back.get(index) != former]:
            raise PermanentError(
                f"putting back the MIG mode of {wanted.node}: {', '.join(bad)} did not take it",
                next_action="look at node mig status, reboot the node where a mode is pending, then Roll back again",
            )


class RebootIfPending:
    """``node.reboot_if_pending``: no mode of the GPUs waits for a reboot. No outputs.

    Where one does, `node reboot` is asked for as a job of its own. Afterwards the mode is read back, and asked for
    once more where the reboot has taken it: Hopper and newer lose it.
    """

    kind = "node.reboot_if_pending"

    def __init__(self, smi: Smi, nodes: Nodes) -> None:
        self._smi = smi
        self._nodes = nodes

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = _waiting_inputs(inputs)
        try:
            others = differing(_chosen(self._smi, wanted), wanted.mode)
        except TemporaryError:  # its pods are on their way back
            return Observation(presence=Presence.ABSENT)
        if others:
            return Observation(presence=Presence.ABSENT)
        return Observation(presence=Presence.PRESENT, detail="no reboot is needed")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = _waiting_inputs(inputs)
        if run.answered is None:
            boot = existing(self._nodes, wanted.node).boot_id
            raise StepWaits(
                f"the reboot of {wanted.node}",
                next_action=f"decide on the job that asks to reboot {wanted.node}",
                ask=Ask(operation="node reboot", request={"node": wanted.node, "boot": boot}),
            )
        if not run.answered.succeeded:
            raise PermanentError(
                f"job {run.answered.number}, the reboot of {wanted.node}, came to nothing: {run.answered.why}",
                next_action="Retry asks for the reboot again; Roll back puts the modes back and uncordons the node",
            )
        lost = self._after_reboot(wanted, run)
        said = _ask(self._smi, wanted, lost, run)
        after = _chosen(self._smi, wanted)
        if bad := failures(after, wanted.mode, said):
            raise _failed(wanted, after, bad)
        if pending := differing(after, wanted.mode):
            named = ", ".join(f"GPU {gpu.index}" for gpu in pending)
            raise PermanentError(
                f"{wanted.node} was rebooted, and still pending are: {named}",
                next_action="find what holds the GPUs (DCGM, a display manager, nvidia_drm), then Retry",
            )
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        """A reboot cannot be taken back; the mode's own step puts the mode back."""

    def _after_reboot(self, wanted: ModeInputs, run: StepRun) -> tuple[GpuMode, ...]:
        """Return the GPUs that are not in the mode, once the device plugin's pod is back."""
        deadline = time.monotonic() + min(BACK_S, run.timeout_s)
        while True:
            try:
                return differing(_chosen(self._smi, wanted), wanted.mode)
            except TemporaryError as error:
                if time.monotonic() > deadline or run.cancelled():
                    raise
                run.note(error.what)
                time.sleep(POLL_S)


class RebootInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str
    boot_id: str  # the boot that shall end
    timeout_s: int


class Reboot:
    """``node.reboot``: the node runs another boot than that one, and is ready. No outputs.

    The configured command is run, or people are waited for. A crash right after the command may run it twice.
    """

    kind = "node.reboot"

    def __init__(self, nodes: Nodes, reboots: Reboots) -> None:
        self._nodes = nodes
        self._reboots = reboots

    def observe(self, inputs: dict[str, Any]) -> Observation:
        if self.may_go_on(inputs):
            return Observation(presence=Presence.PRESENT, detail="has been rebooted")
        return Observation(presence=Presence.ABSENT)

    def may_go_on(self, inputs: dict[str, Any]) -> bool:
        wanted = RebootInputs.model_validate(inputs)
        node = existing(self._nodes, wanted.node)
        return node.ready and node.boot_id not in {"", wanted.boot_id}

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = RebootInputs.model_validate(inputs)
        if self.may_go_on(inputs):
            return {}
        if self._reboots.is_set and not run.waited and self._runs_that_boot(wanted):
            run.note(f"rebooting {wanted.node}")
            self._reboots.reboot(wanted.node, run.cancelled)
        if self._reboots.is_set:
            what, next_action = f"{wanted.node} to come back from its reboot", "look at its console"
        else:
            what, next_action = f"somebody to reboot {wanted.node}", f"reboot {wanted.node}: it is drained"
        raise StepWaits(what, next_action=next_action, give_up_s=wanted.timeout_s)

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        """A reboot cannot be taken back."""

    def _runs_that_boot(self, wanted: RebootInputs) -> bool:
        return existing(self._nodes, wanted.node).boot_id == wanted.boot_id


def _waiting_inputs(inputs: dict[str, Any]) -> ModeInputs:
    """Return the inputs without the reference to the mode's step, which only puts this one behind it."""
    return ModeInputs.model_validate({name: value for name, value in inputs.items() if name != "pending"})


def _chosen(smi: Smi, wanted: ModeInputs) -> tuple[GpuMode, ...]:
    return tuple(gpu for gpu in smi.modes(wanted.node) if gpu.index in wanted.gpus)


def _ask(smi: Smi, wanted: ModeInputs, gpus: Sequence[GpuMode], run: StepRun) -> dict[int, str]:
    """Ask each GPU for the mode. Returns index → what nvidia-smi said."""
    said: dict[int, str] = {}
    for gpu in gpus:
        if run.cancelled():
            raise PermanentError(f"changing {wanted.node} was stopped", next_action="Retry goes on, Roll back undoes")
        if gpu.pending == wanted.mode:
            continue  # on its way already: asking again changes nothing
        run.note(f"GPU {gpu.index} of {wanted.node}: {wanted.mode.lower()}")
        if wanted.mode == "Disabled":
            said[gpu.index] = smi.destroy_instances(wanted.node, gpu.index) + "\n"
        words = smi.set_mode(wanted.node, gpu.index, enabled=wanted.mode == "Enabled")
        said[gpu.index] = said.get(gpu.index, "") + words
    return said


def _failed(wanted: ModeInputs, after: Sequence[GpuMode], bad: Sequence[str]) -> PermanentError:
    good = [f"GPU {gpu.index}: {gpu.verdict.value}" for gpu in after if gpu.pending == wanted.mode]
    incapable = any(gpu.verdict is Verdict.NOT_CAPABLE for gpu in after)
    return PermanentError(
        f"{wanted.node}: {len(bad)} of {len(after)} GPUs are not {wanted.mode.lower()}",
        next_action=("name only capable GPUs with --gpus; " if incapable else "")
        + "see what holds them, then Retry; Roll back puts the others back",
        details="\n".join([*bad, *good]),
    )
