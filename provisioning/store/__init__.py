"""Jobs, leases, tenants and the audit trail in one SQLite file, so that a change and its audit row commit together."""

from provisioning.store.allowance import Allowance
from provisioning.store.delegations import Delegation
from provisioning.store.inbox import Deliveries, Delivery
from provisioning.store.leases import LeaseTakenError, PortLease
from provisioning.store.store import Change, Store
from provisioning.store.tenants import TenantRecord

__all__ = [
    "Allowance",
    "Change",
    "Delegation",
    "Deliveries",
    "Delivery",
    "LeaseTakenError",
    "PortLease",
    "Store",
    "TenantRecord",
]
