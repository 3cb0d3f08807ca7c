"""What the drills share: a database of their own, the program as people run it, faults, and what they leave."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import psutil
import psycopg
import sqlalchemy as sa

from ccf_assets.db import database, loaded, schema, site_regions
from ccf_assets.pg import embedded

SITES_PER_FILE = 20
PROGRAM = [sys.executable, "-c", "from ccf_assets.cli.main import main; main()"]
State: TypeAlias = Mapping[str, str]
"""What a reader finds: slice → number of rows and a hash of them."""

_FAILED: list[str] = []

_OF_THE_LOAD = {"loaded_at", "inserted_at", "read_at", "voxels_of", "surface_of", "looked_at_with"}
"""Columns that say when, or by which table of the server: they differ from load to load."""

OURSELVES = "ccf_drill"
"""Name of the sessions of the drill's own process, one of which the Dagster instance keeps."""

_LEFT_OVER = {
    "runs are neither ended nor in progress": (
        "SELECT count(*) FROM ccf_dagster.runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
    ),
    "places in the pool are kept": (
        "SELECT (SELECT count(*) FROM ccf_dagster.concurrency_slots WHERE run_id IS NOT NULL) "
        "+ (SELECT count(*) FROM ccf_dagster.pending_steps)"
    ),
    "tables are attached to nothing": (
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'ccf'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT relispartition AND NOT relname = ANY(:tables)"
    ),
    "staging tables are left": (
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND (relpersistence = 't' OR relname LIKE '%loading%')"
    ),
    "transactions are prepared": "SELECT count(*) FROM pg_prepared_xacts",
    "locks are held by others": (
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        f"WHERE a.backend_type = 'client backend' AND application_name <> '{OURSELVES}'"
    ),
    "sessions are left": (
        "SELECT count(*) FROM pg_stat_activity "
        f"WHERE backend_type = 'client backend' AND application_name <> '{OURSELVES}'"
    ),
}


def _unlimited(connection: psycopg.Connection, _record: object) -> None:
    """A time limit that a drill sets for the program is none for the drill."""
    connection.execute("SET statement_timeout = 0")
    connection.commit()


