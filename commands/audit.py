"""What can be said about the audit trail, and about who one is to the bot. Pure."""

from commands.arguments import TenantName
from commands.spec import CommandArgs, CommandSpec, NoArgs, Risk, flag, positional


class AuditArgs(CommandArgs):
    """Which part of the audit trail to read."""

    tenant: TenantName | None = positional("TENANT", "only what concerns this tenant", default=None)
    limit: int = flag("N", "how many rows at most, newest first", default=20, ge=1, le=100)

    @property
    def subject(self) -> str:
        return self.tenant or ""


SPECS = (
    CommandSpec(
        name="audit",
        args=AuditArgs,
        summary="Read the audit trail, newest first",
        risk=Risk.READ,
        examples=("audit acme --limit 50",),
    ),
    CommandSpec(name="whoami", args=NoArgs, summary="Say who you are to the bot, and what you may do", risk=Risk.READ),
)
