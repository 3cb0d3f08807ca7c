"""Formats of sites without the folder scan: what a format finds in a folder, and reads."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import ap_dv_ml, to_ccf
from ccf_assets.ccf.nrrd import planes
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import HEAD_BYTES, Classify, Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets_tests.support.grids import grid_of


def listing_of(folder: Path) -> Listing:
    """A folder as formats see it."""

    def look(name: str, classify: Classify) -> str:
        return classify((folder / name).read_bytes()[:HEAD_BYTES])

    entries = list(folder.iterdir())
    files = frozenset(entry.name for entry in entries if entry.is_file())
    return Listing(folder, files, frozenset(entry.name for entry in entries if entry.is_dir()), look)


def found_in(site_format: SiteFormat, folder: Path) -> list[Found]:
    """What a format finds in a folder, in order of name."""
    return sorted(site_format.find(listing_of(folder)), key=lambda found: found.anchor)


def read(site_format: SiteFormat, folder: Path, below: str = "", frame: str | None = None) -> Table:
    """The one source of a format in a subfolder of a folder of recordings."""
    place = folder / below
    (found,) = found_in(site_format, place)
    return read_found(site_format, folder, below, found, frame)


def read_found(
    site_format: SiteFormat, folder: Path, below: str, found: Found, frame: str | None = None
) -> Table:
    """A source of several."""
    place = folder / below
    paths = tuple(place / name for name in (found.anchor, *found.others))
    key = f"{below}/{found.anchor}" if below else found.anchor
    table = site_format.read(Source(key, paths), FileSettings(place / f"{paths[0].stem}.toml", frame))
    assert list(table.columns) == list(table.names)
    assert {len(values) for values in table.columns.values()} == {table.height}
    assert table.row_name(0)
    return table


def refusal(site_format: SiteFormat, folder: Path, below: str = "", frame: str | None = None) -> str:
    """The sentence with which the one source is refused."""
    try:
        read(site_format, folder, below, frame)
    except CcfError as error:
        return str(error)
    raise AssertionError("it is not refused")


def ccf_um(table: Table, frame: str | None = None) -> npt.NDArray[np.float64]:
    """Shape (N, 3): the points of a table in CCF µm."""
    of = FRAMES[table.frame or frame or ""]
    columns = table.columns
    if "ap" in columns:
        return to_ccf(of, *(columns[axis].to_numpy() for axis in ("ap", "dv", "ml")))
    return to_ccf(of, *ap_dv_ml(of, *(columns[axis].to_numpy() for axis in ("x", "y", "z"))))


def ids_at(volume: Path, points: npt.NDArray[np.float64]) -> list[int]:
    """The id of the voxel of each point in the volume of 25 µm; 0 outside the volume."""
    grid = grid_of("ccf_2017_25um")
    places = [tuple(math.floor(um / 25) for um in point) for point in points]
    ids = [0] * len(places)
    for ml, plane in enumerate(planes(volume, grid)):
        for row, (ap, dv, of) in enumerate(places):
            if of == ml and 0 <= dv < plane.shape[0] and 0 <= ap < plane.shape[1]:
                ids[row] = int(plane[dv, ap])
    return ids


def regions(ontology: Path) -> pl.DataFrame:
    """id, acronym and name of the Allen Institute's regions."""
    return pl.read_csv(ontology).select("id", "acronym", "name", "safe_name")
