"""PostgresIOManager: assets return what they mean, the IO manager moves it.

Nothing here knows of brains: what a table looks like (columns, keys, partitions, foreign keys) is read from
the database's own catalogue. An output goes through three steps in one transaction: it is brought into a
*staging* table, checked, and put in place. How it is brought depends on its type, how it is put in place on
the target. Where an ordinary table has nothing in the slice yet, rows go into it straight away.

=============================  =====================================================================
output                         brought by
=============================  =====================================================================
polars or pandas DataFrame     Arrow, then binary COPY
pyarrow.RecordBatchReader      binary COPY, batch by batch, in constant memory
Stream                         as its rows, with metadata that is made meanwhile
sqlalchemy.Select              a query in the database; only into an empty slice its answer travels, from
                               one session to another
=============================  =====================================================================

=============================  =====================================================================
target                         put in place by
=============================  =====================================================================
ordinary table                 merge by primary key into the partition's slice: insert, update what
                               differs, delete what is gone; equal rows are not touched
table partitioned by LIST      swap: keys are built on the staging table, which then takes the old
                               partition's place
=============================  =====================================================================

The state after a rerun is the state after the first run, and a failure at any point leaves what was there.
Inputs are read as the type they are annotated with: polars or pandas DataFrame, RecordBatchReader, or Select
(the slice as a query, for derived tables written as SQL over their inputs).
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeAlias, cast

import dagster as dg
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from dagster import ResourceDependency
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql
from pydantic import Field
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from ccf_assets.ahead import one_ahead
from ccf_assets.arrow import as_text, read_arrow
from ccf_assets.errors import CcfError
from ccf_assets.postgres import let_go_if_interrupted
from ccf_assets.progress import ROWS_KEY, Progress, going_on
from ccf_assets.resources import PostgresResource

_Metadata: TypeAlias = Mapping[str, dg.MetadataValue[Any]]


@dataclass(frozen=True)
class Stream:
    """Rows, and metadata that is made of something else while the server works on them.

    Attributes:
        rows: the rows.
        metadata: called in another thread while the server has work that leaves a core free; what it raises
            fails the run, with the rows in place.
    """

    rows: pa.RecordBatchReader | sa.Select[Any]
    metadata: Callable[[], _Metadata]


Output: TypeAlias = "pl.DataFrame | pd.DataFrame | pa.RecordBatchReader | Stream | sa.Select[Any]"
_Rows: TypeAlias = "pa.Table | pa.RecordBatchReader | sa.Select[Any]"
_Report: TypeAlias = Callable[[str], object]
_Meanwhile: TypeAlias = Callable[[], object]
"""To be called, once: with a query at once, else when the server has all rows and its keys."""

PREVIEW_ROWS = 5

NAMED_PARTITIONS = 5
"""Most partitions that an error names one by one."""

ROWS_PER_BATCH = 16_384
"""Rows of a frame sent at once, for which see volume.ROWS_PER_BATCH."""

LINES_AT_ONCE = 128
"""Lines passed on from one session to another: few, so that both find room in their sockets' buffers."""

INDEX_MEMORY = "256MB"
"""maintenance_work_mem while keys are built: 2.8 M rows sort in memory; more gains nothing measurable."""

SORT_MEMORY = "256MB"
"""work_mem of a merge: two sorts of a million sites, or the staging of as many, stay in memory."""

ROWS_TO_CHECK_AT_ONCE = 10_000
"""Fewer rows have their foreign keys checked by the server within a tenth of a second."""

SMALL_MB = 1
"""Size of a table below which each of its rows is looked at once, however many rows refer to it."""

LOCK_WAIT_S = 2
"""Longest wait for a lock that readers could queue behind, before letting them pass and trying again."""

LOCK_PATIENCE_S = 600
"""After this long of trying, a load gives up and says who is in the way."""

OTHERS_PATIENCE_S = 10
"""After this long of waiting for others, a query that a second session answers is asked by the first."""

LONGEST_NAME = 63
"""PostgreSQL cuts identifiers to so many bytes."""

KEYS_PER_QUERY = 500
"""Partitions whose rows are counted at once; a query has at most 1664 columns."""

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
)
"""Type of a reflected column to the Arrow type of the same binary form; subclasses before their parents."""

_NULLABLE: Mapping[pa.DataType, pd.api.extensions.ExtensionDtype] = {
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}
"""What pandas reads a column with nulls as, where its own way is by float and loses digits."""


class _Untyped(sa.types.UserDefinedType[str]):
    """Text that the server reads as the type of what it is compared with, as it does a quoted literal."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "unknown"


@dataclass(frozen=True)
class _Dimension:
    """One way in which an asset's partitions divide its table.

    Attributes:
        name: the dimension's name, of a multi-partitioned asset.
        expression: a column of the table, or an SQL expression that the asset's author wrote.
        definition: the partitions.
        value_of: what the expression holds for a partition, where that is not its key.
    """

    name: str
    expression: str
    definition: dg.PartitionsDefinition[Any]
    value_of: Mapping[str, object] = field(default_factory=dict)

    def key(self, key: str) -> str:
        """This dimension's part of a partition key."""
        return key.keys_by_dimension[self.name] if isinstance(key, dg.MultiPartitionKey) else key

    def value(self, key: str) -> object:
        return self.value_of.get(key, key)

    def of(self, source: sa.FromClause) -> sa.ColumnElement[Any]:
        if self.expression in source.c:
            return source.c[self.expression]
        return sa.literal_column(f"({self.expression})")

    def holds(self, source: sa.FromClause, keys: Sequence[str]) -> sa.ColumnElement[bool]:
        """The condition that a row of ``source`` is in one of the partitions ``keys``."""
        of = self.of(source)
        if not isinstance(self.definition, dg.TimeWindowPartitionsDefinition):
            return of.in_([_bound(self.value(key)) for key in keys])
        spans: list[list[Any]] = []
        for start, end in sorted(map(self.definition.time_window_for_partition_key, keys)):
            if spans and spans[-1][1] == start:
                spans[-1][1] = end
            else:
                spans.append([start, end])
        # As text with its offset: an instant to a timestamptz, the window's own clock to date and timestamp.
        ends = [[_bound(end.isoformat(" ")) for end in span] for span in spans]
        return sa.or_(sa.false(), *(sa.and_(of >= start, of < end) for start, end in ends))


