"""What the hosts of a lab share: on host A a database server, a broker, and a mirror of the official files.

Not here: the program on the hosts (hosts_lab).
"""

from __future__ import annotations

import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ccf_assets.pg.connect import new_engine
from drills.lab import OURSELVES, PROGRAM, say
from drills.network import Host, Network
from drills.servers import programs

_POSTGRES, _REDIS, _MIRROR = 5432, 6379, 8077

RECORDINGS = "recordings"
"""Name of the share for recordings; A mounts it."""

SECRET = secrets.token_hex(12)
"""Password of the database and of the broker: nothing that a host writes or shows may have it."""


class NeverError(Exception):
    """What a scenario waited for did not happen in time."""


def wait(holds: Callable[[], object], seconds: float, what: str) -> float:
    """Seconds until ``holds`` does.

    Raises:
        NeverError: it did not in time; ``what`` says what was waited for.
    """
    start = time.monotonic()
    while not holds():
        if time.monotonic() - start > seconds:
            raise NeverError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.25)
    return time.monotonic() - start


class Cluster:
    """Host A with PostgreSQL, Redis and the mirror, for all scenarios one after the other.

    Attributes:
        network: with the bridge.
        official: the folder with the official files, or None.
        hidden: folders of this machine that no host has.
        mirror: the mirror's folder, as this process sees it.
        source: the mirror's address.
    """

    def __init__(self, official: Path | None) -> None:
        self.network, self.official = Network(), official
        self.hidden = [official] if official else []
        self.a = Host(self.network, "A", [RECORDINGS], self.hidden)
        self.mirror = self.a.seen / "mirror"
        self.mirror.mkdir()
        if official:
            for name in ("annotation", "ontology"):
                shutil.copytree(official / name, self.mirror / name, copy_function=shutil.copyfile)
        self.source = f"http://{self.a.address}:{_MIRROR}"
        self._loaded: dict[tuple[str, ...], str] = {}
        self._databases = 0
        self._start_services()

    def _start_services(self) -> None:
        a, folder, bin_ = self.a, self.a.disk / "pg", programs()
        assert bin_ is not None
        (a.seen / "pg").mkdir()
        shutil.chown(a.seen / "pg", "postgres", "postgres")
        (a.seen / "password").write_text(SECRET)
        a.run(
            str(bin_ / "initdb"), "-D", str(folder), "-U", "postgres", "--encoding=UTF8",
            "--locale=C", "--no-sync", "--auth=scram-sha-256", f"--pwfile={a.disk / 'password'}",
            user="postgres",
        )  # fmt: skip
        with (a.seen / "pg" / "pg_hba.conf").open("a") as rules:
            rules.write("host all,replication all 10.77.0.0/24 scram-sha-256\n")
        with (a.seen / "pg" / "postgresql.conf").open("a") as conf:
            conf.write(
                f"listen_addresses = '{a.address}'\nunix_socket_directories = '{a.disk / 'tmp'}'\n"
                "wal_level = replica\nmax_wal_size = 8GB\nshared_buffers = 512MB\nfsync = off\n"
            )
        a.start(str(bin_ / "postgres"), "-D", str(folder), user="postgres", log="postgres.log")
        (a.seen / "redis.conf").write_text(
            f'bind {a.address}\nport {_REDIS}\nrequirepass {SECRET}\nsave ""\n'
        )
        a.start("redis-server", str(a.disk / "redis.conf"), log="redis.log")
        a.start(
            sys.executable, "-m", "http.server", str(_MIRROR), "--bind", a.address,
            "--directory", str(a.disk / "mirror"), log="mirror.log",
        )  # fmt: skip
        for port in (_POSTGRES, _REDIS, _MIRROR):
            wait(lambda port=port: listens(a.address, port), 60, f"port {port} of host A answers")  # type: ignore[misc]
        wait(self._answers, 60, "the database server answers")

    def _answers(self) -> bool:
        with suppress(sa.exc.SQLAlchemyError):
            self.admin("SELECT 1")
            return True
        return False

    def address(self, database: str) -> str:
        """The address of a database, as CCF_POSTGRES_URL takes it."""
        return f"postgresql://postgres:{SECRET}@{self.a.address}:{_POSTGRES}/{database}"

    @property
    def broker(self) -> str:
        """The address of Redis, as CCF_ENGINE takes it."""
        return f"redis://:{SECRET}@{self.a.address}:{_REDIS}/0"

    def connected_broker(self) -> Any:  # noqa: ANN401 - a redis.Redis, whose answers have no types
        """A client of Redis."""
        import redis  # of the extra celery: without it the drill says so

        return redis.Redis.from_url(self.broker)

    def admin(self, statement: str) -> None:
        """Execute a statement outside of any transaction, in the server's first database."""
        with engine_of(self.address("postgres")).connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(statement)

    def new_database(self, atlases: tuple[str, ...], source: str) -> str:
        """The name of a new database in which these atlases are loaded.

        They are loaded once, without an engine; later ones are copies.
        """
        if atlases not in self._loaded:
            template = f"loaded_{len(self._loaded)}"
            self.admin(f"DROP DATABASE IF EXISTS {template}")  # of a load that failed
            self.admin(f"CREATE DATABASE {template}")
            if atlases:
                start = time.monotonic()
                self.a.run(
                    *PROGRAM, "load", *atlases, "--no-rows", log=f"load_{template}.log", CCF_SOURCE=source,
                    CCF_HOME=str(self.a.disk / template), CCF_POSTGRES_URL=self.address(template),
                )  # fmt: skip
                took = time.monotonic() - start
                say(f"     {', '.join(atlases)} loaded on host A, without an engine, in {took:.0f} s")
            self._loaded[atlases] = template
        self._databases += 1
        name = f"lab_{self._databases}"
        self.admin(f"CREATE DATABASE {name} TEMPLATE {self._loaded[atlases]}")
        return name


def engine_of(address: str) -> sa.Engine:
    """An engine of this process, whose sessions are known by their name and end when they are not used."""
    url = sa.make_url(address).set(drivername="postgresql+psycopg")
    named = url.update_query_dict({"application_name": OURSELVES})
    return new_engine(named, poolclass=sa.NullPool)


def listens(address: str, port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0
