"""How long an atlas takes to load as runs and as rows, side by side.

Four ways, in turns, each from its source to the attached, keyed and analysed partition:

* runs: the program's own asset ``voxel_run``, from the NRRD file;
* rows, server-side: COPY of a ready binary file that the server reads itself, the fastest way there is to
  bring rows, with the keys of the table ``voxel``. What it takes to make that file is not counted;
* rows, in SQL: the program's own asset ``voxel``, INSERT … SELECT from the runs in the database;
* rows, streamed: the same rows, expanded from the runs with numpy, through the IO manager's COPY.

Run it with ``python -m benchmarks.load_runs_vs_rows``.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from benchmarks import _common
from benchmarks._common import STEPS, median, medians, say, seconds, spent, table
from ccf_assets import queries, schema
from ccf_assets.assets import atlas
from ccf_assets.assets.common import table_metadata
from ccf_assets.atlases import AtlasEntry, atlas_entry
from ccf_assets.io_manager import INDEX_MEMORY
from ccf_assets.partitions import atlas_partitions

RUNS, SERVER, IN_SQL, STREAMED = "runs", "rows, server-side", "rows, in SQL", "rows, streamed"
TARGET = 0.2
"""The most that runs may take of the time of the rows that the server copies itself."""

RUNS_AT_ONCE = 16_384
"""Runs expanded together: at 25 µm they are 190,000 rows."""


# ---- rows, streamed


def _expanded(batch: pa.RecordBatch, edge: int) -> pa.RecordBatch:
    """The voxels of some runs, in the order of the runs."""
    run = {name: batch[name].to_numpy() for name in batch.schema.names}
    voxels = (run["z_end"] - run["z"]) // edge
    first = np.cumsum(voxels) - voxels
    z = np.repeat(run["z"] - first * edge, voxels) + np.arange(voxels.sum(), dtype=np.int32) * edge
    columns = {name: np.repeat(run[name], voxels) for name in ("ccf_id", "x", "y", "region_id")}
    return pa.record_batch({**columns, "z": z.astype(np.int32)})


@dg.asset(name="voxel", partitions_def=atlas_partitions, metadata=table_metadata(schema.voxel))
def streamed_voxel(
    context: dg.AssetExecutionContext, voxel_run: pa.RecordBatchReader
) -> dg.MaterializeResult[pa.RecordBatchReader]:
    """The asset ``voxel`` as it could also be written: one row per voxel, expanded here and streamed."""
    edge = atlas_entry(context.partition_key).resolution_um

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in voxel_run:
            for first in range(0, len(batch), RUNS_AT_ONCE):
                yield _expanded(batch.slice(first, RUNS_AT_ONCE), edge)

    columns = pa.schema([(name, pa.int32()) for name in ("ccf_id", "x", "y", "region_id", "z")])
    return dg.MaterializeResult(value=pa.RecordBatchReader.from_batches(columns, batches()))


# ---- rows, server-side


def _write_ready_file(engine: sa.Engine, entry: AtlasEntry, path: Path) -> None:
    """All rows of the atlas in PostgreSQL's binary form, in the order of the key."""
    runs = sa.select(schema.voxel_run).where(schema.voxel_run.c.ccf_id == entry.ccf_id)
    rows = queries.voxels(runs, entry.resolution_um)
    select = rows.compile(engine, compile_kwargs={"literal_binds": True})
    with engine.connect() as connection, path.open("wb") as file:
        raw = connection.connection.driver_connection
        with raw.cursor().copy(f"COPY ({select}) TO STDOUT (FORMAT binary)") as copy:
            for block in copy:
                file.write(block)
    path.chmod(0o644)


def _load_by_server(engine: sa.Engine, entry: AtlasEntry, path: Path) -> None:
    """Server-side COPY into a new partition of ``voxel``, with the keys that ``voxel`` has."""
    final = f"{schema.SCHEMA}.voxel_{entry.ccf_id}"
    new = f"{final}_new"
    columns = "ccf_id, x, y, z, region_id"
    names = [f"{name} int NOT NULL" for name in columns.split(", ")]
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run(f"SET LOCAL maintenance_work_mem = '{INDEX_MEMORY}'")
        run(f"CREATE TABLE {new} ({', '.join(names)})")
        run(f"COPY {new} ({columns}) FROM '{path}' (FORMAT binary, FREEZE)")
        run(f"ALTER TABLE {new} ADD PRIMARY KEY (ccf_id, x, y, z)")
        run(f"CREATE INDEX ON {new} (y, z)")
        run(f"ALTER TABLE {new} ADD CONSTRAINT only_this CHECK (ccf_id = {entry.ccf_id})")
        run(f"ANALYZE {new}")
        run(
            f"ALTER TABLE {new} ADD FOREIGN KEY (ccf_id, region_id) "
            f"REFERENCES {schema.SCHEMA}.brain_region (ccf_id, region_id)"
        )
        run(f"DROP TABLE IF EXISTS {final}")
        run(f"ALTER TABLE {schema.SCHEMA}.voxel ATTACH PARTITION {new} FOR VALUES IN ({entry.ccf_id})")
        run(f"ALTER TABLE {new} RENAME TO voxel_{entry.ccf_id}")


# ---- measuring


def measure(load: Callable[[], dg.ExecuteInProcessResult | None], engine: sa.Engine) -> dict[str, float]:
    """Seconds of one load: in all, by step, and of processor time here and in the server."""
    _common.settle(engine)
    spent.clear()
    worked, started = _common.cpu_seconds(), time.perf_counter()
    result = load()
    sample = {"all": time.perf_counter() - started, **spent}
    time.sleep(0.2)  # For the server to count the processes that have just ended.
    sample["processor"] = _common.cpu_seconds() - worked
    if result is not None:
        (done,) = result.get_asset_materialization_events()
        read = done.step_materialization_data.materialization.metadata.get("read_seconds")
        if read is not None:
            sample["read the file"] = float(read.value)
    return sample


