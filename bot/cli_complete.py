"""The shell's completion: the catalog's words, names out of the store as it is, and nodes as the cluster has them."""

import tempfile
from pathlib import Path
from typing import Any

from bot.cli_app import Command, Word

PATIENCE_S = 2.0  # for a cluster that does not answer


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
    """Return the names that are known here of *kind*: of the catalog's models, the cluster, or the store as it is.

    Empty where they cannot be had within `PATIENCE_S`: the midst of a line is no place for an error.
    """
    try:
        return _asked(kind)
    except Exception:  # noqa: BLE001 - whatever it is, the command itself will say it
        return []


def _asked(kind: str) -> list[str]:
    if kind == "profiles":
        from provisioning.capacity.profiles import models

        return sorted({profile.name for model in models() for profile in model.profiles})
    if kind == "nodes":
        return _nodes()
    from bot.cli_settings import data_file
    from provisioning.store_names import names_in

    return names_in(data_file(), kind)


def _nodes() -> list[str]:
    """Return the nodes with GPUs, as the cluster has them now: kubectl starts faster than the client does."""
    from bot.cli_settings import read_settings
    from provisioning import tools
    from provisioning.capacity.profiles import COUNT_LABEL
    from provisioning.clients.kubectl import Kubectl
    from provisioning.clients.process import ChildProcesses

    settings = read_settings()
    with tempfile.TemporaryDirectory() as folder:
        kubectl = Kubectl(
            tools.locate_kubectl(settings.tools),
            ChildProcesses(Path(folder)),
            kubeconfig=settings.cluster.kubeconfig,
            context=settings.cluster.context,
        )
        return sorted(kubectl.node_names(COUNT_LABEL, timeout_s=PATIENCE_S))


def tenants(incomplete: str) -> list[str]:
    """Return the tenants that begin with *incomplete*."""
    return [name for name in known("tenants") if name.startswith(incomplete)]


def jobs(incomplete: str) -> list[str]:
    """Return the numbers of jobs that begin with *incomplete*, newest first."""
    return [number for number in known("jobs") if number.startswith(incomplete)]


def _fits(words: list[str], incomplete: str) -> bool:
    return words == ["capacity"] and "fits".startswith(incomplete)
