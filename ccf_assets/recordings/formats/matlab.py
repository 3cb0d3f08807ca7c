"""Probe tracks in MATLAB files: AP_histology (before and since version 2), allenCCF, SHARP-Track.

All are voxels of the 10 µm CCF counted from 1, but in different orders, which the structure tells:

- ``probe_ccf.mat``: ``probe_ccf(i).points``, columns AP, DV, ML (petersaj/AP_histology before version 2, and
  allenCCF; annotate_neuropixels.m: "CCF coordinates are in [AP,DV,ML]").
- ``AP_histology_processing.mat``: ``annotation(i).vertices_ccf(slice).ap``, ``.dv``, ``.ml`` with a label
  (version 2; annotation2ccf.m, fit_probe_line.m).
- ``probe_points….mat``: ``pointList.pointList{i, 1}`` (cortex-lab/allenCCF, SHARP-Track): ML, DV, AP for
  coronal slices, AP, DV, ML for sagittal and AP, ML, DV for transverse ones (Display_Probe_Track.m). The file
  does not say which (AtlasTransformBrowser.m saves points, and the number and name of their slices). A point
  is always in the volume, so the plane is known where the points lie in it for one plane alone; otherwise the
  settings must say it.

How a file of MATLAB is read is in mat5 and mat73.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ccf_assets.ccf.space import AXES, EXTENT_UM, TRACK, XYZ
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.columns import all_rows
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, NotSites, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats.arrays import coordinate_columns, row_numbers, table_of
from ccf_assets.recordings.formats.limited import read_limited
from ccf_assets.recordings.formats.mat5 import Cells, Value, is_mat5, read_mat5
from ccf_assets.recordings.formats.mat73 import is_mat73, read_mat73
from ccf_assets.recordings.formats.not_sites import ending
from ccf_assets.recordings.formats.probe import geometry_beside
from ccf_assets.recordings.formats.tracks import track_table

FRAME = "ccf_10_index_1"

LARGEST_MAT = 500_000_000

_VOXELS: dict[str, int] = {axis: extent // 10 for axis, extent in zip(AXES, EXTENT_UM, strict=True)}
"""Of the 10 µm CCF."""

STORED = ("point_1", "point_2", "point_3")
"""The columns of a SHARP-Track list in its own order, for settings that say another plane."""

_PLANES: dict[str, tuple[str, str, str]] = {
    "coronal": ("ml", "dv", "ap"),
    "sagittal": ("ap", "dv", "ml"),
    "transverse": ("ap", "ml", "dv"),
}
"""What the columns of a SHARP-Track list are (Display_Probe_Track.m)."""

_PROBE_CCF = re.compile(r"(.*[ _-])?probe_ccf([ _-].*)?\.mat", re.IGNORECASE)
_PROCESSING = re.compile(r"(.*[ _-])?AP_histology_processing([ _-].*)?\.mat", re.IGNORECASE)
_PROBE_POINTS = re.compile(r"probe_points.*\.mat", re.IGNORECASE)


@dataclass(frozen=True)
class Track:
    """The points of one probe.

    Attributes:
        probe: its number, or the label that a person gave it.
        points: shape (N, 3), in the order of the file.
    """

    probe: str
    points: npt.NDArray[np.float64]


def _found(name: re.Pattern[str], listing: Listing) -> Iterator[Found]:
    """The files of a name; the geometry beside one alone is that of its probe, if it has one."""
    names = sorted(one for one in listing.files if name.fullmatch(one))
    yield from (Found(one, geometry_beside(listing) if len(names) == 1 else ()) for one in names)


def _read_probe_ccf(source: Source, settings: FileSettings) -> Table:
    probes = _structs(_variable(source.path, "probe_ccf"))
    tracks = [
        Track(str(number), _points(source.path, probe["points"]))
        for number, probe in enumerate(probes, start=1)
        if isinstance(probe, dict) and "points" in probe
    ]
    return _table(source, settings, tracks)


def _read_processing(source: Source, settings: FileSettings) -> Table:
    whole = _variable(source.path, "AP_histology_processing")
    annotations = whole.get("annotation") if isinstance(whole, dict) else None
    if annotations is None:
        raise CcfError(
            f"{source.path} holds no annotations, only the alignment of slices; draw the probes in "
            f"AP_histology (Annotation), or remove the file from the folder of recordings."
        )
    tracks: list[Track] = []
    for number, one in enumerate(_structs(annotations), start=1):
        if not isinstance(one, dict):
            continue
        slices = [part for part in _structs(one.get("vertices_ccf")) if isinstance(part, dict)]
        parts = [_vertices(source.path, part) for part in slices]
        label = one.get("label")
        name = label.strip() if isinstance(label, str) and label.strip() else str(number)
        tracks.append(Track(name, np.concatenate([np.zeros((0, 3)), *parts])))
    return _table(source, settings, _numbered(tracks))


def _numbered(tracks: Sequence[Track]) -> list[Track]:
    """The tracks, each with its number behind the label where another has the same."""
    times = Counter(track.probe for track in tracks)
    return [
        dataclasses.replace(track, probe=f"{track.probe} ({number})") if times[track.probe] > 1 else track
        for number, track in enumerate(tracks, start=1)
    ]


def _vertices(path: Path, part: dict[str, Value]) -> npt.NDArray[np.float64]:
    """The vertices of an annotation on one slice: shape (N, 3), AP, DV, ML."""
    columns = [_numeric(part.get(axis)) for axis in AXES]
    if len({column.size for column in columns}) != 1:
        raise CcfError(f"{path} has an annotation with not as many ap as dv and ml; save it again.")
    return np.stack([column.ravel() for column in columns], axis=1)


def _read_probe_points(source: Source, settings: FileSettings) -> Table:
    outer = _variable(source.path, "pointList")
    inner = outer.get("pointList") if isinstance(outer, dict) else None
    if not isinstance(inner, Cells):
        raise CcfError(
            f"{source.path} has no pointList.pointList, SHARP-Track's list of points; save it again there."
        )
    # The first column has the points; the others are slices and angles.
    probes = inner.items[: inner.shape[0]] if inner.shape else ()
    tracks = [Track(str(number), _points(source.path, one)) for number, one in enumerate(probes, start=1)]
    of_column = {theirs: ours for ours, theirs in settings.columns.items() if ours in AXES}
    if of_column.keys() == {*STORED}:  # the settings say the plane
        order: Sequence[str] = [of_column[name] for name in STORED]
        settings = dataclasses.replace(settings, columns={})
    elif {*AXES, *XYZ} & {*settings.columns}:  # they say something else, or only a part
        return _table(source, settings, tracks, STORED)
    else:
        order = _PLANES[_plane(source.path, settings, tracks)]
    table = _table(source, settings, tracks, order)
    stored = {name: table.columns[axis] for name, axis in zip(STORED, order, strict=True)}
    return dataclasses.replace(table, names=[*table.names, *stored], columns={**table.columns, **stored})


def _plane(path: Path, settings: FileSettings, tracks: Sequence[Track]) -> str:
    """The one plane of slices for which all points lie in the volume.

    Raises:
        CcfError: there are several, or none.
    """
    points = np.concatenate([np.zeros((0, 3)), *(track.points for track in tracks)])
    if not len(points):
        return next(iter(_PLANES))
    fitting = [
        plane
        for plane, axes in _PLANES.items()
        if all(_inside(points[:, place], _VOXELS[axis]) for place, axis in enumerate(axes))
    ]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise CcfError(
            f"{path} has points out of the CCF's volume of 10 µm, whichever the plane of the slices was; "
            f"save them again in SHARP-Track, or name the columns ({', '.join(STORED)}) and their frame in "
            f"{settings.own}."
        )
    blocks = [
        "\n".join(
            [
                f"    [columns]    # {plane} slices",
                *(f'    {axis} = "{STORED[_PLANES[plane].index(axis)]}"' for axis in AXES),
            ]
        )
        for plane in fitting
    ]
    raise CcfError(
        f"{path} does not say in which plane the slices were cut, and its points can be those of "
        f"{' or '.join(fitting)} ones. Write into {settings.own} the lines of the plane that was chosen in "
        f"SHARP-Track:\n" + "\nor\n".join(blocks)
    )


def _inside(values: npt.NDArray[np.float64], voxels: int) -> bool:
    return bool(np.all((values >= 1) & (values <= voxels) | np.isnan(values)))


def _table(
    source: Source,
    settings: FileSettings,
    tracks: Sequence[Track],
    order: Sequence[str] = AXES,
) -> Table:
    """One row for each point; and for each contact, if there is one probe and its geometry is known.

    Args:
        source: where they come from.
        settings: may say that they are something else.
        tracks: the points of each probe.
        order: names of their columns.
    """
    full = [track for track in tracks if len(track.points)]
    if not full:
        raise CcfError(f"{source.path} has no points of a probe; trace one and save it again.")
    points = np.concatenate([track.points for track in full])
    if len(full) == 1 and not {*AXES, *XYZ} & {*settings.columns}:
        return track_table(
            source,
            points[:, [order.index(axis) for axis in AXES]],
            FRAME,
            known=settings.frame or FRAME,
            probe=full[0].probe,
            geometry=next(iter(source.paths[1:]), None),
        )
    names = [name for track in full for name in [track.probe] * len(track.points)]
    columns = {
        "recording_id": all_rows(source.file_name, len(points), pl.String),
        "site_id": row_numbers(len(points)),
        **coordinate_columns(points, order),
        "probe": pl.Series(names, dtype=pl.String),
        "kind": all_rows(TRACK, len(points), pl.String),
    }
    return table_of(source.path, columns, FRAME, "point")


def _variable(path: Path, name: str) -> Value:
    """A variable of a file of MATLAB of any version since 5.

    Raises:
        CcfError: it is none, is damaged, or has no such variable.
    """
    raw = read_limited(path, LARGEST_MAT, f"save {name} alone")
    if is_mat5(raw):
        value = read_mat5(path, raw, name)
    elif is_mat73(path):
        value = read_mat73(path, name)
    else:
        raise CcfError(f"{path} is no file of MATLAB (version 5 or later); save it again.")
    if value is None:
        raise CcfError(f"{path} has no variable {name} of the expected form; save it again with its program.")
    return value


def _structs(value: Value) -> Sequence[Value]:
    """The structs of an array of them; one alone is not in an array."""
    if isinstance(value, Cells):
        return value.items
    return (value,) if isinstance(value, dict) else ()


def _numeric(value: Value) -> npt.NDArray[np.float64]:
    """Numbers as float64; nothing where there are none."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        return value.astype(np.float64)
    return np.zeros((0, 0))


