"""Rows on their way into the database: types in and out of Arrow, COPY, and the staging table.

Not here: how they are put in place afterwards (merge.py for ordinary tables, swap.py for LIST partitions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from pgpq import ArrowToPostgresBinaryEncoder
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb
from psycopg import sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from ccf_assets.errors import CcfError, first_line
from ccf_assets.pg.session import Report, execute, identifier, identifiers, psycopg_of
from ccf_assets.pg.slices import Slice, refuse_row, refuse_rows_outside
from ccf_assets.pg.write import Write
from ccf_assets.prefetch import one_ahead
from ccf_assets.progress import ROWS_KEY, Progress, going_on

Metadata: TypeAlias = Mapping[str, Any]
"""What the caller records about a write, by name; opaque to this package."""


@dataclass(frozen=True)
class Stream:
    """Rows, and metadata that is computed while the server works on them.

    Attributes:
        rows: the rows.
        metadata: called in another thread while the server's work leaves a core free. Its exception fails
            the run, after the rows have been committed.
    """

    rows: pa.RecordBatchReader | sa.Select[Any]
    metadata: Callable[[], Metadata]


Output: TypeAlias = "pl.DataFrame | pd.DataFrame | pa.RecordBatchReader | Stream | sa.Select[Any]"

Rows: TypeAlias = "pa.Table | pa.RecordBatchReader | sa.Select[Any]"

ROWS_PER_BATCH = 16_384
"""Rows of a frame sent at once; ccf.runs.ROWS_PER_BATCH gives the reason."""

LINES_AT_ONCE = 128
"""Lines passed on from one session to another: few enough to fit into the sockets' buffers of both."""

_ARROW_TYPES: Sequence[tuple[type[sa.types.TypeEngine[Any]], pa.DataType]] = (
    (sa.SmallInteger, pa.int16()),
    (sa.BigInteger, pa.int64()),
    (sa.Integer, pa.int32()),
    (sa.REAL, pa.float32()),
    (sa.Float, pa.float64()),
    (sa.Boolean, pa.bool_()),
    (sa.Date, pa.date32()),
    (sa.String, pa.string()),
    (sa.LargeBinary, pa.binary()),
    (postgresql.JSONB, pa.string()),
)
"""The Arrow type with the same binary form as a reflected column's type; subclasses before their parents."""

_NULLABLE: Mapping[pa.DataType, pd.api.extensions.ExtensionDtype] = {
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}
"""The pandas type of a column with nulls, where pandas would convert it to float and lose digits."""


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """``table`` as a pandas frame; integers and booleans with nulls keep every digit."""
    frame = cast("pd.DataFrame", table.to_pandas())
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and column.type in _NULLABLE:
            frame[name] = column.to_pandas(types_mapper=_NULLABLE.get)
    return frame


