"""A `.npy` of points that nothing describes but its own settings: ``NAME.npy`` with ``NAME.toml``.

Without a settings file of its own name no array is taken for sites: a lab has thousands of others.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from ccf_assets.ccf.space import XYZ
from ccf_assets.recordings.files.columns import all_rows
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, NotSites, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats import excel
from ccf_assets.recordings.formats.arrays import (
    LARGEST_NPY,
    coordinate_columns,
    read_points,
    row_numbers,
    table_of,
)
from ccf_assets.recordings.formats.not_sites import ending
from ccf_assets.recordings.formats.own_settings import with_own_settings


def _find(listing: Listing) -> Iterator[Found]:
    """Those that no other format takes, which are asked before, and whose TOML is not another source's."""
    yield from with_own_settings(listing, (".npy",), excel.FORMAT.suffixes)


def _read(source: Source, settings: FileSettings) -> Table:
    del settings  # the shared code applies them; they must give the frame
    points = read_points(source.path)
    columns = {
        "recording_id": all_rows(source.file_name, len(points), pl.String),
        "site_id": row_numbers(len(points)),
        **coordinate_columns(points, XYZ),
    }
    return table_of(source.path, columns, None)


FORMAT = SiteFormat(
    name="array of points (.npy) with settings of its own",
    suffixes=(".npy",),
    find=_find,
    read=_read,
    largest_bytes=LARGEST_NPY,
)
"""An array of N × 3 numbers in the order of the frame's x, y, z; sites are numbered by row from 0."""


OTHER_ARRAYS = NotSites(
    name="arrays (.npy) that nothing describes",
    find=ending("npy"),
    advice="If one holds points, N rows of x, y, z, give it a name that no other file of sites in its folder "
    "has, and write a TOML of that name beside it (NAME.toml of NAME.npy), with frame and recording_id.",
)
"""Whatever no format recognises: it must be asked last."""
