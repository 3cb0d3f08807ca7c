"""Names as people give them to `Atlas`: one, or several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Name = TypeVar("Name", str, "str | int")


def names_in(given: Name | Iterable[Name]) -> tuple[Name, ...]:
    """The names that are given. A text is one name: Python would take its letters."""
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
