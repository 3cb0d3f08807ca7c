"""A database with a schema ``lab`` and Dagster's IO manager in front of it, and rows to write there."""

import datetime as dt
import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import dagster as dg
import polars as pl
import polars.testing
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from ccf_assets.io_manager import PostgresIOManager, PostgresUrl
from ccf_assets.pg.connect import libpq_url

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

PLAIN = """
CREATE TABLE lab.site (
    probe int NOT NULL,
    id int,
    name text,
    depth float8,
    noted int DEFAULT 7,
    PRIMARY KEY (probe, id)
)
"""

PARTITIONED = """
CREATE TABLE lab.region (id int PRIMARY KEY);
INSERT INTO lab.region SELECT generate_series(0, 99);
CREATE TABLE lab.voxel (
    atlas int CONSTRAINT atlas_is_known NOT NULL,
    x int NOT NULL,
    region int NOT NULL REFERENCES lab.region,
    name varchar(9) COLLATE "C",
    noted int DEFAULT 7,
    twice int GENERATED ALWAYS AS (2 * x) STORED,
    PRIMARY KEY (atlas, x),
    CONSTRAINT x_is_a_coordinate CHECK (x >= 0),
    CONSTRAINT names_differ UNIQUE (atlas, name)
) PARTITION BY LIST (atlas);
CREATE INDEX voxel_region_idx ON lab.voxel (region);
CREATE UNIQUE INDEX "Odd; name" ON lab.voxel (atlas, lower(name)) WHERE x > 5;
COMMENT ON TABLE lab.voxel IS 'It''s 100%';
COMMENT ON COLUMN lab.voxel.x IS 'µm';
"""

atlases = dg.StaticPartitionsDefinition(["1", "2", "3"])
days = dg.DailyPartitionsDefinition(start_date="2024-01-01", end_date="2024-01-11")

BY_ATLAS: dict[str, Any] = {"partitions": atlases, "by": "atlas"}
BY_PROBE: dict[str, Any] = {"partitions": atlases, "by": "probe"}


