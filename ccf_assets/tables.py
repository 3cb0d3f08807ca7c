"""Points on standard input: a small CSV, read in a frame."""

from __future__ import annotations

from typing import IO

import polars as pl

from ccf_assets.errors import CcfError
from ccf_assets.frames import Frame, ap_dv_ml


def point_columns(file: IO[bytes], frame: Frame) -> tuple[pl.DataFrame, tuple[list[float], ...]]:
    """Read a CSV of points.

    Args:
        file: CSV with a header: columns ap, dv, ml, or x, y, z in the frame's own order; others are kept.
        frame: the frame of the numbers.

    Returns:
        The rows as text, and ap, dv, ml; an empty cell is NaN.

    Raises:
        CcfError: the columns are not there, or a cell is not a number.
    """
    try:
        rows = pl.read_csv(file.read(), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise CcfError(f"Standard input is not a CSV with a header: {error}.") from error
    for names in (("ap", "dv", "ml"), ap_dv_ml(frame, "x", "y", "z")):
        if set(names) <= set(rows.columns):
            return rows, tuple(_numbers(rows[name]) for name in names)
    raise CcfError(f"The CSV must have columns ap, dv, ml, or x, y, z; it has {', '.join(rows.columns)}.")


def _numbers(column: pl.Series) -> list[float]:
    numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
    bad = column.filter(numbers.is_null() & (column.str.strip_chars().fill_null("") != ""))
    if not bad.is_empty():
        raise CcfError(f"Column {column.name} has {bad[0]!r}, which is not a number.")
    return [float("nan") if number is None else float(number) for number in numbers]
