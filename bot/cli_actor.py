"""Who runs the command line."""

import os
import pwd

from policies.approvals import Actor


def os_user() -> str:
    """Return the name of the process's user, or its number where it has none.

    By the kernel's word: LOGNAME and USER are what anybody wants them to be, and a vote counts as this name's.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def unprivileged() -> Actor:
    """Return who it is, without roles: for audit rows of what needs none."""
    name = os_user()
    return Actor(id=f"os:{name}", name=name, roles=frozenset())
