"""PostgresIOManager: assets return what they mean, the IO manager moves it.

Nothing here knows of brains: what a table looks like (columns, keys, partitions, foreign keys) is read from
the database's own catalogue. An output goes through three steps in one transaction: it is brought into a
*staging* table, checked, and put in place. How it is brought depends on its type, how it is put in place on
the target:

=============================  =====================================================================
output                         brought into staging by
=============================  =====================================================================
polars or pandas DataFrame     Arrow, then binary COPY
pyarrow.RecordBatchReader      binary COPY, batch by batch, in constant memory
sqlalchemy.Select              INSERT … SELECT in the database, nothing travels
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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import dagster as dg
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from dagster import ResourceDependency
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql
from pydantic import Field
from sqlalchemy.dialects import postgresql

from ccf_assets.errors import CcfError
from ccf_assets.postgres import libpq_url
from ccf_assets.progress import Progress
from ccf_assets.resources import PostgresResource

Output: TypeAlias = "pl.DataFrame | pd.DataFrame | pa.RecordBatchReader | sa.Select[Any]"

ROWS_KEY = b"rows"
"""Arrow schema metadata under which a stream may say how many rows it will bring, for progress."""

PREVIEW_ROWS = 5

INDEX_MEMORY = "256MB"
"""maintenance_work_mem while keys are built: 2.8 M rows sort in memory; more gains nothing measurable."""

LOCK_WAIT_S = 2
"""Longest wait for a lock that readers could queue behind, before letting them pass and trying again."""

LOCK_PATIENCE_S = 600
"""After this long of trying, a load gives up and says who is in the way."""

_ARROW_TYPES: Sequence[tuple[type[sa.types.TypeEngine[Any]], pa.DataType]] = (
    (sa.SmallInteger, pa.int16()),
    (sa.BigInteger, pa.int64()),
    (sa.Integer, pa.int32()),
    (sa.REAL, pa.float32()),
    (sa.Float, pa.float64()),
    (sa.Boolean, pa.bool_()),
    (sa.Date, pa.date32()),
    (sa.String, pa.string()),
)
"""Column type to the Arrow type whose binary form it takes; subclasses before their parents."""


@dataclass(frozen=True)
class Slice:
    """The part of a table that an asset's partitions cover.

    Attributes:
        table: the table, as reflected from the database.
        values: values of the partition column covered, or None when something else delimits the slice.
        column: the column ``values`` are of.
        where: the slice as a condition on ``table``; always true for an unpartitioned asset.
    """

    table: sa.Table
    where: sa.ColumnElement[bool]
    column: str | None = None
    values: Sequence[object] | None = None


class PostgresIOManager(dg.ConfigurableIOManager):
    """Writes assets to PostgreSQL tables and reads them back; see the module's text for how.

    The table is the last part of the asset key. Its schema comes from the asset's metadata ``schema``, else
    from this manager's ``schema``, else from the key's prefix, else it is ``public``. A partitioned asset
    names its partition column (or SQL expression) in metadata ``partition_expr``: a string, or for multi
    partitions a mapping from dimension to string. Where the column does not hold the partition key itself,
    metadata ``partition_values`` maps keys to its values. An input's metadata ``columns`` restricts what is
    read.
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
        with self.postgres.create_engine().begin() as connection:
            target = self._slice(context, context, connection)
            list_column = _list_column(connection, target.table)
            try:
                if list_column is None:
                    numbers = _merge(connection, target, obj, context.log.info)
                else:
                    numbers = _swap(connection, target, list_column, obj, context.log.info)
            except sa.exc.IntegrityError as error:
                raise CcfError(_integrity_sentence(target.table, error.orig)) from None
            except psycopg.errors.IntegrityError as error:
                raise CcfError(_integrity_sentence(target.table, error)) from None
            rows = connection.scalar(sa.select(sa.func.count()).select_from(target.table).where(target.where))
            preview = _preview(connection, target)
        seconds = round(time.monotonic() - started, 2)
        context.log.info(f"{target.table.name}: {rows:,} rows in place after {seconds} s")
        partitioned = context.has_asset_key and context.has_asset_partitions
        context.add_output_metadata(
            {
                "dagster/partition_row_count" if partitioned else "dagster/row_count": rows,
                "dagster/table_name": f"{target.table.schema}.{target.table.name}",
                **numbers,
                "preview": preview,
                "write_seconds": seconds,
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
        with engine.connect() as connection:
            source = self._slice(context, upstream, connection)
        names = (context.definition_metadata or {}).get("columns") or source.table.columns.keys()
        unknown = [name for name in names if name not in source.table.columns]
        if unknown:
            raise CcfError(f"{source.table} has no column {', '.join(unknown)}, named in metadata 'columns'.")
        query = sa.select(*(source.table.c[name] for name in names)).where(source.where)
        if wanted is sa.Select:
            return query
        if wanted is pa.RecordBatchReader:
            return read_arrow(engine.url, query)
        if wanted is pd.DataFrame:
            return cast("pd.DataFrame", read_arrow(engine.url, query).read_all().to_pandas())
        if wanted in (pl.DataFrame, Any):
            return cast("pl.DataFrame", pl.from_arrow(read_arrow(engine.url, query)))
        raise CcfError(
            f"{_label(context)} is annotated {wanted}; annotate it polars.DataFrame, pandas.DataFrame, "
            "pyarrow.RecordBatchReader or sqlalchemy.Select."
        )

    # ---- what an asset covers

    def _slice(
        self,
        context: dg.OutputContext | dg.InputContext,
        output: dg.OutputContext,
        connection: sa.Connection,
    ) -> Slice:
        """The table and rows that ``context`` covers; ``output`` describes the asset that writes them."""
        metadata = output.definition_metadata or {}
        path = context.asset_key.path if context.has_asset_key else [metadata.get("table", output.name)]
        prefix = path[-2] if len(path) > 1 else "public"
        schema = metadata.get("schema") or self.schema_ or prefix
        try:
            table = sa.Table(path[-1], sa.MetaData(), schema=schema, autoload_with=connection)
        except sa.exc.NoSuchTableError:
            raise CcfError(f"{_label(context)}: there is no table {schema}.{path[-1]}.") from None
        if not (context.has_asset_key and context.has_asset_partitions):
            return Slice(table, where=sa.true())
        expression = metadata.get("partition_expr")
        if expression is None:
            raise CcfError(
                f"{_label(context)} has partitions but no metadata 'partition_expr'; name the column "
                'they divide, as in metadata={"partition_expr": "ccf_id"}.'
            )
        value_of: Mapping[str, object] = metadata.get("partition_values") or {}
        keys = context.asset_partition_keys
        definition = context.asset_partitions_def
        if isinstance(definition, dg.TimeWindowPartitionsDefinition):
            window = context.asset_partitions_time_window
            when = _expression(table, expression)
            return Slice(table, where=sa.and_(when >= window.start, when < window.end))
        if isinstance(definition, dg.MultiPartitionsDefinition):
            return Slice(table, where=_multi_where(table, expression, definition, keys))
        values = [value_of.get(key, key) for key in keys]
        return Slice(
            table,
            where=_expression(table, expression).in_(values),
            column=expression if expression in table.columns else None,
            values=values,
        )


def _label(context: dg.OutputContext | dg.InputContext) -> str:
    return context.asset_key.to_user_string() if context.has_asset_key else str(context.name)


def _expression(table: sa.Table, expression: str) -> sa.ColumnElement[Any]:
    """A column of the table, or an SQL expression that the asset's author wrote."""
    return table.c[expression] if expression in table.columns else sa.literal_column(f"({expression})")


def _multi_where(
    table: sa.Table,
    expressions: Mapping[str, str],
    definition: dg.MultiPartitionsDefinition,
    keys: Sequence[str],
) -> sa.ColumnElement[bool]:
    """Each key's dimensions hold together; any of the keys may."""
    dimensions = {d.name: d.partitions_def for d in definition.partitions_defs}
    missing = set(dimensions) - set(expressions)
    if missing:
        raise CcfError(
            f"{table}: metadata 'partition_expr' names no column for {', '.join(sorted(missing))}."
        )

    def holds(name: str, key: str) -> sa.ColumnElement[bool]:
        column, part = _expression(table, expressions[name]), dimensions[name]
        if isinstance(part, dg.TimeWindowPartitionsDefinition):
            window = part.time_window_for_partition_key(key)
            return sa.and_(column >= window.start, column < window.end)
        return column == key

    return sa.or_(
        *(
            sa.and_(*(holds(name, part) for name, part in key.keys_by_dimension.items()))
            for key in cast("Sequence[dg.MultiPartitionKey]", keys)
        )
    )


def _preview(connection: sa.Connection, part: Slice) -> dg.TableMetadataValue:
    """The first few rows of the slice, for the UI."""
    query = sa.select(part.table).where(part.where).order_by(*part.table.primary_key).limit(PREVIEW_ROWS)
    records = [
        dg.TableRecord(
            {name: v if isinstance(v, (int, float, str, bool)) else str(v) for name, v in row.items()}
        )
        for row in connection.execute(query).mappings()
    ]
    columns = [dg.TableColumn(c.name, str(c.type)) for c in part.table.columns]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


# ---- Arrow in and out


def read_arrow(url: sa.URL, query: sa.Select[Any]) -> pa.RecordBatchReader:
    """Run ``query`` and stream its rows as Arrow batches; values are bound, never written into the SQL.

    The connection is closed when the stream has been read to its end or is dropped.
    """
    # Imported here: only reading needs it.
    import adbc_driver_postgresql.dbapi as adbc

    compiled = query.compile(
        dialect=postgresql.dialect(paramstyle="numeric_dollar"),
        compile_kwargs={"render_postcompile": True},
    )
    values = [compiled.params[name] for name in cast("list[str]", compiled.positiontup or [])]
    connection = adbc.connect(libpq_url(url))
    cursor = connection.cursor()
    try:
        cursor.execute(str(compiled), values or None)
        reader = cursor.fetch_record_batch()
    except BaseException:
        cursor.close()
        connection.close()
        raise

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        finally:
            cursor.close()
            connection.close()

    return pa.RecordBatchReader.from_batches(reader.schema.remove_metadata(), batches())


def _as_reader(obj: pl.DataFrame | pd.DataFrame | pa.RecordBatchReader) -> pa.RecordBatchReader:
    if isinstance(obj, pa.RecordBatchReader):
        return obj
    if isinstance(obj, pl.DataFrame):
        table = obj.to_arrow(compat_level=pl.CompatLevel.oldest())
    elif isinstance(obj, pd.DataFrame):
        table = pa.Table.from_pandas(obj, preserve_index=False)
    else:
        raise CcfError(
            f"A {type(obj).__module__}.{type(obj).__name__} cannot be written; return a polars or pandas "
            "DataFrame, a pyarrow.RecordBatchReader or a sqlalchemy.Select."
        )
    return table.replace_schema_metadata({ROWS_KEY: str(table.num_rows)}).to_reader(max_chunksize=65_536)


def _arrow_type(column: sa.Column[Any]) -> pa.DataType:
    if isinstance(column.type, sa.DateTime):
        return pa.timestamp("us", tz="UTC" if column.type.timezone else None)
    for column_type, arrow_type in _ARROW_TYPES:
        if isinstance(column.type, column_type):
            return arrow_type
    raise CcfError(
        f"{column.table}.{column.name} is of type {column.type}, which cannot be written from Arrow."
    )


def _copy(
    connection: sa.Connection,
    table: sa.Table,
    into: sa.TableClause,
    reader: pa.RecordBatchReader,
    *,
    freeze: bool,
    report: Callable[[str], object],
) -> None:
    """Binary COPY of every batch into ``into``, whose columns are those of ``table``.

    Raises:
        CcfError: a column is not in the table, or a value does not fit its column's type.
    """
    schema = pa.schema([(name, _arrow_type(table.c[name])) for name in _columns(table, reader.schema.names)])
    encoder = ArrowToPostgresBinaryEncoder(schema)
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary{})").format(
        _name(into),
        sql.SQL(", ").join(map(sql.Identifier, schema.names)),
        sql.SQL(", FREEZE" if freeze else ""),
    )
    total = (reader.schema.metadata or {}).get(ROWS_KEY)
    rows = Progress(report, f"{table.name}: copied", "rows", int(total) if total else None)
    with _raw(connection).cursor() as cursor, cursor.copy(command) as copy:
        copy.write(encoder.write_header())
        for batch in reader:
            try:
                fitting = pa.Table.from_batches([batch]).cast(schema)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise CcfError(f"{table}: a value does not fit its column: {error}") from error
            for part in fitting.to_batches():
                copy.write(encoder.write_batch(part))
            rows.advance(batch.num_rows)
        copy.write(encoder.finish())


