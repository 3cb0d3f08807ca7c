"""Rows into an ordinary table: merged by primary key, or inserted straight into a slice that is empty.

Not here: tables partitioned by LIST (swap.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from ccf_assets.errors import CcfError
from ccf_assets.pg.arrow import as_text
from ccf_assets.pg.connect import let_go_if_interrupted
from ccf_assets.pg.copy_in import LINES_AT_ONCE, Rows, checked_names, column_names, copy_rows, stage
from ccf_assets.pg.foreign_keys import FastPathRefusedError, foreign_keys_at_once
from ccf_assets.pg.session import execute, identifier, identifiers, psycopg_of, wait_for
from ccf_assets.pg.slices import paired, rows_per_key
from ccf_assets.pg.write import Write, Written, preview_of
from ccf_assets.progress import going_on

SORT_MEMORY = "256MB"
"""work_mem of a merge: two sorts of a million sites, or the staging of as many, stay in memory."""

OTHERS_PATIENCE_S = 10
"""Longest wait for others' locks while a second session runs the query; then the first one runs it itself."""


def _refuse_repeated_keys(
    connection: sa.Connection, table: sa.Table, staged: sa.TableClause, keys: Sequence[str]
) -> None:
    columns = [staged.c[key] for key in keys]
    query = sa.select(*columns).group_by(*columns).having(sa.func.count() > 1).limit(1)
    repeated = connection.execute(query).mappings().first()
    if repeated is not None:
        raise CcfError(f"{table}: two rows have the key {paired(repeated)}; a key may occur once.")


