"""A `.npy` of points that nothing describes but its own settings: ``NAME.npy`` with ``NAME.toml``.

Without a settings file of its own name no array is taken for sites: a lab has thousands of others.
"""

from __future__ import annotations

from collections.abc import Iterator

from ccf_assets.recordings.files.settings import XYZ, FileSettings, stem_of
from ccf_assets.recordings.files.source import Found, Listing, NotSites, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats.arrays import (
    LARGEST_NPY,
    all_same,
    coordinate_columns,
    read_points,
    row_numbers,
    table_of,
)


def _find(listing: Listing) -> Iterator[Found]:
    """Those that no other format takes, which are asked before."""
    for name in sorted(listing.files):
        if name.lower().endswith(".npy") and f"{stem_of(name)}.toml" in listing.files:
            yield Found(name)


def _read(source: Source, settings: FileSettings) -> Table:
    del settings  # the shared code applies them; they must give the frame
    points = read_points(source.path)
    columns = {
        "recording_id": all_same(source.file_name, len(points)),
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


def _find_others(listing: Listing) -> Iterator[str]:
    yield from (name for name in sorted(listing.files) if name.lower().endswith(".npy"))


OTHER_ARRAYS = NotSites(
    name="arrays (.npy) that nothing describes",
    find=_find_others,
    advice="If one holds points, N rows of x, y, z, write a NAME.toml beside it with frame and recording_id.",
)
"""Whatever no format recognises: it must be asked last."""
