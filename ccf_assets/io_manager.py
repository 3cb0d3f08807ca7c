"""The Dagster IO manager for PostgreSQL: an asset returns rows or a query, the manager stores and reads them.

What a table looks like (columns, keys, partitions, foreign keys) is read from the database's catalogue. An
output goes through three steps in one transaction: it is copied into a *staging* table, checked, and put in
place. How it is copied depends on its type, how it is put in place on the table. If the slice of an ordinary
table is empty, rows are inserted into it directly.

=============================  =====================================================================
output                         copied by
=============================  =====================================================================
polars or pandas DataFrame     Arrow, then binary COPY
pyarrow.RecordBatchReader      binary COPY, batch by batch, in constant memory
Stream                         as its rows; its metadata is computed meanwhile
sqlalchemy.Select              the database runs the query; only if the slice is empty, its result goes from
                               one session to another
=============================  =====================================================================

=============================  =====================================================================
table                          put in place by
=============================  =====================================================================
ordinary table                 merge by primary key into the partition's slice: new rows are inserted,
                               different ones updated, missing ones deleted; equal rows are not touched
table partitioned by LIST      swap: a new partition is built with its keys and attached in place of the
                               old one
=============================  =====================================================================

A second run of the same asset changes nothing, and a failure at any point leaves the table as it was. An
input is read as the type it is annotated with: polars or pandas DataFrame, RecordBatchReader, or Select (the
slice as a query, for derived tables written as SQL over their inputs).

Not here: the work in the database (pg), and which tables there are (their owner's, or db.schema).
"""

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import sqlalchemy as sa
from dagster import ResourceDependency
from pydantic import Field

from ccf_assets.errors import CcfError
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.pg.connect import engine_on, parse_url
from ccf_assets.pg.copy_in import Metadata, Output, Rows, Stream, as_rows, to_pandas
from ccf_assets.pg.session import one_sentence
from ccf_assets.pg.slices import Dimension, Slice, Span
from ccf_assets.pg.store import store
from ccf_assets.pg.write import Preview, Written
from ccf_assets.refusals import in_words


class EngineResource(dg.ConfigurableResource[None]):
    """A PostgreSQL database, as an SQLAlchemy engine; a subclass says which."""

    @abstractmethod
    def create_engine(self) -> sa.Engine:
        """An engine on the database, with the driver psycopg 3."""


class PostgresUrl(EngineResource):
    """The PostgreSQL database at ``url``.

    Give the URL as ``dg.EnvVar(...)``: Dagster shows a resource's configuration in its UI, of an environment
    variable only the name. No error quotes the URL.
    """

    url: str = Field(description="postgresql://user:password@host:5432/database")

    def create_engine(self) -> sa.Engine:
        """An engine on the database. Every connection is closed when it is given back.

        Raises:
            CcfError: ``url`` is not the URL of a PostgreSQL database.
        """
        return engine_on(parse_url(self.url, "The url of resource PostgresUrl"))


