"""The database, with its tables: on the server that CCF_POSTGRES_URL names, otherwise on the embedded one.

The embedded server is shared: every process that uses it counts as a user until it ends, and the last one
stops it. No Dagster here, so that a command with one question need not import it. Starting and stopping the
embedded server is in pg.embedded.
"""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.ccf.frames.files import load_frames
from ccf_assets.db import install, roles
from ccf_assets.db.frames import add_frames
from ccf_assets.db.replica import refuse_replica
from ccf_assets.errors import CcfError
from ccf_assets.pg import embedded
from ccf_assets.pg.connect import ENCODING, KEPT, engine_on, new_engine, parse_url

DATABASE = "ccf"
"""The embedded server's database."""

DAGSTER_SCHEMA = "ccf_dagster"
"""Where Dagster keeps runs, events and schedules; its tables have everyday names, so they get a schema."""

OLDEST_SERVER = 15
"""The oldest version of PostgreSQL with which the tests pass."""

PATIENCE_S = 60
"""Longest wait for a server that says it is starting up, or coming back after a crash."""

_PASSING = ("starting up", "shutting down", "recovery mode", "not yet accepting connections")
"""Parts of a server's messages while it is starting, and worth waiting for."""


def forget() -> None:
    """Check again at the next question that the server is running and has its tables."""
    _checked_url.cache_clear()


def leave() -> None:
    """Stop using the embedded server, which stops if nobody else does; does nothing if it was not used."""
    forget()
    embedded.leave()


def _embedded_url(home: Path) -> sa.URL:
    server = embedded.join(home / "postgres")
    # In the query, because a socket has no place in front of the path; the port, because PGPORT may be set.
    place = {"host": server.socket_dir, "port": server.port}
    return sa.URL.create("postgresql+psycopg", username="postgres", database="postgres", query=place)


def _with_database(url: sa.URL, where: str, do: Callable[[sa.URL, str], sa.URL]) -> sa.URL:
    """The result of ``do`` with our database on the embedded server, which is created if it is not there."""
    ours = url.set(database=DATABASE)
    try:
        return do(ours, where)
    except sa.exc.OperationalError as error:
        if f'database "{DATABASE}" does not exist' not in str(error.orig):
            raise
    _create_database(url)
    return do(ours, where)


def _create_database(url: sa.URL) -> None:
    admin = new_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(sa.func.hashtext(DATABASE))))
        exists = sa.text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.scalar(exists, {"name": DATABASE}) is None:
            connection.exec_driver_sql(f"CREATE DATABASE {DATABASE}")


def _place(url: sa.URL) -> str:
    """Where a named server is, in words that may be shown."""
    host = url.host or url.query.get("host") or os.environ.get("PGHOST")
    port = url.port or url.query.get("port") or os.environ.get("PGPORT") or 5432
    return f"PostgreSQL at {host or 'the local socket'}:{port}"


@functools.cache
def _checked_url(named: str | None, home: Path) -> sa.URL:
    return _once_it_answers(named, home, _set_up)


def _once_it_answers(named: str | None, home: Path, do: Callable[[sa.URL, str], sa.URL]) -> sa.URL:
    """The result of ``do`` for the address and the name of the server, as soon as the server is ready."""
    url = parse_url(named, "CCF_POSTGRES_URL") if named else _embedded_url(home)
    where = _place(url) if named else "the embedded PostgreSQL"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return do(url, where) if named else _with_database(url, where, do)
        except sa.exc.DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            if not any(word in reason for word in _PASSING) or time.monotonic() > deadline:
                advice = "Check CCF_POSTGRES_URL and the server." if named else "Try again."
                raise CcfError(f"{where} cannot be used: {reason.rstrip('.')}. {advice}") from None
        logging.getLogger(__name__).warning("%s is not ready yet; waiting …", where)
        time.sleep(1)


def _set_up(url: sa.URL, where: str) -> sa.URL:
    """``url``, once the server behind it is known to be new enough and to have the tables."""
    with new_engine(url, poolclass=sa.NullPool).begin() as connection:
        _check_server(connection, where)
        if install.create_tables(connection, settings.site_partitions()):
            roles.renew(connection)
        try:
            frames = load_frames(*settings.frames_files())
        except CcfError as error:  # commands that use frames raise it; a backup need not fail for it
            logging.getLogger(__name__).warning("%s", error)
            frames = load_frames()
        add_frames(connection, frames)
    return url


def _check_server(connection: sa.Connection, where: str) -> None:
    """Refuse a server that is too old, and a database that cannot hold every character."""
    version = int(connection.scalar(sa.text("SHOW server_version_num"))) // 10_000
    if version < OLDEST_SERVER:
        raise CcfError(f"{where} is version {version}; ccf_assets needs {OLDEST_SERVER} or newer.")
    database = sa.func.current_database()
    asked = sa.select(
        sa.func.current_setting("server_encoding"), database, sa.func.quote_ident(database + "_utf8")
    )
    encoding, name, other = connection.execute(asked).one()
    if encoding != "UTF8":
        raise CcfError(
            f"The database {name} has the encoding {encoding}; ccf_assets needs UTF8. Make another one, with "
            f"CREATE DATABASE {other} ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0; and name it in "
            "CCF_POSTGRES_URL."
        )


