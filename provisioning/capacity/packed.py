"""Rows of small numbers as one integer each: added, compared and joined at once. Pure.

Every number has sixteen bits, of which the highest stays free as a guard, so numbers are below 32,768.
"""

from collections.abc import Iterable

BITS = 16
_MASK = (1 << BITS) - 1


def pack(row: Iterable[int]) -> int:
    found = 0
    for place, number in enumerate(row):
        found |= number << (BITS * place)
    return found


def unpack(value: int, size: int) -> tuple[int, ...]:
    return tuple(value >> (BITS * place) & _MASK for place in range(size))


def guard(size: int) -> int:
    """Return the guard bits of rows of *size* numbers."""
    return pack([1 << (BITS - 1)] * size)


def within(one: int, other: int, guards: int) -> bool:
    """Return whether every number of *one* is at most that of *other*."""
    return ((other | guards) - one) & guards == guards


def least(one: int, other: int, guards: int) -> int:
    """Return the smaller of each two numbers."""
    smaller = _where_at_most(one, other, guards)
    return one & smaller | other & ~smaller


def greatest(one: int, other: int, guards: int) -> int:
    """Return the greater of each two numbers."""
    smaller = _where_at_most(one, other, guards)
    return other & smaller | one & ~smaller


def _where_at_most(one: int, other: int, guards: int) -> int:
    """Return all bits of the numbers of *one* that are at most those of *other*."""
    kept = ((other | guards) - one) & guards
    return (kept >> (BITS - 1)) * _MASK
