"""What the platform spec's fields are made of: names, where secrets lie, where charts come from. Pure data."""

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SECRETS_NAME = "clearml-platform-secrets"  # the Secret that --generate-secrets may write to

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_RELEASE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,51}[a-z0-9])?")  # helm: 53 characters
_DOMAIN = re.compile(r"(?=.{4,240}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_SETTING = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_SECRET = re.compile(r"[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}/[A-Za-z0-9._-]{1,253}")
_URL = re.compile(r"https?://[^\s@]+|oci://[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*", re.I)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_VARIABLE = re.compile(r"CLEARML__[A-Za-z0-9_]+")


def like(pattern: re.Pattern[str], what: str) -> AfterValidator:
    """Return what holds a text to *pattern*, and says what it is to be."""

    def check(value: str) -> str:
        if pattern.fullmatch(value) is None:
            raise ValueError(f"{value[:60]!r} is no {what}")
        return value

    return AfterValidator(check)


def _not_written_out(value: Any) -> Any:
    if isinstance(value, str):  # never quoted: it may be the secret itself
        raise ValueError(  # noqa: TRY004 - pydantic makes a mistake of it
            "no secret is written here: name where it lies, as {setting: redis.password} or"
            " {secret: namespace/name/key}"
        )
    return value


Namespace = Annotated[str, like(_LABEL, "namespace: use lower-case letters, digits and dashes")]
ReleaseName = Annotated[str, like(_RELEASE, "release name: use lower-case letters, digits and dashes")]
Domain = Annotated[str, like(_DOMAIN, "domain: write it as in gpu.example.com")]
HostLabel = Annotated[str, like(_LABEL, "host name: write the part before the domain")]
Url = Annotated[str, like(_URL, "address: write https://… or oci://…, without a user in it")]
ValuePath = Annotated[str, like(_PATH, "path of a value: write it as in kafka.auth.password")]
VariableName = Annotated[str, like(_VARIABLE, "server variable: it begins with CLEARML__")]
Sha256 = Annotated[str, like(_SHA256, "SHA-256: write 64 hex digits, as sha256sum prints")]
TimeoutS = Annotated[int, Field(ge=5, le=7200)]


class SpecModel(BaseModel):
    """Part of a spec: frozen, and strict about the names of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SecretReference(SpecModel):
    """Where a secret lies. Exactly one of the two."""

    setting: Annotated[str, like(_SETTING, "setting: write it as in redis.password")] | None = None
    secret: Annotated[str, like(_SECRET, "Secret: write it as in namespace/name/key")] | None = None

    @property
    def name(self) -> str:
        """Return what values name it by, in ``{"$secret": name}``."""
        return self.setting or self.secret or ""

    @property
    def can_be_generated(self) -> bool:
        return self.secret is not None and self.secret.split("/")[1] == SECRETS_NAME

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.setting is None) == (self.secret is None):
            raise ValueError("name one place: {setting: …} or {secret: namespace/name/key}")
        return self


Secret = Annotated[SecretReference, BeforeValidator(_not_written_out)]


def generated(key: str) -> SecretReference:
    """Return a key of the Secret that `--generate-secrets` writes to."""
    return SecretReference(secret=f"clearml/{SECRETS_NAME}/{key}")


def of_setting(name: str) -> SecretReference:
    """Return a setting of the bot."""
    return SecretReference(setting=name)


class Repository(SpecModel):
    """Where charts are fetched from: a classic helm repository (https://…) or an OCI registry (oci://…)."""

    url: Url
    username: Secret | None = None
    password: Secret | None = None


class ChartSource(SpecModel):
    """One chart: a name and an exact version in a repository, or a file or folder on the bot's machine."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    repository: str | None = None
    """A key of `repositories`."""
    version: str | None = Field(default=None, pattern=r"^v?[0-9][0-9A-Za-z.+-]*$")
    digest: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    """Of an OCI registry's chart, as `helm push` and `helm pull` print it: fetched by it, wherever the tag points."""
    file: str | None = None

    @model_validator(mode="after")
    def _is_one_source(self) -> Self:
        if self.file is not None:
            if self.name or self.repository or self.version or self.digest:
                raise ValueError("a chart with a file has no name, repository, version or digest: the file says them")
        elif not (self.name and self.repository and self.version):
            raise ValueError("a chart needs name, repository and version, or a file")
        return self
