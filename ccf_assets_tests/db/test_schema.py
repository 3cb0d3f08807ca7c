"""The tables as the database holds them: described, partitioned, and tied together by real keys."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from ccf_assets.db import install, schema
from ccf_assets.errors import CcfError

TABLES = list(schema.metadata.tables.values())
ATLAS_TABLES = (
    "atlas",
    "brain_region",
    "region_parent",
    "region_ancestor",
    "voxel_run",
    "voxel",
    "brain_surface",
    "region_volume",
)
COORDINATES = {"x", "y", "z", "z_end", *(f"{a}_{c}" for a in ("min", "max", "centroid") for c in "xyz")}


def run(engine: sa.Engine, statement: str, **values: object) -> list[tuple[object, ...]]:
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def count(engine: sa.Engine, table: str, where: str) -> object:
    return run(engine, f"SELECT count(*) FROM ccf.{table} WHERE {where}")[0][0]


# --- What the database says of itself --------------------------------------------------------------------


def test_every_table_and_column_has_a_comment_in_the_database(database: sa.Engine) -> None:
    look = sa.inspect(database)
    for table in TABLES:
        assert look.get_table_comment(table.name, schema.SCHEMA)["text"], table.name
        for column in look.get_columns(table.name, schema.SCHEMA):
            assert column["comment"], f"{table.name}.{column['name']}"


def test_every_coordinate_says_its_axis_and_that_it_is_ccf_um(database: sa.Engine) -> None:
    axes = {"x": "AP", "y": "DV", "z": "ML"}
    look = sa.inspect(database)
    seen = set()
    for table in TABLES:
        for column in look.get_columns(table.name, schema.SCHEMA):
            if column["name"] in COORDINATES:
                seen.add(column["name"])
                (axis,) = [axes[part] for part in column["name"].split("_") if part in axes]
                assert axis in column["comment"]
                assert "CCF µm" in column["comment"]
    assert seen == COORDINATES


def test_lengths_and_volumes_say_their_unit() -> None:
    assert "µm" in schema.atlas.c.ccf_resolution.comment
    assert "mm³" in schema.region_volume.c.own_mm3.comment
    assert "mm³" in schema.region_volume.c.volume_mm3.comment


def test_the_tables_in_the_database_are_those_defined_here(database: sa.Engine) -> None:
    found = sa.MetaData(schema=schema.SCHEMA)
    found.reflect(database)
    assert set(found.tables) == set(schema.metadata.tables)
    for name, table in schema.metadata.tables.items():
        there = found.tables[name]
        assert there.columns.keys() == table.columns.keys()
        assert there.primary_key.columns.keys() == table.primary_key.columns.keys()
        for column in table.columns:
            dialect = database.dialect
            assert there.c[column.name].type.compile(dialect) == column.type.compile(dialect)
            assert there.c[column.name].nullable == column.nullable


def test_everything_made_from_an_atlas_is_keyed_by_it_first() -> None:
    for name in ATLAS_TABLES:
        assert schema.metadata.tables[f"ccf.{name}"].primary_key.columns.keys()[0] == "ccf_id"


def test_what_is_made_of_voxels_is_partitioned_by_atlas(database: sa.Engine) -> None:
    partitioned = run(
        database,
        "SELECT c.relname, p.partstrat::text, pg_get_partkeydef(c.oid) FROM pg_partitioned_table p "
        "JOIN pg_class c ON c.oid = p.partrelid ORDER BY 1",
    )
    assert partitioned == [(n, "l", "LIST (ccf_id)") for n in ("brain_surface", "voxel", "voxel_run")]


def test_each_loaded_atlas_is_one_partition_with_its_keys(phantom_database: sa.Engine) -> None:
    look = sa.inspect(phantom_database)
    partitions = run(
        phantom_database,
        "SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class "
        "WHERE relispartition AND relkind = 'r' ORDER BY relname",
    )
    assert partitions == [
        ("brain_surface_903", "FOR VALUES IN (903)"),
        ("brain_surface_904", "FOR VALUES IN (904)"),
        ("voxel_run_903", "FOR VALUES IN (903)"),
        ("voxel_run_904", "FOR VALUES IN (904)"),
    ]
    for name, _ in partitions[2:]:
        key = look.get_pk_constraint(str(name), schema.SCHEMA)
        assert key["constrained_columns"] == ["ccf_id", "x", "y", "z"]
        (foreign,) = look.get_foreign_keys(str(name), schema.SCHEMA)
        assert foreign["referred_table"] == "brain_region"


def test_voxels_have_the_index_of_the_tutorial(database: sa.Engine) -> None:
    indexes = sa.inspect(database).get_indexes("voxel", schema.SCHEMA)
    assert [index["column_names"] for index in indexes] == [["y", "z"]]


# --- Creating --------------------------------------------------------------------------------------------


def test_creating_the_tables_again_changes_nothing(phantom_database: sa.Engine) -> None:
    objects = "SELECT oid, relname FROM pg_class WHERE relnamespace = 'ccf'::regnamespace ORDER BY oid"
    before = run(phantom_database, objects), count(phantom_database, "voxel_run", "true")
    for _ in range(2):
        run(phantom_database, "COMMENT ON SCHEMA ccf IS 'of an older version'")
        with phantom_database.begin() as connection:
            install.create_tables(connection)
    assert (run(phantom_database, objects), count(phantom_database, "voxel_run", "true")) == before


def test_a_table_that_an_older_version_lacks_is_added_without_harm_to_the_others(
    phantom_database: sa.Engine,
) -> None:
    run(
        phantom_database,
        "DROP TABLE ccf.region_volume CASCADE; COMMENT ON SCHEMA ccf IS 'of an older version'",
    )
    with phantom_database.begin() as connection:
        install.create_tables(connection)
    assert count(phantom_database, "recording_claim", "true") == 0
    assert count(phantom_database, "brain_region", "true") == 2 * 54


OLDER = """
    ALTER TABLE ccf.recording_file DROP COLUMN looked_at_with, ALTER refused TYPE integer USING 0,
        ADD COLUMN warnings text NOT NULL;
    ALTER TABLE ccf.recording_site ADD COLUMN of_the_lab text;
    DROP INDEX ccf.recording_site_source_brin;
    CREATE INDEX recording_site_source_idx ON ccf.recording_site (source);
    CREATE INDEX of_the_lab ON ccf.recording_site (of_the_lab);
    COMMENT ON COLUMN ccf.atlas.key IS 'something else';
    COMMENT ON TABLE ccf.atlas IS NULL;
    COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 3'
