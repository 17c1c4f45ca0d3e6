"""What a scenario's happenings look like: for people, or one JSON object a line."""

import json
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from sandbox.scenario.runner import Happening, Outcome


class Transcript:
    """Prints a readable transcript."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def tell(self, happening: Happening) -> None:
        text, clock = escape(happening.text), f"[dim]{happening.seconds:6.1f}s[/dim]"
        match happening.kind:
            case "action":
                self._print(f"{clock} [bold cyan]{escape(happening.person)}[/bold cyan] {text}")
            case "message":
                first, *rest = text.splitlines() or [""]
                self._print(f"{clock}   [magenta]{escape(happening.person)}[/magenta] {first}")
                for line in rest:
                    self._print(f"          [dim]│[/dim] {line}")
            case "held":
                self._print(f"{clock} [green]✓[/green] {text}")
            case _:
                self._print(f"{clock} [bold red]✗ {text}[/bold red]")
                for line in escape(happening.detail).splitlines():
                    self._print(f"          [red]│[/red] {line}")

    def end(self, outcome: Outcome) -> None:
        colour = "green" if outcome.ok else "bold red"
        failed = outcome.broken + len(outcome.errors)
        counts = f"{outcome.held} held, {failed} failed in {outcome.seconds:.1f} s"
        self._print(f"[{colour}]{escape(outcome.name)}: {counts}[/{colour}]")

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)


class JsonLines:
    """Prints one JSON object a line: ``{"kind": …}`` for a happening, ``{"kind": "end", …}`` last."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def tell(self, happening: Happening) -> None:
        self._write(asdict(happening))

    def end(self, outcome: Outcome) -> None:
        self._write({"kind": "end", "ok": outcome.ok, **asdict(outcome)})

    def _write(self, value: dict[str, object]) -> None:
        self._console.file.write(json.dumps(value, ensure_ascii=False) + "\n")
        self._console.file.flush()