def _bound(value: object) -> sa.BindParameter[Any]:
    return sa.literal(value, _Untyped()) if isinstance(value, str) else sa.literal(value)


@dataclass(frozen=True)
class Slice:
    """The part of a table that an asset's partitions cover.

    Attributes:
        table: the table, as reflected from the database.
        dimensions: how partitions divide it; empty for an asset without, whose slice is the whole table.
        keys: the partitions covered.
    """

    table: sa.Table
    dimensions: Sequence[_Dimension] = ()
    keys: Sequence[str] = ()

    def where(
        self, source: sa.FromClause | None = None, keys: Sequence[str] | None = None
    ) -> sa.ColumnElement[bool]:
        """The slice, or its partitions ``keys``, as a condition on the table or another with its columns."""
        if not self.dimensions:
            return sa.true()
        source = self.table if source is None else source
        keys = self.keys if keys is None else keys
        parts = [list(dict.fromkeys(map(dimension.key, keys))) for dimension in self.dimensions]
        if math.prod(map(len, parts)) == len(keys):
            return sa.and_(*(d.holds(source, part) for d, part in zip(self.dimensions, parts, strict=True)))
        return sa.or_(*(self.where(source, [key]) for key in keys))

    def partitions(self) -> str:
        """The partitions for an error's text."""
        more = len(self.keys) - NAMED_PARTITIONS
        values = [(str(key), self.dimensions[0].value(key)) for key in self.keys[:NAMED_PARTITIONS]]
        names = [repr(key) if value == key else f"{key!r} ({value})" for key, value in values]
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class _Written:
    """What was put in place; ``per_key`` only where several partitions were."""

    rows: int
    numbers: Mapping[str, float]
    preview: dg.TableMetadataValue
    per_key: Mapping[str, int]


