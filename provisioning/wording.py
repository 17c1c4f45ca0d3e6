"""How counts and long lists are said to people. Pure."""

from collections.abc import Sequence


def counted(number: int, thing: str) -> str:
    """Return ``1 value`` or ``2 values``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def listed(words: Sequence[str], most: int) -> str:
    """Return the first *most* of *words*, and how many are left: ``a, b and 3 more``."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
