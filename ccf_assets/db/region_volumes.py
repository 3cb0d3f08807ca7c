"""The table region_volume as a query over runs and ancestors; pure functions from queries to queries."""

from __future__ import annotations

from typing import Any, TypeAlias

import sqlalchemy as sa

from ccf_assets.ccf.space import HEMISPHERES, MIDLINE_UM

_MM3_PER_UM3 = 1e-9

_MIDLINE = sa.literal_column(str(MIDLINE_UM), sa.Integer)

_Columns: TypeAlias = "sa.ColumnCollection[str, sa.ColumnElement[Any]]"


def region_volumes(runs: sa.Select[Any], ancestors: sa.Select[Any], resolution_um: int) -> sa.Select[Any]:
    """Size and place of every structure by hemisphere.

    A run that crosses the midline counts to each side with the voxels it has there. Everything is summed
    per painted region first (700 rows a side), and rolled up after. The few runs that cross are looked at by
    themselves: to cut every run in two as if it might takes three times as long.

    Args:
        runs: rows of voxel_run of one atlas.
        ancestors: rows of region_ancestor of the same atlas.
        resolution_um: edge of a voxel in µm.

    Returns:
        The rows of region_volume: for every structure one for left, right and both.
    """
    up = ancestors.subquery("up")
    mm3 = resolution_um**3 * _MM3_PER_UM3
    half = resolution_um / 2
    sides = sa.union_all(_on_one_side(runs, resolution_um), _across_midline(runs, resolution_um)).cte("sides")
    hemispheres = sa.values(sa.column("hemisphere", sa.Text), name="hemispheres").data(
        [(hemisphere,) for hemisphere in HEMISPHERES]
    )
    painted = sa.and_(
        sides.c.region_id == up.c.region_id,
        hemispheres.c.hemisphere.in_([sa.case((sides.c.right, "right"), else_="left"), "both"]),
    )
    total = sa.func.coalesce(sa.func.sum(sides.c.voxels), 0)
    own = sa.func.coalesce(sa.func.sum(sides.c.voxels).filter(up.c.region_id == up.c.ancestor_id), 0)
    count = sa.cast(sa.func.sum(sides.c.voxels), sa.Double)
    return (
        sa.select(
            up.c.ccf_id,
            up.c.ancestor_id.label("region_id"),
            hemispheres.c.hemisphere,
            sa.cast(own, sa.BigInteger).label("own_voxels"),
            (own * sa.literal(mm3, sa.Double)).label("own_mm3"),
            sa.cast(total, sa.BigInteger).label("voxels"),
            (total * sa.literal(mm3, sa.Double)).label("volume_mm3"),
            (sa.func.sum(sides.c.sum_x) / count + half).label("centroid_x"),
            (sa.func.sum(sides.c.sum_y) / count + half).label("centroid_y"),
            (sa.func.sum(sides.c.sum_two_z) / count / 2).label("centroid_z"),
            sa.func.min(sides.c.min_x).label("min_x"),
            (sa.func.max(sides.c.max_x) + resolution_um).label("max_x"),
            sa.func.min(sides.c.min_y).label("min_y"),
            (sa.func.max(sides.c.max_y) + resolution_um).label("max_y"),
            sa.func.min(sides.c.min_z).label("min_z"),
            sa.func.max(sides.c.max_z).label("max_z"),
        )
        .select_from(up.join(hemispheres, sa.true()).outerjoin(sides, painted))
        .group_by(up.c.ccf_id, up.c.ancestor_id, hemispheres.c.hemisphere)
    )


def whole_volume_mm3(runs: sa.Select[Any], resolution_um: int) -> sa.Select[Any]:
    """The volume of everything in the brain, in mm³: of all runs, whatever their region."""
    run = runs.subquery("run")
    length_um = sa.func.sum(run.c.z_end - run.c.z)
    return sa.select(sa.cast(length_um, sa.Double) * resolution_um**2 / 1e9)


def _on_one_side(runs: sa.Select[Any], resolution_um: int) -> sa.Select[Any]:
    """Sums of the runs that do not cross the midline, by region and side."""
    run = runs.subquery("run")
    right = run.c.z >= _MIDLINE
    return _sums(run, run.c, run.c, right, resolution_um).where(sa.or_(run.c.z_end <= _MIDLINE, right))


def _across_midline(runs: sa.Select[Any], resolution_um: int) -> sa.Select[Any]:
    """Sums of both parts of the runs that cross the midline, by region and side."""
    run = runs.subquery("crossing")
    left = sa.select(sa.false().label("right"), run.c.z.label("z"), _MIDLINE.label("z_end"))
    right = sa.select(sa.true(), _MIDLINE, run.c.z_end)
    part = sa.union_all(left.correlate(run), right.correlate(run)).lateral("part")
    crosses = sa.and_(run.c.z < _MIDLINE, run.c.z_end > _MIDLINE)
    return _sums(run.join(part, sa.true()), run.c, part.c, part.c.right, resolution_um).where(crosses)


def _sums(
    source: sa.FromClause,
    run: _Columns,
    extent: _Columns,
    right: sa.ColumnElement[bool],
    resolution_um: int,
) -> sa.Select[Any]:
    """What sizes and places are made of, by region and side.

    Args:
        source: the runs, or their parts.
        run: has region_id, x and y.
        extent: has z and z_end, both on one side of the midline.
        right: whether that is the right one.
        resolution_um: edge of a voxel in µm.
    """
    z, z_end = extent.z, extent.z_end
    length = z_end - z
    voxel = sa.literal_column(str(resolution_um), sa.Integer)
    # One number for region and side: grouping by two columns takes a quarter longer. Ids are above 0.
    key = sa.case((right, -run.region_id), else_=run.region_id)
    return (
        sa.select(
            sa.func.abs(key).label("region_id"),
            (key < 0).label("right"),
            # Of µm and µm², divided once. A run's are at most 2.6e8, an int; sums of int are exact in bigint.
            (sa.func.sum(length) // voxel).label("voxels"),
            (sa.func.sum(run.x * length) // voxel).label("sum_x"),
            (sa.func.sum(run.y * length) // voxel).label("sum_y"),
            (sa.func.sum((z + z_end) * length) // voxel).label("sum_two_z"),
            sa.func.min(run.x).label("min_x"),
            sa.func.max(run.x).label("max_x"),
            sa.func.min(run.y).label("min_y"),
            sa.func.max(run.y).label("max_y"),
            sa.func.min(z).label("min_z"),
            sa.func.max(z_end).label("max_z"),
        )
        .select_from(source)
        .group_by(key)
    )