class PostgresIOManager(dg.ConfigurableIOManager):
    """Writes assets to PostgreSQL tables and reads them back; see the module's text for how.

    The table is the last part of the asset key. Its schema comes from the asset's metadata ``schema``, else
    from this manager's ``schema``, else from the key's prefix, else it is ``public``. An op's output goes to
    the table that its metadata ``table`` names, else that of its own name. A partitioned asset names its
    partition column (or SQL expression) in metadata ``partition_expr``: a string, or for multi partitions a
    mapping from dimension to string. Where the column does not hold the partition key itself, metadata
    ``partition_values`` maps keys to its values. An asset that brings only what is new or changed says so in
    metadata ``rows_stay``: no row of an ordinary table is then deleted. An input's metadata ``columns``
    restricts what is read.
    """

    postgres: ResourceDependency[PostgresResource]
    schema_: str | None = Field(
        default=None, alias="schema", description="Schema of the tables of assets that name none"
    )

    # ---- writing

    def handle_output(self, context: dg.OutputContext, obj: Output) -> None:
        """Put ``obj`` in place of the slice that the asset's partitions cover, in one transaction.

        Raises:
            CcfError: the rows do not fit the table or the slice, a row's key occurs twice, or a row that is
                gone is still referred to elsewhere; the table is as it was.
        """
        if obj is None:
            raise CcfError(f"{_label(context)} returned None; annotate it '-> None' if it has no output.")
        started = time.monotonic()
        schema, name = self._place(context, context)
        report = context.log.info
        rows, metadata = (obj.rows, obj.metadata) if isinstance(obj, Stream) else (obj, None)
        made: list[Future[_Metadata]] = []
        held: list[sa.Connection] = []
        with ThreadPoolExecutor(1) as beside, _closing(held):

            def meanwhile() -> None:
                if metadata is not None:
                    made.append(beside.submit(metadata))

            rows = _as_rows(f"{schema}.{name}", rows)
            with (
                _one_sentence(f"{schema}.{name}"),
                self.postgres.create_engine().begin() as connection,
                let_go_if_interrupted(connection),
            ):
                target = self._slice(context, context, connection)
                list_column = _list_column(connection, target.table)
                if list_column is None:
                    stay = bool((context.definition_metadata or {}).get("rows_stay"))
                    written = _merge(connection, target, rows, report, meanwhile, held, stay=stay)
                else:
                    written = _swap(connection, target, list_column, rows, report, meanwhile)
                for other in held:
                    other.exec_driver_sql("SELECT")  # without it, its locks would be gone
        seconds = round(time.monotonic() - started, 2)
        rows_in_place = "1 row" if written.rows == 1 else f"{written.rows:,} rows"
        report(f"{name}: {rows_in_place} in place after {seconds} s")
        for key, count in written.per_key.items():
            context.step_context.add_asset_metadata(
                {"dagster/partition_row_count": count}, context.asset_key, key
            )
        counted = "dagster/partition_row_count" if target.dimensions else "dagster/row_count"
        context.add_output_metadata(
            {
                **({} if written.per_key else {counted: written.rows}),
                "dagster/table_name": f"{schema}.{name}",
                **written.numbers,
                "preview": written.preview,
                "write_seconds": seconds,
                **{name: value for metadata in made for name, value in metadata.result().items()},
            }
        )

    # ---- reading

    def load_input(self, context: dg.InputContext) -> Output:
        """Read the slice that the input's partitions cover, as the type the input is annotated with.

        Raises:
            CcfError: the annotation is of another type, or ``columns`` names one the table does not have.
        """
        wanted = context.dagster_type.typing_type
        upstream = cast("dg.OutputContext", context.upstream_output)
        engine = self.postgres.create_engine()
        with _one_sentence(".".join(self._place(context, upstream))), engine.connect() as connection:
            source = self._slice(context, upstream, connection)
        names = (context.definition_metadata or {}).get("columns") or source.table.columns.keys()
        unknown = [name for name in names if name not in source.table.columns]
        if unknown:
            raise CcfError(f"{source.table} has no column {', '.join(unknown)}, named in metadata 'columns'.")
        query = sa.select(*(source.table.c[name] for name in names)).where(source.where())
        if wanted is sa.Select:
            return query
        if wanted is pa.RecordBatchReader:
            return read_arrow(engine.url, query)
        if wanted is pd.DataFrame:
            return _to_pandas(read_arrow(engine.url, query).read_all())
        if wanted in (pl.DataFrame, Any):
            # Whole: polars refuses a stream without a batch.
            return cast("pl.DataFrame", pl.from_arrow(read_arrow(engine.url, query).read_all()))
        raise CcfError(
            f"{_label(context)} is annotated {wanted}; annotate it polars.DataFrame, pandas.DataFrame, "
            "pyarrow.RecordBatchReader or sqlalchemy.Select."
        )

    # ---- what an asset covers

    def _place(
        self, context: dg.OutputContext | dg.InputContext, output: dg.OutputContext
    ) -> tuple[str, str]:
        """Schema and name of the table of ``context``; ``output`` describes what writes it."""
        metadata = output.definition_metadata or {}
        path = context.asset_key.path if context.has_asset_key else [metadata.get("table", output.name)]
        prefix = path[-2] if len(path) > 1 else "public"
        return metadata.get("schema") or self.schema_ or prefix, path[-1]

    def _slice(
        self,
        context: dg.OutputContext | dg.InputContext,
        output: dg.OutputContext,
        connection: sa.Connection,
    ) -> Slice:
        """The table and rows that ``context`` covers; ``output`` describes what writes them."""
        schema, name = self._place(context, output)
        try:
            table = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)
        except sa.exc.NoSuchTableError:
            raise CcfError(f"{_label(context)}: there is no table {schema}.{name}.") from None
        if not (context.has_asset_key and context.has_asset_partitions):
            return Slice(table)
        metadata = output.definition_metadata or {}
        expression = metadata.get("partition_expr")
        if expression is None:
            raise CcfError(
                f"{_label(context)} has partitions but no metadata 'partition_expr'; name the column "
                'they divide, as in metadata={"partition_expr": "ccf_id"}.'
            )
        definition, keys = context.asset_partitions_def, sorted(context.asset_partition_keys)
        if not isinstance(definition, dg.MultiPartitionsDefinition):
            values = metadata.get("partition_values") or {}
            return Slice(table, [_Dimension("", expression, definition, values)], keys)
        expressions = expression if isinstance(expression, Mapping) else {}
        missing = [part.name for part in definition.partitions_defs if part.name not in expressions]
        if missing:
            raise CcfError(
                f"{_label(context)}: metadata 'partition_expr' names no column for {', '.join(missing)}."
            )
        dimensions = [
            _Dimension(part.name, expressions[part.name], part.partitions_def)
            for part in definition.partitions_defs
        ]
        return Slice(table, dimensions, keys)


def _label(context: dg.OutputContext | dg.InputContext) -> str:
    return context.asset_key.to_user_string() if context.has_asset_key else str(context.name)


@contextmanager
def _closing(connections: Sequence[sa.Connection]) -> Iterator[None]:
    """Close what is in ``connections`` by the end."""
    try:
        yield
    finally:
        for connection in connections:
            connection.close()


