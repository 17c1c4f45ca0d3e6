"""The word to a digest's owner that it cannot be posted. Pure."""

from provisioning.digests.digest import local
from provisioning.digests.posts import Post, Standing
from provisioning.reports import ChannelLink, Facts, Lines, Part, Report


def trouble_report(standing: Standing, post: Post) -> Report:
    """Return what is said to *post*'s addressee: what is not posted, why, and that the digest goes on."""
    digest = standing.digest
    upcoming = None if digest.paused else digest.schedule.next_after(post.slot)
    goes_on = f"it is tried again {local(upcoming, digest.zone)}" if upcoming else "it is paused"
    whose = "" if standing.owner is None or standing.owner.id == post.addressee else f" of {standing.owner.name}"
    held = standing.alert_since
    alert: tuple[Part, ...] = ()
    if held is not None:
        said = f"Its alert {digest.alert} holds since {local(held, digest.zone)}, and nobody is told in the channel"
        alert = (Lines(lines=(said,), kind="warning"),)
    return Report(
        title="A digest cannot be posted",
        summary=f"Digest {digest.name}{whose}: {standing.trouble}",
        parts=(
            *alert,
            Facts(items=(("Channel", ChannelLink(digest.channel)), ("When", local(post.slot, digest.zone)))),
            Lines(
                lines=(
                    f"The digest is kept: {goes_on}. You are told again only where it fails for another reason.",
                    f"To end it: /clearml digest remove {digest.name}",
                )
            ),
        ),
        data=None,
    )
