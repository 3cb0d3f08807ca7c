"""A file of sites as a table of text and numbers: its columns' names, and the limits of its size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ccf_assets.ccf.space import AXES
from ccf_assets.errors import CcfError

SITES_SCHEMA = pl.Schema(
    {
        "recording_id": pl.String(),
        "site_id": pl.Int32(),
        "ap": pl.Float64(),
        "dv": pl.Float64(),
        "ml": pl.Float64(),
        "frame": pl.String(),
        "reported_region": pl.String(),
        "source": pl.String(),
    }
)
"""A table of sites: ap, dv, ml in the unit of the row's frame; source is the file's partition key."""

LARGEST_BYTES = 1_000_000_000

MOST_ROWS = 10_000_000
"""Of a file: a recording has thousands of sites, and what is read stands in memory."""


@dataclass(frozen=True)
class Table:
    """A file as it stands: its columns' names, those columns that can be ours, and how to call a row."""

    name: str
    names: Sequence[str]
    columns: Mapping[str, pl.Series]
    height: int
    row_name: Callable[[int], str]


def refuse_too_many(path: Path, rows: int) -> None:
    if rows > MOST_ROWS:
        raise CcfError(f"{path} has more than {MOST_ROWS:,} rows; divide it into several files.")


def listed(names: Collection[str]) -> str:
    """Names for a sentence, which a table with hundreds of columns shall not fill."""
    return f"{', '.join(names) or 'none':.1000}"


def no_header(names: Collection[str]) -> str:
    """A question for names with as many numbers among them as a place has; else nothing."""
    numeric = [name for name in names if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", name.lower())]
    if len(numeric) < len(AXES):
        return ""
    return " Are these values? Then write a line of names above them, such as recording_id,site_id,x,y,z."


def refuse_twice(path: Path, names: Sequence[str]) -> None:
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    if twice:
        raise CcfError(f"{path} has more than one column called {listed(twice)}.{no_header(names)}")
