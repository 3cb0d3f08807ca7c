"""The program on three hosts and one database: the UI on A, workers on B and C, runs, and what they leave."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from drills.cluster import SECRET, Cluster, NeverError, engine_of, wait
from drills.dagster_ui import DagsterUi
from drills.lab import PROGRAM, expect, left_over, say
from drills.network import Host, Program

_UI = 3000

_START_S = 150
"""How long the UI or a worker may take to be ready on a busy machine."""

_WHO_RUNS = (
    "SELECT r.run_id, host(a.client_addr) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "JOIN ccf_dagster.runs r ON hashtextextended(r.run_id, 0) = (l.classid::bigint << 32 | l.objid::bigint) "
    "WHERE l.locktype = 'advisory' AND l.granted AND r.status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
)
"""The runs in progress, each by the lock that its process holds, and the address of that process's host."""

_SESSIONS = (
    "SELECT host(client_addr), application_name, state, extract(epoch FROM now() - state_change)::int, "
    "(SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid), left(query, 100) FROM pg_stat_activity a "
    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
"""Whose sessions there are, and what they did last."""

_END_IDLE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity a WHERE state = 'idle' "
    "AND host(client_addr) = ANY(:lost) AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid)"
)

_ENDED = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass(frozen=True)
class Run:
    """A run as Dagster's records have it.

    Attributes:
        id: of the run.
        job: its job.
        status: such as ``STARTED``.
        partition: its partition, or empty.
        parent: the run that it repeats, or empty.
        host: the letter of the host that executes or executed it, or empty.
    """

    id: str
    job: str
    status: str
    partition: str
    parent: str
    host: str

    @property
    def ended(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status in _ENDED


class Lab:
    """The program on the three hosts, on one database, for one scenario.

    Attributes:
        hosts: by letter.
        settings: environment variables that the program has on every host.
        ui: the interface of the UI on A.
        workers: by the letter of their host.
    """

    def __init__(self, cluster: Cluster, database: str, shares: Sequence[str], **settings: str) -> None:
        self.cluster, self.database = cluster, database
        self.settings = {
            "CCF_HOME": str(cluster.a.disk / f"home_{database}"),
            "CCF_POSTGRES_URL": cluster.address(database),
            "CCF_ENGINE": cluster.broker,
            **settings,
        }
        self._engine = engine_of(self.settings["CCF_POSTGRES_URL"])
        self.ui = DagsterUi(f"http://{cluster.a.address}:{_UI}")
        self._up: Program | None = None
        self._where: dict[str, str] = {}
        self._ended = threading.Event()
        self.workers: dict[str, Program] = {}
        self._servers: list[Program] = []
        self.hosts: dict[str, Host] = {"A": cluster.a}
        for letter in "BC":
            self.boot(letter, *shares)
        threading.Thread(target=self._watch, daemon=True).start()

    @classmethod
    @contextmanager
    def anew(
        cls, cluster: Cluster, *atlases: str, shares: Sequence[str] = (), **settings: str
    ) -> Iterator[Lab]:
        """A database with the atlases loaded, B and C with empty disks; nothing runs on them yet.

        Args:
            cluster: the services on A.
            atlases: keys of the atlases; those of the phantom are computed, others come from the mirror.
            shares: that B and C mount.
            settings: environment variables of every host, such as CCF_SLOTS.
        """
        phantom = all(key.startswith("phantom") for key in atlases)
        source = settings.pop("CCF_SOURCE", "phantom" if phantom else cluster.source)
        lab = cls(cluster, cluster.new_database(atlases, source), shares, CCF_SOURCE=source, **settings)
        try:
            lab.seen("A").mkdir()
            yield lab
        finally:
            lab._end()

    # ---- hosts and programs

    def boot(self, letter: str, *shares: str) -> Host:
        """Boot B or C with an empty disk; what it was before is killed."""
        if letter in self.hosts:
            self.hosts[letter].kill()
            self.hosts[letter].wipe()
            self.workers.pop(letter, None)
        host = Host(self.cluster.network, letter, shares, self.cluster.hidden)
        self.hosts[letter] = host
        self.seen(letter).mkdir()
        for client in self._clients(letter):  # of the host of this name that was lost
            self.cluster.connected_broker().client_kill(client["addr"])
        return host

    def seen(self, letter: str, *parts: str) -> Path:
        """A file in a host's CCF_HOME, as this process sees it."""
        return self.hosts[letter].seen.joinpath(Path(self.settings["CCF_HOME"]).name, *parts)

    def up(self, **settings: str) -> None:
        """Start the UI and the daemon on A; ``settings`` are environment variables of theirs alone."""
        a, start = self.hosts["A"], time.monotonic()
        up = a.start(
            *PROGRAM, "up", "--host", a.address, "--port", str(_UI),
            log=f"up_{self.database}.log", **{**self.settings, **settings},
        )  # fmt: skip
        self._up = up
        self.until(lambda: self.ui.answers or not up.runs, _START_S, "the UI answers")
        if not up.runs:
            raise NeverError(f"the UI ended by itself: {up.said()[-2000:]}")
        say(f"     the UI on host A answers after {time.monotonic() - start:.0f} s")

    def down(self) -> None:
        """Stop the UI and the daemon."""
        if self._up is not None:
            self._up.end()
            self._up = None

    def work(self, letters: str, *options: str, **settings: str) -> None:
        """Start a worker on each of the hosts, and wait until all are ready.

        Args:
            letters: such as ``BC``.
            options: of the command.
            settings: environment variables of theirs alone.
        """
        start = time.monotonic()
        for letter in letters:
            self.workers[letter] = self.hosts[letter].start(
                *PROGRAM, "worker", *options, log="worker.log", **{**self.settings, **settings}
            )
        for letter in letters:
            self._ready(letter)
        say(f"     workers on {', '.join(letters)} ready after {time.monotonic() - start:.0f} s")

    def _ready(self, letter: str) -> None:
        worker = self.workers[letter]
        self.until(
            lambda: self.waits(letter) or not worker.runs, _START_S, f"the worker on {letter} is ready"
        )
        if not worker.runs:
            said = worker.said()[worker.begun_at :]
            raise NeverError(f"the worker on host {letter} ended by itself: {said[-2000:]}")

    def waits(self, letter: str) -> bool:
        """Whether a worker on a host waits for runs at the broker."""
        return any(client["cmd"] == "brpop" for client in self._clients(letter))

    def _clients(self, letter: str) -> list[dict[str, str]]:
        """The connections to the broker that come from a host."""
        clients = self.cluster.connected_broker().client_list()
        return [each for each in clients if each["addr"].startswith(f"{self.hosts[letter].address}:")]

    def _watch(self) -> None:
        """Note on which host each run is, as long as this lab exists."""
        letters = {host.address: letter for letter, host in self.hosts.items()}
        while not self._ended.wait(0.4):
            with suppress(sa.exc.SQLAlchemyError):  # Dagster has never run here
                for run, address in self.rows(_WHO_RUNS):
                    self._where[str(run)] = letters.get(str(address), str(address))

    def serve(self, letter: str, *command: str, log: str, **settings: str) -> None:
        """Start a program on a host that ends with this lab, such as a server of another kind."""
        self._servers.append(self.hosts[letter].start(*command, log=log, **settings))

    def command(self, letter: str, *arguments: str, **settings: str) -> tuple[int, str]:
        """Run a command of the program on a host to its end: exit code and what it said."""
        program = self.hosts[letter].start(
            *PROGRAM, *arguments, log="commands.log", **{**self.settings, **settings}
        )
        code = program.popen.wait(600)
        return code, program.said()[program.begun_at :]

    def until(self, holds: Callable[[], object], seconds: float, what: str) -> float:
        """Seconds until ``holds`` does; where it does not in time, what the hosts said is shown.

        Raises:
            NeverError: it did not in time.
        """
        try:
            return wait(holds, seconds, what)
        except NeverError:
            for host in self.hosts.values():
                for name, text in host.logs().items():
                    if name == "worker.log" or self.database in name:
                        say(f"     {host.name}, end of {name}:\n{text[-2000:]}")
            raise

    def processes(self) -> list[str]:
        """The command lines of all that runs for this lab, on all hosts."""
        found = []
        for host in self.hosts.values():
            for process in host.processes():
                with suppress(Exception):
                    found.append(f"{host.name}: {' '.join(process.cmdline())}")
        return found

    def _end(self) -> None:
        """Stop all of this lab, look for the password in what it wrote, and throw that away."""
        self._ended.set()
        shown = [line for line in self.processes() if SECRET in line]
        with suppress(Exception):
            self.down()
        for letter in "BC":
            self.hosts[letter].kill()
        for server in self._servers:
            server.kill()
        for process in self.hosts["A"].processes():
            with suppress(Exception):
                if process.environ().get("CCF_HOME") == self.settings["CCF_HOME"]:
                    process.kill()
        told = [f"the command line {line[:60]} …" for line in shown] + self._told_secret()
        if told:
            expect(False, f"the password is in {', '.join(told)}")
        for letter in "BC":
            self.hosts[letter].wipe()
        shutil.rmtree(self.seen("A"), ignore_errors=True)
        (self.hosts["A"].seen / "logs" / f"up_{self.database}.log").unlink(missing_ok=True)
        self.cluster.admin(f"DROP DATABASE {self.database} WITH (FORCE)")

    def _told_secret(self) -> list[str]:
        """Where the password stands though it must not."""
        told = [
            f"{name} on {host.name}"
            for host in self.hosts.values()
            for name, text in host.logs().items()
            if SECRET in text
        ]
        for letter in self.hosts:
            for path in self.seen(letter).rglob("*.*"):
                if path.suffix in {".yaml", ".log", ".err", ".out", ".toml", ".json"}:
                    with suppress(OSError):
                        told += (
                            [f"{path.name} on host {letter}"] if SECRET in path.read_text("latin-1") else []
                        )
        for table, column in (("event_logs", "event"), ("runs", "run_body"), ("run_tags", "value")):
            with suppress(sa.exc.SQLAlchemyError):  # Dagster has never run here
                # Bound: the server writes a statement that fails into its log.
                if self.one(
                    f"SELECT count(*) FROM ccf_dagster.{table} WHERE {column} LIKE :secret",
                    secret=f"%{SECRET}%",
                ):
                    told.append(f"Dagster's table {table}")
        return told

    # ---- the database

    def rows(self, query: str, **values: object) -> list[tuple[object, ...]]:
        """The rows of a query."""
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]

    def one(self, query: str, **values: object) -> int:
        """The number that a query asks for; 0 for null."""
        return int(str(self.rows(query, **values)[0][0] or 0))

    def do(self, statement: str, **values: object) -> None:
        """Execute a statement and commit."""
        with self._engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    @contextmanager
    def locked(self, table: str, mode: str = "EXCLUSIVE") -> Iterator[None]:
        """Keep all others from writing into a table, so that runs stay where they are."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
            connection.exec_driver_sql(f"LOCK TABLE {table} IN {mode} MODE")
            yield

    def leaves_nothing(self) -> None:
        """Stop the UI and the workers, and look for what should not be there when nothing runs any more.

        The server keeps idle sessions of a host that was lost until its own keepalives end them, which takes
        hours: they hold no lock and are in no transaction.
        """
        self.down()
        for worker in self.workers.values():
            worker.end(signal.SIGTERM)
        lost = [host.address for host in self.hosts.values() if not host.is_up]
        if idle := len(self.rows(_END_IDLE, lost=lost)):
            say(f"     {idle} idle sessions of the lost host, without a lock: ended by hand")
        left = left_over(self.one)
        if left:
            for row in self.rows(_SESSIONS):
                say("     session of {} ({}), {} for {} s, {} locks: {}".format(*row))
        expect(
            not left,
            ", ".join(left) or "no unfinished run, place in the pool, stray table, session or lock is left",
        )

    # ---- runs

    def runs(self, job: str = "", since: int = 0) -> list[Run]:
        """The runs of a job, or of all, in the order in which they were made.

        Args:
            job: its name; all if not given.
            since: a number that `last_run` returned: only later runs.
        """
        query = (
            "SELECT r.run_id, r.pipeline_name, r.status, coalesce(r.partition, ''), "
            "coalesce((SELECT value FROM ccf_dagster.run_tags t WHERE t.run_id = r.run_id "
            "AND key = 'dagster/parent_run_id'), '') FROM ccf_dagster.runs r "
            "WHERE r.id > :since AND (:job = '' OR r.pipeline_name = :job) ORDER BY r.id"
        )
        return [
            Run(str(run), str(name), str(status), str(partition), str(parent), self._where.get(str(run), ""))
            for run, name, status, partition, parent in self.rows(query, since=since, job=job)
        ]

    def run(self, run_id: str) -> Run:
        """A run by its id."""
        return next(run for run in self.runs() if run.id == run_id)

    def last_run(self) -> int:
        """The number of the run that was made last."""
        return self.one("SELECT max(id) FROM ccf_dagster.runs")

    def ended(self, run_id: str, seconds: float) -> str:
        """How a run ended, once it has."""
        self.until(lambda: self.run(run_id).ended, seconds, f"run {run_id} ends")
        return self.run(run_id).status

    def said(self, run_id: str) -> str:
        """All that the records say of a run, as text."""
        return "\n".join(
            str(event)
            for (event,) in self.rows(
                "SELECT event FROM ccf_dagster.event_logs WHERE run_id = :run ORDER BY id", run=run_id
            )
        )

    def events(self, run_id: str) -> dict[str, float]:
        """Kind of event → when it was recorded last, in seconds since 1970."""
        query = (
            "SELECT dagster_event_type, max(extract(epoch FROM timestamp)) FROM ccf_dagster.event_logs "
            "WHERE run_id = :run AND dagster_event_type IS NOT NULL GROUP BY 1"
        )
        return {str(kind): float(str(at)) for kind, at in self.rows(query, run=run_id)}
