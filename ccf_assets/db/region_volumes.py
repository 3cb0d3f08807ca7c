"""The table region_volume as a query over runs and ancestors; pure functions from queries to queries."""

from __future__ import annotations

from typing import Any, TypeAlias

import sqlalchemy as sa

from ccf_assets.ccf.space import HEMISPHERES
from ccf_assets.ccf.voxel_grid import VoxelGrid

_Columns: TypeAlias = "sa.ColumnCollection[str, sa.ColumnElement[Any]]"


def region_volumes(runs: sa.Select[Any], ancestors: sa.Select[Any], grid: VoxelGrid) -> sa.Select[Any]:
    """Size and place of every structure by hemisphere.

    A run that crosses the midline counts to each side with the voxels it has there; a voxel that the midline
    cuts counts to the side of its centre. Everything is summed per painted region first (700 rows a side),
    and rolled up after. The few runs that cross are looked at by themselves: to cut every run in two as if it
    might takes three times as long.

    Args:
        runs: rows of voxel_run of one atlas.
        ancestors: rows of region_ancestor of the same atlas.
        grid: the grid of the atlas.

    Returns:
        The rows of region_volume: for every structure one for left, right and both, or where the space has no
        midline one for both.
    """
    up = ancestors.subquery("up")
    edge_x, edge_y, edge_z = grid.edges_um
    parts = [_on_one_side(runs, grid)] if grid.first_right is None else [
        _on_one_side(runs, grid), _across_midline(runs, grid)
    ]  # fmt: skip
    # Otherwise the planner may read all runs once for every structure, of which it knows nothing.
    sides = sa.union_all(*parts).cte("sides").prefix_with("MATERIALIZED")
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


def whole_volume_mm3(runs: sa.Select[Any], grid: VoxelGrid) -> sa.Select[Any]:
    """The volume of everything in the brain, in mm³: of all runs, whatever their region."""
    run = runs.subquery("run").c
    edge = grid.edges_um[2]
    voxels = sa.func.sum(number_of(run.z_end, edge) - number_of(run.z, edge))
    return sa.select(sa.cast(voxels, sa.Double) * sa.literal(grid.voxel_mm3, sa.Double))


def number_of(coordinate: sa.ColumnElement[int], edge_um: float) -> sa.ColumnElement[int]:
    """The number of a voxel along an axis, of its coordinate in tables: `VoxelGrid.index` in SQL."""
    if edge_um == int(edge_um):  # an integer divided by a constant: a quarter of the time of round()
        return coordinate // sa.literal_column(str(int(edge_um)), sa.Integer)
    edge: sa.ColumnElement[Any] = sa.literal_column(f"'{edge_um!r}'::double precision", sa.Double())
    return sa.cast(sa.func.round(coordinate / edge), sa.Integer)


def _on_one_side(runs: sa.Select[Any], grid: VoxelGrid) -> sa.Select[Any]:
    """Sums of the runs that do not cross the midline, by region and side; of all where there is none."""
    run = _numbered(runs, grid, "run")
    if grid.first_right is None:
        return _sums(run, run.c, run.c, sa.false())
    middle = sa.literal_column(str(grid.first_right), sa.Integer)
    right = run.c.k >= middle
    return _sums(run, run.c, run.c, right).where(sa.or_(run.c.k_end <= middle, right))


def _across_midline(runs: sa.Select[Any], grid: VoxelGrid) -> sa.Select[Any]:
    """Sums of both parts of the runs that cross the midline, by region and side."""
    run = _numbered(runs, grid, "crossing")
    middle = sa.literal_column(str(grid.first_right), sa.Integer)
    left = sa.select(sa.false().label("right"), run.c.k.label("k"), middle.label("k_end"))
    right = sa.select(sa.true(), middle, run.c.k_end)
    part = sa.union_all(left.correlate(run), right.correlate(run)).lateral("part")
    crosses = sa.and_(run.c.k < middle, run.c.k_end > middle)
    return _sums(run.join(part, sa.true()), run.c, part.c, part.c.right).where(crosses)


def _numbered(runs: sa.Select[Any], grid: VoxelGrid, name: str) -> sa.Subquery:
    """The runs with the numbers of their voxels instead of coordinates: region_id, i, j, k, k_end."""
    run = runs.subquery(f"{name}_um").c
    edge_x, edge_y, edge_z = grid.edges_um
    return sa.select(
        run.region_id,
        number_of(run.x, edge_x).label("i"),
        number_of(run.y, edge_y).label("j"),
        number_of(run.z, edge_z).label("k"),
        number_of(run.z_end, edge_z).label("k_end"),
    ).subquery(name)


def _sums(
    source: sa.FromClause, run: _Columns, extent: _Columns, right: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    """What sizes and places are made of, in numbers of voxels, by region and side.

    Args:
        source: the runs, or their parts.
        run: has region_id, i and j.
        extent: has k and k_end, both on one side of the midline.
        right: whether that is the right one.
    """
    k, k_end = extent.k, extent.k_end
    length = k_end - k
    # One number for region and side: grouping by two columns takes a quarter longer.
    region = sa.cast(run.region_id, sa.BigInteger)
    key = sa.case((right, region + _RIGHT), else_=region)
    is_right = key >= _RIGHT // 2
    return (
        sa.select(
            sa.cast(sa.case((is_right, key - _RIGHT), else_=key), sa.Integer).label("region_id"),
            is_right.label("right"),
            # A run's are at most 2**27, an int; sums of int are exact in bigint.
            sa.func.sum(length).label("voxels"),
            sa.func.sum(run.i * length).label("sum_i"),
            sa.func.sum(run.j * length).label("sum_j"),
            sa.func.sum((k + k_end) * length).label("sum_two_k"),
            sa.func.min(run.i).label("min_i"),
            sa.func.max(run.i).label("max_i"),
            sa.func.min(run.j).label("min_j"),
            sa.func.max(run.j).label("max_j"),
            sa.func.min(k).label("min_k"),
            sa.func.max(k_end).label("max_k"),
        )
        .select_from(source)
        .group_by(key)
    )


_RIGHT = 2**32
"""Added to the numbers of regions, which have 32 bits with a sign, on the right."""