def _columns(table: sa.Table, names: Sequence[str]) -> list[str]:
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        raise CcfError(
            f"{table} has no column {', '.join(unknown)}; it has {', '.join(table.columns.keys())}."
        )
    return list(names)


def _fill(
    connection: sa.Connection,
    table: sa.Table,
    into: sa.TableClause,
    obj: Output,
    *,
    freeze: bool,
    report: Callable[[str], object],
) -> None:
    """Bring ``obj`` into the staging table ``into``, which has columns of ``table``."""
    if not isinstance(obj, sa.Select):
        _copy(connection, table, into, _as_reader(obj), freeze=freeze, report=report)
        return
    names = _columns(table, obj.selected_columns.keys())
    connection.execute(sa.insert(into).from_select(names, obj))


def _raw(connection: sa.Connection) -> psycopg.Connection[Any]:
    """The psycopg connection below, in the same transaction."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def _name(table: sa.TableClause) -> sql.Identifier:
    return sql.Identifier(*filter(None, (table.schema, table.name)))


# ---- merge into an ordinary table


def _merge(
    connection: sa.Connection, target: Slice, obj: Output, report: Callable[[str], object]
) -> Mapping[str, float]:
    """Make the slice equal ``obj`` by primary key, touching only rows that differ.

    Columns that ``obj`` does not bring get their default in new and in changed rows, and stay in equal ones.

    Returns:
        How many rows were inserted, updated and deleted.
    """
    table, raw = target.table, _raw(connection)
    names = obj.selected_columns.keys() if isinstance(obj, sa.Select) else _as_names(obj)
    names = _columns(table, names)
    keys = [column.name for column in table.primary_key]
    if not set(keys) <= set(names):
        raise CcfError(
            f"{table}: rows must bring the key ({', '.join(keys)}); they bring {', '.join(names)}."
        )
    staged = _staging(table, names)
    stage, commas = _name(staged), sql.SQL(", ").join
    raw.execute(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            sql.Identifier(staged.name), commas(map(sql.Identifier, names)), _name(table)
        )
    )
    _fill(connection, table, staged, obj, freeze=False, report=report)
    _refuse_rows_outside(connection, target, staged)
    _refuse_repeated_keys(connection, table, staged, keys)
    raw.execute(sql.SQL("ANALYZE {}").format(stage))

    same_key = sa.and_(*(table.c[k] == staged.c[k] for k in keys))
    deleted = connection.execute(
        sa.delete(table).where(target.where, ~sa.exists().select_from(staged).where(same_key))
    ).rowcount
    t, s = sql.Identifier("t"), sql.Identifier("s")

    def of(alias: sql.Identifier, columns: Sequence[str]) -> sql.Composed:
        return commas(sql.SQL("{}.{}").format(alias, sql.Identifier(c)) for c in columns)

    join = sql.SQL(" AND ").join(sql.SQL("{0}.{2} = {1}.{2}").format(t, s, sql.Identifier(k)) for k in keys)
    changing = [n for n in names if n not in keys]
    updated = 0
    if changing:
        defaults = [c.name for c in table.columns if c.server_default is not None and c.name not in names]
        settings = [sql.SQL("{} = s.{}").format(sql.Identifier(n), sql.Identifier(n)) for n in changing]
        settings += [sql.SQL("{} = DEFAULT").format(sql.Identifier(n)) for n in defaults]
        updated = raw.execute(
            sql.SQL("UPDATE {} t SET {} FROM {} s WHERE {} AND ({}) IS DISTINCT FROM ({})").format(
                _name(table), commas(settings), stage, join, of(t, changing), of(s, changing)
            )
        ).rowcount
    inserted = raw.execute(
        sql.SQL(
            "INSERT INTO {} ({}) SELECT {} FROM {} s WHERE NOT EXISTS (SELECT FROM {} t WHERE {})"
        ).format(_name(table), commas(map(sql.Identifier, names)), of(s, names), stage, _name(table), join)
    ).rowcount
    return {"rows_inserted": inserted, "rows_updated": updated, "rows_deleted": deleted}


def _staging(table: sa.Table, names: Sequence[str]) -> sa.TableClause:
    """The temporary table that a merge, or a load of several partitions, goes through."""
    columns = [sa.column(name, table.c[name].type) for name in names]
    return sa.table(f"{table.name}_staging", *columns, schema="pg_temp")


def _as_names(obj: pl.DataFrame | pd.DataFrame | pa.RecordBatchReader) -> list[str]:
    return list(obj.schema.names if isinstance(obj, pa.RecordBatchReader) else obj.columns)


def _refuse_rows_outside(connection: sa.Connection, target: Slice, staged: sa.TableClause) -> None:
    """A row of another partition would be left behind by the next run of this one."""
    if target.column is None or target.values is None:
        return
    stray = connection.execute(
        sa.select(staged.c[target.column]).where(staged.c[target.column].not_in(target.values)).limit(1)
    ).first()
    if stray is not None:
        raise CcfError(
            f"{target.table}: a row has {target.column} {stray[0]!r}, outside the partitions being written "
            f"({', '.join(map(repr, target.values))})."
        )


def _refuse_repeated_keys(
    connection: sa.Connection, table: sa.Table, staged: sa.TableClause, keys: Sequence[str]
) -> None:
    columns = [staged.c[k] for k in keys]
    repeated = connection.execute(
        sa.select(*columns).group_by(*columns).having(sa.func.count() > 1).limit(1)
    ).first()
    if repeated is not None:
        key = ", ".join(f"{k} {v!r}" for k, v in zip(keys, repeated, strict=True))
        raise CcfError(f"{table}: two rows have the key {key}; a key may occur once.")


# ---- swap a LIST partition


def _list_column(connection: sa.Connection, table: sa.Table) -> str | None:
    """The column a table is LIST-partitioned by, or None for any other table."""
    return cast(
        "str | None",
        connection.scalar(
            sa.text(
                "SELECT a.attname FROM pg_partitioned_table p "
                "JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] "
                "WHERE p.partrelid = CAST(:name AS regclass) AND p.partstrat = 'l' AND p.partnatts = 1"
            ),
            {"name": _name(table).as_string()},
        ),
    )


def _swap(
    connection: sa.Connection,
    target: Slice,
    column: str,
    obj: Output,
    report: Callable[[str], object],
) -> Mapping[str, float]:
    """Build the partitions covered anew, keys and all, and put them in the place of the old ones.

    Readers see the old partition until the transaction commits. Loads of the same partition queue.

    Returns:
        Seconds spent bringing the rows and building the keys.
    """
    table, raw = target.table, _raw(connection)
    if target.values is None or target.column != column:
        raise CcfError(
            f"{table} is partitioned by {column}, so an asset that writes it must be partitioned by it too, "
            f'with metadata {{"partition_expr": "{column}"}}.'
        )
    for value in sorted(map(str, target.values)):
        raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{table}.{value}"])
    raw.execute(f"SET LOCAL maintenance_work_mem = '{INDEX_MEMORY}'")
    started = time.monotonic()
    fresh = [_Fresh(table, column, value) for value in target.values]
    for part in fresh:
        part.create(connection)
    if len(fresh) == 1:
        _fill(connection, table, fresh[0].clause, obj, freeze=True, report=report)
    else:
        _fill_several(connection, table, column, fresh, obj, report)
    copied = time.monotonic()
    for part in fresh:
        report(f"{table.name}: building keys")
        part.build_keys(connection)
    keyed = time.monotonic()
    _attach(connection, fresh, report)
    return {"copy_seconds": round(copied - started, 2), "key_seconds": round(keyed - copied, 2)}


def _fill_several(
    connection: sa.Connection,
    table: sa.Table,
    column: str,
    fresh: "Sequence[_Fresh]",
    obj: Output,
    report: Callable[[str], object],
) -> None:
    """Bring a range of partitions into one staging table and deal its rows out to the fresh ones."""
    raw = _raw(connection)
    staged = _staging(table, table.columns.keys())
    raw.execute(
        sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP").format(
            sql.Identifier(staged.name), _name(table)
        )
    )
    _fill(connection, table, staged, obj, freeze=False, report=report)
    _refuse_rows_outside(connection, Slice(table, sa.true(), column, [part.value for part in fresh]), staged)
    for part in fresh:
        raw.execute(
            sql.SQL("INSERT INTO {} SELECT * FROM {} WHERE {} = {}").format(
                part.name, _name(staged), sql.Identifier(column), sql.Literal(part.value)
            )
        )


class _Fresh:
    """A partition being built beside the one it will replace."""

    def __init__(self, table: sa.Table, column: str, value: object) -> None:
        self.table, self.column, self.value = table, column, value
        self.final = f"{table.name}_{value}"
        self.loading = f"{self.final}_loading"
        self.clause = sa.Table(
            self.loading,
            sa.MetaData(),
            *(sa.Column(c.name, c.type, nullable=c.nullable) for c in table.columns),
            schema=table.schema,
        )
        self.name = _name(self.clause)
        self.check = f"{self.loading}_check"

    def create(self, connection: sa.Connection) -> None:
        """An empty table with the parent's columns, defaults and checks.

        Not CREATE TABLE … LIKE: that locks the parent to the end of the transaction, and two loads that
        hold such a lock can never take turns at swapping.
        """
        self.clause.create(connection, checkfirst=False)
        for column in self.table.columns:
            if isinstance(column.server_default, sa.DefaultClause):
                default = sql.SQL(str(column.server_default.arg))
                name = sql.Identifier(column.name)
                self._alter(_raw(connection), sql.SQL("ALTER {} SET DEFAULT {}").format(name, default))
        for check in sa.inspect(connection).get_check_constraints(self.table.name, self.table.schema):
            name = sql.Identifier(check["name"] or self.check)
            condition = sql.SQL(check["sqltext"])
            self._alter(_raw(connection), sql.SQL("ADD CONSTRAINT {} CHECK ({})").format(name, condition))

    def build_keys(self, connection: sa.Connection) -> None:
        """The parent's primary key and indexes, the partition's CHECK, and the planner's statistics."""
        raw = _raw(connection)
        keys = [sql.Identifier(c.name) for c in self.table.primary_key]
        if keys:
            self._alter(raw, sql.SQL("ADD PRIMARY KEY ({})").format(sql.SQL(", ").join(keys)))
        for index in sa.inspect(connection).get_indexes(self.table.name, self.table.schema):
            # Others (of constraints, on expressions) are built by ATTACH, which takes a little longer.
            if "duplicates_constraint" in index or None in index["column_names"]:
                continue
            columns = sql.SQL(", ").join(sql.Identifier(cast("str", c)) for c in index["column_names"])
            raw.execute(sql.SQL("CREATE INDEX ON {} ({})").format(self.name, columns))
        # A CHECK that says what the partition holds lets ATTACH skip its scan. A stray row fails it.
        try:
            self._alter(
                raw,
                sql.SQL("ADD CONSTRAINT {} CHECK ({} = {})").format(
                    sql.Identifier(self.check), sql.Identifier(self.column), sql.Literal(self.value)
                ),
            )
        except psycopg.errors.CheckViolation:
            raise CcfError(
                f"{self.table}: a row has another {self.column} than {self.value!r}, "
                "the partition being written."
            ) from None
        raw.execute(sql.SQL("ANALYZE {}").format(self.name))

    def attach(self, raw: psycopg.Connection[Any]) -> None:
        """Foreign keys, then out with the old and in with the new: what must not wait holds locks last."""
        foreign_keys = raw.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = %s::regclass AND contype = 'f' AND conparentid = 0",
            [_name(self.table).as_string(raw)],
        ).fetchall()
        for (definition,) in foreign_keys:
            self._alter(raw, sql.SQL("ADD ") + sql.SQL(definition))
        old = sql.Identifier(*filter(None, (self.table.schema, self.final)))
        raw.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(old))
        raw.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
                _name(self.table), self.name, sql.Literal(self.value)
            )
        )
        self._alter(raw, sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(self.check)))
        indexes = raw.execute(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = %s::regclass",
            [self.name.as_string(raw)],
        ).fetchall()
        for (index,) in indexes:
            raw.execute(
                sql.SQL("ALTER INDEX {} RENAME TO {}").format(
                    sql.Identifier(*filter(None, (self.table.schema, index))),
                    sql.Identifier(index.replace(self.loading, self.final)),
                )
            )
        self._alter(raw, sql.SQL("RENAME TO {}").format(sql.Identifier(self.final)))

    def _alter(self, raw: psycopg.Connection[Any], action: sql.Composable) -> None:
        raw.execute(sql.SQL("ALTER TABLE {} ").format(self.name) + action)


def _attach(connection: sa.Connection, fresh: Sequence[_Fresh], report: Callable[[str], object]) -> None:
    """Attach every fresh partition, waiting for locks in short spells so that no reader waits behind us."""
    raw = _raw(connection)
    raw.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'")
    deadline = time.monotonic() + LOCK_PATIENCE_S
    for attempt in itertools.count():
        try:
            with raw.transaction():
                for part in fresh:
                    part.attach(raw)
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if time.monotonic() > deadline:
                raise CcfError(
                    f"{fresh[0].table}: other sessions kept it locked for {LOCK_PATIENCE_S} s, so the new "
                    "rows were not put in place; end the long-running queries on it and load again."
                ) from None
            if attempt % 5 == 0:
                report(f"{fresh[0].table.name}: in use by another session, trying again")
            time.sleep(LOCK_WAIT_S / 2)


def _integrity_sentence(table: sa.Table, error: BaseException | None) -> str:
    """One sentence from what the server says of a broken key."""
    diagnostics = getattr(error, "diag", None)
    detail = getattr(diagnostics, "message_detail", None) or str(error)
    return f"{table}: the rows break {getattr(diagnostics, 'constraint_name', 'a key')}: {detail}"
