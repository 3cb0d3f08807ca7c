"""Points and tracks of BrainGlobe: brainglobe-segmentation, brainmapper (cellfinder) and its points.npy.

Whether an array or a table is one of these is decided by the columns of the CSV, not by its name: a lab's own
``X.csv`` beside an ``X.npy`` stays an ordinary file of sites.

What they write (brainglobe-segmentation, tracks/analysis.py and tracks/IO.py; brainglobe-utils,
brainmapper/analysis.py and brainmapper/export.py; brainglobe-workflows, cellfinder's prep.py for folders):
a track is ``NAME.npy`` in µm with the regions in ``NAME.csv``; ``analysis/all_points.csv`` has cells in whole
voxels of the atlas, without those that lie in no region, and ``points/points.npy`` has all of them in µm.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import polars as pl

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.space import AXES, XYZ
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.columns import all_rows
from ccf_assets.recordings.files.csv_table import read_csv
from ccf_assets.recordings.files.known_columns import names_in, preset_of
from ccf_assets.recordings.files.settings import FileSettings, stem_of
from ccf_assets.recordings.files.source import Found, Listing, NotSites, SiteFormat, Source
from ccf_assets.recordings.files.table import LARGEST_BYTES, Table
from ccf_assets.recordings.formats.arrays import (
    LARGEST_NPY,
    coordinate_columns,
    only_lacking,
    read_points,
    row_numbers,
    table_of,
)
from ccf_assets.recordings.formats.json_file import read_json
from ccf_assets.recordings.formats.limited import read_limited
from ccf_assets.recordings.formats.probe import geometry_beside
from ccf_assets.recordings.formats.tracks import track_table
from ccf_assets.text_columns import numbers

FRAME = "brainglobe"

POINTS = "points.npy"

RESOLUTIONS_UM = (10, 25, 50, 100)
"""Of the BrainGlobe atlases of the CCF."""

_TRACK, _CELLS, _SUMMARY = "track", "cells", "summary"

_CELLS_NAMED = re.compile(r".*points.*\.csv", re.IGNORECASE)
_SUMMARIES_NAMED = re.compile(r"(summary|volumes).*\.csv", re.IGNORECASE)

_REGION = "Region ID"

_VOXELS = tuple(f"coordinate_atlas_axis_{axis}" for axis in range(3))

_NAME_OF_REGION = "structure_name"

_DESCRIPTIONS = ("brainreg.json", "brainmapper.json", "cellfinder.json")
"""What a run writes about itself, with the name of its atlas."""

_CCF_ATLAS = re.compile(r"(allen|kim|osten)_mouse_(10|25|50|100)um(_v[\d.]+)?")
"""The BrainGlobe atlases that are drawn on the grid of the CCF (brainglobe-atlasapi, atlas_generation)."""

_IN_THE_IMAGE = "sample_space"
"""brainglobe-segmentation's folder for what was traced in the sample's own image (paths.py)."""


def _what(head: bytes) -> str:
    """What a CSV is, by the names of its columns; one with coordinates of its own is an ordinary table."""
    names = {*names_in(head, ",")}
    low = {name.lower() for name in names}
    if {*AXES} <= low or {*XYZ} <= low or preset_of(names):
        return ""
    if {_REGION, "Region acronym", "Region name"} <= names:
        return _TRACK
    if {*_VOXELS, _NAME_OF_REGION} <= names:
        return _CELLS
    of_regions = {"region", "volume_mm3"} <= names or (
        _NAME_OF_REGION in names and names & {"left_volume_mm3", "left_cell_count", "total_cells"}
    )
    return _SUMMARY if of_regions else ""


def _csvs(listing: Listing, what: str, named: re.Pattern[str]) -> list[str]:
    """The CSVs of a kind: those that are called so, and have its columns. Others are not opened."""
    names = sorted(filter(named.fullmatch, listing.files))
    return [name for name in names if listing.look(name, _what) == what]


def _find_tracks(listing: Listing) -> Iterator[Found]:
    beside_of = {f"{stem_of(name)}.csv": name for name in listing.files if name.endswith(".npy")}
    names = {name: beside_of[name] for name in sorted(beside_of) if name in listing.files}
    names = {beside: name for beside, name in names.items() if listing.look(beside, _what) == _TRACK}
    for beside, name in names.items():
        run = _descriptions(listing, ("../../..",), ("segmentation", 2))
        yield Found(name, (beside, *run, *(geometry_beside(listing) if len(names) == 1 else ())))


def _find_cells(listing: Listing) -> Iterator[Found]:
    cells = _csvs(listing, _CELLS, _CELLS_NAMED)
    for name in cells:
        points = tuple(_points_of(listing)) if len(cells) == 1 or name == "all_points.csv" else ()
        near = _descriptions(listing, ("..", "../registration"), ("analysis", 0))
        yield Found(name, (*points, *near))


def _points_of(listing: Listing) -> Iterator[str]:
    """The array of the same run as a table of cells: beside it, or where brainmapper puts it."""
    if POINTS in listing.files:
        yield POINTS
    elif listing.folder.name == "analysis" and listing.has_file(f"../points/{POINTS}"):
        yield f"../points/{POINTS}"


def _find_points(listing: Listing) -> Iterator[Found]:
    """The array, unless it belongs to a table of cells; one beside it is asked for before, and takes it."""
    of_run = listing.folder.name == "points" and listing.has_file("../analysis/all_points.csv")
    if POINTS in listing.files and not of_run:
        yield Found(POINTS, _descriptions(listing, ("..", "../registration"), ("points", 0)))


def _descriptions(listing: Listing, places: Sequence[str], inside: tuple[str, int]) -> tuple[str, ...]:
    """The descriptions of a run: beside its files, or at ``places`` if the folder is laid out as a run's is.

    Args:
        listing: the folder.
        places: where else, relative to it.
        inside: the name that the folder so many levels up must have for that.
    """
    name, level = inside
    found = [one for one in _DESCRIPTIONS if one in listing.files]
    if [listing.folder.name, *(parent.name for parent in listing.folder.parents)][level] == name:
        found += [
            f"{place}/{one}"
            for place in places
            for one in _DESCRIPTIONS
            if listing.has_file(f"{place}/{one}")
        ]
    return tuple(found)


def _find_summaries(listing: Listing) -> Iterator[Found]:
    yield from (Found(name) for name in _csvs(listing, _SUMMARY, _SUMMARIES_NAMED))


def _refuse_summary(source: Source, settings: FileSettings) -> Table:
    del settings
    raise CcfError(
        f"{source.path} has one row for each region (its volume, extent or number of cells), and no sites. "
        f"Load all_points.csv or points.npy of the same run of brainmapper, or the tracks (track.npy) of "
        f"brainglobe-segmentation."
    )


def _read_track(source: Source, settings: FileSettings) -> Table:
    if _IN_THE_IMAGE in source.path.parts:
        raise CcfError(
            f"{source.path} was traced in the image of the sample ({_IN_THE_IMAGE}): its points are not in "
            f"the atlas. Trace it in atlas_space in brainglobe-segmentation, and load what it writes there."
        )
    _atlas_um(source)
    points = read_points(source.path)
    path = next(path for path in source.paths if path.suffix.lower() == ".csv")
    table = _read_table(path, settings, (_REGION,))
    if table.height != len(points):
        raise CcfError(
            f"{path} has {table.height:,} rows, but {source.path.name} has {len(points):,} points: they are "
            f"not of the same track. Trace it again, or move one of them elsewhere."
        )
    return track_table(
        source,
        points,
        FRAME,
        known=settings.frame or FRAME,
        probe=source.stem,
        geometry=next((one for one in source.paths if _is_geometry(one)), None),
        more={"reported_region": table.columns[_REGION].to_list()},
    )


def _is_geometry(path: Path) -> bool:
    return path.suffix.lower() == ".json" and path.name not in _DESCRIPTIONS


def _read_points(source: Source, settings: FileSettings) -> Table:
    del settings  # the shared code applies them
    _atlas_um(source)
    points = read_points(source.path)
    columns = {
        "recording_id": all_rows(_run_of(source), len(points), pl.String),
        "site_id": row_numbers(len(points)),
        **coordinate_columns(points, FRAMES[FRAME].xyz),
    }
    return table_of(source.path, columns, FRAME, "point")


def _read_cells(source: Source, settings: FileSettings) -> Table:
    table = _read_table(source.path, settings, (*_VOXELS, _NAME_OF_REGION, "hemisphere"))
    voxels = np.stack(
        [
            numbers(table.columns[name], name, table.name, table.row_name).to_numpy().astype(np.float64)
            for name in _VOXELS
        ],
        axis=1,
    )
    recording = _run_of(source) if source.path.name == "all_points.csv" else source.file_name
    columns = {
        "recording_id": all_rows(recording, table.height, pl.String),
        "site_id": row_numbers(table.height),
        **coordinate_columns(voxels, AXES),
        "reported_region": table.columns[_NAME_OF_REGION],
    }
    um = None if settings.frame else _resolution_um(source, voxels)
    frame = f"brainglobe_voxel_{um}" if um else None
    made = table_of(source.path, _with_their_own(columns, table), frame)
    return dataclasses.replace(made, row_name=table.row_name)


def _with_their_own(made: dict[str, pl.Series], table: Table) -> dict[str, pl.Series]:
    """The columns of the CSV, and those made that it has not itself; the coordinates are those made."""
    own = {name: values for name, values in table.columns.items() if name.strip().lower() not in AXES}
    return only_lacking(made, own) | own


def _read_table(path: Path, settings: FileSettings, names: Sequence[str]) -> Table:
    """A CSV with the columns of ``names``, where it has them, and those that the settings name."""
    wanted = dataclasses.replace(settings, keep=(*settings.keep, *names))
    table = read_csv(path, read_limited(path, LARGEST_BYTES), wanted)
    lacking = [name for name in names if name not in table.columns and name != "hemisphere"]
    if lacking:
        raise CcfError(f"{path} has no column {lacking[0]}; write it again with BrainGlobe.")
    if not table.height:
        raise CcfError(f"{path} has a header and no rows.")
    return table


_BEYOND = 1 << 20
"""No atlas has so many voxels along an axis; and the number of a voxel, of three such, has 64 bits."""


def _run_of(source: Source) -> str:
    """The folder of a run of brainmapper, without its subfolder ``analysis`` or ``points``."""
    if "/" not in source.key:
        return source.stem
    folder = PurePosixPath(source.folder_name)
    inside = folder.name in ("analysis", "points") and len(folder.parts) > 1
    return str(folder.parent if inside else folder)


def _resolution_um(source: Source, voxels: npt.NDArray[np.float64]) -> int | None:
    """Size of the voxels that a table of cells counts: its atlas', or by the same points in µm; or None."""
    described = _atlas_um(source)
    if described:
        return described
    points = next((path for path in source.paths[1:] if path.suffix == ".npy"), None)
    if points is None:
        return None
    in_um = read_points(points)
    fitting = [um for um in RESOLUTIONS_UM if _fits(voxels, in_um, um)]
    if len(fitting) != 1:
        raise CcfError(
            f"{points} does not have the points of {source.path.name} in µm, at none of the resolutions "
            f"{', '.join(map(str, RESOLUTIONS_UM))} µm: they are not of one run, or of an atlas that is not "
            f"the CCF. Move it elsewhere, or write the frame of {source.path.name} into its TOML, such as "
            f'frame = "brainglobe_voxel_25".'
        )
    return fitting[0]


