"""What works deliveries off, over a world of an engine's tests."""

from collections.abc import Mapping
from typing import Any

from bot.slack.gate import Gate
from bot.slack.identity import Person as KnownPerson
from bot.slack.identity import Standing
from bot.slack.offers import Offers, Source
from bot.slack.work import Work
from tests.integration.engine_samples import World


class Members:
    """Everybody is one."""

    def person(self, user_id: str) -> KnownPerson:
        return KnownPerson(user_id, user_id, Standing.MEMBER)

    def may_act(self, person: KnownPerson) -> bool:
        return person.standing is Standing.MEMBER


def work_in(world: World, client: Any, offers: Mapping[str, Source] | None = None) -> Work:
    """Return it for *world*, whose commands read nothing; *client* stands for Slack's."""
    return Work(
        service=world.service,
        store=world.store,
        queries={},
        people=world.people,
        client=client,
        offers=Offers(offers or {}),
        gate=Gate(Members()),
    )
