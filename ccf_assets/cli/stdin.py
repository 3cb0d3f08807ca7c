"""Points on standard input: a CSV as a table, and its columns of numbers.

Not here: files of recording sites (recordings.files).
"""

from __future__ import annotations

from typing import IO

import polars as pl

from ccf_assets.atlas.points import coordinate_columns
from ccf_assets.ccf.frames.maps import Floats, Frame
from ccf_assets.errors import CcfError
from ccf_assets.text_columns import MISSING, numbers


def read_numbers(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every column of text that holds only numbers and missing values converted to numbers.

    A number is written as in JSON: 007 is kept as text, because it may be a name.
    """
    number = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
    read = []
    for column in rows.select(pl.selectors.string()):
        text = column.set(column.str.to_lowercase().is_in(MISSING), None)
        whole = not text.str.contains("[.eE]").any()
        found = text.cast(pl.Int64 if whole else pl.Float64, strict=False)
        if text.str.contains(number).all() and found.null_count() == text.null_count() < len(text):
            read.append(found)
    return rows.with_columns(read)


def point_columns(file: IO[bytes], frame: Frame) -> tuple[pl.DataFrame, tuple[Floats, ...]]:
    """Read a CSV of points.

    Args:
        file: CSV with a header: columns ap, dv, ml, or x, y, z in the frame's own order; others are kept.
        frame: the frame of the numbers.

    Returns:
        The rows as text, and ap, dv, ml, float64; what is missing is NaN.

    Raises:
        CcfError: the columns are not there, or a cell is not a number.
    """
    where = "The CSV on standard input"
    try:
        rows = pl.read_csv(file.read(), infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:  # OSError: it begins as compressed data do
        raise CcfError(f"{where} cannot be read as a CSV with a header: {error}.") from error
    names = coordinate_columns(rows.columns, frame, where)
    columns = (numbers(rows[name], name, where, lambda row: f"row {row + 1}") for name in names)
    return rows, tuple(column.to_numpy() for column in columns)
