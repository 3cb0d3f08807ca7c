"""Reading parts of a loaded atlas from the database: its runs, its surface, one plane, its grid, points.

What is computed from them is in ccf.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import sqlalchemy as sa

from ccf_assets.ccf.frames.maps import Floats, Frame
from ccf_assets.ccf.grid import Places, RegionGrid, of_runs, paint, voxel_place
from ccf_assets.ccf.planes import PLANES, Orientation, Plane, paint_plane, plane_index
from ccf_assets.ccf.region_id import source_ids, table_number
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.space import Status
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import schema, site_regions
from ccf_assets.db.loaded import LoadedAtlas, select_loaded_atlases
from ccf_assets.db.region_volumes import number_of
from ccf_assets.pg.arrow import read_arrow

if TYPE_CHECKING:
    import polars as pl

_NONE = np.empty(0, np.uint16)


Steps: TypeAlias = tuple[int, int, int]
"""How many voxels along AP, DV, ML one voxel of a coarser grid has."""

ALL: Steps = (1, 1, 1)

FIRST: Steps = (0, 0, 0)


def every(steps: Steps, grid: VoxelGrid) -> VoxelGrid:
    """The grid of every so many voxels along each axis; incomplete ones at the ends are left out."""
    ap, dv, ml = (voxels // step for voxels, step in zip(grid.shape, steps, strict=True))
    x, y, z = (edge * step for edge, step in zip(grid.edges_um, steps, strict=True))
    return dataclasses.replace(grid, shape=(ap, dv, ml), edges_um=(x, y, z))


def read_runs(
    url: sa.URL,
    atlas: LoadedAtlas,
    regions: Sequence[int] | None = None,
    steps: Steps = ALL,
    taken: Steps = FIRST,
    lines: tuple[range, range] | None = None,
) -> Runs:
    """The runs of an atlas, in voxel indices.

    Args:
        url: the database.
        atlas: the atlas.
        regions: ids of the regions whose runs are read, as the ontology has them; all if not given.
        steps: read only every so many voxels along each axis, with the indices of that coarser grid.
        taken: which of these voxels is read, along each axis: 0 is the first.
        lines: the indices along AP and DV, of that coarser grid, of the lines that are read; all if not
            given. They are looked up by the key of the table, and nothing else is read.
    """
    run, grid, some = schema.voxel_run.c, atlas.grid, steps != ALL
    coarse = every(steps, grid)
    (aps, dv, mls), edges = coarse.shape, grid.edges_um
    query = sa.select(run.x, run.y, run.z, run.z_end, run.region_id).where(run.ccf_id == atlas.ccf_id)
    if regions is not None:
        query = query.where(run.region_id.in_([table_number(region) for region in regions]))
    if lines is not None:
        across_ap, across_dv = (
            grid.coordinate(axis, np.array(numbers) * steps[axis] + taken[axis]).tolist()
            for axis, numbers in enumerate(lines)
        )
        # Of neighbours one range a plane is faster; of every second line each by itself, in half of the time.
        of_lines = run.y.in_(across_dv) if steps[1] > 1 else run.y.between(across_dv[0], across_dv[-1])
        query = query.where(run.x.in_(across_ap), of_lines)
    elif some:
        across = ((run.x, edges[0], steps[0]), (run.y, edges[1], steps[1]))
        query = query.where(
            *(number_of(c, edge) % step == one for (c, edge, step), one in zip(across, taken, strict=False))
        )
    line, z, z_end, region_id = [_NONE.astype("u4")], [_NONE], [_NONE], [_NONE.astype("u4")]
    for batch in read_arrow(url, query):
        xs, ys, *rest = (np.asarray(column) for column in batch.columns)
        i, j = grid.index(0, xs) // steps[0], grid.index(1, ys) // steps[1]
        # Rounded up: the first voxel of the coarser grid that is in the run, or behind it.
        k, k_end = (-((taken[2] - grid.index(2, c)) // steps[2]) for c in rest[:2])
        if some:  # the grid may have more voxels than the coarser one has room for
            there = (i < aps) & (j < dv)
            i, j, k, k_end = i[there], j[there], k[there], np.minimum(k_end[there], mls)
            rest[2] = rest[2][there]
        line.append((i * dv + j).astype("u4"))
        z.append(k.astype("u2"))
        z_end.append(k_end.astype("u2"))
        region_id.append(source_ids(np.ascontiguousarray(rest[2], np.int32)))
    runs = Runs(*map(np.concatenate, (line, z, z_end, region_id)))
    if some:
        runs = of_runs(runs, runs.z < runs.z_end)
    first = voxel_place(runs.line, runs.z, coarse)
    if (first[1:] > first[:-1]).all():  # the order in which they were loaded, and usually are stored
        return runs
    return of_runs(runs, np.argsort(first))


def read_surface(url: sa.URL, atlas: LoadedAtlas, steps: Steps = ALL) -> Floats:
    """The brain surface: shape (AP, ML), float64, CCF y in µm of each column's top, NaN without one.

    Arguments as for `read_runs`.
    """
    surface, grid = schema.brain_surface.c, atlas.grid
    aps, _, mls = every(steps, grid).shape
    heights = np.full((aps, mls), np.nan)
    query = sa.select(surface.x, surface.z, surface.y).where(surface.ccf_id == atlas.ccf_id)
    for batch in read_arrow(url, query):
        x, z, y = (np.asarray(column) for column in batch.columns)
        i, k = grid.index(0, x), grid.index(2, z)
        if steps != ALL:
            there = (i % steps[0] == 0) & (k % steps[2] == 0)
            there &= (i // steps[0] < aps) & (k // steps[2] < mls)
            i, k, y = i[there] // steps[0], k[there] // steps[2], y[there]
        heights[i, k] = y
    return heights


def plane(engine: sa.Engine, atlas: LoadedAtlas, orientation: Orientation, position_um: float) -> Plane:
    """One plane of a loaded atlas.

    Args:
        engine: the database.
        atlas: the atlas.
        orientation: how the plane lies.
        position_um: where, in CCF µm along AP (coronal), ML (sagittal) or DV (horizontal).

    Returns:
        Shape (DV, ML) of a coronal, (DV, AP) of a sagittal, (AP, ML) of a horizontal plane.

    Raises:
        CcfError: there is no such orientation, or the position is outside the volume.
    """
    run, grid = schema.voxel_run.c, atlas.grid
    axis = PLANES[orientation].normal if orientation in PLANES else 0
    index = plane_index(grid, orientation, position_um)
    place = int(grid.coordinate(axis, np.array([index]))[0])
    meets = {
        "coronal": run.x == place,
        "sagittal": sa.and_(run.z <= place, run.z_end > place),
        "horizontal": run.y == place,
    }[orientation]
    query = sa.select(run.x, run.y, run.z, run.z_end, run.region_id).where(run.ccf_id == atlas.ccf_id, meets)
    table = read_arrow(engine.url, query).read_all()
    x, y, z, z_end, numbers = (column.to_numpy() for column in table.columns)
    ids = source_ids(np.ascontiguousarray(numbers, np.int32))
    i, j, k, k_end = (grid.index(axis, c) for axis, c in ((0, x), (1, y), (2, z), (2, z_end)))
    return paint_plane(grid, orientation, i, j, k, k_end, ids)


def read_grid(url: sa.URL, atlas: LoadedAtlas) -> RegionGrid:
    """The grid of a loaded atlas; at 25 µm it takes 2 s, and 250 MB of memory meanwhile."""
    runs = read_runs(url, atlas)
    ids = np.union1d(np.zeros(1, np.uint32), runs.region_id)
    index = np.searchsorted(ids, runs.region_id).astype(np.uint16)
    return RegionGrid(atlas.grid, ids, paint(runs, index, atlas.grid))


POINTS_AT_ONCE = 100_000
"""Points in one statement."""


def asked_places(
    engine: sa.Engine, atlas: LoadedAtlas, frame: Frame, ap: Floats, dv: Floats, ml: Floats
) -> Places:
    """Where points lie, as the database answers: `RegionGrid.locate` without the volume in memory.

    Args:
        engine: the database.
        atlas: the atlas.
        frame: the frame of the coordinates, into the space of the atlas.
        ap: shape (N,): antero-posterior coordinates in the frame's unit and sign.
        dv: shape (N,): dorso-ventral coordinates.
        ml: shape (N,): medio-lateral coordinates.
    """
    of_atlas = select_loaded_atlases().where(schema.atlas.c.ccf_id == atlas.ccf_id)
    rows: list[Sequence[Any]] = []
    with engine.connect() as connection:
        for first in range(0, len(ap), POINTS_AT_ONCE):
            turn = slice(first, first + POINTS_AT_ONCE)
            sites = site_regions.given_sites(frame.name, *(c[turn].tolist() for c in (ap, dv, ml)))
            answer = site_regions.site_regions(sites, of_atlas, site_regions.given_frame(frame))
            row = answer.subquery().c
            columns = (row.x, row.y, row.z, row.status, sa.func.coalesce(row.region_id, 0))
            rows += connection.execute(sa.select(*columns).order_by(row.site_id)).all()
    ccf_um = np.array([row[:3] for row in rows], dtype=np.float64).reshape(-1, 3)
    status = np.array([Status[row[3].upper()] for row in rows], dtype=np.uint8)
    region_id = source_ids(np.array([row[4] for row in rows], dtype=np.int32))
    ids = np.union1d(np.zeros(1, np.uint32), region_id)
    index = np.searchsorted(ids, region_id).astype(np.uint16)
    return Places(ccf_um, status, ids, index, atlas.grid.midline_um)


_REGION_COLUMNS = ("region_id", "region_a", "region_b")
"""Columns of the answers of SQL that hold numbers of regions."""


def with_source_ids(found: pl.DataFrame) -> pl.DataFrame:
    """An answer of SQL with the ids of the ontology; a column with one beyond 2,147,483,647 is Int64."""
    import polars as pl

    large = [name for name in _REGION_COLUMNS if name in found.columns and (found[name] < 0).any()]
    return found.with_columns(
        pl.col(name).cast(pl.Int64) + pl.when(pl.col(name) < 0).then(2**32).otherwise(0) for name in large
    )
