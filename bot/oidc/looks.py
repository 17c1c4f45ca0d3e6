"""What `doctor` looks at of tokens: the issuers' keys, and the ids that their tokens shall give roles to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.oidc.issuers import Issuer, Oidc, setting
from provisioning.checks.findings import Finding, Look, fail, ok, warn

if TYPE_CHECKING:
    from bot.settings import Settings

DECIDE = frozenset({"approver", "admin"})


def looks(settings: "Settings") -> list[Look]:
    """Return what there is to look at; nothing without issuers. Nothing is asked yet."""
    oidc = settings.oidc
    if not oidc.issuers:
        return []
    return [
        *(_look(name, issuer) for name, issuer in oidc.issuers.items()),
        Look(what="ids of tokens", run=lambda: _ids(settings, oidc)),
    ]


def _look(name: str, issuer: Issuer) -> Look:
    return Look(what=f"issuer {name}", run=lambda: [_keys(name, issuer)])


def _keys(name: str, issuer: Issuer) -> Finding:
    """Say how many of the issuer's keys can be used. Raises: ChatopsError where they cannot be had."""
    from bot.oidc.keys import IssuerKeys

    what, allowed = f"issuer {name}", ", ".join(sorted(issuer.algorithms))
    usable = IssuerKeys(name, issuer).usable()
    if not usable:
        action = f"check {setting(name, 'ALGORITHMS')} and where its keys are"
        return fail(what, f"none of its keys can check {allowed}", action)
    return ok(what, f"keys for {allowed}: {len(usable)}")


def _ids(settings: "Settings", oidc: Oidc) -> Sequence[Finding]:
    held = sorted({(one, role) for role, ids in settings.roles.items() for one in ids if one.startswith("oidc:")})
    known = {*(one for one, _ in held), *(one for one in settings.same_person if one.startswith("oidc:"))}
    found = [
        fail("ids of tokens", f"{one} is of no issuer in the settings", "correct its name, or take the id out")
        for one in sorted(known)
        if one.split(":")[1] not in oidc.issuers
    ]
    found += [
        warn(
            "ids of tokens",
            f"{one} may decide on requests ({role}) and is nobody of Slack's",
            "if that is a person, say who in CLEARML_CHATOPS_SAME_PERSON; from a machine take the role",
        )
        for one, role in held
        if role in DECIDE and settings.slack is not None
    ]
    return found or [ok("ids of tokens", f"ids that the settings name: {len(known)}")]