def merge(write: Write, rows: Rows, *, rows_stay: bool = False) -> Written:
    """Make the slice equal ``rows`` by primary key; equal rows are not touched.

    With ``rows_stay``, rows of the slice that ``rows`` do not bring are not deleted, and are counted.

    Columns that ``rows`` do not bring get their default in new and in changed rows, and are kept in equal
    ones. Loads of the same partitions merge one after the other, of different ones side by side.

    Raises:
        CcfError: the table has no primary key, the rows do not fit it or the slice, or a key occurs twice.
    """
    connection, target, table = write.connection, write.target, write.target.table
    keys = [column.name for column in table.primary_key]
    if not keys:
        raise CcfError(f"{table} has no primary key to merge rows by; give it one.")
    names = checked_names(target, rows, keys)
    raw = psycopg_of(connection)
    raw.execute(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
    if isinstance(rows, sa.Select):
        write.start_side_work()
    inserted = _insert_all(write, rows)
    if inserted is not None:
        numbers = {"rows_deleted": 0, "rows_updated": 0, "rows_inserted": inserted}
        preview = preview_of(connection, table, target.where(), keys)
        return Written(inserted, numbers, preview, rows_per_key(connection, target, table))
    staged, row_count = stage(write, rows, names)
    if not isinstance(rows, sa.Select):
        write.start_side_work()
    # The planner's statistics of the target may be old: without a unique index here, it could compare every
    # row with every other.
    try:
        with raw.transaction():
            raw.execute(
                sql.SQL("CREATE UNIQUE INDEX ON {} ({})").format(identifier(staged), identifiers(keys))
            )
    except psycopg.errors.UniqueViolation:
        _refuse_repeated_keys(connection, table, staged, keys)
        raise
    _take_turn(write)

    changing = [name for name in names if name not in keys]
    defaults = [
        column.name
        for column in table.columns
        if isinstance(column.server_default, sa.DefaultClause) and column.name not in names
    ]
    same_key = sa.and_(*(table.c[key] == staged.c[key] for key in keys))
    differs = sa.or_(sa.false(), *(table.c[name].is_distinct_from(staged.c[name]) for name in changing))
    brought = sa.exists().select_from(staged).where(same_key).correlate(table)
    known = sa.exists().select_from(table).where(same_key).correlate(staged)
    # No LIMIT: the planner would expect an early hit, and there is almost never one.
    elsewhere = sa.select(*table.primary_key).where(brought, target.where().is_not(sa.true()))
    taken = connection.execute(elsewhere).mappings().first() if target.dimensions else None
    if taken is not None:
        raise CcfError(
            f"{table}: the key {paired(taken)} is in use outside what is written: {target.partitions()}."
        )
    values = {**{name: staged.c[name] for name in changing}, **dict.fromkeys(defaults, sa.text("DEFAULT"))}
    delete = sa.delete(table).where(target.where(), ~brought)
    update = sa.update(table).values(values).where(same_key, differs)
    # In the order of the key, the fastest for its index.
    new = sa.select(staged).where(~known).order_by(*(staged.c[key] for key in keys))
    insert = sa.insert(table).from_select(names, new)
    with going_on(write.report, f"{table.name}: merging"):
        deleted = 0 if rows_stay else execute(connection, delete)
        updated = execute(connection, update) if changing else 0
        inserted = _insert(connection, table, staged, insert, row_count)
    numbers = {"rows_deleted": deleted, "rows_updated": updated, "rows_inserted": inserted}
    preview = preview_of(connection, table, target.where(), keys)
    if rows_stay:
        per_key = rows_per_key(connection, target, table)
        of_slice = sa.select(sa.func.count()).select_from(table).where(target.where())
        return Written(connection.scalar(of_slice) or 0, numbers, preview, per_key)
    return Written(row_count, numbers, preview, rows_per_key(connection, target, staged))


def _take_turn(write: Write) -> None:
    """Wait for other loads of the slice, then for the table, as whose writer nothing of it is held yet.

    A swap of rows that refer to this table locks it against writers, and at its end against readers, too. Who
    has read the table and then waits to write it would be in its way, and the server would end one of them.
    """
    target = write.target
    wait_for(write.connection, str(target.table), write.report, target.keys)
    lock = sql.SQL("LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE").format(identifier(target.table))
    psycopg_of(write.connection).execute(lock)


def _insert_all(write: Write, rows: Rows) -> int | None:
    """Insert ``rows`` directly if the slice is empty, so that there is nothing to compare.

    Returns:
        Their number. None if the slice is not empty, if the direct way failed (staging them reports why), or
        if ``rows`` can be read only once, so that they could not be staged afterwards.
    """
    connection, target, report = write.connection, write.target, write.report
    table, raw, names = target.table, psycopg_of(connection), column_names(rows)
    # COPY would accept a value for an identity column, which an INSERT may not bring.
    if isinstance(rows, pa.RecordBatchReader) or any(table.c[name].identity is not None for name in names):
        return None
    _take_turn(write)
    of_slice = sa.select(table).where(target.where())
    if connection.scalar(sa.select(of_slice.exists())):
        return None
    most_rows = rows.num_rows if isinstance(rows, pa.Table) else None
    with (
        suppress(*FALL_BACK_ON),
        raw.transaction(),
        foreign_keys_at_once(connection, table, of_slice, names, most_rows),
    ):
        if isinstance(rows, pa.Table):
            row_count = copy_rows(connection, table, table, rows, report, freeze=False)
        else:
            other = write.open_query_session()
            with going_on(report, f"{table.name}: filling it from a query"), let_go_if_interrupted(other):
                row_count = _pour(connection, other, rows, table)
        if connection.scalar(sa.select(sa.func.count()).select_from(of_slice.subquery())) != row_count:
            raise FastPathRefusedError  # a row is outside the slice
        return row_count
    # Sessions that wait for the second one's locks may hold locks that the staged merge needs.
    write.close_query_session()
    return None


def _pour(connection: sa.Connection, other: sa.Connection, query: sa.Select[Any], into: sa.Table) -> int:
    """Copy the result of ``query``, run in session ``other``, into a table, as text, which every type has.

    One session runs the query while the other stores its rows, on two cores: an INSERT … SELECT takes one,
    and 7 s for the regions of a million sites instead of 4. The query's row locks last as long as ``other``.
    If a third session waits for one of the two and is waited for by the other, the server sees no deadlock:
    it does not know that our two wait for each other. Hence a lock timeout in both.

    Returns:
        The number of rows.
    """
    storing, querying = psycopg_of(connection), psycopg_of(other)
    for session in (storing, querying):
        session.execute(f"SET LOCAL lock_timeout = '{OTHERS_PATIENCE_S}s'")
        session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # each waits for the other
    # While the first one waits, nothing is read from the second, which must not take us for lost.
    querying.execute("SET LOCAL tcp_user_timeout = 0")
    querying.execute(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
    copy_out = sql.SQL("COPY ({}) TO STDOUT").format(sql.SQL(as_text(query)))
    copy_in = sql.SQL("COPY {} ({}) FROM STDIN").format(identifier(into), identifiers(column_names(query)))
    with querying.cursor() as source, storing.cursor() as destination:
        with source.copy(copy_out) as result, destination.copy(copy_in) as copy:
            lines = iter(result)
            while block := b"".join(itertools.islice(lines, LINES_AT_ONCE)):
                copy.write(block)
        return destination.rowcount


def _insert(
    connection: sa.Connection, table: sa.Table, staged: sa.TableClause, statement: sa.Insert, most_rows: int
) -> int:
    """Execute ``statement``, which inserts at most ``most_rows`` rows of ``staged``; returns how many."""
    with (
        suppress(FastPathRefusedError),
        psycopg_of(connection).transaction(),
        foreign_keys_at_once(connection, table, sa.select(staged), staged.c.keys(), most_rows),
    ):
        return execute(connection, statement)
    # A foreign key is violated: the server checks row by row and names it.
    return execute(connection, statement)


FALL_BACK_ON = (
    FastPathRefusedError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.NotSupportedError,
    psycopg.ProgrammingError,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
)
"""Errors after which rows are staged and merged instead, which reports them in its own words. Anything else,
such as a lost connection, ends the write."""