@contextmanager
def _one_sentence(where: str) -> Iterator[None]:
    """What the server says of rows or statements, as one sentence; statements and values stay out of it."""
    try:
        yield
    except (psycopg.Error, sa.exc.DBAPIError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        diagnostics = getattr(cause, "diag", None)
        said = [getattr(diagnostics, "message_primary", None) or _first_line(cause)]
        said += filter(None, [getattr(diagnostics, "message_detail", None)])
        # Without it, "wrote only 4096 of 8192 bytes".
        if isinstance(cause, psycopg.errors.DiskFull):
            said += filter(None, [cause.diag.message_hint])
        context = getattr(diagnostics, "context", None) or ""
        said += [_first_line(context)] if context.startswith("COPY ") else []
        raise CcfError(": ".join([where, *said]).rstrip(".") + ".") from None


def _preview(
    connection: sa.Connection, source: sa.FromClause, where: sa.ColumnElement[bool], keys: Sequence[str]
) -> dg.TableMetadataValue:
    """The first few rows by key, for the UI."""
    query = sa.select(source).where(where).order_by(*(source.c[key] for key in keys)).limit(PREVIEW_ROWS)
    records = [
        dg.TableRecord({name: _shown(value) for name, value in row.items()})
        for row in connection.execute(query).mappings()
    ]
    columns = [dg.TableColumn(c.name, str(c.type)) for c in source.c]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _shown(value: object) -> str | float | None:
    """``value`` as JSON can hold it, which knows no NaN."""
    if value is None or isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


# ---- Arrow in and out


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    frame = cast("pd.DataFrame", table.to_pandas())
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and column.type in _NULLABLE:
            frame[name] = column.to_pandas(types_mapper=_NULLABLE.get)
    return frame


def _as_rows(where: str, obj: Output) -> _Rows:
    """A frame as an Arrow table; what streams or is a query already, as it is."""
    if isinstance(obj, (sa.Select, pa.RecordBatchReader)):
        return obj
    if isinstance(obj, pl.DataFrame):
        return obj.to_arrow(compat_level=pl.CompatLevel.oldest())
    if isinstance(obj, pd.DataFrame):
        try:
            return pa.Table.from_pandas(obj, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise CcfError(f"{where}: the frame cannot be written: {_first_line(error)}") from None
    raise CcfError(
        f"{where}: a {type(obj).__module__}.{type(obj).__name__} cannot be written; return a polars or "
        "pandas DataFrame, a pyarrow.RecordBatchReader or a sqlalchemy.Select."
    )


def _first_line(text: object) -> str:
    return str(text).strip().partition("\n")[0]


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
    """``values`` as the column's type.

    Raises:
        CcfError: one of them does not fit it.
    """
    try:
        fitting = values.cast(wanted)
    except pa.ArrowException as error:
        raise CcfError(
            f"{column.table}: a value does not fit {column.name} ({column.type}): {_first_line(error)}."
        ) from None
    # The one cast that pyarrow does not check.
    if wanted == pa.float32() and pc.sum(pc.is_inf(fitting)) != pc.sum(pc.is_inf(values.cast(pa.float64()))):
        raise CcfError(f"{column.table}: a value is too large for {column.name} ({column.type}).")
    return fitting


def _copy(
    connection: sa.Connection,
    table: sa.Table,
    into: sa.TableClause,
    rows: pa.Table | pa.RecordBatchReader,
    report: _Report,
    *,
    freeze: bool = True,
) -> int:
    """Binary COPY of every batch into ``into``, which has columns of ``table``.

    With ``freeze`` it must be of this transaction.

    Returns:
        The number of rows.

    Raises:
        CcfError: a value does not fit its column's type.
    """
    total: int | str | None = (rows.schema.metadata or {}).get(ROWS_KEY)
    if isinstance(rows, pa.Table):
        total, rows = rows.num_rows, rows.to_reader(ROWS_PER_BATCH)
    columns = [table.c[name] for name in rows.schema.names]
    schema = pa.schema([(column.name, _arrow_type(column)) for column in columns])
    encoder = ArrowToPostgresBinaryEncoder(schema)
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE {})").format(
        _name(into), _listed(schema.names), freeze
    )
    copied = Progress(report, f"{table.name}: copied", "rows", None if total is None else int(total))

    def blocks() -> Iterator[tuple[int, bytes]]:
        yield 0, encoder.write_header()
        for batch in rows:
            arrays = map(_fitting, columns, batch.columns, schema.types)
            yield batch.num_rows, encoder.write_batch(pa.record_batch(list(arrays), schema=schema))
        yield 0, encoder.finish()

    with _raw(connection).cursor() as cursor, cursor.copy(command) as copy:
        for count, block in one_ahead(blocks()):
            copy.write(block)
            copied.advance(count)
    return copied.count


def _fill(
    connection: sa.Connection, table: sa.Table, into: sa.TableClause, rows: _Rows, report: _Report
) -> int:
    """Bring ``rows`` into ``into``, which has columns of ``table``; returns how many there were."""
    if not isinstance(rows, sa.Select):
        return _copy(connection, table, into, rows, report)
    with going_on(report, f"{table.name}: filling it from a query"):
        return _changed(connection, sa.insert(into).from_select(_names(rows), rows))


def _names(rows: _Rows) -> list[str]:
    return [c.key or "" for c in rows.selected_columns] if isinstance(rows, sa.Select) else rows.schema.names


def _checked_names(target: Slice, rows: _Rows, keys: Sequence[str] = ()) -> list[str]:
    """The columns that ``rows`` brings.

    Raises:
        CcfError: one is not in the table or comes twice, or one of ``keys`` or of those that the asset's
            partitions divide is missing.
    """
    table, names = target.table, _names(rows)
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


