"""Sites in partitions by a hash of their recording: everything is as it is without them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from ccf_assets.cli import main
from ccf_assets.db import database as our_database
from ccf_assets.db import holdings, install, roles, site_partitions
from ccf_assets.errors import CcfError
from ccf_assets_tests.conftest import new_database

PARTITIONS = 6

RECORDED = """
INSERT INTO ccf.recording_file VALUES ('a.csv', 'digest', NULL, 40, false);
INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, reported_region, source)
SELECT 'mouse ' || n % 20, n, 6600, 4000, 6700, 'ccf', 'root',
       CASE WHEN n < 40 THEN 'a.csv' ELSE 'inserted' END
FROM generate_series(1, 60) AS n;
INSERT INTO ccf.recording_region
SELECT recording_id, site_id, ccf_id, ap, dv, ml, 'right', 997, 'assigned', source, 0, 0
FROM ccf.recording_site, unnest(ARRAY[903, 904]) AS ccf_id;
"""

OF_A_LAB = """
CREATE SCHEMA mine;
CREATE VIEW mine.counted AS SELECT count(*) AS sites FROM ccf.recording_site;
CREATE VIEW mine.named WITH (security_barrier) AS SELECT recording_id, acronym FROM ccf.recording_site_region;
COMMENT ON VIEW mine.named IS 'It''s 100% mine';
CREATE TABLE mine.spike (
    recording_id text, site_id bigint, n int,
    FOREIGN KEY (recording_id, site_id) REFERENCES ccf.recording_site
);
INSERT INTO mine.spike VALUES ('mouse 1', 1, 7);
CREATE INDEX "Lab's index" ON ccf.recording_site (probe, recording_id) WHERE probe IS NOT NULL;
CREATE FUNCTION mine.noted() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN NEW.probe := ''noted''; RETURN NEW; END';
CREATE TRIGGER noted BEFORE INSERT ON ccf.recording_site FOR EACH ROW EXECUTE FUNCTION mine.noted();
ALTER TABLE ccf.recording_site ENABLE REPLICA TRIGGER noted;
GRANT SELECT (recording_id), INSERT ON ccf.recording_site TO PUBLIC;
GRANT SELECT ON ccf.recording_site_region TO PUBLIC;
"""

ROWS = (
    "SELECT s::text FROM ccf.recording_site AS s ORDER BY recording_id, site_id",
    "SELECT r::text FROM ccf.recording_region AS r ORDER BY recording_id, site_id, ccf_id",
    "SELECT source, sites, reporting FROM ccf.recording_source ORDER BY source",
    "SELECT r::text FROM ccf.recording_site_region AS r ORDER BY recording_id, site_id, ccf_id",
)

CATALOGUE = (
    # Columns with their comments and defaults, constraints, indexes, triggers, and what is granted.
    "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attacl::text, "
    "  pg_get_expr(adbin, adrelid), col_description(attrelid, attnum), obj_description(attrelid) "
    "FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum) "
    "WHERE attrelid IN ('ccf.recording_site'::regclass, 'ccf.recording_region'::regclass) AND attnum > 0 "
    "ORDER BY 1, attnum",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE conparentid = 0 AND contype IN ('c', 'p', 'u', 'f') "
    "AND (conrelid IN ('ccf.recording_site'::regclass, 'ccf.recording_region'::regclass) "
    "  OR confrelid = 'ccf.recording_site'::regclass) ORDER BY 1, 2",
    "SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index WHERE indrelid IN "
    "('ccf.recording_site'::regclass, 'ccf.recording_region'::regclass) "
    "AND indexrelid::regclass::text !~ '_source_idx$' ORDER BY 1",
    "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0 "
    "AND tgrelid IN ('ccf.recording_site'::regclass, 'ccf.recording_region'::regclass) ORDER BY 1",
    "SELECT c.oid::regclass::text, c.relowner::regrole::text, c.reloptions::text, obj_description(c.oid), "
    "  CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END, "
    "  (SELECT array_agg(a::text ORDER BY a::text) "
    "   FROM unnest(coalesce(relacl, acldefault('r', relowner))) AS a) "
    "FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition "
    "AND c.relnamespace IN ('ccf'::regnamespace, 'mine'::regnamespace) ORDER BY 1",
    "SELECT p.oid::regprocedure::text, p.prosrc, pg_get_function_result(p.oid), proowner::regrole::text, "
    "  (SELECT array_agg(a::text ORDER BY a::text) "
    "   FROM unnest(coalesce(proacl, acldefault('f', proowner))) AS a) "
    "FROM pg_proc AS p WHERE p.pronamespace = 'ccf'::regnamespace ORDER BY 1",
)


def ask(engine: sa.Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        connection.exec_driver_sql("SET search_path = pg_catalog")
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def tell(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement.replace("%", "%%"))


def divide(engine: sa.Engine, partitions: int = PARTITIONS) -> None:
    with engine.begin() as connection:
        install.divide_sites(connection, partitions)


def partitions_of(engine: sa.Engine, table: str) -> list[str]:
    found = ask(
        engine,
        "SELECT inhrelid::regclass::text FROM pg_inherits "
        f"WHERE inhparent = 'ccf.{table}'::regclass ORDER BY pg_get_expr((SELECT relpartbound FROM pg_class "
        "WHERE oid = inhrelid), inhrelid)",
    )
    return [str(name) for (name,) in found]


def test_a_new_database_has_as_many_partitions_as_are_set_and_ordinary_tables_otherwise(
    server_url: sa.URL, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert partitions_of(database, "recording_site") == []
    with new_database(server_url) as url:
        monkeypatch.setenv("CCF_POSTGRES_URL", url.render_as_string(hide_password=False))
        monkeypatch.setenv("CCF_SITE_PARTITIONS", str(PARTITIONS))
        engine = our_database.create_engine()
        for table in ("recording_site", "recording_region"):
            assert ask(engine, f"SELECT to_regclass('ccf.{table}_source_idx') IS NOT NULL") == [(True,)]
            assert partitions_of(engine, table) == [f"ccf.{table}_part{n}" for n in range(PARTITIONS)]
        for query in CATALOGUE[:4]:
            assert ask(engine, query) == ask(database, query)
        our_database.forget()
        monkeypatch.setenv("CCF_SITE_PARTITIONS", "2")
        assert len(partitions_of(our_database.create_engine(), "recording_site")) == PARTITIONS
        engine.dispose()


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5", "1025"])
def test_a_number_of_partitions_that_is_none_is_refused(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ccf_assets import settings

    monkeypatch.setenv("CCF_SITE_PARTITIONS", number)
    with pytest.raises(CcfError, match=f"CCF_SITE_PARTITIONS is '{number}'; set it to a whole number from 1"):
        settings.site_partitions()


def test_dividing_keeps_every_row_and_all_that_a_lab_made_and_so_does_joining_again(
    phantom_database: sa.Engine,
) -> None:
    tell(phantom_database, RECORDED + OF_A_LAB)
    before = [ask(phantom_database, query) for query in (*ROWS, *CATALOGUE)]
    for partitions, there in ((PARTITIONS, PARTITIONS), (3, 3), (1, 0)):
        divide(phantom_database, partitions)
        assert len(partitions_of(phantom_database, "recording_region")) == there
        for query, answer in zip((*ROWS, *CATALOGUE), before, strict=True):
            assert ask(phantom_database, query) == answer, (partitions, query)
        with phantom_database.connect() as connection:
            assert site_partitions.partitions_of_sites(connection) == partitions


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE MATERIALIZED VIEW mine.kept AS SELECT recording_id FROM ccf.recording_site", "kept"),
        ("CREATE POLICY own ON ccf.recording_site USING (true)", "policy own"),
        (
            "ALTER TABLE ccf.recording_site ENABLE ROW LEVEL SECURITY",
            "row level security of ccf.recording_site",
        ),
        ("CREATE PUBLICATION out FOR TABLE ccf.recording_region", "publication out"),
        ("CREATE RULE r AS ON DELETE TO ccf.recording_region DO INSTEAD NOTHING", "rule r"),
    ],
)
def test_what_could_not_be_made_again_is_named_and_nothing_is_changed(
    phantom_database: sa.Engine, made: str, named: str
) -> None:
    tell(phantom_database, f"{RECORDED} CREATE SCHEMA mine; {made}")
    before = [ask(phantom_database, query) for query in (*ROWS, *CATALOGUE)]
    with pytest.raises(CcfError, match=f"{named}.*nothing was changed"):
        divide(phantom_database)
    assert [ask(phantom_database, query) for query in (*ROWS, *CATALOGUE)] == before


def test_a_key_that_partitions_cannot_have_is_told_and_nothing_is_changed(
    phantom_database: sa.Engine,
) -> None:
    tell(phantom_database, f"{RECORDED} CREATE UNIQUE INDEX odd ON ccf.recording_site (site_id)")
    with pytest.raises(CcfError, match=r"unique constraint on partitioned table.*othing was changed"):
        divide(phantom_database)
    assert partitions_of(phantom_database, "recording_site") == []


def test_an_atlas_that_is_dropped_leaves_the_partitions_of_sites(phantom_database: sa.Engine) -> None:
    tell(phantom_database, RECORDED)
    divide(phantom_database)
    # An administrator may have given them the names that partitions of an atlas have.
    tell(phantom_database, "ALTER TABLE ccf.recording_region_part4 RENAME TO recording_region_904")
    sites = ask(phantom_database, ROWS[0])
    holdings.drop_atlas(phantom_database, 904)
    assert len(partitions_of(phantom_database, "recording_region")) == PARTITIONS
    assert ask(phantom_database, ROWS[0]) == sites
    assert ask(phantom_database, "SELECT ccf_id, count(*) FROM ccf.recording_region GROUP BY 1") == [
        (903, 60)
    ]
    assert [held.key for held in holdings.holdings(phantom_database)] == ["phantom_50um"]


def test_a_divided_database_is_upgraded_and_stays_divided(phantom_database: sa.Engine) -> None:
    tell(phantom_database, RECORDED)
    divide(phantom_database)
    before = [ask(phantom_database, query) for query in ROWS]
    tell(
        phantom_database,
        "ALTER TABLE ccf.recording_site DROP COLUMN details CASCADE; "
        "DROP TRIGGER forget_regions ON ccf.recording_site;"
        "COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 12'",
    )
    with phantom_database.begin() as connection:
        assert install.create_tables(connection)
    assert [ask(phantom_database, query) for query in ROWS] == before
    assert len(partitions_of(phantom_database, "recording_site")) == PARTITIONS


def test_an_unknown_frame_is_told_with_the_known_ones_in_a_partition_too(phantom_database: sa.Engine) -> None:
    divide(phantom_database)
    with pytest.raises(sa.exc.IntegrityError, match=r"There is no coordinate frame 'odd'; there are .*ccf"):
        tell(
            phantom_database,
            "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
            "VALUES ('m', 1, 0, 0, 0, 'odd')",
        )
    with pytest.raises(sa.exc.DatabaseError, match=r"is a trigger of ccf\.recording_site"):
        tell(
            phantom_database,
            "CREATE TABLE public.mine (frame text) PARTITION BY LIST (frame); "
            "CREATE TABLE public.mine_1 PARTITION OF public.mine DEFAULT; "
            "CREATE TRIGGER check_frame AFTER INSERT ON public.mine FOR EACH ROW "
            "EXECUTE FUNCTION ccf.check_frame();"
            "INSERT INTO public.mine VALUES ('odd')",
        )


def test_a_site_that_gets_another_recording_moves_to_its_partition_and_stays_counted(
    phantom_database: sa.Engine,
) -> None:
    tell(phantom_database, RECORDED)
    divide(phantom_database)
    tell(phantom_database, "DELETE FROM ccf.recording_region")
    tell(phantom_database, "UPDATE ccf.recording_site SET recording_id = 'other ' || recording_id")
    assert ask(phantom_database, ROWS[2]) == [("a.csv", 39, 39), ("inserted", 21, 21)]
    tell(phantom_database, "DELETE FROM ccf.recording_site WHERE source = 'a.csv'")
    assert ask(phantom_database, ROWS[2]) == [("inserted", 21, 21)]


def test_readers_and_writers_keep_their_rights(phantom_database: sa.Engine) -> None:
    with phantom_database.begin() as connection:
        roles.make(connection)
    divide(phantom_database)
    asked = ask(
        phantom_database,
        "SELECT bool_and(has_table_privilege('ccf_reader', oid, 'SELECT')), "
        "bool_or(has_table_privilege('ccf_reader', oid, 'INSERT')), "
        "has_table_privilege('ccf_writer', 'ccf.recording_site', 'INSERT') "
        "FROM pg_class WHERE relnamespace = 'ccf'::regnamespace AND relkind IN ('r', 'p', 'v')",
    )
    assert asked == [(True, False, True)]
    with phantom_database.begin() as connection:
        assert not any(roles.make(connection).values()), "and no more than these"


def test_the_command_divides_the_sites_and_says_how_many_partitions_there_are(
    phantom_database: sa.Engine,
) -> None:
    tell(phantom_database, RECORDED)
    before = [ask(phantom_database, query) for query in ROWS]
    for said in ("The sites are now in 3 partitions.", "The sites were in 3 partitions."):
        assert said in CliRunner().invoke(main.app, ["divide-sites", "3"]).stderr
    assert [ask(phantom_database, query) for query in ROWS] == before
    assert CliRunner().invoke(main.app, ["divide-sites", "0"]).exit_code == 2
