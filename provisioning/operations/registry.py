"""Every operation that can be planned, by the name of its command."""

from collections.abc import Mapping
from types import MappingProxyType

from provisioning.operations.base import Operation
from provisioning.operations.tenant_create import CreateTenant
from provisioning.operations.tenant_fix import FixTenant
from provisioning.operations.tenant_import import ImportTenant

_ALL: tuple[Operation, ...] = (
    CreateTenant(),
    FixTenant(),
    ImportTenant(),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({operation.command: operation for operation in _ALL})