def _raw(connection: sa.Connection) -> psycopg.Connection[Any]:
    """The psycopg connection below, in the same transaction."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def _changed(connection: sa.Connection, statement: sa.Executable) -> int:
    """Execute ``statement``; returns how many rows it touched."""
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def _name(table: sa.TableClause) -> sql.Identifier:
    return sql.Identifier(*filter(None, (table.schema, table.name)))


def _listed(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _wait_for(connection: sa.Connection, what: str, report: _Report) -> None:
    """Take the lock named ``what`` until the transaction ends; others who do wait for each other."""
    with going_on(report, f"{what}: waiting for another load of it"):
        _raw(connection).execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])


# ---- staging, for a merge or for several partitions


class _CreateStaging(sa.Executable, sa.ClauseElement):
    """The staging table made from a query. The server may run it on several cores; an INSERT … SELECT not."""

    inherit_cache = False

    def __init__(self, query: sa.Select[Any]) -> None:
        self.query = query


@compiles(_CreateStaging)
def _create_staging(element: _CreateStaging, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"CREATE TEMP TABLE staging ON COMMIT DROP AS {compiler.process(element.query, **options)}"


def _stage(
    connection: sa.Connection, target: Slice, rows: _Rows, names: Sequence[str], report: _Report
) -> tuple[sa.TableClause, int]:
    """Bring ``rows`` into a temporary table of the columns ``names``; returns it and how many there were.

    Its columns are taken from the catalogue, since CREATE TABLE … LIKE would lock the target; see _Fresh.
    """
    table, raw = target.table, _raw(connection)
    staged = sa.table("staging", *(sa.column(name, table.c[name].type) for name in names), schema="pg_temp")
    wanted = raw.execute(_COLUMN_TYPES, [_name(table).as_string(), list(names)]).fetchall()
    if isinstance(rows, sa.Select):
        with going_on(report, f"{table.name}: filling it from a query"):
            count = _changed(connection, _CreateStaging(rows))
        given = raw.execute(_COLUMN_TYPES, ["pg_temp.staging", list(names)]).fetchall()
        for name, as_type in set(wanted) - set(given):
            raw.execute(f"ALTER TABLE pg_temp.staging ALTER {name} TYPE {as_type}")  # as an INSERT converts
    else:
        definitions = ", ".join(f"{name} {as_type}" for name, as_type in wanted)
        raw.execute(f"CREATE TEMP TABLE staging ({definitions}) ON COMMIT DROP")
        count = _copy(connection, table, staged, rows, report)
    raw.execute("ANALYZE pg_temp.staging")
    _refuse_rows_outside(connection, target, staged)
    return staged, count


def _refuse_rows_outside(connection: sa.Connection, target: Slice, source: sa.TableClause) -> None:
    """A row of another partition would be left behind by the next run of this one."""
    if not target.dimensions:
        return
    divided = [dimension.of(source).label(dimension.expression) for dimension in target.dimensions]
    outside = sa.select(*divided).select_from(source).where(target.where(source).is_not(sa.true())).limit(1)
    stray = connection.execute(outside).mappings().first()
    if stray is not None:
        raise CcfError(
            f"{target.table}: a row has {_pairs(stray)}, outside what is written: {target.partitions()}."
        )


def _analyze(connection: sa.Connection, table: sa.Table, changed: int) -> None:
    """Refresh the planner's statistics once a tenth of the rows is new, as the server would in a minute.

    The next load may refer to them: without, checking its foreign key takes three times as long.
    """
    raw, name = _raw(connection), _name(table)
    query = "SELECT reltuples FROM pg_class WHERE oid = %s::regclass"
    (rows,) = raw.execute(query, [name.as_string()]).fetchone() or (0,)
    if changed > rows / 10:
        raw.execute(sql.SQL("ANALYZE {}").format(name))


def _refuse_repeated_keys(
    connection: sa.Connection, table: sa.Table, staged: sa.TableClause, keys: Sequence[str]
) -> None:
    columns = [staged.c[key] for key in keys]
    query = sa.select(*columns).group_by(*columns).having(sa.func.count() > 1).limit(1)
    repeated = connection.execute(query).mappings().first()
    if repeated is not None:
        raise CcfError(f"{table}: two rows have the key {_pairs(repeated)}; a key may occur once.")


def _pairs(row: Mapping[Any, object]) -> str:
    shown = {
        name: value if isinstance(value, (int, float, str)) else str(value) for name, value in row.items()
    }
    return ", ".join(f"{name} {value!r}" for name, value in shown.items())


def _rows_per_key(connection: sa.Connection, target: Slice, source: sa.FromClause) -> Mapping[str, int]:
    """The rows of each partition, where there are several."""
    counts: dict[str, int] = {}
    keys = target.keys if len(target.keys) > 1 else ()
    for first in range(0, len(keys), KEYS_PER_QUERY):
        part = keys[first : first + KEYS_PER_QUERY]
        each = [sa.func.count().filter(target.where(source, [key])) for key in part]
        query = sa.select(*each).select_from(source).where(target.where(source, part))
        counts |= zip(part, connection.execute(query).one(), strict=True)
    return counts


# ---- merge into an ordinary table


def _merge(
    connection: sa.Connection,
    target: Slice,
    rows: _Rows,
    report: _Report,
    meanwhile: _Meanwhile,
    held: list[sa.Connection],
    *,
    stay: bool = False,
) -> _Written:
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
    names = _checked_names(target, rows, keys)
    raw = _raw(connection)
    raw.execute(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
    if isinstance(rows, sa.Select):
        meanwhile()
    inserted = _insert_all(connection, target, rows, report, held)
    if inserted is not None:
        numbers = {"rows_deleted": 0, "rows_updated": 0, "rows_inserted": inserted}
        preview = _preview(connection, table, target.where(), keys)
        return _Written(inserted, numbers, preview, _rows_per_key(connection, target, table))
    staged, count = _stage(connection, target, rows, names, report)
    if not isinstance(rows, sa.Select):
        meanwhile()
    # What the planner thinks of the target may be old: without a key here it could compare all with all.
    try:
        with raw.transaction():
            raw.execute(sql.SQL("CREATE UNIQUE INDEX ON {} ({})").format(_name(staged), _listed(keys)))
    except psycopg.errors.UniqueViolation:
        _refuse_repeated_keys(connection, table, staged, keys)
        raise
    _wait_for(connection, str(table), report)

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
            f"{table}: the key {_pairs(taken)} is in use outside what is written: {target.partitions()}."
        )
    values = {**{name: staged.c[name] for name in changing}, **dict.fromkeys(defaults, sa.text("DEFAULT"))}
    # In the order of the key, which its index takes up faster than any other.
    new = sa.select(staged).where(~known).order_by(*(staged.c[key] for key in keys))
    with going_on(report, f"{table.name}: merging"):
        numbers = {
            "rows_deleted": 0
            if stay
            else _changed(connection, sa.delete(table).where(target.where(), ~brought)),
            "rows_updated": _changed(connection, sa.update(table).values(values).where(same_key, differs))
            if changing
            else 0,
            "rows_inserted": _insert(
                connection, table, staged, sa.insert(table).from_select(names, new), count
            ),
        }
        _analyze(connection, table, sum(numbers.values()))
    preview = _preview(connection, table, target.where(), keys)
    if stay:
        per_key = _rows_per_key(connection, target, table)
        of_slice = sa.select(sa.func.count()).select_from(table).where(target.where())
        return _Written(connection.scalar(of_slice) or 0, numbers, preview, per_key)
    return _Written(count, numbers, preview, _rows_per_key(connection, target, staged))


def _insert_all(
    connection: sa.Connection, target: Slice, rows: _Rows, report: _Report, held: list[sa.Connection]
) -> int | None:
    """Insert ``rows`` as they come where nothing is in the slice yet, so that there is nothing to compare.

    Returns:
        Their number; None where something is in the slice, or in the way, for the other way to tell, and
        where ``rows`` can be read only once, which leaves no other way.
    """
    table, raw, names = target.table, _raw(connection), _names(rows)
    # COPY would take a value that an INSERT may not bring.
    if isinstance(rows, pa.RecordBatchReader) or any(table.c[name].identity is not None for name in names):
        return None
    _wait_for(connection, str(table), report)
    of_slice = sa.select(table).where(target.where())
    if connection.scalar(sa.select(of_slice.exists())):
        return None
    most = rows.num_rows if isinstance(rows, pa.Table) else None
    with (
        suppress(*_WAYS_OUT),
        raw.transaction(),
        _foreign_keys_at_once(connection, table, of_slice, names, most),
    ):
        if isinstance(rows, pa.Table):
            count = _copy(connection, table, table, rows, report, freeze=False)
        else:
            other = connection.engine.connect()
            held.append(other)
            with going_on(report, f"{table.name}: filling it from a query"), let_go_if_interrupted(other):
                count = _pour(connection, other, rows, table)
        _analyze(connection, table, count)
        if connection.scalar(sa.select(sa.func.count()).select_from(of_slice.subquery())) != count:
            raise _InTheWayError  # rows outside the slice
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
    storing, asking = _raw(connection), _raw(other)
    for session in (storing, asking):
        session.execute(f"SET LOCAL lock_timeout = '{OTHERS_PATIENCE_S}s'")
        session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # one waits for the other
    asking.execute(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
    asked = sql.SQL("COPY ({}) TO STDOUT").format(sql.SQL(as_text(query)))
    stored = sql.SQL("COPY {} ({}) FROM STDIN").format(_name(into), _listed(_names(query)))
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
        suppress(_InTheWayError),
        _raw(connection).transaction(),
        _foreign_keys_at_once(connection, table, sa.select(staged), staged.c.keys(), most),
    ):
        return _changed(connection, statement)
    return _changed(connection, statement)  # in the server's own way, for its words


@contextmanager
def _foreign_keys_at_once(
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
        _InTheWayError: some row refers to what is not there.
    """
    raw = _raw(connection)
    about = {"table": _name(table).as_string(), "names": list(names)}
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
            raise _InTheWayError