class DrillLab:
    """A database of its own, a folder of recordings, and the program as people run it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.recordings = home / "recordings"
        self.recordings.mkdir()
        for name in ("CCF_POSTGRES_URL", "CCF_FRAMES", "CCF_REGION_SETS", "DAGSTER_HOME"):
            os.environ.pop(name, None)
        os.environ.update({"CCF_HOME": str(home), "CCF_RECORDINGS": str(self.recordings)})
        self.settings = dict(os.environ)
        os.environ["PGAPPNAME"] = OURSELVES
        self.process: subprocess.Popen[bytes] | None = None
        self.on_small_disk = False

    @classmethod
    @contextmanager
    def anew(cls, disk_mb: int | None = None, **settings: str) -> Iterator[DrillLab]:
        """A lab in a temporary folder; what runs there in the end is ended.

        Args:
            disk_mb: size of a disk of its own (a tmpfs) where root may have one.
            settings: environment variables.
        """
        end_when_told()
        os.environ.update(settings)
        with tempfile.TemporaryDirectory(prefix="ccf_drill_") as folder:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={disk_mb}m,mode=755", "tmpfs", folder]
            mounted = disk_mb is not None and subprocess.run(mount, check=False).returncode == 0
            try:
                lab = cls(Path(folder).resolve())
                lab.on_small_disk = mounted
                try:
                    yield lab
                finally:
                    lab.end()
            finally:
                if mounted:
                    subprocess.run(["umount", "--lazy", folder], check=True)

    def end(self) -> None:
        """End the server, and whatever a drill that failed has left."""
        database.leave()
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    # ---- the database

    @property
    def engine(self) -> sa.Engine:
        """A new engine: the server may be another by now, and is started if there is none."""
        database.forget()
        engine = database.create_engine()
        sa.event.listen(engine, "connect", _unlimited)
        return engine

    def row(self, query: str, **values: object) -> tuple[object, ...]:
        """The first row of a query."""
        with self.engine.connect() as connection:
            return tuple(connection.execute(sa.text(query), values).one())

    def one(self, query: str, **values: object) -> int:
        """The number a query asks for."""
        return int(str(self.row(query, **values)[0]))

    def do(self, statement: str, **values: object) -> None:
        """Execute a statement and commit."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def state(self) -> State:
        """What a reader finds in every table; sites and regions of files and of rows inserted by SQL apart."""
        slices: dict[str, tuple[sa.Table, sa.ColumnElement[bool]]] = {}
        for table in schema.metadata.sorted_tables:
            # Of sums, which `leaves_nothing` compares; and the numbers of atlases, which dropped ones keep.
            if table in (schema.recording_tally, schema.atlas_number):
                continue
            if table in (schema.recording_site, schema.recording_region):
                slices[f"{table.name} of files"] = (table, table.c.source != schema.INSERTED)
                slices[f"{table.name} of rows"] = (table, table.c.source == schema.INSERTED)
            else:
                slices[table.name] = (table, sa.true())
        found = {}
        with self.engine.connect() as connection:
            for name, (table, where) in slices.items():
                columns = [column for column in table.c if column.name not in _OF_THE_LOAD]
                row = sa.cast(sa.func.row(*columns), sa.Text)
                hashed = sa.func.coalesce(sa.func.sum(sa.func.hashtextextended(row, 0)), 0)
                query = sa.select(sa.func.count(), hashed).select_from(table).where(where)
                found[name] = "{} rows, {}".format(*connection.execute(query).one())
        return found

    def left_over(self) -> list[str]:
        """What a fault has left that should not be there once nothing runs any more, in words."""
        return left_over(self.one)

    def runs(self) -> int:
        """How many runs there were of the jobs for recordings."""
        return self.one("SELECT count(*) FROM ccf_dagster.runs WHERE pipeline_name LIKE 'register%'")

    def registered_otherwise(self) -> tuple[int, int]:
        """Rows of recording_region, and how many differ where every site is registered anew by the query alone."""
        stored = sa.select(schema.recording_region)
        query = site_regions.site_regions(sa.select(schema.recording_site), loaded.select_loaded_atlases())
        computed = query.subquery()
        anew = sa.select(*(computed.c[c.name] for c in stored.selected_columns))
        differ = sa.union_all(
            sa.except_all(stored, anew).subquery().select(), sa.except_all(anew, stored).subquery().select()
        )
        with self.engine.connect() as connection:
            counts = [
                connection.scalar(sa.select(sa.func.count()).select_from(rows.subquery()))
                for rows in (stored, differ)
            ]
        return int(counts[0] or 0), int(counts[1] or 0)

    def orphaned_files(self) -> tuple[int, float]:
        """Files in the database's folder that are of no table or index, and their size in MB.

        A server that is killed leaves those of the tables its unfinished transactions had made.
        """
        with self.engine.connect() as connection:
            known = set(connection.scalars(sa.text("SELECT pg_relation_filenode(oid)::text FROM pg_class")))
            oid = connection.scalar(sa.text("SELECT oid FROM pg_database WHERE datname = current_database()"))
        folder = self.home / "postgres" / "base" / str(oid)
        left = [
            path.stat().st_size
            for path in folder.iterdir()
            if path.name[0].isdigit() and path.name.partition(".")[0].partition("_")[0] not in known
        ]
        return len(left), sum(left) / 1e6

    # ---- the program

    def run(self, *arguments: str) -> None:
        """Run a command to its end."""
        say("ccf-assets " + " ".join(arguments))
        code, said = self.start(*arguments).ended()
        if code:
            sys.exit(said)

    def start(self, *arguments: str, **settings: str) -> Command:
        """Begin a command; ``settings`` are environment variables."""
        return Command({**self.settings, **settings}, *arguments)

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

    @property
    def is_up(self) -> bool:
        """Whether the UI that was started last still runs."""
        return self.process is not None and self.process.poll() is None

    def until(self, holds: Callable[[], object], seconds: float = 300) -> float:
        """Seconds until ``holds`` does; the drill ends where it never does."""
        start = time.monotonic()
        while not holds():
            if time.monotonic() - start > seconds:
                log = self.home / "up.log"
                told = log.read_text()[-3000:] if log.exists() else "nothing"
                sys.exit(f"Not after {seconds:.0f} s. What the UI said: {told}")
            time.sleep(0.5)
        return time.monotonic() - start

    # ---- recordings

    def drop_files(self, name: str, count: int, shift_um: int = 0, first: int = 0) -> None:
        """Drop ``count`` small files at once, numbered from ``first``."""
        settings = self.recordings / "recordings.toml"
        if not settings.exists():  # written anew, it would keep its files waiting
            settings.write_text('frame = "ccf"\n')
        for number in range(first, first + count):
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

    # ---- faults

    def kill(self, what: str) -> None:
        """Kill -9 the daemon, the runs in progress, or the database server."""
        words = {"daemon": "dagster._daemon", "run": "execute_run", "database": "postgres -D"}[what]
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                if words in " ".join(process.cmdline()):
                    say(f"kill -9 {process.pid}, of the {what}")
                    process.kill()

    def processes(self) -> list[psutil.Process]:
        """The processes that work for this lab, this one and what it keeps for its own readers left out."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.pid == os.getpid() or process.environ().get("CCF_HOME") != str(self.home):
                    continue
                # What looks after the readers' queues ends with this process.
                if process.ppid() == os.getpid() and "resource_tracker" in " ".join(process.cmdline()):
                    continue
                found.append(process)
        return found

    @property
    def server(self) -> psutil.Process:
        """The server's first process, the parent of its sessions."""
        found = embedded._server(self.home / "postgres")
        if found is None:
            sys.exit("The embedded server does not run.")
        return psutil.Process(found.pid)

    # ---- at the end

    def leaves_nothing(self, atlases: int) -> None:
        """Look for what should not be there at the end, when nothing runs any more."""
        left = self.left_over()
        expect(
            not left,
            ", ".join(left) or "no unfinished run, place in the pool, stray table, session or lock is left",
        )
        wrong = self.one(
            "SELECT count(*) FROM ccf.recording_site s WHERE (SELECT count(*) FROM ccf.recording_region r "
            "WHERE (r.recording_id, r.site_id) = (s.recording_id, s.site_id)) <> :atlases",
            atlases=atlases,
        )
        expect(wrong == 0, f"{wrong} sites have not one row for each atlas")
        self.do("SELECT ccf.condense_tally()")
        before = self.one("SELECT count(*) FROM ccf.recording_tally")
        self.do("SELECT ccf.recount_sites()")
        wrong = self.one("SELECT count(*) FROM ccf.recording_tally") - before
        expect(wrong == 0, f"{wrong} sources have another number of sites or regions than was counted")
        database.leave()
        running = self.processes()
        names = [" ".join(process.cmdline())[:80] for process in running]
        expect(not running, f"{len(running)} processes are left behind {names or ''}")


