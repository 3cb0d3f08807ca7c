"""How long the SQL functions take, asked as a lab asks them.

One atlas is loaded by the program and vacuumed. Every question is asked once unmeasured, then repeatedly,
warm; the answer is counted within the server, so that no time goes into carrying it to a client.

Run it with ``python -m benchmarks.sql_functions``; it exits with 1 where a target is missed.
"""

from __future__ import annotations

import time

import dagster as dg
import numpy as np
import sqlalchemy as sa

from benchmarks import _common
from benchmarks._common import median, say, table
from ccf_assets.atlases import EXTENT_UM, atlas_entry

POINTS = 100_000
"""Points to find the region of, drawn evenly from the volume: more than half of them miss the brain."""

PROBES = 100
"""Straight tracks of a Neuropixels 1.0 probe's length, from above the brain downwards, slightly tilted."""

PROBE_UM = 3_840
"""Length of the 384 channels of such a probe in µm: two a row, 20 µm from row to row."""

_TARGET_MS = {"points": 1_000, "probe": 20}
"""What each may take at most, ms."""


def _questions(ccf_id: int) -> list[tuple[str, str, int | None, int]]:
    """What is asked, in SQL, its target in ms if it has one, and how many answers one statement gives."""
    return [
        (
            f"region_at, {POINTS:,} joined points",
            "count(here.region_id) FROM point p CROSS JOIN LATERAL "
            f"ccf.region_at({ccf_id}, p.x, p.y, p.z) AS here",
            _TARGET_MS["points"],
            1,
        ),
        (
            f"to_ccf, {POINTS:,} joined points below the surface",
            "count(at.y) FROM point p CROSS JOIN LATERAL "
            f"ccf.to_ccf('stereotaxic', 5400 - p.x, p.y, p.z - 5700, {ccf_id}) AS at",
            None,
            1,
        ),
        (
            "regions_along, a 384-channel probe",
            "count(*) FROM probe p CROSS JOIN LATERAL "
            f"ccf.regions_along({ccf_id}, p.x, p.y, p.z, p.x + 500, p.y + {PROBE_UM}, p.z - 300) AS r",
            _TARGET_MS["probe"],
            PROBES,
        ),
        *(
            (
                f"region_shares, radius {radius} µm",
                "count(*) FROM probe p CROSS JOIN LATERAL "
                f"ccf.region_shares({ccf_id}, p.x, 3000, p.z, {radius}) AS share",
                None,
                PROBES,
            )
            for radius in (100, 500)
        ),
        *(
            (f"slice, {plane}", f"count(*) FROM ccf.slice({ccf_id}, '{plane}', {at})", None, 1)
            for plane, at in (("coronal", 6600), ("horizontal", 3000), ("sagittal", 4000))
        ),
        ("voxels, all counted", f"count(*) FROM ccf.voxels({ccf_id})", None, 1),
        ("region, by acronym", f"count(*) FROM ccf.region({ccf_id}, 'root')", None, 1),
        ("descendants of root", f"count(*) FROM ccf.descendants({ccf_id}, 'root')", None, 1),
    ]


def _draw(connection: sa.Connection) -> None:
    """Temporary tables of points and of places where probes begin."""
    random = np.random.default_rng(0)
    places = {
        "point": random.uniform(0, EXTENT_UM, (POINTS, 3)),
        "probe": random.uniform((3_000, 0, 2_000), (10_000, 500, 9_000), (PROBES, 3)),
    }
    raw = connection.connection.driver_connection
    for name, rows in places.items():
        connection.exec_driver_sql(f"CREATE TEMP TABLE {name} (x float8, y float8, z float8)")
        with raw.cursor().copy(f"COPY {name} FROM STDIN") as copy:
            for row in rows.tolist():
                copy.write_row(row)
        connection.exec_driver_sql(f"ANALYZE {name}")


def _milliseconds(connection: sa.Connection, query: str) -> float:
    started = time.perf_counter()
    connection.exec_driver_sql(f"SELECT {query}").one()
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    """Load, ask, print."""
    options = _common.options_of_questions(__doc__)
    _common.workplace()
    key = options.atlas or _common.default_atlas(25)
    entry = atlas_entry(key)
    with dg.DagsterInstance.ephemeral() as instance:
        say(f"loading {key}")
        _common.load_atlas(_common.definitions(), instance, key)
    engine = _common.resources()["postgres"].create_engine().execution_options(isolation_level="AUTOCOMMIT")
    print(f"\n{key}: {_common.server(engine)}, {_common.machine()}; median of {options.repeat}\n")
    found, slow = [], False
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE) ccf.voxel_run, ccf.brain_surface")
        _draw(connection)
        for question, query, target, answers in _questions(entry.ccf_id):
            say(question)
            _milliseconds(connection, query)
            times = [_milliseconds(connection, query) / answers for _ in range(options.repeat)]
            wanted = f"{target:,}" if target else "–"
            found.append([question, f"{median(times):,.1f}", f"{max(times):,.1f}", wanted])
            slow |= bool(target and median(times) > target)
    print(table(["question", "ms each", "slowest", "target, ms"], found))
    if slow:
        raise SystemExit("A question takes longer than its target.")


if __name__ == "__main__":
    main()
