"""Recordings under the running UI: files by the thousand, rows by SQL, kills in between, atlases that come later.

    CCF_SOURCE=/data/ccf .venv/bin/python -m drills.recordings

Every step prints how long it took from the drop to the last row, and what was asked of the database.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import sqlalchemy as sa

ATLASES = ("ccf_2017_25um", "ccf_2017_50um", "ccf_2017_100um")
SITES_PER_FILE = 20
PROGRAM = [sys.executable, "-c", "from ccf_assets.cli import main; main()"]
_FAILED: list[str] = []


def main() -> int:
    """Run the drill; the exit code."""
    # A script's background job ignores Ctrl-C, and would leave everything behind when it is told to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("interrupted"))
    source = Path(os.environ.get("CCF_SOURCE", "")).expanduser().resolve()
    ibl = source / "recordings/ibl_channels.csv"
    if not ibl.is_file():
        sys.exit("Set CCF_SOURCE to a folder with the official volumes and recordings/ibl_channels.csv.")
    with tempfile.TemporaryDirectory(prefix="ccf_drill_") as folder:
        lab = Lab(Path(folder).resolve())
        lab.run("load", *ATLASES)
        with lab.up():
            _ibl(lab, ibl)
            _thousand_files(lab)
            _changed_and_claimed(lab)
            _rows_by_sql(lab)
        _killed(lab)
        _atlas_that_comes_later(lab)
        _as_if_undisturbed(lab)
        lab.leaves_nothing()
    say(f"{len(_FAILED)} of the above are not as they should be." if _FAILED else "All is as it should be.")
    return bool(_FAILED)


def _ibl(lab: Lab, ibl: Path) -> None:
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


def _thousand_files(lab: Lab) -> None:
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


def _changed_and_claimed(lab: Lab) -> None:
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


def _rows_by_sql(lab: Lab) -> None:
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


def _killed(lab: Lab) -> None:
    for name, what in (("b", "daemon"), ("c", "run"), ("d", "database")):
        with lab.up():
            lab.drop_files(name, 300)
            lab.until(
                lambda name=name: lab.one(
                    f"SELECT count(*) FROM ccf.recording_site WHERE source LIKE '{name}%'"
                )
            )
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


def _atlas_that_comes_later(lab: Lab) -> None:
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


def _as_if_undisturbed(lab: Lab) -> None:
    """Every site is registered anew, by the query alone, and compared with what is stored."""
    from ccf_assets import registration, schema

    stored = sa.select(schema.recording_region)
    anew = registration.registrations(sa.select(schema.recording_site), registration.loaded_atlases())
    anew = sa.select(*(anew.subquery().c[c.name] for c in stored.selected_columns))
    differ = sa.union_all(
        sa.except_all(stored, anew).subquery().select(), sa.except_all(anew, stored).subquery().select()
    )
    with lab.engine.connect() as connection:
        rows = connection.scalar(sa.select(sa.func.count()).select_from(stored.subquery()))
        wrong = connection.scalar(sa.select(sa.func.count()).select_from(differ.subquery()))
    expect(not wrong, f"{wrong} of {rows:,} rows differ from a registration that nothing disturbed")
    missing = lab.one(
        "SELECT count(*) FROM generate_series(0, 999) n, generate_series(0, 19) i "
        "WHERE NOT EXISTS (SELECT FROM ccf.recording_site WHERE (recording_id, site_id) = ('a' || n, i))"
    ) + lab.one(
        "SELECT count(*) FROM unnest(ARRAY['b', 'c', 'd']) f, generate_series(0, 299) n, generate_series(0, 19) i "
        "WHERE NOT EXISTS (SELECT FROM ccf.recording_site WHERE (recording_id, site_id) = (f || n, i))"
    )
    expect(missing == 0, f"{missing} sites of the files are missing")


class Lab:
    """A database of its own, a folder of recordings, and the program as people run it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.recordings = home / "recordings"
        self.recordings.mkdir()
        self.settings = {**os.environ, "CCF_HOME": str(home), "CCF_RECORDINGS": str(self.recordings)}
        self.settings.pop("CCF_POSTGRES_URL", None)
        os.environ.update(self.settings)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def engine(self) -> sa.Engine:
        """A new engine: the server may be another by now."""
        from ccf_assets import postgres

        postgres._checked_url.cache_clear()
        return postgres.create_engine()

    def row(self, query: str) -> tuple[object, ...]:
        """The first row of a query."""
        with self.engine.connect() as connection:
            return tuple(connection.execute(sa.text(query)).one())

    def one(self, query: str) -> int:
        """The number a query asks for."""
        return int(str(self.row(query)[0]))

    def runs(self) -> int:
        """How many runs there were of the jobs for recordings."""
        return self.one("SELECT count(*) FROM ccf_dagster.runs WHERE pipeline_name LIKE 'register%'")

    def run(self, *arguments: str) -> None:
        """Run a command to its end."""
        say("ccf-assets " + " ".join(arguments))
        done = subprocess.run(
            [*PROGRAM, *arguments], env=self.settings, check=False, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)

    @contextmanager
    def up(self) -> Iterator[None]:
        """The UI and the daemon, until the block ends."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = (self.home / "up.log").open("ab")
        # In its own session, by which its processes are found.
        self.process = subprocess.Popen(
            [*PROGRAM, "up", "--port", str(port)],
            env=self.settings,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            with log:
                start = time.monotonic()
                while not _listens(port):
                    if self.process.poll() is not None or time.monotonic() - start > 180:
                        sys.exit(f"`ccf-assets up` did not start:\n{(self.home / 'up.log').read_text()}")
                    time.sleep(0.5)
            yield
        finally:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def drop_files(self, name: str, count: int, shift_um: int = 0) -> None:
        """Drop ``count`` small files at once."""
        (self.recordings / "recordings.toml").write_text('frame = "ccf"\n')
        for number in range(count):
            lines = ["recording_id,site_id,ap,dv,ml"]
            lines += [
                f"{name}{number},{i},{5000 + shift_um + i},{2000 + number},{7000 + 10 * i}"
                for i in range(SITES_PER_FILE)
            ]
            (self.recordings / f"{name}{number:04}.csv").write_text("\n".join(lines) + "\n")

    def registered(self, name: str, files: int) -> float:
        """Seconds until every site of the files has its row in every atlas."""
        query = f"SELECT count(*) FROM ccf.recording_region WHERE source ~ '^{name}[0-9]+\\.csv$'"
        return self.until(lambda: self.one(query) == 3 * SITES_PER_FILE * files, 900)

    def until(self, holds: Callable[[], object], seconds: float = 300) -> float:
        """Seconds until ``holds`` does; the drill ends where it never does."""
        start = time.monotonic()
        while not holds():
            if time.monotonic() - start > seconds:
                sys.exit(
                    f"Not after {seconds:.0f} s. What the UI said: {(self.home / 'up.log').read_text()[-3000:]}"
                )
            time.sleep(0.5)
        return time.monotonic() - start

    def kill(self, what: str) -> None:
        """Kill -9 the daemon, the runs in progress, or the database server."""
        words = {"daemon": "dagster._daemon", "run": "execute_run", "database": "postgres -D"}[what]
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                if words in " ".join(process.cmdline()):
                    say(f"kill -9 {process.pid}, of the {what}")
                    process.kill()

    def processes(self) -> list[psutil.Process]:
        """The processes that work for this lab, this one left out."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.pid != os.getpid() and process.environ().get("CCF_HOME") == str(self.home):
                    found.append(process)
        return found

    def leaves_nothing(self) -> None:
        """Look for what should not be there at the end."""
        unfinished = self.one(
            "SELECT count(*) FROM ccf_dagster.runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
        )
        expect(unfinished == 0, f"{unfinished} runs are neither ended nor in progress")
        slots = self.one("SELECT count(*) FROM ccf_dagster.concurrency_slots WHERE run_id IS NOT NULL")
        expect(slots == 0, f"{slots} places in the pool are kept")
        staging = self.one(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'ccf' "
            "AND relkind = 'r' AND relname LIKE '%staging%'"
        )
        expect(staging == 0, f"{staging} staging tables are left")
        twice = self.one(
            "SELECT count(*) FROM ccf.recording_site s WHERE (SELECT count(*) FROM ccf.recording_region r "
            "WHERE (r.recording_id, r.site_id) = (s.recording_id, s.site_id)) <> 3"
        )
        expect(twice == 0, f"{twice} sites have not one row for each atlas")
        from ccf_assets import postgres

        postgres.leave()
        left = self.processes()
        expect(not left, f"{len(left)} processes are left behind")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def expect(holds: bool, told: str) -> None:
    """Print a result, and remember it where it is not as it should be."""
    say(f"{'ok  ' if holds else 'FAIL'} {told}")
    if not holds:
        _FAILED.append(told)


def say(line: str) -> None:
    """Print a line at once."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
