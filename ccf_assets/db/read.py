"""Reading parts of a loaded atlas from the database: its runs, surface, planes, regions of voxels.

What is computed from them is in ccf.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.ccf.grid import joined, of_runs, paint, voxel_place
from ccf_assets.ccf.planes import PLANES, Orientation, Plane, paint_plane, plane_index
from ccf_assets.ccf.region_id import source_ids, table_number
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.ccf.voxel_regions import LARGEST_DENSE, RegionGrid, RegionRuns
from ccf_assets.db import schema
from ccf_assets.db.loaded import LoadedAtlas
from ccf_assets.pg.arrow import read_arrow

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

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
    query = sa.select(*packed_runs()).where(run.ccf_id == atlas.ccf_id)
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
    parts: list[Runs] = []
    for x, y, begin, behind, numbers in unpacked_runs(read_arrow(url, query)):
        i, j = grid.index(0, x) // steps[0], grid.index(1, y) // steps[1]
        # Rounded up: the first voxel of the coarser grid that is in the run, or behind it.
        k, k_end = (-((taken[2] - grid.index(2, c)) // steps[2]) for c in (begin, behind))
        if some:  # the grid may have more voxels than the coarser one has room for
            there = (i < aps) & (j < dv)
            i, j, k, k_end = i[there], j[there], k[there], np.minimum(k_end[there], mls)
        ids = source_ids(numbers[there] if some else numbers)
        parts.append(Runs((i * dv + j).astype("u4"), k.astype("u2"), k_end.astype("u2"), ids))
    runs = joined(parts)
    if some:
        runs = of_runs(runs, runs.z < runs.z_end)
    first = voxel_place(runs.line, runs.z, coarse)
    if (first[1:] > first[:-1]).all():  # the order in which they were loaded, and usually are stored
        return runs
    return of_runs(runs, np.argsort(first))


def number_of(coordinate: sa.ColumnElement[int], edge_um: float) -> sa.ColumnElement[int]:
    """The number of a voxel along an axis, of its coordinate in tables: `VoxelGrid.index` in SQL."""
    if edge_um == int(edge_um):  # an integer divided by a constant: a quarter of the time of round()
        return coordinate // sa.literal_column(str(int(edge_um)), sa.Integer)
    edge: sa.ColumnElement[Any] = sa.literal_column(f"'{edge_um!r}'::double precision", sa.Double())
    return sa.cast(sa.func.round(coordinate / edge), sa.Integer)


_BITS = 20
"""Of a coordinate in a table, µm: a volume is at most a metre wide (LARGEST_UM)."""


_RUNS_AT_ONCE = 8_192
"""Runs unpacked in one turn; as with `places.POINTS_AT_ONCE`, larger arrays would be new memory each time."""


def packed_runs() -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
    """The runs in two numbers of 64 bits each, for `unpacked_runs`.

    The server encodes, and the driver decodes, each value by itself: of five columns reading takes twice as
    much of the time of both.
    """
    run = schema.voxel_run.c
    wide = sa.literal_column(f"{1 << _BITS}::bigint", sa.BigInteger)
    behind = sa.cast(run.z_end, sa.BigInteger).op("<<")(sa.literal_column("32"))
    return ((run.x * wide + run.y) * wide + run.z).label("place"), (behind + run.region_id).label("rest")


def unpacked_runs(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """x, y, z, z_end as int64, and region_id as int32, of what `packed_runs` selects, some runs at a time."""
    mask = (1 << _BITS) - 1
    for batch in batches:
        places, rests = map(_as_numpy, batch.columns)
        for begin in range(0, len(places), _RUNS_AT_ONCE):
            turn = slice(begin, begin + _RUNS_AT_ONCE)
            place, rest = places[turn], rests[turn]
            region_id = rest.astype(np.int32)  # the lower half
            x, y, z = place >> 2 * _BITS, place >> _BITS & mask, place & mask
            yield x, y, z, (rest - region_id) >> 32, region_id


def _as_numpy(column: pa.Array) -> npt.NDArray[Any]:
    """A column of numbers without nulls, not copied; Arrow's own to_numpy imports pandas, for 0.2 s."""
    return np.from_dlpack(column)


def read_surface(url: sa.URL, atlas: LoadedAtlas, steps: Steps = ALL) -> Floats:
    """The brain surface: shape (AP, ML), float64, CCF y in µm of each column's top, NaN without one.

    Arguments as for `read_runs`.
    """
    surface, grid = schema.brain_surface.c, atlas.grid
    aps, _, mls = every(steps, grid).shape
    heights = np.full((aps, mls), np.nan)
    query = sa.select(surface.x, surface.z, surface.y).where(surface.ccf_id == atlas.ccf_id)
    for batch in read_arrow(url, query):
        x, z, y = map(_as_numpy, batch.columns)
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
    x, y, z, z_end, numbers = (_as_numpy(column.combine_chunks()) for column in table.columns)
    ids = source_ids(np.ascontiguousarray(numbers, np.int32))
    i, j, k, k_end = (grid.index(axis, c) for axis, c in ((0, x), (1, y), (2, z), (2, z_end)))
    return paint_plane(grid, orientation, i, j, k, k_end, ids)


def read_regions(url: sa.URL, atlas: LoadedAtlas) -> RegionGrid | RegionRuns:
    """The region of every voxel of a loaded atlas: 1.2 s and 154 MB at 25 µm, 5 s and 120 MB at 10 µm."""
    runs, grid = read_runs(url, atlas), atlas.grid
    ids = np.union1d(np.zeros(1, np.uint32), runs.region_id)
    index = np.searchsorted(ids, runs.region_id).astype(np.uint16)
    if math.prod(grid.shape) <= LARGEST_DENSE:
        return RegionGrid(grid, ids, paint(runs, index, grid))
    start = np.searchsorted(runs.line, np.arange(grid.shape[0] * grid.shape[1] + 1, dtype=np.uint32))
    return RegionRuns(grid, ids, start, runs.z, runs.z_end, index)


_REGION_COLUMNS = ("region_id", "region_a", "region_b")
"""Columns of the answers of SQL that hold numbers of regions."""


def with_source_ids(found: pl.DataFrame) -> pl.DataFrame:
    """An answer of SQL with the ids of the ontology; a column with one beyond 2,147,483,647 is Int64."""
    import polars as pl

    large = [name for name in _REGION_COLUMNS if name in found.columns and (found[name] < 0).any()]
    return found.with_columns(
        pl.col(name).cast(pl.Int64) + pl.when(pl.col(name) < 0).then(2**32).otherwise(0) for name in large
    )