def database_url() -> sa.URL:
    """The address of the database, with its tables; starts the embedded server if no other is configured.

    An embedded server that was killed meanwhile is started again.

    Returns:
        A URL for psycopg 3 (``postgresql+psycopg``). It may hold a password: show ``repr(url)``, never
        ``render_as_string(hide_password=False)``.

    Raises:
        CcfError: the address is not one, the server does not answer, or it is too old.
    """
    return _joined_url(settings.postgres_url(), settings.home())


def _joined_url(named: str | None, home: Path) -> sa.URL:
    if not named and embedded.must_join(home / "postgres"):
        forget()
    return _checked_url(named, home)


def empty_database_url() -> sa.URL:
    """The address of the database as it is, perhaps without tables: for restoring a backup."""
    return _once_it_answers(settings.postgres_url(), settings.home(), _look_at)


def _look_at(url: sa.URL, where: str) -> sa.URL:
    """``url``, once the server behind it is known to be one that can be used."""
    with new_engine(url, poolclass=sa.NullPool).connect() as connection:
        _check_server(connection, where)
    return url


def create_engine() -> sa.Engine:
    """The engine of the database. It keeps no idle connections: each is closed when it is released.

    The embedded server is started again by the first connection after it was killed, and joined by one that a
    forked process makes.
    """
    return _engine(kept=_keeps)


def kept_engine() -> sa.Engine:
    """The engine of a process that asks again and again: as `create_engine`, but it keeps connections.

    A forked process must not use it, because it would share them.
    """
    return _engine(kept=True)


_keeps = False


def keep_connections() -> None:
    """Let `create_engine` be `kept_engine` from now on: for a process that loads, and forks no other.

    A load of an atlas asks 50 times. A new connection takes 5 ms of the processors each time.
    """
    global _keeps  # noqa: PLW0603 - a setting of the process
    _keeps = True


def _engine(*, kept: bool) -> sa.Engine:
    named, home = settings.postgres_url(), settings.home()
    return _engine_at(_joined_url(named, home), named, home, kept)


@functools.lru_cache(maxsize=2)
def _engine_at(url: sa.URL, named: str | None, home: Path, kept: bool) -> sa.Engine:
    """One of each kind for the process: a new one asks the server for its version, and compiles all anew."""

    def join(parameters: dict[str, Any]) -> None:
        parameters.update(_joined_url(None, home).query)

    return engine_on(url, None if named else join, KEPT if kept else None)


def dagster_url() -> str:
    """The address Dagster keeps its own records at, for psycopg 2; creates their schema.

    Raises:
        CcfError: the server is a read-only copy; the user may not create or use the schema (only the owner of
            the tables loads); or a pooler drops the search path, and Dagster's tables would go elsewhere.
    """
    with create_engine().begin() as connection:
        refuse_replica(connection)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(DAGSTER_SCHEMA))))
        # Not IF NOT EXISTS, which needs the right to create schemas even if the schema exists.
        exists = sa.inspect(connection).has_schema(DAGSTER_SCHEMA)
        may_use = sa.func.has_schema_privilege(DAGSTER_SCHEMA, "USAGE")
        may_make = sa.func.has_database_privilege(sa.func.current_database(), "CREATE")
        if not connection.scalar(sa.select(may_use if exists else may_make)):
            raise CcfError(
                f"The user that CCF_POSTGRES_URL names may ask and not load: the schema {DAGSTER_SCHEMA} is "
                "not theirs to use or make. Load as the owner of the tables."
            )
        if not exists:
            connection.execute(sa.schema.CreateSchema(DAGSTER_SCHEMA))
    url = database_url().set(drivername="postgresql+psycopg2").update_query_dict(ENCODING)
    options = f"{url.query.get('options', '')} -csearch_path={DAGSTER_SCHEMA}".strip()
    with_path = url.update_query_dict({"options": options})
    chosen = _leading_to_dagster(with_path, url) if settings.postgres_url() else with_path
    return chosen.render_as_string(hide_password=False)


def _leading_to_dagster(with_path: sa.URL, plain: sa.URL) -> sa.URL:
    """The address at which a table named without a schema is one of Dagster's: with the path, or plain.

    A pooler may ignore the parameter that sets the search path, or refuse a connection with it. Then the role
    must have that path by itself, or the tables would be made in ``public``.

    Raises:
        CcfError: it is neither; the text has the statement that helps.
    """
    try:
        if _default_of(with_path)[0] == DAGSTER_SCHEMA:
            return with_path
    except sa.exc.OperationalError as error:
        if "unsupported startup parameter" not in str(error.orig):
            raise
    schema, role, database = _default_of(plain)
    if schema == DAGSTER_SCHEMA:
        return plain
    raise CcfError(
        f"{_place(plain)} is a pooler that drops the search path: Dagster's tables would be made in another "
        f"schema. Execute once, as {role}: ALTER ROLE {role} IN DATABASE {database} SET search_path = "
        f"{DAGSTER_SCHEMA}, public; Then restart the pooler, or give it the command RECONNECT. No table was "
        "made."
    )


def _default_of(address: sa.URL) -> tuple[str | None, str, str]:
    """The schema in which a table without a schema's name is made, and the role and the database, quoted."""
    asked = "SELECT current_schema(), quote_ident(current_user), quote_ident(current_database())"
    with new_engine(address, poolclass=sa.NullPool).connect() as connection:
        schema, role, database = connection.execute(sa.text(asked)).one()
    return schema, role, database
