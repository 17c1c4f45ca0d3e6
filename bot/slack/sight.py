"""What somebody may see where nothing was asked for in words: on the Home tab, in a form's menus, behind a button.

The policy's word on the command that would show the same.
"""

from commands import grammar
from commands.grammar import Invocation
from policies.approvals import Actor
from provisioning.service import JobService


def asked(text: str) -> Invocation:
    """Return the command in *text*, which is ours. Raises: TypeError where it is none."""
    found = grammar.parse(text)
    if not isinstance(found, Invocation):
        raise TypeError(f"{text!r} is no whole command")
    return found


def may_see(service: JobService, actor: Actor, text: str) -> bool:
    """Return whether the policy lets *actor* ask for the command in *text*. Nothing is audited: nobody has asked."""
    return service.allows(asked(text), actor)
