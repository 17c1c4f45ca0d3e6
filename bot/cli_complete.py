"""The shell's completion: the catalog's words, and names out of the store as it is."""

from typing import Any

from bot.cli_app import Command, Word


class Catalogued(Command):
    """A command whose words the catalog reads: what comes next is asked there."""

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return what may stand in place of *incomplete*; objects with ``value``, ``help`` and ``type``."""
        from commands.completion import offers

        words = list(ctx.args)
        while ctx.parent is not None:
            words.insert(0, ctx.info_name)
            ctx = ctx.parent
        found = offers(words, incomplete, known)
        return [*found, *(Word("fits", "Say what one GPU could still hold") for _ in (0,) if _fits(words, incomplete))]


def known(kind: str) -> list[str]:
    """Return the names that are known here of *kind*: ``tenants``, ``jobs``, ``profiles``."""
    if kind == "profiles":
        from provisioning.capacity.profiles import models

        return sorted({profile.name for model in models() for profile in model.profiles})
    from bot.cli_settings import data_file
    from provisioning.store_names import names_in

    return names_in(data_file(), kind)


def tenants(incomplete: str) -> list[str]:
    """Return the tenants that begin with *incomplete*."""
    return [name for name in known("tenants") if name.startswith(incomplete)]


def jobs(incomplete: str) -> list[str]:
    """Return the numbers of jobs that begin with *incomplete*, newest first."""
    return [number for number in known("jobs") if number.startswith(incomplete)]


def _fits(words: list[str], incomplete: str) -> bool:
    return words == ["capacity"] and "fits".startswith(incomplete)
