"""The sites of each source are counted when rows are written, and are what counting them all gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccf_assets.db import install
from ccf_assets.db.loaded import select_loaded_atlases
from ccf_assets.recordings.backlog import siteless, unregistered

EMPTY = "TRUNCATE ccf.recording_site CASCADE"

SOURCES = st.sampled_from(["a.csv", "b.csv", "inserted"])

IDS = st.integers(0, 8)

INSERT_SITE = (
    "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source, reported_region) "
    "SELECT 'm' || n % 3, n, 6600, 4000, 6700, 'ccf', :source, CASE WHEN n % 2 = 0 THEN 'root' END "
    "FROM generate_series(CAST(:first AS integer), :last) AS n ON CONFLICT DO NOTHING"
)

REGISTER = (
    "INSERT INTO ccf.recording_region "
    "SELECT recording_id, site_id, 904, ap, dv, ml, 'right', 997, 'assigned', source, :voxels_of, 0 "
    "FROM ccf.recording_site WHERE site_id BETWEEN :first AND :last ON CONFLICT DO NOTHING"
)

STATEMENTS = (
    INSERT_SITE,
    REGISTER,
    "UPDATE ccf.recording_site SET source = :source WHERE site_id BETWEEN :first AND :last",
    "UPDATE ccf.recording_site SET ap = ap + 1 WHERE site_id BETWEEN :first AND :last",
    "UPDATE ccf.recording_site SET frame = 'ibl' WHERE site_id BETWEEN :first AND :last",
    "UPDATE ccf.recording_site SET reported_region = NULL WHERE site_id BETWEEN :first AND :last",
    "UPDATE ccf.recording_region SET voxels_of = :voxels_of WHERE site_id BETWEEN :first AND :last",
    "DELETE FROM ccf.recording_site WHERE site_id BETWEEN :first AND :last",
    "DELETE FROM ccf.recording_region WHERE site_id BETWEEN :first AND :last",
    "TRUNCATE ccf.recording_region",
    "SELECT ccf.condense_tally()",
    "SELECT ccf.recount_sites()",
)

SITES_BY_SOURCE = (
    "SELECT source, count(*), count(reported_region) FROM ccf.recording_site GROUP BY 1 ORDER BY 1",
    "SELECT source, sites, reporting FROM ccf.recording_source ORDER BY 1",
)

SITES_BY_FRAME = (
    "SELECT source, frame, count(*), count(reported_region) FROM ccf.recording_site "
    "GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT source, frame, sum(sites), sum(reporting) FROM ccf.recording_tally "
    "WHERE registered_in IS NULL GROUP BY 1, 2 HAVING sum(sites) <> 0 ORDER BY 1, 2",
)

REGIONS_BY_SOURCE = (
    "SELECT source, ccf_id, voxels_of, count(*) FROM ccf.recording_region GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT source, registered_in, voxels_of, sum(sites) FROM ccf.recording_tally "
    "WHERE registered_in IS NOT NULL GROUP BY 1, 2, 3 HAVING sum(sites) <> 0 ORDER BY 1, 2, 3",
)


def ask(engine: sa.Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def tell(engine: sa.Engine, *statements: str, **values: object) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement), values)


def assert_counted(engine: sa.Engine) -> None:
    for counted, tallied in (SITES_BY_SOURCE, SITES_BY_FRAME, REGIONS_BY_SOURCE):
        assert ask(engine, tallied) == ask(engine, counted)


@pytest.fixture(params=[1, 5], ids=["ordinary", "partitions"])
def counted(phantom_database: sa.Engine, request: pytest.FixtureRequest) -> sa.Engine:
    """A database without a site, in ordinary tables or in partitions by recording."""
    if request.param > 1:
        with phantom_database.begin() as connection:
            install.divide_sites(connection, request.param)
    return phantom_database


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(STATEMENTS), SOURCES, IDS, IDS, st.integers(1, 2)), min_size=1, max_size=12
    )
)
def test_the_tally_is_what_counting_gives_whatever_is_written(
    counted: sa.Engine, steps: list[tuple[str, str, int, int, int]]
) -> None:
    tell(counted, EMPTY)
    for statement, source, first, more, voxels_of in steps:
        values = {"source": source, "first": first, "last": first + more, "voxels_of": voxels_of}
        tell(counted, statement, **values)
        assert_counted(counted)


def test_two_who_insert_sites_of_one_source_do_not_wait_for_each_other(phantom_database: sa.Engine) -> None:
    with phantom_database.begin() as one, phantom_database.begin() as two:
        two.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        for connection, first in ((one, 0), (two, 10)):
            connection.execute(sa.text(INSERT_SITE), {"source": "inserted", "first": first, "last": first})
    assert_counted(phantom_database)


def test_many_small_inserts_are_added_up_to_a_row_a_source(phantom_database: sa.Engine) -> None:
    for number in range(150):
        tell(phantom_database, INSERT_SITE, source="inserted", first=number, last=number)
    (before,) = ask(phantom_database, "SELECT count(*) FROM ccf.recording_tally")
    unregistered(phantom_database)
    (after,) = ask(phantom_database, "SELECT count(*) FROM ccf.recording_tally")
    assert (before, after) == ((150,), (1,))
    assert_counted(phantom_database)


def test_rows_that_came_in_without_the_triggers_are_counted_on_request(phantom_database: sa.Engine) -> None:
    tell(
        phantom_database,
        "ALTER TABLE ccf.recording_site DISABLE TRIGGER ALL",
        INSERT_SITE,
        "ALTER TABLE ccf.recording_site ENABLE TRIGGER ALL",
        source="inserted",
        first=0,
        last=4,
    )
    assert ask(phantom_database, SITES_BY_SOURCE[1]) == []
    tell(phantom_database, "SELECT ccf.recount_sites()")
    assert ask(phantom_database, SITES_BY_SOURCE[1]) == [("inserted", 5, 3)]
    tell(phantom_database, "SELECT ccf.recount_sites()")
    assert_counted(phantom_database)


def test_what_is_missing_is_found_without_reading_a_site(phantom_database: sa.Engine) -> None:
    tell(phantom_database, INSERT_SITE, source="a.csv", first=0, last=2)
    with phantom_database.connect() as connection:
        atlases = len(connection.execute(select_loaded_atlases()).all())
    with phantom_database.begin() as holding:
        holding.exec_driver_sql("LOCK ccf.recording_site, ccf.recording_region IN ACCESS EXCLUSIVE MODE")
        assert atlases > 0
        assert set(unregistered(phantom_database)) == {"a.csv"}
        assert siteless(phantom_database, ["a.csv", "b.csv"]) == {"b.csv"}


def test_nobody_can_use_the_counting_on_a_table_of_their_own(phantom_database: sa.Engine) -> None:
    for function, event in (("tally_sites", "TRUNCATE"), ("tally_regions", "DELETE")):
        with pytest.raises(sa.exc.DatabaseError, match=f"{function}.. is a trigger of ccf"):
            tell(
                phantom_database,
                "CREATE TEMP TABLE mine (source text, reported_region text)",
                f"CREATE TRIGGER count AFTER {event} ON mine EXECUTE FUNCTION ccf.{function}()",
                "TRUNCATE mine" if event == "TRUNCATE" else "DELETE FROM mine",
            )


def test_truncating_beside_a_tick_leaves_no_count(phantom_database: sa.Engine) -> None:
    for number in range(150):
        tell(phantom_database, INSERT_SITE, source="inserted", first=number, last=number)

    def truncate() -> None:
        tell(phantom_database, EMPTY)

    with ThreadPoolExecutor(1) as beside:
        with phantom_database.begin() as ticking:
            ticking.exec_driver_sql("SELECT ccf.condense_tally()")
            truncated = beside.submit(truncate)
            wait([truncated], timeout=1)
        truncated.result(10)
    assert ask(phantom_database, SITES_BY_SOURCE[1]) == []


def test_many_sites_change_in_a_session_that_changed_one_before(phantom_database: sa.Engine) -> None:
    many = 3_000
    tell(phantom_database, INSERT_SITE, source="inserted", first=0, last=many)
    tell(phantom_database, REGISTER, first=0, last=many, voxels_of=1)
    with phantom_database.connect() as connection:
        # Compared each with each, these would take a minute.
        connection.exec_driver_sql("SET statement_timeout = '20s'")
        connection.exec_driver_sql("UPDATE ccf.recording_site SET ap = ap + 1 WHERE site_id = 0")
        connection.exec_driver_sql("UPDATE ccf.recording_site SET ap = ap + 1")
        connection.commit()
    assert ask(phantom_database, REGIONS_BY_SOURCE[0]) == []
    assert_counted(phantom_database)
