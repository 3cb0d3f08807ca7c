"""Databases that older programs made go on working.

They are of the first release (schema version 9, commit c40edcb), of the last before atlases in other spaces
than the Allen CCF (version 11), and of the last whose ids of sites had 32 bits (version 12).
``database_of_version_9.sql`` and so on are what pg_dump wrote of them: the schema ccf with every table,
view, function and trigger, and the rows of the small tables. phantom_100um was loaded there, one file of
three sites (of version 12 five, two of which lack coordinates) and one inserted row (since version 11 two, in
two frames) were registered; the voxels themselves were left out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ccf_assets.db import database, install, loaded
from ccf_assets.definitions import defs
from ccf_assets.defs.sensors import new_recordings, unregistered_sites
from ccf_assets.errors import CcfError
from ccf_assets.pg import connect
from ccf_assets.recordings import sources
from ccf_assets.recordings.backlog import unregistered
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support.recordings_lab import RecordingsLab
from ccf_assets_tests.support.records import new_records

DAY_1 = """recording_id,site_id,ap,dv,ml,reported_region
mouse 1,0,-3500,500,2500,VISp
mouse 1,1,-1800,1200,1500,CA1
mouse 2,0,-1800,40,1500,
"""
"""The file of sites that was read into it."""

INSERTED = {9: 1, 11: 2, 12: 2}
"""Version → rows of the source "inserted"."""

OF_FILE = {9: 3, 11: 3, 12: 5}
"""Version → sites of the file; of the last two of five, coordinates are not known."""


@pytest.fixture(params=INSERTED)
def version(request: pytest.FixtureRequest) -> int:
    """The version that an older program left."""
    return int(request.param)


@pytest.fixture
def old(server_url: sa.URL, version: int) -> Iterator[sa.URL]:
    """The address of such a database, not yet seen by this program."""
    with new_database(server_url) as url:
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            connection.exec_driver_sql(dump_of(version).replace("%", "%%"))
        yield url


@pytest.fixture
def upgraded(old: sa.URL, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """The same, once a command of this program has used it."""
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(old))
    return database.create_engine()


SITES = (
    "SELECT recording_id, site_id, ap::text, dv::text, ml::text, frame, source "
    "FROM ccf.recording_site ORDER BY 1, 2"
)


KEPT = (
    "SELECT ccf_id, key, ccf_version, ccf_resolution, shape_ap, shape_dv, shape_ml, sha256 FROM ccf.atlas",
    "SELECT ccf_id, region_id, acronym, full_name, color_hex FROM ccf.brain_region ORDER BY 1, 2",
    "SELECT r::text FROM ccf.region_parent AS r ORDER BY 1",
    "SELECT r::text FROM ccf.region_volume AS r ORDER BY 1",
    "SELECT r::text FROM ccf.region_set AS r ORDER BY 1",
    "SELECT replace(r::text, 'missing', 'invalid_nan') FROM ccf.recording_region AS r ORDER BY 1",
)


def test_no_site_is_lost_nor_a_region_nor_a_volume(
    old: sa.URL, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sa.create_engine(old, poolclass=sa.NullPool).connect() as connection:
        before = connection.exec_driver_sql(SITES).all()
        kept = [connection.exec_driver_sql(query).all() for query in KEPT]
    assert len(before) == OF_FILE[version] + INSERTED[version]
    assert version == 9 or all(kept)
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(old))
    with database.create_engine().connect() as connection:
        assert connection.exec_driver_sql(SITES).all() == before
        assert [connection.exec_driver_sql(query).all() for query in KEPT] == kept


def test_its_atlas_and_its_frames_are_in_the_space_of_the_allen_ccf(upgraded: sa.Engine) -> None:
    with upgraded.connect() as connection:

        def ask(query: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

        assert ask("SELECT key, space, edge_ap, edge_dv, edge_ml FROM ccf.atlas") == [
            ("phantom_100um", "allen_ccf_v3", 100, 100, 100)
        ]
        assert ask("SELECT name, midline_um FROM ccf.reference_space") == [("allen_ccf_v3", 5700)]
        assert ask("SELECT DISTINCT space, of_atlas FROM ccf.coordinate_frame") == [("allen_ccf_v3", None)]
        assert ask("SELECT ccf_id, key FROM ccf.atlas_number") == [(904, "phantom_100um")]
        assert ask("SELECT count(*) FROM ccf.brain_region WHERE source_id <> region_id") == [(0,)]


def test_its_sites_are_tallied_by_frame(upgraded: sa.Engine, version: int) -> None:
    tallied = (
        "SELECT source, frame, sum(sites), sum(reporting) FROM ccf.recording_tally "
        "WHERE registered_in IS NULL GROUP BY 1, 2 HAVING sum(sites) <> 0 OR sum(reporting) <> 0 "
        "ORDER BY 1, 2"
    )
    registered = (
        "SELECT source, registered_in, sum(sites) FROM ccf.recording_tally "
        "WHERE registered_in IS NOT NULL GROUP BY 1, 2 HAVING sum(sites) <> 0 ORDER BY 1, 2"
    )
    inserted = [("inserted", "ibl", 1, 0)] if version > 9 else []
    with upgraded.connect() as connection:
        assert connection.exec_driver_sql(tallied).all() == [
            ("day1.csv", "stereotaxic", OF_FILE[version], 2),
            *inserted,
            ("inserted", "stereotaxic", 1, 0),
        ]
        assert connection.exec_driver_sql(registered).all() == [
            ("day1.csv", 904, OF_FILE[version]),
            ("inserted", 904, INSERTED[version]),
        ]


def test_the_tables_are_of_the_present_version(upgraded: sa.Engine) -> None:
    with upgraded.connect() as connection:
        comment = connection.exec_driver_sql(
            "SELECT obj_description('ccf'::regnamespace, 'pg_namespace')"
        ).scalar_one()
        assert comment.endswith(f"version {install.VERSION}")
        assert not install.create_tables(connection)


def test_its_atlas_and_its_recordings_are_found(upgraded: sa.Engine, version: int, tmp_path: Path) -> None:
    assert list(loaded.atlases_in_database(upgraded)) == ["phantom_100um"]
    found = {source.source: source for source in sources.sources(upgraded, tmp_path)}
    assert {name: source.sites for name, source in found.items()} == {
        "day1.csv": OF_FILE[version],
        "inserted": INSERTED[version],
    }
    with upgraded.connect() as connection:
        regions = "SELECT count(*) FROM ccf.recording_region WHERE status = 'assigned' AND ccf_id = 904"
        assert connection.exec_driver_sql(regions).scalar_one() == 3 + INSERTED[version]


def test_a_load_and_the_sensors_carry_it_on(
    upgraded: sa.Engine, version: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CCF_SOURCE", "phantom")
    monkeypatch.setenv("CCF_HOME", str(tmp_path / "home"))
    folder = tmp_path / "recordings"
    folder.mkdir()
    monkeypatch.setenv("CCF_RECORDINGS", str(folder))
    with new_records() as instance:
        for job, key in (("refresh_ontology", None), ("load_atlas", "phantom_100um")):
            done = defs.resolve_job_def(job).execute_in_process(instance=instance, partition_key=key)
            assert done.success
        lab = RecordingsLab(folder, upgraded, instance)
        more = "mouse 3,0,,,,\nmouse 3,1,-1800,,1500,\n" if version == 12 else ""
        (folder / "day1.csv").write_text(DAY_1 + more)
        (folder / "day1.toml").write_text('frame = "stereotaxic"\n')
        lab.age(folder / "day1.csv", folder / "day1.toml")
        lab.serve(new_recordings)  # the folder is known again by the file that was read from it
        lab.write("day1.csv", ("mouse 1", 0, 8900, 1300, 8200))
        assert [run.success for run in lab.serve(new_recordings)] == [True]
        assert [run.success for run in lab.serve(unregistered_sites)] == [True]
    with upgraded.connect() as connection:
        registered = "SELECT recording_id, site_id, status, source FROM ccf.recording_region ORDER BY 1, 2"
        assert connection.exec_driver_sql(registered).all() == [
            ("mouse 1", 0, "assigned", "day1.csv"),
            *(("mouse 7, day 3", site, "assigned", "inserted") for site in range(INSERTED[version])),
        ]


# ---- of version 12: ids of sites had 32 bits, and PostgreSQL changes no column that a view uses


def dump_of(version: int) -> str:
    return Path(__file__).with_name(f"database_of_version_{version}.sql").read_text("utf-8")


@pytest.fixture
def people(server_url: sa.URL) -> Iterator[tuple[str, str]]:
    """Two roles of the server: who owns a view of the lab, and who reads it."""
    names = tuple(f"{who}_{uuid.uuid4().hex[:8]} of 100%" for who in ("owner", "reader"))
    admin = sa.create_engine(server_url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for name in names:
            connection.execute(sa.text(f'CREATE ROLE "{name}"'))
        yield names[0], names[1]
        for name in names:
            connection.execute(sa.text(f'DROP ROLE "{name}"'))


@pytest.fixture
def narrow(server_url: sa.URL, people: tuple[str, str]) -> Iterator[sa.Engine]:
    """A database of version 12, not yet seen by this program, with a place for a lab's own views."""
    with new_database(server_url) as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(dump_of(12).replace("%", "%%"))
            connection.execute(sa.text(f'CREATE SCHEMA lab; GRANT CREATE ON SCHEMA lab TO "{people[0]}"'))
        yield engine


