"""Runs added up by region and side of the midline: what counts, sizes and places of regions are made of.

Not here: the rows of region_volume, where a structure has its descendants in it (db.region_volumes).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ccf_assets.ccf.runs import Runs, VoxelCounts
from ccf_assets.ccf.voxel_grid import VoxelGrid

_SUMS = ("voxels", "sum_i", "sum_j", "sum_two_k")

_FIRST = ("min_i", "min_j", "min_k")

_LAST = ("max_i", "max_j", "max_k")

SCHEMA: dict[str, pl.DataType] = {
    "region_id": pl.UInt32(),
    "right": pl.Boolean(),
    **dict.fromkeys((*_SUMS, *_FIRST, *_LAST), pl.Int64()),
}
"""Columns of `run_sums`, whose numbers are those of voxels along each axis:

- ``region_id`` as the ontology has it, and whether these are its voxels on the right;
- ``voxels``; ``sum_i`` and ``sum_j``, of the numbers of all voxels along AP and DV; ``sum_two_k``, along ML,
  of both faces of each voxel, which is twice its middle;
- ``min_i``, …, ``max_k``: the first and the last along each axis; the last along ML not included.
"""

_MOST_AT_ONCE = 262_144
"""Runs added up in one turn: the columns computed from them take 20 MB."""


def run_sums(runs: Runs, grid: VoxelGrid) -> pl.DataFrame:
    """The sums of some runs, exact.

    A run that crosses the midline counts to each side with the voxels it has there; a voxel that the midline
    cuts counts to the side of its centre. Without a midline everything is on the right. A run without a voxel
    counts to nothing.

    Args:
        runs: in any order.
        grid: their grid.

    Returns:
        Columns SCHEMA; a row for each region and side with voxels.
    """
    turns = range(0, len(runs), _MOST_AT_ONCE)
    return added_up([_of_some(runs, slice(first, first + _MOST_AT_ONCE), grid) for first in turns])


def _of_some(runs: Runs, some: slice, grid: VoxelGrid) -> pl.DataFrame:
    middle, dv = grid.first_right or 0, grid.shape[1]
    line, k, k_end = pl.col("line"), pl.col("k"), pl.col("k_end")
    run = (
        pl.DataFrame(
            {
                "region_id": runs.region_id[some],
                "line": runs.line[some],
                "k": runs.z[some],
                "k_end": runs.z_end[some],
            }
        )
        .lazy()
        .with_columns(line.cast(pl.Int64), k.cast(pl.Int64), k_end.cast(pl.Int64))
    )
    crosses = (k < middle) & (k_end > middle)
    of_one_side = pl.concat(
        [
            run.filter(~crosses).with_columns(right=k >= middle),
            run.filter(crosses).with_columns(k_end=pl.lit(middle, pl.Int64), right=False),
            run.filter(crosses).with_columns(k=pl.lit(middle, pl.Int64), right=True),
        ]
    )
    i, j, length = line // dv, line % dv, k_end - k
    return (
        of_one_side.filter(length > 0)
        .group_by("region_id", "right")
        .agg(
            voxels=length.sum(),
            sum_i=(i * length).sum(),
            sum_j=(j * length).sum(),
            sum_two_k=((k + k_end) * length).sum(),
            min_i=i.min(),
            min_j=j.min(),
            min_k=k.min(),
            max_i=i.max(),
            max_j=j.max(),
            max_k=k_end.max(),
        )
        .collect()
    )


def added_up(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The sums of all runs, of the sums of parts of them."""
    return (
        pl.concat([pl.DataFrame(schema=SCHEMA), *parts])
        .group_by("region_id", "right")
        .agg(pl.col(_SUMS).sum(), pl.col(_FIRST).min(), pl.col(_LAST).max())
    )


def voxel_counts(sums: pl.DataFrame) -> VoxelCounts:
    """The voxels of every region, by side."""
    left, right = (
        dict(sums.filter(pl.col("right") == side).select("region_id", "voxels").iter_rows())
        for side in (False, True)
    )
    return VoxelCounts(left, right)
