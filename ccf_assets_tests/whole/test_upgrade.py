"""A database that the first release's program made (schema version 9, commit c40edcb) goes on working.

``database_of_version_9.sql`` is what pg_dump wrote of it: the schema ccf with every table, view, function and
trigger, and the rows of the small tables. phantom_100um was loaded there, one file of three sites and one
inserted row were registered; the voxels themselves were left out.
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

DUMP = Path(__file__).with_name("database_of_version_9.sql")


@pytest.fixture
def old(server_url: sa.URL) -> Iterator[sa.URL]:
    """The address of such a database, not yet seen by this program."""
    with new_database(server_url) as url:
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            connection.exec_driver_sql(DUMP.read_text("utf-8").replace("%", "%%"))
        yield url


@pytest.fixture
def upgraded(old: sa.URL, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """The same, once a command of this program has used it."""
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(old))
    return database.create_engine()


SITES = "SELECT recording_id, site_id, ap, dv, ml, frame, source FROM ccf.recording_site ORDER BY 1, 2"


def test_no_site_is_lost(old: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    with sa.create_engine(old, poolclass=sa.NullPool).connect() as connection:
        before = connection.exec_driver_sql(SITES).all()
    assert len(before) == 4
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(old))
    with database.create_engine().connect() as connection:
        assert connection.exec_driver_sql(SITES).all() == before


def test_the_tables_are_of_the_present_version(upgraded: sa.Engine) -> None:
    with upgraded.connect() as connection:
        comment = connection.exec_driver_sql(
            "SELECT obj_description('ccf'::regnamespace, 'pg_namespace')"
        ).scalar_one()
        assert comment.endswith(f"version {install.VERSION}")
        assert not install.create_tables(connection)


def test_its_atlas_and_its_recordings_are_found(upgraded: sa.Engine, tmp_path: Path) -> None:
    assert list(loaded.atlases_in_database(upgraded)) == ["phantom_100um"]
    found = {source.source: source for source in sources.sources(upgraded, tmp_path)}
    assert {name: source.sites for name, source in found.items()} == {"day1.csv": 3, "inserted": 1}
    with upgraded.connect() as connection:
        regions = "SELECT count(*) FROM ccf.recording_region WHERE status = 'assigned' AND ccf_id = 904"
        assert connection.exec_driver_sql(regions).scalar_one() == 4


def test_a_load_and_the_sensors_carry_it_on(
    upgraded: sa.Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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
            ("mouse 7, day 3", 0, "assigned", "inserted"),
        ]
