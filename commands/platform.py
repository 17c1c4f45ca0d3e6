"""What can be said about the platform: everything that tenants stand on. Pure."""

from enum import StrEnum

from commands.spec import CommandArgs, CommandSpec, Risk, flag, positional

SUBJECT = "platform"  # what jobs on it are serialised by


class Component(StrEnum):
    """A part of the platform."""

    GPU_OPERATOR = "gpu-operator"
    CDMO = "cdmo"
    REDIS = "redis"
    BILLING = "billing"
    SERVER = "server"
    POLICIES = "policies"
    APPLICATIONS = "applications"

    @property
    def field(self) -> str:
        """Return its key in the platform spec."""
        return self.value.replace("-", "_")


class PlatformArgs(CommandArgs):
    """One component, or all of them."""

    component: Component | None = positional(
        "COMPONENT", f"one of {', '.join(Component)} (default: all of the spec)", default=None
    )

    @property
    def subject(self) -> str:
        return SUBJECT


class PlatformInstall(PlatformArgs):
    """What is not there is installed; what is there stays as it is."""

    generate_secrets: bool = flag("", "make the secrets that are missing, and keep them in Kubernetes", default=False)


class PlatformUpgrade(PlatformArgs):
    """What is there becomes as the spec says: chart version and values."""

    values_only: bool = flag("", "change values and keep chart versions", default=False)


class PlatformUninstall(PlatformArgs):
    """What is there is removed, in reverse order. Namespaces stay, with their volumes and Secrets."""

    force: bool = flag("", "do it even though tenants exist", default=False)


SPECS = (
    CommandSpec(
        name="platform plan",
        args=PlatformArgs,
        summary="Show what installing and upgrading the platform would do",
        risk=Risk.READ,
        examples=("platform plan", "platform plan server"),
    ),
    CommandSpec(
        name="platform status",
        args=PlatformArgs,
        summary="Show the platform: versions, health, what differs from the spec",
        risk=Risk.READ,
        examples=("platform status",),
    ),
    CommandSpec(
        name="platform install",
        args=PlatformInstall,
        summary="Install what is missing of the platform",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("platform install --generate-secrets", "platform install redis --dry-run"),
    ),
    CommandSpec(
        name="platform upgrade",
        args=PlatformUpgrade,
        summary="Make what is installed as the spec says",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("platform upgrade server --values-only", "platform upgrade --dry-run"),
    ),
    CommandSpec(
        name="platform uninstall",
        args=PlatformUninstall,
        summary="Remove the platform, or one component of it",
        risk=Risk.DESTROY,
        takes_dry_run=True,
        examples=("platform uninstall cdmo", "platform uninstall --force"),
    ),
)
