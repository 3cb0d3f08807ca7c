"""A backup by pg_dump, restored into an empty database, is the same, and the program goes on with it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from ccf_assets.db import database, install, reference, roles, schema
from ccf_assets.definitions import defs
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.defs.sensors import new_recordings, unregistered_sites
from ccf_assets.pg import connect
from ccf_assets.runs.home import dagster_home
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.db.test_roles import CALLS, ask, login
from ccf_assets_tests.db.test_roles import server as server  # the fixture  # noqa: PLC0414
from ccf_assets_tests.support.program import ccf
from ccf_assets_tests.support.recordings_lab import RecordingsLab


def rows(url: sa.URL, source: object) -> list[tuple[object, ...]]:
    """How many rows a table has, or a function answers with, and a hash of all."""
    return ask(url, f"SELECT count(*), md5(string_agg(r::text, E'\\n' ORDER BY r::text)) FROM {source} AS r")


def held(url: sa.URL) -> dict[str, object]:
    """Every table's rows, what every function answers, and all comments."""
    tables = {table.name: rows(url, table) for table in schema.metadata.sorted_tables}
    answers = {call: rows(url, call) for call in CALLS.values()}
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        # Sorted: functions of one name stand in the order in which they were made.
        page = sorted(reference.page(connection).splitlines())
    return {**tables, **answers, "what it says of itself": page}


def test_a_backup_is_restored_and_the_program_goes_on(
    server: sa.URL,
    server_url: sa.URL,
    phantom_database: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "ccf" / "recordings"
    site = "INSERT INTO ccf.recording_site VALUES ('by hand', {}, 6600, 4000, 6700, 'ccf')"
    regions = (
        "SELECT recording_id, atlas, acronym, status FROM ccf.recording_site_region ORDER BY 1, 2, site_id"
    )
    dagster_home()
    with dg.DagsterInstance.get() as dagster, phantom_database.begin() as connection:
        roles.make(connection)
        connection.exec_driver_sql(site.format(0))
        connection.commit()
        lab = RecordingsLab(folder, phantom_database, dagster)
        lab.write("m.csv", ("m", 0, 6600, 4000, 6700), ("m", 1, 0, 0, 0))
        lab.serve(new_recordings)
        lab.serve(unregistered_sites)
        runs = dagster.get_runs_count()
    source = phantom_database.url
    before, registered = held(source), ask(source, regions)
    assert len(registered) == 6

    dump = tmp_path / "ccf.dump"
    said = ccf("pg_dump", "-n", "ccf", "-n", "ccf_dagster", "-Fc", "-f", str(dump))
    assert (said.returncode, said.stderr) == (0, "")
    with new_database(server_url) as empty:
        monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(empty))
        database.forget()
        with sa.create_engine(empty, poolclass=sa.NullPool).connect() as connection:
            knows_all = (connection.dialect.server_version_info or ()) >= (17,)
        strict = ["--exit-on-error"] if knows_all else []
        said = ccf("pg_restore", "--no-owner", "--no-privileges", *strict, str(dump))
        if knows_all:
            assert (said.returncode, said.stderr) == (0, "")
        else:  # as docs/server.md says
            assert 'unrecognized configuration parameter "transaction_timeout"' in said.stderr
            assert "errors ignored on restore: 1" in said.stderr
        assert held(empty) == before

        with sa.create_engine(empty, poolclass=sa.NullPool).begin() as connection:
            assert not install.create_tables(connection), "there is nothing to upgrade"
        engine = database.create_engine()
        with dg.DagsterInstance.get() as dagster:
            # Without the cursors: what was asked for so short a time before would not be asked for again.
            lab = RecordingsLab(folder, engine, dagster)
            assert dagster.get_runs_count() == runs
            # Partitions have other numbers here, so that sites are looked up again, and are where they were.
            lab.tell(site.format(1))
            for sensor in (new_recordings, unregistered_sites):
                lab.serve(sensor)
            assert set(ask(empty, regions)) == set(registered)
            assert [lab.tick(sensor)[0] for sensor in (new_recordings, unregistered_sites)] == [[], []]
            add_atlases(dagster, {"phantom_100um": False})
            job = defs.resolve_job_def("load_atlas")
            assert job.execute_in_process(instance=dagster, partition_key="phantom_100um").success
        for table in (schema.voxel_run, schema.brain_surface, schema.region_volume):
            assert rows(empty, table) == before[table.name]
        with engine.begin() as connection:
            roles.make(connection)
        with login(server, roles.READER) as name:
            assert ask(empty.set(username=name), "SELECT count(*) FROM ccf.voxel_run_904") == [(39_516,)]
