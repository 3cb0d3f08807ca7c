"""Point clouds of MeshView, as Nutil and PyNutil write them: points by region, in QuickNII's axes.

Form: Neural-Systems-at-UIO/PyNutil, io/meshview_writer.py: a list of ``{idx, count, name (the full name of a
region), triplets [x, y, z, x, …], r, g, b}``.

The file does not state its atlas. What can be concluded:

- The axes are QuickNII's: MeshView shows no others.
- MeshView and Nutil have one volume of the Allen CCF, that of 25 µm: 456 × 528 × 320. A point for which they
  name a region lies in the volume; so one beyond it cannot be in these voxels, and the file needs a frame in
  its settings.
- A cloud of another atlas, whose numbers would fit, has other names of regions: the check *reported_region*
  compares every one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.ccf.region_words import NO_REPORT, OUTSIDE
from ccf_assets.ccf.space import AXES, EXTENT_UM, XYZ
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.columns import all_rows
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table, refuse_too_many
from ccf_assets.recordings.formats.arrays import coordinate_columns, row_numbers
from ccf_assets.recordings.formats.json_file import LARGEST_JSON, json_kind, json_text, parsed

FRAME, FINER_FRAME = "quicknii_25", "quicknii_10"

_SIZE = tuple(dict(zip(AXES, EXTENT_UM, strict=True))[axis] // 25 for axis in FRAMES[FRAME].xyz)
"""Voxels of 25 µm along x, y, z of the Allen volume in QuickNII's axes: 456, 528, 320."""

# In JSON, a quote that no backslash precedes begins or ends a text, and a colon only follows a name.
_TRIPLETS = re.compile(r'(?<!\\)"triplets"\s*:\s*\[([^\[\]{}":]*)\]')

_NO_REGION = re.compile(r"Intensity -?\d+|Color \d+,\d+,\d+")
"""What PyNutil writes for ``name`` where points are grouped by brightness or colour, not by region."""


def find(listing: Listing) -> Iterator[Found]:
    """Each file: of one series, objects, pixels and those of each hemisphere are clouds of their own."""
    for name in sorted(listing.files):
        if name.lower().endswith(".json") and listing.look(name, json_kind) == "meshview":
            yield Found(name)


def read(source: Source, settings: FileSettings) -> Table:
    """The points of a cloud, numbered from 0 in the order of the file; no Python object is made per point.

    Raises:
        CcfError: the file is not of this form; or a point with a region lies outside the volume of 25 µm, and
            the settings give no frame.
    """
    path = source.path
    clouds, groups = _groups(path)
    xyz = np.concatenate([np.empty((0, 3)), *clouds])
    refuse_too_many(path, len(xyz))
    if not len(xyz):
        raise CcfError(f"{path} has no points: every list triplets is empty.")
    counts = [len(cloud) for cloud in clouds]
    of_point = pl.Series(np.repeat(np.arange(len(groups)), counts))
    names = pl.Series(groups, dtype=pl.String).gather(of_point)
    if settings.frame is None:
        _refuse_beyond(source, xyz, names, settings)
    columns = {
        "recording_id": all_rows(source.file_name, len(xyz), pl.String),
        "site_id": row_numbers(len(xyz)),
        **coordinate_columns(xyz, XYZ),
        "reported_region": pl.Series(
            [None if _NO_REGION.fullmatch(each or "") else each for each in groups], dtype=pl.String
        ).gather(of_point),
        "name": names,
    }
    frame = FRAME if settings.frame is None else None
    return Table(path.name, list(columns), columns, len(xyz), lambda row: f"point {row}", frame)


def _groups(path: Path) -> tuple[list[Floats], list[str | None]]:
    """The points of every group, and the groups' names.

    The lists of numbers are taken out of the text before it is read as JSON, and read as columns.
    """
    lists: list[str] = []

    def taken_out(match: re.Match[str]) -> str:
        lists.append(match[1])
        return f'"triplets":{len(lists) - 1}'

    content = parsed(path, _TRIPLETS.sub(taken_out, json_text(path)))
    refuse_too_many(path, sum(each.count(",") for each in lists) // 3)
    if not isinstance(content, list):
        raise CcfError(f"{path} is no list of groups of points, as a cloud of MeshView is.")
    clouds, names = [], []
    for place, group in enumerate(content):
        where = f"{path}, group {place}"
        if not isinstance(group, dict) or "triplets" not in group:
            raise CcfError(f"{where} is {group!r:.60}, not an object with name and triplets.")
        index, name = group["triplets"], group.get("name")
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(lists):
            raise CcfError(f"{where}: triplets is {index!r:.60}, not a list of numbers.")
        if name is not None and not isinstance(name, str):
            raise CcfError(f"{where}: name is {name!r:.60}, not a text.")
        clouds.append(_points(lists[index], where))
        names.append(name)
    return clouds, names


def _points(numbers: str, where: str) -> Floats:
    """Shape (N, 3) of the text between the brackets."""
    if not numbers.strip():
        return np.empty((0, 3))
    values = pl.Series([numbers]).str.split(",").explode().str.strip_chars()
    given = values.str.replace(r"^null$", "NaN").cast(pl.Float64, strict=False)
    if given.null_count():
        raise CcfError(f"{where}: triplets has {values.filter(given.is_null())[0]!r:.60}, not a number.")
    if len(given) % 3:
        raise CcfError(f"{where}: triplets has {len(given):,} numbers, which are no whole points of x, y, z.")
    return np.asarray(given.to_numpy().reshape(-1, 3))


def _refuse_beyond(source: Source, xyz: Floats, names: pl.Series, settings: FileSettings) -> None:
    """Refuse a cloud with a region for a point that the volume of 25 µm does not have."""
    low = names.str.strip_chars().str.to_lowercase()
    labelled = ~(low.is_null() | low.is_in([*OUTSIDE, *NO_REPORT]))
    # Without any region, all points count.
    counted = xyz[labelled.to_numpy()] if labelled.any() else xyz
    beyond = ((counted < 0) | (counted > _SIZE)).any(axis=1)
    if beyond.any():
        at = ", ".join(f"{value:g}" for value in counted[int(beyond.argmax())])
        raise CcfError(
            f"{source.path}: the point ({at}) lies outside {' x '.join(map(str, _SIZE))}, so these are not "
            f"the 25 µm voxels of the Allen CCF that MeshView and Nutil use, and the file does not say which "
            f"they are. If they are voxels of its 10 µm volume, write at the top of {settings.own}:\n"
            f'    frame = "{FINER_FRAME}"'
        )


FORMAT = SiteFormat("point cloud of MeshView", (".json",), find, read, largest_bytes=LARGEST_JSON)
