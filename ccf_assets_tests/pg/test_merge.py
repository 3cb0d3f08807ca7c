"""Rows into an ordinary table, merged by primary key or inserted straight into an empty slice."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any

import dagster as dg
import polars as pl
import polars.testing
import psycopg
import pytest
import sqlalchemy as sa

from ccf_assets.pg import copy_in, foreign_keys, merge, session
from ccf_assets.pg.slices import Dimension, Slice
from ccf_assets.pg.write import Write
from ccf_assets.refusals import Refused
from ccf_assets_tests.support.postgres_lab import (
    BY_PROBE,
    Database,
    atlases,
    every_kind,
    query,
    sample,
    stream,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*currently in beta")


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


def merged(lab: Database, connection: sa.Connection, probes: Sequence[int], rows: pl.DataFrame) -> None:
    """Merge rows into the partitions of some probes, or into the whole table; the caller's transaction."""
    table = sa.Table("site", sa.MetaData(), schema="lab", autoload_with=connection)
    values = {str(probe): probe for probe in probes}
    parts = {key: [key] for key in values}
    target = Slice(table, [Dimension("probe", values)], parts) if probes else Slice(table)
    write = Write(connection, target, print, lambda: None, ExitStack())
    merge.merge(write, copy_in.as_rows("lab.site", rows))


def test_merges_of_different_partitions_go_side_by_side_and_of_the_same_one_after_the_other(
    lab: Database,
) -> None:
    lab.sql("INSERT INTO lab.site (probe, id) VALUES (1, 7), (2, 7)")  # 1 and 2 are merged, 3 is inserted
    with lab.engine.begin() as one:
        merged(lab, one, [1], pl.DataFrame({"probe": [1], "id": [1]}))
        for probe in (2, 3):
            with lab.engine.begin() as other:
                other.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
                merged(lab, other, [probe], pl.DataFrame({"probe": [probe], "id": [1]}))
        for probes in ([1], [2, 1], []):  # the same, more, and the whole table
            with lab.engine.begin() as other:
                other.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    merged(lab, other, probes, pl.DataFrame({"probe": [1], "id": [2]}))
    assert lab.rows("site", "probe, id") == [(1, 1), (2, 1), (3, 1)]


