"""Whether half a voxel explains why reported regions differ: coordinates that count from voxel centres.

Some programs count from the corner of the first voxel, others from its centre. At 25 µm the difference
changes the region of 9 % of the points in the brain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import polars as pl

from ccf_assets.ccf.frames.maps import Frame
from ccf_assets.finding import counted
from ccf_assets.recordings.findings.claims import KEY
from ccf_assets.recordings.findings.reading import percent

Moved: TypeAlias = Callable[[pl.DataFrame, float], pl.DataFrame]
"""Compares some sites (recording_id, site_id) as if they lay so many µm further along each axis of the CCF:
rows of agreement.compared_regions."""

_GRID_UM = 25
"""The grid of which half a voxel is tried besides that of the atlas: iblatlas' own."""

_FEW, _OF_FOUR = 3, 4
"""It explains the differences if at least so many reports agree that did not, and at most a fourth of those
that differ is left. A wrong half voxel lets 9 % of the reports differ that agreed before."""

_MOST = 10_000
"""Sites of a frame that are looked at; of more, equally spaced ones."""


def half_voxel(
    compared: pl.DataFrame,
    sites: pl.DataFrame,
    moved: Moved,
    frames: Mapping[str, Frame],
    resolution_um: float,
) -> str:
    """Whether the reports of a file agree once its sites are moved by half a voxel along each axis.

    Half a voxel of 25 µm and of the atlas are tried, forwards and backwards, for the sites of each frame.

    Args:
        compared: rows of agreement.compared_regions.
        sites: recording_id, site_id, frame; it may have more sites.
        moved: compares sites that are moved.
        frames: the known frames by name.
        resolution_um: edge of a voxel of the atlas in µm.

    Returns:
        A sentence that says how many agree and which frame to write; empty where half a voxel explains
        nothing.
    """
    sizes = dict.fromkeys((_GRID_UM, resolution_um))
    shifts = {sign * edge / 2: edge for edge in sizes for sign in (1, -1)}
    known = compared.filter("known").select(*KEY, wrong=~pl.col("agrees") & ~pl.col("finer"))
    by_frame = known.join(sites.select(*KEY, "frame"), on=KEY).partition_by("frame", as_dict=True)
    parts = []
    for (name,), of in by_frame.items():
        looked_at = of.gather_every(-(-of.height // _MOST))
        before = int(looked_at["wrong"].sum())
        if before < _FEW:
            continue
        left = {shift: _wrong(moved(looked_at.select(KEY), shift)) for shift in shifts}
        shift = min(left, key=lambda each: left[each])
        if before - left[shift] < _FEW or left[shift] * _OF_FOUR > before:
            continue
        start = f"In the frame {name}: " if len(by_frame) > 1 else ""
        agree, sample = looked_at.height - left[shift], looked_at.height < of.height
        parts.append(
            f"{start}With {abs(shift):g} µm {'added to' if shift > 0 else 'taken from'} each CCF coordinate "
            f"(half a voxel of {shifts[shift]:g} µm), {agree:,} of {counted(looked_at.height, 'report')} "
            f"({percent(agree / looked_at.height)}) agree instead of {looked_at.height - before:,}"
            f"{', in a sample' if sample else ''}. {_remedy(str(name), shift, frames)}"
        )
    return " ".join(parts)


def _wrong(compared: pl.DataFrame) -> int:
    return int((compared["known"] & ~compared["agrees"] & ~compared["finer"]).sum())


def _remedy(name: str, shift_um: float, frames: Mapping[str, Frame]) -> str:
    """Which frame to write for sites of a frame that lie ``shift_um`` further along each axis."""
    frame = frames.get(name)
    if frame is not None:
        wanted = frame.affine.copy()
        wanted[:, 3] += shift_um
        for other in frames.values():
            same = (other.dv_from, other.xyz, other.space) == (frame.dv_from, frame.xyz, frame.space)
            if same and np.allclose(other.affine, wanted, rtol=1e-9, atol=1e-6):
                what = other.description.partition(":")[0]
                return f'These are {what}: write frame = "{other.name}" if so.'
    if frame is not None and frame.dv_from == "surface":
        return f"Depths have no such shift: see what the frame {name} is for the program that wrote the file."
    if frame is not None and frame.dv_from == "corner" and shift_um > 0:
        start = "The coordinates seem to count from the centre of the first voxel, not from its corner"
    else:
        size = "small" if shift_um > 0 else "large"
        start = f"The coordinates seem to be half a voxel too {size} for the frame {name}"
    more = "larger" if shift_um > 0 else "smaller"
    return (
        f"{start}: if so, add a frame like {name} to frames.toml, with a shift_um that is "
        f"{abs(shift_um):g} µm {more} along each axis."
    )
