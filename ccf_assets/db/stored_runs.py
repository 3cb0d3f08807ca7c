"""What the table voxel_run holds of an atlas, read in one pass over its rows in the order of their key.

A load reads them back for its checks. What else is made of them, the sizes of regions, voxel rows and the
comparison of atlases, need not read them again in the same process (`stored_runs`).

Not here: what is expected of them (defs.atlas_checks), and parts of an atlas (read).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import sqlalchemy as sa

from ccf_assets.ccf.grid import joined, of_runs
from ccf_assets.ccf.region_id import source_ids
from ccf_assets.ccf.run_sums import added_up, run_sums, voxel_counts
from ccf_assets.ccf.runs import Runs, VoxelCounts
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import schema
from ccf_assets.db.loaded import LoadedAtlas, partition_of
from ccf_assets.db.read import number_of, packed_runs, read_runs, unpacked_runs
from ccf_assets.pg.arrow import read_arrow

MOST_RUNS = 5_000_000
"""Runs kept in memory at most, of all atlases together, at 12 bytes each: 25 µm has 2.8 million."""


@dataclass(frozen=True)
class StoredRuns:
    """What was found in the rows of an atlas.

    Attributes:
        sums: by region and side, see run_sums.SCHEMA.
        overlapping: runs that end behind the beginning of the next one on their line.
        empty: runs without a voxel.
        divided: runs that end where the next one of the same region begins.
        outside: runs that reach out of the grid.
        runs: all of them; None if they are more than MOST_RUNS.
    """

    sums: pl.DataFrame
    overlapping: int
    empty: int
    divided: int
    outside: int
    runs: Runs | None

    @property
    def voxels(self) -> VoxelCounts:
        """The voxels of every region, by side."""
        return voxel_counts(self.sums)


def find_stored_runs(engine: sa.Engine, ccf_id: int, grid: VoxelGrid) -> StoredRuns:
    """Look at every run of an atlas: at 25 µm 2.8 million in a second, at 10 µm in constant memory.

    In SQL to compare each run with the next takes three times as long, and to add them up as long again.

    Args:
        engine: the database.
        ccf_id: number of the atlas.
        grid: its grid.
    """
    before = partition_of(engine, ccf_id)
    found = _find(engine.url, ccf_id, grid)
    if before is not None and partition_of(engine, ccf_id) == before:
        _keep((engine.url, ccf_id), (before, grid), found)
    return found


def stored_runs(engine: sa.Engine, ccf_id: int, grid: VoxelGrid) -> StoredRuns:
    """`find_stored_runs`, unless this process has looked at them since the atlas was loaded."""
    return kept_runs(engine, ccf_id, grid) or find_stored_runs(engine, ccf_id, grid)


def kept_runs(engine: sa.Engine, ccf_id: int, grid: VoxelGrid) -> StoredRuns | None:
    """What `find_stored_runs` has found in this process since the atlas was loaded."""
    return _kept_of(engine, ccf_id, partition_of(engine, ccf_id), grid)


def all_runs(engine: sa.Engine, atlas: LoadedAtlas) -> Runs:
    """All runs of a loaded atlas, ordered: those that this process has looked at, or read anew."""
    kept = _kept_of(engine, atlas.ccf_id, atlas.voxels_of, atlas.grid)
    return kept.runs if kept and kept.runs is not None else read_runs(engine.url, atlas)


def count_stored_voxels(engine: sa.Engine, ccf_id: int, grid: VoxelGrid) -> int:
    """How many voxels the runs of an atlas have, added up by the server: 0.3 s at 25 µm."""
    run = schema.voxel_run.c
    first, end = (number_of(face, grid.edges_um[2]) for face in (run.z, run.z_end))
    count = sa.select(sa.func.sum(end - first)).where(run.ccf_id == ccf_id)
    with engine.connect() as connection:
        return int(connection.scalar(count) or 0)


def _kept_of(engine: sa.Engine, ccf_id: int, partition: int | None, grid: VoxelGrid) -> StoredRuns | None:
    which, found = _kept.get((engine.url, ccf_id), (None, None))
    return found if which == (partition, grid) else None


_kept: dict[tuple[sa.URL, int], tuple[tuple[int, VoxelGrid], StoredRuns]] = {}
"""Database and number of the atlas → the partition that was read, and what was found in it."""


def _keep(atlas: tuple[sa.URL, int], which: tuple[int, VoxelGrid], found: StoredRuns) -> None:
    _kept.pop(atlas, None)
    _kept[atlas] = which, found
    while sum(len(each.runs or ()) for _, each in _kept.values()) > MOST_RUNS:
        del _kept[next(iter(_kept))]  # the one that was read first


def _find(url: sa.URL, ccf_id: int, grid: VoxelGrid) -> StoredRuns:
    run, (ap, dv, ml) = schema.voxel_run.c, grid.shape
    query = sa.select(*packed_runs()).where(run.ccf_id == ccf_id).order_by(run.x, run.y, run.z)
    overlapping = empty = divided = outside = count = 0
    sums: list[pl.DataFrame] = []
    parts: list[Runs] = []
    last = joined([])
    for batch in read_arrow(url, query):
        pieces = []
        for x, y, z, z_end, numbers in unpacked_runs([batch]):
            i, j, k, k_end = grid.index(0, x), grid.index(1, y), grid.index(2, z), grid.index(2, z_end)
            outside += _count((i >= ap) | (j >= dv) | (k_end > ml))
            line = (i * dv + j).astype(np.uint32)
            pieces.append(Runs(line, k.astype(np.uint16), k_end.astype(np.uint16), source_ids(numbers)))
        part = joined(pieces)
        seen = joined([last, part])
        on_line = seen.line[1:] == seen.line[:-1]
        overlapping += _count(on_line & (seen.z[1:] < seen.z_end[:-1]))
        same = on_line & (seen.region_id[1:] == seen.region_id[:-1])
        divided += _count(same & (seen.z[1:] == seen.z_end[:-1]))
        empty += _count(part.z_end <= part.z)
        sums.append(run_sums(part, grid))
        last = of_runs(part, slice(-1, None)) if len(part) else last
        count += len(part)
        if count > MOST_RUNS:
            parts.clear()
        else:
            parts.append(part)
    kept = joined(parts) if count <= MOST_RUNS else None
    return StoredRuns(added_up(sums), overlapping, empty, divided, outside, kept)


def _count(where: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(where))
