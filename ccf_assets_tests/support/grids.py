"""Grids of the CCF, and those of the atlases in the catalogue."""

from __future__ import annotations

from ccf_assets.ccf.catalogue import BUILT_IN
from ccf_assets.ccf.space import EXTENT_UM, MIDLINE_UM
from ccf_assets.ccf.voxel_grid import VoxelGrid


def ccf_grid(edge_um: int) -> VoxelGrid:
    """The grid of every CCF, and phantom, with voxels of this edge."""
    ap, dv, ml = (size // edge_um for size in EXTENT_UM)
    return VoxelGrid((ap, dv, ml), (float(edge_um),) * 3, float(MIDLINE_UM))


def grid_of(key: str) -> VoxelGrid:
    """The grid of a built-in atlas."""
    grid = BUILT_IN[key].grid
    assert grid is not None
    return grid


def edge_of(key: str) -> int:
    """The edge of its voxels in µm."""
    edge = int(grid_of(key).resolution_um)
    assert grid_of(key).edges_um == (edge, edge, edge)
    return edge