def tell(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def ask(engine: sa.Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def upgrade(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert install.create_tables(connection)


VIEWS = (
    # What each view is, but for the columns that a function of ours has now; grants in any order.
    "SELECT oid::regclass::text, relowner::regrole::text, reloptions, "
    "regexp_replace(pg_get_viewdef(oid), ' s[(].*[)]', ' s'), "
    "(SELECT array_agg(a::text ORDER BY a::text) "
    "FROM unnest(coalesce(relacl, acldefault('r', relowner))) AS a), "
    "(SELECT array_agg((attname, attacl, col_description(attrelid, attnum))::text ORDER BY attnum) "
    "FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0), obj_description(oid, 'pg_class') "
    "FROM pg_class AS c WHERE relnamespace = 'lab'::regnamespace AND relkind = 'v' ORDER BY 1"
)


def test_a_labs_views_stay_as_they_were(narrow: sa.Engine, people: tuple[str, str]) -> None:
    owner, reader = (f'"{name}"' for name in people)
    tell(
        narrow,
        'CREATE VIEW lab.depth AS SELECT recording_id, site_id, atlas, y AS "µm deep" '
        "FROM ccf.recording_site_region WHERE acronym LIKE 'VIS%'",
        "CREATE VIEW lab.deepest WITH (security_barrier) AS "
        "SELECT DISTINCT ON (recording_id) * FROM lab.depth JOIN ccf.site_pair USING (recording_id, site_id) "
        'ORDER BY recording_id, "µm deep"',
        "CREATE VIEW lab.inside AS SELECT s.site_id, s AS everything FROM ccf.sites_in('root') AS s",
        "CREATE VIEW lab.ids AS SELECT site_id FROM ccf.recording_claim UNION SELECT 7",
        "CREATE VIEW lab.names AS SELECT acronym FROM ccf.brain_region",
        "CREATE VIEW lab.shared AS SELECT um3 FROM ccf.region_overlap_of_grids(904, 904)",  # not ours now
        f"GRANT SELECT ON lab.depth TO {reader} WITH GRANT OPTION",
        f"GRANT SELECT (site_id), REFERENCES (site_id) ON lab.ids TO {reader}",
        "REVOKE ALL ON lab.inside FROM CURRENT_USER",
        "GRANT SELECT ON lab.deepest TO PUBLIC",
        f"ALTER VIEW lab.deepest OWNER TO {owner}",
        "COMMENT ON VIEW lab.depth IS 'It''s 100% {deep}'; COMMENT ON COLUMN lab.depth.site_id IS 'Which'",
        f"ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO {reader}",
        f"GRANT SELECT ON ccf.recording_site_region, ccf.site_diff TO {reader}",
        f"GRANT EXECUTE ON FUNCTION ccf.sites_in(text, text) TO {reader}",
        "REVOKE EXECUTE ON FUNCTION ccf.sites_in(bigint, text) FROM PUBLIC",
        f"GRANT SELECT (region_a) ON ccf.site_pair TO {owner}",
        "CREATE TABLE lab.spike (recording_id text, site_id integer, "
        "FOREIGN KEY (recording_id, site_id) REFERENCES ccf.recording_site)",
        "CREATE INDEX lab_index ON ccf.recording_site (site_id)",
    )
    before = ask(narrow, VIEWS)
    grants = (
        "SELECT c.relname, acl.grantee::regrole::text, acl.privilege_type, acl.is_grantable "
        "FROM pg_class AS c, aclexplode(relacl) AS acl WHERE relnamespace = 'ccf'::regnamespace "
        "AND relname IN ('recording_site_region', 'site_pair', 'site_diff', 'recording_site_group') "
        "UNION ALL SELECT p.oid::regprocedure::text, acl.grantee::regrole::text, acl.privilege_type, "
        "acl.is_grantable FROM pg_proc AS p, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS acl "
        "WHERE pronamespace = 'ccf'::regnamespace AND proname IN ('sites_in', 'sites_differing') "
        "UNION ALL SELECT attname, acl.grantee::regrole::text, acl.privilege_type, acl.is_grantable "
        "FROM pg_attribute, aclexplode(attacl) AS acl WHERE attrelid = 'ccf.site_pair'::regclass "
        "ORDER BY 1, 2, 3"
    )
    granted = [row for row in ask(narrow, grants) if str(row[1]) in (owner, reader, "-")]
    assert len(granted) == 6
    upgrade(narrow)
    assert ask(narrow, VIEWS) == before
    assert [row for row in ask(narrow, grants) if str(row[1]) in (owner, reader, "-")] == granted
    assert ask(narrow, "SELECT count(*) FROM lab.inside") == [(5,)]
    with pytest.raises(sa.exc.DBAPIError, match=r"voxels of phantom_100um .* are not loaded"):
        ask(narrow, "SELECT count(*) FROM lab.shared")  # the function is there, and needs what the dump lacks
    assert ask(narrow, "SELECT DISTINCT pg_typeof(site_id)::text FROM lab.depth") == [("bigint",)]
    tell(narrow, "INSERT INTO lab.spike VALUES ('mouse 1', 1)")


IN_THE_WAY = {
    "materialized view lab.m": "CREATE MATERIALIZED VIEW lab.m AS SELECT * FROM ccf.recording_site_region",
    "function lab.f()": "CREATE FUNCTION lab.f() RETURNS bigint LANGUAGE sql "
    "BEGIN ATOMIC SELECT max(site_id) FROM ccf.recording_site; END",
    "rule r on table lab.t": "CREATE TABLE lab.t (n int); CREATE RULE r AS ON INSERT TO lab.t "
    "DO ALSO DELETE FROM ccf.recording_claim WHERE site_id = NEW.n",
    "trigger t on table ccf.recording_site": "CREATE TRIGGER t AFTER UPDATE OF site_id ON ccf.recording_site "
    "FOR EACH ROW EXECUTE FUNCTION ccf.check_frame()",
    "column places of table lab.t": "CREATE TABLE lab.t (places ccf.site_pair[])",
    "policy p on table ccf.recording_site": "CREATE POLICY p ON ccf.recording_site USING (site_id > 0)",
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_the_program_cannot_make_again_is_named_and_nothing_is_changed(
    narrow: sa.Engine, name: str
) -> None:
    tell(narrow, "CREATE VIEW lab.v AS SELECT * FROM ccf.site_diff", IN_THE_WAY[name])
    with pytest.raises(CcfError) as refused:
        upgrade(narrow)
    said = str(refused.value)
    assert f"on which {name} depends" in said
    assert said.endswith("Drop it, use this ccf_assets once, and create it again; nothing was changed.")
    assert ask(narrow, "SELECT DISTINCT pg_typeof(site_id)::text FROM ccf.recording_site") == [("integer",)]
    assert ask(narrow, "SELECT count(*) FROM lab.v") == [(0,)]


def test_a_view_that_does_not_go_with_64_bits_is_named_and_nothing_is_changed(narrow: sa.Engine) -> None:
    tell(
        narrow,
        "CREATE FUNCTION lab.half(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n / 2'",
        "CREATE VIEW lab.halves AS SELECT lab.half(site_id) FROM ccf.recording_site",
    )
    with pytest.raises(
        CcfError, match=r"^The view lab\.halves cannot be created again .* lab\.half\(bigint\)"
    ):
        upgrade(narrow)
    assert ask(narrow, "SELECT count(*) FROM lab.halves") == [(7,)]


def test_every_site_stays_registered_and_only_what_nobody_placed_is_called_missing(narrow: sa.Engine) -> None:
    tell(
        narrow,
        # As if the voxels had not been left out: one of them is enough for an atlas to be loaded.
        "INSERT INTO ccf.voxel_run VALUES (904, 0, 0, 0, 100, 997)",
        "INSERT INTO ccf.brain_surface (ccf_id, x, z, y) VALUES (904, 0, 0, 0)",
        "UPDATE ccf.recording_region SET voxels_of = CAST('ccf.voxel_run_904'::regclass AS oid), "
        "surface_of = CAST('ccf.brain_surface_904'::regclass AS oid)",
    )
    kept = (
        "SELECT recording_id, site_id, x, y, z, region_id FROM ccf.recording_region ORDER BY 1, 2",
        "SELECT a::text FROM ccf.recording_agreement AS a",
        "SELECT f::text FROM ccf.recording_finding AS f",
        "SELECT source, sites, reporting FROM ccf.recording_source ORDER BY 1",
    )
    before = [ask(narrow, query) for query in kept]
    assert all(before)
    upgrade(narrow)
    assert [ask(narrow, query) for query in kept] == before
    assert not unregistered(narrow)
    statuses = "SELECT site_id, status FROM ccf.recording_region WHERE recording_id = 'mouse 3' ORDER BY 1"
    assert ask(narrow, statuses) == [(0, "missing"), (1, "invalid_nan")]
    assert ask(narrow, "SELECT DISTINCT kind, site_name FROM ccf.recording_site") == [("site", None)]
    with pytest.raises(sa.exc.IntegrityError, match="recording_site_kind_check"):
        tell(narrow, "UPDATE ccf.recording_site SET kind = 'probe'")
    with pytest.raises(sa.exc.IntegrityError, match="recording_region_recording_id_site_id_fkey"):
        tell(narrow, "UPDATE ccf.recording_region SET site_id = 2 ^ 40 WHERE recording_id = 'mouse 2'")
