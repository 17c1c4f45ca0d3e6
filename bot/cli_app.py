"""How the command line is put together: groups whose commands are imported when they are used, and pages of help.

Typer writes ``{FILE}`` in the usage and ``FILE <path>`` beside the help; a newcomer reads neither as a word to type.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandFunctionType

from bot.cli_failures import CliError, Code, exit_code_of

EXIT_CODES = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not set up."


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


@dataclass(frozen=True)
class Late:
    """A command of a module that is imported when the command is used. *about*: its line in lists, as it says itself.

    The module's ``app`` is the command, or has it.
    """

    about: str
    module: str

    def load(self, name: str) -> Any:
        found: Any = typer.main.get_command(import_module(self.module).app)
        return found if found.name == name else found.commands[name]


@dataclass(frozen=True)
class Word:
    """A command that may come next. *type*: as shells are told, a plain word."""

    value: str
    help: str
    type: str = "plain"


class _Commands(MutableMapping[str, Any]):
    """Name → command; to list the names loads none."""

    def __init__(self, made: Mapping[str, Any], late: Mapping[str, Late]) -> None:
        self._made = dict(made)
        self._late = late

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._late[name].load(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._late, *self._made]))

    def __len__(self) -> int:
        return len({*self._late, *self._made})


class Group(TyperGroup):
    """A group of commands. Source: click's lazy groups (docs, "Lazily Loading Subcommands")."""

    late: ClassVar[Mapping[str, Late]] = {}

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.commands: MutableMapping[str, Any] = _Commands(self.commands, self.late)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **more: Any,
    ) -> Any:
        """Run the command line *args* and exit; with *standalone_mode* off, as a part of another one, return."""
        words = list(sys.argv[1:] if args is None else args)
        more |= {"standalone_mode": False, "windows_expand_args": windows_expand_args}
        run = partial(super().main, words, prog_name, complete_var, **more)
        return sys.exit(exit_code_of(run, words)) if standalone_mode else run()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            next_action = f"see {ctx.command_path} --help"
            raise CliError(Code.USAGE, "a command is missing", next_action, page=ctx.get_help())
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class's signature
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, self._about(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        flags = super(TyperGroup, self).shell_complete(ctx, incomplete)
        return [*(Word(name, self._about(name)) for name in names), *flags]

    def _about(self, name: str) -> str:
        return self.late[name].about if name in self.late else str(self.commands[name].get_short_help_str(limit=80))


class App(typer.Typer):
    """A group of commands with such pages."""

    def __init__(self, **more: Any) -> None:
        settings = {"cls": Group, "rich_markup_mode": None, "add_completion": False}
        super().__init__(**{**settings, **more})

    def command(
        self, *name: Any, examples: tuple[str, ...] = (), **more: Any
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Return the decorator that adds a command, as `typer.Typer` does; *examples* end its page of help."""
        shown = "\n".join(f"clearml-chatops {one}" for one in examples)
        return super().command(*name, **{"cls": Command, "epilog": shown or None, **more})
