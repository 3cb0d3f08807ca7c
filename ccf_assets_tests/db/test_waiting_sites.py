"""Sites that were inserted and not registered yet: they are in sight, and say that they wait."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from ccf_assets.db import schema
from ccf_assets.pg import foreign_keys

INSERT = "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) VALUES "

REGISTER_SITE_1 = """
    INSERT INTO ccf.recording_region (recording_id, site_id, ccf_id, x, y, z, hemisphere, region_id, status,
                                      source, voxels_of, surface_of)
    SELECT recording_id, site_id, 904, 6600, 3000, 4000, 'left', 997, 'assigned', source, 0, 0
    FROM ccf.recording_site WHERE site_id = 1
"""


def seen(connection: sa.Connection, where: str = "true") -> list[tuple[object, ...]]:
    query = (
        "SELECT site_id, ccf_id, status, acronym FROM ccf.recording_site_region "
        f"WHERE {where} ORDER BY site_id, ccf_id"
    )
    return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_a_site_is_seen_at_once_in_every_loaded_atlas_with_a_status_that_it_waits(
    phantom_database: sa.Engine,
) -> None:
    with phantom_database.connect() as connection:
        connection.exec_driver_sql(INSERT + "('m', 1, 6600, 3000, 4000, 'ccf')")
        assert seen(connection) == [(1, 903, "not_registered", None), (1, 904, "not_registered", None)]
        connection.exec_driver_sql(REGISTER_SITE_1)
        assert seen(connection) == [(1, 903, "not_registered", None), (1, 904, "assigned", "root")]
        assert seen(connection, "atlas = 'phantom_100um'") == [(1, 904, "assigned", "root")]
        assert seen(connection, "acronym = 'root'") == [(1, 904, "assigned", "root")]
        inside = connection.exec_driver_sql("SELECT ccf_id FROM ccf.sites_in('root')")
        assert inside.scalars().all() == [904], "a site that waits is in no region"


def test_in_an_atlas_whose_voxels_are_not_loaded_no_site_waits(phantom_database: sa.Engine) -> None:
    with phantom_database.connect() as connection:
        connection.exec_driver_sql(INSERT + "('m', 1, 6600, 3000, 4000, 'ccf')")
        connection.exec_driver_sql("DELETE FROM ccf.voxel_run WHERE ccf_id = 903")
        assert seen(connection) == [(1, 904, "not_registered", None)]


def test_the_sites_of_a_recording_are_found_by_an_index(phantom_database: sa.Engine) -> None:
    with phantom_database.connect() as connection:
        connection.exec_driver_sql("""
            INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source)
            SELECT 'm' || n / 100, mod(n, 100), 6600, 3000, 4000, 'ccf', 'many'
            FROM generate_series(1, 20000) AS n;
            INSERT INTO ccf.recording_region
            SELECT recording_id, site_id, 904, 6600, 3000, 4000, 'left', 997, 'assigned', source, 0, 0
            FROM ccf.recording_site;
            ANALYZE ccf.recording_site;
            ANALYZE ccf.recording_region;
        """)
        for condition in ("recording_id = 'm7' AND site_id = 3", "recording_id = 'm7'"):
            query = f"SELECT * FROM ccf.recording_site_region WHERE atlas = 'phantom_100um' AND {condition}"
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {query}").scalars())
            assert "Seq Scan on recording_site " not in plan, plan
            assert "Seq Scan on recording_region " not in plan, plan


@pytest.mark.parametrize("frame", ["bregma", "'; DROP TABLE x", ""])
def test_a_site_in_an_unknown_frame_is_refused_with_the_names_of_the_frames(
    database: sa.Engine, frame: str
) -> None:
    add = sa.insert(schema.recording_site).values(recording_id="m", site_id=1, ap=1, dv=2, ml=3, frame=frame)
    with database.connect() as connection, pytest.raises(sa.exc.IntegrityError) as refused:
        connection.execute(add)
    assert isinstance(refused.value.orig, psycopg.errors.ForeignKeyViolation)
    assert "There is no coordinate frame '" in str(refused.value.orig)
    assert "; there are allen_forum, ap_histology, brainglobe," in str(refused.value.orig)


def test_a_site_that_gets_an_unknown_frame_is_refused_as_well(database: sa.Engine) -> None:
    with database.connect() as connection:
        connection.exec_driver_sql(INSERT + "('m', 1, 1, 2, 3, 'ccf')")
        with pytest.raises(sa.exc.IntegrityError, match="There is no coordinate frame 'cff'; there are"):
            connection.exec_driver_sql("UPDATE ccf.recording_site SET frame = 'cff'")


def test_the_check_of_frames_does_not_slow_down_many_rows_of_a_file(database: sa.Engine) -> None:
    about = {"table": "ccf.recording_site", "names": schema.recording_site.columns.keys()}
    with database.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        assert raw.execute(foreign_keys._ONLY_FOREIGN_KEYS, about).fetchone() == (True,)
