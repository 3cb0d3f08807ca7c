"""The table region_volume as a query: the sums of runs, rolled up to every structure that contains them."""

from __future__ import annotations

from typing import Any

import polars as pl
import sqlalchemy as sa

from ccf_assets.ccf.region_id import table_numbers
from ccf_assets.ccf.space import HEMISPHERES
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db.given import given_rows


def region_volumes(sums: pl.DataFrame, ancestors: sa.Select[Any], grid: VoxelGrid) -> sa.Select[Any]:
    """Size and place of every structure by hemisphere.

    Args:
        sums: of all runs of one atlas, as `run_sums` gives them: some 700 regions a side.
        ancestors: rows of region_ancestor of the same atlas.
        grid: the grid of the atlas.

    Returns:
        The rows of region_volume: for every structure one for left, right and both, or where the space has no
        midline one for both.
    """
    up = ancestors.subquery("up")
    edge_x, edge_y, edge_z = grid.edges_um
    types = {name: sa.BigInteger() for name in sums.columns} | {"right": sa.Boolean()}
    numbers = sums.with_columns(region_id=table_numbers(sums["region_id"].to_numpy()))
    sides = given_rows("sides", numbers.iter_rows(), **types)
    hemispheres = sa.values(sa.column("hemisphere", sa.Text), name="hemispheres").data(
        [(hemisphere,) for hemisphere in HEMISPHERES if hemisphere == "both" or grid.first_right is not None]
    )
    painted = sa.and_(
        sides.c.region_id == up.c.region_id,
        hemispheres.c.hemisphere.in_([sa.case((sides.c.right, "right"), else_="left"), "both"]),
    )
    total = sa.func.coalesce(sa.func.sum(sides.c.voxels), 0)
    own = sa.func.coalesce(sa.func.sum(sides.c.voxels).filter(up.c.region_id == up.c.ancestor_id), 0)
    count = sa.cast(sa.func.sum(sides.c.voxels), sa.Double)
    mm3 = sa.literal(grid.voxel_mm3, sa.Double)

    def centre(numbers: sa.ColumnElement[Any], edge: float) -> sa.ColumnElement[Any]:
        """µm of the mean of voxels' centres, of the sum of their numbers."""
        return (sa.func.sum(numbers) / count + sa.literal(0.5, sa.Double)) * sa.literal(edge, sa.Double)

    def face(number: sa.ColumnElement[Any], edge: float) -> sa.ColumnElement[int]:
        """Table coordinate of a face."""
        return sa.cast(sa.func.floor(number * sa.literal(edge, sa.Double)), sa.Integer)

    return (
        sa.select(
            up.c.ccf_id,
            up.c.ancestor_id.label("region_id"),
            hemispheres.c.hemisphere,
            sa.cast(own, sa.BigInteger).label("own_voxels"),
            (own * mm3).label("own_mm3"),
            sa.cast(total, sa.BigInteger).label("voxels"),
            (total * mm3).label("volume_mm3"),
            centre(sides.c.sum_i, edge_x).label("centroid_x"),
            centre(sides.c.sum_j, edge_y).label("centroid_y"),
            # Of a run the numbers of both ends: twice its middle, without the half voxel.
            (sa.func.sum(sides.c.sum_two_k) / count * sa.literal(edge_z / 2, sa.Double)).label("centroid_z"),
            face(sa.func.min(sides.c.min_i), edge_x).label("min_x"),
            face(sa.func.max(sides.c.max_i) + 1, edge_x).label("max_x"),
            face(sa.func.min(sides.c.min_j), edge_y).label("min_y"),
            face(sa.func.max(sides.c.max_j) + 1, edge_y).label("max_y"),
            face(sa.func.min(sides.c.min_k), edge_z).label("min_z"),
            face(sa.func.max(sides.c.max_k), edge_z).label("max_z"),
        )
        .select_from(up.join(hemispheres, sa.true()).outerjoin(sides, painted))
        .group_by(up.c.ccf_id, up.c.ancestor_id, hemispheres.c.hemisphere)
    )
