"""How long the same questions take of runs and of rows, side by side.

Both tables of one atlas are loaded by the program, vacuumed, and asked in turns, warm, within the server:
every answer is folded into one line there, so that no time goes into carrying it to a client. The two
answers must be equal.

Run it with ``python -m benchmarks.questions_runs_vs_rows``.
"""

from __future__ import annotations

import time

import dagster as dg
import numpy as np
import sqlalchemy as sa

from benchmarks import _common
from benchmarks._common import median, say, table
from ccf_assets.assets import atlas
from ccf_assets.atlases import EXTENT_UM, AtlasEntry, atlas_entry

POINTS = 100_000
"""Points to find the region of, drawn evenly from the volume: more than half of them miss the brain."""

Question = tuple[str, str, str]
"""What is asked, in SQL of the runs and in SQL of the rows."""


def _questions(entry: AtlasEntry) -> list[Question]:
    r, ccf_id = entry.resolution_um, entry.ccf_id
    runs, rows = f"ccf.voxel_run WHERE ccf_id = {ccf_id}", f"ccf.voxel WHERE ccf_id = {ccf_id}"
    plane = EXTENT_UM[0] * 6 // 11 // r * r
    fold = "sum(hashint4(region_id)::bigint * (1 + y + 3 * z))"
    expanded = (
        f"SELECT y, s.z, region_id FROM ccf.voxel_run run, generate_series(run.z, z_end - {r}, {r}) s(z) "
        f"WHERE ccf_id = {ccf_id}"
    )
    of_points = "SELECT count(region_id), sum(region_id::bigint * (1 + mod(id, 7))) FROM point p LEFT JOIN"
    return [
        (
            "voxels per region, all regions",
            "SELECT count(*), sum(n * (1 + mod(region_id, 7))) FROM "
            f"(SELECT region_id, sum((z_end - z) / {r}) n FROM {runs} GROUP BY 1) q",
            "SELECT count(*), sum(n * (1 + mod(region_id, 7))) FROM "
            f"(SELECT region_id, count(*) n FROM {rows} GROUP BY 1) q",
        ),
        (
            "one coronal plane, as rows",
            f"SELECT count(*), {fold} FROM ({expanded} AND x = {plane}) q",
            f"SELECT count(*), {fold} FROM {rows} AND x = {plane}",
        ),
        (
            "one sagittal plane, as rows",
            f"SELECT count(*), sum(hashint4(region_id)::bigint * (1 + y)) FROM {runs} "
            f"AND z <= {plane} AND z_end > {plane}",
            f"SELECT count(*), sum(hashint4(region_id)::bigint * (1 + y)) FROM {rows} AND z = {plane}",
        ),
        (
            "every voxel, counted one by one",
            f"SELECT count(*) FROM ({expanded}) q",
            f"SELECT count(*) FROM {rows}",
        ),
        (
            f"region of {POINTS:,} points",
            f"{of_points} LATERAL (SELECT region_id, z_end FROM {runs} AND x = p.x AND y = p.y AND z <= p.z "
            "ORDER BY z DESC LIMIT 1) run ON z_end > p.z",
            f"{of_points} ccf.voxel v ON ccf_id = {ccf_id} AND (v.x, v.y, v.z) = (p.x, p.y, p.z)",
        ),
    ]


def _draw_points(connection: sa.Connection, entry: AtlasEntry) -> None:
    """A temporary table of points, each as the corner of its voxel."""
    voxels = np.random.default_rng(0).integers(0, entry.shape, (POINTS, 3)) * entry.resolution_um
    connection.exec_driver_sql("CREATE TEMP TABLE point (id int, x int, y int, z int)")
    raw = connection.connection.driver_connection
    with raw.cursor().copy("COPY point FROM STDIN") as copy:
        for number, voxel in enumerate(voxels.tolist()):
            copy.write_row((number, *voxel))
    connection.exec_driver_sql("ANALYZE point")


def _ask(connection: sa.Connection, query: str) -> tuple[float, tuple[object, ...]]:
    started = time.perf_counter()
    answer = connection.exec_driver_sql(query).one()
    return 1000 * (time.perf_counter() - started), tuple(answer)


def main() -> None:
    """Load, ask, print."""
    options = _common.options_of_questions(__doc__)
    _common.workplace()
    key = options.atlas or _common.default_atlas(25)
    entry = atlas_entry(key)
    resources = _common.resources()
    with dg.DagsterInstance.ephemeral() as instance:
        say(f"loading {key}, runs and rows")
        _common.load_atlas(_common.definitions(), instance, key)
        dg.materialize(
            [atlas.voxel_run, atlas.voxel],
            selection=[atlas.voxel],
            partition_key=key,
            instance=instance,
            resources=resources,
        )
    engine = resources["postgres"].create_engine().execution_options(isolation_level="AUTOCOMMIT")
    print(f"\n{key}: {_common.server(engine)}, {_common.machine()}; median of {options.repeat}\n")
    found = []
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE) ccf.voxel_run, ccf.voxel")
        _draw_points(connection, entry)
        for question, of_runs, of_rows in _questions(entry):
            say(question)
            _, answer = _ask(connection, of_runs)
            if _ask(connection, of_rows)[1] != answer:
                raise SystemExit(f"Runs and rows differ in: {question}")
            times = [
                (_ask(connection, of_runs)[0], _ask(connection, of_rows)[0]) for _ in range(options.repeat)
            ]
            runs, rows = (median(each) for each in zip(*times, strict=True))
            ratio = median([rows / runs for runs, rows in times])
            found.append([question, f"{rows:,.0f}", f"{runs:,.0f}", f"{ratio:.2f}"])
    print(table(["question", "rows, ms", "runs, ms", "rows ÷ runs"], found))


if __name__ == "__main__":
    main()
