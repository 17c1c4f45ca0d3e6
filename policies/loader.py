"""Policy YAML → a typed policy, read by policies.documents. Pure."""

from importlib.resources import files

from policies.documents import MAX_TEXT, DocumentError, Problem, read
from policies.policy import Policy

__all__ = ["MAX_TEXT", "PolicyError", "Problem", "default_text", "load"]


class PolicyError(DocumentError):
    """The text is no policy. ``problems`` says where, and what was expected."""

    kind = "policy"


def load(text: str) -> Policy:
    """Return the policy in *text*. Raises: PolicyError."""
    return read(text, Policy, PolicyError, begin_with="begin with the default policy (clearml-chatops config policy)")


def default_text() -> str:
    """Return the default policy's YAML, comments and all."""
    return files("policies").joinpath("default.yaml").read_text(encoding="utf-8")
