"""Every operation that can be planned, by the name of its command."""

from collections.abc import Mapping
from types import MappingProxyType

from provisioning.operations.base import Operation
from provisioning.operations.tenant_create import CreateTenant
from provisioning.operations.tenant_fix import FixTenant

_ALL: tuple[Operation, ...] = (
    CreateTenant(),
    FixTenant(),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({operation.command: operation for operation in _ALL})
