"""From sites to regions, as one query: where each site lies in each loaded atlas, and why if nowhere.

The same query serves the asset recording_region and a question about a single point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets import schema
from ccf_assets.atlases import EXTENT_UM, MIDLINE_UM
from ccf_assets.frames import LARGEST, Frame, frame_rows, sql_to_ccf


def loaded_atlases() -> sa.Select[Any]:
    """The atlases whose voxels and surface are in the database; an atlas being loaded is not yet one.

    Returns:
        ccf_id, resolution (double precision, µm), voxels_of and surface_of (see recording_region), the
        finest atlas first and the phantoms last.
    """
    a = schema.atlas.c
    # One row of each, not EXISTS: that is planned as a join which reads every run, 0.7 s where this is 1 ms.
    voxels, surface = (
        sa.select(
            sa.cast(sa.literal_column(f"{rows.name}.tableoid", postgresql.OID), sa.BigInteger).label("of")
        )
        .select_from(rows)
        .where(rows.c.ccf_id == a.ccf_id)
        .limit(1)
        .lateral()
        for rows in (schema.voxel_run, schema.brain_surface)
    )
    return (
        sa.select(
            a.ccf_id,
            sa.cast(a.ccf_resolution, sa.Double).label("resolution"),
            voxels.c.of.label("voxels_of"),
            surface.c.of.label("surface_of"),
        )
        .select_from(schema.atlas.join(voxels, sa.true()).join(surface, sa.true()))
        # As ccf.default_atlas() orders them.
        .order_by(a.ccf_version.startswith("phantom"), a.ccf_resolution, a.ccf_id)
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


def given_frame(frame: Frame) -> sa.FromClause:
    """A frame as its file describes it, which coordinate_frame need not, as `registrations` takes frames."""
    (row,) = frame_rows({frame.name: frame})
    columns = schema.coordinate_frame.c
    return sa.select(*(sa.literal(v, columns[n].type).label(n) for n, v in row.items())).subquery("frame")


def registrations(
    sites: sa.Select[Any],
    atlases: sa.Select[Any],
    frames: sa.FromClause = schema.coordinate_frame,
    *,
    hold: bool = False,
    lacking: bool = False,
) -> sa.Select[Any]:
    """The region of each site in each atlas; no site is left out.

    Args:
        sites: recording_id, site_id, ap, dv, ml, frame, source.
        atlases: as `loaded_atlases` gives them.
        frames: rows of coordinate_frame.
        hold: let nobody change the sites (rows of recording_site) or their frames before the transaction
            ends. Else a change made while this runs would be overwritten with the region of the old place.
        lacking: leave out what recording_region has already, of the atlases as they are now.

    Returns:
        The rows of recording_region: a site that is in no region has a status that says why.
    """
    # Asked once, not once for each site.
    a = atlases.cte("a").prefix_with("MATERIALIZED")
    site = sites.selected_columns
    if lacking:  # before the sites are locked: of many sites mostly few lack anything
        of = sites.get_final_froms()
        sites = sites.where(sa.select(a.c.ccf_id).where(_lacks(site, a, *of)).correlate(*of).exists())
    if hold:
        # In order of the key, as others mostly write them, so that two who wait do not wait for each other.
        sites = sites.order_by(site.recording_id, site.site_id).with_for_update(read=True)
        # Each frame once, not once for each site: locking what is locked takes its time, too.
        frames = sa.select(frames).with_for_update(read=True).cte("f").prefix_with("MATERIALIZED")
    s, f = sites.subquery("s"), frames
    # OFFSET 0 keeps each level a level: merged into one, every coordinate would be computed anew wherever the
    # next level names it, which takes seven times as long. With a surface at 0, y is the depth below it.
    point = sql_to_ccf(f.c, s.c.ap, s.c.dv, s.c.ml, sa.literal(0))
    given = (s.c.ap, s.c.dv, s.c.ml)
    not_a_number = sa.literal_column("'NaN'::double precision", sa.Double)
    nan = sa.or_(*(c.is_(None) for c in given), *(c == not_a_number for c in given))
    infinite = sa.or_(*(sa.func.abs(c) > LARGEST for c in given))
    invalid = sa.case((nan, "invalid_nan"), (infinite, "invalid_infinite"))
    located = (
        sa.select(
            s.c.recording_id, s.c.site_id, s.c.source, f.c.dv_from,
            a.c.ccf_id, a.c.resolution, a.c.voxels_of, a.c.surface_of,
            point.x.label("x"), point.y.label("y"), point.z.label("z"), invalid.label("invalid"),
        )
        .join_from(s, f, f.c.name == s.c.frame)
        .join(a, _lacks(s.c, a, s) if lacking else sa.true())
        .offset(0)
    )  # fmt: skip
    over = located.subquery("over")
    o, surface = over.c, schema.brain_surface.c
    # Here and below a site looks up its one row, instead of a join: nothing is known yet of rows that were
    # just inserted, and the join that is planned for a few of them took a minute for 100,000.
    above = (
        sa.select(surface.y)
        .where(
            o.dv_from == "surface",
            surface.ccf_id == o.ccf_id,
            surface.x == _voxel(o.x, 0, o.resolution),
            surface.z == _voxel(o.z, 2, o.resolution),
        )
        .limit(1)
        .lateral("above")
    )
    y = o.y + sa.case((o.dv_from == "surface", above.c.y), else_=0)
    valid = o.invalid.is_(None)
    in_ccf = (
        sa.select(
            o.recording_id, o.site_id, o.source, o.invalid,
            o.ccf_id, o.resolution, o.voxels_of, o.surface_of,
            *(sa.case((valid, c)).label(n) for n, c in (("x", o.x), ("y", y), ("z", o.z))),
        )
        .select_from(over.outerjoin(above, sa.true()))
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
        sa.case((sa.not_(in_volume), None), (p.z >= MIDLINE_UM, "right"), (p.z < MIDLINE_UM, "left")).label(
            "hemisphere"
        ),
        region.label("region_id"),
        sa.case(
            (p.invalid.is_not(None), p.invalid),
            (sa.not_(in_volume), "outside_volume"),
            (region.is_(None), "outside_brain"),
            else_="assigned",
        ).label("status"),
        p.source,
        p.voxels_of,
        p.surface_of,
    ).select_from(voxel.outerjoin(last, sa.true()))


def _lacks(
    site: sa.ColumnCollection[str, Any], atlas: sa.FromClause, *of: sa.FromClause
) -> sa.ColumnElement[bool]:
    """Whether a site, of the tables ``of``, has no row of an atlas as it is now (loaded_atlases).

    Looked up by its key, as below, not joined: nothing is known of what was just inserted.
    """
    region = schema.recording_region.c
    row = sa.select(sa.literal(1)).where(
        region.recording_id == site.recording_id,
        region.site_id == site.site_id,
        *(region[name] == atlas.c[name] for name in ("ccf_id", "voxels_of", "surface_of")),
    )
    return row.limit(1).correlate(atlas, *of).scalar_subquery().is_(None)


def _voxel(
    coordinate: sa.ColumnElement[float], axis: int, resolution: sa.ColumnElement[float]
) -> sa.ColumnElement[int]:
    """The table coordinate (µm) of the voxel a coordinate falls in; null outside the volume, and for NaN."""
    inside = sa.and_(coordinate >= 0, coordinate < EXTENT_UM[axis])
    return sa.case((inside, sa.cast(sa.func.floor(coordinate / resolution) * resolution, sa.Integer)))
