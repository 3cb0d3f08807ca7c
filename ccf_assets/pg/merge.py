"""Rows into an ordinary table: merged by primary key, or straight into a slice that is empty."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from ccf_assets.errors import CcfError
from ccf_assets.pg.arrow import as_text
from ccf_assets.pg.bring import LINES_AT_ONCE, Rows, checked_names, column_names, copy_rows, stage
from ccf_assets.pg.connect import let_go_if_interrupted
from ccf_assets.pg.foreign_keys import FastPathRefusedError, foreign_keys_at_once
from ccf_assets.pg.session import (
    Report,
    analyze_table,
    execute,
    identifier,
    identifiers,
    psycopg_of,
    wait_for,
)
from ccf_assets.pg.slices import Slice, Written, paired, preview_of, rows_per_key
from ccf_assets.progress import going_on

SideWork: TypeAlias = Callable[[], object]
"""To be called, once: with a query at once, else when the server has all rows and its keys."""

SORT_MEMORY = "256MB"
"""work_mem of a merge: two sorts of a million sites, or the staging of as many, stay in memory."""

OTHERS_PATIENCE_S = 10
"""After this long of waiting for others, a query that a second session answers is asked by the first."""


def _refuse_repeated_keys(
    connection: sa.Connection, table: sa.Table, staged: sa.TableClause, keys: Sequence[str]
) -> None:
    columns = [staged.c[key] for key in keys]
    query = sa.select(*columns).group_by(*columns).having(sa.func.count() > 1).limit(1)
    repeated = connection.execute(query).mappings().first()
    if repeated is not None:
        raise CcfError(f"{table}: two rows have the key {paired(repeated)}; a key may occur once.")


def merge(
    connection: sa.Connection,
    target: Slice,
    rows: Rows,
    report: Report,
    meanwhile: SideWork,
    held: list[sa.Connection],
    *,
    stay: bool = False,
) -> Written:
    """Make the slice equal ``rows`` by primary key, touching only rows that differ.

    With ``stay`` rows of the slice that are not brought are left as they are, and counted.

    Columns that ``rows`` does not bring get their default in new and in changed rows, and stay in equal ones.
    Loads of one table merge one after the other. A session that holds locks until the transaction has ended
    goes to ``held``.
    """
    table = target.table
    keys = [column.name for column in table.primary_key]
    if not keys:
        raise CcfError(f"{table} has no primary key to merge rows by; give it one.")
    names = checked_names(target, rows, keys)
    raw = psycopg_of(connection)
    raw.execute(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
    if isinstance(rows, sa.Select):
        meanwhile()
    inserted = _insert_all(connection, target, rows, report, held)
    if inserted is not None:
        numbers = {"rows_deleted": 0, "rows_updated": 0, "rows_inserted": inserted}
        preview = preview_of(connection, table, target.where(), keys)
        return Written(inserted, numbers, preview, rows_per_key(connection, target, table))
    staged, count = stage(connection, target, rows, names, report)
    if not isinstance(rows, sa.Select):
        meanwhile()
    # What the planner thinks of the target may be old: without a key here it could compare all with all.
    try:
        with raw.transaction():
            raw.execute(
                sql.SQL("CREATE UNIQUE INDEX ON {} ({})").format(identifier(staged), identifiers(keys))
            )
    except psycopg.errors.UniqueViolation:
        _refuse_repeated_keys(connection, table, staged, keys)
        raise
    wait_for(connection, str(table), report)

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
    # No LIMIT: for the planner it promises an early hit, where there is almost never one.
    elsewhere = sa.select(*table.primary_key).where(brought, target.where().is_not(sa.true()))
    taken = connection.execute(elsewhere).mappings().first() if target.dimensions else None
    if taken is not None:
        raise CcfError(
            f"{table}: the key {paired(taken)} is in use outside what is written: {target.partitions()}."
        )
    values = {**{name: staged.c[name] for name in changing}, **dict.fromkeys(defaults, sa.text("DEFAULT"))}
    # In the order of the key, which its index takes up faster than any other.
    new = sa.select(staged).where(~known).order_by(*(staged.c[key] for key in keys))
    with going_on(report, f"{table.name}: merging"):
        numbers = {
            "rows_deleted": 0
            if stay
            else execute(connection, sa.delete(table).where(target.where(), ~brought)),
            "rows_updated": execute(connection, sa.update(table).values(values).where(same_key, differs))
            if changing
            else 0,
            "rows_inserted": _insert(
                connection, table, staged, sa.insert(table).from_select(names, new), count
            ),
        }
        analyze_table(connection, table, sum(numbers.values()))
    preview = preview_of(connection, table, target.where(), keys)
    if stay:
        per_key = rows_per_key(connection, target, table)
        of_slice = sa.select(sa.func.count()).select_from(table).where(target.where())
        return Written(connection.scalar(of_slice) or 0, numbers, preview, per_key)
    return Written(count, numbers, preview, rows_per_key(connection, target, staged))


def _insert_all(
    connection: sa.Connection, target: Slice, rows: Rows, report: Report, held: list[sa.Connection]
) -> int | None:
    """Insert ``rows`` as they come where nothing is in the slice yet, so that there is nothing to compare.

    Returns:
        Their number; None where something is in the slice, or in the way, for the other way to tell, and
        where ``rows`` can be read only once, which leaves no other way.
    """
    table, raw, names = target.table, psycopg_of(connection), column_names(rows)
    # COPY would take a value that an INSERT may not bring.
    if isinstance(rows, pa.RecordBatchReader) or any(table.c[name].identity is not None for name in names):
        return None
    wait_for(connection, str(table), report)
    of_slice = sa.select(table).where(target.where())
    if connection.scalar(sa.select(of_slice.exists())):
        return None
    most = rows.num_rows if isinstance(rows, pa.Table) else None
    with (
        suppress(*FALL_BACK_ON),
        raw.transaction(),
        foreign_keys_at_once(connection, table, of_slice, names, most),
    ):
        if isinstance(rows, pa.Table):
            count = copy_rows(connection, table, table, rows, report, freeze=False)
        else:
            other = connection.engine.connect()
            held.append(other)
            with going_on(report, f"{table.name}: filling it from a query"), let_go_if_interrupted(other):
                count = _pour(connection, other, rows, table)
        analyze_table(connection, table, count)
        if connection.scalar(sa.select(sa.func.count()).select_from(of_slice.subquery())) != count:
            raise FastPathRefusedError  # rows outside the slice
        return count
    while held:  # who waits for it may be in the way of the other way
        held.pop().close()
    return None


def _pour(connection: sa.Connection, other: sa.Connection, query: sa.Select[Any], into: sa.Table) -> int:
    """Copy the answer that another session gives to ``query`` into a table, as text, which any type can be.

    One session asks while the other stores, on two cores: an INSERT … SELECT takes one, and 7 s for the
    regions of a million sites instead of 4. What the query locks is locked as long as that session lasts.
    Should others wait for it while one of the two waits for them, no server can see it: it does not know that
    they wait for each other through us. Hence an end of patience in both.

    Returns:
        The number of rows.
    """
    storing, asking = psycopg_of(connection), psycopg_of(other)
    for session in (storing, asking):
        session.execute(f"SET LOCAL lock_timeout = '{OTHERS_PATIENCE_S}s'")
        session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # one waits for the other
    asking.execute(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
    asked = sql.SQL("COPY ({}) TO STDOUT").format(sql.SQL(as_text(query)))
    stored = sql.SQL("COPY {} ({}) FROM STDIN").format(identifier(into), identifiers(column_names(query)))
    with asking.cursor() as out_of, storing.cursor() as in_to:
        with out_of.copy(asked) as answer, in_to.copy(stored) as copy:
            lines = iter(answer)
            while block := b"".join(itertools.islice(lines, LINES_AT_ONCE)):
                copy.write(block)
        return in_to.rowcount


def _insert(
    connection: sa.Connection, table: sa.Table, staged: sa.TableClause, statement: sa.Insert, most: int
) -> int:
    """Execute ``statement``, which inserts rows of ``staged``, at most so many; returns how many it did."""
    with (
        suppress(FastPathRefusedError),
        psycopg_of(connection).transaction(),
        foreign_keys_at_once(connection, table, sa.select(staged), staged.c.keys(), most),
    ):
        return execute(connection, statement)
    return execute(connection, statement)  # in the server's own way, for its words


FALL_BACK_ON = (
    FastPathRefusedError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.NotSupportedError,
    psycopg.ProgrammingError,
    psycopg.errors.LockNotAvailable,
)
"""What the other way tells in its own words; not what ends any way, such as a lost server."""
