"""Derived tables, written as SQL over their inputs; pure functions from queries to queries."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ccf_assets.atlases import MIDLINE_UM
from ccf_assets.schema import HEMISPHERES

_MM3_PER_UM3 = 1e-9


def voxels(runs: sa.Select[Any], resolution_um: int) -> sa.Select[Any]:
    """Every voxel of the runs, ordered as they are.

    Args:
        runs: rows of voxel_run.
        resolution_um: edge of a voxel in µm.

    Returns:
        ccf_id, x, y, z, region_id: rows of voxel.
    """
    run = runs.subquery("run")
    steps = sa.func.generate_series(run.c.z, run.c.z_end - resolution_um, resolution_um)
    step = steps.table_valued("z", name="step").render_derived()
    return sa.select(run.c.ccf_id, run.c.x, run.c.y, step.c.z, run.c.region_id).select_from(
        run.join(step, sa.true())
    )


def region_volumes(runs: sa.Select[Any], ancestors: sa.Select[Any], resolution_um: int) -> sa.Select[Any]:
    """Size and place of every structure by hemisphere.

    A run that crosses the midline counts to each side with the voxels it has there. Everything is summed
    per painted region first (700 rows a side), and rolled up after, so the runs are read once.

    Args:
        runs: rows of voxel_run of one atlas.
        ancestors: rows of region_ancestor of the same atlas.
        resolution_um: edge of a voxel in µm.

    Returns:
        The rows of region_volume: for every structure one for left, right and both.
    """
    run, up = runs.subquery("run"), ancestors.subquery("up")
    mm3 = resolution_um**3 * _MM3_PER_UM3
    half = resolution_um / 2
    midline = sa.literal(MIDLINE_UM, sa.Integer)
    left = sa.select(
        sa.literal("left").label("hemisphere"),
        run.c.z.label("z"),
        sa.func.least(run.c.z_end, midline).label("z_end"),
    )
    right = sa.select(sa.literal("right"), sa.func.greatest(run.c.z, midline), run.c.z_end)
    part = sa.union_all(left.correlate(run), right.correlate(run)).lateral("part")
    n = (part.c.z_end - part.c.z) // resolution_um
    sides = (
        sa.select(
            run.c.region_id,
            part.c.hemisphere,
            sa.func.sum(n).label("voxels"),
            # One run's µm times voxels are at most 2.6e7, an int; sums of int are exact in bigint.
            sa.func.sum(run.c.x * n).label("sum_x"),
            sa.func.sum(run.c.y * n).label("sum_y"),
            sa.func.sum((part.c.z + part.c.z_end) * n).label("sum_two_z"),
            sa.func.min(run.c.x).label("min_x"),
            sa.func.max(run.c.x).label("max_x"),
            sa.func.min(run.c.y).label("min_y"),
            sa.func.max(run.c.y).label("max_y"),
            sa.func.min(part.c.z).label("min_z"),
            sa.func.max(part.c.z_end).label("max_z"),
        )
        .select_from(run.join(part, sa.true()))
        .where(part.c.z < part.c.z_end)
        .group_by(run.c.region_id, part.c.hemisphere)
        .cte("sides")
    )
    hemispheres = sa.values(sa.column("hemisphere", sa.Text), name="hemispheres").data(
        [(hemisphere,) for hemisphere in HEMISPHERES]
    )
    painted = sa.and_(
        sides.c.region_id == up.c.region_id,
        hemispheres.c.hemisphere.in_([sides.c.hemisphere, "both"]),
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
