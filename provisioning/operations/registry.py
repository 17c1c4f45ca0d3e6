"""Every operation that can be planned, by the name of its command."""

from collections.abc import Mapping
from types import MappingProxyType

from provisioning.operations.base import Operation
from provisioning.operations.tenant_create import CreateTenant
from provisioning.operations.tenant_fix import FixTenant
from provisioning.operations.tenant_import import ImportTenant
from provisioning.operations.tenant_people import AddDomains, AddUser, ChangeRole, RemoveDomains, RemoveUser
from provisioning.operations.tenant_resize import ResizeTenant

_ALL: tuple[Operation, ...] = (
    CreateTenant(),
    FixTenant(),
    ImportTenant(),
    ResizeTenant(),
    AddDomains(),
    RemoveDomains(),
    AddUser(),
    RemoveUser(),
    ChangeRole(),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({operation.command: operation for operation in _ALL})