class PostgresIOManager(dg.ConfigurableIOManager):
    """Stores assets in PostgreSQL tables and reads them back; the module's docstring says how.

    It works with any database and any schema, and changes nothing but the rows of the assets' tables. The
    tables are yours; make them first::

        CREATE SCHEMA lab;
        CREATE TABLE lab.trial (
            session text,
            number integer,
            reaction_s double precision,
            PRIMARY KEY (session, number)
        );
        CREATE TABLE lab.session_summary (session text PRIMARY KEY, median_reaction_s double precision);

    With the database's URL, ``postgresql://user:password@host:5432/database``, in the environment variable
    ``LAB_POSTGRES_URL``, this is a whole Dagster project::

        import dagster as dg
        import polars as pl
        import sqlalchemy as sa

        from ccf_assets.io_manager import PostgresIOManager, PostgresUrl

        sessions = dg.StaticPartitionsDefinition(["monday", "tuesday"])
        by_session = {"partition_expr": "session"}


        @dg.asset(partitions_def=sessions, metadata=by_session)
        def trial(context: dg.AssetExecutionContext) -> pl.DataFrame:
            reactions_s = [0.31, 0.28, 0.44]  # read from a file in a real project
            numbers = range(1, len(reactions_s) + 1)
            return pl.DataFrame(
                {"session": context.partition_key, "number": numbers, "reaction_s": reactions_s}
            )


        @dg.asset(partitions_def=sessions, metadata=by_session)
        def session_summary(trial: sa.Select) -> sa.Select:
            rows = trial.subquery()
            median = sa.func.percentile_cont(0.5).within_group(rows.c.reaction_s)
            return sa.select(rows.c.session, median.label("median_reaction_s")).group_by(rows.c.session)


        defs = dg.Definitions(
            assets=[trial, session_summary],
            resources={
                "io_manager": PostgresIOManager(
                    postgres=PostgresUrl(url=dg.EnvVar("LAB_POSTGRES_URL")), schema="lab"
                )
            },
        )

    The table's name is the last part of the asset key. Its schema is the asset's metadata ``schema``, else
    this manager's ``schema``, else the key's prefix, else ``public``. An op's output is stored in the table
    that its metadata ``table`` names, else in that of the output's name.

    Metadata of an asset, besides ``schema``:

    - ``partition_expr``: the column, or SQL expression, that the asset's partitions divide: a string, or for
      multi-partitions a mapping from dimension to string. Every partitioned asset needs it.
    - ``partition_values``: the value of that column by partition key, where it is not the key itself.
    - ``rows_stay``: if true, no row of an ordinary table is deleted: for an asset that returns only new and
      changed rows.

    Metadata ``columns`` of an input names the columns to read.
    """

    postgres: ResourceDependency[EngineResource]
    schema_: str | None = Field(
        default=None, alias="schema", description="Schema of the tables of assets that name none"
    )

    # ---- writing

    @in_words
    def handle_output(self, context: dg.OutputContext, obj: Output) -> None:
        """Replace the slice that the asset's partitions cover by ``obj``, in one transaction.

        Raises:
            Refused: the rows do not fit the table or the slice, a key occurs twice, or a row to delete is
                still referenced by another table. The table is unchanged then.
        """
        if obj is None:
            raise CcfError(f"{_label(context)} returned None; annotate it '-> None' if it has no output.")
        started = time.monotonic()
        schema, name = self._place(context, context)
        output, metadata = (obj.rows, obj.metadata) if isinstance(obj, Stream) else (obj, None)
        side_results: list[Future[Metadata]] = []
        with ThreadPoolExecutor(1) as side_worker:

            def start_side_work() -> None:
                if metadata is not None:
                    side_results.append(side_worker.submit(metadata))

            written = self._write(context, as_rows(f"{schema}.{name}", output), start_side_work)
        seconds = round(time.monotonic() - started, 2)
        rows_in_place = "1 row" if written.row_count == 1 else f"{written.row_count:,} rows"
        context.log.info(f"{name}: {rows_in_place} in place after {seconds} s")
        for key, count in written.per_key.items():
            context.step_context.add_asset_metadata(
                {"dagster/partition_row_count": count}, context.asset_key, key
            )
        side_metadata = {name: value for result in side_results for name, value in result.result().items()}
        counted = "dagster/partition_row_count" if _is_partitioned(context) else "dagster/row_count"
        context.add_output_metadata(
            {
                # In this order on the page: pictures come with a stream.
                **side_metadata,
                **({} if written.per_key else {counted: written.row_count}),
                "dagster/table_name": f"{schema}.{name}",
                **_changes(written.numbers),
                "write_seconds": seconds,
                "preview": _table(written.preview),
            }
        )

    def _write(self, context: dg.OutputContext, rows: Rows, start_side_work: Callable[[], object]) -> Written:
        """Store ``rows`` in the slice of ``context``."""
        with one_sentence(".".join(self._place(context, context))):
            return store(
                self.postgres.create_engine(),
                lambda connection: self._slice(context, context, connection),
                rows,
                context.log.info,
                start_side_work,
                rows_stay=bool((context.definition_metadata or {}).get("rows_stay")),
            )

    # ---- reading

    @in_words
    def load_input(self, context: dg.InputContext) -> Output:
        """Read the slice that the input's partitions cover, as the type the input is annotated with.

        Raises:
            Refused: the annotation is another type, or the table lacks one of ``columns``.
        """
        wanted = context.dagster_type.typing_type
        upstream = cast("dg.OutputContext", context.upstream_output)
        engine = self.postgres.create_engine()
        with one_sentence(".".join(self._place(context, upstream))), engine.connect() as connection:
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
            return to_pandas(read_arrow(engine.url, query).read_all())
        if wanted in (pl.DataFrame, Any):
            # As one table: polars refuses a stream without a batch.
            return cast("pl.DataFrame", pl.from_arrow(read_arrow(engine.url, query).read_all()))
        raise CcfError(
            f"{_label(context)} is annotated {wanted}; annotate it polars.DataFrame, pandas.DataFrame, "
            "pyarrow.RecordBatchReader or sqlalchemy.Select."
        )

    # ---- the slice of an asset

    def _place(
        self, context: dg.OutputContext | dg.InputContext, output: dg.OutputContext
    ) -> tuple[str, str]:
        """Schema and name of the table of ``context``; ``output`` is the context of what writes it."""
        metadata = output.definition_metadata or {}
        path = context.asset_key.path if context.has_asset_key else [metadata.get("table", output.name)]
        prefix = path[-2] if len(path) > 1 else "public"
        return metadata.get("schema") or self.schema_ or prefix, path[-1]

    def values_of(self, metadata: Mapping[str, Any]) -> Mapping[str, object]:
        """The values of ``partition_expr`` by partition key; a subclass may know them without metadata."""
        return cast("Mapping[str, object]", metadata.get("partition_values") or {})

    def table(self, connection: sa.Connection, schema: str, name: str) -> sa.Table:
        """The table of that name, as it is in the database; a subclass may know it without asking."""
        return sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)

    def _slice(
        self,
        context: dg.OutputContext | dg.InputContext,
        output: dg.OutputContext,
        connection: sa.Connection,
    ) -> Slice:
        """The slice that ``context`` covers; ``output`` is the context of what writes it."""
        schema, name = self._place(context, output)
        try:
            table = self.table(connection, schema, name)
        except sa.exc.NoSuchTableError:
            raise CcfError(f"{_label(context)}: there is no table {schema}.{name}.") from None
        if not _is_partitioned(context):
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
            dimension = Dimension(expression, self.values_of(metadata), _spans(definition, keys))
            return Slice(table, [dimension], {key: [key] for key in keys})
        expressions = expression if isinstance(expression, Mapping) else {}
        missing = [part.name for part in definition.partitions_defs if part.name not in expressions]
        if missing:
            raise CcfError(
                f"{_label(context)}: metadata 'partition_expr' names no column for {', '.join(missing)}."
            )
        parts = {key: _parts(key, definition) for key in keys}
        dimensions = [
            Dimension(
                expressions[part.name],
                span_of=_spans(part.partitions_def, [parts[key][place] for key in keys]),
            )
            for place, part in enumerate(definition.partitions_defs)
        ]
        return Slice(table, dimensions, parts)


