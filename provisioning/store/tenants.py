"""What is recorded of a tenant once its job has succeeded: its spec, enough to plan the same again."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, JsonValue
from sqlite_utils import Database


class TenantRecord(BaseModel):
    """One tenant as it was asked for and made. Holds no secret."""

    model_config = ConfigDict(frozen=True)

    name: str
    request: dict[str, JsonValue]  # the spec: the `tenant create` request that would make it as it shall be
    outputs: dict[str, dict[str, JsonValue]] = {}  # step id → outputs: company id, user id
    job: str  # that wrote this record
    recorded_at: datetime  # aware, UTC


def read(db: Database, name: str) -> TenantRecord | None:
    row = next(db.table("tenants").rows_where("name = ?", [name]), None)
    return None if row is None else TenantRecord.model_validate_json(row["body"])


def read_all(db: Database) -> tuple[TenantRecord, ...]:
    return tuple(
        TenantRecord.model_validate_json(row["body"]) for row in db.table("tenants").rows_where(order_by="name")
    )


def forget(db: Database, name: str) -> None:
    db.table("tenants").delete_where("name = ?", [name])


def write(db: Database, record: TenantRecord) -> None:
    db.table("tenants").insert({"name": record.name, "body": record.model_dump_json()}, replace=True)
