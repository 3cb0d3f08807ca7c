"""Workbooks of Excel as tables of sites: the sheet that has the columns, with the names in its first row.

How a workbook is read is in xlsx; what the columns mean, in recordings.files.columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from ccf_assets.ccf.space import AXES, XYZ
from ccf_assets.errors import CcfError
from ccf_assets.finding import listed
from ccf_assets.recordings.files.known_columns import with_preset
from ccf_assets.recordings.files.settings import FileSettings, can_be_ours
from ccf_assets.recordings.files.source import Found, Listing, NotSites, SiteFormat, Source
from ccf_assets.recordings.files.table import Table, refuse_too_many, refuse_twice
from ccf_assets.recordings.formats.limited import read_limited
from ccf_assets.recordings.formats.not_sites import ending
from ccf_assets.recordings.formats.own_settings import with_own_settings
from ccf_assets.recordings.formats.xlsx import Cell, Sheet, read_workbook

LARGEST_XLSX = 50_000_000

_SUFFIXES = (".xlsx", ".xlsm")


def _find(listing: Listing) -> Iterator[Found]:
    """Those with a TOML of their own name: most workbooks are notes of surgeries and the like."""
    yield from with_own_settings(listing, _SUFFIXES)


def _read(source: Source, settings: FileSettings) -> Table:
    path = source.path
    raw = read_limited(path, LARGEST_XLSX, "save the sheet with the sites as CSV")
    sheets = [sheet for sheet in read_workbook(path, raw) if sheet.rows]
    if not sheets:
        raise CcfError(f"{path} is empty: none of its sheets has a cell.")
    sheet = _sheet_with_sites(path, sheets, settings)
    return _table(path, sheet, settings)


def _sheet_with_sites(path: Path, sheets: list[Sheet], settings: FileSettings) -> Sheet:
    """The sheet that has columns of coordinates, or the only one; which one is never guessed."""
    fitting = [sheet for sheet in sheets if _has_coordinates(_names(sheet), settings)]
    shown = [sheet for sheet in fitting if not sheet.hidden]
    if len(shown) > 1:
        names = listed([repr(sheet.name) for sheet in shown])
        raise CcfError(
            f"{path} has sites in {len(shown)} sheets ({names}); save each as a workbook or CSV of its own."
        )
    if shown:
        return shown[0]
    visible = [sheet for sheet in sheets if not sheet.hidden]
    if len(visible) == 1:
        return visible[0]
    names = listed([repr(sheet.name) for sheet in visible or sheets])
    raise CcfError(
        f"{path} has no sheet with columns ap, dv, ml or x, y, z in its first row, nor with those of "
        f"{settings.own.name}; its sheets are {names}. Name the columns in {settings.own}, or save the sheet "
        f"with the sites as CSV."
    )


def _names(sheet: Sheet) -> dict[int, str]:
    """Names of columns by their place: the cells of the first row that has any."""
    header = sheet.rows[min(sheet.rows)]
    return {
        place: _as_text(value).strip() for place, value in sorted(header.items()) if _as_text(value).strip()
    }


def _has_coordinates(names: Mapping[int, str], settings: FileSettings) -> bool:
    """Whether a sheet has three coordinates: by the settings, by name, or as a published table."""
    settings = with_preset(settings, names.values())
    known = {name.lower() for name in names.values()}
    for triple in (AXES, XYZ):
        if all(settings.columns.get(axis, "") in names.values() or axis in known for axis in triple):
            return True
    return False


def _table(path: Path, sheet: Sheet, settings: FileSettings) -> Table:
    names = _names(sheet)
    refuse_twice(path, list(names.values()))
    header = min(sheet.rows)
    below = [
        number
        for number in sorted(sheet.rows)
        if number != header and not names.keys().isdisjoint(sheet.rows[number])
    ]
    refuse_too_many(path, len(below))
    if not below:
        raise CcfError(f"{path}, sheet {sheet.name!r}: it has a row of names and none of sites.")
    settings = with_preset(settings, names.values())
    columns = {
        name: _column(name, [sheet.rows[number].get(place) for number in below])
        for place, name in names.items()
        if can_be_ours(name, settings)
    }
    return Table(
        f"{path.name} (sheet {sheet.name!r})" if sheet.name else path.name,
        list(names.values()),
        columns,
        len(below),
        lambda row: f"row {below[row]}",
    )


def _column(name: str, values: list[Cell]) -> pl.Series:
    """A column of numbers if all cells are, otherwise of text."""
    given = [value for value in values if value is not None]
    if all(type(value) is int for value in given):
        return pl.Series(name, values, pl.Int64)
    if all(type(value) in (int, float) for value in given):
        return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    return pl.Series(name, [None if value is None else _as_text(value) for value in values], pl.String)


def _as_text(value: Cell) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


FORMAT = SiteFormat(
    name="workbook of Excel",
    suffixes=_SUFFIXES,
    find=_find,
    read=_read,
    largest_bytes=LARGEST_XLSX,
    has_own_columns=True,
)
"""The sheet with the columns of sites; formulas give the values that were stored with them."""


WORKBOOKS = NotSites(
    name="workbooks of Excel",
    find=ending("xlsx", "xlsm"),
    advice="If one has a sheet of sites, give it a name that no other file of sites in its folder has, and "
    'write a TOML of that name beside it (NAME.toml of NAME.xlsx), with a line frame = "…" and, if no column '
    'is the recording, recording_id = "…"; or save the sheet as CSV.',
)
"""Those without a TOML of their own name."""


OTHER_SPREADSHEETS = NotSites(
    name="spreadsheet in another form than .xlsx",
    find=ending("xls", "xlsb", "ods", "numbers"),
    advice="Save the sheet with the sites as .xlsx or as CSV.",
)
"""Older workbooks of Excel, and those of LibreOffice and Numbers."""