def _points(path: Path, value: Value) -> npt.NDArray[np.float64]:
    """The points of one probe: shape (N, 3); none if it has none."""
    points = _numeric(value)
    if not points.size:
        return np.zeros((0, 3))
    if points.ndim != 2 or points.shape[1] != len(AXES):  # noqa: PLR2004
        raise CcfError(f"{path} has a probe with an array of shape {points.shape}, where N × 3 are needed.")
    return points


def _format(name: str, pattern: re.Pattern[str], read: Callable[[Source, FileSettings], Table]) -> SiteFormat:
    return SiteFormat(
        name=name,
        suffixes=(".mat",),
        find=lambda listing: _found(pattern, listing),
        read=read,
        largest_bytes=LARGEST_MAT,
    )


PROBE_CCF = _format("probe_ccf.mat of AP_histology", _PROBE_CCF, _read_probe_ccf)
"""Tracks of AP_histology before version 2, and of allenCCF."""

PROCESSING = _format("AP_histology_processing.mat", _PROCESSING, _read_processing)
"""Annotations of AP_histology since version 2: lines, points and polygons, each with a label."""

PROBE_POINTS = _format("probe_points.mat of SHARP-Track", _PROBE_POINTS, _read_probe_points)
"""Tracks of SHARP-Track."""

FORMATS = (PROBE_CCF, PROCESSING, PROBE_POINTS)


OTHER_MAT = NotSites(
    name="other files of MATLAB",
    find=ending("mat"),
    advice="Of AP_histology load probe_ccf.mat or AP_histology_processing.mat, of SHARP-Track "
    "probe_points….mat, which hold the tracks; write other points as a CSV with their frame.",
)
"""Alignments of slices (histology_ccf.mat, …_transform_data.mat) and anything else: it must be asked last."""
