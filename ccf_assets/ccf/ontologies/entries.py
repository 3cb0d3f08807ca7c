"""One structure as its file gives it, and the values in it: ids, texts, colours, orders.

Every reader makes `Entry` of its form; `graph` makes the graph of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ccf_assets.ccf.region_id import LARGEST_ID
from ccf_assets.errors import CcfError

LOST = 0
"""The parent of a structure whose parent is named by text and not in the file: no structure has this id."""

_WHOLE = re.compile(r"([0-9]{1,10})(?:\.0*)?")


class Decimal(str):
    """A number with a point or an exponent in a JSON, as it is written: it never becomes a float."""

    __slots__ = ()


@dataclass(frozen=True)
class Entry:
    """One structure of a file.

    Attributes:
        region_id: its value in the volume, or a made one (see `made_id`).
        parent_id: the structure that contains it, which may be missing in the file; None if none is named.
        acronym: empty if there is none.
        name: empty if there is none.
        safe_name: the name without commas; empty if the form has none.
        color: six hexadecimal digits; empty if there is none.
        order: place in the order of structures; None if there is none.
        made: the id is made, not the file's.
    """

    region_id: int
    parent_id: int | None = None
    acronym: str = ""
    name: str = ""
    safe_name: str = ""
    color: str = ""
    order: int | None = None
    made: bool = False


def whole_number(value: object) -> int | None:
    """A number of up to ten digits that is whole; None if ``value`` is none.

    ``997.0`` is whole: pandas writes a column of ids so, if one is missing. It never becomes a float.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10**10 else None
    found = _WHOLE.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(found[1]) if found else None


def region_id(path: Path, value: object, who: str, *, what: str = "id", smallest: int = 1) -> int:
    """An id of ``smallest`` to `LARGEST_ID`.

    Args:
        path: the file, for a sentence.
        value: what it has.
        who: whose id it is, for a sentence.
        what: the id's name, likewise.
        smallest: 0 where the outside has a row.

    Raises:
        CcfError: ``value`` is none.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        raise CcfError(f"{path}: {who} has no {what}.")
    number = whole_number(value)
    if number is None or not smallest <= number <= LARGEST_ID:
        raise CcfError(
            f"{path}: the {what} of {who} is {quoted(value)}, "
            f"not a whole number of {smallest} to {LARGEST_ID:,}."
        )
    return number


def text(path: Path, value: object, who: str, what: str) -> str:
    """A text without the blanks around it; empty if there is none.

    Raises:
        CcfError: ``value`` is no text.
    """
    if value is None:
        return ""
    if not isinstance(value, str) or isinstance(value, Decimal):
        raise CcfError(f"{path}: the {what} of {who} is {quoted(value)}, not a text.")
    return value.strip()


def color_of_hex(path: Path, value: object, who: str) -> str:
    """A colour of six hexadecimal digits, with or without a #; empty if there is none.

    Raises:
        CcfError: ``value`` is no colour.
    """
    given = text(path, value, who, "colour")
    digits = given if not given else given[1:] if given.startswith("#") else given.zfill(6)
    if digits and not re.fullmatch("[0-9A-Fa-f]{6}", digits):
        raise CcfError(f"{path}: the colour of {who} is {quoted(given)}, not six hexadecimal digits.")
    return digits


def color(path: Path, in_hex: object, rgb: Collection[object], who: str) -> str:
    """A colour of six hexadecimal digits or else of red, green and blue; empty if there is neither.

    Raises:
        CcfError: it is no colour.
    """
    return color_of_hex(path, in_hex, who) or color_of_rgb(path, rgb, who)


def color_of_rgb(path: Path, values: Collection[object], who: str) -> str:
    """A colour of red, green and blue (0 to 255); empty if there is none.

    Raises:
        CcfError: ``values`` are not three such numbers.
    """
    if all(value is None or value == "" for value in values):
        return ""
    parts = [whole_number(value) for value in values]
    if len(parts) == 3 and all(part is not None and part <= 255 for part in parts):  # noqa: PLR2004
        return "".join(f"{part:02X}" for part in parts)
    found = ", ".join(quoted(value, 20) for value in list(values)[:4])
    raise CcfError(f"{path}: the colour of {who} is {found}, not three whole numbers of 0 to 255.")


def numbered(rows: pl.DataFrame) -> Iterator[tuple[int, dict[str, str | None]]]:
    """The rows of a table of text that are not blank, with their numbers; the header is row 1."""
    for number, row in enumerate(rows.iter_rows(named=True), start=2):
        if any(row.values()):
            yield number, row


def quoted(value: object, most: int = 40) -> str:
    """A value of a file for a sentence; of a list or an object only that it is one, for it may be deep."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return f"{value!s:.{most}}" if isinstance(value, Decimal) else f"{value!r:.{most}}"


def row_name(where: str, called: object) -> str:
    """A place in a file for a sentence, with what the structure there is called: ``line 7 (VISp)``."""
    name = " ".join(called.split()) if isinstance(called, str) else ""
    return f"{where} ({name:.40})" if name else where


def shown(acronym: str, number: int) -> str:
    """A structure for a sentence."""
    return f"{' '.join(acronym.split()):.40} ({number})"
