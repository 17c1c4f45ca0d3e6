"""A tenant's spec: the `tenant create` request that would make it as it shall be. Recorded by a plan's last step. Pure.

Whatever changes a tenant writes the changed spec, so that `tenant create` can be planned again from the record at
any time: where nothing has drifted, that plan has nothing to do.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import JsonValue, ValidationError

from commands.mistakes import all_said
from commands.tenants import TenantCreate
from provisioning.errors import PermanentError
from provisioning.plan import Step

Reference = str | dict[str, JsonValue]  # an id, or a reference to a step's output


def recorded(spec: TenantCreate) -> dict[str, JsonValue]:
    """Return the spec as it is recorded: what was said, not what is default."""
    return spec.model_dump(mode="json", exclude_unset=True)


def of_record(name: str, request: Mapping[str, JsonValue]) -> TenantCreate:
    """Return the spec that is recorded of the tenant.

    Raises: PermanentError where an earlier version recorded what is refused by now.
    """
    try:
        return TenantCreate.model_validate(dict(request))
    except ValidationError as problem:
        raise PermanentError(
            f"the record of tenant {name} is none that this version takes: {all_said(problem)}",
            next_action=f"/clearml tenant create {name} … records it anew, with what is to be otherwise",
        ) from None


def changed(spec: TenantCreate, changes: Mapping[str, Any]) -> TenantCreate:
    """Return *spec* with *changes* (field → value; None takes the field back to its default).

    Raises: pydantic.ValidationError where the fields do not go together.
    """
    merged = {**recorded(spec), **changes}
    return TenantCreate.model_validate({field: value for field, value in merged.items() if value is not None})


def spec_step(
    spec: TenantCreate,
    *,
    before: Mapping[str, JsonValue] | None,
    company_id: Reference,
    admin_user_id: Reference,
    after: Iterable[str],
) -> Step:
    """Return the step that records *spec*, behind the steps whose ids are in *after*.

    *before* is what is recorded now, None where nothing is: undo writes it again.
    """
    return Step(
        id="spec",
        kind="tenant.spec",
        title=f"Record tenant {spec.name} as it then is",
        needs=tuple(after),
        inputs={
            "tenant": spec.name,
            "spec": recorded(spec),
            "before": None if before is None else dict(before),
            "company_id": company_id,
            "admin_user_id": admin_user_id,
        },
        undo="recorded as before" if before is not None else "forgotten",
    )
