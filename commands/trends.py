"""What can be asked about trends. Pure."""

from typing import Annotated

from pydantic import Field

from commands.measures import MEASURES, MeasureName
from commands.spec import CommandArgs, CommandSpec, Risk, flag


class TrendsArgs(CommandArgs):
    """Which measures, and how far back. None named means all that run out, and tenants."""

    measures: Annotated[tuple[MeasureName, ...], Field(max_length=len(MEASURES))] = flag(
        "NAME", f"what to show: {', '.join(MEASURES)} (default: what can run out)", name="--measure", default=()
    )
    days: int = flag("N", "how many days back", default=30, ge=1, le=400)


SPECS = (
    CommandSpec(
        name="trends",
        args=TrendsArgs,
        summary="Show how capacity and ports have moved, how fast they go, and when they may run out",
        risk=Risk.READ,
        examples=("trends", "trends --days 90 --measure ports.free,tenants"),
    ),
)
