"""`digest list`: each digest, when it is posted next, and how it stands."""

from typing import TYPE_CHECKING

from pydantic import JsonValue

from commands.spec import NoArgs
from provisioning.digests.digest import local
from provisioning.digests.posts import Standing
from provisioning.queries.base import Asked
from provisioning.reports import Cell, ChannelLink, Report, table
from provisioning.store.digests import Digests

if TYPE_CHECKING:
    from datetime import datetime

    from provisioning.sources import Sources


class DigestList:
    """Answers `digest list`. Thread-safe."""

    command = "digest list"

    def __init__(self, sources: "Sources") -> None:
        self._digests = Digests(sources.store)

    def answer(self, args: NoArgs, asked: Asked) -> Report:  # noqa: ARG002 - it takes no arguments
        """Report every digest."""
        every = self._digests.all()
        alerting = sum(standing.alert_since is not None for standing in every)
        said = f"{len(every)} digest{'' if len(every) == 1 else 's'}" + (
            f", {alerting} with an alert" if alerting else ""
        )
        return Report(
            title="Digests",
            summary=said,
            parts=(
                table(
                    "",
                    ("Name", "When", "Next", "Channel", "Holds", "Alert", "Last", "Owner"),
                    [_row(standing, asked.now) for standing in every],
                    empty="none: /clearml digest add morning --at 'weekdays 09:00 Europe/Berlin'",
                ),
            ),
            data=[_data(standing, asked.now) for standing in every],
        )


def _next(standing: Standing, now: "datetime") -> "datetime | None":
    return None if standing.digest.paused else standing.digest.schedule.next_after(now)


def _row(standing: Standing, now: "datetime") -> tuple[Cell, ...]:
    digest, upcoming = standing.digest, _next(standing, now)
    alert = None if digest.alert is None else f"{digest.alert}, over at {digest.clear}"
    if standing.alert_since is not None:
        alert = f"HOLDS since {local(standing.alert_since, digest.zone)}: {alert}"
    last = standing.last
    told = None if last is None else f"{last.state} {local(last.slot, digest.zone)}"
    if last is not None and last.problem:
        told = f"{told}: {last.problem}"
    return (
        digest.name,
        digest.schedule.words,
        local(upcoming, digest.zone) if upcoming else "paused",
        ChannelLink(digest.channel),
        ", ".join(digest.include),
        alert,
        told,
        standing.owner.name if standing.owner else None,
    )


def _data(standing: Standing, now: "datetime") -> JsonValue:
    upcoming, last = _next(standing, now), standing.last
    return {
        **standing.digest.model_dump(mode="json"),
        "next": upcoming.isoformat() if upcoming else None,
        "owner": None if standing.owner is None else {"id": standing.owner.id, "name": standing.owner.name},
        "trouble": standing.trouble,
        "alert_since": standing.alert_since.isoformat() if standing.alert_since else None,
        "last": None
        if last is None
        else {"kind": last.kind.value, "slot": last.slot.isoformat(), "state": last.state, "problem": last.problem},
    }
