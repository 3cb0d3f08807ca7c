"""Connections to PostgreSQL: URLs, engines, and what happens when a client is interrupted or killed.

A connection leads where its URL says, and speaks UTF-8. PostgreSQL's library also reads variables of the
shell (PGSERVICE, PGCLIENTENCODING and more), which may be set for another database: those that could divert a
connection are hidden from it while it is made.

Between us and the server there may be a pooler (pgbouncer) that gives each transaction another session. So
nothing of ours is set, prepared or locked for longer than a transaction.

Not here: which server is used (db.database for ours, the resource of an IO manager for others).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

from ccf_assets.errors import CcfError
from ccf_assets.pg import embedded

if TYPE_CHECKING:
    import psycopg


def parse_url(text: str, name: str) -> sa.URL:
    """The URL ``text`` for the driver psycopg 3.

    Args:
        text: the URL, as users write it for any client: ``postgres://`` and ``postgresql://`` both will do.
        name: the setting that holds it, for the error's text.

    Raises:
        CcfError: it is not the URL of a PostgreSQL database, or holds a password in a place where it would
            be shown. The error does not quote it.
    """
    try:
        url = sa.make_url(text.strip().replace("postgres://", "postgresql://", 1))
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if (
        url is None
        or url.get_backend_name() != "postgresql"
        or "@" in (url.host or "")
        or {"password", "sslpassword"} & set(url.query)
    ):
        # The text may hold a password: it is not repeated.
        raise CcfError(
            f"{name} is not the address of a PostgreSQL database; write it as "
            "postgresql://user:password@host:5432/database, with @ in a password as %40 and the password "
            "nowhere else."
        )
    return url.set(drivername="postgresql+psycopg")


Prepare: TypeAlias = Callable[[dict[str, Any]], object]

ENCODING = {"client_encoding": "utf8"}
"""Parameter of every connection: the shell, the user's role and the database may have another encoding."""


KEPT: Mapping[str, Any] = {
    "pool_size": 3,
    "max_overflow": -1,
    "pool_use_lifo": True,
    "pool_recycle": 300,  # s; a firewall may drop a connection that was idle for longer, without a word
}
"""Pool of a process that asks again and again. It keeps three connections, opens more as they are needed, and
replaces lost ones (`_replace_lost`). With a pool of one connection the threads of Dagster's daemon, which
wake up together, opened a new one every 2 s."""

IDLE_S = 0.5
"""A kept connection that was used so long ago is asked whether it is still there, before it is used again. To
ask each time (pool_pre_ping) took a quarter of the processor time of Dagster's daemon while nothing happens,
and a third of the time of a run: both ask many things in a row. A server that was killed is not up again so
soon."""


def engine_on(
    url: sa.URL, prepare: Prepare | None = None, pool: Mapping[str, Any] | None = None
) -> sa.Engine:
    """An engine that keeps no idle connection, unless ``pool`` says so: each is closed when it is given back.

    Args:
        url: of the database, for psycopg 3.
        prepare: as for `new_engine`.
        pool: of the connections, as SQLAlchemy's ``create_engine`` takes it, if some are to be kept.
    """
    engine = new_engine(url, prepare, **(pool or {"poolclass": sa.NullPool}))
    sa.event.listen(engine, "begin", notice_lost_client)
    return engine


