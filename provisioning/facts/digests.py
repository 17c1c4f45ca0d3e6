"""What changes of digests decide by: the digest of that name, and whether the bot can post in its channel."""

from typing import TYPE_CHECKING

from commands.digests import DigestAdd, DigestArgs
from provisioning.operations.digests import DigestFacts
from provisioning.store.digests import Digests

if TYPE_CHECKING:
    from provisioning.sources import Sources

POSTING = frozenset({"digest add", "digest resume", "digest run"})


class DigestFactsSource:
    """Gathers what one of digests' commands decides by. Thread-safe."""

    def __init__(self, command: str, sources: "Sources") -> None:
        self.command = command
        self._sources = sources
        self._digests = Digests(sources.store)

    def gather(self, args: DigestArgs) -> DigestFacts:
        """Return the facts. Raises: PermanentError, UnreachableError where Slack cannot say what the channel is."""
        found = self._digests.get(args.name)
        channel = args.channel if isinstance(args, DigestAdd) else found.channel if found else None
        channels = self._sources.channels if self.command in POSTING else None
        return DigestFacts(
            found=found,
            count=len(self._digests.all()),
            channel=channels.look(channel) if channels is not None and channel is not None else None,
        )