class _InTheWayError(Exception):
    """Rows cannot be had by the quick way."""


_WAYS_OUT = (
    _InTheWayError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.NotSupportedError,
    psycopg.ProgrammingError,
    psycopg.errors.LockNotAvailable,
)
"""What the other way tells in its own words; not what ends any way, such as a lost server."""


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


# ---- swap a LIST partition


def _list_column(connection: sa.Connection, table: sa.Table) -> tuple[str, str] | None:
    """Name and type of the column that a table is LIST-partitioned by, or None for any other table."""
    query = """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_partitioned_table p
        JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE p.partrelid = %s::regclass AND p.partstrat = 'l' AND p.partnatts = 1
    """
    return _raw(connection).execute(query, [_name(table).as_string()]).fetchone()


def _swap(
    connection: sa.Connection,
    target: Slice,
    column: tuple[str, str],
    rows: _Rows,
    report: _Report,
    meanwhile: _Meanwhile,
) -> _Written:
    """Build the partitions covered anew, keys and all, and put them in the place of the old ones.

    Readers see the old partitions until the transaction commits. Loads of the same partition queue. As after
    TRUNCATE, a REPEATABLE READ transaction that began before the swap and looks only after it may find the
    partition empty, where a query or a run over several partitions filled it; COPY … FREEZE spares it that.
    """
    table, raw = target.table, _raw(connection)
    if [dimension.expression for dimension in target.dimensions] != [column[0]]:
        raise CcfError(
            f"{table} is partitioned by {column[0]}; an asset that writes it must be partitioned by it too, "
            f'with metadata {{"partition_expr": "{column[0]}"}}.'
        )
    names = _checked_names(target, rows)
    values = sorted({str(target.dimensions[0].value(key)) for key in target.keys})
    for value in values:
        _wait_for(connection, f"{table}_{value}", report)
    raw.execute(f"SET LOCAL maintenance_work_mem = '{INDEX_MEMORY}'")
    started = time.monotonic()
    fresh = [_Fresh(raw, table, *column, value) for value in values]
    for part in fresh:
        part.create()
    per_key: Mapping[str, int] = {}
    if len(fresh) == 1:
        count = _fill(connection, table, fresh[0].clause, rows, report)
    else:
        staged, count = _stage(connection, target, rows, names, report)
        per_key = _rows_per_key(connection, target, staged)
        for part in fresh:
            part.take_from(staged)
    copied = time.monotonic()
    with going_on(report, f"{table.name}: building keys"):
        for part in fresh:
            part.build_keys()
        meanwhile()  # keys are built on all cores, what follows on one
        for part in fresh:
            part.analyze()
            try:
                part.close_bounds()
            except psycopg.errors.CheckViolation:
                _refuse_rows_outside(connection, target, part.clause)
                raise
    keyed = time.monotonic()
    # Before the swap, whose locks readers would wait for.
    preview = _preview(connection, fresh[0].clause, sa.true(), [key.name for key in table.primary_key])
    _attach(raw, fresh, report)
    numbers = {"copy_seconds": round(copied - started, 2), "key_seconds": round(keyed - copied, 2)}
    return _Written(count, numbers, preview, per_key)


