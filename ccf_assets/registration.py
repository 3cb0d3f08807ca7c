"""From sites to regions, as one query: where each site lies in each loaded atlas, and why if nowhere.

The same query serves the asset recording_region and a question about a single point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ccf_assets import schema
from ccf_assets.atlases import EXTENT_UM, MIDLINE_UM
from ccf_assets.frames import LARGEST, sql_to_ccf


def loaded_atlases() -> sa.Select[Any]:
    """The atlases whose voxels and surface are in the database; an atlas being loaded is not yet one.

    Returns:
        ccf_id and resolution (double precision, µm).
    """
    a, run, surface = schema.atlas.c, schema.voxel_run.c, schema.brain_surface.c
    return sa.select(a.ccf_id, sa.cast(a.ccf_resolution, sa.Double).label("resolution")).where(
        sa.exists().where(run.ccf_id == a.ccf_id), sa.exists().where(surface.ccf_id == a.ccf_id)
    )


def given_sites(frame: str, ap: Sequence[float], dv: Sequence[float], ml: Sequence[float]) -> sa.Select[Any]:
    """Points that are not in a table, as `registrations` takes sites: numbered from 0 as site_id."""
    columns = (sa.literal([float(v) for v in c], sa.ARRAY(sa.Double)) for c in (ap, dv, ml))
    points = (
        sa.func.unnest(*columns)
        .table_valued("ap", "dv", "ml", with_ordinality="number", name="point")
        .render_derived()
    )
    return sa.select(
        sa.literal("").label("recording_id"),
        sa.cast(points.c.number - 1, sa.Integer).label("site_id"),
        sa.type_coerce(points.c.ap, sa.Double).label("ap"),
        sa.type_coerce(points.c.dv, sa.Double).label("dv"),
        sa.type_coerce(points.c.ml, sa.Double).label("ml"),
        sa.literal(frame).label("frame"),
        sa.literal("").label("source"),
    )


def registrations(sites: sa.Select[Any], atlases: sa.Select[Any]) -> sa.Select[Any]:
    """The region of each site in each atlas; no site is left out.

    Args:
        sites: recording_id, site_id, ap, dv, ml, frame, source.
        atlases: ccf_id, resolution, as `loaded_atlases` gives them.

    Returns:
        The rows of recording_region: a site that is in no region has a status that says why.
    """
    s, a, f = sites.subquery("s"), atlases.subquery("a"), schema.coordinate_frame
    # OFFSET 0 keeps each level a level: merged into one, every coordinate would be computed anew wherever the
    # next level names it, which takes seven times as long. With a surface at 0, y is the depth below it.
    point = sql_to_ccf(f.c, s.c.ap, s.c.dv, s.c.ml, sa.literal(0))
    nan = sa.or_(*(c == sa.literal_column("'NaN'::double precision") for c in (s.c.ap, s.c.dv, s.c.ml)))
    infinite = sa.or_(*(sa.func.abs(c) > LARGEST for c in (s.c.ap, s.c.dv, s.c.ml)))
    invalid = sa.case((nan, "invalid_nan"), (infinite, "invalid_infinite"))
    over = (
        sa.select(
            s.c.recording_id, s.c.site_id, s.c.source, a.c.ccf_id, a.c.resolution, f.c.dv_from,
            point.x.label("x"), point.y.label("y"), point.z.label("z"), invalid.label("invalid"),
        )
        .join_from(s, f, f.c.name == s.c.frame)
        .join(a, sa.true())
        .offset(0)
        .subquery("over")
    )  # fmt: skip
    o, surface = over.c, schema.brain_surface.c
    above = sa.and_(
        o.dv_from == "surface",
        surface.ccf_id == o.ccf_id,
        surface.x == _voxel(o.x, 0, o.resolution),
        surface.z == _voxel(o.z, 2, o.resolution),
    )
    y = o.y + sa.case((o.dv_from == "surface", surface.y), else_=0)
    valid = o.invalid.is_(None)
    in_ccf = (
        sa.select(
            o.recording_id, o.site_id, o.source, o.ccf_id, o.resolution, o.invalid,
            sa.case((valid, o.x)).label("x"), sa.case((valid, y)).label("y"), sa.case((valid, o.z)).label("z"),
        )
        .select_from(over.outerjoin(schema.brain_surface, above))
        .offset(0)
        .subquery("in_ccf")
    )  # fmt: skip
    c = in_ccf.c
    voxel = (
        sa.select(
            in_ccf,
            _voxel(c.x, 0, c.resolution).label("voxel_x"),
            _voxel(c.y, 1, c.resolution).label("voxel_y"),
            _voxel(c.z, 2, c.resolution).label("voxel_z"),
        )
        .offset(0)
        .subquery("voxel")
    )
    p, run = voxel.c, schema.voxel_run.c
    # One descent of the primary key: the last run on the line that begins at or before the voxel.
    last = (
        sa.select(run.region_id, run.z_end)
        .where(run.ccf_id == p.ccf_id, run.x == p.voxel_x, run.y == p.voxel_y, run.z <= p.voxel_z)
        .order_by(run.z.desc())
        .limit(1)
        .lateral("run")
    )
    region = sa.case((last.c.z_end > p.voxel_z, last.c.region_id))
    # A column without a surface (y is null) is beside the brain, inside the volume or not.
    in_volume = sa.and_(
        p.voxel_x.is_not(None), p.voxel_z.is_not(None), sa.or_(p.y.is_(None), p.voxel_y.is_not(None))
    )
    return sa.select(
        p.recording_id,
        p.site_id,
        p.ccf_id,
        p.x,
        p.y,
        p.z,
        sa.case((p.z >= MIDLINE_UM, "right"), (p.z < MIDLINE_UM, "left")).label("hemisphere"),
        region.label("region_id"),
        sa.case(
            (p.invalid.is_not(None), p.invalid),
            (sa.not_(in_volume), "outside_volume"),
            (region.is_(None), "outside_brain"),
            else_="assigned",
        ).label("status"),
        p.source,
    ).select_from(voxel.outerjoin(last, sa.true()))


def _voxel(
    coordinate: sa.ColumnElement[float], axis: int, resolution: sa.ColumnElement[float]
) -> sa.ColumnElement[int]:
    """The table coordinate (µm) of the voxel a coordinate falls in; null outside the volume, and for NaN."""
    inside = sa.and_(coordinate >= 0, coordinate < EXTENT_UM[axis])
    return sa.case((inside, sa.cast(sa.func.floor(coordinate / resolution) * resolution, sa.Integer)))
