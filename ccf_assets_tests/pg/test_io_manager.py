"""PostgresIOManager against a real database: every output kind into every target, and what may go wrong."""

import datetime as dt
import functools
import inspect
import logging
import re
import signal
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import dagster as dg
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from ccf_assets import progress
from ccf_assets.db import database
from ccf_assets.defs.resources import PostgresResource
from ccf_assets.errors import CcfError
from ccf_assets.io_manager import PostgresIOManager, PostgresUrl
from ccf_assets.pg import bring, foreign_keys, merge, session, swap
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.pg.connect import libpq_url
from ccf_assets.pg.slices import Slice
from ccf_assets.pg.write import Write
from ccf_assets_tests.conftest import new_database

pytestmark = pytest.mark.filterwarnings("ignore:.*currently in beta")

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
        self.manager = PostgresIOManager(postgres=PostgresResource(), schema="lab")

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
        return added

    def voxels(self, value: object, key: str | Sequence[str] = "1") -> dict[str, Any]:
        """Load a partition of the table voxel."""
        return self.write(value, "voxel", **BY_ATLAS, key=key)

    def run(
        self, assets: Sequence[Any], *, schema: str | None = "lab", **arguments: Any
    ) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            assets,
            resources={"io_manager": PostgresIOManager(postgres=PostgresResource(), schema=schema)},
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
    return {name: value.value for name, value in metadata.items()}


@pytest.fixture(scope="module")
def _engine(server_url: sa.URL) -> Iterator[sa.Engine]:
    with new_database(server_url) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CCF_POSTGRES_URL", libpq_url(url))
        yield database.create_engine()