def _fits(voxels: npt.NDArray[np.float64], in_um: npt.NDArray[np.float64], um: int) -> bool:
    """Whether points lie in all of some voxels of a size, in the same order; points in no region have none.

    A size at which no point lies in the first voxel takes no time. For the right one each voxel is a number,
    and the search for the next is Python's own: of 5 million cells, with a tenth of the points in no region,
    all four sizes take 3 s and 0.5 GB; lists of three numbers took 39 s and 2.2 GB.
    """
    known = voxels[np.isfinite(voxels).all(axis=1)][:1]
    near = in_um
    for axis, place in enumerate(known.T):
        near = near[_whole(near[:, axis] / um) == place]
    if not len(near):
        return False
    points = iter(_numbered(in_um / um).data)
    return all(voxel in points for voxel in _numbered(voxels).data)


def _whole(coordinates: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The voxels in which coordinates lie: 8.2 / 0.1 is a little less than 82."""
    return np.floor(coordinates + 1e-6)


def _numbered(voxels: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """One number for each voxel, shape (N,); all beyond any atlas, or not known, count as one."""
    number = np.zeros(len(voxels), np.int64)
    for axis in voxels.T:
        whole = _whole(axis)
        whole[~((whole >= 0) & (whole < _BEYOND))] = _BEYOND
        number = number * (_BEYOND + 1) + whole.astype(np.int64)
    return number


def _atlas_um(source: Source) -> int | None:
    """Resolution of the atlas that the description of a run names, µm; None if there is none.

    Raises:
        CcfError: it is an atlas of another space.
    """
    for path in source.paths[1:]:
        if path.name not in _DESCRIPTIONS:
            continue
        atlas = _atlas_of(path)
        if not atlas:
            continue
        match = _CCF_ATLAS.fullmatch(atlas)
        if not match:
            raise CcfError(
                f"{path} says that {source.path.name} is in the atlas {atlas:.60}, which is not drawn in "
                f"the Allen CCF: load it as an atlas of your own, and the points as CSV with a frame of it."
            )
        return int(match[2])
    return None


def _atlas_of(path: Path) -> str | None:
    described = read_json(path)
    atlas = described.get("atlas") if isinstance(described, dict) else None
    return atlas.strip() if isinstance(atlas, str) else None


TRACK = SiteFormat(
    name="track of brainglobe-segmentation",
    suffixes=(".npy",),
    find=_find_tracks,
    read=_read_track,
    largest_bytes=LARGEST_NPY,
)
"""``NAME.npy`` with ``NAME.csv``: points along a track, and the regions found for them."""

CELLS = SiteFormat(
    name="all_points.csv of brainmapper",
    suffixes=(".csv",),
    find=_find_cells,
    read=_read_cells,
    has_own_columns=True,
)
"""Cells in voxels of the atlas; its resolution is taken from points.npy or brainreg.json of the same run."""

POINTS_NPY = SiteFormat(
    name="points.npy of brainmapper",
    suffixes=(".npy",),
    find=_find_points,
    read=_read_points,
    largest_bytes=LARGEST_NPY,
)
"""Cells in µm, where there is no all_points.csv with their regions."""

SUMMARY = SiteFormat("table of regions of BrainGlobe", (".csv",), find=_find_summaries, read=_refuse_summary)
"""summary.csv and volumes.csv: always refused, for an ordinary table would be asked for its columns."""

FORMATS = (TRACK, CELLS, POINTS_NPY, SUMMARY)


def _find_other_points(listing: Listing) -> Iterator[str]:
    others = (name for name in sorted(listing.files) if name.endswith(".points") or name == "abc4d.npy")
    yield from others


OTHER_POINTS = NotSites(
    name="points of BrainGlobe in another form",
    find=_find_other_points,
    advice="Load points.npy or all_points.csv of the same run of brainmapper, or the track's .npy and .csv.",
)
"""What brainmapper and brainglobe-segmentation write for themselves: HDF5 of pandas, and abc4d."""
