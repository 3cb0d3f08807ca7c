"""The answer to a query as Arrow batches, straight from PostgreSQL's binary COPY. No Dagster here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from ccf_assets.postgres import libpq_url


def read_arrow(url: sa.URL, query: sa.Select[Any]) -> pa.RecordBatchReader:
    """Run ``query`` and stream its rows as Arrow batches, in constant memory.

    The connection is closed when the stream has been read to its end or is dropped.
    """
    # Imported here: only reading needs it.
    import adbc_driver_postgresql.dbapi as adbc

    dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
    compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    # Values go in as literals, quoted by psycopg: a statement with parameters is not streamed by the driver.
    statement = str(compiled) % {name: sql.Literal(v).as_string() for name, v in compiled.params.items()}
    connection = adbc.connect(libpq_url(url))
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
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
