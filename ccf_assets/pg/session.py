"""Small tools for one session of PostgreSQL: quoted names, statements, locks and errors in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import psycopg
import sqlalchemy as sa
from psycopg import sql

from ccf_assets.errors import CcfError
from ccf_assets.progress import going_on

Report: TypeAlias = Callable[[str], object]


@contextmanager
def one_sentence(where: str) -> Iterator[None]:
    """What the server says of rows or statements, as one sentence; statements and values stay out of it."""
    try:
        yield
    except (psycopg.Error, sa.exc.DBAPIError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        diagnostics = getattr(cause, "diag", None)
        said = [getattr(diagnostics, "message_primary", None) or first_line(cause)]
        said += filter(None, [getattr(diagnostics, "message_detail", None)])
        # Without it, "wrote only 4096 of 8192 bytes".
        if isinstance(cause, psycopg.errors.DiskFull):
            said += filter(None, [cause.diag.message_hint])
        context = getattr(diagnostics, "context", None) or ""
        said += [first_line(context)] if context.startswith("COPY ") else []
        raise CcfError(": ".join([where, *said]).rstrip(".") + ".") from None


def first_line(text: object) -> str:
    return str(text).strip().partition("\n")[0]


def psycopg_of(connection: sa.Connection) -> psycopg.Connection[Any]:
    """The psycopg connection below, in the same transaction."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def execute(connection: sa.Connection, statement: sa.Executable) -> int:
    """Execute ``statement``; returns how many rows it touched."""
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def identifier(table: sa.TableClause) -> sql.Identifier:
    return sql.Identifier(*filter(None, (table.schema, table.name)))


def identifiers(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def wait_for(connection: sa.Connection, what: str, report: Report) -> None:
    """Take the lock named ``what`` until the transaction ends; others who do wait for each other."""
    with going_on(report, f"{what}: waiting for another load of it"):
        psycopg_of(connection).execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])


def analyze_table(connection: sa.Connection, table: sa.Table, changed: int) -> None:
    """Refresh the planner's statistics once a tenth of the rows is new, as the server would in a minute.

    The next load may refer to them: without, checking its foreign key takes three times as long.
    """
    raw, name = psycopg_of(connection), identifier(table)
    query = "SELECT reltuples FROM pg_class WHERE oid = %s::regclass"
    (rows,) = raw.execute(query, [name.as_string()]).fetchone() or (0,)
    if changed > rows / 10:
        raw.execute(sql.SQL("ANALYZE {}").format(name))