class Command:
    """A command of the program, in a session of its own; what it says goes to a file."""

    def __init__(self, settings: Mapping[str, str], *arguments: str) -> None:
        # Not in the lab's folder, whose disk may be full.
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the command runs
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            start_new_session=True,
        )

    @property
    def said(self) -> str:
        """All it has said so far."""
        # By an offset of its own: the command writes at that of the file it was given.
        size = os.fstat(self._said.fileno()).st_size
        return os.pread(self._said.fileno(), size, 0).decode("utf-8", "replace")

    def reasons(self) -> list[str]:
        """The sentences in which it said why something failed."""
        return [
            line for line in self.said.splitlines() if "FAILED. " in line or line.startswith("ccf-assets: ")
        ]

    def wait_for(self, words: str, seconds: float = 120) -> bool:
        """Wait until it says ``words``; False where it ends without."""
        deadline = time.monotonic() + seconds
        while words not in self.said:
            if self.process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def family(self) -> list[psutil.Process]:
        """The command, then its workers, the one that loads first."""
        command = psutil.Process(self.process.pid)
        started = [p for p in command.children(recursive=True) if "multiprocessing" in " ".join(p.cmdline())]
        # What starts them, where that is a process, stays in the command's group, which they leave.
        workers = [p for p in started if os.getpgid(p.pid) == p.pid]
        return [command, *sorted(workers, key=psutil.Process.create_time)]

    def ended(self, seconds: float = 600) -> tuple[int, str]:
        """Its exit code and what it said, once it has ended, and all it started with it."""
        code = self.process.wait(seconds)
        deadline = time.monotonic() + 30
        while _session(self.process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        return code, self.said


def _session(leader: int) -> bool:
    """Whether a process is left in the session that ``leader`` began, in whatever group."""
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def left_over(one: Callable[..., int]) -> list[str]:
    """What should not be in a database in which nothing runs any more, in words.

    Args:
        one: asks for a number, with a query and its parameters.
    """
    tables = [table.name for table in schema.metadata.sorted_tables]

    def looked() -> list[str]:
        found = {
            what: one(q, **{"tables": tables} if ":tables" in q else {}) for what, q in _LEFT_OVER.items()
        }
        return [f"{count} {what}" for what, count in found.items() if count]

    # A server notices within two seconds that the client of a statement was killed.
    deadline = time.monotonic() + 10
    while (found := looked()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def end_when_told() -> None:
    """End in order at Ctrl-C and SIGTERM: a script's background job ignores the one, Dagster takes both."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("interrupted"))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def expect(holds: bool, told: str) -> None:
    """Print a result, and remember it where it is not as it should be."""
    say(f"{'ok  ' if holds else 'FAIL'} {told}")
    if not holds:
        _FAILED.append(told)


def verdict() -> int:
    """Say how the drill ended; the exit code."""
    say(f"{len(_FAILED)} of the above are not as they should be." if _FAILED else "All is as it should be.")
    return bool(_FAILED)


def failed() -> int:
    """How many results were not as they should be, so far."""
    return len(_FAILED)


def say(line: str) -> None:
    """Print a line at once."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
