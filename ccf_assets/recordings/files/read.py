"""Reading one file of recording sites: its settings, its table, and the columns of the sites.

A file of sites (CSV or Parquet) has the coordinates of each site of each recording. What it does not say
itself, such as the frame of its coordinates, is in a TOML file beside it. Reading either gives a table in
which no row is missing and nothing is guessed, or raises a sentence that says what to write.

Whether the coordinates are plausible is checked in recordings.findings; which files the folder has is in
folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from ccf_assets.errors import CcfError, why
from ccf_assets.recordings.files.columns import (
    FrameOrder,
    all_rows,
    coordinates,
    frames_of_rows,
    integer_column,
    match_columns,
    text_column,
)
from ccf_assets.recordings.files.csv_table import read_csv
from ccf_assets.recordings.files.keys import path_of
from ccf_assets.recordings.files.parquet_table import read_parquet
from ccf_assets.recordings.files.settings import FileSettings, read_settings
from ccf_assets.recordings.files.table import SITES_SCHEMA, Table


def read_sites(folder: Path, key: str, frames: Mapping[str, FrameOrder]) -> pl.DataFrame:
    """Read one file of recording sites with its settings.

    Args:
        folder: the folder of recordings.
        key: the file's partition key.
        frames: the known frames by name.

    Returns:
        One row per row of the file, in its order, with the columns of ``SITES_SCHEMA``. An empty or missing
        coordinate is NaN, an infinite one stays infinite. Without a site_id column every row is site 0.

    Raises:
        CcfError: the file cannot be read, or lacks something that is needed; the text says what to write.
    """
    path = path_of(folder, key)
    settings = read_settings(folder, path)
    table = _read_table(path, settings)
    column_of = match_columns(table, settings, frames)
    frame = frames_of_rows(table, column_of, settings, frames)
    ap, dv, ml = coordinates(table, column_of, frame, frames)
    columns = {
        "recording_id": text_column(table, column_of["recording_id"], needed=True),
        "site_id": integer_column(table, column_of["site_id"])
        if "site_id" in column_of
        else all_rows(0, table.height, pl.Int64),
        "ap": ap,
        "dv": dv,
        "ml": ml,
        "frame": frame,
        "reported_region": text_column(table, column_of["reported_region"])
        if "reported_region" in column_of
        else all_rows(None, table.height, pl.String),
        "kind": all_rows("site", table.height, pl.String),
        "source": all_rows(key, table.height, pl.String),
    }
    return pl.DataFrame(columns).select(
        pl.lit(None, of).alias(name) if name not in columns else name for name, of in SITES_SCHEMA.items()
    )


def _read_table(path: Path, settings: FileSettings) -> Table:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CcfError(f"{path} no longer exists.") from None
    except OSError as error:
        raise CcfError(f"{path} cannot be read: {why(error)}.") from None
    if not raw:
        raise CcfError(f"{path} is empty.")
    read = read_parquet if path.suffix.lower() == ".parquet" else read_csv
    table = read(path, raw, settings)
    if not table.height:
        raise CcfError(f"{path} has a header and no rows.")
    return table
