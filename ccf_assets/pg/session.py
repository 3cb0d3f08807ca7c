"""Small tools for a session of PostgreSQL: quoted names, statements, locks, and errors as one sentence.

Not here: how a session is opened (connect.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, cast
from zlib import crc32

import psycopg
import sqlalchemy as sa
from psycopg import sql

from ccf_assets.errors import CcfError, PassingError, first_line
from ccf_assets.progress import going_on

Report: TypeAlias = Callable[[str], object]
"""Receives a sentence about the progress, as a logger's ``info`` does."""


@contextmanager
def one_sentence(where: str) -> Iterator[None]:
    """Turn the server's and driver's errors into a CcfError of one sentence that begins with ``where``.

    It is a PassingError if it says nothing of the statement: a lost connection, a lock, a full disk.

    Statements and values stay out of it, but for the row or key that the server names in its detail.
    """
    try:
        yield
    except (psycopg.Error, sa.exc.DBAPIError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        diagnostics = getattr(cause, "diag", None)
        parts = [getattr(diagnostics, "message_primary", None) or first_line(cause)]
        parts += filter(None, [getattr(diagnostics, "message_detail", None)])
        # Without the hint, the sentence is "wrote only 4096 of 8192 bytes".
        if isinstance(cause, psycopg.errors.DiskFull):
            parts += filter(None, [cause.diag.message_hint])
        context = getattr(diagnostics, "context", None) or ""
        parts += [first_line(context)] if context.startswith("COPY ") else []
        kind = PassingError if isinstance(cause, psycopg.OperationalError) else CcfError
        raise kind(": ".join([where, *parts]).rstrip(".") + ".") from None


def psycopg_of(connection: sa.Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under ``connection``, in the same transaction."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def execute(connection: sa.Connection, statement: sa.Executable) -> int:
    """Execute ``statement`` and return the number of rows it inserted, updated or deleted."""
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def identifier(table: sa.TableClause) -> sql.Identifier:
    """The table's name, with its schema if it has one, to be quoted by psycopg."""
    return sql.Identifier(*filter(None, (table.schema, table.name)))


def identifiers(names: Sequence[str]) -> sql.Composed:
    """The names, to be quoted by psycopg, with commas between them."""
    return sql.SQL(", ").join(map(sql.Identifier, names))


def wait_for(connection: sa.Connection, what: str, report: Report, parts: Collection[str] = ()) -> None:
    """Take the advisory lock named ``what`` until the transaction ends, so that loads of it take turns.

    With ``parts``, take it together with loads of other parts of it: those of the same part take turns, and
    the load of the whole waits for them all. One lock stands for many parts, so two that differ may share it.
    """
    places = sorted({f"{what} {crc32(part.encode()) % PART_LOCKS:02}" for part in parts})
    mode = "_shared" if places else ""
    raw = psycopg_of(connection)
    with going_on(report, f"{what}: waiting for another load of it"):
        raw.execute(f"SELECT pg_advisory_xact_lock{mode}(hashtextextended(%s, 0))", [what])
        for place in places:  # in one order, so that two loads never wait for each other
            raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [place])


PART_LOCKS = 64
"""The server has room for some thousand locks, and a run may cover more partitions than that."""


def analyze_table(connection: sa.Connection, table: sa.TableClause, changed_rows: int) -> None:
    """Refresh the planner's statistics if a tenth of the rows changed, as autovacuum does within a minute.

    Those of a table of few rows always: to it a small atlas beside large ones is less than a tenth, and a key
    that the statistics do not know is taken for one row. A sum over the runs of such an atlas was computed
    anew for each of its regions.

    In a transaction of its own, after the commit: until the end of its transaction, ANALYZE keeps every other
    load of the table from the same.

    The next load may refer to these rows: with old statistics, checking its foreign key takes three times as
    long. If there are many, the BRIN indexes take them in as well: until then each of their queries reads all
    rows that are new, and autovacuum may take minutes.
    """
    raw, name = psycopg_of(connection), identifier(table)
    query = "SELECT reltuples FROM pg_class WHERE oid = %s::regclass"
    (known_rows,) = raw.execute(query, [name.as_string()]).fetchone() or (0,)
    if changed_rows > known_rows / 10 or known_rows < FEW_ROWS:
        raw.execute(sql.SQL("ANALYZE {}").format(name))
    if changed_rows >= MANY_ROWS:
        raw.execute(_SUMMARIZE, [name.as_string()])


FEW_ROWS = 200_000
"""The regions and ancestors of twenty Allen atlases; ANALYZE takes 30 ms for 30,000 rows."""

MANY_ROWS = 10_000

_SUMMARIZE = """
SELECT brin_summarize_new_values(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
CROSS JOIN CAST(%s AS regclass) AS t
WHERE i.indrelid IN (SELECT t UNION SELECT relid FROM pg_partition_tree(t) WHERE isleaf) AND c.relkind = 'i'
    AND a.amname = 'brin' AND pg_has_role(c.relowner, 'USAGE')
"""
