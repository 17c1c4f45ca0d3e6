"""Who is in the sandbox's workspace, in which channels, with which roles."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DEFAULT_CHANNEL = "platform-ops"


class Person(BaseModel):
    """One person. ``roles`` are the bot's, handed to it by its settings; Slack knows nothing of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^U[A-Z0-9]{2,20}$")
    handle: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,40}$")
    name: str = Field(min_length=1, max_length=80)
    roles: frozenset[str] = frozenset()
    guest: bool = False


class Room(BaseModel):
    """One channel. Everybody is in it; the bot, unless it is kept out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")
    private: bool = False
    bot: bool = True


class Cast(BaseModel):
    """People, and the channels that all of them are in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    people: tuple[Person, ...]
    channels: tuple[Room, ...] = (Room(name=DEFAULT_CHANNEL),)

    @model_validator(mode="after")
    def _handles_are_unique(self) -> Self:
        handles = [person.handle for person in self.people]
        if len(set(handles)) != len(handles):
            raise ValueError(f"two people share a handle: {sorted(handles)}")
        return self

    def find(self, who: str) -> Person:
        """Return the person called *who*, by handle; ``approver`` alone means the first approver.

        Raises: KeyError, with everyone's handles.
        """
        plain = _plain(who)
        for person in self.people:
            if plain in {_plain(person.handle), _plain(person.name), person.id.lower()}:
                return person
        for person in self.people:
            if _plain(person.handle).rstrip("0123456789") == plain:
                return person
        known = ", ".join(person.handle for person in self.people)
        raise KeyError(f"nobody is called {who!r}; there are: {known}")

    def roles(self) -> dict[str, list[str]]:
        """Return role → Slack user ids, as the bot's setting ``slack.roles`` takes it."""
        found: dict[str, list[str]] = {}
        for person in self.people:
            for role in sorted(person.roles):
                found.setdefault(role, []).append(person.id)
        return found


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def _person(number: int, handle: str, name: str, role: str) -> Person:
    return Person(id=f"U{number:08d}", handle=handle, name=name, roles=frozenset({role}))


DEFAULT_CAST = Cast(
    people=(
        _person(1, "operator", "Operator", "operator"),
        _person(2, "approver-1", "Approver One", "approver"),
        _person(3, "approver-2", "Approver Two", "approver"),
        _person(4, "viewer", "Viewer", "viewer"),
        _person(5, "admin", "Admin", "admin"),
    )
)


def cast_from(people: Any, channels: Any) -> Cast:
    """Return the cast of a scenario's ``people`` and ``channels``; the default for what is not given.

    ``people`` maps a handle to a role, a list of roles, or ``{name, roles, id}``; ``channels`` lists names, or
    ``{name, private, bot}``.
    Raises: ValueError (pydantic's), naming the field.
    """
    members = list(DEFAULT_CAST.people)
    if people is not None:
        if not isinstance(people, dict) or not people:
            raise ValueError("people: must map handles to roles")
        members = [_member(number, str(handle), given) for number, (handle, given) in enumerate(people.items(), 1)]
    rooms = [DEFAULT_CHANNEL] if channels is None else channels
    return Cast(people=tuple(members), channels=tuple(_room(given) for given in rooms))


def _room(given: Any) -> Room:
    return Room.model_validate(given if isinstance(given, dict) else {"name": str(given).lstrip("#")})


def _member(number: int, handle: str, given: Any) -> Person:
    match given:
        case None:
            fields: dict[str, Any] = {}
        case str():
            fields = {"roles": [given]}
        case list():
            fields = {"roles": given}
        case dict():
            fields = dict(given)
        case _:
            raise ValueError(f"people: {handle}: must be a role, a list of roles, or a mapping")
    if "role" in fields:
        fields["roles"] = [fields.pop("role")]
    return Person.model_validate({"id": f"U{number:08d}", "handle": handle, "name": handle, **fields})
