"""The tables, as numbered migrations. Applied ones never change; a new need is a new migration."""

from sqlite_utils import Database, Migrations

from provisioning.errors import PermanentError
from provisioning.evidence import search, trail
from provisioning.store import allowance, checkpoints, delegations, digests, inbox, policy_versions, samples

MIGRATIONS = Migrations("clearml-chatops")


@MIGRATIONS(name="0001_jobs")
def _jobs(db: Database) -> None:
    db.table("jobs").create(
        {
            "number": int,
            "id": str,
            "state": str,
            "subject": str,
            "requester": str,
            "updated_at": str,
            "body": str,  # the whole job as JSON; the columns are for searching
        },
        pk="number",
        not_null={"id", "state", "subject", "requester", "updated_at", "body"},
    )
    db.table("jobs").create_index(["id"], unique=True)
    db.table("jobs").create_index(["state", "number"])
    db.table("jobs").create_index(["subject", "number"])


@MIGRATIONS(name="0002_leases_and_tenants")
def _leases_and_tenants(db: Database) -> None:
    db.table("leases").create(
        {"tenant": str, "start": int, "size": int, "job": str, "expires_at": str},  # expires_at null: for good
        pk=("tenant", "start"),
        not_null={"size", "job"},
    )
    db.table("tenants").create({"name": str, "body": str}, pk="name", not_null={"body"})


@MIGRATIONS(name="0003_deliveries")
def _deliveries(db: Database) -> None:
    db.table("deliveries").create({"key": str, "at": float}, pk="key", not_null={"at"})
    db.table("deliveries").create_index(["at"])


@MIGRATIONS(name="0004_audit")
def _audit(db: Database) -> None:
    trail.create_table(db)


@MIGRATIONS(name="0005_leases_by_size")
def _leases_by_size(db: Database) -> None:
    """A resized tenant holds two envelopes with one start until the larger or the smaller one has proved itself."""
    db.table("leases").transform(pk=("tenant", "start", "size"))


@MIGRATIONS(name="0006_samples")
def _samples(db: Database) -> None:
    samples.create_table(db)


@MIGRATIONS(name="0007_evidence")
def _evidence(db: Database) -> None:
    checkpoints.create_table(db)
    search.create_index(db)


@MIGRATIONS(name="0008_policies")
def _policies(db: Database) -> None:
    policy_versions.create_table(db)


# A job that went ahead without approval, and that nobody has reviewed.
UNREVIEWED = (
    "json_extract(body, '$.break_glass.rule') IS NOT NULL AND json_extract(body, '$.break_glass.reviewed_at') IS NULL"
)


@MIGRATIONS(name="0009_unreviewed")
def _unreviewed(db: Database) -> None:
    db.execute(f"CREATE INDEX jobs_unreviewed ON jobs (number) WHERE {UNREVIEWED}")


@MIGRATIONS(name="0010_digests")
def _digests(db: Database) -> None:
    digests.create_tables(db)


@MIGRATIONS(name="0010_inbox")
def _inbox(db: Database) -> None:
    inbox.create_table(db)


@MIGRATIONS(name="0012_delegations")
def _delegations(db: Database) -> None:
    delegations.create_table(db)


@MIGRATIONS(name="0013_digest_owners")
def _digest_owners(db: Database) -> None:
    digests.add_owners(db)


@MIGRATIONS(name="0014_requests")
def _requests(db: Database) -> None:
    allowance.create_table(db)


def migrate(db: Database) -> None:
    """Bring the database up to date. Raises: PermanentError where a newer version made it."""
    known = {migration.name for migration in MIGRATIONS._migrations}  # noqa: SLF001 - there is no public list
    if unknown := sorted({applied.name for applied in MIGRATIONS.applied(db)} - known):
        raise PermanentError(
            f"the database was written by a newer version (it has {', '.join(unknown)})",
            next_action="run that version, or restore the backup that was made before the upgrade",
        )
    if MIGRATIONS.pending(db):
        MIGRATIONS.apply(db)
