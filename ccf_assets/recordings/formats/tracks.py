"""A track, points traced along a probe, as a table; with the contacts of the probe, if its geometry is known.

How the points are read is in the modules of the formats; the geometry of a probe in probe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import Floats, Frame, from_ccf, to_ccf
from ccf_assets.ccf.space import AXES, SITE, TRACK
from ccf_assets.recordings.files.columns import all_rows
from ccf_assets.recordings.files.source import Source
from ccf_assets.recordings.files.table import Table, table_from
from ccf_assets.recordings.formats.arrays import coordinate_columns, row_numbers
from ccf_assets.recordings.formats.probe import ProbeGeometry, read_geometry


def contacts_on_track(points: Floats, geometry: ProbeGeometry) -> Floats | None:
    """Where the contacts of a probe are whose track is known.

    The tip is at that end of the track which lies deeper. A contact lies on the line through the points, as
    far from the tip, along the line, as on the probe; above the last point the last segment goes on. Its
    distance from the middle of the shank is left out, as the IBL's tools do (ibllib, histology.py:
    interpolate_along_track): how the probe was turned is not known.

    Args:
        points: shape (N, 3), float64: AP, DV, ML in CCF µm (DV grows downwards), in the order of the track.
        geometry: of the probe.

    Returns:
        Shape (M, 3), likewise. None if the points do not say it: there are fewer than two, a coordinate is
        not known, both ends lie equally deep, or the points do not follow one another along the track.
    """
    if len(points) < 2 or not np.isfinite(points).all():  # noqa: PLR2004
        return None
    repeated = (np.diff(points, axis=0) == 0).all(axis=1)
    from_tip = points[np.append(True, ~repeated)]
    if from_tip[0, 1] < from_tip[-1, 1]:
        from_tip = from_tip[::-1]
    along = (from_tip - from_tip[0]) @ (from_tip[-1] - from_tip[0])
    if from_tip[0, 1] == from_tip[-1, 1] or (np.diff(along) <= 0).any():
        return None
    steps = np.diff(from_tip, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    start = np.append(0, np.cumsum(lengths))[:-1]
    distance = geometry.axial_um - geometry.tip_um
    segment = np.searchsorted(start, distance, side="right") - 1
    beyond = ((distance - start[segment]) / lengths[segment])[:, None]
    return np.asarray(from_tip[segment] + beyond * steps[segment])


def track_table(
    source: Source,
    points: Floats,
    frame: str | None,
    *,
    known: str | None,
    axes: Sequence[str] = AXES,
    probe: str | None,
    geometry: Path | None = None,
    shank: int | None = None,
    more: Mapping[str, Sequence[object]] | None = None,
) -> Table:
    """The table of one track: its points and, where they can be placed, the contacts of its probe.

    The points are numbered from 0, in the order of the track. The recording is the file's, since a recording
    of the same folder has sites of its own; that of the contacts has ``contacts`` behind it.

    Args:
        source: the source, whose `file_name` is the recording.
        points: shape (N, 3), float64: coordinates in the frame's unit and signs; NaN where not known.
        frame: `Table.frame`.
        known: name of the frame that the points are in, which may be that of the settings; None if it is not
            known. Contacts are only placed in a built-in frame that does not measure from the brain surface.
        axes: what the three columns are: ap, dv, ml, or x, y, z in the order of the frame.
        probe: name of the probe.
        geometry: a file of probeinterface.
        shank: number of the shank.
        more: further columns of the points, each with N values; probe may be one of them, instead.

    Raises:
        CcfError: the file of probeinterface cannot be read.
    """
    columns = {
        "recording_id": all_rows(source.file_name, len(points), pl.String),
        "site_id": row_numbers(len(points)),
        **coordinate_columns(points, axes),
        "probe": all_rows(probe, len(points), pl.String),
        "shank": all_rows(shank, len(points), pl.Int32),
        "kind": all_rows(TRACK, len(points), pl.String),
        **{name: pl.Series(name, list(values)) for name, values in (more or {}).items()},
    }
    table = pl.DataFrame(columns)
    on_probe = read_geometry(geometry) if geometry else None
    in_frame = FRAMES.get(known or "")
    if on_probe and in_frame:
        order = AXES if tuple(axes) == AXES else in_frame.xyz
        contacts = _contacts(points[:, [order.index(axis) for axis in AXES]], in_frame, on_probe)
        if contacts is not None:
            by_name = dict(zip(AXES, contacts.T, strict=True))
            coordinates = {name: by_name[axis] for name, axis in zip(axes, order, strict=True)}
            table = _with_contacts(table, coordinates, on_probe)
    return table_from(
        source.path.name,
        table,
        lambda row: f"point {row}" if row < len(points) else f"contact {row - len(points)}",
        frame,
    )


def _contacts(points: Floats, frame: Frame, geometry: ProbeGeometry) -> Floats | None:
    """The contacts' ap, dv, ml in the frame of the points."""
    if frame.dv_from == "surface":
        return None
    contacts = contacts_on_track(to_ccf(frame, *points.T), geometry)
    return None if contacts is None else from_ccf(frame, *contacts.T)


def _with_contacts(
    table: pl.DataFrame, coordinates: Mapping[str, Floats], geometry: ProbeGeometry
) -> pl.DataFrame:
    count = len(geometry.axial_um)
    sites = pl.DataFrame(
        {
            "recording_id": [f"{table['recording_id'][0]} contacts"] * count,
            "site_id": geometry.names or [str(each) for each in range(count)],
            **coordinates,
            "kind": [SITE] * count,
            "channel": pl.Series(geometry.channels or [None] * count, dtype=pl.Int64),
            "axial_um": geometry.axial_um,
            "lateral_um": geometry.lateral_um,
        }
    ).with_columns(pl.lit(table[name][0]).cast(table[name].dtype).alias(name) for name in ("probe", "shank"))
    return pl.concat([table.with_columns(pl.col("site_id").cast(pl.String)), sites], how="diagonal")
