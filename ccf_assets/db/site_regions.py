"""From sites to regions, as one query: the region of each site in each loaded atlas, or why it has none.

The same query serves the asset recording_region and a question about a single point. For many points in
memory see ccf.places, which gives the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.ccf.frames.maps import LARGEST, Frame
from ccf_assets.ccf.space import AXES
from ccf_assets.db import schema
from ccf_assets.db.frames import frame_rows, sql_to_ccf
from ccf_assets.db.loaded import select_loaded_atlases

_LINE_UM = 2**24
"""More than the width of any brain in µm: 16 m."""

RUNS_PER_SITE = 8
"""Up to so many, reading all runs takes less time than to look up each site; see `many_sites`."""

_relation = sa.table("pg_class", sa.column("oid"), sa.column("reltuples", sa.Float), schema="pg_catalog")


def given_sites(frame: str, ap: Sequence[float], dv: Sequence[float], ml: Sequence[float]) -> sa.Select[Any]:
    """Points that are not in a table, as `site_regions` takes sites: numbered from 0 as site_id."""
    columns = (sa.literal([float(v) for v in c], sa.ARRAY(sa.Double)) for c in (ap, dv, ml))
    points = (
        sa.func.unnest(*columns)
        .table_valued("ap", "dv", "ml", with_ordinality="number", name="point")
        .render_derived()
    )
    return sa.select(
        sa.literal("").label("recording_id"),
        (points.c.number - 1).label("site_id"),
        sa.type_coerce(points.c.ap, sa.Double).label("ap"),
        sa.type_coerce(points.c.dv, sa.Double).label("dv"),
        sa.type_coerce(points.c.ml, sa.Double).label("ml"),
        sa.literal(frame).label("frame"),
        sa.literal("").label("source"),
    )


def given_frame(frame: Frame) -> sa.FromClause:
    """A frame as its file describes it, which coordinate_frame need not, as `site_regions` takes frames."""
    (row,) = frame_rows({frame.name: frame})
    columns = schema.coordinate_frame.c
    return sa.select(*(sa.literal(v, columns[n].type).label(n) for n, v in row.items())).subquery("frame")


def site_regions(
    sites: sa.Select[Any],
    atlases: sa.Select[Any],
    frames: sa.FromClause = schema.coordinate_frame,
    *,
    lock_sites: bool = False,
    only_missing: bool = False,
    in_bulk: bool = False,
) -> sa.Select[Any]:
    """The region of each site in each atlas of the space of its frame; no such pair is left out.

    Args:
        sites: recording_id, site_id, ap, dv, ml, frame, source.
        atlases: as `select_loaded_atlases` gives them.
        frames: rows of coordinate_frame.
        lock_sites: let nobody change the sites (rows of recording_site) or their frames before the
            transaction ends. Otherwise a change made meanwhile would be overwritten with the region of the
            old place.
        only_missing: leave out what recording_region has already, of the atlases as they are now.
        in_bulk: look the sites up in arrays of all runs, see `many_sites`; the answer is the same.

    Returns:
        The rows of recording_region: a site that is in no region has a status that says why.
    """
    # Queried once, not once per site.
    loaded = atlases.cte("a").prefix_with("MATERIALIZED")
    if only_missing:  # before the sites are locked: of many sites, usually few are missing
        sites = _missing(sites, loaded)
    if lock_sites:
        sites, frames = _locked(sites, frames)
    placed = _placed(sites.subquery("s"), frames, loaded)
    voxel = _in_voxel(_on_surface(placed, only_missing=only_missing))
    return _with_status(_with_region(voxel, loaded, in_bulk=in_bulk))


def _missing(sites: sa.Select[Any], atlases: sa.CTE) -> sa.Select[Any]:
    """The sites that have no row for one of the atlases."""
    tables = sites.get_final_froms()
    site, frame = sites.selected_columns, schema.coordinate_frame.c
    of_space = sa.select(frame.space).where(frame.name == site.frame).correlate(*tables).scalar_subquery()
    lacks = sa.select(atlases.c.ccf_id).where(atlases.c.space == of_space, _lacks(site, atlases, *tables))
    return sites.where(lacks.correlate(*tables).exists())


def _locked(sites: sa.Select[Any], frames: sa.FromClause) -> tuple[sa.Select[Any], sa.FromClause]:
    """The sites and the frames, both locked to the end of the transaction."""
    site = sites.selected_columns
    # In order of the key, as others usually write them, so that two who wait do not wait for each other.
    sites = sites.order_by(*sorted_by_key(site)).with_for_update(read=True)
    # Each frame once, not once per site: locking a locked row takes time, too.
    return sites, sa.select(frames).with_for_update(read=True).cte("f").prefix_with("MATERIALIZED")


def sorted_by_key(site: sa.ColumnCollection[str, Any]) -> tuple[sa.ColumnElement[Any], ...]:
    """What to order some sites of recording_site by: its key, with which its index does not help.

    Otherwise the planner may walk the index past all other sites that there are, instead of sorting these.
    """
    return site.recording_id.concat(""), site.site_id


# The levels of the query, from the inside out. OFFSET 0 keeps each level a level: merged into one, every
# coordinate would be computed again wherever the next level names it, which takes seven times as long.


def _placed(sites: sa.Subquery, frames: sa.FromClause, atlases: sa.CTE) -> sa.Subquery:
    """Each site in each atlas, with x, y, z in CCF µm; y is the depth if dv is measured from the surface.

    Also frames without a site and sites without an atlas, which the next level leaves out.
    """
    s, f, a = sites.c, frames.c, atlases.c
    point = sql_to_ccf(f, s.ap, s.dv, s.ml, sa.literal(0))  # with a surface at 0, y is the depth below it
    given = (s.ap, s.dv, s.ml)
    not_a_number = sa.literal_column("'NaN'::double precision", sa.Double)
    nan = [sa.or_(c.is_(None), c == not_a_number) for c in given]
    infinite = sa.or_(*(sa.func.abs(c) > LARGEST for c in given))
    # Of a place, which nearly every site has, none of the coordinates is asked for twice.
    unknown = sa.case((sa.and_(*nan), "missing"), else_="invalid_nan")
    invalid = sa.case((sa.or_(*nan), unknown), (infinite, "invalid_infinite"))
    # Full, as in `_in_planes`: of a source that was just inserted beside many others, the planner expects one
    # site, and would read and lock all of its sites anew for each frame.
    meeting = sites.join(frames.join(atlases, a.space == f.space), f.name == s.frame, full=True)
    return (
        sa.select(
            s.recording_id, s.site_id, s.source, f.dv_from,
            a.ccf_id, *_grid(a), a.voxels_of, a.surface_of,
            point.x.label("x"), point.y.label("y"), point.z.label("z"), invalid.label("invalid"),
        )
        .select_from(meeting)
        .offset(0)
        .subquery("over")
    )  # fmt: skip


def _on_surface(placed: sa.Subquery, *, only_missing: bool) -> sa.Subquery:
    """The sites with y in CCF µm also where it was a depth; without coordinates where these are invalid."""
    there = sa.and_(placed.c.recording_id.is_not(None), placed.c.ccf_id.is_not(None))
    if only_missing:
        there &= _lacks(placed.c, placed)
    p, surface = placed.c, schema.brain_surface.c
    # Here and in the next levels a site looks up its one row, instead of a join: the planner knows nothing
    # yet of rows that were just inserted, and the join that it plans for a few of them took a minute for
    # 100,000. As a value, not as a lateral join, which takes a fifth longer.
    above = (
        sa.select(surface.y)
        .where(
            surface.ccf_id == p.ccf_id,
            surface.x == _voxel(p.x, p, "ap"),
            surface.z == _voxel(p.z, p, "ml"),
        )
        .scalar_subquery()
    )
    y = sa.case((p.dv_from == "surface", p.y + above), else_=p.y)
    valid = p.invalid.is_(None)
    return (
        sa.select(
            p.recording_id, p.site_id, p.source, p.invalid,
            p.ccf_id, *_grid(p), p.voxels_of, p.surface_of,
            *(sa.case((valid, c)).label(n) for n, c in (("x", p.x), ("y", y), ("z", p.z))),
        )
        .select_from(placed)
        .where(there)
        .offset(0)
        .subquery("in_ccf")
    )  # fmt: skip


def _in_voxel(in_ccf: sa.Subquery) -> sa.Subquery:
    """The sites with the voxel of each, as table coordinates; null outside the volume."""
    c = in_ccf.c
    return (
        sa.select(
            in_ccf,
            _voxel(c.x, c, "ap").label("voxel_x"),
            _voxel(c.y, c, "dv").label("voxel_y"),
            _voxel(c.z, c, "ml").label("voxel_z"),
        )
        .offset(0)
        .subquery("voxel")
    )


def _with_region(voxel: sa.Subquery, atlases: sa.CTE, *, in_bulk: bool) -> sa.Subquery:
    """The sites with their region_id; null outside the brain."""
    regions = _in_planes(voxel, atlases) if in_bulk else _one_by_one(voxel)
    return regions.offset(0).subquery("placed")


def _with_status(sites: sa.Subquery) -> sa.Select[Any]:
    """The rows of recording_region."""
    p = sites.c
    # A column without a surface (y is null) is beside the brain, inside the volume or not.
    in_volume = sa.and_(
        p.voxel_x.is_not(None), p.voxel_z.is_not(None), sa.or_(p.y.is_(None), p.voxel_y.is_not(None))
    )
    hemisphere = sa.case(
        (sa.not_(in_volume), None), (p.z >= p.midline_um, "right"), (p.z < p.midline_um, "left")
    )
    status = sa.case(
        (p.invalid.is_not(None), p.invalid),
        (sa.not_(in_volume), "outside_volume"),
        (p.region_id.is_(None), "outside_brain"),
        else_="assigned",
    )
    return sa.select(
        p.recording_id, p.site_id, p.ccf_id, p.x, p.y, p.z,
        hemisphere.label("hemisphere"), p.region_id, status.label("status"),
        p.source, p.voxels_of, p.surface_of,
    ).where(p.recording_id.is_not(None))  # fmt: skip


def many_sites(sites: sa.Select[Any]) -> sa.Select[bool]:
    """Whether there are so many ``sites`` that to read all runs of the loaded atlases pays.

    A site looked up by itself takes 4 µs, scattered over the brain; in arrays 1 µs, and these are made at
    0.3 µs for each run.
    """
    count = sa.select(sa.func.count()).select_from(sites.subquery()).scalar_subquery()
    runs = (
        sa.select(sa.func.sum(_relation.c.reltuples))
        .where(_relation.c.oid.in_(sa.select(select_loaded_atlases().subquery().c.voxels_of)))
        .scalar_subquery()
    )
    return sa.select(sa.func.coalesce(count * RUNS_PER_SITE > runs, sa.false()))


def _one_by_one(voxel: sa.Subquery) -> sa.Select[Any]:
    """``voxel`` and its region_id: one descent of the key for each, to the last run that begins before it."""
    v, run = voxel.c, schema.voxel_run.c
    last = (
        sa.select(sa.case((run.z_end > v.voxel_z, run.region_id)))
        .where(run.ccf_id == v.ccf_id, run.x == v.voxel_x, run.y == v.voxel_y, run.z <= v.voxel_z)
        .order_by(run.z.desc())
        .limit(1)
    )
    return sa.select(voxel, last.scalar_subquery().label("region_id"))


def _in_planes(voxel: sa.Subquery, atlases: sa.CTE) -> sa.Select[Any]:
    """``voxel`` and its region_id, out of arrays of all runs of each coronal plane of ``atlases``.

    A place in a plane is one number, so that the last run that begins at or before a voxel is one search.
    """
    v, run = voxel.c, schema.voxel_run.c
    wanted = _in_plane(v.voxel_y, v.voxel_z)
    begin, end = _in_plane(run.y, run.z), _in_plane(run.y, run.z_end)
    arrays = (
        sa.func.array_agg(postgresql.aggregate_order_by(c, run.y, run.z), type_=sa.ARRAY(of)).label(n)
        for n, c, of in (
            ("begin", begin, sa.BigInteger),
            ("end", end, sa.BigInteger),
            ("region_id", run.region_id, sa.Integer),
        )
    )
    runs = (
        sa.select(run.x, *arrays)
        .where(run.ccf_id == atlases.c.ccf_id)
        .group_by(run.x)
        .offset(0)
        .lateral("runs")
    )
    plane = sa.select(atlases.c.ccf_id, runs).join_from(atlases, runs, sa.true()).subquery("plane")
    at = sa.func.width_bucket(wanted, plane.c.begin, type_=sa.Integer)
    region = sa.case((plane.c.end[at] > wanted, plane.c.region_id[at]))
    same = sa.and_(plane.c.ccf_id == v.ccf_id, plane.c.x == v.voxel_x)
    # Full, which the planner can only hash or merge: expecting a few sites where many were just inserted, it
    # would loop over the arrays of all planes for each. `_with_status` leaves out the planes without a site.
    return sa.select(voxel, region.label("region_id")).join_from(voxel, plane, same, full=True)


def _in_plane(y: sa.ColumnElement[int], z: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """The place of a point (µm) in a coronal plane as one number, in the order of the key."""
    return sa.cast(y, sa.BigInteger) * _LINE_UM + z


def _lacks(
    site: sa.ColumnCollection[str, Any], atlas: sa.FromClause, *of: sa.FromClause
) -> sa.ColumnElement[bool]:
    """Whether a site, of the tables ``of``, has no row of an atlas as it is now (`select_loaded_atlases`).

    Looked up by its key, as in `_on_surface`, not joined: the planner knows nothing of rows just inserted.
    """
    region = schema.recording_region.c
    row = sa.select(sa.literal(1)).where(
        region.recording_id == site.recording_id,
        region.site_id == site.site_id,
        *(region[name] == atlas.c[name] for name in ("ccf_id", "voxels_of", "surface_of")),
    )
    return row.limit(1).correlate(atlas, *of).scalar_subquery().is_(None)


_GRID = (*(f"{what}_{axis}" for what in ("shape", "edge") for axis in AXES), "midline_um")
"""Columns of `select_loaded_atlases` that hold the grid of an atlas."""


def _grid(columns: Any) -> list[Any]:  # noqa: ANN401  (as in `sql_to_ccf`)
    """The grid of the atlas, handed on from one level of the query to the next."""
    return [columns[name] for name in _GRID]


def _voxel(coordinate: sa.ColumnElement[float], grid: Any, axis: str) -> sa.ColumnElement[int]:  # noqa: ANN401
    """The table coordinate (µm) of the voxel a coordinate falls in; null outside the volume, and for NaN.

    The operations are those of ccf.voxel_um and of `ccf.voxel_grid`.
    """
    edge, voxels = grid[f"edge_{axis}"], grid[f"shape_{axis}"]
    inside = sa.and_(coordinate >= 0, coordinate < voxels * edge)
    index = sa.func.least(sa.func.floor(coordinate / edge), voxels - 1, type_=sa.Double)
    return sa.case((inside, sa.cast(sa.func.floor(index * edge), sa.Integer)))
