"""What is wrong with a value, in words that say what to write instead. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_NO_WHOLE_NUMBER = "{shown} is no whole number"
_NO_NUMBER = "{shown} is no number"
_NO_LIST = "must be a list, as in [a, b]"
_NO_MAPPING = "must be a mapping of names to values"

# pydantic's type of mistake → our words. Braces hold its own limits, and what was given.
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "is missing",
        "extra_forbidden": "is not known",
        "int_parsing": _NO_WHOLE_NUMBER,
        "int_parsing_size": _NO_WHOLE_NUMBER,
        "int_from_float": _NO_WHOLE_NUMBER,
        "int_type": _NO_WHOLE_NUMBER,
        "float_parsing": _NO_NUMBER,
        "float_type": _NO_NUMBER,
        "decimal_parsing": _NO_NUMBER,
        "decimal_type": _NO_NUMBER,
        "finite_number": _NO_NUMBER,
        "bool_parsing": "{shown} is neither true nor false",
        "bool_type": "{shown} is neither true nor false",
        "greater_than_equal": "{shown} is too small: {ge} at least",
        "greater_than": "{shown} is too small: it must be more than {gt}",
        "less_than_equal": "{shown} is too large: {le} at most",
        "decimal_max_places": "{shown} has too many digits after the point: {decimal_places} at most",
        "too_long": "has too many entries: {max_length} at most",
        "too_short": "has too few entries: {min_length} at least",
        "string_too_long": "is too long: {max_length} characters at most",
        "string_too_short": "is too short: {min_length} characters at least",
        "literal_error": "{shown} is wrong here: write {expected}",
        "enum": "{shown} is wrong here: write {expected}",
        "string_type": "must be a text",
        "tuple_type": _NO_LIST,
        "list_type": _NO_LIST,
        "frozen_set_type": _NO_LIST,
        "dict_type": _NO_MAPPING,
        "model_type": _NO_MAPPING,
        "model_attributes_type": _NO_MAPPING,
    }
)


def said_of(mistake: ErrorDetails) -> str:
    """Return the mistake for people, without its place: ``'5000' is too large: 1000 at most``."""
    shown = repr(str(mistake.get("input"))[:60])
    if mistake["type"] == "value_error":
        return mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] in _WORDS:
        return _WORDS[mistake["type"]].format(shown=shown, **(mistake.get("ctx") or {}))
    return f"{shown}: {mistake['msg'][:1].lower()}{mistake['msg'][1:]}"


def all_said(found: ValidationError) -> str:
    """Return every mistake with its place: ``max_pods: '5000' is too large: 1000 at most; users.0: …``."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {said_of(one)}" for one in found.errors())