"""
"""What turns the tables into those of a version that never was, on a server where a lab added its own."""


def test_an_older_versions_tables_become_the_present_ones_and_what_a_lab_added_stays(
    phantom_database: sa.Engine,
) -> None:
    def described() -> list[tuple[object, ...]]:
        return run(
            phantom_database,
            "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, "
            "col_description(c.oid, attnum), obj_description(c.oid) "
            "FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
            "WHERE relnamespace = 'ccf'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 "
            "AND NOT attisdropped AND NOT relispartition ORDER BY relname, attname",
        )

    before = described()
    run(phantom_database, OLDER.replace("ALTER refused TYPE integer USING 0,", ""))
    with phantom_database.begin() as connection:
        install.create_tables(connection)
    after = described()
    theirs = [row for row in after if row[1] in {"of_the_lab", "warnings"}]
    assert [row for row in after if row not in theirs] == before
    assert [row[:4] for row in theirs] == [
        ("recording_file", "warnings", "text", False),
        ("recording_site", "of_the_lab", "text", False),
    ]
    indexes = "SELECT indexname FROM pg_indexes WHERE tablename = 'recording_site' ORDER BY 1"
    assert [name for (name,) in run(phantom_database, indexes)] == [
        "of_the_lab",
        "recording_site_pkey",
        "recording_site_source_brin",
        "recording_site_track_idx",
    ]


def test_tables_that_cannot_be_upgraded_are_left_as_they_are_with_a_sentence(
    phantom_database: sa.Engine,
) -> None:
    run(phantom_database, OLDER)
    with (
        pytest.raises(CcfError, match=r"are of version 3 and cannot be changed to .* Nothing was changed"),
        phantom_database.begin() as connection,
    ):
        install.create_tables(connection)
    [(comment,)] = run(phantom_database, "SELECT obj_description('ccf'::regnamespace)")
    assert str(comment).endswith("version 3")


def test_recordings_and_their_registrations_survive_an_upgrade(phantom_database: sa.Engine) -> None:
    def recorded() -> dict[str, list[tuple[object, ...]]]:
        names = [table.name for table in TABLES if table.name.startswith("recording_")]
        names.remove("recording_agreement")  # reports are compared again, by more words
        return {name: sorted(run(phantom_database, f"SELECT r::text FROM ccf.{name} AS r")) for name in names}

    run(
        phantom_database,
        "INSERT INTO ccf.recording_folder VALUES ('an id', '', 'rig', '/data', '12');"
        "INSERT INTO ccf.recording_file VALUES ('a.csv', 'digest', NULL, 1, false);"
        "INSERT INTO ccf.recording_finding VALUES ('a.csv', 'odd', false, 'It is odd.');"
        "INSERT INTO ccf.recording_claim VALUES ('m', 0, 'a.csv');"
        "INSERT INTO ccf.recording_agreement VALUES ('a.csv', 904, 1, 1, 0, true, 'All agree.');"
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, reported_region, source) "
        "VALUES ('m', 0, 6600, 4000, 6700, 'ccf', 'root', 'a.csv');"
        "INSERT INTO ccf.recording_region VALUES"
        " ('m', 0, 904, 6600, 4000, 6700, 'right', 997, 'assigned', 'a.csv', 0, 0);",
    )
    before = recorded()
    assert all(before.values())
    run(
        phantom_database,
        "DROP TABLE ccf.region_volume CASCADE; DROP TRIGGER forget_regions ON ccf.recording_site;"
        "COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 3'",
    )
    with phantom_database.begin() as connection:
        assert install.create_tables(connection)
    assert recorded() == before


def test_an_upgrade_that_fails_at_its_last_step_changes_nothing(phantom_database: sa.Engine) -> None:
    run(
        phantom_database,
        "DROP TABLE ccf.region_volume CASCADE; DROP VIEW ccf.site_diff; "
        "CREATE VIEW ccf.site_diff AS SELECT 1 AS of_the_lab;"
        "COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 3'",
    )
    refusal = (
        r"of version 3 and cannot be changed to \d+\. The database answers: cannot change name .* "
        r"Nothing was changed\. Save your"
    )
    with pytest.raises(CcfError, match=refusal), phantom_database.begin() as connection:
        install.create_tables(connection)
    assert run(
        phantom_database, "SELECT to_regclass('ccf.region_volume'), of_the_lab FROM ccf.site_diff"
    ) == [(None, 1)]


def test_an_older_program_leaves_a_newer_versions_tables_alone(phantom_database: sa.Engine) -> None:
    run(
        phantom_database,
        "COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 1000'",
    )
    refusal = (
        rf"of version 1000, and this program, of {install.VERSION}, is older.* Update ccf_assets; nothing"
    )
    with pytest.raises(CcfError, match=refusal), phantom_database.begin() as connection:
        install.create_tables(connection)
    [(comment,)] = run(phantom_database, "SELECT obj_description('ccf'::regnamespace)")
    assert str(comment).endswith("version 1000")


def test_many_processes_can_create_the_tables_at_once(database: sa.Engine) -> None:
    run(database, "DROP SCHEMA ccf CASCADE")
    ready = threading.Barrier(6)
    failures: list[BaseException] = []

    def create() -> None:
        try:
            with database.connect() as connection:
                ready.wait(10)
                with connection.begin():
                    install.create_tables(connection)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(sa.inspect(database).get_table_names(schema.SCHEMA)) == {table.name for table in TABLES}


# --- Keys ------------------------------------------------------------------------------------------------


@pytest.fixture
def rows(database: sa.Engine) -> Iterator[sa.Engine]:
    """One atlas with three regions in a line and a run of the deepest, in partitions made by hand."""
    run(
        database,
        "INSERT INTO ccf.atlas VALUES (7, 'k', 'v', 25, 'd', 4, 4, 4, 25, 25, 25, 'allen_ccf_v3', 'u', 's');"
        "INSERT INTO ccf.brain_region SELECT 7, i, 'R' || i, 'n', 'n', '00FF99', i"
        " FROM generate_series(1, 3) i;"
        "INSERT INTO ccf.region_parent VALUES (7, 1, 1, 0), (7, 2, 1, 1), (7, 3, 2, 2);"
        "INSERT INTO ccf.region_ancestor VALUES (7, 1, 1, 0), (7, 2, 2, 0), (7, 2, 1, 1), (7, 3, 3, 0),"
        " (7, 3, 2, 1), (7, 3, 1, 2);"
        "INSERT INTO ccf.region_volume SELECT 7, i, h, 0, 0, 0, 0 FROM generate_series(1, 3) i,"
        " unnest(ARRAY['left', 'right', 'both']) h;"
        "CREATE TABLE ccf.voxel_run_7 PARTITION OF ccf.voxel_run FOR VALUES IN (7);"
        "CREATE TABLE ccf.voxel_7 PARTITION OF ccf.voxel FOR VALUES IN (7);"
        "INSERT INTO ccf.voxel_run VALUES (7, 0, 0, 0, 50, 3);",
    )
    return database


def test_a_row_of_an_unknown_region_or_atlas_is_refused(rows: sa.Engine) -> None:
    for insert in (
        "voxel VALUES (7, 0, 0, 0, 99)",
        "voxel_run VALUES (7, 25, 0, 0, 25, 99)",
        "region_parent VALUES (7, 99, 1, 1)",
        "region_ancestor VALUES (7, 3, 99, 1)",
        "region_volume VALUES (7, 99, 'both', 0, 0, 0, 0)",
        "brain_region VALUES (8, 1, 'R', 'n', 'n', '00FF99', 0)",
    ):
        with pytest.raises(sa.exc.IntegrityError, match="foreign key"):
            run(rows, f"INSERT INTO ccf.{insert}")


def test_what_is_unique_occurs_once(rows: sa.Engine) -> None:
    for insert in (
        "brain_region VALUES (7, 4, 'R3', 'n', 'n', '00FF99', 4)",
        "atlas VALUES (8, 'k', 'v', 25, 'd', 4, 4, 4, 25, 25, 25, 'allen_ccf_v3', 'u', 's')",
        "voxel_run VALUES (7, 0, 0, 0, 75, 2)",
    ):
        with pytest.raises(sa.exc.IntegrityError, match="unique"):
            run(rows, f"INSERT INTO ccf.{insert}")


def test_acronyms_that_differ_by_case_are_two(rows: sa.Engine) -> None:
    run(rows, "INSERT INTO ccf.brain_region VALUES (7, 4, 'r3', 'n', 'n', '00FF99', 4)")


def test_a_hemisphere_is_left_right_or_both(rows: sa.Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="region_volume_hemisphere_check"):
        run(rows, "UPDATE ccf.region_volume SET hemisphere = 'middle' WHERE hemisphere = 'left'")


def test_the_hierarchy_and_the_sizes_go_with_a_region(rows: sa.Engine) -> None:
    run(rows, "DELETE FROM ccf.brain_region WHERE region_id = 2")
    assert run(rows, "SELECT region_id FROM ccf.region_parent ORDER BY 1") == [(1,)]
    pairs = run(rows, "SELECT region_id, ancestor_id FROM ccf.region_ancestor ORDER BY 1, 2")
    assert pairs == [(1, 1), (3, 1), (3, 3)]
    assert count(rows, "region_volume", "region_id = 2") == 0
    assert count(rows, "region_volume", "region_id = 3") == 3


def test_a_region_that_owns_voxels_cannot_go(rows: sa.Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError, match=r"voxel_run_.*fkey"):
        run(rows, "DELETE FROM ccf.brain_region WHERE region_id = 3")
    run(rows, "TRUNCATE ccf.voxel_run; INSERT INTO ccf.voxel VALUES (7, 0, 0, 0, 3)")
    with pytest.raises(sa.exc.IntegrityError, match=r"voxel_.*fkey"):
        run(rows, "DELETE FROM ccf.brain_region WHERE region_id = 3")
    assert count(rows, "region_parent", "region_id = 3") == 1


def test_an_atlas_with_regions_cannot_go(rows: sa.Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="foreign key"):
        run(rows, "DELETE FROM ccf.atlas")


def test_findings_about_inserted_rows_go_with_the_last_of_them_and_those_of_files_stay(
    database: sa.Engine,
) -> None:
    site = (
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source) "
        "VALUES ('day 1', {0}, 1, 2, 3, 'ccf', '{1}')"
    )
    finding = "INSERT INTO ccf.recording_finding VALUES ('{0}', 'units', false, 'Suspicious.')"
    file = (
        "INSERT INTO ccf.recording_file (source, digest, looked_at_with, sites, refused) "
        "VALUES ('a.csv', '', '', 1, false)"
    )

    def told(statement: str) -> list[str]:
        with database.begin() as connection:
            connection.exec_driver_sql(statement)
            left = "SELECT source FROM ccf.recording_finding ORDER BY source"
            return list(connection.exec_driver_sql(left).scalars())

    with database.begin() as connection:
        for number, source in enumerate(("by hand", "by hand", "rig 2", "a.csv")):
            connection.exec_driver_sql(site.format(number, source))
        for source in ("by hand", "rig 2", "a.csv"):
            connection.exec_driver_sql(finding.format(source))
        connection.exec_driver_sql(file)
    assert told("DELETE FROM ccf.recording_site WHERE site_id = 0") == ["a.csv", "by hand", "rig 2"]
    assert told("DELETE FROM ccf.recording_site WHERE site_id IN (1, 3)") == ["a.csv", "rig 2"]
    assert told("UPDATE ccf.recording_site SET ap = 9") == ["a.csv", "rig 2"]
    assert told("UPDATE ccf.recording_site SET source = 'rig 3'") == ["a.csv"]