_TYPE = """format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END"""

_COLUMN_TYPES = f"""
SELECT quote_ident(a.attname), concat_ws(' ', {_TYPE})
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s::regclass AND a.attname = ANY(%s)
"""  # noqa: S608

_PARTITION = f"""
SELECT 0 AS step, NULL AS index, NULL AS built_as, format('CREATE TABLE %s (%s)', {{fresh}},
    string_agg(concat_ws(' ', quote_ident(a.attname), {_TYPE},
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
    WHEN 0 THEN format('COMMENT ON TABLE %s IS %L', {{fresh}}, description)
    ELSE format('COMMENT ON COLUMN %s.%I IS %L', {{fresh}}, attname, description) END
FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
WHERE objoid = {{table}}::regclass AND classoid = 'pg_class'::regclass
UNION ALL
SELECT CASE contype WHEN 'c' THEN 1 ELSE 3 END, NULL, NULL,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', {{fresh}}, conname, pg_get_constraintdef(oid))
FROM pg_constraint
WHERE conrelid = {{table}}::regclass AND (contype = 'c' OR contype = 'f' AND conparentid = 0)
UNION ALL
SELECT 2, c.relname, b.name, CASE
    WHEN k.oid IS NOT NULL
        THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', {{fresh}}, b.name, pg_get_constraintdef(k.oid))
    -- The parent's statement with other names in front.
    ELSE format('%s %I ON %s', u.verb, b.name, {{fresh}}) || substr(pg_get_indexdef(c.oid),
        1 + length(format('%s %I ON ONLY %I.%I', u.verb, c.relname, s.nspname, p.relname))) END
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class p ON p.oid = i.indrelid
JOIN pg_namespace s ON s.oid = p.relnamespace
LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.conrelid = p.oid AND k.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (SELECT concat({{loading}}, '_', c.oid)) AS b (name)
CROSS JOIN LATERAL (SELECT concat('CREATE ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX')) AS u (verb)
WHERE p.oid = {{table}}::regclass
ORDER BY 1, 2
"""  # noqa: S608
"""The statements that make a table which can be a partition of another: the table (step 0), checks, comments
(1), keys and indexes (2, with the name on the parent and the one built under), foreign keys (3)."""

_PARTITION_OF_VALUE = """
SELECT i.inhrelid::regclass::text
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
CROSS JOIN (SELECT CAST({value} AS {type}) AS value) AS v
WHERE i.inhparent = {table}::regclass AND pg_get_expr(c.relpartbound, c.oid) IN (
    format('FOR VALUES IN (%s)', v.value::text),
    format('FOR VALUES IN (''%s'')', replace(format('%s', v.value), '''', ''''''))
)
"""
"""The partition of this value and no other, which the server shows bare or quoted, by its type."""


