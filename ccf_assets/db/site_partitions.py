"""The tables of sites and regions in partitions by a hash of the recording: how many, and made anew.

Partitions are for some hundred million sites: each has indexes of its own, which fit into memory one by one.
A new database has as many as CCF_SITE_PARTITIONS says, one meaning ordinary tables; an existing one keeps
what it has until it is told otherwise (install.divide_sites).
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ccf_assets.db import dependents, schema
from ccf_assets.errors import CcfError
from ccf_assets.finding import listed

TABLES = (schema.recording_site, schema.recording_region)
"""The tables that are divided; the first is referred to by the second."""

LOCK_WAIT_S = 10
"""Longest wait for other sessions."""

_KEY_MEMORY = "256MB"
"""maintenance_work_mem while keys are built, as for an atlas."""


def partitions_of_sites(connection: sa.Connection) -> int:
    """Into how many partitions the sites of this database are divided; 1 means that they are not."""
    query = sa.text("SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass(:name)")
    return connection.scalar(query, {"name": str(schema.recording_site)}) or 1


def rebuild(connection: sa.Connection, count: int) -> Sequence[dependents.SetAside]:
    """Make both tables anew in so many partitions, with their rows, keys, indexes and triggers.

    Only tables that refer to them may still depend on them (`dependents.set_aside`). They stay locked to the
    end of the transaction, and take their room twice until then.

    Args:
        connection: in a transaction whose search_path is pg_catalog.
        count: how many partitions each has then; 1: ordinary tables.

    Returns:
        What `dependents.put_back` is to give the new tables: owner, comments and grants.

    Raises:
        CcfError: they have something that would be lost.
    """
    names = {"names": [str(table) for table in TABLES]}
    # While this waits, new readers wait behind it.
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'")
    connection.exec_driver_sql(f"LOCK TABLE {', '.join(names['names'])} IN ACCESS EXCLUSIVE MODE")
    if found := connection.scalars(sa.text(_LOST), names).all():
        raise CcfError(
            f"Tables of sites are made anew, and {listed(found)} would be lost. {dependents.TO_DIVIDE}"
        )
    saved = [dependents.saved_table(connection, table) for table in TABLES]
    again = connection.scalars(sa.text(_MADE_AGAIN), names).all()
    for statement in connection.scalars(sa.text(_DROP_FOREIGN_KEYS), names).all():
        _execute(connection, statement)
    for table, of in zip(TABLES, saved, strict=True):
        _renew(connection, table, of.owner, count)
    connection.exec_driver_sql(f"SET LOCAL maintenance_work_mem = '{_KEY_MEMORY}'")
    for statement in again:
        _execute(connection, statement)
    if count > 1:
        # Beside the BRIN index: where the names of files do not follow the order in which these were loaded,
        # the planner takes the rows of a file for scattered, and beside 25 million sites reads them all.
        for table in TABLES:
            connection.exec_driver_sql(
                f"CREATE INDEX IF NOT EXISTS {table.name}_source_idx ON {table} (source)"
            )
    connection.exec_driver_sql(f"ANALYZE {', '.join(names['names'])}")
    return saved


def _renew(connection: sa.Connection, table: sa.Table, owner: str, count: int) -> None:
    """Replace a table by one of so many partitions with the same columns, checks and rows, without keys."""
    before = f"{table}_before"
    columns = connection.scalar(sa.text(_COLUMNS), {"name": str(table)})
    by = " PARTITION BY HASH (recording_id)" if count > 1 else ""
    connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {table.name}_before")
    connection.exec_driver_sql(f"CREATE TABLE {table} (LIKE {before} INCLUDING ALL EXCLUDING INDEXES){by}")
    for number in range(count if by else 0):
        part = f"{table}_part{number}"
        values = f"FOR VALUES WITH (MODULUS {count}, REMAINDER {number})"
        connection.exec_driver_sql(f"CREATE TABLE {part}_new PARTITION OF {table} {values}")
        _execute(connection, f"ALTER TABLE {part}_new OWNER TO {owner}")
    # In the order in which they are stored, so that those of one source stay together (its BRIN index).
    copied = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {before}"  # noqa: S608
    _execute(connection, copied)
    connection.exec_driver_sql(f"DROP TABLE {before}")
    for number in range(count if by else 0):  # the partitions before had these names
        connection.exec_driver_sql(
            f"ALTER TABLE {table}_part{number}_new RENAME TO {table.name}_part{number}"
        )


def _execute(connection: sa.Connection, statement: str) -> None:
    """Execute a statement with text from the catalogue, in which a % is not the driver's."""
    connection.exec_driver_sql(statement.replace("%", "%%"))


_COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""

_OF_TABLES = "ANY (SELECT to_regclass(name) FROM unnest(CAST(:names AS text[])) AS given (name))"

_DROP_FOREIGN_KEYS = f"""
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND (conrelid = {_OF_TABLES} OR confrelid = {_OF_TABLES})
"""  # noqa: S608

_MADE_AGAIN = f"""
SELECT statement FROM (
  SELECT CASE contype WHEN 'f' THEN 3 ELSE 1 END, conname,
         format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
  FROM pg_constraint
  WHERE conparentid = 0 AND (contype IN ('p', 'u', 'x') AND conrelid = {_OF_TABLES}
                             OR contype = 'f' AND (conrelid = {_OF_TABLES} OR confrelid = {_OF_TABLES}))
  UNION ALL
  SELECT 2, c.relname, replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ')
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
  WHERE i.indrelid = {_OF_TABLES}
    AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
  UNION ALL
  SELECT 4, tgname, pg_get_triggerdef(oid) FROM pg_trigger
  WHERE tgrelid = {_OF_TABLES} AND NOT tgisinternal AND tgparentid = 0
  UNION ALL
  SELECT 5, tgname, format('ALTER TABLE %s %s TRIGGER %I', tgrelid::regclass, CASE tgenabled
           WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'DISABLE' END, tgname)
  FROM pg_trigger
  WHERE tgrelid = {_OF_TABLES} AND NOT tgisinternal AND tgparentid = 0 AND tgenabled <> 'O'
) AS made (step, name, statement)
ORDER BY step, name
"""  # noqa: S608
"""The statements for keys (1), indexes (2), foreign keys in both directions (3), and triggers (4, 5)."""

_LOST = f"""
SELECT pg_describe_object('pg_policy'::regclass, oid, 0) FROM pg_policy WHERE polrelid = {_OF_TABLES}
UNION ALL
SELECT format('row level security of %s', oid::regclass) FROM pg_class
WHERE oid = {_OF_TABLES} AND relrowsecurity
UNION ALL
SELECT pg_describe_object('pg_rewrite'::regclass, oid, 0) FROM pg_rewrite WHERE ev_class = {_OF_TABLES}
UNION ALL
SELECT pg_describe_object('pg_publication_rel'::regclass, oid, 0) FROM pg_publication_rel
WHERE prrelid = {_OF_TABLES}
ORDER BY 1
"""  # noqa: S608
"""What goes with a table, and is no part of its columns, keys and triggers."""
