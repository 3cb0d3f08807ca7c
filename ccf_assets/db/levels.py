"""The volume of a loaded atlas at several scales, as runs in memory: what is written to files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import sqlalchemy as sa

from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db.loaded import LoadedAtlas, loaded_atlases
from ccf_assets.db.read import every, read_runs
from ccf_assets.errors import CcfError

_COARSEST = 256
"""Voxels along the longest axis: a level that has no more is the last."""


def exported_runs(engine: sa.Engine, atlas: LoadedAtlas) -> Runs:
    """The runs of an atlas, of the load that ``atlas`` is.

    Raises:
        CcfError: it was loaded again, or dropped, meanwhile.
    """
    runs = read_runs(engine.url, atlas)
    if atlas not in loaded_atlases(engine):
        raise CcfError(f"{atlas.key} was loaded again, or dropped, while it was exported; export it again.")
    return runs


@dataclass(frozen=True)
class VolumeLevel:
    """The volume at one scale.

    Attributes:
        runs: its runs.
        grid: its grid, which begins at the corner of the volume.
        step: it has one voxel for so many of the atlas along each axis.
    """

    runs: Runs
    grid: VoxelGrid
    step: int = 1

    @property
    def taken(self) -> int:
        """Which of ``step`` voxels it has, counted from 0: the middle one."""
        return self.step // 2


def volume_levels(engine: sa.Engine, atlas: LoadedAtlas) -> Iterator[VolumeLevel]:
    """The volume at several scales: the atlas itself, then half as many voxels along each axis until few.

    Raises:
        CcfError: the atlas was loaded again, or dropped, meanwhile.
    """
    level = finest = VolumeLevel(exported_runs(engine, atlas), atlas.grid)
    yield finest
    while max(level.grid.shape) > _COARSEST and min(level.grid.shape) > 1:
        level = _coarser(finest, 2 * level.step)
        yield level


def _coarser(finest: VolumeLevel, step: int) -> VolumeLevel:
    """From the runs in memory, which takes 50 ms at 25 µm; to ask the database again takes half a second."""
    runs, grid = finest.runs, every((step, step, step), finest.grid)
    level = VolumeLevel(runs, grid, step)
    aps, dvs, mls = grid.shape
    i, j = np.divmod(runs.line, np.uint32(finest.grid.shape[1]))
    # Rounded up: the first of its voxels that is in the run, or behind it.
    z, z_end = ((c + (step - 1 - level.taken)) // step for c in (runs.z, runs.z_end))
    there = (i % step == level.taken) & (j % step == level.taken) & (i // step < aps) & (j // step < dvs)
    there &= z < np.minimum(z_end, mls)
    line = i[there] // step * np.uint32(dvs) + j[there] // step
    kept = Runs(line, z[there], np.minimum(z_end[there], mls).astype(np.uint16), runs.region_id[there])
    return replace(level, runs=kept)
