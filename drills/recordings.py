"""Recordings under the running UI: files by the thousand, rows by SQL, kills in between, atlases that come later.

    CCF_SOURCE=/data/ccf .venv/bin/python -m drills.recordings

Every step prints how long it took from the drop to the last row, and what was asked of the database.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from drills.folders import folders
from drills.lab import SITES_PER_FILE, DrillLab, expect, verdict

ATLASES = ("ccf_2017_25um", "ccf_2017_50um", "ccf_2017_100um")


def main() -> int:
    """Run the drill; the exit code."""
    source = Path(os.environ.get("CCF_SOURCE", "")).expanduser().resolve()
    ibl = source / "recordings/ibl_channels.csv"
    if not ibl.is_file():
        sys.exit("Set CCF_SOURCE to a folder with the official volumes and recordings/ibl_channels.csv.")
    with DrillLab.anew() as lab:
        lab.run("load", *ATLASES)
        with lab.up():
            _ibl(lab, ibl)
            _thousand_files(lab)
            _changed_and_claimed(lab)
            _rows_by_sql(lab)
        folders(lab)
        _killed(lab)
        _atlas_that_comes_later(lab)
        _as_if_undisturbed(lab)
        lab.leaves_nothing(atlases=len(ATLASES))
    return verdict()


def _ibl(lab: DrillLab, ibl: Path) -> None:
    (lab.recordings / "ibl_channels.toml").write_text(
        'frame = "ibl"\n[columns]\nx = "x_m"\ny = "y_m"\nz = "z_m"\nreported_region = "atlas_id"\n'
    )
    shutil.copy(ibl, lab.recordings)
    registered = "SELECT count(*) FROM ccf.recording_region WHERE source = 'ibl_channels.csv'"
    took = lab.until(lambda: lab.one(registered) == 3 * 34_944, 120)
    expect(
        took < 60, f"ibl_channels.csv: 34,944 sites in three atlases after {took:.0f} s (a minute is allowed)"
    )
    wrong = lab.one(
        "SELECT count(*) FROM ccf.recording_region r JOIN ccf.recording_site s USING (recording_id, site_id) "
        "WHERE r.ccf_id = 1 AND s.source LIKE 'ibl%' "
        "AND coalesce(r.region_id, 0) <> coalesce(nullif(s.reported_region, '')::int, 0)"
    )
    expect(wrong == 0, f"{wrong} of 34,944 differ from the published region at 25 µm")


def _thousand_files(lab: DrillLab) -> None:
    runs = lab.runs()
    lab.drop_files("a", 1_000)
    took = lab.registered("a", 1_000)
    new = lab.runs() - runs
    expect(
        new <= 20,
        f"1,000 files: {1_000 * SITES_PER_FILE:,} sites registered after {took:.0f} s by {new} runs",
    )
    twice = lab.one(
        "SELECT count(*) FROM (SELECT partition FROM ccf_dagster.event_logs WHERE asset_key = '[\"recording_site\"]' "
        "AND dagster_event_type = 'ASSET_MATERIALIZATION' AND partition LIKE 'a%' "
        "GROUP BY partition HAVING count(*) > 1) p"
    )
    expect(twice == 0, f"{twice} files were read twice")


def _changed_and_claimed(lab: DrillLab) -> None:
    others = "SELECT count(*), sum(hashtextextended(s::text, 0)) FROM ccf.recording_site s WHERE source <> 'a0000.csv'"
    before = lab.row(others)
    lab.drop_files("a", 1, shift_um=1000)
    took = lab.until(
        lambda: (
            lab.one(
                "SELECT count(*) FROM ccf.recording_region r JOIN ccf.recording_site s USING (recording_id, site_id) "
                "WHERE s.source = 'a0000.csv' AND s.ap >= 6000"
            )
            == 3 * SITES_PER_FILE
        )
    )
    expect(
        lab.row(others) == before,
        f"a changed file: its own sites replaced after {took:.0f} s, no other touched",
    )
    shutil.copy(lab.recordings / "a0001.csv", lab.recordings / "claims.csv")
    took = lab.until(
        lambda: lab.one("SELECT count(*) FROM ccf.recording_finding WHERE source = 'claims.csv'")
    )
    mine = lab.one("SELECT count(*) FROM ccf.recording_site WHERE source = 'a0001.csv'")
    expect(
        mine == SITES_PER_FILE,
        f"a second claim on sites is told after {took:.0f} s, the first keeps its {mine}",
    )


def _rows_by_sql(lab: DrillLab) -> None:
    with lab.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) SELECT 'sql', n, "
                "3000 + n % 7000, 1000 + n % 5000, 1000 + n % 9000, 'ccf' FROM generate_series(1, 100000) n"
            )
        )
    registered = "SELECT count(*) FROM ccf.recording_region WHERE recording_id = 'sql'"
    took = lab.until(lambda: lab.one(registered) == 300_000)
    expect(
        took < 120, f"100,000 rows by SQL: registered in three atlases after {took:.0f} s (120 are allowed)"
    )
    with lab.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
                "VALUES ('sql', 0, 3000, 1000, 1000, 'ccf')"
            )
        )
    took = lab.until(lambda: lab.one(registered) == 300_003)
    expect(took < 60, f"one more row: registered after {took:.0f} s (a minute is allowed)")


def _killed(lab: DrillLab) -> None:
    for name, what in (("b", "daemon"), ("c", "run"), ("d", "database")):
        with lab.up():
            lab.drop_files(name, 300)
            some = f"SELECT count(*) FROM ccf.recording_site WHERE source LIKE '{name}%'"
            lab.until(partial(lab.one, some))
            time.sleep(random.uniform(0, 3))
            lab.kill(what)
            time.sleep(5)
        with lab.up():
            took = lab.registered(name, 300)
        expect(
            took < 180,
            f"the {what} killed while 300 files are registered: all there {took:.0f} s after a new start "
            "(180 are allowed)",
        )


def _atlas_that_comes_later(lab: DrillLab) -> None:
    sites = lab.one("SELECT count(*) FROM ccf.recording_site")
    lab.run("drop", "ccf_2017_100um", "--yes")
    with lab.up():
        lab.run("load", "ccf_2017_100um")
        registered = "SELECT count(*) FROM ccf.recording_region WHERE ccf_id = 4"
        took = lab.until(lambda: lab.one(registered) == sites)
    expect(
        took < 180,
        f"an atlas loaded afterwards: all {sites:,} sites have their row there {took:.0f} s after the load "
        "(180 are allowed)",
    )


def _as_if_undisturbed(lab: DrillLab) -> None:
    rows, wrong = lab.registered_otherwise()
    expect(not wrong, f"{wrong} of {rows:,} rows differ from a registration that nothing disturbed")
    missing = lab.one(
        "SELECT count(*) FROM generate_series(0, 999) n, generate_series(0, 19) i "
        "WHERE NOT EXISTS (SELECT FROM ccf.recording_site WHERE (recording_id, site_id) = ('a' || n, i))"
    ) + lab.one(
        "SELECT count(*) FROM unnest(ARRAY['b', 'c', 'd']) f, generate_series(0, 299) n, generate_series(0, 19) i "
        "WHERE NOT EXISTS (SELECT FROM ccf.recording_site WHERE (recording_id, site_id) = (f || n, i))"
    )
    expect(missing == 0, f"{missing} sites of the files are missing")


if __name__ == "__main__":
    sys.exit(main())
