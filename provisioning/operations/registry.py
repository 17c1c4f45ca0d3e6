"""Every operation that can be planned, by the name of its command."""

from collections.abc import Mapping
from types import MappingProxyType

from provisioning.operations.base import Operation

OPERATIONS: Mapping[str, Operation] = MappingProxyType({})