@pytest.fixture
def lab(_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """One database for all tests here, each with a schema of its own: a database costs half a second."""
    monkeypatch.setenv("CCF_POSTGRES_URL", libpq_url(_engine.url))
    monkeypatch.setattr(database, "create_engine", lambda: _engine)  # which remembers compiled statements
    lab = Database(_engine)
    lab.sql("DROP SCHEMA IF EXISTS lab CASCADE; CREATE SCHEMA lab;" + PLAIN + ";" + PARTITIONED)
    yield lab
    if "instance" in vars(lab):
        lab.instance.dispose()


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


# ---- each output into each target


@every_kind
def test_an_ordinary_table_takes_every_kind_of_output(
    lab: Database, kind: Callable[[pl.DataFrame], Any]
) -> None:
    metadata = lab.materialize(kind(pl.DataFrame({"probe": 1, "id": [1, 2, 3], "name": ["a", "b", None]})))
    assert lab.rows("site") == [(1, 1, "a", None, 7), (1, 2, "b", None, 7), (1, 3, None, None, 7)]
    assert (metadata["dagster/row_count"], metadata["rows_inserted"]) == (3, 3)
    lab.materialize(kind(pl.DataFrame({"probe": 1, "id": [2, 3, 4], "name": ["b", "c", "d"]})))
    assert lab.rows("site", "id, name") == [(2, "b"), (3, "c"), (4, "d")]
    assert lab.left_over() == []


@every_kind
def test_a_partitioned_table_takes_every_kind_of_output(
    lab: Database, kind: Callable[[pl.DataFrame], Any]
) -> None:
    metadata = lab.materialize(
        kind(pl.DataFrame({"atlas": 1, "x": [1, 2, 3], "region": [5, 6, 7]})),
        "voxel",
        **BY_ATLAS,
        key="1",
    )
    assert lab.rows("voxel", "x, region, noted, twice") == [(1, 5, 7, 2), (2, 6, 7, 4), (3, 7, 7, 6)]
    assert metadata["dagster/partition_row_count"] == 3
    lab.materialize(
        kind(pl.DataFrame({"atlas": 1, "x": [2], "region": [8]})),
        "voxel",
        **BY_ATLAS,
        key="1",
    )
    lab.materialize(
        kind(pl.DataFrame({"atlas": 2, "x": [2], "region": [9]})),
        "voxel",
        **BY_ATLAS,
        key="2",
    )
    assert lab.rows("voxel", "atlas, x, region") == [(1, 2, 8), (2, 2, 9)]
    assert lab.left_over() == []


@every_kind
def test_several_partitions_in_one_run_take_every_kind_of_output(
    lab: Database, kind: Callable[[pl.DataFrame], Any]
) -> None:
    frame = pl.DataFrame({"atlas": [1, 3, 3], "x": [1, 2, 3], "region": [5, 6, 7]})
    lab.materialize(pl.DataFrame({"atlas": 2, "x": [9], "region": [9]}), "voxel", **BY_ATLAS, key="2")
    counts = lab.counts(lab.asset("voxel", kind(frame), **BY_ATLAS), "1", "3")
    assert lab.rows("voxel", "atlas, x, region, twice") == [(1, 1, 5, 2), (3, 2, 6, 4), (3, 3, 7, 6)]
    assert counts == {"1": 1, "2": 0, "3": 2}

    site = kind(frame.rename({"atlas": "probe", "x": "id"}).drop("region"))
    assert lab.counts(lab.asset("site", site, **BY_PROBE), "1", "3") == counts
    assert lab.rows("site", "probe, id") == [(1, 1), (3, 2), (3, 3)]
    assert lab.left_over() == []


def test_an_output_of_none_is_refused_and_an_asset_without_output_is_not(lab: Database) -> None:
    with pytest.raises(CcfError, match="site returned None; annotate it '-> None'"):
        lab.materialize(None)

    @dg.asset
    def site() -> None:
        return None

    assert lab.run([site]).success


def test_a_materialize_result_carries_rows_metadata_and_version(lab: Database) -> None:
    @dg.asset
    def site() -> dg.MaterializeResult[pl.DataFrame]:
        rows = pl.DataFrame({"probe": [1], "id": [1]})
        return dg.MaterializeResult(value=rows, metadata={"mine": 5}, data_version=dg.DataVersion("v9"))

    (event,) = lab.run([site]).asset_materializations_for_node("site")
    metadata = numbers(event.metadata)
    assert (metadata["mine"], metadata["dagster/row_count"]) == (5, 1)
    assert (event.tags or {})["dagster/data_version"] == "v9"
    assert lab.rows("site", "probe, id") == [(1, 1)]


@pytest.mark.parametrize("value", [{"id": 1}, [1], pa.table({"id": [1]}), pl.LazyFrame({"id": [1]}), 5])
def test_an_output_of_another_type_is_refused_in_a_sentence(lab: Database, value: object) -> None:
    with pytest.raises(CcfError, match=r"lab.site: a .* cannot be written; return a polars or pandas"):
        lab.materialize(lambda: value)


def test_an_input_of_another_type_is_refused_in_a_sentence(lab: Database) -> None:
    with pytest.raises(CcfError, match=r"site is annotated .*dict.*; annotate it polars.DataFrame"):
        lab.read(dict, dg.AssetSpec("site"))


# ---- where a table is


@pytest.mark.parametrize(
    ("metadata", "manager", "prefix", "schema"),
    [
        ({"schema": "one"}, "two", ["other", "three"], "one"),
        ({}, "two", ["other", "three"], "two"),
        ({}, None, ["other", "three"], "three"),
        ({}, None, None, "public"),
    ],
    ids=["metadata", "manager", "key", "public"],
)
def test_the_schema_is_that_of_metadata_then_manager_then_key(
    lab: Database, metadata: dict[str, str], manager: str | None, prefix: list[str] | None, schema: str
) -> None:
    for name in ("one", "two", "three", "public"):
        lab.sql(f"CREATE SCHEMA IF NOT EXISTS {name}; DROP TABLE IF EXISTS {name}.thing")
        lab.sql(f"CREATE TABLE {name}.thing (id int PRIMARY KEY)")
    rows = pl.DataFrame({"id": [1]}, schema={"id": pl.Int32})
    asset = lab.asset("thing", rows, metadata=metadata, key_prefix=prefix)
    (event,) = lab.run([asset], schema=manager).asset_materializations_for_node(
        "__".join([*(prefix or []), "thing"])
    )
    assert lab.sql(f"SELECT * FROM {schema}.thing") == [(1,)]
    assert numbers(event.metadata)["dagster/table_name"] == f"{schema}.thing"
    assert lab.read(pl.DataFrame, asset, schema=manager).equals(rows)


def test_the_output_of_an_op_goes_to_the_table_it_names_or_that_of_its_own_name(lab: Database) -> None:
    lab.sql("CREATE SCHEMA IF NOT EXISTS elsewhere; DROP TABLE IF EXISTS elsewhere.thing")
    lab.sql("CREATE TABLE elsewhere.thing (id int PRIMARY KEY)")
    got = []

    @dg.op(
        out={
            "site": dg.Out(),
            "second": dg.Out(metadata={"table": "thing", "schema": "elsewhere"}),
        }
    )
    def make() -> Iterator[dg.Output[Any]]:
        yield dg.Output(pl.DataFrame({"probe": [1], "id": [1]}), "site")
        yield dg.Output(pl.DataFrame({"id": [5]}), "second")

    @dg.op(ins={"second": dg.In(metadata={"columns": ["id"]})})
    def take(site: pd.DataFrame, second: pl.DataFrame) -> None:
        got.extend([site["id"].tolist(), second["id"].to_list()])

    @dg.job(
        resource_defs={"io_manager": PostgresIOManager(postgres=PostgresResource(), schema="lab")},
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        take(*make())

    result = job.execute_in_process(instance=lab.instance)
    assert got == [[1], [5]]
    handled = [
        numbers(e.event_specific_data.metadata)
        for e in result.all_events
        if e.event_type_value == "HANDLED_OUTPUT"
    ]
    assert [m["dagster/row_count"] for m in handled if m] == [1, 1]


def test_a_missing_table_is_named(lab: Database) -> None:
    with pytest.raises(CcfError, match=r"nothing: there is no table lab\.nothing\."):
        lab.materialize(pl.DataFrame({"id": [1]}), "nothing")
    with pytest.raises(CcfError, match=r"nothing: there is no table lab\.nothing\."):
        lab.read(pl.DataFrame, dg.AssetSpec("nothing"))


def test_names_and_keys_that_need_quoting_are_quoted(lab: Database) -> None:
    lab.sql("""
        DROP SCHEMA IF EXISTS "My Database" CASCADE;
        CREATE SCHEMA "My Database";
        CREATE TABLE "My Database"."The Table" ("Key" text, "a ""b"" %s {x}" int DEFAULT 3, "select" text,
            PRIMARY KEY ("Key", "select")) PARTITION BY LIST ("Key");
        CREATE INDEX ON "My Database"."The Table" ("select");
        CREATE TABLE "My Database"."Plain One" (LIKE "My Database"."The Table" INCLUDING ALL);
    """)
    keys = ["it's", 'a "b" \\ 100%', "x'; DROP SCHEMA lab; --", "{y} $1 :z %(a)s"]
    parts = dg.StaticPartitionsDefinition(keys)
    for name in ("The Table", "Plain One"):
        for key in [*keys, *keys]:
            rows = pl.DataFrame({"Key": key, "select": ["ä,'\n", ""], 'a "b" %s {x}': [1, None]})
            lab.write(rows, name, partitions=parts, by="Key", key=key, schema="My Database")
        counts = lab.sql(f'SELECT "Key", count(*) FROM "My Database"."{name}" GROUP BY 1')
        assert dict(counts) == dict.fromkeys(keys, 2)
        spec = dg.AssetSpec(["My Database", name], metadata={"partition_expr": "Key"}, partitions_def=parts)
        assert lab.read(pl.DataFrame, spec, schema=None).height == 8
        frame = lab.read(pl.DataFrame, spec, partitions=parts, key=keys[0], schema=None)
        assert frame.sort("select").rows() == [(keys[0], None, ""), (keys[0], 1, "ä,'\n")]
    tables = lab.sql("SELECT relname::text FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY 1")
    assert {name for (name,) in tables} == {f"The Table_{key}" for key in keys}
    assert lab.left_over() == []


def test_partitions_whose_names_are_too_long_for_the_server_stay_apart(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (who text, id int, PRIMARY KEY (who, id)) PARTITION BY LIST (who)")
    keys = ["ü" * 40 + "a", "ü" * 40 + "b"]
    for key in [*keys, *keys]:
        rows = pl.DataFrame({"who": [key], "id": [1]})
        lab.materialize(rows, "thing", partitions=dg.StaticPartitionsDefinition(keys), by="who", key=key)
    assert lab.rows("thing") == [(keys[0], 1), (keys[1], 1)]


# ---- which rows a partition covers


DAYS = pl.DataFrame(
    {
        "id": range(6),
        "moment": [dt.datetime(2024, 1, day, hour) for day in (1, 2, 3) for hour in (0, 23)],
    }
)


def test_a_dynamic_partition_is_one(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (who text, id int, PRIMARY KEY (who, id))")
    parts = dg.DynamicPartitionsDefinition(name="who")
    lab.instance.add_dynamic_partitions("who", ["it's", "b"])
    for key in ("it's", "b", "it's"):
        rows = pl.DataFrame({"who": [key], "id": [1]})
        lab.write(rows, "thing", partitions=parts, by="who", key=key)
    assert lab.rows("thing") == [("b", 1), ("it's", 1)]


@pytest.mark.parametrize(
    ("column", "expression"),
    [
        ("moment timestamp", "moment"),
        ("moment timestamptz", "moment"),
        ("moment date", "moment"),
        ("moment timestamp", "moment + interval '1 second' * 0"),
        ("moment text", "moment::timestamp"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
def test_a_time_window_covers_its_own_days_whatever_the_session_clock(
    lab: Database, column: str, expression: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    lab.sql(f"CREATE TABLE lab.thing (id int PRIMARY KEY, {column})")
    parts = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-11", timezone=zone)
    moments = DAYS.with_columns(pl.col("moment").dt.replace_time_zone(zone))
    if "timestamptz" not in column:
        moments = DAYS.cast({"moment": pl.Date} if "date" in column else {})
    if "text" in column:
        moments = moments.cast({"moment": pl.String})
    asset = lab.asset("thing", moments, partitions=parts, by=expression)
    assert lab.counts(asset, "2024-01-01", "2024-01-03") == {f"2024-01-0{day}": 2 for day in (1, 2, 3)}
    got = lab.read(pl.DataFrame, asset, partitions=parts, key="2024-01-02")
    assert sorted(got["id"]) == [2, 3]
    lab.write(moments[2:3], "thing", partitions=parts, by=expression, key="2024-01-02")
    assert [row[0] for row in lab.rows("thing")] == [0, 1, 2, 4, 5]
    with pytest.raises(
        CcfError, match=r"lab.thing: a row has .* '?2024-01-01.*, outside what is written: '2024"
    ):
        lab.write(moments[:1], "thing", partitions=parts, by=expression, key="2024-01-02")


def test_days_with_gaps_between_them_leave_the_days_between_alone(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, moment timestamp)")
    asset = lab.asset("thing", DAYS, partitions=days, by="moment")
    lab.counts(asset, "2024-01-01", "2024-01-03")
    mapping = dg.SpecificPartitionsPartitionMapping(["2024-01-01", "2024-01-03"])
    assert sorted(lab.read(pl.DataFrame, asset, mapping=mapping)["id"]) == [0, 1, 4, 5]
    before = dg.TimeWindowPartitionMapping(
        start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
    )
    read = {
        key: sorted(lab.read(pl.DataFrame, asset, partitions=days, mapping=before, key=key)["id"])
        for key in ("2024-01-01", "2024-01-02")
    }
    assert read == {"2024-01-01": [], "2024-01-02": [0, 1]}


@pytest.mark.parametrize(
    ("expression", "keys"),
    [
        ("n", ["1", "2"]),
        ("n % 2 + 1", ["1", "2"]),
        ("who", ["a", "b"]),
        ("lower(who)", ["a", "b"]),
        ("flag", ["true", "false"]),
        ("kind", ["x", "y"]),
        ("day", ["2024-01-01", "2024-01-02"]),
        ("extract(year FROM day)::text || '%'", ["2024%", "2025%"]),
    ],
)
def test_a_partition_key_is_read_as_the_type_of_what_it_names(
    lab: Database, expression: str, keys: list[str]
) -> None:
    lab.sql("""
        CREATE TYPE lab.xy AS ENUM ('x', 'y');
        CREATE TABLE lab.thing (
            id int PRIMARY KEY, n smallint, who varchar(3), flag bool, kind lab.xy, day date
        )
    """)
    one = {"id": 1, "n": 1, "who": "a", "flag": True, "kind": "x", "day": dt.date(2024, 1, 1)}
    two = {"id": 2, "n": 2, "who": "b", "flag": False, "kind": "y", "day": dt.date(2024, 1, 2)}
    if "n %" in expression:
        one, two = {**two, "id": 1}, {**one, "id": 2}
    if "year" in expression:
        two["day"] = dt.date(2025, 1, 1)
    parts = dg.StaticPartitionsDefinition(keys)
    for key, row in [*zip(keys, (one, two), strict=True)] * 2:
        lab.write(pl.DataFrame([row]), "thing", partitions=parts, by=expression, key=key)
    asset = lab.asset("thing", partitions=parts, by=expression)
    assert lab.read(pl.DataFrame, asset, partitions=parts, key=keys[1]).to_dicts() == [two]
    assert lab.read(pl.DataFrame, asset).height == 2


def test_partition_values_say_what_the_column_holds_for_a_key(lab: Database) -> None:
    parts = dg.StaticPartitionsDefinition(["fine", "coarse"])
    values = {"fine": 1, "coarse": 2}
    for name, column in (("site", "probe"), ("voxel", "atlas")):
        asset = lab.asset(name, partitions=parts, by=column, values=values)
        for key, value in values.items():
            rows = pl.DataFrame({column: [value], "id" if name == "site" else "x": [1]})
            rows = rows if name == "site" else rows.with_columns(region=5)
            lab.write(rows, name, partitions=parts, by=column, values=values, key=key)
        assert [row[0] for row in lab.rows(name)] == [1, 2]
        assert lab.read(pl.DataFrame, asset, partitions=parts, key="coarse")[column].to_list() == [2]
        with pytest.raises(CcfError, match=f"a row has {column} 2, outside what is written: 'fine' \\(1\\)."):
            lab.write(rows, name, partitions=parts, by=column, values=values, key="fine")


def test_multi_partitions_hold_in_every_dimension(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, who text, moment timestamp)")
    whose = dg.StaticPartitionsDefinition(["a", "b"])
    parts = dg.MultiPartitionsDefinition({"who": whose, "day": days})
    by = {"who": "who", "day": "date_trunc('hour', moment)"}
    for day in (1, 2):
        for who in "ab":
            rows = pl.DataFrame(
                {"id": [day * 10 + ord(who)], "who": who, "moment": dt.datetime(2024, 1, day, 5)}
            )
            key = dg.MultiPartitionKey({"who": who, "day": f"2024-01-0{day}"})
            lab.write(rows, "thing", partitions=parts, by=by, key=key)
    asset = lab.asset("thing", partitions=parts, by=by)
    key = dg.MultiPartitionKey({"who": "b", "day": "2024-01-01"})
    assert lab.read(pl.DataFrame, asset, partitions=parts, key=key)["id"].to_list() == [108]
    assert lab.read(pl.DataFrame, asset).height == 4
    assert sorted(lab.read(pl.DataFrame, asset, partitions=whose, key="a")["id"]) == [107, 117]
    corners = [dg.MultiPartitionKey({"who": w, "day": f"2024-01-0{d}"}) for w, d in (("a", 1), ("b", 2))]
    mapping = dg.SpecificPartitionsPartitionMapping(corners)
    assert sorted(lab.read(pl.DataFrame, asset, mapping=mapping)["id"]) == [107, 118]

    with pytest.raises(CcfError, match=r"who 'a'.*outside what is written: '2024-01-02\|b'"):
        lab.write(
            pl.DataFrame({"id": [1], "who": "a", "moment": dt.datetime(2024, 1, 2)}),
            "thing", partitions=parts, by=by, key=dg.MultiPartitionKey({"who": "b", "day": "2024-01-02"}),
        )  # fmt: skip
    with pytest.raises(CcfError, match=r"thing: metadata 'partition_expr' names no column for day\."):
        lab.write(rows, "thing", partitions=parts, by={"who": "who"}, key=key)
    with pytest.raises(CcfError, match=r"thing: metadata 'partition_expr' names no column for day, who\."):
        lab.write(rows, "thing", partitions=parts, by="who", key=key)


def test_a_range_of_multi_partitions_is_one_run(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, who text, day date)")
    whose = dg.StaticPartitionsDefinition(["a", "b"])
    parts = dg.MultiPartitionsDefinition({"who": whose, "day": days})
    rows = pl.DataFrame({"id": [1, 2], "who": ["a", "a"], "day": [dt.date(2024, 1, 1), dt.date(2024, 1, 2)]})
    asset = lab.asset("thing", rows, partitions=parts, by={"who": "who", "day": "day"})
    counts = lab.counts(asset, "2024-01-01|a", "2024-01-02|a")
    assert counts == {"2024-01-01|a": 1, "2024-01-02|a": 1}


def test_an_asset_with_partitions_must_say_what_they_divide(lab: Database) -> None:
    with pytest.raises(CcfError, match="site has partitions but no metadata 'partition_expr'"):
        lab.write(pl.DataFrame({"probe": [1], "id": [1]}), partitions=atlases, key="1")


def test_rows_must_bring_the_column_that_partitions_divide(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, who text DEFAULT '1')")
    with pytest.raises(CcfError, match=r"lab.thing: rows must bring who; they bring id\."):
        lab.write(pl.DataFrame({"id": [1]}), "thing", partitions=atlases, by="who", key="1")
    with pytest.raises(CcfError, match=r"lab.voxel: rows must bring atlas; they bring x, region\."):
        lab.voxels(pl.DataFrame({"x": [1], "region": [2]}))
    with pytest.raises(CcfError, match=r'lab\.thing: column "nix" does not exist'):
        lab.write(pl.DataFrame({"id": [1]}), "thing", partitions=atlases, by="nix", key="1")


# ---- inputs


def site_frame() -> pl.DataFrame:
    rows = {"probe": [1, 1, 2], "id": [1, 2, 1], "name": ["a", None, "ß,'\n"], "depth": [0.5, None, -1e300]}
    rows["noted"] = [1, None, 3]
    return pl.DataFrame(rows, schema_overrides={"probe": pl.Int32, "id": pl.Int32, "noted": pl.Int32})


READ: dict[str, tuple[Any, Callable[[Any], pl.DataFrame]]] = {
    "polars": (pl.DataFrame, lambda frame: frame),
    "unannotated": (Any, lambda frame: frame),
    "pandas": (pd.DataFrame, pl.from_pandas),
    "stream": (pa.RecordBatchReader, lambda reader: pl.from_arrow(reader.read_all())),
}


@pytest.mark.parametrize(("kind", "frame_of"), READ.values(), ids=READ)
def test_every_kind_of_input_is_what_was_written(
    lab: Database, kind: Any, frame_of: Callable[[Any], pl.DataFrame]
) -> None:
    frame = site_frame()
    lab.write(frame)
    whole, parts = lab.asset("site"), lab.asset("site", **BY_PROBE)

    def read(asset: dg.AssetsDefinition, **arguments: Any) -> pl.DataFrame:
        return lab.read(kind, asset, use=frame_of, **arguments).sort(pl.all())

    polars.testing.assert_frame_equal(read(whole), frame.sort(pl.all()))
    polars.testing.assert_frame_equal(
        read(whole, columns=["noted", "id"]), frame.select("noted", "id").sort(pl.all())
    )
    one = frame.filter(pl.col("probe") == 1)
    polars.testing.assert_frame_equal(read(parts, partitions=atlases, key="1"), one.sort(pl.all()))
    assert read(parts, partitions=atlases, key="3").is_empty()
    assert read(parts).height == 3, "every partition into an asset without"
    assert read(whole, partitions=atlases, key="3").height == 3, "an asset without into every partition"
    last_two = dg.StaticPartitionMapping({"1": "1", "2": {"1", "2"}, "3": {"1", "2"}})
    assert read(parts, partitions=atlases, mapping=last_two, key="1").height == 3
    assert lab.left_over() == []


def test_a_query_as_input_is_the_slice_and_can_be_written_on(lab: Database) -> None:
    lab.write(site_frame())
    upstream = lab.asset("site", **BY_PROBE)

    @dg.asset(partitions_def=atlases, metadata={"partition_expr": "atlas"})
    def voxel(site: sa.Select[Any]) -> sa.Select[Any]:
        s = site.subquery()
        return sa.select(s.c.probe.label("atlas"), (s.c.id * 10).label("x"), sa.literal(5).label("region"))

    for key in ("1", "2", "3"):
        lab.run([upstream, voxel], selection=["voxel"], partition_key=key)
    assert lab.rows("voxel", "atlas, x, region") == [(1, 10, 5), (1, 20, 5), (2, 10, 5)]
    with lab.engine.connect() as connection:
        assert connection.execute(lab.read(sa.Select, upstream, columns=["id"])).all() == [(1,), (2,), (1,)]
    got = lab.read(sa.Select[Any], upstream, partitions=atlases, key="2")
    assert pl.from_arrow(read_arrow(lab.engine.url, got).read_all())["id"].to_list() == [1]


def test_columns_that_are_not_there_are_named(lab: Database) -> None:
    with pytest.raises(CcfError, match=r"lab\.site has no column a, b, named in metadata 'columns'"):
        lab.read(pl.DataFrame, lab.asset("site"), columns=["a", "id", "b"])


def test_a_table_that_dagster_does_not_fill_can_be_an_input(lab: Database) -> None:
    lab.write(site_frame())
    spec = dg.AssetSpec("site", partitions_def=atlases, metadata={"partition_expr": "probe"})
    assert lab.read(pl.DataFrame, spec, partitions=atlases, key="2").height == 1


def test_an_asset_can_be_loaded_outside_a_run(lab: Database) -> None:
    lab.write(site_frame())
    defs = dg.Definitions(
        [lab.asset("site", **BY_PROBE)],
        resources={"io_manager": PostgresIOManager(postgres=PostgresResource(), schema="lab")},
    )
    frame = defs.load_asset_value("site", python_type=pd.DataFrame, partition_key="1", instance=lab.instance)
    assert frame["noted"].tolist() == [1, pd.NA]


# ---- types


EVERY_TYPE = """
CREATE TYPE lab.mood AS ENUM ('calm', 'it''s');
CREATE TABLE lab.thing (
    id int PRIMARY KEY, i2 smallint, i4 int, i8 bigint, f4 real, f8 float8, flag bool, day date,
    moment timestamp, instant timestamptz, words text, short varchar(5), fixed char(6), mood lab.mood,
    raw bytea
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
}


def every_type() -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, values, dtype) for name, (dtype, values) in TYPES.items()])


def test_every_supported_type_comes_back_as_it_was(lab: Database) -> None:
    lab.sql(EVERY_TYPE)
    frame = every_type()
    lab.write(frame, "thing")
    asset = lab.asset("thing")
    polars.testing.assert_frame_equal(lab.read(pl.DataFrame, asset).sort("id"), frame)
    arrow = lab.read(pa.RecordBatchReader, asset, use=lambda reader: reader.read_all())
    assert (
        arrow.schema.types
        == frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow.schema).schema.types
    )
    before = lab.sql("SELECT xmin, ctid FROM lab.thing")
    lab.write(frame, "thing")
    lab.write(stream(frame), "thing")
    # To pandas a NaN is a missing value.
    lab.write(lab.read(pd.DataFrame, asset).drop(columns=["f4", "f8"]), "thing")
    assert lab.sql("SELECT xmin, ctid FROM lab.thing") == before


def test_pandas_keeps_every_digit_of_integers_with_nulls(lab: Database) -> None:
    lab.sql(EVERY_TYPE)
    lab.write(every_type(), "thing")
    frame = lab.read(pd.DataFrame, lab.asset("thing")).sort_values("id").reset_index(drop=True)
    assert frame["i8"].tolist() == [-(2**63), 2**63 - 1, 2**53 + 1, pd.NA]
    assert [str(frame[name].dtype) for name in ("id", "i2", "i4", "flag")] == [
        "int32",
        "Int16",
        "Int32",
        "boolean",
    ]


def test_what_pandas_calls_missing_becomes_null_and_its_index_is_left_out(lab: Database) -> None:
    frame = pd.DataFrame(
        {
            "probe": pd.array([1, 1, 1], dtype="Int64"),
            "id": [1.0, 2.0, 3.0],
            "name": np.array(["a", None, float("nan")], dtype=object),
            "depth": [1.5, float("nan"), None],
            "noted": pd.array([1, None, 3], dtype="Int32"),
        },
        index=[7, 7, 9],
    )
    lab.write(frame)
    assert lab.rows("site") == [(1, 1, "a", 1.5, 1), (1, 2, None, None, None), (1, 3, None, None, 3)]
    lab.write(frame.astype({"name": "category"}).set_index("noted"))
    assert lab.rows("site", "id, name, noted") == [(1, "a", 1), (2, None, None), (3, None, 3)]


def test_frames_of_other_types_are_written_where_no_value_is_changed(lab: Database) -> None:
    frame = pl.DataFrame(
        {
            "probe": pl.Series([1, 1], dtype=pl.UInt32),
            "id": pl.Series([1, 2], dtype=pl.Int64),
            "name": pl.Series(["a", None], dtype=pl.Categorical),
            "depth": pl.Series([1.5, None], dtype=pl.Float32),
            "noted": pl.Series([None, None], dtype=pl.Null),
        }
    )
    for same in (frame, frame.with_columns(pl.col("name").cast(pl.Enum(["a"])), pl.col("id").cast(pl.UInt8))):
        lab.write(same)
        assert lab.rows("site") == [(1, 1, "a", 1.5, None), (1, 2, None, None, None)]
    assert lab.write(frame.to_arrow().to_reader())["rows_updated"] == 0


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("i4", pl.Series([2**31], dtype=pl.UInt32)),
        ("i4", pl.Series([2**31])),
        ("i4", pl.Series([-(2**31) - 1])),
        ("i2", pl.Series([2**15])),
        ("i8", pl.Series([2**63], dtype=pl.UInt64)),
        ("i4", pl.Series([1.5])),
        ("i4", pl.Series([float("nan")])),
        ("i4", pl.Series(["one"])),
        ("f8", pl.Series([2**53 + 1])),
        ("f4", pl.Series([1e39])),
        ("moment", pl.Series([1], dtype=pl.Datetime("ns"))),
        ("short", pl.Series(["123456"])),
        ("words", pl.Series(["a\0b"])),
        ("mood", pl.Series(["angry"])),
        ("flag", pl.Series([[True]])),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused_not_changed(
    lab: Database, column: str, values: pl.Series
) -> None:
    lab.sql(EVERY_TYPE)
    for rows in (
        pl.DataFrame({"id": [1], column: values}),
        pl.DataFrame({"id": [1], column: values}).to_arrow(),
    ):
        with pytest.raises(
            CcfError, match=rf"^lab.thing: [^\n]*\b{column}\b[^\n]*\.$|^lab.thing: invalid byte"
        ):
            lab.write(rows if isinstance(rows, pl.DataFrame) else rows.to_reader(), "thing")
    assert lab.sql("SELECT * FROM lab.thing") == []
    assert lab.left_over() == []


@pytest.mark.parametrize(("name", "arguments"), [("site", {}), ("voxel", {**BY_ATLAS, "key": "1"})])
def test_a_stream_may_bring_metadata_that_is_made_once_its_rows_are_with_the_server(
    lab: Database, name: str, arguments: dict[str, Any]
) -> None:
    seen: list[str] = []

    def batches() -> Iterator[pa.RecordBatch]:
        yield from rows.to_batches()
        seen.append("rows")

    def metadata() -> dict[str, dg.MetadataValue[Any]]:
        seen.append("metadata")
        return {"picture": dg.MetadataValue.text("of it")}

    columns = {"site": {"probe": [1], "id": [2]}, "voxel": {"atlas": [1], "x": [1], "region": [1]}}[name]
    rows = pa.table({column: pa.array(values, pa.int32()) for column, values in columns.items()})
    stream = pa.RecordBatchReader.from_batches(rows.schema, batches())
    added = lab.write(bring.Stream(stream, metadata), name, **arguments)
    assert seen == ["rows", "metadata"]
    assert added["picture"] == dg.MetadataValue.text("of it")
    assert lab.sql(f"SELECT count(*) FROM lab.{name}") == [(1,)]


def test_metadata_of_a_query_is_made_while_the_server_works_on_it(lab: Database) -> None:
    def metadata() -> dict[str, dg.MetadataValue[Any]]:
        return {"picture": dg.MetadataValue.text("of it")}

    rows = sa.select(sa.literal(1).label("probe"), sa.literal(2).label("id"))
    assert lab.write(bring.Stream(rows, metadata))["picture"] == dg.MetadataValue.text("of it")
    assert lab.sql("SELECT probe, id FROM lab.site") == [(1, 2)]


def test_a_query_of_other_types_is_converted_as_an_insert_does(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, small int2, label varchar(3))")
    long, text = sa.cast(sa.literal(5), sa.BigInteger), sa.cast(sa.literal("abc"), sa.Text)
    lab.write(sa.select(long.label("id"), (long * 2).label("small"), text.label("label")), "thing")
    assert lab.sql("SELECT * FROM lab.thing") == [(5, 10, "abc")]
    for column in (sa.cast(sa.literal("abcd"), sa.Text).label("label"), (long * 20_000).label("small")):
        with pytest.raises(CcfError, match=r"^lab\.thing: "):
            lab.write(sa.select(long.label("id"), column), "thing")
    with pytest.raises(CcfError, match=r"^lab\.thing: "):
        lab.write(sa.select(text.label("id")), "thing")
    assert lab.sql("SELECT * FROM lab.thing") == [(5, 10, "abc")]


def test_a_type_that_arrow_cannot_bring_is_named_and_a_query_can(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, price numeric(8, 2), tags jsonb)")
    with pytest.raises(
        CcfError, match=r"lab.thing.price is of type NUMERIC\(8, 2\).*return a sqlalchemy.Select"
    ):
        lab.write(pl.DataFrame({"id": [1], "price": ["1.5"]}), "thing")
    lab.write(sa.select(sa.literal(1).label("id"), sa.literal(1.5).label("price")), "thing")
    assert lab.sql("SELECT id, price::text FROM lab.thing") == [(1, "1.50")]


def test_a_pandas_frame_that_is_no_table_is_refused_in_a_sentence(lab: Database) -> None:
    with pytest.raises(CcfError, match=r"lab\.site: the frame cannot be written: "):
        lab.write(pd.DataFrame({"probe": [1, 1], "id": [1, "a"]}))
    with pytest.raises(CcfError, match=r"lab\.site: .*id"):
        lab.write(pd.DataFrame([[1, 2]], columns=["id", "id"]))
    with pytest.raises(CcfError, match=r"lab\.site has no column 0, 1"):
        lab.write(pd.DataFrame([[1, 2]]))


integers = st.integers(-(2**31), 2**31 - 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
sites = st.lists(
    st.tuples(
        integers,
        st.none() | texts,
        st.none() | st.floats(allow_nan=True),
        st.none() | integers,
    ),
    unique_by=lambda row: row[0],
    max_size=30,
)


@given(first=sites, second=sites, kind=st.sampled_from(["polars", "stream"]), rows=st.integers(1, 7))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
def test_random_rows_replace_random_rows_and_come_back(
    lab: Database, first: list[Any], second: list[Any], kind: str, rows: int
) -> None:
    columns = {"id": pl.Int32, "name": pl.String, "depth": pl.Float64, "noted": pl.Int32}
    table = sa.Table("site", sa.MetaData(), schema="lab", autoload_with=lab.engine)
    for values in (first, second):
        frame = pl.DataFrame(values, schema=columns, orient="row").with_columns(
            pl.lit(1, pl.Int32).alias("probe")
        )
        lab.write(frame if kind == "polars" else frame.to_arrow().to_reader(rows))
        back = pl.from_arrow(read_arrow(lab.engine.url, sa.select(table)).read_all())
        polars.testing.assert_frame_equal(
            back.select(frame.columns).sort("id"), frame.sort("id"), check_exact=True
        )


# ---- merge


def test_a_merge_touches_only_the_rows_that_change(lab: Database) -> None:
    frame = pl.DataFrame(
        {"probe": 1, "id": [1, 2, 3, 4], "name": ["a", "b", None, None], "depth": [0.1, None, 2, None]}
    )
    lab.write(frame)
    lab.sql("UPDATE lab.site SET noted = id WHERE id < 4; INSERT INTO lab.site VALUES (2, 1)")
    before = dict(lab.rows("site", "ARRAY[probe, id]::text, (xmin, ctid)::text"))
    changed = frame.with_columns(name=pl.Series(["a", "B", None, "d"])).filter(pl.col("id") != 3)
    metadata = lab.write(changed, **BY_PROBE, key="1")
    after = dict(lab.rows("site", "ARRAY[probe, id]::text, (xmin, ctid)::text"))
    assert {key for key in before if before[key] == after.get(key)} == {"{1,1}", "{2,1}"}
    assert lab.rows("site", "id, name, noted, probe") == [
        (1, "a", 1, 1),  # equal: what was noted stays
        (1, None, 7, 2),  # of another partition
        (2, "B", 7, 1),  # changed: its default is back
        (4, "d", 7, 1),
    ]
    assert {name: metadata[name] for name in metadata if name.startswith("rows_")} == {
        "rows_deleted": 1, "rows_updated": 2, "rows_inserted": 0
    }  # fmt: skip
    assert metadata["dagster/partition_row_count"] == 3


def test_an_empty_frame_empties_the_slice_and_nothing_else(lab: Database) -> None:
    both = pl.DataFrame({"probe": [1, 2], "id": 1})
    lab.write(both, **BY_PROBE, key=("1", "2"))
    both = both.rename({"probe": "atlas", "id": "x"}).with_columns(region=5)
    lab.voxels(both, key=("1", "2"))
    empty = {"probe": pl.Int32, "id": pl.Int32}
    lab.write(pl.DataFrame(schema=empty), **BY_PROBE, key="1")
    lab.voxels(pl.DataFrame(schema={"atlas": pl.Int32, "x": pl.Int32}).to_arrow().to_reader())
    assert lab.rows("site", "probe, id") == [(2, 1)]
    assert lab.rows("voxel", "atlas, x") == [(2, 1)]
    lab.write(pl.DataFrame(schema=empty))
    assert lab.rows("site") == []


def test_a_merge_of_much_leaves_statistics_for_the_loads_that_refer_to_it(lab: Database) -> None:
    known = "SELECT reltuples::int FROM pg_class WHERE oid = 'lab.site'::regclass"
    lab.write(sample("site", *range(100)))
    assert lab.sql(known) == [(100,)]
    lab.write(sample("site", *range(105)))
    assert lab.sql(known) == [(100,)], "a few more are not worth it"


@pytest.mark.parametrize("analyzed", ["known", "unknown"])
def test_a_merge_compares_each_row_with_its_like_whatever_the_planner_knows(
    lab: Database, monkeypatch: pytest.MonkeyPatch, analyzed: str
) -> None:
    """Where it expected few rows, or a hit before the end, it compared all of them with all."""
    lab.sql("CREATE TABLE lab.thing (name text, id int, who text, PRIMARY KEY (name, id))")
    fill = (
        "INSERT INTO lab.thing SELECT 'n' || i % 9, i, {} FROM generate_series({}, {}) i; ANALYZE lab.thing"
    )
    lab.sql("ALTER TABLE lab.thing SET (autovacuum_enabled = off)")
    lab.sql(fill.format("'1'", 1, 30_000))
    lab.sql(
        fill.format("'2'", 30_001, 130_000).removesuffix("" if analyzed == "known" else "; ANALYZE lab.thing")
    )
    number = sa.func.generate_series(30_001, 130_001).column_valued("i")
    one_more = sa.select(
        sa.literal("n").concat(number % 9).label("name"), number.label("id"), sa.literal("2").label("who")
    )
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=15s")
    metadata = lab.write(one_more, "thing", partitions=atlases, by="who", key="2")
    assert (metadata["rows_inserted"], metadata["rows_updated"], metadata["rows_deleted"]) == (1, 0, 0)


def test_an_asset_may_bring_only_what_is_new_or_changed(lab: Database) -> None:
    lab.sql("INSERT INTO lab.site (probe, id, name) VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 3, 'c')")
    rows = pl.DataFrame({"probe": [1, 1], "id": [2, 4], "name": ["B", "d"]})
    metadata = lab.write(rows, **BY_PROBE, key=("1", "2"), rows_stay=True)
    assert lab.rows("site", "probe, id, name") == [(1, 1, "a"), (1, 2, "B"), (1, 4, "d"), (2, 3, "c")]
    assert [metadata[f"rows_{name}"] for name in ("inserted", "updated", "deleted")] == [1, 1, 0]
    one = lab.write(rows.clear(), **BY_PROBE, key="1", rows_stay=True)
    assert one["dagster/partition_row_count"] == 3, "all that are there, not those that were brought"


@pytest.fixture
def pointing(lab: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Every number of rows is checked at once, in a table that refers to two others."""
    monkeypatch.setattr(foreign_keys, "ROWS_TO_CHECK_AT_ONCE", 1)
    lab.sql("""
        CREATE TABLE lab.pair (a int, b text, PRIMARY KEY (a, b));
        INSERT INTO lab.pair VALUES (1, 'x'), (2, 'y');
        CREATE TABLE lab.thing (id int PRIMARY KEY, a int, b text, region int REFERENCES lab.region,
            FOREIGN KEY (a, b) REFERENCES lab.pair)
    """)
    return lab


def things(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, {"id": pl.Int32, "a": pl.Int32, "b": pl.String, "region": pl.Int32}, orient="row"
    )


def test_foreign_keys_that_are_checked_at_once_are_those_of_the_table(
    pointing: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    execute = psycopg.Connection.execute

    def listened(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        asked.append(str(query))
        return execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", listened)
    good = things((1, 1, "x", 3), (2, 1, "x", None), (3, None, "z", 3), (4, 2, "y", 4))
    assert pointing.write(good, "thing")["rows_inserted"] == 4
    assert sum("FOR KEY SHARE OF known" in query for query in asked) == 3, (
        "the catalogue, then one for each key"
    )
    for bad, key in (
        (things((9, 2, "x", 3)), r"\(a, b\)=\(2, x\)"),
        (things((9, 1, "x", 777)), r"\(region\)=\(777\)"),
    ):
        with pytest.raises(CcfError, match=f"violates foreign key constraint .*Key {key} is not present"):
            pointing.write(pl.concat([good, bad]), "thing")
    assert len(pointing.rows("thing")) == 4


def test_what_rows_refer_to_is_locked_while_they_are_inserted(pointing: Database) -> None:
    rows = things((1, 1, "x", 3))
    with pointing.engine.begin() as connection:
        target = Slice(sa.Table("thing", sa.MetaData(), schema="lab", autoload_with=connection))
        table = bring.as_rows("lab.thing", rows)
        merge.merge(Write(connection, target, print, lambda: None, ExitStack()), table)
        for statement in ("DELETE FROM lab.pair WHERE a = 1", "DELETE FROM lab.region WHERE id = 3"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                pointing.sql(f"SET lock_timeout = '50ms'; {statement}")
        pointing.sql("DELETE FROM lab.pair WHERE a = 2")


@pytest.mark.parametrize("first", [0, 1], ids=["into nothing", "beside others"])
def test_frames_and_queries_are_inserted_alike(pointing: Database, first: int) -> None:
    """Where nothing is in the slice rows go straight into the table, else by way of a staging table."""
    parts = dg.StaticPartitionsDefinition(["1", "2"])
    pointing.sql(f"INSERT INTO lab.thing SELECT 100, 1, 'x', 3 WHERE {first} = 1")
    good = things((1, 1, "x", 3), (2, 1, "x", None))
    query = sa.select(
        *(
            sa.column(n, t)
            for n, t in (("id", sa.Integer), ("a", sa.Integer), ("b", sa.Text), ("region", sa.Integer))
        )
    ).select_from(sa.text("(VALUES (1, 1, 'x', 3), (2, 1, 'x', NULL)) AS v (id, a, b, region)"))
    seen = []
    for rows in (good, query):
        numbers = pointing.write(rows, "thing", partitions=parts, by="a", key="1")
        seen.append((numbers["rows_inserted"], numbers["rows_deleted"], pointing.rows("thing")))
        pointing.sql("DELETE FROM lab.thing WHERE id < 100")
        pointing.sql(f"INSERT INTO lab.thing SELECT 100, 1, 'x', 3 WHERE {first} = 1 ON CONFLICT DO NOTHING")
    assert seen == [(2, first, [(1, 1, "x", 3), (2, 1, "x", None)])] * 2


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([(1, 1, "x", 3), (1, 1, "x", 3)], "two rows have the key id 1"),
        ([(7, 1, "x", 3)], "the key id 7 is in use outside what is written"),
        ([(1, 2, "y", 3)], "a row has a 2, outside what is written"),
        ([(1, 1, "y", 3)], "violates foreign key constraint"),
        ([(None, 1, "x", 3)], "null value in column"),
    ],
)
@pytest.mark.parametrize("as_query", [False, True])
def test_what_is_wrong_with_rows_is_told_also_where_nothing_is_in_the_slice(
    pointing: Database, rows: Sequence[tuple[object, ...]], sentence: str, as_query: bool
) -> None:
    pointing.sql("INSERT INTO lab.thing VALUES (7, 2, 'y', 4)")
    value: Any = things(*rows)
    if as_query:
        selects = [
            sa.select(
                *(
                    sa.cast(sa.literal(v), t).label(n)
                    for n, t, v in zip(
                        "abcd", (sa.Integer, sa.Integer, sa.Text, sa.Integer), row, strict=True
                    )
                )
            )
            for row in rows
        ]
        of = sa.union_all(*selects).subquery().c
        value = sa.select(of.a.label("id"), of.b.label("a"), of.c.label("b"), of.d.label("region"))
    parts = dg.StaticPartitionsDefinition(["1", "2"])
    with pytest.raises(CcfError, match=sentence):
        pointing.write(value, "thing", partitions=parts, by="a", key="1")
    assert pointing.rows("thing") == [(7, 2, "y", 4)]


def test_a_query_gives_the_same_numbers_into_nothing_and_beside_others(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.measure (id int PRIMARY KEY, mm3 double precision)")
    mm3 = sa.literal(7515) * sa.literal(0.001, sa.Double)
    seen = []
    for _ in range(2):
        lab.write(sa.select(sa.literal(1).label("id"), mm3.label("mm3")), "measure")
        seen += lab.sql("SELECT mm3 FROM lab.measure")
        lab.sql("UPDATE lab.measure SET mm3 = 0")
    assert seen == [(7515 * 0.001,)] * 2, "7.515000000000001, as doubles are; 7.515 as decimal fractions"


def test_what_a_query_locks_is_locked_until_its_rows_are_in_place(pointing: Database) -> None:
    pointing.sql("CREATE TABLE lab.mine (id int PRIMARY KEY, is_at int); INSERT INTO lab.mine VALUES (1, 5)")
    mine = sa.table("mine", sa.column("id", sa.Integer), sa.column("is_at", sa.Integer), schema="lab")
    query = sa.select(mine.c.id, sa.literal(1).label("a"), sa.literal("x").label("b")).with_for_update(
        read=True
    )
    move = "SET lock_timeout = '50ms'; UPDATE lab.mine SET is_at = 6"
    with ExitStack() as open_sessions, pointing.engine.begin() as connection:
        target = Slice(sa.Table("thing", sa.MetaData(), schema="lab", autoload_with=connection))
        merge.merge(Write(connection, target, print, lambda: None, open_sessions), query)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            pointing.sql(move)
    pointing.sql(move)
    assert pointing.rows("thing") == [(1, 1, "x", None)]


def test_rows_whose_query_lost_its_locks_are_not_stored(
    pointing: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the query read could have changed since."""
    analyze = session.analyze_table

    def ended(*arguments: Any) -> None:
        analyze(*arguments)
        pointing.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY (%' AND datname = "
            "current_database()"
        )

    monkeypatch.setattr(merge, "analyze_table", ended)
    query = sa.select(sa.literal(1).label("id"), sa.literal(1).label("a"), sa.literal("x").label("b"))
    with pytest.raises(CcfError, match="terminating connection"):
        pointing.write(query, "thing")
    assert pointing.rows("thing") == []


def test_who_waits_for_the_one_session_and_is_waited_for_by_the_other_is_not_waited_for_for_ever(
    pointing: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "OTHERS_PATIENCE_S", 2)
    pointing.sql("CREATE TABLE lab.mine (id int PRIMARY KEY); INSERT INTO lab.mine VALUES (1)")
    mine = sa.table("mine", sa.column("id", sa.Integer), schema="lab")
    query = sa.select(mine.c.id, sa.literal(1).label("a"), sa.literal("x").label("b")).with_for_update(
        read=True
    )
    with ThreadPoolExecutor(2) as pool, psycopg.connect(pointing.dsn) as other:
        other.execute("SELECT FROM lab.mine FOR UPDATE")  # for which the query waits
        written = pool.submit(pointing.write, query, "thing")
        waits = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY (%' AND wait_event_type = 'Lock'"
        while not pointing.sql(waits):
            time.sleep(0.01)
        truncated = pool.submit(other.execute, "TRUNCATE lab.thing")  # it waits for what stores the answer
        # Once one session does both, the server sees the deadlock, if there still is one, and ends it.
        done, _ = wait([written, truncated], timeout=20, return_when=FIRST_COMPLETED)
        assert done
        other.rollback()
        failed = written.exception(timeout=20)
        assert failed is None or "deadlock detected" in str(failed)


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ("4000000000::oid", "bigint"),
        ("'2020-01-01 12:00'::timestamp", "timestamptz"),
        ("'2020-01-01 23:30+00'::timestamptz", "date"),
        ("'2020-01-01 23:30+00'::timestamptz", "timestamp"),
        ("1::money", "text"),
        ("'ab'::bytea", "text"),
        ("'2020-01-01 12:00'::timestamp", "text"),
        ("gen_random_uuid()", "text"),
        ("1.5::numeric", "integer"),
        ("'{1,2}'::int[]", "int[]"),
        ("E'a\\tb\\n\\\\N'::text", "text"),
    ],
)
def test_a_value_becomes_the_same_into_nothing_and_beside_others(
    lab: Database, value: str, column: str
) -> None:
    lab.sql(f"""
        ALTER DATABASE "{lab.engine.url.database}" SET TimeZone = 'Europe/Berlin';
        CREATE TABLE lab.given AS SELECT 1 AS id, {value} AS value;
        CREATE TABLE lab.kept (id int PRIMARY KEY, value {column})
    """)
    given = sa.table("given", sa.column("id"), sa.column("value"), schema="lab")
    seen = []
    for number in (1, 2):
        lab.sql(f"UPDATE lab.given SET id = {number}")
        lab.write(sa.select(given.c.id, given.c.value), "kept", rows_stay=True)
        seen += lab.sql(f"SELECT value::text FROM lab.kept WHERE id = {number}")
    assert seen[0] == seen[1]


def test_a_value_that_an_insert_may_not_bring_is_refused_into_nothing_too(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.numbered (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY)")
    query = sa.select(sa.literal(1).label("id"), sa.literal(7).label("n"))
    with pytest.raises(CcfError, match="GENERATED ALWAYS"):
        lab.write(query, "numbered")


def test_a_query_that_waits_too_long_for_others_is_asked_in_the_session_that_writes(
    pointing: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server cannot see that whom we wait for waits for our second session."""
    monkeypatch.setattr(merge, "OTHERS_PATIENCE_S", 0.2)
    stage, staging = bring.stage, threading.Event()

    def staged(*arguments: Any) -> Any:
        staging.set()
        return stage(*arguments)

    monkeypatch.setattr(merge, "stage", staged)
    query = sa.select(sa.literal(1).label("id"), sa.literal(1).label("a"), sa.literal("x").label("b"))
    with ThreadPoolExecutor(1) as pool, psycopg.connect(pointing.dsn) as other:
        other.execute("DELETE FROM lab.pair WHERE a = 1")  # what the row refers to
        written = pool.submit(pointing.write, query, "thing")
        assert staging.wait(20)
        other.rollback()
        assert written.result()["rows_inserted"] == 1


def test_what_a_lab_has_set_on_inserts_still_happens(pointing: Database) -> None:
    pointing.sql("""
        CREATE TABLE lab.seen (id int);
        CREATE FUNCTION lab.note() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN INSERT INTO lab.seen VALUES (NEW.id); RETURN NEW; END';
        CREATE TRIGGER note AFTER INSERT ON lab.thing FOR EACH ROW EXECUTE FUNCTION lab.note()
    """)
    pointing.write(things((1, 1, "x", 3)), "thing")
    assert pointing.sql("SELECT id FROM lab.seen") == [(1,)]
    pointing.sql("DROP TRIGGER note ON lab.thing; ALTER TABLE lab.thing ADD UNIQUE (a) DEFERRABLE")
    with pytest.raises(CcfError, match="duplicate key"):
        pointing.write(things((1, 1, "x", 3), (2, 1, "x", 3)), "thing")


def test_a_table_of_nothing_but_its_key_can_be_merged(lab: Database) -> None:
    lab.sql("DELETE FROM lab.region WHERE id > 3")
    before = lab.sql("SELECT id, xmin FROM lab.region WHERE id > 0 ORDER BY id")
    lab.write(pl.DataFrame({"id": [1, 2, 3, 4]}), "region")
    assert lab.sql("SELECT id, xmin FROM lab.region WHERE id < 4 ORDER BY id") == before


def test_a_table_without_a_key_is_not_merged(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int); CREATE VIEW lab.seen AS SELECT * FROM lab.thing")
    for name in ("thing", "seen"):
        with pytest.raises(CcfError, match=f"lab.{name} has no primary key to merge rows by"):
            lab.write(pl.DataFrame({"id": [1]}), name)


def test_a_key_that_comes_twice_is_named(lab: Database) -> None:
    rows = pl.DataFrame({"probe": [1, 1, 1], "id": [1, 2, 2]})
    with pytest.raises(
        CcfError, match=r"^lab.site: two rows have the key probe 1, id 2; a key may occur once\.$"
    ):
        lab.write(rows)
    with pytest.raises(CcfError, match=r"^lab.voxel: .*Key \(atlas, x\)=\(1, 2\) is duplicated\.$"):
        lab.voxels(rows.select(atlas="probe", x="id", region=5))


def test_columns_must_be_of_the_table_come_once_and_hold_the_key(lab: Database) -> None:
    rows = pl.DataFrame({"probe": [1], "id": [1], "nom": ["a"]})
    for value in (rows, stream(rows), query(rows)):
        with pytest.raises(
            CcfError, match=r"lab\.site has no column nom; it has probe, id, name, depth, noted\."
        ):
            lab.write(value)
    with pytest.raises(CcfError, match=r"lab\.site: rows must bring id; they bring probe, name\."):
        lab.write(rows.select("probe", name="nom"))
    twice = [sa.literal(1).label(name) for name in ("probe", "id", "id")]
    with pytest.raises(CcfError, match=r"lab\.site: the rows bring column id twice\."):
        lab.write(sa.select(*twice))
    with pytest.raises(CcfError, match=r"lab\.voxel has no column id"):
        lab.voxels(sa.select(sa.literal(1).label("id")))


@every_kind
def test_rows_of_another_partition_are_refused(lab: Database, kind: Callable[[pl.DataFrame], Any]) -> None:
    lab.write(pl.DataFrame({"probe": [1], "id": [1]}), **BY_PROBE, key="1")
    lab.voxels(pl.DataFrame({"atlas": [1], "x": [1], "region": [5]}))
    stray = pl.DataFrame({"probe": [1, 2], "id": [5, 6]})
    with pytest.raises(CcfError, match=r"^lab.site: a row has probe 2, outside what is written: '1'\.$"):
        lab.write(kind(stray), **BY_PROBE, key="1")
    stray = stray.select(atlas="probe", x="id", region=5)
    with pytest.raises(CcfError, match=r"^lab.voxel: a row has atlas 2, outside what is written: '1'\.$"):
        lab.voxels(kind(stray))
    with pytest.raises(
        CcfError, match=r"^lab.voxel: a row has atlas 1, outside what is written: '2', '3'\.$"
    ):
        lab.voxels(kind(stray), key=("2", "3"))
    assert (lab.rows("site", "probe, id"), lab.rows("voxel", "atlas, x")) == ([(1, 1)], [(1, 1)])
    assert lab.left_over() == []


def test_a_row_without_partition_is_refused(lab: Database) -> None:
    lab.sql("""
        CREATE TABLE lab.thing (id int PRIMARY KEY, who text);
        CREATE TABLE lab.parted (id int, who text) PARTITION BY LIST (who)
    """)
    rows = pl.DataFrame({"id": [1], "who": [None]}, schema={"id": pl.Int32, "who": pl.String})
    for name in ("thing", "parted"):
        sentence = rf"^lab.{name}: a row has who 'None', outside what is written: '1'\.$"
        with pytest.raises(CcfError, match=sentence):
            lab.write(rows, name, partitions=atlases, by="who", key="1")


def test_a_key_that_another_partition_has_is_not_taken_from_it(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, who text)")
    lab.write(pl.DataFrame({"id": [5], "who": "1"}), "thing", partitions=atlases, by="who", key="1")
    theirs = pl.DataFrame({"id": [5], "who": "2"})
    with pytest.raises(CcfError, match=r"lab\.thing: the key id 5 is in use outside what is written: '2'\."):
        lab.write(theirs, "thing", partitions=atlases, by="who", key="2")
    assert lab.rows("thing") == [(5, "1")]
    lab.write(theirs, "thing", partitions=atlases, by="who", key=("1", "2"))
    assert lab.rows("thing") == [(5, "2")]


def test_a_gone_row_that_is_referred_to_stays_and_is_named(lab: Database) -> None:
    lab.voxels(pl.DataFrame({"atlas": [1], "x": [1], "region": [5]}))
    with pytest.raises(
        CcfError, match=r"^lab.region: .*Key \(id\)=\(5\) is still referenced from table \"voxel"
    ):
        lab.write(pl.DataFrame({"id": range(5)}), "region")
    assert lab.sql("SELECT count(*) FROM lab.region") == [(100,)]


# ---- swap


SHAPE = """
SELECT 'column', attname::text, format_type(atttypid, atttypmod), attnotnull::text, attgenerated::text,
    pg_get_expr(adbin, adrelid), attcollation::regcollation::text, col_description(attrelid, attnum)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = '{0}'::regclass AND attnum > 0
UNION ALL
SELECT 'constraint', CASE WHEN contype IN ('p', 'u') THEN '' ELSE conname END, pg_get_constraintdef(oid),
    contype::text, convalidated::text, NULL, NULL, NULL
FROM pg_constraint WHERE conrelid = '{0}'::regclass
UNION ALL
SELECT 'index', regexp_replace(pg_get_indexdef(indexrelid), '^(CREATE [A-Z ]*INDEX).*USING', '\\1'),
    indisvalid::text, indisready::text, NULL, NULL, NULL, NULL
FROM pg_index WHERE indrelid = '{0}'::regclass
UNION ALL
SELECT 'table', obj_description('{0}'::regclass), NULL, NULL, NULL, NULL, NULL, NULL
ORDER BY 1, 2, 3
"""


def test_a_loaded_partition_has_all_that_its_parent_has_after_every_load(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.voxel_9 PARTITION OF lab.voxel FOR VALUES IN (9)")
    for load in range(4):
        lab.voxels(
            pl.DataFrame({"atlas": 1, "x": range(load + 1), "region": 5, "name": list("abcd")[: load + 1]})
        )
        assert lab.sql(SHAPE.format("lab.voxel_1")) == lab.sql(SHAPE.format("lab.voxel"))
        relations = lab.sql("""
            SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname = 'lab' AND (relname LIKE '%voxel_1%' OR relname LIKE '%Odd%') ORDER BY 1
        """)
        assert [name for (name,) in relations] == [
            "Odd; name",
            "voxel_1",
            "voxel_1_Odd; name",
            "voxel_1_names_differ",
            "voxel_1_pkey",
            "voxel_1_region_idx",
        ]
    # Each index and foreign key is part of one of the parent's, as in the server's own partition.
    inherited = """
        SELECT (SELECT count(*) FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid WHERE indrelid = t),
            (SELECT count(*) FROM pg_constraint WHERE conrelid = t AND conparentid <> 0),
            (SELECT count(*) FROM pg_constraint WHERE conrelid = t AND NOT conislocal)
        FROM (SELECT '{}'::regclass AS t) AS of
    """
    assert lab.sql(inherited.format("lab.voxel_1")) == lab.sql(inherited.format("lab.voxel_9"))
    assert lab.sql("SELECT reltuples::int FROM pg_class WHERE oid = 'lab.voxel_1'::regclass") == [(4,)]


def test_attaching_does_not_read_the_rows_again(lab: Database) -> None:
    notices: list[str | None] = []
    connect = psycopg.connect(lab.dsn)
    with connect as connection:
        connection.add_notice_handler(lambda diagnostic: notices.append(diagnostic.message_primary))
        connection.execute("SET client_min_messages = debug1")
        table = sa.Table("voxel", sa.MetaData(), schema="lab", autoload_with=lab.engine)
        new = swap._NewPartition(connection, table, "atlas", "integer", "1")
        new.create()
        new.build_keys()
        new.add_bound_check()
        new.add_foreign_keys()
        notices.clear()
        new.attach()
    assert any("is implied by existing constraints" in str(notice) for notice in notices)
    assert not any("verifying table" in str(notice) or "building index" in str(notice) for notice in notices)


@pytest.mark.parametrize(
    ("column_type", "keys"),
    [
        ("smallint", ["1", "-1"]),
        ("bigint", ["5000000000", "0"]),
        ("text", ["it's \\ x", "1"]),
        ("varchar(9)", ["x", "1"]),
        ("char(3)", ["x", "xyz"]),
        ("date", ["2024-01-01", "0001-01-01"]),
        ("boolean", ["true", "false"]),
        ("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"]),
        ("numeric(8, 2)", ["1.5", "-2"]),
    ],
)
def test_a_partition_is_found_again_whatever_the_type_of_its_key(
    lab: Database, column_type: str, keys: list[str]
) -> None:
    lab.sql(
        f"CREATE TABLE lab.thing (who {column_type}, id int, PRIMARY KEY (who, id)) PARTITION BY LIST (who)"
    )
    lab.sql(f"CREATE TABLE lab.by_hand PARTITION OF lab.thing FOR VALUES IN ('{quoted(keys[0])}')")
    parts = dg.StaticPartitionsDefinition(keys)
    for load in (1, 2):
        for key in keys:
            who = sa.literal_column(f"CAST('{quoted(key)}' AS {column_type})").label("who")
            rows = sa.select(who, sa.literal(load).label("id"))
            lab.write(rows, "thing", partitions=parts, by="who", key=key)
    assert [row[1] for row in lab.rows("thing")] == [2, 2]
    assert lab.sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'lab.thing'::regclass") == [(2,)]


def quoted(key: str) -> str:
    return key.replace("'", "''")


def test_other_tables_are_never_mistaken_for_a_partition(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.voxel_1 AS SELECT 5 AS precious")
    with pytest.raises(CcfError, match=r'lab\.voxel: relation "voxel_1" already exists'):
        lab.voxels(pl.DataFrame({"atlas": [1], "x": [1], "region": [5]}))
    assert lab.sql("SELECT * FROM lab.voxel_1") == [(5,)]
    lab.sql("CREATE TABLE lab.two PARTITION OF lab.voxel FOR VALUES IN (2, 3)")
    lab.sql("INSERT INTO lab.voxel VALUES (3, 1, 5)")
    with pytest.raises(
        CcfError, match=r'lab\.voxel: partition "voxel_2_loading" would overlap partition "two"'
    ):
        lab.voxels(pl.DataFrame({"atlas": [2], "x": [1], "region": [5]}), key="2")
    assert lab.rows("voxel", "atlas, x") == [(3, 1)]
    assert lab.left_over() == []


def test_a_partition_that_other_tables_refer_to_is_not_replaced(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.mark (atlas int, x int, FOREIGN KEY (atlas, x) REFERENCES lab.voxel)")
    lab.voxels(voxels(1, 3))
    with pytest.raises(
        CcfError, match=r"lab\.voxel: cannot drop table lab\.voxel_1 because other objects depend on it"
    ):
        lab.voxels(voxels(1, 2))
    assert lab.sql("SELECT count(*) FROM lab.voxel") == [(3,)]
    assert lab.left_over() == []


def test_an_asset_that_writes_a_partitioned_table_is_partitioned_like_it(lab: Database) -> None:
    rows = pl.DataFrame({"atlas": [1], "x": [1], "region": [1]})
    for arguments in ({}, {"partitions": atlases, "by": "region", "key": "1"}):
        with pytest.raises(
            CcfError, match=r"lab\.voxel is partitioned by atlas; an asset that writes it must be"
        ):
            lab.write(rows, "voxel", **arguments)
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    lab.sql("CREATE TABLE lab.thing_1 PARTITION OF lab.thing FOR VALUES FROM (0) TO (9)")
    lab.write(pl.DataFrame({"id": [1, 2]}), "thing")
    assert lab.sql("SELECT id FROM lab.thing_1") == [(1,), (2,)]


def test_daily_partitions_can_be_those_of_the_table(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (day date, id int, PRIMARY KEY (day, id)) PARTITION BY LIST (day)")
    for key in ("2024-01-01", "2024-01-02", "2024-01-01"):
        rows = pl.DataFrame({"day": [dt.date.fromisoformat(key)], "id": [1]})
        lab.write(rows, "thing", partitions=days, by="day", key=key)
    assert [day.day for day, _ in lab.rows("thing")] == [1, 2]


def voxels(atlas: int, count: int, region: int = 5) -> pl.DataFrame:
    return pl.DataFrame({"atlas": atlas, "x": range(count), "region": region})


@contextmanager
def in_background(*works: Callable[[], object]) -> Iterator[None]:
    """Run ``works`` at the same time as the block, and wait for them after it."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join(60)
    if errors:
        raise errors[0]


def test_a_reader_sees_the_old_rows_or_the_new_and_never_a_hole(lab: Database) -> None:
    lab.voxels(voxels(1, 100))
    seen, done = set(), threading.Event()

    def read() -> None:
        with psycopg.connect(lab.dsn, autocommit=True) as connection:
            while not done.is_set():
                seen.add(
                    connection.execute(
                        "SELECT count(*), min(region) FROM lab.voxel WHERE atlas = 1"
                    ).fetchone()
                )

    with in_background(read, read):
        try:
            lab.voxels(voxels(1, 200, 6))
            lab.voxels(query(voxels(1, 300, 7)))
            lab.voxels(stream(voxels(1, 400, 8), 99), key=("1", "2"))
        finally:
            done.set()
    assert seen == {(100, 5), (200, 6), (300, 7), (400, 8)}


@pytest.mark.parametrize(("kind", "seen"), [("stream", 3), ("query", 0)])
def test_an_old_snapshot_that_looks_only_now_finds_what_was_copied(
    lab: Database, kind: str, seen: int
) -> None:
    lab.voxels(voxels(1, 2))
    with psycopg.connect(lab.dsn) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1 FROM pg_class")
        lab.voxels(KINDS[kind](voxels(1, 3)))
        assert reader.execute("SELECT count(*) FROM lab.voxel").fetchone() == (seen,)


def test_a_long_reader_makes_the_swap_wait_and_does_not_hold_up_others(
    lab: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "LOCK_WAIT_S", 0.1)
    lab.voxels(voxels(1, 1))
    with psycopg.connect(lab.dsn) as reader:
        assert reader.execute("SELECT count(*) FROM lab.voxel").fetchone() == (1,)
        with in_background(lambda: lab.voxels(voxels(1, 2))):
            longest = 0.0
            for _ in range(20):
                started = time.monotonic()
                assert lab.sql("SELECT count(*) FROM lab.voxel") == [(1,)]
                longest = max(longest, time.monotonic() - started)
                time.sleep(0.05)
            reader.rollback()
    assert lab.sql("SELECT count(*) FROM lab.voxel") == [(2,)]
    assert longest < 2
    assert lab.left_over() == []


def test_a_reader_of_what_rows_refer_to_is_not_ended_when_it_turns_to_the_rows(lab: Database) -> None:
    """The swap holds the one and waits for the other, the reader the other way round."""
    lab.voxels(voxels(1, 1))
    with psycopg.connect(lab.dsn) as reader:
        reader.execute("SET deadlock_timeout = '700ms'")
        reader.execute("SELECT count(*) FROM lab.region")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        with in_background(lambda: lab.voxels(voxels(1, 2))):
            while lab.sql(waiting) == [(0,)]:
                time.sleep(0.01)
            assert reader.execute("SELECT count(*) FROM lab.voxel").fetchone() == (1,)
            reader.rollback()
    assert lab.sql("SELECT count(*) FROM lab.voxel") == [(2,)]
    assert lab.left_over() == []


def test_a_swap_that_never_gets_its_turn_gives_up_and_leaves_the_old_rows(
    lab: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "LOCK_WAIT_S", 0.05)
    monkeypatch.setattr(swap, "LOCK_PATIENCE_S", 0.3)
    lab.voxels(voxels(1, 1))
    with psycopg.connect(lab.dsn) as reader:
        reader.execute("SELECT count(*) FROM lab.voxel")
        with pytest.raises(CcfError, match=r"lab\.voxel: other sessions kept it locked for 0\.3 s"):
            lab.voxels(voxels(1, 2))
    assert lab.sql("SELECT count(*) FROM lab.voxel") == [(1,)]
    assert lab.left_over() == []


def together(count: int) -> Callable[[pl.DataFrame], pa.RecordBatchReader]:
    """Streams that all wait for each other before their second batch, so that loads surely overlap."""
    barrier = threading.Barrier(count)

    def made(frame: pl.DataFrame) -> pa.RecordBatchReader:
        table = frame.to_arrow()

        def batches() -> Iterator[pa.RecordBatch]:
            first, *rest = table.to_batches(max_chunksize=1)
            yield first
            barrier.wait(30)
            yield from rest

        return pa.RecordBatchReader.from_batches(table.schema, batches())

    return made


@pytest.mark.parametrize("ranges", [False, True], ids=["one partition each", "two partitions each"])
def test_loads_of_different_partitions_run_side_by_side(
    lab: Database, ranges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "LOCK_WAIT_S", 0.2)
    parts = dg.StaticPartitionsDefinition(["1", "2", "3", "4"])
    overlapping = together(2)

    def load(first: int) -> None:
        last = first + ranges
        frame = pl.concat([voxels(first, 5), voxels(last, 5)]).unique()
        keys = sorted({str(first), str(last)})
        lab.write(overlapping(frame), "voxel", partitions=parts, by="atlas", key=keys)

    for _ in range(2):
        with in_background(lambda: load(1), lambda: load(3)):
            pass
    atlas_ids = [1, 2, 3, 4] if ranges else [1, 3]
    assert lab.sql("SELECT atlas, count(*)::int FROM lab.voxel GROUP BY 1 ORDER BY 1") == [
        (i, 5) for i in atlas_ids
    ]


def test_loads_of_the_same_partition_take_turns(lab: Database) -> None:
    several = [voxels(1, count, count) for count in (3, 4, 5)]
    with in_background(*(lambda rows=rows: lab.voxels(rows) for rows in several)):
        pass
    (rows,) = lab.sql("SELECT count(*), min(region), max(region) FROM lab.voxel")
    assert len(set(rows)) == 1

    overlapping = together(3)
    sites = [rows.select(probe="atlas", id="x", noted="region") for rows in several]
    with in_background(
        *(lambda rows=rows: lab.write(overlapping(rows), **BY_PROBE, key="1") for rows in sites)
    ):
        pass
    (rows,) = lab.sql("SELECT count(*), min(noted), max(noted) FROM lab.site")
    assert len(set(rows)) == 1
    assert lab.left_over() == []


# ---- failures in the middle


def failing(frame: pl.DataFrame, failure: Callable[[], object]) -> pa.RecordBatchReader:
    """A stream that gives its first half and then calls ``failure``."""
    table = frame.to_arrow()

    def batches() -> Iterator[pa.RecordBatch]:
        first, second = table.to_batches(max_chunksize=(table.num_rows + 1) // 2)
        yield first
        failure()
        yield second

    return pa.RecordBatchReader.from_batches(table.schema, batches())


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


TARGETS = pytest.mark.parametrize("table", ["site", "voxel"])


def loaded(lab: Database, table: str) -> Callable[[object], object]:
    """Fill partition 1 of ``table``; gives how to load it again."""
    column = "probe" if table == "site" else "atlas"

    def load(value: object) -> object:
        return lab.write(value, table, partitions=atlases, by=column, key="1")

    load(sample(table))
    return load


def sample(table: str, *ids: int) -> pl.DataFrame:
    ids = ids or (1, 2, 3, 4)
    return (
        pl.DataFrame({"probe": 1, "id": ids})
        if table == "site"
        else pl.DataFrame({"atlas": 1, "x": ids, "region": 5})
    )


@TARGETS
def test_a_stream_that_fails_in_the_middle_leaves_the_old_rows(lab: Database, table: str) -> None:
    load = loaded(lab, table)
    before = lab.rows(table, "*, xmin")
    for error in (CcfError("The volume ends early."), ValueError("boo"), KeyboardInterrupt()):
        with pytest.raises(type(error), match=str(error)):
            load(failing(sample(table, 7, 8), raising(error)))
        assert lab.rows(table, "*, xmin") == before
        assert lab.left_over() == []
    load(sample(table, 7))
    assert lab.sql(f"SELECT count(*) FROM lab.{table}") == [(1,)]


@TARGETS
def test_a_connection_that_is_cut_leaves_the_old_rows_and_says_so(lab: Database, table: str) -> None:
    load = loaded(lab, table)
    before = lab.rows(table, "*, xmin")

    def cut() -> None:
        ours = "query LIKE 'COPY%' AND datname = current_database()"  # other tests copy, too
        assert lab.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}") == [(True,)]
        time.sleep(0.2)

    big = pl.DataFrame(
        {"probe" if table == "site" else "atlas": 1, "id" if table == "site" else "x": range(400_000)}
    )
    big = big if table == "site" else big.with_columns(region=5)
    with pytest.raises(CcfError, match=rf"^lab.{table}: .*(terminating connection|connection|closed)[^\n]*$"):
        load(failing(big, cut))
    assert lab.rows(table, "*, xmin") == before
    assert lab.left_over() == []


@TARGETS
@every_kind
def test_a_row_that_breaks_a_constraint_leaves_the_old_rows_and_is_named(
    lab: Database, table: str, kind: Callable[[pl.DataFrame], Any]
) -> None:
    lab.sql("ALTER TABLE lab.site ADD FOREIGN KEY (noted) REFERENCES lab.region, ADD CHECK (depth < 9)")
    lab.sql("ALTER TABLE lab.site ADD UNIQUE (name)")
    load = loaded(lab, table)
    before = lab.rows(table, "*, xmin")
    bad = {
        "site": {
            r"violates foreign key .*Key \(noted\)=\(500\) is not present": {"noted": 500},
            r"violates check constraint": {"depth": 9.5},
            r"violates unique constraint .*Key \(name\)=\(same\)": {"name": pl.lit("same")},
        },
        "voxel": {
            r"violates foreign key .*Key \(region\)=\(500\) is not present": {"region": 500},
            r"violates check constraint \"x_is_a_coordinate\"": {"x": -pl.int_range(pl.len())},
            r"violates not-null constraint": {"region": pl.lit(None, pl.Int32)},
            r"Key \(atlas, name\)=\(1, same\) is duplicated": {"name": pl.lit("same")},
        },
    }
    for sentence, values in bad[table].items():
        with pytest.raises(CcfError, match=rf"^lab.{table}: .*{sentence}[^\n]*\.$"):
            load(kind(sample(table).with_columns(**values)))
        assert lab.rows(table, "*, xmin") == before
        assert lab.left_over() == []


def test_a_query_that_fails_is_one_sentence(lab: Database) -> None:
    load = loaded(lab, "site")
    failing = sa.select(
        sa.literal(1).label("probe"), (sa.literal(1) / sa.column("id")).label("id")
    ).select_from(sa.values(sa.column("id", sa.Integer), name="v").data([(0,)]))
    with pytest.raises(CcfError, match=r"^lab.site: division by zero\.$"):
        load(failing)
    assert lab.left_over() == []


def test_a_full_disk_is_said_to_be_one(lab: Database) -> None:
    lab.sql("""
        CREATE FUNCTION lab.fill() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
            RAISE 'could not extend file: wrote only 4096 of 8192 bytes'
            USING ERRCODE = 'disk_full', HINT = 'Check free disk space.';
        END $$
    """)
    load = loaded(lab, "site")
    with pytest.raises(CcfError, match=r"^lab.site: .* 4096 of 8192 bytes: Check free disk space\.$"):
        load(sa.select(sa.literal(1).label("probe"), sa.func.lab.fill().label("id")))


def test_a_second_load_of_the_same_rows_changes_nothing(lab: Database) -> None:
    for table in ("site", "voxel"):
        load = loaded(lab, table)
        before = lab.rows(table, "*" + (", xmin" if table == "site" else ""))
        load(sample(table))
        assert lab.rows(table, "*" + (", xmin" if table == "site" else "")) == before


# ---- connections, secrets, progress


def test_a_stream_keeps_its_connection_only_while_it_is_used(lab: Database) -> None:
    lab.voxels(voxels(1, 3))
    table = sa.Table("voxel", sa.MetaData(), schema="lab", autoload_with=lab.engine)

    def connections() -> int:
        return len(lab.left_over())

    reader = read_arrow(lab.engine.url, sa.select(table))
    assert connections() > 0
    del reader
    assert connections() == 0, "dropped before it was read"
    reader = read_arrow(lab.engine.url, sa.select(table))
    reader.read_next_batch()
    del reader
    assert connections() == 0, "dropped half-way"
    reader = read_arrow(lab.engine.url, sa.select(table))
    assert reader.read_all().num_rows == 3
    assert connections() == 0, "read to its end"
    with pytest.raises(CcfError, match=r"^The database answers: division by zero\.$"):
        read_arrow(lab.engine.url, sa.select(1 / (table.c.x - 1))).read_all()
    assert connections() == 0, "after an error"
    with pytest.raises(CcfError, match=r'^The database answers: column "nowhere" does not exist\.$'):
        read_arrow(lab.engine.url, sa.select(sa.column("nowhere")).select_from(table))
    assert connections() == 0, "refused at once"


def test_a_stream_begins_before_the_query_ends_and_ends_it_when_dropped(lab: Database) -> None:
    billion = sa.select(sa.func.generate_series(1, 10**9).label("n")).where(sa.literal("a") == "a")
    reader = read_arrow(lab.engine.url, billion)
    assert reader.read_next_batch()["n"][0].as_py() == 1
    del reader
    assert lab.left_over() == []


def test_an_asset_may_pass_a_stream_on(lab: Database) -> None:
    lab.voxels(voxels(1, 100_000))
    upstream = lab.asset("voxel", **BY_ATLAS)

    @dg.asset(partitions_def=atlases, metadata={"partition_expr": "probe"})
    def site(voxel: pa.RecordBatchReader) -> dg.MaterializeResult[pa.RecordBatchReader]:
        schema = pa.schema([("probe", pa.int32()), ("id", pa.int32())])
        columns = (pa.record_batch([batch["atlas"], batch["x"]], schema=schema) for batch in voxel)
        return dg.MaterializeResult(value=pa.RecordBatchReader.from_batches(schema, columns))

    lab.run([upstream, site], selection=["site"], partition_key="1")
    assert lab.sql("SELECT count(*) FROM lab.site") == [(100_000,)]
    assert lab.left_over() == []


def test_values_in_a_query_reach_the_server_as_they_are(lab: Database) -> None:
    lab.sql("""
        CREATE TABLE lab.thing (
            id bigint, words text, day date, instant timestamptz, depth float8, flag boolean
        );
        INSERT INTO lab.thing
            VALUES (-1, 'it''s \\ 100%s :a $1 {}', '2024-01-02', '2024-01-02 03:00Z', 0.1, true);
        INSERT INTO lab.thing VALUES (2)
    """)
    table = sa.Table("thing", sa.MetaData(), schema="lab", autoload_with=lab.engine)
    c = table.c
    for condition in (
        c.id == -1,
        c.id.in_([-1, 5, 2**40]),
        c.id - -1 == 0,
        c.words == "it's \\ 100%s :a $1 {}",
        c.words.like("%100\\%s%"),
        c.words.in_(["it's \\ 100%s :a $1 {}", ""]),
        c.day == dt.date(2024, 1, 2),
        c.day.in_([dt.date(2024, 1, 2)]),
        c.instant == dt.datetime(2024, 1, 2, 3, tzinfo=dt.timezone.utc),
        c.instant.between(dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 4)),
        c.depth == 0.1,
        c.flag == sa.true(),
        c.flag.in_([True]),
        c.id % 2 == sa.literal(-1),
        c.words == sa.any_(sa.literal(["it's \\ 100%s :a $1 {}", "{,}"], sa.ARRAY(sa.Text))),
        sa.and_(c.id.not_in([]), c.words.is_not(None), sa.literal("$1") == "$1"),
    ):
        got = read_arrow(
            lab.engine.url, sa.select(c.id, sa.literal("%s").label("l")).where(condition)
        ).read_all()
        assert got.to_pylist() == [{"id": -1, "l": "%s"}], str(condition)
    nothing = read_arrow(lab.engine.url, sa.select(c.id, c.day).where(c.id.in_([]))).read_all()
    assert (nothing.num_rows, nothing.schema.types) == (0, [pa.int64(), pa.date32()])
    assert read_arrow(lab.engine.url, sa.select(c.id).order_by(c.id).limit(1).offset(1)).read_all()[
        "id"
    ].to_pylist() == [2]


def test_a_password_is_in_no_error_and_no_metadata(lab: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "geh/eim@%"
    texts = [str(lab.materialize(site_frame()))]
    for url in (
        lab.engine.url.set(password=secret, database="not_there"),
        sa.URL.create("postgresql+psycopg", "somebody", secret, "127.0.0.1", 1, "x"),
    ):
        monkeypatch.setattr(database, "create_engine", lambda url=url: sa.create_engine(url))
        monkeypatch.setattr(database, "database_url", lambda url=url: url)
        for work in (
            lambda: lab.write(site_frame()),
            lambda: lab.read(pl.DataFrame, lab.asset("site")),
            lambda url=url: read_arrow(url, sa.select(1)),
        ):
            with pytest.raises(Exception, match=r".") as caught:
                work()
            texts.append("".join(traceback.format_exception(caught.value)))
    assert "lab.site: connection failed" in texts[1]
    assert "lab.site: connection failed" in texts[4]
    for text in texts:
        assert "geh" not in text


def test_long_work_says_how_far_it_is(lab: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.05)
    true = bring.Progress
    monkeypatch.setattr(bring, "Progress", lambda *arguments: true(*arguments, every_s=0.0))
    lab.materialize(voxels(1, 100_000), "voxel", **BY_ATLAS, key="1")
    slow = sa.select(
        sa.literal(1).label("atlas"), sa.literal(1).label("x"), sa.literal(5).label("region")
    ).select_from(sa.func.pg_sleep(0.3).alias("nap"))
    lab.materialize(slow, "voxel", **BY_ATLAS, key="1")
    lines = [
        entry.user_message
        for run in lab.instance.get_runs()
        for entry in lab.instance.all_logs(run.run_id)
        if not entry.is_dagster_event
    ]
    text = "\n".join(lines)
    assert re.search(r"voxel: copied 65.5 k of 100.0 k rows, .*/s", text)
    assert "voxel: filling it from a query, 0 s so far" in text
    assert re.search(r"voxel: 100,000 rows in place after [\d.]+ s", text)


def test_a_preview_shows_a_few_rows_as_json_can_hold_them(lab: Database) -> None:
    lab.sql(EVERY_TYPE)
    metadata = lab.write(every_type(), "thing")
    records = [record.data for record in metadata["preview"].records]
    assert [record["id"] for record in records] == [0, 1, 2, 3]
    assert (records[0]["f8"], records[0]["day"], records[3]["words"]) == ("nan", "0001-01-01", None)


class InterruptionError(BaseException):
    """As Dagster's: no KeyboardInterrupt, the only one that the driver knows."""


def test_an_interrupted_statement_is_said_once_and_leaves_the_old_rows(
    lab: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupt(*_: object) -> None:
        raise InterruptionError

    lab.sql("INSERT INTO lab.site (probe, id) VALUES (1, 2)")
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with psycopg.connect(lab.dsn) as other:  # merges the same table
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended('lab.site', 0))")
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            with pytest.raises(InterruptionError):
                lab.write(sa.select(sa.literal(1).label("probe"), sa.literal(3).label("id")))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [record for record in caplog.records if record.name.startswith("sqlalchemy")] == []
    assert lab.sql("SELECT probe, id FROM lab.site") == [(1, 2)]


# ---- any database

SECRET = "geh/eim@%"

EVERYTHING = """
SELECT 'schema', nspname::text, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
UNION ALL SELECT 'relation', c.oid::regclass::text, concat_ws(' ', c.oid, relkind, relowner, relacl::text)
    FROM pg_class AS c WHERE relnamespace::regnamespace::text <> 'pg_toast'
UNION ALL SELECT 'column', attrelid::regclass::text, concat_ws(' ', attname, atttypid, attnotnull, attacl)
    FROM pg_attribute WHERE attrelid >= 16384 AND attrelid::regclass::text !~ '^pg_toast'
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
UNION ALL SELECT 'routine', oid::regprocedure::text, md5(prosrc) FROM pg_proc
UNION ALL SELECT 'type', oid::regtype::text, '' FROM pg_type
UNION ALL SELECT 'trigger', tgname, '' FROM pg_trigger
UNION ALL SELECT 'extension', extname, extversion FROM pg_extension
UNION ALL SELECT 'setting', setdatabase::text, setconfig::text FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL SELECT 'row of another table', xmin::text, id::text FROM lab.other
ORDER BY 1, 2, 3
"""


def test_the_example_runs_on_any_database_and_changes_nothing_but_its_rows(
    server_url: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = inspect.cleandoc(PostgresIOManager.__doc__ or "")
    ddl, code = (textwrap.dedent(block) for block in re.findall(r"::\n\n((?:    .*\n|\n)+)", text))
    with new_database(server_url) as url, psycopg.connect(libpq_url(url), autocommit=True) as connection:
        monkeypatch.setenv("LAB_POSTGRES_URL", libpq_url(url.set(password=SECRET)))
        connection.execute(ddl)
        connection.execute("CREATE TABLE lab.other AS SELECT generate_series(1, 9) AS id")
        before = connection.execute(EVERYTHING).fetchall()
        namespace: dict[str, Any] = {}
        exec(code, namespace)
        job = namespace["defs"].resolve_implicit_global_asset_job_def()
        with dg.DagsterInstance.ephemeral() as instance:
            for key in ("monday", "tuesday", "monday"):
                assert job.execute_in_process(instance=instance, partition_key=key).success
            runs = instance.get_runs()
            log = [str(entry) for run in runs for entry in (run, *instance.all_logs(run.run_id))]
        assert connection.execute(
            "SELECT session, count(*), sum(number), max(reaction_s) FROM lab.trial GROUP BY 1 ORDER BY 1"
        ).fetchall() == [("monday", 3, 6, 0.44), ("tuesday", 3, 6, 0.44)]
        assert connection.execute("SELECT * FROM lab.session_summary ORDER BY 1").fetchall() == [
            ("monday", 0.31),
            ("tuesday", 0.31),
        ]
        assert connection.execute(EVERYTHING).fetchall() == before
    assert {"lab", "public"} <= {name for kind, name, _ in before if kind == "schema"}
    assert "ccf" not in {name for kind, name, _ in before if kind == "schema"}
    assert any("dagster/table_name" in line for line in log)
    assert not [line for line in log if "geh" in line]


def test_a_list_partitioned_table_of_any_database_is_swapped(server_url: sa.URL) -> None:
    with new_database(server_url) as url, psycopg.connect(libpq_url(url), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA lab")
        connection.execute(
            "CREATE TABLE lab.thing (who text, id int, PRIMARY KEY (who, id)) PARTITION BY LIST (who)"
        )
        parts = dg.StaticPartitionsDefinition(["a", "b"])

        @dg.asset(partitions_def=parts, metadata={"partition_expr": "who"})
        def thing(context: dg.AssetExecutionContext) -> pl.DataFrame:
            return pl.DataFrame({"who": context.partition_key, "id": [1, 2]})

        manager = PostgresIOManager(postgres=PostgresUrl(url=libpq_url(url)), schema="lab")
        for key in ("a", "b", "a"):
            assert dg.materialize([thing], partition_key=key, resources={"io_manager": manager}).success
        tables = "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384"
        assert {name for (name,) in connection.execute(tables)} == {"lab.thing", "lab.thing_a", "lab.thing_b"}
        assert connection.execute("SELECT count(*) FROM lab.thing").fetchone() == (4,)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://somebody:{SECRET}@nowhere/x",
        "mysql://somebody:geheim@nowhere/x",
        "postgresql://nowhere/x?password=geheim",
        "geheim",
        "",
    ],
)
def test_a_url_of_another_kind_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(CcfError, match="PostgresUrl is not the address of a PostgreSQL database") as caught:
        PostgresUrl(url=url).create_engine()
    assert "geh" not in "".join(traceback.format_exception(caught.value))


def test_a_password_in_a_url_is_in_no_error_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    url = sa.URL.create("postgresql", "somebody", SECRET, "127.0.0.1", 1, "x")
    monkeypatch.setenv("LAB_POSTGRES_URL", libpq_url(url))

    @dg.asset
    def thing() -> pl.DataFrame:
        return pl.DataFrame({"id": [1]})

    manager = PostgresIOManager(postgres=PostgresUrl(url=dg.EnvVar("LAB_POSTGRES_URL")), schema="lab")
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [thing], instance=instance, resources={"io_manager": manager}, raise_on_error=False
        )
        log = [str(entry) for entry in (result.dagster_run, *instance.all_logs(result.run_id))]
    assert not result.success
    assert any("lab.thing: connection failed" in line for line in log)
    assert not [line for line in log if "geh" in line]