def new_engine(url: sa.URL, prepare: Prepare | None = None, **options: Any) -> sa.Engine:  # noqa: ANN401
    """An engine whose connections lead where ``url`` says, whatever variables the shell has.

    Args:
        url: of the database, for psycopg 3 or psycopg 2.
        prepare: is called before each connection, with its parameters, which it may change.
        options: of SQLAlchemy's ``create_engine``.
    """
    # psycopg 3 would prepare a statement at its sixth execution. The next one may be in another session of a
    # pooler, which has no such statement, or another one of this name. The embedded server has no pooler.
    pooled = url.get_driver_name() == "psycopg" and not embedded.is_socket(url.query.get("host"))
    unprepared = {"prepare_threshold": None} if pooled else {}
    engine = sa.create_engine(url, connect_args={**ENCODING, **unprepared}, **options)

    def connect(dialect: Any, _record: object, arguments: Any, parameters: dict[str, Any]) -> object:  # noqa: ANN401
        if prepare is not None:
            prepare(parameters)
        with undiverted(url):
            return dialect.connect(*arguments, **parameters)

    sa.event.listen(engine, "do_connect", connect)
    logging.getLogger(f"{type(engine.pool).__module__}.{type(engine.pool).__name__}").addFilter(_is_news)
    if "pool_size" in options:
        _replace_lost(engine)
    return engine


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a pool of connections says something that nobody says in words.

    It logs the traceback of a connection that is given back after the server has ended it; who used it last
    has been told, or will be.
    """
    return "during reset" not in record.msg


def _replace_lost(engine: sa.Engine) -> None:
    """Let an engine that keeps connections replace those that were lost while they were idle."""

    def given_back(_raw: object, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    def taken(raw: Any, record: sa.pool.ConnectionPoolEntry, _proxy: object) -> None:  # noqa: ANN401
        idle_since = record.info.get("idle_since")  # a new connection has none
        if idle_since is None or time.monotonic() - idle_since < IDLE_S:
            return
        try:
            engine.dialect.do_ping(raw)
        except engine.dialect.loaded_dbapi.Error:
            raise sa.exc.InvalidatePoolError from None  # new ones are made, also of the other idle ones

    sa.event.listen(engine, "checkin", given_back)
    sa.event.listen(engine, "checkout", taken)


_hidden: dict[str, str] = {}
_users = 0
_hiding = threading.Lock()


@contextmanager
def undiverted(url: sa.URL) -> Iterator[None]:
    """Hide the shell's variables that would divert a connection to ``url`` made in this block.

    Threads may be in such blocks at once: the variables come back with the end of the last.
    """
    global _users  # noqa: PLW0603 - the environment is the process's, too
    with _hiding:
        _users += 1
        _hidden.update({name: os.environ.pop(name) for name in diverting(url)})
    try:
        yield
    finally:
        with _hiding:
            _users -= 1
            if not _users:
                os.environ.update(_hidden)
                _hidden.clear()


def diverting(url: sa.URL) -> list[str]:
    """The variables of the shell that could lead a connection elsewhere than ``url`` says.

    The embedded server needs none of PostgreSQL's but the name of the session. For another one those that the
    address leaves open count, such as PGPASSFILE, but no service: that would put a host or a port into an
    address without them.
    """
    if embedded.is_socket(url.query.get("host")):
        return [name for name in os.environ if name.startswith("PG") and name != "PGAPPNAME"]
    named = url.host or url.query.get("host")
    names = ["PGSERVICE", *(["PGHOSTADDR"] if named else [])]
    return [name for name in names if name in os.environ]


LOST_HOST = (
    "SET LOCAL tcp_keepalives_idle = 10; SET LOCAL tcp_keepalives_interval = 5; "
    "SET LOCAL tcp_keepalives_count = 3; SET LOCAL tcp_user_timeout = '25s'"
)
"""Let the server give up a transaction, its locks too, 25 s after the last sign of its client's host.

By default it does so after more than two hours. Of an idle connection the keepalives tell (10 s, then 3 every
5 s); of one whose last answer was never acknowledged, only the user timeout does. A unix socket ignores both.
"""

_LOST_CLIENT = f"{LOST_HOST}; SET LOCAL client_connection_check_interval = '2s'"


def notice_lost_client(connection: sa.Connection) -> None:
    """Let the server cancel the new transaction of a client that was killed, or whose host was lost.

    It would go on to the end of a statement, and hold the locks.
    """
    raw: psycopg.Connection[Any] | Any = connection.connection.driver_connection
    # In a transaction that psycopg began by itself there may be work, which a rollback would undo.
    if raw.autocommit or raw.info.transaction_status.name != "IDLE":
        return
    try:
        raw.execute(_LOST_CLIENT)
    except raw.Error:  # where the server's operating system cannot detect a closed connection
        with suppress(raw.Error):  # if the connection is lost, the caller's statement says so
            raw.rollback()


def stay_open(connection: sa.Connection) -> None:
    """Let the transaction of ``connection`` stay open, idle, as long as the client lives: it holds a lock.

    In READ COMMITTED it holds back no vacuum: it keeps no snapshot, but for the one of a statement with
    parameters, until the next statement.
    """
    version = connection.dialect.server_version_info or (0,)
    limits = ["idle_in_transaction_session_timeout", *(["transaction_timeout"] if version >= (17,) else [])]
    unlimited = "; ".join(f"SET LOCAL {limit} = 0" for limit in limits)
    connection.exec_driver_sql(f"{LOST_HOST}; {unlimited}")


@contextmanager
def let_go_if_interrupted(connection: sa.Connection) -> Iterator[None]:
    """Close ``connection`` if the block ends by an interruption, such as Dagster's, instead of an error.

    The server then rolls the transaction back. The driver handles Ctrl-C only: after any other interruption a
    statement is still in progress, and a rollback would fail with a second traceback.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException:
        connection.invalidate()
        raise


def libpq_url(url: sa.URL) -> str:
    """``url``, password included, in the form that psql and other libpq programs take."""
    text = url.set(drivername="postgresql").render_as_string(hide_password=False)
    address, question, query = text.partition("?")
    # SQLAlchemy writes a blank as a blank or, in the query, as +; libpq wants %20.
    return address.replace(" ", "%20") + question + query.replace("+", "%20")
