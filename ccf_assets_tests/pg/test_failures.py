"""A write that fails in the middle leaves the table as it was."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import polars.testing
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from ccf_assets.errors import CcfError
from ccf_assets.refusals import Refused
from ccf_assets_tests.support.postgres_lab import Database, atlases, every_kind, sample

pytestmark = pytest.mark.filterwarnings("ignore:.*currently in beta")


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


@TARGETS
def test_a_stream_that_fails_in_the_middle_leaves_the_old_rows(lab: Database, table: str) -> None:
    load = loaded(lab, table)
    before = lab.rows(table, "*, xmin")
    for error in (Refused(CcfError("The volume ends early.")), ValueError("boo"), KeyboardInterrupt()):
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
    with pytest.raises(Refused, match=rf"^lab.{table}: .*(terminating connection|connection|closed)[^\n]*$"):
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
        with pytest.raises(Refused, match=rf"^lab.{table}: .*{sentence}[^\n]*\.$"):
            load(kind(sample(table).with_columns(**values)))
        assert lab.rows(table, "*, xmin") == before
        assert lab.left_over() == []


def test_a_query_that_fails_is_one_sentence(lab: Database) -> None:
    load = loaded(lab, "site")
    failing = sa.select(
        sa.literal(1).label("probe"), (sa.literal(1) / sa.column("id")).label("id")
    ).select_from(sa.values(sa.column("id", sa.Integer), name="v").data([(0,)]))
    with pytest.raises(Refused, match=r"^lab.site: division by zero\.$"):
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
    with pytest.raises(Refused, match=r"^lab.site: .* 4096 of 8192 bytes: Check free disk space\.$"):
        load(sa.select(sa.literal(1).label("probe"), sa.func.lab.fill().label("id")))


def test_a_second_load_of_the_same_rows_changes_nothing(lab: Database) -> None:
    for table in ("site", "voxel"):
        load = loaded(lab, table)
        before = lab.rows(table, "*" + (", xmin" if table == "site" else ""))
        load(sample(table))
        assert lab.rows(table, "*" + (", xmin" if table == "site" else "")) == before


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
