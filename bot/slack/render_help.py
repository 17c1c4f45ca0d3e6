"""Help and wrong usage, laid out for a phone: short lines that wrap, code only where it is typed. Pure."""

from collections.abc import Iterator

from bot.slack import forms, kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import block, code, cut, cut_markup, escape
from bot.slack.render_job import Rendered
from commands.catalog import CATALOG, COMMAND
from commands.grammar import HelpRequest, UsageError
from commands.help import about, arguments_of, families, usage_of
from commands.spec import CommandSpec

MOST_SECTIONS = 12
SPACE = "\u200b"  # a line of its own: Slack drops empty ones
INTRO = (
    "What only looks answers at once, to you alone. What changes something shows its plan first and waits for approval."
    " A command without its arguments asks for them in a form."
)


def usage_error(error: UsageError, *, typed: str = "") -> Rendered:
    """Return what was wrong with a command and how it is used, with the way to its form, filled with what was *typed*.

    Where only a guess says which command was meant, the button opens the form of that.
    """
    blocks = [kit.section(f"🤔 {escape(cut(error.message, 2500))}")]
    if error.usage:
        blocks.append(kit.section(block(error.usage)))
    meant = error.spec or CATALOG.get(error.suggestion)
    if meant is not None and meant.args.model_fields:
        button = forms.button(typed if error.spec is not None and typed else meant.name, meant)
        blocks.append(kit.actions([button], "form_button"))
    return Rendered(cut_markup(escape(error.message), kit.TEXT_CHARS), blocks)


def help_text(asked: HelpRequest) -> Rendered:
    """Return the help of one command, of a family command by command, or of all of them family by family."""
    text = cut_markup(escape(asked.text), kit.TEXT_CHARS)
    if asked.spec is not None:
        return Rendered(text, list(_of_one(asked.spec)))
    if not asked.commands:
        return Rendered(text, [kit.section(block(asked.text, 2900))])
    first_words = {name.split()[0] for name in asked.commands}
    return Rendered(text, list(_of_family(asked.commands) if len(first_words) == 1 else _of_all()))


def _of_one(spec: CommandSpec) -> Iterator[Block]:
    yield kit.section(f"*{escape(spec.summary)}.*\n{block(usage_of(spec))}")
    yield from kit.sections(
        [f"{code(argument)} {escape(meaning)}" for argument, meaning in arguments_of(spec)], most=MOST_SECTIONS
    )
    if spec.examples:
        yield kit.section("*Examples*\n" + block("\n".join(f"{COMMAND} {example}" for example in spec.examples)))
    if spec.args.model_fields:
        yield kit.actions([forms.button(spec.name, spec)], "form_button")


def _of_family(names: tuple[str, ...]) -> Iterator[Block]:
    lines = [f"{code(f'{COMMAND} {name}')} {escape(CATALOG[name].summary)}" for name in names]
    yield from kit.sections(lines, most=MOST_SECTIONS)
    yield kit.context(f"More on one of them: {code(f'{COMMAND} help {names[0]}')}")


def _of_all() -> Iterator[Block]:
    yield kit.section(INTRO)
    lines: list[str] = []
    for key, names in families().items():
        if not key:
            lines += [SPACE, *(f"{code(f'{COMMAND} {name}')} {escape(about(name))}" for name in names)]
            continue
        alone = [name for name in names if name != key and " " not in name]  # jobs, beside job show
        said = " · ".join(name.removeprefix(f"{key} ") for name in names if name not in alone)
        lines += [SPACE, *(f"{code(f'{COMMAND} {name}')} {escape(about(name))}" for name in alone)]
        lines += [f"{code(f'{COMMAND} {key}')} {escape(about(key))}", escape(said)]
    yield from kit.sections(lines[1:], most=MOST_SECTIONS)
    yield kit.context(f"More: {code(f'{COMMAND} help tenant')}, {code(f'{COMMAND} help tenant create')}")
