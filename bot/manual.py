"""The manual page, written from the catalog and from the command line itself. Source: man(7) for the macros."""

from collections.abc import Iterator
from typing import Any

import typer

from bot.cli_failures import Code
from bot.settings import PREFIX
from commands.catalog import CATALOG
from commands.help import help_of

PROGRAM = "clearml-chatops"
MADE_BY = r".\" Written by `make docs`: change the code, not this page."

DESCRIPTION = """\
Runs a multi-tenant ClearML Enterprise service on Kubernetes. The same commands as in Slack, under the same policy and
into the same audit trail: who asks is os:USER, or with a token of a trusted issuer oidc:ISSUER:SUBJECT; the setting
ROLES gives roles to both. Commands that change something make a plan first; --dry-run shows it and changes nothing."""
TOKEN = f"""\
{PROGRAM} --oidc-token-file FILE … takes the token of a file, - of standard input; without it that of
CLEARML_CHATOPS_OIDC_TOKEN, or of the file that CLEARML_CHATOPS_OIDC_TOKEN_FILE names. One that is given and proves
nothing, be it empty, ends the command with 1: nobody becomes os:USER by it. whoami says who one is, and by what."""
EXIT_STATUS = (
    ("0", "done; the plan was shown; the request waits for approval"),
    (
        "1",
        "refused by the policy or the state of things, or failed, with the next action; of a check: not ok",
    ),
    ("2", "wrong usage, or a file that is not what it should be"),
    ("3", "not set up: a setting is missing or wrong"),
    ("130", "interrupted"),
)
ERRORS = """\
With --json an error is one object on standard error, the last line there: {"error": {"code", "message", "next"}}, with
details where the failing part said something itself, and with incident where the fault is the bot's own. Its codes:"""
COMPLETION = f"""\
{PROGRAM} --install-completion sets completion up for the shell it is run in (bash, zsh, fish, PowerShell);
{PROGRAM} --show-completion prints it."""


def manual(app: typer.Typer) -> str:
    """Return the page of *app* in section 1, as man(7) macros."""
    lines = [MADE_BY, f'.TH {PROGRAM.upper()} 1 "" "{PROGRAM}" "User Commands"']
    lines += [
        ".SH NAME",
        f"{_text(PROGRAM)} \\- Slack ChatOps for ClearML as a multi\\-tenant GPU service on Kubernetes",
    ]
    lines += [".SH SYNOPSIS", f".B {_text(PROGRAM)}", r".RI [ options ]", r".I command", r".RI [ arguments ]"]
    lines += [".SH DESCRIPTION", *_paragraph(DESCRIPTION)]
    lines += [
        ".SH OPERATING COMMANDS",
        *_paragraph("Each takes --json, which prints JSON for machines, one object a line, and --help."),
    ]
    for spec in CATALOG.values():
        usage, *rest = help_of(spec).replace("/clearml ", f"{PROGRAM} ").splitlines()
        lines += [".SS " + _quoted(spec.name), ".nf", _text(usage), *(_text(line) for line in rest), ".fi"]
    lines += [".SH SETTING UP, LOOKING AFTER, AUDITING"]
    for path, command in _leaves(typer.main.get_command(app), ()):
        lines += [".SS " + _quoted(" ".join(path)), *_paragraph(str(command.help or ""))]
        for parameter in command.params:
            names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else str(parameter.name).upper()
            if parameter.name != "help":
                lines += [".TP", f".B {_text(names)}", *_paragraph(str(getattr(parameter, "help", "") or ""))]
        if command.epilog:
            lines += [".PP", "Examples:", ".nf", *(f"  {_text(line)}" for line in command.epilog.splitlines()), ".fi"]
    lines += [".SH IDENTITY", *_paragraph(TOKEN)]
    lines += [".SH EXIT STATUS"]
    for code, meaning in EXIT_STATUS:
        lines += [".TP", f".B {code}", _text(meaning)]
    lines += [".SH ERRORS", *_paragraph(f"{ERRORS} {', '.join(Code)}.")]
    lines += [".SH ENVIRONMENT", *_paragraph(f"Settings are {PREFIX}NAME; config schema prints them all.")]
    lines += [".SH SHELL COMPLETION", *_paragraph(COMPLETION)]
    return "\n".join(lines) + "\n"


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command that is not the catalog's: those are told from the catalog."""
    found = getattr(command, "commands", None)
    if found is None:
        if not command.context_settings.get("allow_extra_args"):
            yield path, command
        return
    for name, child in found.items():
        yield from _leaves(child, (*path, name))


def _paragraph(text: str) -> list[str]:
    return [_text(line) for line in text.splitlines() if line.strip()]


def _quoted(text: str) -> str:
    return '"' + _text(text).replace('"', r"\(dq") + '"'


def _text(line: str) -> str:
    """Return *line* as text: no escape, no request at its beginning, hyphens that can be copied."""
    plain = line.replace("\\", r"\e").replace("-", r"\-")
    plain = "".join(letter if letter.isascii() else rf"\[u{ord(letter):04X}]" for letter in plain)
    return rf"\&{plain}" if plain.startswith((".", "'")) else plain
