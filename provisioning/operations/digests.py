"""What changing a digest plans: one step that keeps another definition, or none, or owes a post. Pure."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from commands.digests import DigestAdd, DigestArgs
from policies.approvals import Refusal
from provisioning.channels import INVITE, Channel, Reach
from provisioning.digests.digest import Digest
from provisioning.operations.base import Draft
from provisioning.plan import Step

MOST = 50  # digests


@dataclass(frozen=True, kw_only=True)
class DigestFacts:
    """The digest of that name, how many there are, and the channel that it would be posted in."""

    found: Digest | None
    count: int
    channel: Channel | None = None  # None: nothing is posted, or nobody can ask Slack here


class AddDigest:
    """``digest add``: the digest is there, with this shape."""

    command = "digest add"
    args = DigestAdd

    def draft(self, args: DigestAdd, facts: DigestFacts) -> Draft | Refusal:
        if args.channel is None:
            return Refusal(
                reason="a digest needs a channel, and this was not asked in one",
                next_action="name it with --channel and its id, as in C0123456789",
            )
        if facts.found is None and facts.count >= MOST:
            return Refusal(
                reason=f"there are {facts.count} digests already, and {MOST} are the most",
                next_action="remove one with digest remove; see digest list",
            )
        if refused := _unpostable(facts.channel):
            return refused
        schedule = args.schedule
        wanted = Digest(
            name=args.name,
            cron=schedule.cron,
            zone=schedule.zone,
            channel=args.channel,
            include=tuple(dict.fromkeys(args.include)),
            alert=args.alert,
            clear=args.ends,
        )
        watched = f"; alert at {wanted.alert}, over at {wanted.clear}" if wanted.alert else ""
        return _draft(
            wanted.name,
            f"Post digest {wanted.name}: {args.at or wanted.cron} ({wanted.schedule}) in {wanted.channel}, with"
            f" {', '.join(wanted.include)}{watched}",
            _keep(f"Keep digest {wanted.name}", wanted.name, wanted, facts.found),
        )


class OfOne(ABC):
    """What is done with a digest that there is."""

    args = DigestArgs
    posts = False  # so that the bot must be able to post where it goes

    def draft(self, args: DigestArgs, facts: DigestFacts) -> Draft | Refusal:
        """Return the step, or the first reason against it."""
        if facts.found is None:
            return Refusal(reason=f"there is no digest {args.name}", next_action="see digest list")
        if self.posts and (refused := _unpostable(facts.channel)):
            return refused
        return self._draft(facts.found)

    @abstractmethod
    def _draft(self, found: Digest) -> Draft: ...


class RemoveDigest(OfOne):
    """``digest remove``: the digest is gone."""

    command = "digest remove"

    def _draft(self, found: Digest) -> Draft:
        step = _keep(f"Forget digest {found.name}", found.name, None, found)
        return _draft(found.name, f"End digest {found.name}: it is posted no more", step)


class PauseDigest(OfOne):
    """``digest pause``: no slot of it is posted."""

    command = "digest pause"

    def _draft(self, found: Digest) -> Draft:
        wanted = found.model_copy(update={"paused": True})
        step = _keep(f"Pause digest {found.name}", found.name, wanted, found)
        return _draft(found.name, f"Pause digest {found.name}: it is kept, and neither posts nor alerts", step)


class ResumeDigest(OfOne):
    """``digest resume``: its next slot is posted."""

    command = "digest resume"
    posts = True

    def _draft(self, found: Digest) -> Draft:
        wanted = found.model_copy(update={"paused": False})
        step = _keep(f"Resume digest {found.name}", found.name, wanted, found)
        return _draft(found.name, f"Resume digest {found.name}: slots that it missed stay missed", step)


class RunDigest(OfOne):
    """``digest run``: it is posted now."""

    command = "digest run"
    posts = True

    def _draft(self, found: Digest) -> Draft:
        step = Step(
            id="post",
            kind="digest.run",
            title=f"Post digest {found.name} in {found.channel}",
            inputs={"name": found.name},
            undo="a message that was posted stays",
        )
        return _draft(found.name, f"Post digest {found.name} now", step)


def _unpostable(channel: Channel | None) -> Refusal | None:
    match channel:
        case Channel(reach=Reach.OUTSIDE):
            return Refusal(
                reason=f"the bot is not in {channel}, and cannot post a digest there",
                next_action=f"in #{channel.name}: {INVITE}; then ask again",
            )
        case Channel(reach=Reach.HIDDEN):
            return Refusal(
                reason=f"Slack shows the bot no channel {channel}: it is private and the bot is not in it, or there is"
                " none",
                next_action=f"in that channel: {INVITE}; then ask again",
            )
        case Channel(reach=Reach.ARCHIVED):
            return Refusal(
                reason=f"{channel} is archived, and nothing can be posted there",
                next_action="unarchive it, or name another channel: digest add … --channel",
            )
        case _:
            return None


def _draft(name: str, summary: str, step: Step) -> Draft:
    return Draft(subject=DigestArgs(name=name).subject, summary=summary, steps=(step,))


def _keep(title: str, name: str, wanted: Digest | None, found: Digest | None) -> Step:
    return Step(
        id="digest",
        kind="digest.keep",
        title=title,
        inputs={"name": name, "wanted": _json(wanted), "before": _json(found)},
        undo="what was kept before is kept again",
    )


def _json(digest: Digest | None) -> dict[str, object] | None:
    return None if digest is None else digest.model_dump(mode="json")
