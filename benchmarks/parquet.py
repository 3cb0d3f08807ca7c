"""The same questions to files in place of a database: DuckDB and polars over Parquet.

A reader is to see when a database is not the answer: for one person and one machine a file of the runs, and
one of the hierarchy, answer a question about all regions or about very many points as well. Both files are
written before the clock starts; opening and reading them is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import sqlalchemy as sa

from benchmarks.measuring import Sample, Way, apart
from benchmarks.place import Place
from benchmarks.volumes import Volume
from ccf_assets.db import schema
from ccf_assets.pg.arrow import read_arrow

Volumes = Mapping[int, int]
"""Region id → its voxels, with all inside it."""


@dataclass(frozen=True)
class Files:
    """An atlas in Parquet.

    Attributes:
        runs: x, y, z, z_end, region_id in µm, ordered by x, y, z.
        ancestors: region_id, ancestor_id.
    """

    runs: Path
    ancestors: Path


def files_of(place: Place, volume: Volume) -> Files:
    """The Parquet files of a loaded atlas, written if they are not there yet."""
    folder, ccf_id = place.folder / "parquet", volume.entry.ccf_id
    files = Files(folder / f"runs_{ccf_id}.parquet", folder / f"ancestors_{ccf_id}.parquet")
    run, up = schema.voxel_run.c, schema.region_ancestor.c
    queries = {
        files.runs: sa.select(run.x, run.y, run.z, run.z_end, run.region_id)
        .where(run.ccf_id == ccf_id)
        .order_by(run.x, run.y, run.z),
        files.ancestors: sa.select(up.region_id, up.ancestor_id).where(up.ccf_id == ccf_id),
    }
    folder.mkdir(exist_ok=True)
    for path, query in queries.items():
        if not path.exists():
            pl.DataFrame(read_arrow(place.engine.url, query).read_all()).write_parquet(path)
    return files


# ---- the voxels of all regions


def volume_ways(files: Files, edge_um: int, expected: Volumes) -> list[Way]:
    """DuckDB and polars asked for the voxels of every region with all inside it."""
    return [
        Way(f"{name} over Parquet", partial(_volumes, ask, files, edge_um, expected), needs)
        for name, ask, needs in (("DuckDB", _duckdb_volumes, "duckdb"), ("polars", _polars_volumes, "polars"))
    ]


def _volumes(ask: Callable[[Files, int], Volumes], files: Files, edge_um: int, expected: Volumes) -> Sample:
    found, seconds = apart(_timed, ask, files, edge_um)
    if found != expected:
        raise RuntimeError("The voxels per region, and those from Parquet, differ.")
    return Sample(seconds)


def _timed(ask: Callable[..., object], *arguments: object) -> tuple[object, float]:
    """The answer, and the seconds of the second of two calls: the first imports, and reads from the disk."""
    ask(*arguments)
    started = time.perf_counter()
    found = ask(*arguments)
    return found, time.perf_counter() - started


def _duckdb_volumes(files: Files, edge_um: int) -> Volumes:
    import duckdb

    answer = duckdb.connect().execute(
        "SELECT ancestor_id, CAST(sum(voxels) AS BIGINT) FROM "
        "(SELECT region_id, sum(z_end - z) // ? AS voxels FROM read_parquet(?) GROUP BY region_id) "
        "JOIN read_parquet(?) USING (region_id) GROUP BY ancestor_id",
        [edge_um, str(files.runs), str(files.ancestors)],
    )
    return {int(region): int(voxels) for region, voxels in answer.fetchall()}


def _polars_volumes(files: Files, edge_um: int) -> Volumes:
    length = (pl.col("z_end") - pl.col("z")).cast(pl.Int64).sum()
    own = pl.scan_parquet(files.runs).group_by("region_id").agg((length // edge_um).alias("voxels"))
    joined = own.join(pl.scan_parquet(files.ancestors), on="region_id")
    return dict(joined.group_by("ancestor_id").agg(pl.col("voxels").sum()).collect().iter_rows())


# ---- the regions of points

Corners = npt.NDArray[np.int64]
"""Shape (N, 3): x, y, z of the voxels that points are in, µm."""


def lookup_ways(files: Files, corners: Corners, expected: npt.NDArray[np.int64]) -> list[Way]:
    """DuckDB and polars asked for the region of each point, as a join with the run that begins before it."""
    return [
        Way(f"{name} over Parquet", partial(_lookups, ask, files, corners, expected), needs)
        for name, ask, needs in (("DuckDB", _duckdb_lookups, "duckdb"), ("polars", _polars_lookups, "polars"))
    ]


def _lookups(
    ask: Callable[[Files, Corners], npt.NDArray[np.int64]],
    files: Files,
    corners: Corners,
    expected: npt.NDArray[np.int64],
) -> Sample:
    found, seconds = apart(_timed, ask, files, corners)
    if not np.array_equal(np.asarray(found), expected):
        raise RuntimeError("The regions of points, and those from Parquet, differ.")
    return Sample(seconds)


def _points(corners: Corners) -> pl.DataFrame:
    columns = {name: corners[:, axis].astype(np.int32) for axis, name in enumerate("xyz")}
    return pl.DataFrame(columns).with_row_index("number")


def _duckdb_lookups(files: Files, corners: Corners) -> npt.NDArray[np.int64]:
    import duckdb

    connection = duckdb.connect()
    connection.register("point", _points(corners).to_arrow())
    answer = connection.execute(
        "SELECT p.number, CASE WHEN r.z_end > p.z THEN r.region_id ELSE 0 END AS region_id FROM point AS p "
        "ASOF LEFT JOIN read_parquet(?) AS r ON p.x = r.x AND p.y = r.y AND p.z >= r.z",
        [str(files.runs)],
    ).fetchnumpy()
    return _by_number(np.asarray(answer["number"]), np.asarray(answer["region_id"]))


def _polars_lookups(files: Files, corners: Corners) -> npt.NDArray[np.int64]:
    runs = pl.scan_parquet(files.runs)
    points = _points(corners).lazy().sort("z")
    met = points.join_asof(runs.sort("z"), on="z", by=["x", "y"], check_sortedness=False)
    inside = pl.when(pl.col("z_end") > pl.col("z")).then(pl.col("region_id")).otherwise(0)
    answer = met.select("number", inside.fill_null(0).alias("region_id")).collect()
    return _by_number(answer["number"].to_numpy(), answer["region_id"].to_numpy())


def _by_number(number: npt.NDArray[np.generic], region_id: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """The regions in the order of the points."""
    found = np.empty(len(number), np.int64)
    found[number.astype(np.intp)] = region_id
    return found