def test_a_merge_of_much_leaves_statistics_for_the_loads_that_refer_to_it(
    lab: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = "SELECT reltuples::int FROM pg_class WHERE oid = 'lab.site'::regclass"
    lab.write(sample("site", *range(100)))
    assert lab.sql(known) == [(100,)]
    monkeypatch.setattr(session, "FEW_ROWS", 50)
    lab.write(sample("site", *range(105)))
    assert lab.sql(known) == [(100,)], "a few more are not worth it"


def test_a_small_partition_beside_a_large_one_is_known_to_the_planner(lab: Database) -> None:
    """It took a key that the statistics did not have for one row, and computed a sum anew for each region."""
    lab.write(sample("site", *range(1000)), **BY_PROBE, key="1")
    lab.write(pl.DataFrame({"probe": 2, "id": range(30)}), **BY_PROBE, key="2")
    ((plan,),) = lab.sql("EXPLAIN (FORMAT JSON) SELECT FROM lab.site WHERE probe = 2")
    assert plan[0]["Plan"]["Plan Rows"] == pytest.approx(30, rel=0.2)


@pytest.mark.parametrize("analyzed", ["known", "unknown"])
def test_a_merge_compares_each_row_with_its_like_whatever_the_planner_knows(
    lab: Database, analyzed: str
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
    lab.sql(
        "DO $$BEGIN EXECUTE format("
        "'ALTER DATABASE %I SET statement_timeout = 15000', current_database()); END$$"
    )
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
    assert sum("FOR KEY SHARE OF known" in query for query in asked) == 2, "one for each key"
    for bad, key in (
        (things((9, 2, "x", 3)), r"\(a, b\)=\(2, x\)"),
        (things((9, 1, "x", 777)), r"\(region\)=\(777\)"),
    ):
        with pytest.raises(Refused, match=f"violates foreign key constraint .*Key {key} is not present"):
            pointing.write(pl.concat([good, bad]), "thing")
    assert len(pointing.rows("thing")) == 4


def test_of_many_rows_to_refer_to_only_those_with_the_same_beginning_are_read(
    pointing: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointing.sql(
        "INSERT INTO lab.pair SELECT 7, n::text FROM generate_series(1, 50000) AS n; ANALYZE lab.pair"
    )
    asked: list[str] = []
    execute = psycopg.Connection.execute

    def listened(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        asked.append(str(query))
        return execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", listened)
    assert pointing.write(things((1, 1, "x", 3), (2, 7, "42", 3)), "thing")["rows_inserted"] == 2
    assert sum("known.a = ANY" in query and "FOR KEY SHARE" in query for query in asked) == 1
    assert sum("known.id = ANY" in query and "FOR KEY SHARE" in query for query in asked) == 0, (
        "region is small"
    )
    with pytest.raises(Refused, match=r"Key \(a, b\)=\(7, 0\) is not present"):
        pointing.write(things((1, 1, "x", 3), (2, 7, "42", 3), (3, 7, "0", 3)), "thing")


def test_a_key_to_a_table_in_partitions_is_checked_once_and_not_for_each_of_them(
    pointing: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointing.sql("""
        DROP TABLE lab.thing; DROP TABLE lab.pair;
        CREATE TABLE lab.pair (a int, b text, PRIMARY KEY (a, b)) PARTITION BY HASH (a);
        CREATE TABLE lab.pair_0 PARTITION OF lab.pair FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE lab.pair_1 PARTITION OF lab.pair FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO lab.pair SELECT n, 'x' FROM generate_series(1, 9) AS n;
        CREATE TABLE lab.thing (id int PRIMARY KEY, a int, b text, region int REFERENCES lab.region,
            FOREIGN KEY (a, b) REFERENCES lab.pair) PARTITION BY HASH (id);
        CREATE TABLE lab.thing_0 PARTITION OF lab.thing FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE lab.thing_1 PARTITION OF lab.thing FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE INDEX ON lab.thing USING brin (a)
    """)
    asked: list[str] = []
    execute = psycopg.Connection.execute

    def listened(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        asked.append(str(query))
        return execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", listened)
    monkeypatch.setattr(session, "MANY_ROWS", 1)
    good = things(*((n, n, "x", 3) for n in range(1, 10)))
    assert pointing.write(good, "thing")["rows_inserted"] == 9
    assert sum("FOR KEY SHARE OF known" in query for query in asked) == 2, "one for each key"
    assert not any("ROLLBACK TO" in query for query in asked), "at the first try"
    with pytest.raises(
        Refused, match=r"violates foreign key constraint .*Key \(a, b\)=\(77, x\) is not pres"
    ):
        pointing.write(pl.concat([good, things((10, 77, "x", 3))]), "thing")
    pointing.sql(
        "CREATE FUNCTION lab.noted() RETURNS trigger LANGUAGE plpgsql "
        "AS 'BEGIN NEW.region := 5; RETURN NEW; END';"
        "CREATE TRIGGER noted BEFORE INSERT ON lab.thing_1 FOR EACH ROW EXECUTE FUNCTION lab.noted()"
    )
    pointing.write(things(), "thing")
    pointing.write(good, "thing")
    assert {region for _, region in pointing.rows("thing_1", "id, region")} == {5}, (
        "what a lab does there is done"
    )


def test_what_rows_refer_to_is_locked_while_they_are_inserted(pointing: Database) -> None:
    rows = things((1, 1, "x", 3))
    with pointing.engine.begin() as connection:
        target = Slice(sa.Table("thing", sa.MetaData(), schema="lab", autoload_with=connection))
        table = copy_in.as_rows("lab.thing", rows)
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
    with pytest.raises(Refused, match=sentence):
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
    preview_of = merge.preview_of

    def ended(*arguments: Any) -> Any:
        pointing.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY (%' AND datname = "
            "current_database()"
        )
        return preview_of(*arguments)

    monkeypatch.setattr(merge, "preview_of", ended)
    query = sa.select(sa.literal(1).label("id"), sa.literal(1).label("a"), sa.literal("x").label("b"))
    with pytest.raises(Refused, match="terminating connection"):
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


def test_a_write_that_waits_for_its_table_is_not_in_the_way_of_what_it_waits_for(lab: Database) -> None:
    """A swap locks the table that its rows refer to against writers, and later against everybody."""
    with ThreadPoolExecutor(1) as pool, psycopg.connect(lab.dsn) as swapping:
        swapping.execute("LOCK TABLE lab.site IN SHARE ROW EXCLUSIVE MODE")
        written = pool.submit(lab.write, sample("site"))
        while lab.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            time.sleep(0.01)
        swapping.execute("SET lock_timeout = '500ms'")
        swapping.execute("LOCK TABLE lab.site IN ACCESS EXCLUSIVE MODE")
        swapping.commit()
        written.result(20)
    assert lab.sql("SELECT count(*) FROM lab.site") == [(4,)]


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
    with pytest.raises(Refused, match="GENERATED ALWAYS"):
        lab.write(query, "numbered")


def test_a_query_that_waits_too_long_for_others_is_asked_in_the_session_that_writes(
    pointing: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server cannot see that whom we wait for waits for our second session."""
    monkeypatch.setattr(merge, "OTHERS_PATIENCE_S", 0.2)
    stage, staging = copy_in.stage, threading.Event()

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
    with pytest.raises(Refused, match="duplicate key"):
        pointing.write(things((1, 1, "x", 3), (2, 1, "x", 3)), "thing")


def test_a_table_of_nothing_but_its_key_can_be_merged(lab: Database) -> None:
    lab.sql("DELETE FROM lab.region WHERE id > 3")
    before = lab.sql("SELECT id, xmin FROM lab.region WHERE id > 0 ORDER BY id")
    lab.write(pl.DataFrame({"id": [1, 2, 3, 4]}), "region")
    assert lab.sql("SELECT id, xmin FROM lab.region WHERE id < 4 ORDER BY id") == before


def test_a_table_without_a_key_is_not_merged(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int); CREATE VIEW lab.seen AS SELECT * FROM lab.thing")
    for name in ("thing", "seen"):
        with pytest.raises(Refused, match=f"lab.{name} has no primary key to merge rows by"):
            lab.write(pl.DataFrame({"id": [1]}), name)


def test_a_key_that_comes_twice_is_named(lab: Database) -> None:
    rows = pl.DataFrame({"probe": [1, 1, 1], "id": [1, 2, 2]})
    with pytest.raises(
        Refused, match=r"^lab.site: two rows have the key probe 1, id 2; a key may occur once\.$"
    ):
        lab.write(rows)
    with pytest.raises(Refused, match=r"^lab.voxel: .*Key \(atlas, x\)=\(1, 2\) is duplicated\.$"):
        lab.voxels(rows.select(atlas="probe", x="id", region=5))


def test_columns_must_be_of_the_table_come_once_and_hold_the_key(lab: Database) -> None:
    rows = pl.DataFrame({"probe": [1], "id": [1], "nom": ["a"]})
    for value in (rows, stream(rows), query(rows)):
        with pytest.raises(
            Refused, match=r"lab\.site has no column nom; it has probe, id, name, depth, noted\."
        ):
            lab.write(value)
    with pytest.raises(Refused, match=r"lab\.site: rows must bring id; they bring probe, name\."):
        lab.write(rows.select("probe", name="nom"))
    twice = [sa.literal(1).label(name) for name in ("probe", "id", "id")]
    with pytest.raises(Refused, match=r"lab\.site: the rows bring column id twice\."):
        lab.write(sa.select(*twice))
    with pytest.raises(Refused, match=r"lab\.voxel has no column id"):
        lab.voxels(sa.select(sa.literal(1).label("id")))


@every_kind
def test_rows_of_another_partition_are_refused(lab: Database, kind: Callable[[pl.DataFrame], Any]) -> None:
    lab.write(pl.DataFrame({"probe": [1], "id": [1]}), **BY_PROBE, key="1")
    lab.voxels(pl.DataFrame({"atlas": [1], "x": [1], "region": [5]}))
    stray = pl.DataFrame({"probe": [1, 2], "id": [5, 6]})
    with pytest.raises(Refused, match=r"^lab.site: a row has probe 2, outside what is written: '1'\.$"):
        lab.write(kind(stray), **BY_PROBE, key="1")
    stray = stray.select(atlas="probe", x="id", region=5)
    with pytest.raises(Refused, match=r"^lab.voxel: a row has atlas 2, outside what is written: '1'\.$"):
        lab.voxels(kind(stray))
    with pytest.raises(Refused, match=r"^lab.voxel: a row has atlas 1, outside what is written: '2', '3'\.$"):
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
        with pytest.raises(Refused, match=sentence):
            lab.write(rows, name, partitions=atlases, by="who", key="1")


def test_a_key_that_another_partition_has_is_not_taken_from_it(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, who text)")
    lab.write(pl.DataFrame({"id": [5], "who": "1"}), "thing", partitions=atlases, by="who", key="1")
    theirs = pl.DataFrame({"id": [5], "who": "2"})
    with pytest.raises(Refused, match=r"lab\.thing: the key id 5 is in use outside what is written: '2'\."):
        lab.write(theirs, "thing", partitions=atlases, by="who", key="2")
    assert lab.rows("thing") == [(5, "1")]
    lab.write(theirs, "thing", partitions=atlases, by="who", key=("1", "2"))
    assert lab.rows("thing") == [(5, "2")]


def test_a_gone_row_that_is_referred_to_stays_and_is_named(lab: Database) -> None:
    lab.voxels(pl.DataFrame({"atlas": [1], "x": [1], "region": [5]}))
    with pytest.raises(
        Refused, match=r"^lab.region: .*Key \(id\)=\(5\) is still referenced from table \"voxel"
    ):
        lab.write(pl.DataFrame({"id": range(5)}), "region")
    assert lab.sql("SELECT count(*) FROM lab.region") == [(100,)]
