"""What can be asked about ports. Pure."""

from commands.arguments import TenantName
from commands.spec import CommandArgs, CommandSpec, Risk, flag


class PortsArgs(CommandArgs):
    """Whose ports, and room for whom."""

    tenant: TenantName | None = flag("NAME", "only what concerns this tenant", choices="tenants", default=None)
    max_services: int = flag("N", "sessions that the next free range is for", default=10, ge=1, le=500)

    @property
    def subject(self) -> str:
        return self.tenant or ""


SPECS = (
    CommandSpec(
        name="ports",
        args=PortsArgs,
        summary="Show who declared and who uses which ports, what does not agree, and what is free",
        risk=Risk.READ,
        examples=("ports", "ports --tenant acme", "ports --max-services 40"),
    ),
)
