"""An atlas in memory: dense arrays made of its runs, and the regions of many points at once.

Reading the runs from the database is in atlas.read.

The region of a point, or why it has none, is decided here in the same way as in SQL by `db.site_regions`:
both give the same answer for every point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.frames.maps import Floats, Frame, to_ccf
from ccf_assets.ccf.nrrd import SagittalPlane
from ccf_assets.ccf.region_id import Ids
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.space import Status
from ccf_assets.ccf.voxel_grid import VoxelGrid

RUNS_AT_ONCE = 32_768
"""Runs painted in one turn, so that little memory is needed besides the volume itself."""

POINTS_AT_ONCE = 32_768
"""Points of one turn: its arrays stay in the processor's cache, which takes a quarter of the time."""

BLOCK_BYTES = 1 << 27
"""Of the volume, painted at a time where it is not needed as a whole."""

AnyScalar = TypeVar("AnyScalar", bound=np.generic)


def of_runs(runs: Runs, which: npt.NDArray[Any] | slice) -> Runs:
    """Some of the runs: those of a mask, of an array of their numbers, in its order, or of a slice."""
    return Runs(runs.line[which], runs.z[which], runs.z_end[which], runs.region_id[which])


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
        flat[borders[0] : borders[-1]] = np.repeat(stretches, np.diff(borders))
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


@dataclass(frozen=True)
class Places:
    """Where N points lie.

    Attributes:
        ccf_um: shape (N, 3), float64: x, y, z in CCF µm, NaN where they are not known.
        status: shape (N,), uint8: numbers of `Status`.
        ids: shape (R,), uint32: 0, then region ids of the source, ascending.
        index: shape (N,), uint16: places in ``ids``, 0 where the status is not "assigned".
        midline_um: ML of the midline in CCF µm; None where the space has none.
    """

    ccf_um: Floats
    status: npt.NDArray[np.uint8]
    ids: Ids
    index: npt.NDArray[np.uint16]
    midline_um: float | None

    @property
    def region_id(self) -> Ids:
        """Shape (N,), uint32: 0 where the status is not "assigned"."""
        return self.ids.take(self.index)

    @property
    def hemisphere(self) -> npt.NDArray[np.uint8]:
        """Shape (N,), uint8: 0 left (z < midline), 1 right, 2 where z is unknown or outside the volume.

        2 everywhere in a space without a midline.
        """
        z = self.ccf_um[:, 2]
        if self.midline_um is None:
            return np.full(len(z), 2, np.uint8)
        nowhere = np.isnan(z) | (self.status == Status.OUTSIDE_VOLUME)
        return np.where(nowhere, np.uint8(2), (z >= self.midline_um).astype(np.uint8))


@dataclass(frozen=True)
class RegionGrid:
    """The region of every voxel of an atlas, in 2 bytes each: 154 MB at 25 µm.

    Attributes:
        grid: the grid of the atlas.
        ids: shape (R,), uint32: 0, then the region ids, ascending.
        index: shape (AP, DV, ML), uint16: places in ``ids``, 0 outside the brain.
    """

    grid: VoxelGrid
    ids: Ids
    index: npt.NDArray[np.uint16]

    def locate(
        self, frame: Frame, ap: Floats, dv: Floats, ml: Floats, surface: Floats | None = None
    ) -> Places:
        """Where points lie.

        Args:
            frame: the frame of the coordinates.
            ap: shape (N,): antero-posterior coordinates in the frame's unit and sign.
            dv: shape (N,): dorso-ventral coordinates.
            ml: shape (N,): medio-lateral coordinates.
            surface: as `read_surface` gives it; needed where the frame measures dv from it.
        """
        count = len(ap)
        found = Places(
            np.empty((count, 3)),
            np.empty(count, np.uint8),
            self.ids,
            np.empty(count, np.uint16),
            self.grid.midline_um,
        )
        for first in range(0, count, POINTS_AT_ONCE):
            turn = slice(first, first + POINTS_AT_ONCE)
            self._locate_some(frame, ap[turn], dv[turn], ml[turn], surface, found, turn)
        return found

    def _locate_some(
        self,
        frame: Frame,
        ap: Floats,
        dv: Floats,
        ml: Floats,
        surface: Floats | None,
        found: Places,
        turn: slice,
    ) -> None:
        """Locate the points of one turn and write them into ``found``."""
        _, dvs, mls = self.grid.shape
        above = None if surface is None else partial(surface_above, surface, self.grid)
        points = to_ccf(frame, ap, dv, ml, above)
        found.ccf_um[turn] = points
        x, y, z = points.T
        inside_x, inside_y, inside_z = (
            (c >= 0) & (c < extent) for c, extent in zip((x, y, z), self.grid.extent_um, strict=True)
        )
        inside = inside_x & inside_y & inside_z
        i, j, k = (_voxels(c, inside, self.grid, axis) for axis, c in enumerate((x, y, z)))
        index = self.index.reshape(-1).take((i * dvs + j) * mls + k) * inside
        found.index[turn] = index
        # A column without a surface (only y is NaN) is beside the brain, inside the volume or not.
        in_volume = inside | (inside_x & inside_z & np.isnan(y))
        status = np.where(
            index != 0, Status.ASSIGNED, np.where(in_volume, Status.OUTSIDE_BRAIN, Status.OUTSIDE_VOLUME)
        )
        invalid = np.isnan(x)
        if invalid.any():
            unknown = sum(np.isnan(given[invalid]).astype(np.uint8) for given in (ap, dv, ml))
            status[invalid] = np.choose(
                unknown,
                (Status.INVALID_INFINITE, Status.INVALID_NAN, Status.INVALID_NAN, Status.MISSING),
            )
        found.status[turn] = status


def _voxels(um: Floats, inside: npt.NDArray[np.bool_], grid: VoxelGrid, axis: int) -> npt.NDArray[np.int64]:
    """Indices along an axis of the voxels that coordinates fall in; 0 where they are not inside.

    Divided and rounded down, as PostgreSQL does; // computes the remainder first. At most the last voxel: a
    quotient can be rounded up to the number of voxels.
    """
    index = np.where(inside, um / grid.edges_um[axis], 0).astype(np.int64)
    return np.minimum(index, grid.shape[axis] - 1)


def surface_above(surface: Floats, grid: VoxelGrid, x: Floats, z: Floats) -> Floats:
    """CCF y of the surface above points, µm; NaN beside the brain and outside the volume.

    Args:
        surface: as `read_surface` gives it.
        grid: its grid.
        x: AP of the points in CCF µm.
        z: ML, likewise.
    """
    ap_um, _, ml_um = grid.extent_um
    inside = (x >= 0) & (x < ap_um) & (z >= 0) & (z < ml_um)
    i, k = (_voxels(c, inside, grid, axis) for axis, c in ((0, x), (2, z)))
    return np.where(inside, surface[i, k], np.nan)
