"""Sorting, pages and projections of lists, as the server's get_all calls do them."""

from collections.abc import Sequence
from typing import Any

from sandbox.clearml.model import ApiRefusal
from sandbox.clearml.schema import Data

LARGEST_PAGE = 500


def page_of(found: Sequence[Data], data: Data) -> list[Data]:
    """Return the asked page; never more than 500 at once, also where no page is asked for. Raises: ApiRefusal."""
    page, size = data.get("page"), data.get("page_size")
    if page is not None and page < 0:
        raise ApiRefusal(400, 12, "Validation error (page must be >=0): field=page")
    if size is not None and size < 1:
        raise ApiRefusal(400, 12, "Validation error (page_size must be >0): field=page_size")
    size = min(size or LARGEST_PAGE, LARGEST_PAGE)
    start = (page or 0) * size
    ordered = list(found)
    for name in reversed(data.get("order_by") or ()):
        ordered.sort(key=_by(name.lstrip("-")), reverse=name.startswith("-"))
    only = data.get("only_fields")
    return [
        one if not only else {key: value for key, value in one.items() if key in {"id", *only}}
        for one in ordered[start : start + size]
    ]


def _by(name: str) -> Any:
    return lambda one: str(one.get(name, ""))
