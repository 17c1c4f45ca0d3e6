"""Every call that the stand-in knows."""

from collections.abc import Mapping

from sandbox.clearml.accounts import ACCOUNTS
from sandbox.clearml.schema import Endpoint
from sandbox.clearml.state import ClearMLState
from sandbox.clearml.tenants import SINCE_SERVER, TENANTS
from sandbox.clearml.work import WORK

ENDPOINTS: Mapping[str, Endpoint] = {**ACCOUNTS, **WORK}


def endpoint_of(state: ClearMLState, name: str) -> Endpoint | None:
    """Return the call, None where the server of this version has none of that name."""
    if name in state.missing_endpoints:
        return None
    return ENDPOINTS.get(name) or (TENANTS.get(name) if state.server_version >= SINCE_SERVER else None)
