"""Where a token is given: in a file, on standard input or in the environment; never among the words of a command.

What is given and cannot be used is an error: nobody becomes the process's user because a variable came empty.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from provisioning.errors import PermanentError, reason_of

OPTION = "--oidc-token-file"
TOKEN, TOKEN_FILE = "CLEARML_CHATOPS_OIDC_TOKEN", "CLEARML_CHATOPS_OIDC_TOKEN_FILE"
MOST_CHARACTERS = 16_384


def is_given(file: str | None, environment: Mapping[str, str]) -> bool:
    """Return whether there is a token, be it an empty one."""
    return file is not None or TOKEN in environment or TOKEN_FILE in environment


def token_given(file: str | None, environment: Mapping[str, str]) -> SecretStr | None:
    """Return the token of *file* (the option's), else of the environment; None where none is given.

    Raises: PermanentError where it cannot be read, or where it is not clear which one is meant.
    """
    if file is None and TOKEN in environment and TOKEN_FILE in environment:
        said = f"both {TOKEN} and {TOKEN_FILE} are set"
        raise PermanentError(said, next_action="unset one of them")
    if file is None and TOKEN in environment:
        return SecretStr(environment[TOKEN].strip())
    path = environment.get(TOKEN_FILE) if file is None else file
    return None if path is None else SecretStr(_read(path))


def _read(path: str) -> str:
    doing = "reading the token from standard input" if path == "-" else f"reading the token from {path or 'no file'}"
    most = 2 * MOST_CHARACTERS  # what is longer than a token is told as such
    try:
        if path == "-":
            content = sys.stdin.buffer.read(most)
        else:
            with Path(path).expanduser().open("rb") as file:
                content = file.read(most)
        return content.decode("ascii").strip()
    except OSError as error:
        raise PermanentError(f"{doing}: {reason_of(error)}", next_action=f"check {OPTION} or {TOKEN_FILE}") from error
    except UnicodeDecodeError:
        raise PermanentError(f"{doing}: it holds no token", next_action=f"check {OPTION} or {TOKEN_FILE}") from None
