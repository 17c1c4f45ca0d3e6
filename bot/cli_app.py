"""How the command line's own pages of help look: arguments by their names alone, as in man pages.

Typer writes ``{FILE}`` in the usage and ``FILE <path>`` beside the help; a newcomer reads neither as a word to type.
"""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand
from typer.models import CommandFunctionType


class Command(TyperCommand):
    """A command whose arguments are FILE, or [FILE] where they may be left out."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.strip("{}").replace("[[", "[").replace("]]", "]") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        records = [(one.param_type_name, one.get_help_record(ctx)) for one in self.get_params(ctx)]
        for kind, title in (("argument", "Arguments"), ("option", "Options")):
            found = [record for its_kind, record in records if its_kind == kind and record is not None]
            if kind == "argument":
                found = [(name.partition(" <")[0], text) for name, text in found]
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base class's signature
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write_text(line)


class App(typer.Typer):
    """A group of commands with such pages."""

    def __init__(self, **more: Any) -> None:
        super().__init__(no_args_is_help=True, rich_markup_mode=None, **more)

    def command(
        self, *name: Any, examples: tuple[str, ...] = (), **more: Any
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Return the decorator that adds a command, as `typer.Typer` does; *examples* end its page of help."""
        shown = "\n".join(f"clearml-chatops {one}" for one in examples)
        return super().command(*name, **{"cls": Command, "epilog": shown or None, **more})