class Database:
    """A database with an empty schema ``lab``, and Dagster in front of it."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.dsn = libpq_url(engine.url)
        self.manager = self.new_manager()

    def new_manager(self, schema: str | None = "lab") -> PostgresIOManager:
        return PostgresIOManager(postgres=PostgresUrl(url=self.dsn), schema=schema)

    @functools.cached_property
    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.ephemeral()

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def write(
        self,
        value: object,
        name: str = "site",
        *,
        key: str | Sequence[str] = (),
        partitions: dg.PartitionsDefinition[Any] | None = None,
        by: object = None,
        values: Mapping[str, object] | None = None,
        schema: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Hand ``value`` to the IO manager as a run does, without the run; gives the metadata it adds."""
        added: dict[str, Any] = {}
        context = SimpleNamespace(
            has_asset_key=True,
            asset_key=dg.AssetKey(name),
            definition_metadata={"partition_expr": by, "partition_values": values, "schema": schema, **more},
            has_asset_partitions=partitions is not None,
            asset_partitions_def=partitions,
            asset_partition_keys=[key] if isinstance(key, str) else key,
            log=logging.getLogger("lab"),
            add_output_metadata=added.update,
            step_context=SimpleNamespace(add_asset_metadata=lambda metadata, asset, key: None),
        )
        self.manager.handle_output(context, value)  # type: ignore[arg-type]
        return counted(added)

    def voxels(self, value: object, key: str | Sequence[str] = "1") -> dict[str, Any]:
        """Load a partition of the table voxel."""
        return self.write(value, "voxel", **BY_ATLAS, key=key)

    def run(
        self, assets: Sequence[Any], *, schema: str | None = "lab", **arguments: Any
    ) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            assets,
            resources={"io_manager": self.new_manager(schema)},
            instance=self.instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            **arguments,
        )

    def materialize(
        self, value: object, name: str = "site", *, key: str | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """Materialize an asset that returns ``value``; gives the metadata of its materialization."""
        result = self.run([self.asset(name, value, **arguments)], partition_key=key)
        return numbers(result.asset_materializations_for_node(name)[0].metadata)

    def asset(
        self,
        name: str,
        value: object = None,
        *,
        partitions: dg.PartitionsDefinition[Any] | None = None,
        by: object = None,
        values: Mapping[str, object] | None = None,
        **arguments: Any,
    ) -> dg.AssetsDefinition:
        metadata = {"partition_expr": by} if by else {}
        metadata |= {"partition_values": values} if values else {}

        @dg.asset(
            name=name,
            partitions_def=partitions,
            metadata={**metadata, **arguments.pop("metadata", {})},
            backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
            **arguments,
        )
        def made() -> Any:
            return value() if callable(value) else value

        return made

    def counts(self, asset: dg.AssetsDefinition, first: str, last: str) -> dict[str | None, int]:
        """The row counts that one run over a range of partitions gives each of them."""
        result = self.run([asset], tags={RANGE_START: first, RANGE_END: last})
        return {
            event.partition: numbers(event.metadata)["dagster/partition_row_count"]
            for event in result.asset_materializations_for_node(asset.key.path[-1])
        }

    def read(
        self,
        kind: Any,
        upstream: dg.AssetsDefinition | dg.AssetSpec,
        *,
        key: str | None = None,
        columns: Sequence[str] | None = None,
        partitions: dg.PartitionsDefinition[Any] | None = None,
        mapping: dg.PartitionMapping | None = None,
        use: Callable[[Any], Any] = lambda value: value,
        **arguments: Any,
    ) -> Any:
        """What an asset downstream of ``upstream`` gets, put through ``use`` while it runs."""
        got = []

        def reader(up: Any) -> None:
            got.append(use(up))

        reader.__annotations__ = {"up": kind, "return": None}
        entry = dg.AssetIn(
            key=upstream.key,
            metadata={"columns": columns} if columns else None,
            partition_mapping=mapping,
        )
        asset = dg.asset(ins={"up": entry}, partitions_def=partitions)(reader)
        self.run([upstream, asset], selection=["reader"], partition_key=key, **arguments)
        return got[0]

    def left_over(self) -> list[tuple[Any, ...]]:
        """Staging tables, and locks and connections of clients, that should not be there."""
        for _ in range(50):
            left = self.sql("""
                SELECT 'table', relname::text FROM pg_class WHERE relname ~ 'staging|loading'
                UNION ALL SELECT state, query FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                    AND backend_type = 'client backend'
            """)
            if not left:
                break
            time.sleep(0.02)  # a server process ends a moment after its client
        return left

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        return self.sql(f"SELECT {columns} FROM lab.{table} ORDER BY 1, 2")


def numbers(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    """The values of metadata by name; see `counted`."""
    return counted({name: value.value for name, value in metadata.items()})


def counted(found: dict[str, Any]) -> dict[str, Any]:
    """Metadata in which the rows that a merge inserted, updated and deleted have a name each."""
    rows = found.pop("rows", None)
    for part in rows.split(", ") if isinstance(rows, str) else ():
        number, _, done = part.partition(" ")
        found[f"rows_{done}"] = int(number.replace(",", ""))
    return found


def stream(frame: pl.DataFrame, rows: int = 2) -> pa.RecordBatchReader:
    return frame.to_arrow().to_reader(rows)


def query(frame: pl.DataFrame) -> sa.Select[Any]:
    """A query that gives the rows of ``frame`` in the database."""
    values = sa.values(*map(sa.column, frame.columns), name="v").data(frame.rows())
    types = {name: sa.Integer if dtype.is_integer() else None for name, dtype in frame.schema.items()}
    columns = ((values.c[name], kind) for name, kind in types.items())
    return sa.select(
        *(column if kind is None else sa.cast(column, kind).label(column.name) for column, kind in columns)
    )


KINDS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "pandas": lambda frame: frame.to_pandas(),
    "stream": stream,
    "query": query,
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def site_frame() -> pl.DataFrame:
    rows = {"probe": [1, 1, 2], "id": [1, 2, 1], "name": ["a", None, "ß,'\n"], "depth": [0.5, None, -1e300]}
    rows["noted"] = [1, None, 3]
    return pl.DataFrame(rows, schema_overrides={"probe": pl.Int32, "id": pl.Int32, "noted": pl.Int32})


EVERY_TYPE = """
CREATE TYPE lab.mood AS ENUM ('calm', 'it''s');
CREATE TABLE lab.thing (
    id int PRIMARY KEY, i2 smallint, i4 int, i8 bigint, f4 real, f8 float8, flag bool, day date,
    moment timestamp, instant timestamptz, words text, short varchar(5), fixed char(6), mood lab.mood,
    raw bytea, noted jsonb
)
"""

INSTANT = dt.datetime(2024, 7, 1, 12, 30, 15, 123456, tzinfo=dt.timezone.utc)

TYPES: dict[str, tuple[pl.DataType | type[pl.DataType], list[Any]]] = {
    "id": (pl.Int32, [0, 1, 2, 3]),
    "i2": (pl.Int16, [-(2**15), 2**15 - 1, 0, None]),
    "i4": (pl.Int32, [-(2**31), 2**31 - 1, 0, None]),
    "i8": (pl.Int64, [-(2**63), 2**63 - 1, 2**53 + 1, None]),
    "f4": (pl.Float32, [float("nan"), float("-inf"), 0.1, None]),
    "f8": (pl.Float64, [float("nan"), float("inf"), 5e-324, None]),
    "flag": (pl.Boolean, [True, False, True, None]),
    "day": (pl.Date, [dt.date(1, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31), None]),
    "moment": (
        pl.Datetime("us"),
        [dt.datetime(1, 1, 1), INSTANT.replace(tzinfo=None), dt.datetime.max, None],
    ),
    "instant": (pl.Datetime("us", "UTC"), [INSTANT, INSTANT - dt.timedelta(days=9**5), INSTANT, None]),
    "words": (pl.String, ["", "a,'\"\\\n\t\r", "ünï 🧠 %s {x} \\N NULL", None]),
    "short": (pl.String, ["", " a b ", "ünïçö", None]),
    "fixed": (pl.String, ["019399", "a     ", "      ", None]),
    "mood": (pl.String, ["calm", "it's", "calm", None]),
    "raw": (pl.Binary, [b"", b"\x00\xff", b"\\x00", None]),
    "noted": (pl.String, ['{"µm": [1, 2.5, null]}', '"\\"; a word"', "{}", None]),
}


def every_type() -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, values, dtype) for name, (dtype, values) in TYPES.items()])


def voxels(atlas: int, count: int, region: int = 5) -> pl.DataFrame:
    return pl.DataFrame({"atlas": atlas, "x": range(count), "region": region})


def sample(table: str, *ids: int) -> pl.DataFrame:
    ids = ids or (1, 2, 3, 4)
    return (
        pl.DataFrame({"probe": 1, "id": ids})
        if table == "site"
        else pl.DataFrame({"atlas": 1, "x": ids, "region": 5})
    )
