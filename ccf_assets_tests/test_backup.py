"""A backup by pg_dump, restored into an empty database, is the same, and the program goes on with it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from ccf_assets import instance, postgres, reference, roles, schema
from ccf_assets.definitions import defs
from ccf_assets.sensors import new_recordings, unregistered_sites
from ccf_assets_tests.conftest import _database
from ccf_assets_tests.lab import Lab
from ccf_assets_tests.program import ccf
from ccf_assets_tests.test_roles import CALLS, ask, login
from ccf_assets_tests.test_roles import server as server  # the fixture  # noqa: PLC0414


def held(url: sa.URL) -> dict[str, object]:
    """Every table's rows, as their number and a hash of all; and what every function answers."""
    rows = "SELECT count(*), md5(string_agg(r::text, E'\\n' ORDER BY r::text)) FROM {} AS r"
    tables = {table.name: ask(url, rows.format(table)) for table in schema.metadata.sorted_tables}
    answers = {call: ask(url, rows.format(call)) for call in CALLS.values()}
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
    instance.dagster_home()
    with dg.DagsterInstance.get() as dagster, phantom_database.begin() as connection:
        roles.make(connection)
        connection.exec_driver_sql(site.format(0))
        connection.commit()
        lab = Lab(folder, phantom_database, dagster)
        lab.write("m.csv", ("m", 0, 6600, 4000, 6700), ("m", 1, 0, 0, 0))
        lab.serve(new_recordings)
        lab.serve(unregistered_sites)
        cursors, runs = lab.cursors, dagster.get_runs_count()
    source = phantom_database.url
    before, registered = held(source), ask(source, regions)
    assert len(registered) == 6

    dump = tmp_path / "ccf.dump"
    said = ccf("pg_dump", "-n", "ccf", "-n", "ccf_dagster", "-Fc", "-f", str(dump))
    assert (said.returncode, said.stderr) == (0, "")
    with _database(server_url) as empty:
        monkeypatch.setenv("CCF_POSTGRES_URL", postgres.libpq_url(empty))
        postgres._checked_url.cache_clear()
        said = ccf("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", str(dump))
        assert (said.returncode, said.stderr) == (0, "")
        assert held(empty) == before

        engine = postgres.create_engine()
        assert held(empty) == before, "there was nothing to upgrade"
        with dg.DagsterInstance.get() as dagster:
            lab = Lab(folder, engine, dagster, cursors)
            assert dagster.get_runs_count() == runs
            assert lab.tick(new_recordings)[0] == []
            # Partitions have other numbers here, so that sites are looked up again, and are where they were.
            lab.tell(site.format(1))
            lab.serve(unregistered_sites)
            assert set(ask(empty, regions)) == set(registered)
            assert lab.tick(unregistered_sites)[0] == []
            job = defs.resolve_job_def("load_atlas")
            assert job.execute_in_process(instance=dagster, partition_key="phantom_100um").success
        after = held(empty)
        unchanged = ("voxel_run", "brain_surface", "region_volume", "region_set_member", *CALLS.values())
        assert {name: after[name] for name in unchanged if "sites_in" not in name} == {
            name: before[name] for name in unchanged if "sites_in" not in name
        }
        with engine.begin() as connection:
            roles.make(connection)
        with login(server, roles.READER) as name:
            assert ask(empty.set(username=name), "SELECT count(*) FROM ccf.voxel_run_904") == [(39_516,)]
