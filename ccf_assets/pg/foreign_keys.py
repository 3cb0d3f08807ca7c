"""Foreign keys of many inserted rows, checked by one statement a key instead of one lookup a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from psycopg import sql

from ccf_assets.pg.arrow import as_text
from ccf_assets.pg.session import identifier, psycopg_of

ROWS_TO_CHECK_AT_ONCE = 10_000
"""The server itself checks the foreign keys of fewer rows within a tenth of a second."""

MANY_MORE = 3
"""A referenced table with so many times the rows that refer to it is not read as a whole: only the rows that
have the same values in the first column are. Reading ten million sites took 7.9 of 43 s for one million."""

SMALL_MB = 1
"""Referenced tables below this size have each row locked once, however many inserted rows refer to it."""


@contextmanager
def foreign_keys_at_once(
    connection: sa.Connection,
    table: sa.Table,
    inserted: sa.Select[Any],
    names: Sequence[str],
    most_rows: int | None,
) -> Iterator[None]:
    """Check the foreign keys of the rows that the block inserts, all at once after it.

    The server checks them row by row: 14 s of the 20 s that a million sites and their regions took. Here its
    checks are switched off for the block, and the referenced rows are looked up afterwards, under the locks
    that the server would take. This needs a user who may switch the checks off (a superuser, or GRANT SET ON
    PARAMETER session_replication_role), and a table where an INSERT fires no other trigger but those that are
    enabled ALWAYS or repeat a foreign key; otherwise, and for few rows, the server checks them as always.

    Args:
        connection: the session that inserts, in a transaction.
        table: the table inserted into.
        inserted: a query for the inserted rows, or for more; it runs after the block.
        names: the columns inserted.
        most_rows: the largest possible number of rows, None where it is not known.

    Raises:
        FastPathRefusedError: a row refers to one that does not exist.
    """
    raw = psycopg_of(connection)
    about = {"table": identifier(table).as_string(), "names": list(names)}
    many = most_rows is None or most_rows >= ROWS_TO_CHECK_AT_ONCE
    (allowed,) = (many and raw.execute(_ONLY_FOREIGN_KEYS, about).fetchone()) or (False,)
    if not allowed:
        yield
        return
    raw.execute("SET LOCAL session_replication_role = replica")
    yield
    raw.execute("SET LOCAL session_replication_role = origin")
    rows = sql.SQL("WITH inserted AS NOT MATERIALIZED ({}), ").format(sql.SQL(as_text(inserted)))
    for wanted, known, of_wanted, known_rows in raw.execute(_FOREIGN_KEYS, about).fetchall():
        rows_wanted = rows + sql.SQL(wanted)
        (count,) = raw.execute(rows_wanted + sql.SQL(" SELECT count(*) FROM wanted")).fetchone() or (0,)
        few = known_rows > count * MANY_MORE
        # The planner knows nothing of rows just inserted, and would look up each of many by itself.
        raw.execute("SET LOCAL enable_nestloop = off")
        lock = sql.SQL(" SELECT count(*) FROM ({} {} FOR KEY SHARE OF known) AS locked").format(
            sql.SQL(known), sql.SQL(of_wanted if few else "")
        )
        (locked,) = raw.execute(rows_wanted + lock).fetchone() or (0,)
        raw.execute("SET LOCAL enable_nestloop = on")
        if count != locked:
            raise FastPathRefusedError


class FastPathRefusedError(Exception):
    """Rows cannot be inserted by the fast path; the slower one reports the reason, if there is one."""


_ONLY_FOREIGN_KEYS = """
SELECT has_parameter_privilege('session_replication_role', 'SET')
    AND current_setting('session_replication_role') = 'origin'
    AND NOT relhasrules
    AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgtype & 4 <> 0
        AND tgrelid IN (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid))
        AND tgfoid <> '"RI_FKey_check_ins"'::regproc AND tgenabled <> 'A'
        AND encode(tgargs, 'escape') <> 'repeats a foreign key\\000')
    AND NOT EXISTS (SELECT FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
        WHERE conrelid = c.oid AND contype = 'f' AND (confmatchtype <> 's' OR attname <> ALL (%(names)s)))
FROM pg_class c WHERE c.oid = %(table)s::regclass
"""
"""Whether foreign keys are the only triggers of an INSERT (4 in tgtype) that can be switched off, all of them
MATCH SIMPLE and of inserted columns, and the user may do so. A trigger that users made is another one, unless
it is enabled ALWAYS, or has the argument "repeats a foreign key": then it refuses only what a key refuses, in
better words. So is that of a deferrable unique key."""

_FOREIGN_KEYS = f"""
SELECT
    format('wanted AS %%s %%s FROM inserted WHERE (%%s) IS NOT NULL)',
        CASE WHEN p.relkind <> 'p' AND pg_relation_size(p.oid) < {SMALL_MB << 20}
            THEN '(SELECT DISTINCT' ELSE 'NOT MATERIALIZED (SELECT' END, own, own),
    format('SELECT FROM %%s %%s AS known JOIN wanted ON (%%s) = (%%s)',
        CASE WHEN p.relkind = 'p' THEN '' ELSE 'ONLY' END, p.oid::regclass, theirs, wanted),
    format('WHERE known.%%I = ANY (ARRAY(SELECT DISTINCT %%I FROM wanted))', their_first, own_first),
    p.reltuples
FROM pg_constraint c
JOIN pg_class p ON p.oid = c.confrelid
CROSS JOIN LATERAL (
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n) AS own,
        string_agg('wanted.' || quote_ident(a.attname), ', ' ORDER BY n) AS wanted,
        string_agg('known.' || quote_ident(b.attname), ', ' ORDER BY n) AS theirs,
        (array_agg(a.attname ORDER BY n))[1] AS own_first,
        (array_agg(b.attname ORDER BY n))[1] AS their_first
    FROM unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (own, theirs, n)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own
    JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.theirs
) AS columns
-- For each partition of a referenced table there is a row of its own, which says the same of fewer rows.
WHERE c.conrelid = %(table)s::regclass AND c.contype = 'f' AND c.conparentid = 0
"""  # noqa: S608
"""For each foreign key: *wanted*, the rows of *inserted* that refer to another row; a query for the rows they
refer to; the condition that these have the same values in the first column; and how many rows there are to
refer to. In a small referenced table each row is wanted once; in a large one, locking a row again costs less
than finding the distinct ones."""
