"""What identifies a site, and what is kept with it: number or name, place on a probe, further columns.

Coordinates, frames and reported regions are in columns.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.columns import all_rows, plain_text, text_column
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.site_names import site_numbers
from ccf_assets.recordings.files.table import Table, column_list
from ccf_assets.text_columns import first_row, is_text, numbers

_EXACT_FLOATS = 2**53
"""From here on not every whole number is a float64."""

_WHOLE = r"^([-+]?\d+)(?:\.0*)?$"
"""A whole number; "12.0" is what pandas writes for 12 once a column has had a gap."""


_PLAIN = r"^(0|-?[1-9]\d*)$"
"""A whole number as programs write it, which can stand among names."""


def site_ids(table: Table, column: str) -> tuple[pl.Series, pl.Series]:
    """The numbers of the sites, and the names of those that have one instead.

    Args:
        table: the file.
        column: its column of numbers or names.

    Returns:
        site_id as Int64, and site_name as String: null where the site is a number. The number of a name is
        `site_names.site_number`.

    Raises:
        CcfError: a row has neither; all are numbers, and one is not whole or has more than 64 bits; or a
            float stands for so large a number that it need not be the one that was meant.
    """
    values = table.columns[column]
    text = text_column(table, column, needed=True)
    numeric = text.cast(pl.Float64, strict=False)
    number: pl.Series = text.str.extract(_WHOLE).cast(pl.Int64, strict=False)
    if numeric.null_count():
        # Some are names, and what only looks like a number is one, too: 007, 1.10, 1234e567.
        number = number.set(~text.str.contains(_PLAIN), None)
        wrong = pl.repeat(False, len(text), eager=True)
    else:
        wrong = number.is_null()
    if values.dtype.is_float():
        wrong |= (numeric.abs() >= _EXACT_FLOATS).fill_null(value=False)
    if wrong.any():
        row = first_row(wrong)
        raise CcfError(
            f"{table.name}, {table.row_name(row)}: {column} is {values[row]!r:.60}, where the site_id must "
            "be a whole number of 64 bits, or a name."
        )
    names = text.set(number.is_not_null(), None)
    if names.null_count() == len(names):
        return number, names
    return number.fill_null(site_numbers(names)), names


def extra_columns(table: Table, column_of: Mapping[str, str], settings: FileSettings) -> dict[str, pl.Series]:
    """Probe, shank, channel, axial_um and lateral_um, as far as the file has them.

    Shank and channel are whole numbers, and the two places numbers. A column that only has the right name,
    and something else in it, is not read: nothing says that it is meant.

    Raises:
        CcfError: a column that the settings name holds something else.
    """
    columns: dict[str, pl.Series] = {}
    of_kind = {"probe": text_column, "shank": _shank, "channel": _whole_numbers}
    for ours, read in {**of_kind, "axial_um": _places, "lateral_um": _places}.items():
        if ours not in column_of:
            continue
        try:
            columns[ours] = read(table, column_of[ours])
        except CcfError:
            if ours in settings.columns:
                raise
    return columns


def _shank(table: Table, column: str) -> pl.Series:
    return _whole_numbers(table, column, pl.Int32)


def _whole_numbers(table: Table, column: str, of: type[pl.DataType] = pl.Int64) -> pl.Series:
    text = text_column(table, column)
    number: pl.Series = text.str.extract(_WHOLE).cast(of, strict=False)
    wrong = text.is_not_null() & number.is_null()
    if wrong.any():
        row = first_row(wrong)
        raise CcfError(
            f"{table.name}, {table.row_name(row)}: {column} is {text[row]!r:.60}, not a whole number; "
            "keep = [...] keeps a column as it is."
        )
    return number


def _places(table: Table, column: str) -> pl.Series:
    places: pl.Series = numbers(table.columns[column], column, table.name, table.row_name).fill_nan(None)
    return places


def details(table: Table, settings: FileSettings) -> pl.Series:
    """The columns that the settings keep, as one JSON object a row; null if they keep none.

    Text that is a number in every row becomes one: a CSV has nothing but text.

    Raises:
        CcfError: the file has no such column, or it holds neither text nor numbers.
    """
    if not settings.keep:
        return all_rows(None, table.height, pl.String)
    lacking = [name for name in settings.keep if name not in table.columns]
    if lacking:
        raise CcfError(
            f"{settings.set_in['keep']} says to keep {column_list(lacking)}, but {table.name} has no such "
            f"column. Its columns are: {column_list(table.names)}."
        )
    kept = pl.DataFrame([_as_json(table, name) for name in settings.keep])
    as_json: pl.Series = kept.select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return as_json


def _as_json(table: Table, name: str) -> pl.Series:
    values = table.columns[name]
    if values.dtype.is_integer() or values.dtype == pl.Boolean:
        return values.alias(name)
    if values.dtype.is_numeric():
        measured: pl.Series = values.cast(pl.Float64).fill_nan(None).alias(name)
        return measured
    if not is_text(values) and values.dtype != pl.Null:
        raise CcfError(f"{table.name}: the column {name} holds {values.dtype}, which cannot be kept.")
    text: pl.Series = plain_text(values)
    text = text.set(text == "", None).alias(name)
    # A number with a zero in front is a name, and one of more than 18 digits would not stay what it is.
    if text.str.contains(r"^-?(0|[1-9]\d{0,17})$").all():  # nulls are left out
        text = text.cast(pl.Int64)
    elif text.str.contains(r"^-?(0|[1-9]\d{0,14})(\.\d+)?(e-?\d+)?$").all():
        text = text.cast(pl.Float64)
    return text
