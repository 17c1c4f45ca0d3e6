"""What can be asked about the policy. Pure."""

from typing import Annotated

from pydantic import Field

from commands.arguments import ChannelId, Moment, PersonId
from commands.spec import CommandArgs, CommandSpec, Risk, flag, positional

RoleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{6,64}$")]
Steps = Annotated[int, Field(ge=0, le=10_000)]


class PolicyExplain(CommandArgs):
    """Which command, asked by whom, where and when. What is left out is as it is for whoever asks."""

    text: str = positional(
        "COMMAND", 'the command in quotes, as in "tenant create acme"', min_length=1, max_length=2000
    )
    person: PersonId | None = flag("PERSON", "who would run it (default: you)", name="--as", default=None)
    roles: Annotated[tuple[RoleName, ...], Field(max_length=20)] = flag(
        "ROLE", "with these roles, in place of those that they have", name="--role", default=()
    )
    channel: ChannelId | None = flag("CHANNEL", "in which channel (default: this one)", default=None)
    at: Moment | None = flag("TIME", "when, as in 2026-12-24T18:00, UTC (default: now)", default=None)
    destroys: Steps | None = flag("N", "steps of the plan that destroy (default: not known)", default=None)
    changes: Steps | None = flag("N", "steps of the plan with something to do (default: not known)", default=None)


class PolicyShow(CommandArgs):
    """Which policy."""

    digest: Digest | None = positional(
        "DIGEST", "an older one, by the beginning of the digest that the audit trail names", default=None
    )


SPECS = (
    CommandSpec(
        name="policy explain",
        args=PolicyExplain,
        summary="Say what the policy decides on a command, and who could approve",
        risk=Risk.READ,
        examples=(
            'policy explain "tenant create acme"',
            'policy explain "tenant create acme" --as U0123456789 --at 2026-12-24T18:00',
            'policy explain "tenant create acme" --role operator --channel C0123456789',
        ),
    ),
    CommandSpec(
        name="policy show",
        args=PolicyShow,
        summary="Show the policy's rules and groups, and which version of it counts",
        risk=Risk.READ,
        examples=("policy show", "policy show 3f8a2c"),
    ),
)
