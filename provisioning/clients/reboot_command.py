"""The configured command that reboots a node: IPMI, a cloud's API, ssh. An argument list, never a shell line."""

from collections.abc import Callable, Sequence

from provisioning.clients import names
from provisioning.clients.process import ChildProcesses
from provisioning.errors import PermanentError

PLACE = "{node}"
TIMEOUT_S = 300.0
DETAIL_CHARS = 500


class RebootCommand:
    """Runs *argv* with ``{node}`` replaced. Thread-safe."""

    def __init__(self, argv: Sequence[str], children: ChildProcesses) -> None:
        self._argv = tuple(argv)
        self._children = children

    @property
    def is_set(self) -> bool:
        """True where there is a command: else people reboot nodes."""
        return bool(self._argv)

    def reboot(self, node: str, cancelled: Callable[[], bool]) -> None:
        """Run it to its end, which may come before the node is back. Raises: PermanentError where it fails."""
        argv = [part.replace(PLACE, names.resource(node)) for part in self._argv]
        done = self._children.run(argv, timeout_s=TIMEOUT_S, cancelled=cancelled, subject=f"reboot of {node}")
        if done.returncode != 0:
            raise PermanentError(
                f"rebooting {node}: the configured command ended with {done.returncode}",
                next_action="check the setting NODES__REBOOT_COMMAND, or reboot the node by hand; then Retry",
                details=(done.stderr.strip() or done.stdout.strip())[-DETAIL_CHARS:],
            )
