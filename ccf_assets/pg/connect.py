"""Connections to PostgreSQL: addresses for libpq, and what happens when a client is interrupted or killed.

Which server is asked is decided by db.database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    import psycopg


def notice_hang_up(connection: psycopg.Connection[Any], _record: object) -> None:
    """Let the server end a statement whose client was killed, instead of finishing it with its locks held."""
    try:
        connection.execute("SET client_connection_check_interval = '2s'")
        connection.commit()
    except connection.Error:  # where the server's operating system cannot tell
        connection.rollback()


@contextmanager
def let_go_if_interrupted(connection: sa.Connection) -> Iterator[None]:
    """Close ``connection`` when the block is left by other than an error, such as Dagster's interruption.

    What was begun is then undone by the server. Of interruptions the driver knows Ctrl-C alone: after another
    a statement is still in progress, and a rollback fails with a traceback beside that of the interruption.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException:
        connection.invalidate()
        raise


def libpq_url(url: sa.URL) -> str:
    """``url``, password included, as psql and other libpq programs take it."""
    text = url.set(drivername="postgresql").render_as_string(hide_password=False)
    address, question, query = text.partition("?")
    # SQLAlchemy leaves a blank as it is, or writes it as in a web form; libpq wants %20.
    return address.replace(" ", "%20") + question + query.replace("+", "%20")
