"""Everything at once for half an hour under the UI: files, rows, reloads, readers, and each fault now and then.

    .venv/bin/python -m drills.soak [MINUTES [SEED]]

A line a minute says what is used. The daemon is killed in the first third only, since the UI is started anew
after it: how memory grows is measured in the processes that live through the rest.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress

import numpy as np
import psutil
import sqlalchemy as sa

from ccf_assets.errors import CcfError
from ccf_assets.recordings import backlog
from drills.concurrency import ASKED
from drills.contents import ATLAS, Contents
from drills.lab import SITES_PER_FILE, DrillLab, expect, say, verdict

DISK_MB = 3_000
STEP_S = 5.0
FAULT_EVERY_S = 40.0
RELOAD_EVERY_S = 75.0
ROWS_AT_ONCE = 50
LARGEST_SLOPE_MB = 2.0
"""A process that grows by more in a minute, after the first third, leaks."""

UNREACHABLE = (CcfError, sa.exc.DBAPIError, OSError)
"""What asking the database raises while it is down."""

ROLES = {
    "webserver": "dagster_webserver",
    "daemon": "dagster._daemon",
    "code": "code_server",
    "ui": "main() up",
}


def main() -> int:
    """Run the drill; the exit code."""
    minutes = float(sys.argv[1]) if sys.argv[1:] else 30.0
    seed = int(sys.argv[2]) if sys.argv[2:] else random.randrange(1_000_000)
    say(f"{minutes:g} minutes, seed {seed}")
    with DrillLab.anew(CCF_SOURCE="phantom", disk_mb=DISK_MB) as lab:
        soak = Soak(lab, minutes, random.Random(seed))
        soak.run()
        soak.judge()
        lab.leaves_nothing(atlases=1)
    return verdict()


class Soak:
    """A lab under load, what it was asked and answered, and what it used."""

    def __init__(self, lab: DrillLab, minutes: float, rng: random.Random) -> None:
        self.lab, self.rng, self.seconds = lab, rng, minutes * 60
        self.contents = Contents(lab)
        self.contents.learn()
        self.right = self._right()
        self.files = self.rows = 0
        self.done: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.memory: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
        self.used: list[Mapping[str, float]] = []
        self.started = 0.0

    def _right(self) -> Mapping[str, set[str]]:
        right: dict[str, set[str]] = {name: set() for name in ASKED}
        for _ in range(2):
            self.contents.flip("volume")
            self.lab.run("load", ATLAS.key)
            engine = self.lab.engine
            with engine.connect() as connection:
                for name, ask in ASKED.items():
                    right[name].add(ask(connection, engine))
        return right

    # ---- what happens

    def run(self) -> None:
        """Keep the UI up and everything going until the time is over; then let it come to rest."""
        stop = threading.Event()
        readers = [threading.Thread(target=self._read, args=[stop, n]) for n in range(2)]
        due = {"fault": FAULT_EVERY_S, "reload": RELOAD_EVERY_S, "line": 60.0}
        with ExitStack() as ui:
            ui.enter_context(self.lab.up())
            self.started = time.monotonic()
            for reader in readers:
                reader.start()
            while (now := self.now) < self.seconds:
                if not self.lab.is_up:
                    self.done["UI started anew"] += 1
                    ui.close()
                    ui.enter_context(self.lab.up())
                self._arrive()
                if now > due["fault"]:
                    self._fault(now)
                    due["fault"] = self.now + FAULT_EVERY_S
                if now > due["reload"]:
                    self._patiently(lambda: self.contents.flip("volume"))
                    self.done["volume changed"] += 1
                    due["reload"] = self.now + RELOAD_EVERY_S
                if now > due["line"]:
                    self._line()
                    due["line"] += 60
                time.sleep(STEP_S)
            say("no more faults; coming to rest")
            if not self.lab.is_up:
                ui.close()
                ui.enter_context(self.lab.up())
            took = self.lab.until(self._at_rest, 600)
            self._line()
            say(f"at rest after {took:.0f} s")
            stop.set()
            for reader in readers:
                reader.join()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def _arrive(self) -> None:
        with suppress(OSError):  # the disk may be full
            self.lab.drop_files("s", 1, first=self.files)
            self.files += 1
        with suppress(*UNREACHABLE):
            self.lab.do(
                "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) SELECT 'soak', :first + n, "
                "3000 + n * 90, 1000 + n * 50, 1000 + n * 100, 'ccf' FROM generate_series(1, :rows) n",
                first=self.rows,
                rows=ROWS_AT_ONCE,
            )
            self.rows += ROWS_AT_ONCE

    def _read(self, stop: threading.Event, number: int) -> None:
        names = list(ASKED)
        while not stop.wait(0.3):
            number += 1
            name = names[number % len(names)]
            try:
                engine = self.lab.engine
                with engine.connect() as connection:
                    answer = ASKED[name](connection, engine)
            except UNREACHABLE as error:
                self.answers["refused" if "loaded again" in str(error) else "unreachable"] += 1
            else:
                self.answers["right" if answer in self.right[name] else f"WRONG {name}"] += 1

    def _fault(self, now: float) -> None:
        faults: dict[str, Callable[[], object]] = {
            "run killed": lambda: self.lab.kill("run"),
            "server killed": lambda: self.lab.kill("database"),
            "sessions ended": lambda: self.lab.row(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ),
            "runs locked for 5 s": self._lock,
            "disk full for 5 s": self._fill,
        }
        if now < self.seconds / 3:
            faults["daemon killed"] = lambda: self.lab.kill("daemon")
        if not self.lab.on_small_disk:
            del faults["disk full for 5 s"]
        fewest = min(self.done[name] for name in faults)
        name = self.rng.choice([name for name in faults if self.done[name] == fewest])
        with suppress(*UNREACHABLE):
            faults[name]()
        self.done[name] += 1

    def _lock(self) -> None:
        with self.lab.engine.begin() as connection:
            connection.execute(sa.text("LOCK ccf.voxel_run IN ACCESS SHARE MODE"))
            time.sleep(5)

    def _fill(self) -> None:
        filler, room = self.lab.home / "filler", os.statvfs(self.lab.home)
        try:
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize))
            time.sleep(5)
        finally:
            filler.unlink()

    def _patiently(self, what: Callable[[], object]) -> None:
        """Do it again until the database is there for it."""
        for _ in range(60):
            try:
                what()
            except UNREACHABLE:
                time.sleep(1)
            else:
                return
        sys.exit("The database did not come back within a minute.")

    def _at_rest(self) -> bool:
        """Whether every site is registered in the atlas as it is to be, and no run is at work."""
        try:
            state, at = self.lab.state(), self.contents.known[self.contents.at]
            return (
                all(state[name] == at[name] for name in at if not name.startswith("recording"))
                and not backlog.unregistered(self.lab.engine)
                and self.lab.one("SELECT count(*) FROM ccf.recording_site WHERE source ~ '^s'")
                == self.files * SITES_PER_FILE
                and not self.lab.one(
                    "SELECT count(*) FROM ccf_dagster.runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
                )
            )
        except UNREACHABLE:
            return False

    # ---- what is used

    def _line(self) -> None:
        """Measure, and say it in one line."""
        held = defaultdict[str, float](float)
        for process in self.lab.processes():
            with suppress(psutil.NoSuchProcess):
                words = " ".join(process.cmdline())
                role = next((role for role, word in ROLES.items() if word in words), "others")
                megabytes = process.memory_info().rss / 1e6
                held[role] += megabytes
                if role != "others":
                    self.memory[role, process.pid].append((self.now / 60, megabytes))
        try:
            used = {
                "sessions": self.lab.one(
                    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                ),
                "database MB": self.lab.one("SELECT pg_database_size('ccf')") / 1e6,
                "runs": self.lab.one("SELECT count(*) FROM ccf_dagster.runs"),
                "events": self.lab.one("SELECT count(*) FROM ccf_dagster.event_logs"),
                "partitions": self.lab.one("SELECT count(*) FROM ccf_dagster.dynamic_partitions"),
                "tables": self.lab.one(
                    "SELECT count(*) FROM pg_class WHERE relnamespace = 'ccf'::regnamespace"
                ),
            }
        except UNREACHABLE as error:
            say(f"minute {self.now / 60:.0f}: the database is away: {str(error)[:100]}")
            return
        self.used.append(used)
        say(
            f"minute {self.now / 60:.0f}: MB held: {', '.join(f'{role} {mb:.0f}' for role, mb in held.items())}; "
            + ", ".join(f"{name} {value:.0f}" for name, value in used.items())
            + f"; {self.files} files, {self.rows} rows; readings {dict(self.answers)}"
        )

    def judge(self) -> None:
        """What grew, and whether the end is what nothing disturbed would have brought."""
        say(f"what was done: {dict(self.done)}")
        for (role, pid), samples in self.memory.items():
            late = np.array([sample for sample in samples if sample[0] > self.seconds / 180])
            if len(late) >= 3:
                slope = float(np.polyfit(late[:, 0], late[:, 1], 1)[0])
                long_enough = late[-1, 0] - late[0, 0] >= 5
                expect(
                    slope < LARGEST_SLOPE_MB or not long_enough,
                    f"{role} ({pid}): {late[0, 1]:.0f} MB at minute {late[0, 0]:.0f}, {late[-1, 1]:.0f} MB at minute "
                    f"{late[-1, 0]:.0f}, {slope:+.2f} MB a minute",
                )
        first, last = self.used[len(self.used) // 3], self.used[-1]
        expect(
            last["sessions"] <= first["sessions"] + 10,
            f"sessions: {first['sessions']} then, {last['sessions']} at rest",
        )
        expect(
            last["tables"] == first["tables"],
            f"tables and indexes of the schema: {first['tables']}, {last['tables']}",
        )
        wrong = {name: n for name, n in self.answers.items() if name.startswith("WRONG")}
        expect(not wrong, f"readings: {dict(self.answers)}")
        rows, differing = self.lab.registered_otherwise()
        expect(
            not differing, f"{differing} of {rows:,} rows differ from a registration that nothing disturbed"
        )
        sites = self.lab.one("SELECT count(*) FROM ccf.recording_site WHERE recording_id = 'soak'")
        expect(sites == self.rows, f"{sites} of {self.rows} rows that were committed by SQL are there")
        count, megabytes = self.lab.orphaned_files()
        say(f"{count} files of {megabytes:.0f} MB in the server's folder belong to no table")


if __name__ == "__main__":
    sys.exit(main())
