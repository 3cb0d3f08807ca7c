"""Databases that older programs made go on working.

They are of the first release (schema version 9, commit c40edcb) and of the last before atlases in other
spaces than the Allen CCF (version 11). ``database_of_version_9.sql`` and ``…_11.sql`` are what pg_dump wrote
of them: the schema ccf with every table, view, function and trigger, and the rows of the small tables.
phantom_100um was loaded there, one file of three sites and one inserted row (of version 11 two, in two
frames) were registered; the voxels themselves were left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ccf_assets.db import database, install, loaded
from ccf_assets.definitions import defs
from ccf_assets.defs.sensors import new_recordings, unregistered_sites
from ccf_assets.pg import connect
from ccf_assets.recordings import sources
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support.recordings_lab import RecordingsLab
from ccf_assets_tests.support.records import new_records

DAY_1 = """recording_id,site_id,ap,dv,ml,reported_region
mouse 1,0,-3500,500,2500,VISp
mouse 1,1,-1800,1200,1500,CA1
mouse 2,0,-1800,40,1500,
"""
"""The file of sites that was read into it."""

INSERTED = {9: 1, 11: 2}
"""Version → rows of the source "inserted"."""


@pytest.fixture(params=INSERTED)
def version(request: pytest.FixtureRequest) -> int:
    """The version that an older program left."""
    return int(request.param)


@pytest.fixture
def old(server_url: sa.URL, version: int) -> Iterator[sa.URL]:
    """The address of such a database, not yet seen by this program."""
    dump = Path(__file__).with_name(f"database_of_version_{version}.sql").read_text("utf-8")
    with new_database(server_url) as url:
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            connection.exec_driver_sql(dump.replace("%", "%%"))
        yield url


@pytest.fixture
def upgraded(old: sa.URL, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """The same, once a command of this program has used it."""
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(old))
    return database.create_engine()


SITES = "SELECT recording_id, site_id, ap, dv, ml, frame, source FROM ccf.recording_site ORDER BY 1, 2"


KEPT = (
    "SELECT ccf_id, key, ccf_version, ccf_resolution, shape_ap, shape_dv, shape_ml, sha256 FROM ccf.atlas",
    "SELECT ccf_id, region_id, acronym, full_name, color_hex FROM ccf.brain_region ORDER BY 1, 2",
    "SELECT r::text FROM ccf.region_parent AS r ORDER BY 1",
    "SELECT r::text FROM ccf.region_volume AS r ORDER BY 1",
    "SELECT r::text FROM ccf.region_set AS r ORDER BY 1",
    "SELECT r::text FROM ccf.recording_region AS r ORDER BY 1",
)


def test_no_site_is_lost_nor_a_region_nor_a_volume(
    old: sa.URL, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sa.create_engine(old, poolclass=sa.NullPool).connect() as connection:
        before = connection.exec_driver_sql(SITES).all()
        kept = [connection.exec_driver_sql(query).all() for query in KEPT]
    assert len(before) == 3 + INSERTED[version]
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
    inserted = [("inserted", "ibl", 1, 0)] if version == 11 else []
    with upgraded.connect() as connection:
        assert connection.exec_driver_sql(tallied).all() == [
            ("day1.csv", "stereotaxic", 3, 2),
            *inserted,
            ("inserted", "stereotaxic", 1, 0),
        ]
        assert connection.exec_driver_sql(registered).all() == [
            ("day1.csv", 904, 3),
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
        "day1.csv": 3,
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
        (folder / "day1.csv").write_text(DAY_1)
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
