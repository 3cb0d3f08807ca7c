"""Where many points lie: their place in the space, their region, or why they have none.

This is decided here in the same way as in SQL by `db.site_regions`: both give the same answer for every
point. Which region a voxel has is in voxel_regions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.frames.maps import Floats, Frame, to_ccf_axes
from ccf_assets.ccf.region_id import Ids
from ccf_assets.ccf.space import Status
from ccf_assets.ccf.voxel_grid import VoxelGrid

POINTS_AT_ONCE = 8_192
"""Points of one turn: 64 KB for each of its arrays, which stay in the processor's cache. Arrays of 128 KB and
more get new memory from the operating system each time, which takes longer than what is computed in them."""

RegionsAt = Callable[[npt.NDArray[np.intp]], npt.NDArray[np.uint16]]
"""Gives the places in ``ids`` of the regions of voxels, named by their index in the flattened volume."""


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
        return np.where(nowhere, np.uint8(2), (z >= self.midline_um).view(np.uint8))


def places_of(
    grid: VoxelGrid,
    ids: Ids,
    regions_at: RegionsAt,
    frame: Frame,
    given: tuple[Floats, Floats, Floats],
    surface: Floats | None = None,
) -> Places:
    """Where points lie in an atlas.

    Args:
        grid: the grid of the atlas.
        ids: shape (R,), uint32: 0, then the region ids, ascending.
        regions_at: the regions of voxels.
        frame: the frame of the coordinates, into the space of the atlas.
        given: ap, dv, ml, each of shape (N,), in the frame's unit and signs.
        surface: as `read_surface` gives it; needed where the frame measures dv from it.
    """
    count = len(given[0])
    # Axis by axis, so that each is contiguous; the answer has the points along its first axis.
    um, status, index = np.empty((3, count)), np.empty(count, np.uint8), np.empty(count, np.uint16)
    above = None if surface is None else partial(surface_above, surface, grid)
    for first in range(0, count, POINTS_AT_ONCE):
        turn = slice(first, first + POINTS_AT_ONCE)
        ap, dv, ml = (np.ascontiguousarray(axis[turn]) for axis in given)
        um[:, turn] = to_ccf_axes(frame, ap, dv, ml, above)
        x, y, z = um[:, turn]
        _, dvs, mls = grid.shape
        i, j, k = (_voxels(axis, grid, number) for number, axis in enumerate((x, y, z)))
        here = regions_at((i * dvs + j) * mls + k)
        status_here = (here == 0).view(np.uint8)  # ASSIGNED is 0, OUTSIDE_BRAIN is 1
        if not _all_inside(um[:, turn], grid):
            inside = [
                (axis >= 0) & (axis < extent) for axis, extent in zip((x, y, z), grid.extent_um, strict=True)
            ]
            here[~(inside[0] & inside[1] & inside[2])] = 0
            # A column without a surface (only y is NaN) is beside the brain, inside the volume or not.
            in_volume = inside[0] & inside[2] & (inside[1] | np.isnan(y))
            status_here = np.where(in_volume, here == 0, np.uint8(Status.OUTSIDE_VOLUME))
            _say_invalid(status_here, np.isnan(x), (ap, dv, ml))
        index[turn], status[turn] = here, status_here
    return Places(um.T, status, ids, index, grid.midline_um)


def _all_inside(um: Floats, grid: VoxelGrid) -> bool:
    """Whether all points, shape (3, N), lie in the volume; False if one is NaN."""
    least, most = um.min(axis=1), um.max(axis=1)
    return bool((least >= 0).all() and (most < grid.extent_um).all())


def _say_invalid(
    status: npt.NDArray[np.uint8], invalid: npt.NDArray[np.bool_], given: tuple[Floats, Floats, Floats]
) -> None:
    """Set the status of the points that are no place, by how many of their coordinates are not known."""
    if invalid.any():
        unknown = sum(np.isnan(axis[invalid]).astype(np.uint8) for axis in given)
        by_count = (Status.INVALID_INFINITE, Status.INVALID_NAN, Status.INVALID_NAN, Status.MISSING)
        status[invalid] = np.array(by_count, np.uint8)[unknown]


def _voxels(um: Floats, grid: VoxelGrid, axis: int) -> npt.NDArray[np.intp]:
    """Indices along an axis of the voxels that coordinates fall in; some voxel for those outside and for NaN.

    Divided and rounded down, as PostgreSQL does; // computes the remainder first. At most the last voxel: a
    quotient can be rounded up to the number of voxels.
    """
    index = um / grid.edges_um[axis]
    np.fmin(index, grid.shape[axis] - 1, out=index)  # NaN becomes the last
    np.fmax(index, 0, out=index)
    return index.astype(np.intp)


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
    i, k = (_voxels(c, grid, axis) for axis, c in ((0, x), (2, z)))
    return np.where(inside, surface[i, k], np.nan)
