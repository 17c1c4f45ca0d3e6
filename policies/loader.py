"""Policy YAML → a typed policy, read by policies.documents. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from policies import documents
from policies.documents import MAX_TEXT, DocumentError, Problem
from policies.policy import Policy

__all__ = ["MAX_TEXT", "PolicyError", "PolicyVersion", "Problem", "default_text", "json_schema", "load", "version_of"]


class PolicyError(DocumentError):
    """The text is no policy. ``problems`` says where, and what was expected."""

    kind = "policy"


@dataclass(frozen=True, kw_only=True)
class PolicyVersion:
    """A policy as it was written. ``digest`` is the SHA-256 of its text in UTF-8, which ``sha256sum`` prints too.
    ``lines`` are those that rules begin at, by name."""

    policy: Policy
    text: str
    digest: str
    lines: Mapping[str, int] = field(default_factory=dict)


def version_of(text: str) -> PolicyVersion:
    """Return the policy in *text* with its digest. Raises: PolicyError."""
    digest = hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()
    policy = load(text)
    names = (rule.name for rule in policy.rules)
    lines = MappingProxyType(dict(zip(names, documents.lines_of(text, "rules"), strict=True)))
    return PolicyVersion(policy=policy, text=text, digest=digest, lines=lines)


def load(text: str) -> Policy:
    """Return the policy in *text*. Raises: PolicyError."""
    return documents.read(
        text,
        Policy,
        PolicyError,
        begin_with="begin with the default policy (clearml-chatops config policy)",
        context=lambda document: {"groups": _groups(document)},
    )


def json_schema() -> dict[str, Any]:
    """Return the policy file's JSON schema, for editors. The loader checks more than a schema can say."""
    schema = Policy.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "clearml-chatops policy"}


def default_text() -> str:
    """Return the default policy's YAML, comments and all."""
    return files("policies").joinpath("default.yaml").read_text(encoding="utf-8")


def _groups(document: Any) -> frozenset[str]:
    """Return the names under ``groups``, which rules may use as roles."""
    found = document.get("groups") if isinstance(document, dict) else None
    return frozenset(map(str, found)) if isinstance(found, dict) else frozenset()