class _Fresh:
    """A partition being built beside the one it will replace, as the catalogue describes their parent.

    Not by CREATE TABLE … LIKE: that locks the parent to the end of the transaction, and two loads that hold
    such a lock can never take turns at swapping.
    """

    def __init__(
        self, raw: psycopg.Connection[Any], table: sa.Table, column: str, column_type: str, value: str
    ) -> None:
        self.raw, self.table = raw, table
        # The value is quoted whatever its type, so that the server reads it as the column's.
        self.column, self.column_type, self.value = sql.Identifier(column), column_type, sql.Literal(value)
        self.final = f"{table.name}_{value}"
        # Short enough for the oid that is added for an index.
        self.loading = _cut(f"{self.final}_loading", LONGEST_NAME - len("_4294967295"))
        columns = (sa.column(c.name, c.type) for c in table.columns)
        self.clause = sa.table(self.loading, *columns, schema=table.schema)
        self.name = _name(self.clause)
        self.statements = self._ask(_PARTITION)

    def create(self) -> None:
        """An empty table with the parent's columns, defaults, checks and comments."""
        self._run(0, 1)

    def take_from(self, staged: sa.TableClause) -> None:
        """The rows of this partition, out of a staging table with those of several."""
        self.raw.execute(
            sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM {2} WHERE {3} = {4}").format(
                self.name, _listed(staged.c.keys()), _name(staged), self.column, self.value
            )
        )

    def build_keys(self) -> None:
        """The parent's keys and indexes."""
        self._run(2)

    def analyze(self) -> None:
        """The planner's statistics."""
        self.raw.execute(sql.SQL("ANALYZE {}").format(self.name))

    def close_bounds(self) -> None:
        """A CHECK that says what the partition holds lets ATTACH skip its scan; a stray row fails it."""
        check = sql.SQL("ADD CONSTRAINT {0} CHECK ({1} IS NOT NULL AND {1} = {2})")
        with self.raw.transaction():
            self._alter(check.format(sql.Identifier(self.loading), self.column, self.value))

    def add_foreign_keys(self) -> None:
        """The parent's foreign keys; what they refer to is locked for writers until the transaction ends."""
        self._run(3)

    def take_place(self) -> None:
        """Out with the old partition, in with this one, under its names."""
        for (old,) in self._ask(_PARTITION_OF_VALUE):
            self.raw.execute(sql.SQL("DROP TABLE {}").format(sql.SQL(old)))
        self.raw.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
                _name(self.table), self.name, self.value
            )
        )
        self._alter(sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(self.loading)))
        for _, index, built_as, _ in self.statements:
            if index is not None:
                # voxel_pkey on voxel is voxel_1_pkey on the partition of 1.
                kind = index.removeprefix(self.table.name).removeprefix("_")
                self._rename("INDEX", built_as, f"{self.final}_{kind}")
        self._rename("TABLE", self.loading, self.final)

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        words = {
            "table": _name(self.table).as_string(),
            "fresh": self.name.as_string(),
            "loading": self.loading,
        }
        literals = {name: sql.Literal(word) for name, word in words.items()}
        composed = sql.SQL(query).format(**literals, value=self.value, type=sql.SQL(self.column_type))
        return self.raw.execute(composed).fetchall()

    def _run(self, *steps: int) -> None:
        for step, _, _, statement in self.statements:
            if step in steps:
                self.raw.execute(statement)

    def _alter(self, action: sql.Composable) -> None:
        self.raw.execute(sql.SQL("ALTER TABLE {} ").format(self.name) + action)

    def _rename(self, kind: str, old: str, new: str) -> None:
        path = filter(None, (self.table.schema, old))
        self.raw.execute(
            sql.SQL("ALTER {} {} RENAME TO {}").format(
                sql.SQL(kind), sql.Identifier(*path), sql.Identifier(_cut(new, LONGEST_NAME))
            )
        )


def _cut(name: str, longest: int) -> str:
    """``name``, or where it is too long for an identifier, its beginning and a hash of it."""
    text = name.encode()
    if len(text) <= longest:
        return name
    return f"{text[: longest - 9].decode(errors='ignore')}_{blake2b(text, digest_size=4).hexdigest()}"


def _attach(raw: psycopg.Connection[Any], fresh: Sequence[_Fresh], report: _Report) -> None:
    """Attach every fresh partition, waiting for locks in short spells so that no reader waits behind us."""
    table = fresh[0].table
    lock = sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(_name(table))
    raw.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'")
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            with going_on(report, f"{table.name}: waiting for its turn to put the new rows in place"):
                _wait_until_free(raw, lock, deadline)
            with raw.transaction():
                # They scan the rows, so they come before the lock that readers wait for; and no such scan is
                # begun, nor its lock on other tables held, while somebody is in the way.
                with going_on(report, f"{table.name}: checking foreign keys"):
                    for part in fresh:
                        part.add_foreign_keys()
                raw.execute(lock)
                # The old partition's foreign keys go with it, for which the tables they refer to are locked,
                # too. A reader may hold those and wait for this one: we are to let go before the server looks
                # for deadlocks, which could end the reader.
                raw.execute(_LET_GO_EARLY, [int(LOCK_WAIT_S * 1000)])
                for part in fresh:
                    part.take_place()
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if time.monotonic() > deadline:
                raise CcfError(
                    f"{table}: other sessions kept it locked for {LOCK_PATIENCE_S} s, so the new rows "
                    "were not put in place; end the long-running queries on it and load again."
                ) from None
            time.sleep(LOCK_WAIT_S / 2)


_LET_GO_EARLY = """
SELECT set_config('lock_timeout', greatest(1, least(setting::int / 2, %s))::text, true)
FROM pg_settings WHERE name = 'deadlock_timeout'
"""


def _wait_until_free(raw: psycopg.Connection[Any], lock: sql.Composed, deadline: float) -> None:
    """Try ``lock``, and let go of it at once, until it is had or the deadline is past."""
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
