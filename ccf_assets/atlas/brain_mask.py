"""The brain as a mask in memory, for checking whole tables of sites at once.

The checks are in recordings.findings.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ccf_assets.ccf.catalogue import CCF_RESOLUTIONS_UM, USUAL_VERSION
from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.ccf.grid import paint
from ccf_assets.ccf.places import surface_above
from ccf_assets.ccf.space import ALLEN_CCF
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db.loaded import LoadedAtlas, loaded_atlases
from ccf_assets.db.read import ALL, Steps, every, read_runs, read_surface

FINE_ENOUGH_UM = 50
"""Findings are shares of many sites: a mask of 10 MB gives the same as one of 77 MB at 25 µm."""


class Brain:
    """What is inside the brain, and where its surface is, in one atlas.

    Attributes:
        grid: the grid of the mask.
        extent_um: size of the atlas along AP, DV, ML in µm.
        resolutions_um: grids of the space, whose voxel indices may be taken for µm.
        steps: of the atlas, only every so many voxels along AP, DV, ML are in the mask.
        inside: shape (AP, DV, ML), bool.
        surface: shape (AP, ML), float64: CCF y in µm of each column's first in-brain voxel, NaN without one.
    """

    def __init__(
        self,
        atlas: VoxelGrid,
        inside: npt.NDArray[np.bool_],
        surface: npt.NDArray[np.float64],
        steps: Steps = ALL,
        resolutions_um: tuple[float, ...] = (),
    ) -> None:
        self.grid = every(steps, atlas)
        self.extent_um = atlas.extent_um
        self.resolutions_um = resolutions_um or (atlas.resolution_um,)
        self.steps = steps
        self.inside = inside
        self.surface = surface

    def in_brain(self, points: Floats) -> npt.NDArray[np.bool_]:
        """Whether points, shape (N, 3), CCF µm, inside the volume, are in the brain."""
        # Divided and truncated: for numbers that are not negative the same as //, in a third of the time. A
        # coarser mask may lack the atlas's last voxels along an axis; those count as the ones before them.
        last, edges = np.array(self.inside.shape) - 1, np.array(self.grid.edges_um)
        in_brain = np.empty(len(points), np.bool_)
        for first in range(0, len(points), _POINTS_AT_ONCE):
            turn = slice(first, first + _POINTS_AT_ONCE)
            x, y, z = np.minimum((points[turn] / edges).astype(np.intp), last).T
            in_brain[turn] = self.inside[x, y, z]
        return in_brain

    def surface_y(self, x: Floats, z: Floats) -> Floats:
        """CCF y of the surface above points, µm; NaN where there is none."""
        return surface_above(self.surface, self.grid, x, z)


_POINTS_AT_ONCE = 65_536
"""Points looked up in one turn: the arrays of a million at once would be 75 MB."""


@functools.lru_cache(maxsize=2)
def brain_of(url: sa.URL, atlas: LoadedAtlas) -> Brain:
    """The mask of an atlas, read once: one process checks many files.

    Of a finer atlas only every second voxel, or every fifth, along each axis: that takes a quarter of the
    time at 25 µm, and is the mask of its atlas of 50 µm.
    """
    grid = atlas.grid
    # A section series may be fine within its planes and coarse, or of few planes, across them.
    ap, dv, ml = (
        min(max(int(FINE_ENOUGH_UM // edge), 1), voxels)
        for edge, voxels in zip(grid.edges_um, grid.shape, strict=True)
    )
    steps = ap, dv, ml
    runs = read_runs(url, atlas, steps=steps)
    inside = paint(runs, np.ones(len(runs), bool), every(steps, grid))
    of_ccf = CCF_RESOLUTIONS_UM if atlas.space == ALLEN_CCF.name else ()
    return Brain(grid, inside, read_surface(url, atlas, steps=steps), steps, of_ccf)


def brain_atlas(engine: sa.Engine, space: str = ALLEN_CCF.name) -> LoadedAtlas | None:
    """The loaded atlas used to check sites in a space: the coarsest of at most 50 µm, otherwise the finest.

    A phantom, and in the space of the Allen CCF an atlas of another version than 2017, is used only if there
    is no other. None if no atlas of the space is loaded.
    """
    atlases = [atlas for atlas in loaded_atlases(engine) if atlas.space == space]
    return min(atlases, key=_preference, default=None)


def read_brain(engine: sa.Engine, space: str = ALLEN_CCF.name) -> Brain | None:
    """The brain of the atlas that `brain_atlas` chooses; None if none is loaded."""
    atlas = brain_atlas(engine, space)
    return None if atlas is None else brain_of(engine.url, atlas)


def _preference(atlas: LoadedAtlas) -> tuple[bool, bool, bool, float]:
    fine = atlas.resolution_um <= FINE_ENOUGH_UM
    edge = atlas.resolution_um
    return atlas.is_phantom, atlas.version != USUAL_VERSION, not fine, -edge if fine else edge
