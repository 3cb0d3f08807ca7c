"""Connections to PostgreSQL: URLs, engines, and what happens when a client is interrupted or killed.

Not here: which server is used (db.database for ours, the resource of an IO manager for others).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ccf_assets.errors import CcfError

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


def engine_on(url: sa.URL) -> sa.Engine:
    """An engine that keeps no idle connection: every one is closed when it is given back."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    sa.event.listen(engine, "connect", notice_hang_up)
    return engine


def notice_hang_up(connection: psycopg.Connection[Any], _record: object) -> None:
    """Let the server cancel a statement whose client was killed, instead of finishing it, its locks held."""
    try:
        connection.execute("SET client_connection_check_interval = '2s'")
        connection.commit()
    except connection.Error:  # where the server's operating system cannot detect a closed connection
        connection.rollback()


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
