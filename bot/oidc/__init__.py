"""Who runs the command line, by a signed token (OpenID Connect)."""

from contextvars import ContextVar

token_file: ContextVar[str | None] = ContextVar("token_file", default=None)  # as --oidc-token-file says
