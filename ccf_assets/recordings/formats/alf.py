"""IBL ALF folders: the channels of a probe, one `.npy` per attribute, as ONE lays them out.

Not here: how a `.npy` is read (arrays).

The names are ``object.attribute[.UUID].npy``, newer versions in subfolders ``#2024-05-06#`` (ONE, "ALF names
and revisions"). The GUI of the IBL writes ``electrodeSites.*``, the positions of all sites of the probe, into
the probe's folder, and the sorter's folder below has the recorded ones, ``channels.*`` (ibllib,
pipes/histology.py): the same places, so only the latter are read where there are both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ccf_assets.ccf.frames.files import named_frame
from ccf_assets.ccf.frames.ibl import IBL_UM
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.columns import all_rows
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats.arrays import (
    LARGEST_NPY,
    as_text,
    coordinate_columns,
    read_column,
    read_npy,
    read_points,
    row_numbers,
    table_of,
)
from ccf_assets.recordings.formats.probe import REVISION, probe_folder, probe_of

_OBJECTS = ("channels", "electrodeSites")
"""In order of preference."""

_POSITIONS = "mlapdv"

_REPORTED = ("brainLocationIds_ccf_2017", "atlas_id", "brainLocationAcronyms_ccf_2017", "acronym")
"""Attributes with the region: the first that is there is read."""

_OTHERS = (*_REPORTED, "localCoordinates", "rawInd", "labels")

_NAME = re.compile(
    r"(?P<object>channels|electrodeSites)\.(?P<attribute>\w+)"
    r"(\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?\.npy"
)


def _find(listing: Listing) -> Iterator[Found]:
    if REVISION.fullmatch(listing.folder.name):
        above = listing.names("..")
        newer = [name for name in above if REVISION.fullmatch(name) and name > listing.folder.name]
        if _anchor(above) or any(_anchor(listing.names(f"../{name}")) for name in newer):
            return  # a part of that one
    anchor = _anchor(listing.files)
    if not anchor:
        return
    if anchor.startswith("electrodeSites.") and any(
        _anchor(listing.names(name), _OBJECTS[:1]) for name in listing.folders
    ):
        return  # the sorter's folder has the channels of this probe
    others = [name for name in sorted(listing.files) if name != anchor and _is_ours(name)]
    # Their names begin like those of hidden files, so the listing need not have them.
    for revision in sorted(name for name in listing.names() if REVISION.fullmatch(name)):
        inside = sorted(listing.names(revision))
        others += [f"{revision}/{name}" for name in inside if _is_ours(name)]
    yield Found(anchor, tuple(others))


def _anchor(names: Collection[str], objects: Collection[str] = _OBJECTS) -> str | None:
    """The file of positions among names."""
    for wanted in objects:
        for name in sorted(names):
            match = _NAME.fullmatch(name)
            if match and match["object"] == wanted and match["attribute"] == _POSITIONS:
                return name
    return None


def _is_ours(name: str) -> bool:
    match = _NAME.fullmatch(name)
    return match is not None and match["attribute"] in (_POSITIONS, *_OTHERS)


def _read(source: Source, settings: FileSettings) -> Table:
    del settings  # the shared code applies them
    of_anchor = _NAME.fullmatch(source.path.name)
    if not of_anchor:
        raise CcfError(f"{source.path} has no name of the ALF form, such as channels.mlapdv.npy.")
    # The anchor's own folder first, then the revisions, the newest last: a later one replaces an earlier.
    paths: dict[str, Path] = {}
    for path in sorted(source.paths, key=lambda p: (p.parent != source.path.parent, str(p))):
        match = _NAME.fullmatch(path.name)
        if match and match["object"] == of_anchor["object"]:
            paths[match["attribute"]] = path
    points = read_points(paths[_POSITIONS])
    rows, name = len(points), paths[_POSITIONS].name
    columns = {
        "recording_id": all_rows(probe_folder(source) or source.stem, rows, pl.String),
        "site_id": row_numbers(rows),
        **coordinate_columns(points, named_frame(IBL_UM).xyz),
        "probe": all_rows(probe_of(source), rows, pl.String),
    }
    if "rawInd" in paths:
        numbers = _whole(paths["rawInd"], read_column(paths["rawInd"], rows, name))
        columns |= {"site_id": numbers, "channel": numbers}
    reported = next((attribute for attribute in _REPORTED if attribute in paths), None)
    if reported:
        columns["reported_region"] = as_text(read_column(paths[reported], rows, name))
    if "labels" in paths:
        columns["labels"] = as_text(read_column(paths["labels"], rows, name))
    if "localCoordinates" in paths:
        columns |= _on_the_probe(paths["localCoordinates"], rows, name)
    return table_of(source.path, columns, IBL_UM)


def _whole(path: Path, values: npt.NDArray[np.generic]) -> pl.Series:
    """Whole numbers as int64; some files have them as floats."""
    numbers = pl.Series(values)
    whole: pl.Series = numbers.cast(pl.Int64, strict=False)
    if not numbers.dtype.is_numeric() or whole.null_count() or not (whole == numbers).all():
        raise CcfError(f"{path} holds {values.dtype} where the numbers of channels must be whole.")
    return whole


def _on_the_probe(path: Path, rows: int, of: str) -> dict[str, pl.Series]:
    values = read_npy(path)
    if values.shape != (rows, 2) or values.dtype.kind not in "iuf":
        raise CcfError(
            f"{path} holds an array of shape {values.shape}, but {of} has {rows:,} rows: {rows:,} × 2 "
            f"numbers (lateral, axial) are needed. Copy both again."
        )
    lateral, axial = values.astype(np.float64).T
    return {
        "lateral_um": pl.Series(np.ascontiguousarray(lateral)).fill_nan(None),
        "axial_um": pl.Series(np.ascontiguousarray(axial)).fill_nan(None),
    }


FORMAT = SiteFormat(
    name="ALF folder of the IBL", suffixes=(".npy",), find=_find, read=_read, largest_bytes=LARGEST_NPY
)
"""``channels.mlapdv.npy`` (or ``electrodeSites.mlapdv.npy``) with the attributes beside it."""
