"""A file of sites as a table of text and numbers: the names of its columns, and the limits of its size.

How a file becomes a table is in csv_table and parquet_table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ccf_assets.ccf.space import AXES
from ccf_assets.errors import CcfError
from ccf_assets.finding import listed

SITES_SCHEMA = pl.Schema(
    {
        "recording_id": pl.String(),
        "site_id": pl.Int64(),
        "ap": pl.Float64(),
        "dv": pl.Float64(),
        "ml": pl.Float64(),
        "frame": pl.String(),
        "reported_region": pl.String(),
        "site_name": pl.String(),
        "probe": pl.String(),
        "shank": pl.Int32(),
        "channel": pl.Int64(),
        "axial_um": pl.Float64(),
        "lateral_um": pl.Float64(),
        "kind": pl.String(),
        "details": pl.String(),
        "source": pl.String(),
    }
)
"""A table of sites: the columns of recording_site.

ap, dv, ml are in the unit of the row's frame, axial_um and lateral_um in µm; kind is ``site`` or ``track``;
details is JSON; source is the file's partition key.
"""

LARGEST_BYTES = 1_000_000_000

MOST_ROWS = 10_000_000
"""Rows of a file: a recording has thousands of sites, and all rows are in memory."""


@dataclass(frozen=True)
class Table:
    """A file as read: the names of its columns, those columns that can be ours, and what to call a row.

    Attributes:
        name: of the file, for sentences.
        names: of all its columns.
        columns: those that can be ours, all of the same length.
        height: how many rows it has.
        row_name: what to call the row of an index, for sentences: ``line 7``.
        frame: the frame of its coordinates, if the format of the file itself states it.
    """

    name: str
    names: Sequence[str]
    columns: Mapping[str, pl.Series]
    height: int
    row_name: Callable[[int], str]
    frame: str | None = None


def table_from(
    name: str, data: pl.DataFrame, row_name: Callable[[int], str], frame: str | None = None
) -> Table:
    """A table of all the columns of a polars frame; the arguments are those of `Table`."""
    return Table(name, data.columns, data.to_dict(as_series=True), data.height, row_name, frame)


def refuse_too_many(path: Path, rows: int) -> None:
    """Refuse a file with more rows than `MOST_ROWS`."""
    if rows > MOST_ROWS:
        raise CcfError(f"{path} has more than {MOST_ROWS:,} rows; divide it into several files.")


def column_list(names: Collection[str]) -> str:
    """Names of columns for a sentence, cut if there are hundreds of them."""
    return f"{listed(names, most=100) or 'none':.1000}"


def no_header(names: Collection[str]) -> str:
    """A question for the user if at least three names are numbers, as in a file without a header."""
    numeric = [name for name in names if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", name.lower())]
    if len(numeric) < len(AXES):
        return ""
    return " Are these values? Then write a line of names above them, such as recording_id,site_id,x,y,z."


def refuse_twice(path: Path, names: Sequence[str]) -> None:
    """Refuse a file with two columns of the same name."""
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    if twice:
        raise CcfError(f"{path} has more than one column called {column_list(twice)}.{no_header(names)}")