def as_rows(where: str, obj: Output) -> Rows:
    """A frame as an Arrow table; a stream or a query as it is.

    Raises:
        CcfError: ``obj`` is of another type, or a column mixes types; the text begins with ``where``.
    """
    if isinstance(obj, (sa.Select, pa.RecordBatchReader)):
        return obj
    if isinstance(obj, pl.DataFrame):
        return _as_arrow(obj)
    if isinstance(obj, pd.DataFrame):
        try:
            return pa.Table.from_pandas(obj, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise CcfError(f"{where}: the frame cannot be written: {first_line(error)}") from None
    raise CcfError(
        f"{where}: a {type(obj).__module__}.{type(obj).__name__} cannot be written; return a polars or "
        "pandas DataFrame, a pyarrow.RecordBatchReader or a sqlalchemy.Select."
    )


def _as_arrow(frame: pl.DataFrame) -> pa.Table:
    """A frame as Arrow: texts as they lie in it, other columns in the forms that can all be cast.

    Texts in an older form would be a copy of all of them; so they are cast batch by batch (`_fitting`).
    """
    texts = frame.select(pl.col(pl.String)).to_arrow(compat_level=pl.CompatLevel.newest())
    others = frame.select(pl.exclude(pl.String)).to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = {name: table[name] for table in (texts, others) for name in table.column_names}
    return pa.table({name: columns[name] for name in frame.columns})


def _arrow_type(column: sa.Column[Any]) -> pa.DataType:
    if isinstance(column.type, sa.DateTime):
        return pa.timestamp("us", tz="UTC" if column.type.timezone else None)
    for column_type, arrow_type in _ARROW_TYPES:
        if isinstance(column.type, column_type):
            return arrow_type
    raise CcfError(
        f"{column.table}.{column.name} is of type {column.type}, which cannot be written from a frame or "
        "stream; return a sqlalchemy.Select that casts to it."
    )


def _fitting(column: sa.Column[Any], values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """``values`` converted to the column's type.

    Raises:
        CcfError: a value does not fit it.
    """
    try:
        fitting = values.cast(wanted)
    except pa.ArrowException as error:
        raise CcfError(
            f"{column.table}: a value does not fit {column.name} ({column.type}): {first_line(error)}."
        ) from None
    # The one cast whose overflow pyarrow does not report.
    if wanted == pa.float32() and pc.sum(pc.is_inf(fitting)) != pc.sum(pc.is_inf(values.cast(pa.float64()))):
        raise CcfError(f"{column.table}: a value is too large for {column.name} ({column.type}).")
    return fitting


def copy_rows(
    connection: sa.Connection,
    table: sa.Table,
    into: sa.TableClause,
    rows: pa.Table | pa.RecordBatchReader,
    report: Report,
    *,
    freeze: bool = True,
) -> int:
    """Send every batch of ``rows`` by binary COPY into ``into``, which has columns of ``table``.

    With ``freeze``, ``into`` must have been created in this transaction.

    Returns:
        The number of rows.

    Raises:
        CcfError: a value does not fit its column's type.
    """
    total: int | str | None = (rows.schema.metadata or {}).get(ROWS_KEY)
    if isinstance(rows, pa.Table):
        total, rows = rows.num_rows, _with_values(rows, table).to_reader(ROWS_PER_BATCH)
    columns = [table.c[name] for name in rows.schema.names]
    schema = pa.schema([(column.name, _arrow_type(column)) for column in columns])
    encoders = {field.name: ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in schema}
    for column in columns:
        if isinstance(column.type, postgresql.JSONB):  # its binary form is not that of text
            field = schema.field(column.name)
            encoders[column.name] = StringEncoderBuilder.new_with_output(field, Jsonb())
    encoder = ArrowToPostgresBinaryEncoder.new_with_encoders(schema, encoders)
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE {})").format(
        identifier(into), identifiers(schema.names), freeze
    )
    copied = Progress(report, f"{table.name}: copied", "rows", None if total is None else int(total))

    def blocks() -> Iterator[tuple[int, bytes]]:
        yield 0, encoder.write_header()
        for batch in rows:
            arrays = map(_fitting, columns, batch.columns, schema.types)
            yield batch.num_rows, encoder.write_batch(pa.record_batch(list(arrays), schema=schema))
        yield 0, encoder.finish()

    with psycopg_of(connection).cursor() as cursor, cursor.copy(command) as copy:
        for count, block in one_ahead(blocks()):
            copy.write(block)
            copied.advance(count)
    return copied.count


def _with_values(rows: pa.Table, table: sa.Table) -> pa.Table:
    """``rows`` without the columns that have no value in any row, and have none if they are not sent."""
    sent = [
        name
        for name, column in zip(rows.column_names, rows.columns, strict=True)
        if column.null_count < len(rows)
        or not table.c[name].nullable
        or table.c[name].server_default is not None
    ]
    return rows.select(sent or rows.column_names)


def without_constant(
    rows: pa.Table | pa.RecordBatchReader, target: Slice, name: str, value: int
) -> pa.Table | pa.RecordBatchReader:
    """``rows`` without the column ``name``, which must be ``value`` in each of them.

    Raises:
        CcfError: a row has another value; of a stream when it is read.
    """

    def without(part: Any) -> Any:  # noqa: ANN401 - a table or a batch
        column = part.column(name)
        other = column.filter(pc.fill_null(pc.not_equal(column, value), fill_value=True))
        if len(other):
            refuse_row(target, {name: other[0].as_py()})
        return part.drop_columns([name])

    if isinstance(rows, pa.Table):
        return without(rows)
    schema = rows.schema.remove(rows.schema.get_field_index(name))
    return pa.RecordBatchReader.from_batches(schema, map(without, rows))


