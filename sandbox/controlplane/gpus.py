"""The GPUs of a sandbox cluster: their files, the `nvidia-smi` on kwok's PATH, and what can happen to them."""

import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provisioning import tools
from provisioning.configuration import Tools
from sandbox.controlplane.nodes import FakeNode
from sandbox.gpus import device_plugin, nvidia_smi, state


class Gpus:
    """The cards of *nodes*, one file a node in *folder*."""

    def __init__(self, folder: Path, nodes: Sequence[FakeNode]) -> None:
        self._folder = folder
        self._nodes = {node.name: node for node in nodes}
        self.bin = folder / "bin"

    @property
    def pods(self) -> dict[str, Path]:
        """Return each device plugin's pod and the file of its node."""
        return {device_plugin.pod_name(node): self.file(node) for node in self._nodes}

    def objects(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what the operator would have made: path and body, in order."""
        return device_plugin.objects(self._nodes) if self._nodes else []

    def file(self, node: str) -> Path:
        """Return the file of the node's cards. Raises: ValueError where it has none."""
        if node not in self._nodes:
            raise ValueError(f"no node {node!r} with GPUs; there are: {', '.join(self._nodes)}")
        return self._folder / f"{node}.json"

    def write(self) -> None:
        """Write every node's file and the programs."""
        self.bin.mkdir(parents=True, exist_ok=True)
        for node in self._nodes.values():
            card = state.card_of(node.product)
            state.write(self.file(node.name), state.new(node.name, card, node.gpus, node.slices, mig=node.mig))
        self._program("nvidia-smi", f'"{sys.executable}" -I "{nvidia_smi.__file__}"')
        self._program("reboot-node", f'"{sys.executable}" -m sandbox.controlplane.gpus "{self._folder}"')

    def _program(self, name: str, command: str) -> None:
        program = self.bin / name
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        program.chmod(0o755)

    def change(self, node: str, gpus: Sequence[int] = (), **fields: Any) -> None:
        """Set fields (``in_use``, ``stuck``) of the node's cards, of all of them where none are named."""
        with state.changing(self.file(node)) as found:
            for gpu in found["gpus"]:
                if not gpus or gpu["index"] in gpus:
                    gpu.update(fields)

    def modes(self, node: str) -> list[str]:
        """Return each card's modes: ``Disabled, Enabled``: now, and after a reboot."""
        with state.changing(self.file(node)) as found:
            return [f"{gpu['current']}, {gpu['pending']}" for gpu in found["gpus"]]

    def reboot(self, kubeconfig: Path, node: str) -> None:
        """Do what a reboot does: to the cards, and to what the kubelet says of its node."""
        reboot(kubeconfig, self.file(node), node)


def reboot(kubeconfig: Path, file: Path, node: str) -> None:
    """Reboot *node*: its cards as sandbox.gpus.state.reboot, another bootID, and for a moment not ready."""
    with state.changing(file) as found:
        state.reboot(found)
    kubectl = [str(tools.locate(Tools()).kubectl), f"--kubeconfig={kubeconfig}"]
    shown = subprocess.run(
        [*kubectl, "get", "node", node, "--output=json"], check=True, capture_output=True, timeout=30
    )
    allocatable = json.loads(shown.stdout)["status"]["allocatable"]
    slices = {name: "0" for name in allocatable if name.startswith("nvidia.com/mig-")}
    status = {
        "nodeInfo": {"bootID": str(uuid.uuid4())},
        "conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}],
        "allocatable": slices,
        "capacity": slices,
    }
    patch = ["patch", "node", node, "--subresource=status", "--type=strategic"]
    subprocess.run(
        [*kubectl, *patch, f"--patch={json.dumps({'status': status})}"], check=True, capture_output=True, timeout=30
    )


if __name__ == "__main__":  # the program reboot-node, a setting nodes.reboot_command of the bot: FOLDER NODE
    reboot(Path(sys.argv[1]).parent / "kubeconfig", Path(sys.argv[1]) / f"{sys.argv[2]}.json", sys.argv[2])
