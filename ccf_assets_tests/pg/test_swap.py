"""Rows into a table partitioned by LIST: the new partition, locks, and what readers see."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import polars as pl
import polars.testing
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from ccf_assets.pg import swap
from ccf_assets.refusals import Refused
from ccf_assets_tests.support.postgres_lab import (
    BY_PROBE,
    KINDS,
    Database,
    atlases,
    days,
    query,
    stream,
    voxels,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*currently in beta")

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


@pytest.mark.parametrize(
    ("column_type", "value"), [("smallint", -1), ("integer", 7), ("bigint", 5_000_000_000)]
)
@pytest.mark.parametrize("default", ["", "DEFAULT 9"])
def test_the_integer_that_all_rows_of_a_partition_share_is_in_each_of_them(
    lab: Database, column_type: str, value: int, default: str
) -> None:
    lab.sql(f"CREATE TABLE lab.thing (who {column_type} {default}, id int) PARTITION BY LIST (who)")
    by_who = {"partitions": dg.StaticPartitionsDefinition([str(value)]), "by": "who", "key": str(value)}
    frame = pl.DataFrame({"id": [1, 2], "who": [value, value]})
    for rows in (frame, stream(frame), frame.select("who")):
        lab.write(rows, "thing", **by_who)
        assert lab.sql("SELECT who FROM lab.thing") == [(value,), (value,)]
        assert lab.sql(SHAPE.format(f'lab."thing_{value}"')) == lab.sql(SHAPE.format("lab.thing"))
    for stray in (8, None):
        mixed = pl.DataFrame({"id": [1, 2], "who": [value, stray]}, schema={"id": pl.Int32, "who": pl.Int64})
        with pytest.raises(Refused, match=rf"^lab.thing: a row has who '?{stray}'?, outside what is written"):
            lab.write(stream(mixed), "thing", **by_who)
    assert lab.sql("SELECT count(*) FROM lab.thing") == [(2,)]


def test_a_partition_by_integer_refuses_what_no_integer_can_be_and_takes_what_the_server_takes(
    lab: Database,
) -> None:
    lab.sql("CREATE TABLE lab.thing (who int, id int) PARTITION BY LIST (who)")
    huge = pl.DataFrame({"who": [7, 2**64 - 1], "id": [1, 2]}, schema={"who": pl.UInt64, "id": pl.Int32})
    parts = dg.StaticPartitionsDefinition(["7", "0x10"])
    with pytest.raises(Refused, match=r"^lab.thing: a value does not fit who \(INTEGER\)"):
        lab.write(huge, "thing", partitions=parts, by="who", key="7")
    lab.write(pl.DataFrame({"who": [16], "id": [1]}), "thing", partitions=parts, by="who", key="0x10")
    assert lab.sql("SELECT who, id FROM lab.thing") == [(16, 1)]


@pytest.mark.parametrize("key", ["integer NOT NULL", "integer", "lab.never_null"])
def test_attaching_does_not_read_the_rows_again(lab: Database, key: str) -> None:
    lab.sql("CREATE DOMAIN lab.never_null AS integer NOT NULL")
    lab.sql(
        f"CREATE TABLE lab.thing (atlas {key}, region int REFERENCES lab.region) PARTITION BY LIST (atlas)"
    )
    lab.sql("CREATE INDEX ON lab.thing (region)")
    notices: list[str | None] = []
    connect = psycopg.connect(lab.dsn)
    with connect as connection:
        connection.add_notice_handler(lambda diagnostic: notices.append(diagnostic.message_primary))
        connection.execute("SET client_min_messages = debug1")
        table = sa.Table("thing", sa.MetaData(), schema="lab", autoload_with=lab.engine)
        new = swap._NewPartition(connection, table, "atlas", key.removesuffix(" NOT NULL"), "1")
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
    with pytest.raises(Refused, match=r'lab\.voxel: relation "voxel_1" already exists'):
        lab.voxels(pl.DataFrame({"atlas": [1], "x": [1], "region": [5]}))
    assert lab.sql("SELECT * FROM lab.voxel_1") == [(5,)]
    lab.sql("CREATE TABLE lab.two PARTITION OF lab.voxel FOR VALUES IN (2, 3)")
    lab.sql("INSERT INTO lab.voxel VALUES (3, 1, 5)")
    with pytest.raises(
        Refused, match=r'lab\.voxel: partition "voxel_2_loading" would overlap partition "two"'
    ):
        lab.voxels(pl.DataFrame({"atlas": [2], "x": [1], "region": [5]}), key="2")
    assert lab.rows("voxel", "atlas, x") == [(3, 1)]
    assert lab.left_over() == []


def test_a_partition_that_other_tables_refer_to_is_not_replaced(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.mark (atlas int, x int, FOREIGN KEY (atlas, x) REFERENCES lab.voxel)")
    lab.voxels(voxels(1, 3))
    with pytest.raises(
        Refused, match=r"lab\.voxel: cannot drop table lab\.voxel_1 because other objects depend on it"
    ):
        lab.voxels(voxels(1, 2))
    assert lab.sql("SELECT count(*) FROM lab.voxel") == [(3,)]
    assert lab.left_over() == []


def test_an_asset_that_writes_a_partitioned_table_is_partitioned_like_it(lab: Database) -> None:
    rows = pl.DataFrame({"atlas": [1], "x": [1], "region": [1]})
    for arguments in ({}, {"partitions": atlases, "by": "region", "key": "1"}):
        with pytest.raises(
            Refused, match=r"lab\.voxel is partitioned by atlas; an asset that writes it must be"
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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A swap gives up after 0.3 s."""
    monkeypatch.setattr(swap, "LOCK_WAIT_S", 0.05)
    monkeypatch.setattr(swap, "LOCK_PATIENCE_S", 0.3)


def test_a_first_load_of_a_partition_waits_for_no_reader(lab: Database, impatient: None) -> None:
    lab.voxels(voxels(1, 1))
    with psycopg.connect(lab.dsn) as reader:
        reader.execute("SELECT count(*) FROM lab.voxel, lab.region")
        lab.voxels(voxels(2, 3), key="2")
        assert reader.execute("SELECT count(*) FROM lab.voxel").fetchone() == (4,)
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
    lab: Database, impatient: None
) -> None:
    lab.voxels(voxels(1, 1))
    with psycopg.connect(lab.dsn) as reader:
        reader.execute("SELECT count(*) FROM lab.voxel")
        with pytest.raises(Refused, match=r"lab\.voxel: other sessions kept it locked for 0\.3 s"):
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