def fill(connection: sa.Connection, table: sa.Table, into: sa.TableClause, rows: Rows, report: Report) -> int:
    """Fill ``into``, created in this transaction with columns of ``table``; returns the number of rows."""
    if not isinstance(rows, sa.Select):
        return copy_rows(connection, table, into, rows, report)
    with going_on(report, f"{table.name}: filling it from a query"):
        return execute(connection, sa.insert(into).from_select(column_names(rows), rows))


def column_names(rows: Rows) -> list[str]:
    """The names of the columns that ``rows`` bring."""
    return [c.key or "" for c in rows.selected_columns] if isinstance(rows, sa.Select) else rows.schema.names


def checked_names(target: Slice, rows: Rows, keys: Sequence[str] = ()) -> list[str]:
    """The names of the columns that ``rows`` bring, once they are known to suit the table.

    Raises:
        CcfError: a column is not in the table or comes twice, or one is missing of ``keys`` or of those that
            the asset's partitions divide.
    """
    table, names = target.table, column_names(rows)
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        raise CcfError(
            f"{table} has no column {', '.join(unknown)}; it has {', '.join(table.columns.keys())}."
        )
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise CcfError(f"{table}: the rows bring column {', '.join(sorted(twice))} twice.")
    divided = [d.expression for d in target.dimensions if d.expression in table.columns]
    missing = [name for name in dict.fromkeys([*keys, *divided]) if name not in names]
    if missing:
        raise CcfError(f"{table}: rows must bring {', '.join(missing)}; they bring {', '.join(names)}.")
    return names


class _CreateStaging(sa.Executable, sa.ClauseElement):
    """Create the staging table from a query, which may run on several cores; an INSERT … SELECT may not."""

    inherit_cache = False

    def __init__(self, query: sa.Select[Any]) -> None:
        self.query = query


@compiles(_CreateStaging)
def _create_staging(element: _CreateStaging, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"CREATE TEMP TABLE staging ON COMMIT DROP AS {compiler.process(element.query, **options)}"


def stage(write: Write, rows: Rows, names: Sequence[str]) -> tuple[sa.TableClause, int]:
    """Bring ``rows`` into a temporary table of the columns ``names``.

    Its columns are read from the catalogue, since CREATE TABLE … LIKE would lock the target; see
    swap._NewPartition.

    Returns:
        The staging table and its number of rows.

    Raises:
        CcfError: a value does not fit its column, or a row is outside the slice.
    """
    connection, table, report = write.connection, write.target.table, write.report
    raw = psycopg_of(connection)
    staged = sa.table("staging", *(sa.column(name, table.c[name].type) for name in names), schema="pg_temp")
    wanted = raw.execute(_COLUMN_TYPES, [identifier(table).as_string(), list(names)]).fetchall()
    if isinstance(rows, sa.Select):
        with going_on(report, f"{table.name}: filling it from a query"):
            count = execute(connection, _CreateStaging(rows))
        given = raw.execute(_COLUMN_TYPES, ["pg_temp.staging", list(names)]).fetchall()
        for name, as_type in set(wanted) - set(given):
            raw.execute(f"ALTER TABLE pg_temp.staging ALTER {name} TYPE {as_type}")  # converts as an INSERT
    else:
        definitions = ", ".join(f"{name} {as_type}" for name, as_type in wanted)
        raw.execute(f"CREATE TEMP TABLE staging ({definitions}) ON COMMIT DROP")
        count = copy_rows(connection, table, staged, rows, report)
    raw.execute("ANALYZE pg_temp.staging")
    refuse_rows_outside(connection, write.target, staged)
    return staged, count


COLUMN_TYPE = """format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END"""

_COLUMN_TYPES = f"""
SELECT quote_ident(a.attname), concat_ws(' ', {COLUMN_TYPE})
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s::regclass AND a.attname = ANY(%s)
"""  # noqa: S608
