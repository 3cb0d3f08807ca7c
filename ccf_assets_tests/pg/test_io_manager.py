"""PostgresIOManager on a real database: outputs, inputs, where a table is, and any database at all."""

import inspect
import re
import textwrap
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import polars.testing
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from ccf_assets import io_manager, progress
from ccf_assets.errors import CcfError
from ccf_assets.io_manager import PostgresIOManager, PostgresUrl
from ccf_assets.pg import copy_in
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.pg.connect import libpq_url
from ccf_assets.refusals import Refused
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support.postgres_lab import (
    BY_ATLAS,
    BY_PROBE,
    EVERY_TYPE,
    Database,
    atlases,
    every_kind,
    every_type,
    numbers,
    site_frame,
    voxels,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*currently in beta")

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
    with pytest.raises(Refused, match="site returned None; annotate it '-> None'"):
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
    with pytest.raises(Refused, match=r"lab.site: a .* cannot be written; return a polars or pandas"):
        lab.materialize(lambda: value)


def test_an_input_of_another_type_is_refused_in_a_sentence(lab: Database) -> None:
    with pytest.raises(Refused, match=r"site is annotated .*dict.*; annotate it polars.DataFrame"):
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
        resource_defs={"io_manager": lab.new_manager()},
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
    with pytest.raises(Refused, match=r"nothing: there is no table lab\.nothing\."):
        lab.materialize(pl.DataFrame({"id": [1]}), "nothing")
    with pytest.raises(Refused, match=r"nothing: there is no table lab\.nothing\."):
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


# ---- inputs


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
    with pytest.raises(Refused, match=r"lab\.site has no column a, b, named in metadata 'columns'"):
        lab.read(pl.DataFrame, lab.asset("site"), columns=["a", "id", "b"])


def test_a_table_that_dagster_does_not_fill_can_be_an_input(lab: Database) -> None:
    lab.write(site_frame())
    spec = dg.AssetSpec("site", partitions_def=atlases, metadata={"partition_expr": "probe"})
    assert lab.read(pl.DataFrame, spec, partitions=atlases, key="2").height == 1


def test_an_asset_can_be_loaded_outside_a_run(lab: Database) -> None:
    lab.write(site_frame())
    defs = dg.Definitions(
        [lab.asset("site", **BY_PROBE)],
        resources={"io_manager": lab.new_manager()},
    )
    frame = defs.load_asset_value("site", python_type=pd.DataFrame, partition_key="1", instance=lab.instance)
    assert frame["noted"].tolist() == [1, pd.NA]


# ---- connections, secrets, progress


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


def test_a_password_is_in_no_error_and_no_metadata(lab: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "geh/eim@%"
    texts = [str(lab.materialize(site_frame()))]
    for url in (
        lab.engine.url.set(password=secret, database="not_there"),
        sa.URL.create("postgresql+psycopg", "somebody", secret, "127.0.0.1", 1, "x"),
    ):
        monkeypatch.setattr(io_manager, "engine_on", lambda _url, url=url: sa.create_engine(url))
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
    true = copy_in.Progress
    monkeypatch.setattr(copy_in, "Progress", lambda *arguments: true(*arguments, every_s=0.0))
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
