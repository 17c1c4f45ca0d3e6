"""What every group of calls stands on: reads, changes, pages; and the calls about the server itself."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from provisioning.clients import clearml_records as records
from provisioning.clients.clearml_records import ServerInfo
from provisioning.clients.clearml_wire import Transport, Wire
from provisioning.configuration import ClearMLServer
from provisioning.errors import PermanentError

PAGE = 500  # the most that the server gives at once
MOST_PAGES = 200


class Calls:
    """One server. Thread-safe."""

    def __init__(self, server: ClearMLServer, *, transport: Transport | None = None) -> None:
        self._wire = Wire(server, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def ping(self) -> None:
        """Answer or raise. The server asks for no credentials."""
        self._read("asking ClearML for a sign of life", "debug.ping")

    def server_info(self) -> ServerInfo:
        """Return the version."""
        data = self._read("asking ClearML for its version", "server.info")
        return ServerInfo(
            version=str(data.get("version") or ""),
            api_version=str(data.get("api_version") or ""),
            build=str(data.get("build") or ""),
        )

    def time(self) -> datetime | None:
        """Return the server's time as of its last answer, to the second; None where it has not told."""
        return self._wire.time

    def _read(
        self, doing: str, endpoint: str, body: dict[str, Any] | None = None, *, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        return self._change(doing, endpoint, body, headers=headers, repeatable=True)

    def _change(
        self,
        doing: str,
        endpoint: str,
        body: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
        repeatable: bool = False,
    ) -> dict[str, Any]:
        return self._wire.call(doing, endpoint, body, headers=headers, repeatable=repeatable)

    def _pages(
        self, doing: str, endpoint: str, listed: str, headers: dict[str, str], /, **body: object
    ) -> Iterator[records.Data]:
        """Yield the records of every page. Raises: PermanentError where there is no end to them."""
        for page in range(MOST_PAGES):
            asked = {**body, "order_by": ["name"], "page": page, "page_size": PAGE}
            found = records.records(self._read(doing, endpoint, asked, headers=headers), listed)
            yield from found
            if len(found) < PAGE:
                return
        raise PermanentError(
            f"{doing}: there are more than {MOST_PAGES * PAGE}", next_action="this is a fault of the bot: report it"
        )
