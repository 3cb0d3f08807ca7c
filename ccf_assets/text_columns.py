"""Text from a file: the encoding of a CSV, and columns of text as numbers.

Which columns a file has is decided by its reader; see ccf and recordings.files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl

from ccf_assets.errors import CcfError

MISSING = ("", "nan", "na", "n/a", "null", "none")
"""What pandas, R and people write for a missing value (compared in lower case)."""


def decoded(path: Path, raw: bytes) -> str:
    """The text of a CSV in UTF-8, without a byte order mark.

    Args:
        path: the file, for a sentence.
        raw: its content.

    Raises:
        CcfError: it is in another encoding, or no text.
    """
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw:
        raise CcfError(f"{path} is not UTF-8 text (UTF-16, or no CSV at all); save it as CSV in UTF-8.")
    try:
        return raw.decode("utf-8-sig")  # a byte order mark, as spreadsheets write, is not part of a name
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CcfError(
            f"{path}, line {line}: byte 0x{raw[error.start]:02X} is not UTF-8; "
            f"is the file Latin-1 or Windows-1252? Save it as CSV in UTF-8."
        ) from None


def numbers(values: pl.Series, column: str, table: str, row_name: Callable[[int], str]) -> pl.Series:
    """A column as float64: null, empty and "nan" are NaN.

    Args:
        values: the column, of numbers or text.
        column: its name, for a sentence.
        table: the table's name, likewise.
        row_name: what to call a row, by its number from 0.

    Raises:
        CcfError: a text is no number, or the column holds neither numbers nor text.
    """
    if values.dtype.is_numeric() or values.dtype == pl.Null:
        return _filled(values.cast(pl.Float64))
    if not is_text(values):
        raise CcfError(f"{table}: the column {column} holds {values.dtype}, not numbers.")
    text = values.cast(pl.String).str.strip_chars()
    missing = text.is_null() | text.str.to_lowercase().is_in(MISSING)
    parsed = text.cast(pl.Float64, strict=False)
    wrong = parsed.is_null() & ~missing
    if wrong.any():
        row = first_row(wrong)
        more = f" ({wrong.sum()} such rows)" if int(wrong.sum()) > 1 else ""
        comma = " Write decimals with a point." if re.fullmatch(r"[-+]?\d*,\d+", text[row]) else ""
        raise CcfError(
            f"{table}, {row_name(row)}: {column} is {values[row]!r:.60}, not a number{more}.{comma}"
        )
    return _filled(parsed)


def _filled(values: pl.Series) -> pl.Series:
    return values.fill_null(float("nan"))


def is_text(values: pl.Series) -> bool:
    """Whether a column holds text, in whatever form polars keeps it."""
    return values.dtype in (pl.String, pl.Categorical, pl.Enum)


def first_row(mask: pl.Series) -> int:
    """The number of the first row that is true; there is one."""
    return int(mask.arg_true()[0])
