"""Reading one file of recording sites: its settings, its table, and the columns of the sites.

A file of sites has the coordinates of each site of each recording, in one of the formats of
recordings.formats. What it does not say itself, such as the frame of the coordinates in a CSV, is in a TOML
file beside it, which may also overrule the format. Reading them gives a table in which no row is missing and
nothing is guessed, or raises a sentence that says what to write.

Whether the coordinates are plausible is checked in recordings.findings; which files the folder has is in
folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from ccf_assets.ccf.space import AXES, SITE
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.columns import (
    FrameOrder,
    all_rows,
    coordinates,
    frames_of_rows,
    match_columns,
    text_column,
)
from ccf_assets.recordings.files.kept_columns import details, extra_columns, site_ids
from ccf_assets.recordings.files.known_columns import settings_of
from ccf_assets.recordings.files.settings import (
    ROW,
    VALUES,
    FileSettings,
    fill_in,
    of_its_own,
    read_settings,
    settings_paths,
)
from ccf_assets.recordings.files.source import SiteFormat, Source
from ccf_assets.recordings.files.table import SITES_SCHEMA, Table
from ccf_assets.recordings.formats.arrays import row_numbers
from ccf_assets.recordings.scan.folder import find_source
from ccf_assets.recordings.scan.keys import path_of
from ccf_assets.recordings.scan.objects import ObjectView


def read_sites(
    folder: Path,
    key: str,
    frames: Mapping[str, FrameOrder],
    source_key: str | None = None,
    view: ObjectView | None = None,
) -> pl.DataFrame:
    """Read one source of recording sites with its settings.

    Args:
        folder: the folder of recordings; of one in an object store, ``view.top``.
        key: the partition key that the source has, or would have, in the first folder of the database.
        frames: the known frames by name.
        source_key: its key with the name of its folder in front, if it is in another folder.
        view: of an object store.

    Returns:
        One row per row of the source, in its order, with the columns of ``SITES_SCHEMA``. An empty or missing
        coordinate is NaN, an infinite one stays infinite. Without a site_id column every row is site 0.

    Raises:
        CcfError: the source cannot be read, or lacks something that is needed; the text says what to write.
        StillWritingError: an object of it was replaced or deleted since the store was listed.
    """
    path = path_of(folder, key)
    found = find_source(folder, key, view)
    if found is None:
        raise CcfError(f"{view.in_words(str(path)) if view else path} no longer exists.")
    form, names = found
    source = Source(source_key or key, tuple(folder / name for name in names))
    if view is None:
        return _read(folder, form, source, frames)
    places = (place.relative_to(folder).as_posix() for place in settings_paths(folder, path))
    with view.brought(form, names, places) as opened:
        return _read(folder, form, replace(source, opened=opened), frames)


def _read(folder: Path, form: SiteFormat, source: Source, frames: Mapping[str, FrameOrder]) -> pl.DataFrame:
    """As `read_sites`, of files that are on this host."""
    given = read_settings(folder, source.path)
    settings = given if form.has_own_columns else of_its_own(given)
    table = form.read(source, settings)
    if not table.height:
        raise CcfError(f"{source.path} has a header and no rows.")
    if form.has_own_columns:
        given = settings = settings_of(table, settings)
    column_of = match_columns(table, settings, frames)
    frame = frames_of_rows(table, column_of, given, frames)
    columns = dict(zip(AXES, coordinates(table, column_of, frame, frames), strict=True)) | {"frame": frame}
    columns["site_id"], columns["site_name"] = _sites(table, column_of, settings)
    if "recording_id" in column_of:
        columns["recording_id"] = text_column(table, column_of["recording_id"], needed=True)
    if "reported_region" in column_of:
        columns["reported_region"] = text_column(table, column_of["reported_region"])
    columns |= extra_columns(table, column_of, settings)
    # A lab's own column of this name means something else.
    says_kind = not form.has_own_columns and "kind" in table.columns
    columns["kind"] = table.columns["kind"] if says_kind else all_rows(SITE, table.height, pl.String)
    columns["details"] = details(table, settings)
    for ours in VALUES:
        if ours in settings.values:
            columns[ours] = all_rows(fill_in(settings.values[ours], source.key), table.height, pl.String)
    columns["source"] = all_rows(source.key, table.height, pl.String)
    return pl.DataFrame(
        {
            name: columns[name].cast(of) if name in columns else all_rows(None, table.height, of)
            for name, of in SITES_SCHEMA.items()
        }
    )


def _sites(table: Table, column_of: Mapping[str, str], settings: FileSettings) -> tuple[pl.Series, pl.Series]:
    """The numbers of the sites, and their names."""
    if "site_id" in column_of:
        return site_ids(table, column_of["site_id"])
    numbered = settings.values.get("site_id") == ROW
    number = row_numbers(table.height) if numbered else all_rows(0, table.height, pl.Int64)
    return number, all_rows(None, table.height, pl.String)
