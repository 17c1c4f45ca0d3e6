"""What changes of digests decide by: the digest of that name."""

from typing import TYPE_CHECKING

from commands.digests import DigestArgs
from provisioning.operations.digests import DigestFacts
from provisioning.store.digests import Digests

if TYPE_CHECKING:
    from provisioning.store import Store


class DigestFactsSource:
    """Gathers what one of digests' commands decides by. Thread-safe."""

    def __init__(self, command: str, store: "Store") -> None:
        self.command = command
        self._digests = Digests(store)

    def gather(self, args: DigestArgs) -> DigestFacts:
        """Return the facts."""
        return DigestFacts(found=self._digests.get(args.name), count=len(self._digests.all()))