def aftermath(engine: sa.Engine, loaded: sa.Table, entry: AtlasEntry) -> tuple[float, float, float]:
    """Seconds of what comes after a load.

    Counting the rows of every region, right away and once more, and the VACUUM that the server's autovacuum
    will sooner or later run. Rows that were not brought frozen cost the first reader and the vacuum.
    """
    of_regions = (
        sa.select(loaded.c.region_id, sa.func.count())
        .where(loaded.c.ccf_id == entry.ccf_id)
        .group_by(loaded.c.region_id)
    )
    took = []
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in (of_regions, of_regions, sa.text(f"VACUUM {loaded}_{entry.ccf_id}")):
            started = time.perf_counter()
            connection.execute(statement).close()
            took.append(time.perf_counter() - started)
    return took[0], took[1], took[2]


def main() -> None:
    """Load, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--atlas", help="key of the atlas (default: 25 µm of the configured source)")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of each way (default 5)")
    options = parser.parse_args()
    folder = _common.workplace()
    with dg.DagsterInstance.ephemeral() as instance:
        key = options.atlas or _common.default_atlas(25)
        entry = atlas_entry(key)
        defs, resources = _common.definitions(), _common.resources()
        engine = resources["postgres"].create_engine()
        machine = f"{_common.server(engine)}, {_common.machine()}"
        say(f"loading {key} once")
        _common.load_atlas(defs, instance, key)
        ready = folder / "rows.bin"
        say("writing the ready file for the server")
        _write_ready_file(engine, entry, ready)

        def materialize(asset: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
            return dg.materialize(
                [atlas.voxel_run, asset] if asset is not atlas.voxel_run else [asset],
                selection=[asset],
                partition_key=key,
                instance=instance,
                resources=resources,
                run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            )

        ways: dict[str, Callable[[], dg.ExecuteInProcessResult | None]] = {
            RUNS: lambda: materialize(atlas.voxel_run),
            SERVER: lambda: _load_by_server(engine, entry, ready),
            IN_SQL: lambda: materialize(atlas.voxel),
            STREAMED: lambda: materialize(streamed_voxel),
        }
        samples: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        after: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
        for repetition in range(options.repeat):
            # Turned round every time, so that none is always the one after the slowest.
            for way in list(ways)[:: 1 if repetition % 2 == 0 else -1]:
                samples[way].append(measure(ways[way], engine))
                loaded = schema.voxel_run if way == RUNS else schema.voxel
                after[way].append(aftermath(engine, loaded, entry))
                say(f"{repetition + 1}/{options.repeat}  {way}: {samples[way][-1]['all']:.2f} s")
        sizes = dict(zip(ways, _sizes(engine, entry), strict=True))
        _report(key, machine, samples, after, sizes)


def _sizes(engine: sa.Engine, entry: AtlasEntry) -> list[tuple[int, int]]:
    """Rows and bytes of the partition each way fills."""
    found = []
    with engine.connect() as connection:
        for name in ("voxel_run", "voxel", "voxel", "voxel"):
            partition = f"{schema.SCHEMA}.{name}_{entry.ccf_id}"
            found.append(
                connection.execute(
                    sa.text(f"SELECT count(*), pg_total_relation_size('{partition}') FROM {partition}")
                ).one()
            )
    return [(rows, size) for rows, size in found]


def _report(
    key: str,
    machine: str,
    samples: dict[str, list[dict[str, float]]],
    after: dict[str, list[tuple[float, float, float]]],
    sizes: dict[str, tuple[int, int]],
) -> None:
    repetitions = len(samples[SERVER])
    print(f"\n{key}: {machine}; median of {repetitions}, in seconds\n")
    rows = []
    for way, of in samples.items():
        # Ratios are taken within a repetition: what else the machine was doing then met both.
        ratio = median([one["all"] / base["all"] for one, base in zip(of, samples[SERVER], strict=True)])
        totals = [one["all"] for one in of]
        first, second, vacuum = (median(each) for each in zip(*after[way], strict=True))
        count, size = sizes[way]
        rows.append(
            [
                way,
                f"{count:,}",
                f"{size / 2**20:,.0f}",
                seconds(median(totals)),
                f"{min(totals):.2f}–{max(totals):.2f}",
                f"{ratio:.2f}",
                seconds(median([one["processor"] for one in of])),
                seconds(first),
                seconds(second),
                seconds(vacuum),
            ]
        )
    header = [
        "way",
        "rows",
        "MB",
        "all",
        "range",
        "of server-side",
        "first count by region",
        "second",
        "vacuum",
    ]
    print(table(header, rows))
    steps = ["read the file", *STEPS, "other"]
    print("\nWhere the time goes:\n")
    parts = {way: medians(of) for way, of in samples.items()}
    print(table(["way", *steps], [[way, *(seconds(p.get(s)) for s in steps)] for way, p in parts.items()]))
    runs, ratio = (
        samples[RUNS],
        [one["all"] / base["all"] for one, base in zip(samples[RUNS], samples[SERVER], strict=True)],
    )
    print(f"\nRuns take 1/{1 / median(ratio):.1f} of the server-side rows' time (of {len(runs)}).")
    faster = median([c["all"] / d["all"] for c, d in zip(samples[IN_SQL], samples[STREAMED], strict=True)])
    print(f"Rows in SQL take {faster:.2f} times as long as rows streamed.")
    if median(ratio) > TARGET:
        raise SystemExit(
            f"Runs take {median(ratio):.2f} of the server-side rows' time; it is to be {TARGET}."
        )


if __name__ == "__main__":
    main()
