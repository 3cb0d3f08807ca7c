"""Dense arrays made of the runs of an atlas.

Reading the runs from the database is in db.read; the region of a voxel is in voxel_regions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.nrrd import SagittalPlane
from ccf_assets.ccf.region_id import Ids
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.voxel_grid import VoxelGrid

RUNS_AT_ONCE = 32_768
"""Runs painted in one turn, so that little memory is needed besides the volume itself."""

WIDE_GAP = 4096
"""Voxels between two runs that are not painted, as they are 0: memory that is never written to is not taken
from the system, which is half of the time of painting the CCF in a fresh process."""

BLOCK_BYTES = 1 << 27
"""Of the volume, painted at a time where it is not needed as a whole."""

AnyScalar = TypeVar("AnyScalar", bound=np.generic)


def of_runs(runs: Runs, which: npt.NDArray[Any] | slice) -> Runs:
    """Some of the runs: those of a mask, of an array of their numbers, in its order, or of a slice."""
    return Runs(runs.line[which], runs.z[which], runs.z_end[which], runs.region_id[which])


def joined(parts: Iterable[Runs]) -> Runs:
    """Runs one after the other; there may be none."""
    none = Runs(np.empty(0, "u4"), np.empty(0, "u2"), np.empty(0, "u2"), np.empty(0, "u4"))
    columns = zip(*((each.line, each.z, each.z_end, each.region_id) for each in (none, *parts)), strict=True)
    return Runs(*map(np.concatenate, columns))


def paint(runs: Runs, values: npt.NDArray[AnyScalar], grid: VoxelGrid) -> npt.NDArray[AnyScalar]:
    """A volume in which each run has its value, and 0 (or False) is elsewhere.

    Args:
        runs: runs of the atlas, ordered.
        values: one value per run.
        grid: the grid of the atlas.

    Returns:
        Shape (AP, DV, ML), of the type of ``values``.
    """
    painted = np.zeros(grid.shape, values.dtype)
    flat = painted.reshape(-1)
    for first in range(0, len(runs), RUNS_AT_ONCE):
        turn = slice(first, first + RUNS_AT_ONCE)
        # Stretches in turn: a run, the gap behind it, the next run, … to the end of the last run.
        borders = np.empty(2 * len(runs.line[turn]), np.int64)
        borders[::2] = voxel_place(runs.line[turn], runs.z[turn], grid)
        borders[1::2] = voxel_place(runs.line[turn], runs.z_end[turn], grid)
        stretches = np.zeros(len(borders) - 1, values.dtype)
        stretches[::2] = values[turn]
        lengths = np.diff(borders)
        first_run = 0
        for last_run in (*np.flatnonzero(lengths[1::2] > WIDE_GAP).tolist(), len(borders) // 2 - 1):
            part = slice(2 * first_run, 2 * last_run + 1)
            flat[borders[part.start] : borders[part.stop]] = np.repeat(stretches[part], lengths[part])
            first_run = last_run + 1
    return painted


def paint_box(runs: Runs, grid: VoxelGrid, first: tuple[int, int, int], shape: tuple[int, int, int]) -> Ids:
    """The region ids of a part of the volume.

    Args:
        runs: runs of the atlas, ordered.
        grid: the grid of the atlas.
        first: indices of the part's first voxel along AP, DV, ML.
        shape: voxels of the part along AP, DV, ML; it lies in the grid.

    Returns:
        Shape (AP, DV, ML) of the part, uint32, 0 outside the brain.
    """
    (ap, dv, ml), (aps, dvs, mls), across = first, shape, grid.shape[1]
    start, end = np.searchsorted(runs.line, [ap * across, (ap + aps) * across])
    slab = of_runs(runs, slice(start, end))
    there = (slab.z < ml + mls) & (slab.z_end > ml)
    if dvs < across:
        j = slab.line % across
        there &= (j >= dv) & (j < dv + dvs)
    here = of_runs(slab, there)
    i, j = here.line // across - ap, here.line % across - dv
    line = (i * dvs + j).astype(np.uint32)
    z, z_end = np.maximum(here.z, ml) - ml, np.minimum(here.z_end, ml + mls) - ml
    part = Runs(line, z.astype(np.uint16), z_end.astype(np.uint16), here.region_id)
    return paint(part, part.region_id, replace(grid, shape=shape))


def painted_planes(runs: Runs, grid: VoxelGrid) -> Iterator[SagittalPlane]:
    """The volume plane by plane, with a block of planes in memory at a time.

    Args:
        runs: runs of the atlas, ordered.
        grid: the grid of the atlas.

    Yields:
        ML arrays of shape (DV, AP), uint32 region ids, each its own memory; ML ascending.
    """
    ap, dv, ml = grid.shape
    deep = max(1, BLOCK_BYTES // (4 * ap * dv))
    for first in range(0, ml, deep):
        block = paint_box(runs, grid, (0, 0, first), (ap, dv, min(deep, ml - first)))
        for plane in block.transpose(2, 1, 0):
            yield np.array(plane, order="C")


def voxel_place(line: npt.NDArray[np.uint32], z: npt.NDArray[np.uint16], grid: VoxelGrid) -> Any:  # noqa: ANN401
    """Index of a voxel in the flattened volume: int64."""
    return line.astype(np.int64) * grid.shape[2] + z
