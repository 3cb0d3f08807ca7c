"""The standard library's TOML reader (before Python 3.11 the package it came from), with bounds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST_BYTES = 1_000_000

_MOST_DOTS = 100
"""In a line: the parts of a key take it the square of their number, 30,000 of them half a minute."""


class TomlError(ValueError):
    """A text that is no TOML that can be read; its text says why, without a full stop."""


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file in UTF-8, with or without a byte order mark.

    Raises:
        TomlError: it is not valid TOML, or larger or deeper than anything that a person writes.
        UnicodeDecodeError: it is not UTF-8.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        raw = file.read(_LARGEST_BYTES + 1)
    if len(raw) > _LARGEST_BYTES:
        raise TomlError(f"it has more than {_LARGEST_BYTES:,} bytes")
    text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MOST_DOTS and not line.lstrip().startswith("#"):
            raise TomlError(f"line {number} has more than {_MOST_DOTS} dots")
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise TomlError("it is nested too deeply") from None
    except ValueError as error:  # a number of 5,000 digits is no TOMLDecodeError
        raise TomlError(f"{error!s:.200}") from None
    if _has_large_number(tables):
        raise TomlError("it has a whole number of more than 64 bits")
    return tables


def _has_large_number(tables: dict[str, Any]) -> bool:
    """Whether a whole number is larger than TOML promises to hold; Python reads it all the same."""
    left: list[object] = [tables]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            return True
    return False
