"""The service ``tenants`` of servers from 3.30 on.

Documented by name and behaviour only (soft delete, the name must match, refused while resources run unless forced);
the fields are inferred.
"""

from collections.abc import Mapping

from sandbox.clearml.model import SYSTEM_ROLES, ApiRefusal, Caller, Company
from sandbox.clearml.schema import Data, Endpoint, Kind
from sandbox.clearml.state import ClearMLState

SINCE_SERVER = (3, 30)


def _resources(state: ClearMLState, _caller: Caller, data: Data) -> Data:
    company = _company(state, data["tenant"])
    return {"resources": [{"type": "task", "id": task, "name": task} for task in company.running]}


def _delete(state: ClearMLState, _caller: Caller, data: Data) -> Data:
    company = _company(state, data["tenant"])
    if data["name"] != company.name:
        raise ApiRefusal(400, 12, f"Validation error (name does not match the tenant's: {data['name']})")
    if company.running and not data.get("force"):
        raise ApiRefusal(400, 800, f"Data validation error: tenant has running resources: {len(company.running)}")
    company.active = False  # softly
    company.running.clear()
    company.workers.clear()
    for user_id in [user.id for user in state.users.values() if user.company == company.id]:
        del state.users[user_id]
    return {"deleted": True}


def _company(state: ClearMLState, company_id: str) -> Company:
    company = state.companies_by_id.get(company_id)
    if company is None or not company.active:
        raise ApiRefusal(400, 10, f"Invalid object id: tenant={company_id}")
    return company


TENANTS: Mapping[str, Endpoint] = {
    "tenants.get_tenant_resources": Endpoint(
        run=_resources, roles=SYSTEM_ROLES, required=("tenant",), fields={"tenant": Kind.TEXT}
    ),
    "tenants.delete_tenant": Endpoint(
        run=_delete,
        roles=SYSTEM_ROLES,
        required=("tenant", "name"),
        fields={"tenant": Kind.TEXT, "name": Kind.TEXT, "force": Kind.FLAG},
    ),
}
