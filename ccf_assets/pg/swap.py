"""Rows into a table partitioned by LIST: a new partition is built and attached in place of the old one.

Not here: ordinary tables (merge.py), which tables partitioned by RANGE or HASH are treated as.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from ccf_assets.errors import CcfError
from ccf_assets.pg.copy_in import COLUMN_TYPE, Rows, checked_names, fill, stage, without_constant
from ccf_assets.pg.session import Report, identifier, identifiers, psycopg_of, wait_for
from ccf_assets.pg.slices import refuse_rows_outside, rows_per_key
from ccf_assets.pg.write import Write, Written, preview_of
from ccf_assets.progress import going_on

LONGEST_NAME = 63
"""Bytes to which PostgreSQL cuts identifiers."""

INDEX_MEMORY = "256MB"
"""maintenance_work_mem while keys are built: 2.8 M rows sort in memory; more gains nothing measurable."""

LOCK_WAIT_S = 2
"""Longest wait for a lock that readers queue behind; then they are let pass, and the lock is tried again."""

LOCK_PATIENCE_S = 600
"""After trying for this long, a load gives up."""


def list_column_of(connection: sa.Connection, table: sa.Table) -> tuple[str, str] | None:
    """Name and type of the column that a table is LIST-partitioned by, or None for any other table."""
    query = """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_partitioned_table p
        JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE p.partrelid = %s::regclass AND p.partstrat = 'l' AND p.partnatts = 1
    """
    return psycopg_of(connection).execute(query, [identifier(table).as_string()]).fetchone()


def swap(write: Write, column: tuple[str, str], rows: Rows) -> Written:
    """Build the slice's partitions anew, with their keys, and attach them in place of the old ones.

    Readers see the old partitions until the transaction commits. Loads of the same partition take turns. As
    after TRUNCATE, a REPEATABLE READ transaction that began before the swap and reads the table only after it
    may find the partition empty, if a query or a write of several partitions filled it; COPY … FREEZE avoids
    that.

    Args:
        write: the write.
        column: name and type of the column that the table is partitioned by.
        rows: the rows of all partitions of the slice.

    Raises:
        CcfError: the asset is partitioned otherwise than the table, the rows do not fit the table or the
            slice, or the table stayed locked for too long.
    """
    connection, target, report = write.connection, write.target, write.report
    table, raw = target.table, psycopg_of(connection)
    if [dimension.expression for dimension in target.dimensions] != [column[0]]:
        raise CcfError(
            f"{table} is partitioned by {column[0]}; an asset that writes it must be partitioned by it too, "
            f'with metadata {{"partition_expr": "{column[0]}"}}.'
        )
    names = checked_names(target, rows)
    values = sorted({str(target.dimensions[0].value(key)) for key in target.keys})
    for value in values:
        wait_for(connection, f"{table}_{value}", report)
    raw.execute(f"SET LOCAL maintenance_work_mem = '{INDEX_MEMORY}'")
    started = time.monotonic()
    partitions = [_NewPartition(raw, table, *column, value) for value in values]
    for partition in partitions:
        partition.create()
    per_key: Mapping[str, int] = {}
    if len(partitions) == 1:
        row_count = _fill(write, partitions[0], rows)
    else:
        staged, row_count = stage(write, rows, names)
        per_key = rows_per_key(connection, target, staged)
        for partition in partitions:
            partition.insert_from(staged)
    copied = time.monotonic()
    with going_on(report, f"{table.name}: building keys"):
        for partition in partitions:
            partition.build_keys()
        write.start_side_work()  # keys are built on all cores, what follows on one
        for partition in partitions:
            partition.analyze()
            try:
                partition.add_bound_check()
            except psycopg.errors.CheckViolation:
                refuse_rows_outside(connection, target, partition.clause)
                raise
    keyed = time.monotonic()
    # Before the swap, whose locks readers would wait for.
    primary_key = [key.name for key in table.primary_key]
    preview = preview_of(connection, partitions[0].clause, sa.true(), primary_key)
    _attach_all(raw, partitions, report)
    numbers = {"copy_seconds": round(copied - started, 2), "key_seconds": round(keyed - copied, 2)}
    return Written(row_count, numbers, preview, per_key)


_INTEGERS = ("smallint", "integer", "bigint")
"""Types of the column that a table is partitioned by, for which rows can come without it."""


def _fill(write: Write, partition: _NewPartition, rows: Rows) -> int:
    """Fill the only partition that is written; returns the number of rows.

    The integer that all its rows share is compared here and not sent: it is 8 of the 42 bytes that a voxel
    takes on its way, and the server needs no scan for it afterwards (1.0 of 30 s for 32 million voxels).
    """
    connection, target, report = write.connection, write.target, write.report
    table, name = target.table, partition.column_name
    if isinstance(rows, sa.Select) or not _comes_as_integer(rows.schema, partition):
        return fill(connection, table, partition.clause, rows, report)
    if len(rows.schema) == 1 or table.c[name].server_default is not None:
        # A row needs a column that is sent, and the parent's own default must stay.
        return fill(connection, table, partition.clause, rows, report)
    partition.add_bound_check()
    partition.set_default()
    others = without_constant(rows, target, name, int(partition.value))
    row_count = fill(connection, table, partition.clause, others, report)
    partition.drop_default()
    return row_count


def _comes_as_integer(rows: pa.Schema, partition: _NewPartition) -> bool:
    """Whether the column that the table is partitioned by has integers, in the table and in ``rows``."""
    sent = rows.field(partition.column_name).type
    return (
        partition.column_type in _INTEGERS
        and pa.types.is_integer(sent)
        and sent != pa.uint64()  # pyarrow cannot compare its largest values
        and partition.value.removeprefix("-").isdecimal()  # the server knows more forms, such as 0x10
    )


_PARTITION = f"""
SELECT 0 AS step, NULL AS index, NULL AS built_as, format('CREATE TABLE %s (%s)', {{new}},
    string_agg(concat_ws(' ', quote_ident(a.attname), {COLUMN_TYPE},
        CASE a.attgenerated
            WHEN '' THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)
            WHEN 's' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
            ELSE 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') VIRTUAL' END,
        'CONSTRAINT ' || quote_ident(n.conname),
        CASE WHEN a.attnotnull THEN 'NOT NULL' END), ', ' ORDER BY a.attnum)) AS statement
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_constraint n ON n.conrelid = a.attrelid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum]
WHERE a.attrelid = {{table}}::regclass AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 1, NULL, NULL, CASE objsubid
    WHEN 0 THEN format('COMMENT ON TABLE %s IS %L', {{new}}, description)
    ELSE format('COMMENT ON COLUMN %s.%I IS %L', {{new}}, attname, description) END
FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
WHERE objoid = {{table}}::regclass AND classoid = 'pg_class'::regclass
UNION ALL
SELECT CASE contype WHEN 'c' THEN 1 ELSE 3 END, NULL, NULL,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', {{new}}, conname, pg_get_constraintdef(oid))
FROM pg_constraint
WHERE conrelid = {{table}}::regclass AND (contype = 'c' OR contype = 'f' AND conparentid = 0)
UNION ALL
SELECT 2, c.relname, b.name, CASE
    WHEN k.oid IS NOT NULL
        THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', {{new}}, b.name, pg_get_constraintdef(k.oid))
    -- The parent's statement with other names in front.
    ELSE format('%s %I ON %s', u.verb, b.name, {{new}}) || substr(pg_get_indexdef(c.oid),
        1 + length(format('%s %I ON ONLY %I.%I', u.verb, c.relname, s.nspname, p.relname))) END
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class p ON p.oid = i.indrelid
JOIN pg_namespace s ON s.oid = p.relnamespace
LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.conrelid = p.oid AND k.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (SELECT concat({{temporary}}, '_', c.oid)) AS b (name)
CROSS JOIN LATERAL (SELECT concat('CREATE ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX')) AS u (verb)
WHERE p.oid = {{table}}::regclass
ORDER BY 1, 2
"""  # noqa: S608
"""The statements that create a table which can be attached as a partition of another: the table (step 0),
checks and comments (1), keys and indexes (2, with the parent's name and the temporary one), foreign keys
(3)."""

_IS_NEVER_NULL = "SELECT attnotnull FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s"

_PARTITION_OF_VALUE = """
SELECT i.inhrelid::regclass::text
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
CROSS JOIN (SELECT CAST({value} AS {type}) AS value) AS v
WHERE i.inhparent = {table}::regclass AND pg_get_expr(c.relpartbound, c.oid) IN (
    format('FOR VALUES IN (%s)', v.value::text),
    format('FOR VALUES IN (''%s'')', replace(format('%s', v.value), '''', ''''''))
)
"""
"""The partition of this value and no other; the server shows a value with or without quotes, by its type."""


class _NewPartition:
    """A partition that is built beside the one it will replace, as the catalogue describes their parent.

    Not by CREATE TABLE … LIKE: that locks the parent until the transaction ends, and of two loads that hold
    such a lock, neither can ever attach its partition.
    """

    def __init__(
        self, raw: psycopg.Connection[Any], table: sa.Table, column: str, column_type: str, value: str
    ) -> None:
        self.raw, self.table = raw, table
        self.column_name, self.column_type, self.value = column, column_type, value
        # The value is quoted whatever its type, so that the server reads it as the column's type.
        self._column, self._value = sql.Identifier(column), sql.Literal(value)
        self._bound = False
        self.final_name = f"{table.name}_{value}"
        # Short enough for the oid that is appended for an index.
        self.temporary_name = _shortened(f"{self.final_name}_loading", LONGEST_NAME - len("_4294967295"))
        columns = (sa.column(c.name, c.type) for c in table.columns)
        self.clause = sa.table(self.temporary_name, *columns, schema=table.schema)
        self.identifier = identifier(self.clause)
        self.statements = self._fetch(_PARTITION)

    def create(self) -> None:
        """Create the table, empty, with the parent's columns, defaults, checks and comments."""
        self._run(0, 1)

    def insert_from(self, staged: sa.TableClause) -> None:
        """Insert the rows of this partition from a staging table with those of several."""
        self.raw.execute(
            sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM {2} WHERE {3} = {4}").format(
                self.identifier, identifiers(staged.c.keys()), identifier(staged), self._column, self._value
            )
        )

    def build_keys(self) -> None:
        """Build the parent's keys and indexes."""
        self._run(2)

    def analyze(self) -> None:
        """Gather the planner's statistics."""
        self.raw.execute(sql.SQL("ANALYZE {}").format(self.identifier))

    def add_bound_check(self) -> None:
        """Add a CHECK of the partition's bound, unless it has one, so that ATTACH need not scan its rows.

        A stray row violates it.
        """
        if self._bound:
            return
        # A condition less to look at for each of millions of rows; a column that may be null needs it.
        ((never_null,),) = self.raw.execute(_IS_NEVER_NULL, [self.identifier.as_string(), self.column_name])
        not_null = "" if never_null else "{1} IS NOT NULL AND "
        check = sql.SQL(f"ADD CONSTRAINT {{0}} CHECK ({not_null}{{1}} = {{2}})")
        with self.raw.transaction():
            self._alter(check.format(sql.Identifier(self.temporary_name), self._column, self._value))
        self._bound = True

    def set_default(self) -> None:
        """Let rows that come without the column have the partition's value."""
        self._alter(sql.SQL("ALTER {} SET DEFAULT {}").format(self._column, self._value))

    def drop_default(self) -> None:
        """Undo `set_default`."""
        self._alter(sql.SQL("ALTER {} DROP DEFAULT").format(self._column))

    def add_foreign_keys(self) -> None:
        """Add the parent's foreign keys; referenced tables stay locked for writers until the commit."""
        self._run(3)

    def old(self) -> list[str]:
        """The partition that this one will replace, quoted, if there is one."""
        return [old for (old,) in self._fetch(_PARTITION_OF_VALUE)]

    def attach(self) -> None:
        """Drop the old partition, attach this one, and give it and its indexes the old names.

        Foreign keys that it has not got are added and checked by the server.
        """
        for old in self.old():
            self.raw.execute(sql.SQL("DROP TABLE {}").format(sql.SQL(old)))
        self.raw.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
                identifier(self.table), self.identifier, self._value
            )
        )
        self._alter(sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(self.temporary_name)))
        for _, index, built_as, _ in self.statements:
            if index is not None:
                # voxel_pkey on voxel is voxel_1_pkey on the partition of 1.
                kind = index.removeprefix(self.table.name).removeprefix("_")
                self._rename("INDEX", built_as, f"{self.final_name}_{kind}")
        self._rename("TABLE", self.temporary_name, self.final_name)

    def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        names = {
            "table": identifier(self.table).as_string(),
            "new": self.identifier.as_string(),
            "temporary": self.temporary_name,
        }
        literals = {name: sql.Literal(text) for name, text in names.items()}
        composed = sql.SQL(query).format(**literals, value=self._value, type=sql.SQL(self.column_type))
        return self.raw.execute(composed).fetchall()

    def _run(self, *steps: int) -> None:
        for step, _, _, statement in self.statements:
            if step in steps:
                self.raw.execute(statement)

    def _alter(self, action: sql.Composable) -> None:
        self.raw.execute(sql.SQL("ALTER TABLE {} ").format(self.identifier) + action)

    def _rename(self, kind: str, old: str, new: str) -> None:
        path = filter(None, (self.table.schema, old))
        self.raw.execute(
            sql.SQL("ALTER {} {} RENAME TO {}").format(
                sql.SQL(kind), sql.Identifier(*path), sql.Identifier(_shortened(new, LONGEST_NAME))
            )
        )


def _shortened(name: str, longest: int) -> str:
    """``name``, or its beginning and a hash where it has more than ``longest`` bytes."""
    text = name.encode()
    if len(text) <= longest:
        return name
    return f"{text[: longest - 9].decode(errors='ignore')}_{blake2b(text, digest_size=4).hexdigest()}"


def _attach_all(raw: psycopg.Connection[Any], partitions: Sequence[_NewPartition], report: Report) -> None:
    """Attach every partition; each wait for a lock is short, so that no reader queues behind it for long.

    A partition that replaces none waits for no reader, nor they for it.
    """
    table = partitions[0].table
    replaces = any(partition.old() for partition in partitions)
    lock = sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(identifier(table))
    raw.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'")
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            if not replaces:
                with raw.transaction(), going_on(report, f"{table.name}: checking foreign keys"):
                    for partition in partitions:
                        partition.attach()
                return
            with going_on(report, f"{table.name}: waiting for its turn to put the new rows in place"):
                _wait_until_free(raw, lock, deadline)
            with raw.transaction():
                # Foreign keys scan the rows, so they are added before the lock that readers wait for; and
                # only once that lock was free, since the scan locks the referenced tables.
                with going_on(report, f"{table.name}: checking foreign keys"):
                    for partition in partitions:
                        partition.add_foreign_keys()
                raw.execute(lock)
                # Dropping the old partition's foreign keys locks the referenced tables, too. A reader may
                # hold one of those and wait for this table: we must give up before the server looks for
                # deadlocks, since it could cancel the reader.
                raw.execute(_SHORTEN_LOCK_TIMEOUT, [int(LOCK_WAIT_S * 1000)])
                for partition in partitions:
                    partition.attach()
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if time.monotonic() > deadline:
                raise CcfError(
                    f"{table}: other sessions kept it locked for {LOCK_PATIENCE_S} s, so the new rows "
                    "were not put in place; end the long-running queries on it and load again."
                ) from None
            time.sleep(LOCK_WAIT_S / 2)


_SHORTEN_LOCK_TIMEOUT = """
SELECT set_config('lock_timeout', greatest(1, least(setting::int / 2, %s))::text, true)
FROM pg_settings WHERE name = 'deadlock_timeout'
"""


def _wait_until_free(raw: psycopg.Connection[Any], lock: sql.Composed, deadline: float) -> None:
    """Try the statement ``lock``, rolled back at once, until it succeeds or the deadline has passed."""
    while True:
        try:
            with raw.transaction() as trial:
                raw.execute(lock)
                raise psycopg.Rollback(trial)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if time.monotonic() > deadline:
                raise
            time.sleep(LOCK_WAIT_S / 2)
        else:
            return
