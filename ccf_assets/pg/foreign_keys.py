"""Foreign keys of many rows, checked by one statement instead of once a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from psycopg import sql

from ccf_assets.pg.arrow import as_text
from ccf_assets.pg.session import identifier, psycopg_of

ROWS_TO_CHECK_AT_ONCE = 10_000
"""Fewer rows have their foreign keys checked by the server within a tenth of a second."""

SMALL_MB = 1
"""Size of a table below which each of its rows is looked at once, however many rows refer to it."""


@contextmanager
def foreign_keys_at_once(
    connection: sa.Connection, table: sa.Table, rows: sa.Select[Any], names: Sequence[str], most: int | None
) -> Iterator[None]:
    """Check the foreign keys of many rows that are inserted meanwhile at once, in the end.

    The server looks up those of each row by itself: 14 s of the 20 s that a million sites and their regions
    took. It is told not to, and all are looked up under the locks that it would take, where the user may
    switch its checks off (a superuser, or GRANT SET ON PARAMETER session_replication_role) and they are all
    that an INSERT would set off.

    Args:
        connection: a transaction.
        table: what is inserted into.
        rows: what is inserted, or more, to be asked in the end.
        names: the columns inserted.
        most: how many rows at most, where that is known.

    Raises:
        FastPathRefusedError: some row refers to what is not there.
    """
    raw = psycopg_of(connection)
    about = {"table": identifier(table).as_string(), "names": list(names)}
    many = most is None or most >= ROWS_TO_CHECK_AT_ONCE
    (free,) = (many and raw.execute(_ONLY_FOREIGN_KEYS, about).fetchone()) or (False,)
    if not free:
        yield
        return
    raw.execute("SET LOCAL session_replication_role = replica")
    yield
    raw.execute("SET LOCAL session_replication_role = origin")
    inserted = sql.SQL("WITH inserted AS NOT MATERIALIZED ({}), ").format(sql.SQL(as_text(rows)))
    for (check,) in raw.execute(_FOREIGN_KEYS, about).fetchall():
        wanted, locked = raw.execute(inserted + sql.SQL(check)).fetchone() or (0, 0)
        if wanted != locked:
            raise FastPathRefusedError


class FastPathRefusedError(Exception):
    """Rows cannot be had by the quick way."""


_ONLY_FOREIGN_KEYS = """
SELECT has_parameter_privilege('session_replication_role', 'SET')
    AND current_setting('session_replication_role') = 'origin'
    AND NOT relhasrules
    AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgtype & 4 <> 0
        AND tgfoid <> '"RI_FKey_check_ins"'::regproc)
    AND NOT EXISTS (SELECT FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
        WHERE conrelid = c.oid AND contype = 'f' AND (confmatchtype <> 's' OR attname <> ALL (%(names)s)))
FROM pg_class c WHERE c.oid = %(table)s::regclass
"""
"""Whether foreign keys are all that an INSERT (4 in tgtype) sets off, and the user may have them checked
otherwise. A trigger of a lab's own is none, nor is the check of a unique key that is deferrable."""

_FOREIGN_KEYS = f"""
SELECT format('wanted AS %%s %%s FROM inserted WHERE (%%s) IS NOT NULL)
    SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM
        (SELECT FROM %%s %%s AS known JOIN wanted ON (%%s) = (%%s) FOR KEY SHARE OF known) AS locked)',
    CASE WHEN p.relkind <> 'p' AND pg_relation_size(p.oid) < {SMALL_MB << 20}
        THEN '(SELECT DISTINCT' ELSE 'NOT MATERIALIZED (SELECT' END, own, own,
    CASE WHEN p.relkind = 'p' THEN '' ELSE 'ONLY' END, p.oid::regclass, theirs, wanted)
FROM pg_constraint c
JOIN pg_class p ON p.oid = c.confrelid
CROSS JOIN LATERAL (
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n) AS own,
        string_agg('wanted.' || quote_ident(a.attname), ', ' ORDER BY n) AS wanted,
        string_agg('known.' || quote_ident(b.attname), ', ' ORDER BY n) AS theirs
    FROM unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (own, theirs, n)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own
    JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.theirs
) AS columns
WHERE c.conrelid = %(table)s::regclass AND c.contype = 'f'
"""  # noqa: S608
"""For each foreign key a query of *inserted*: how many rows refer to another, and to how many that is there
and locked. Of a few others each counts once; of many, to lock it again costs less than to find that out."""
