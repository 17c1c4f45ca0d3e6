"""Every operation that can be planned, by the name of its command."""

from collections.abc import Mapping
from types import MappingProxyType

from provisioning.operations.base import Operation
from provisioning.operations.digests import AddDigest, PauseDigest, RemoveDigest, ResumeDigest, RunDigest
from provisioning.operations.node_mig import ChangeMig
from provisioning.operations.node_reboot import RebootNode
from provisioning.operations.platform_install import InstallPlatform
from provisioning.operations.platform_uninstall import UninstallPlatform
from provisioning.operations.platform_upgrade import UpgradePlatform
from provisioning.operations.tenant_apply import ApplyTenants
from provisioning.operations.tenant_create import CreateTenant
from provisioning.operations.tenant_delete import DeleteTenant
from provisioning.operations.tenant_fix import FixTenant
from provisioning.operations.tenant_import import ImportTenant
from provisioning.operations.tenant_people import AddDomains, AddUser, ChangeRole, RemoveDomains, RemoveUser
from provisioning.operations.tenant_resize import ResizeTenant
from provisioning.operations.tenant_rotate import RotateTenant
from provisioning.operations.tenant_suspend import ResumeTenant, SuspendTenant
from provisioning.operations.tenant_upgrade import UpgradeTenant

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
    AddDigest(),
    RemoveDigest(),
    PauseDigest(),
    ResumeDigest(),
    RunDigest(),
    InstallPlatform(),
    UpgradePlatform(),
    UninstallPlatform(),
    ChangeMig("node mig enable", "Enabled"),
    ChangeMig("node mig disable", "Disabled"),
    RebootNode(),
    DeleteTenant(),
    ApplyTenants(),
    SuspendTenant(),
    ResumeTenant(),
    RotateTenant(),
    UpgradeTenant(),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({operation.command: operation for operation in _ALL})
