"""What can be said about the bot's own health. Pure."""

from commands.spec import CommandSpec, NoArgs, Risk

SPECS = (
    CommandSpec(
        name="doctor",
        args=NoArgs,
        summary="Check everything that the bot needs; each finding with what to do next",
        risk=Risk.READ,
        examples=("doctor",),
    ),
)
