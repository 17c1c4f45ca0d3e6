"""The platform spec's text → typed; the commented example; the JSON schema for editors. Pure."""

import json
from importlib.resources import files
from typing import Any

from policies.documents import DocumentError, read
from provisioning.platform.spec import PlatformSpec

SCHEMA_NAME = "platform.schema.json"


class SpecError(DocumentError):
    """The text is no platform spec. ``problems`` says where, and what was expected."""

    kind = "platform spec"


def load(text: str) -> PlatformSpec:
    """Return the spec in *text*. Raises: SpecError."""
    return read(
        text, PlatformSpec, SpecError, begin_with="begin with the commented one (clearml-chatops platform init)"
    )


def example() -> str:
    """Return a spec with a comment on everything that can be said, to copy and change."""
    return files("provisioning.platform").joinpath("example.yaml").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """Return the JSON schema. In YAML editors: ``# yaml-language-server: $schema=platform.schema.json``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PlatformSpec.model_json_schema()}


def schema_text() -> str:
    """Return the JSON schema as the file that editors read, called `SCHEMA_NAME`."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
