"""Every call that the stand-in knows."""

from collections.abc import Mapping

from sandbox.clearml.accounts import ACCOUNTS
from sandbox.clearml.schema import Endpoint
from sandbox.clearml.work import WORK

ENDPOINTS: Mapping[str, Endpoint] = {**ACCOUNTS, **WORK}
