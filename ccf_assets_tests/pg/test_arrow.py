"""The answer to a query as Arrow batches."""

import datetime as dt

import pyarrow as pa
import pytest
import sqlalchemy as sa

from ccf_assets.errors import CcfError
from ccf_assets.pg.arrow import read_arrow
from ccf_assets_tests.support.postgres_lab import Database, voxels

pytestmark = pytest.mark.filterwarnings("ignore:.*currently in beta")


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


def test_a_type_that_was_made_after_the_first_stream_is_read_as_what_it_is(lab: Database) -> None:
    assert read_arrow(lab.engine.url, sa.select(sa.literal(1).label("n"))).read_all().num_rows == 1
    with lab.engine.begin() as connection:
        connection.execute(sa.text("CREATE TYPE lab.mood AS ENUM ('calm', 'awake')"))
    mood = sa.select(sa.literal_column("'calm'::lab.mood").label("mood"))
    assert read_arrow(lab.engine.url, mood).read_all().to_pylist() == [{"mood": "calm"}]


def test_a_stream_begins_before_the_query_ends_and_ends_it_when_dropped(lab: Database) -> None:
    billion = sa.select(sa.func.generate_series(1, 10**9).label("n")).where(sa.literal("a") == "a")
    reader = read_arrow(lab.engine.url, billion)
    assert reader.read_next_batch()["n"][0].as_py() == 1
    del reader
    assert lab.left_over() == []


def test_the_server_notices_the_loss_of_the_host_that_reads_a_stream(lab: Database) -> None:
    """Otherwise it keeps the transaction, and its locks on what is read, for two hours."""
    settings = sa.table("pg_settings", sa.column("name"), sa.column("source"))
    rows = read_arrow(
        lab.engine.url, sa.select(settings.c.name).where(settings.c.source == "session")
    ).read_all()
    assert {"tcp_keepalives_idle", "tcp_user_timeout"} <= set(rows["name"].to_pylist())


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