def _changes(numbers: Mapping[str, float]) -> dict[str, str | float]:
    """The numbers of a write; what a merge did is a text, since its plots would mostly be flat lines."""
    changed = [f"{n:,} {name.removeprefix(_ROWS)}" for name, n in numbers.items() if name.startswith(_ROWS)]
    others = {name: number for name, number in numbers.items() if not name.startswith(_ROWS)}
    return {**({"rows": ", ".join(changed)} if changed else {}), **others}


_ROWS = "rows_"


def _spans(definition: dg.PartitionsDefinition[Any], keys: Iterable[str]) -> Mapping[str, Span]:
    """The time span of each partition; empty where partitions are not time windows."""
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return {}
    return {key: Span(*definition.time_window_for_partition_key(key)) for key in dict.fromkeys(keys)}


def _parts(key: str, definition: dg.MultiPartitionsDefinition) -> Sequence[str]:
    """A multi-partition key's part in each dimension."""
    by_dimension = key.keys_by_dimension if isinstance(key, dg.MultiPartitionKey) else {}
    return [by_dimension.get(part.name, key) for part in definition.partitions_defs]


def _table(preview: Preview) -> dg.TableMetadataValue:
    """``preview`` as the UI shows it."""
    records = [dg.TableRecord({name: _shown(value) for name, value in row.items()}) for row in preview.rows]
    columns = [dg.TableColumn(name, column_type) for name, column_type in preview.columns.items()]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _shown(value: object) -> str | float | None:
    """``value`` as JSON can hold it, which knows no NaN."""
    if value is None or isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _is_partitioned(context: dg.OutputContext | dg.InputContext) -> bool:
    return context.has_asset_key and context.has_asset_partitions


def _label(context: dg.OutputContext | dg.InputContext) -> str:
    return context.asset_key.to_user_string() if context.has_asset_key else str(context.name)
