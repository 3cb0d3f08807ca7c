"""Which source owns a site is asked of the recordings that are in a file, and of no others."""

from __future__ import annotations

import polars as pl
import pytest
import sqlalchemy as sa

from ccf_assets.db import install
from ccf_assets.pg.arrow import as_text
from ccf_assets.recordings import ownership
from ccf_assets.recordings.files.table import SITES_SCHEMA

STORED = """
INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source)
SELECT 'm ' || n / 100, mod(n, 100), 0, 0, 0, 'ccf', 'a.csv' FROM generate_series(0, 29999) AS n
"""


def sites(source: str, *recordings: str) -> pl.DataFrame:
    """One site of each recording, as a file brings it."""
    empty = {name: [None] * len(recordings) for name in SITES_SCHEMA}
    brought = {
        "recording_id": recordings,
        "site_id": [7] * len(recordings),
        "source": [source] * len(recordings),
    }
    return pl.DataFrame({**empty, **brought}, schema=SITES_SCHEMA)


@pytest.mark.parametrize("partitions", [1, 3])
def test_only_the_recordings_of_a_file_are_read_however_many_they_are(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    asked: list[sa.Select[tuple[object, ...]]] = []
    as_frame = ownership.as_frame

    def listened(engine: sa.Engine, query: sa.Select[tuple[object, ...]]) -> pl.DataFrame:
        asked.append(query)
        return as_frame(engine, query)

    monkeypatch.setattr(ownership, "as_frame", listened)
    with database.begin() as connection:
        install.divide_sites(connection, partitions)
        connection.exec_driver_sql(STORED)
        connection.exec_driver_sql("ANALYZE ccf.recording_site")
    recordings = [f"{'m' if number < 2 else 'new'} {number}" for number in range(250)]
    owned = ownership.owned_sites(database, {"b.csv": sites("b.csv", *recordings)})
    assert owned.filter(pl.col("site_id") == 7).sort("recording_id").rows() == [
        ("m 0", 7, "a.csv"),
        ("m 1", 7, "a.csv"),
    ]
    assert owned.height == 200, "all sites of the two recordings that are there"
    with database.connect() as connection:
        plan = "\n".join(connection.scalars(sa.text("EXPLAIN " + as_text(asked[0]).replace(":", r"\:"))))
    assert "Seq Scan on recording_site" not in plan, plan
