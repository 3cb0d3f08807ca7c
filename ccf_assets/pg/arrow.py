"""The answer to a query as Arrow batches, straight from PostgreSQL's binary COPY. No Dagster here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from ccf_assets.errors import CcfError
from ccf_assets.pg.connect import libpq_url


def read_arrow(url: sa.URL, query: sa.Select[Any]) -> pa.RecordBatchReader:
    """Run ``query`` and stream its rows as Arrow batches, in constant memory.

    The connection is closed when the stream has been read to its end or is dropped.

    Raises:
        CcfError: the server answers with an error, here or while the stream is read.
    """
    # Imported here: only reading needs it.
    import adbc_driver_postgresql.dbapi as adbc

    statement = as_text(query)  # one with parameters is not streamed by the driver
    with _answered(adbc.Error):
        connection = adbc.connect(libpq_url(url))
    cursor = connection.cursor()
    try:
        with _answered(adbc.Error):
            cursor.execute(statement)
            reader = cursor.fetch_record_batch()
    except BaseException:
        cursor.close()
        connection.close()
        raise

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with _answered(OSError, pa.ArrowException):
                yield from reader
        finally:
            cursor.close()
            connection.close()

    return pa.RecordBatchReader.from_batches(reader.schema.remove_metadata(), batches())


def as_text(query: sa.Select[Any]) -> str:
    """``query`` with its values as literals, quoted by psycopg, for COPY, which takes no parameters."""
    dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
    compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled) % {name: _literal(value) for name, value in compiled.params.items()}


def _literal(value: object) -> str:
    """A value as it is as a parameter: a number with a point is double precision, not numeric."""
    text = sql.Literal(value).as_string()
    return f"({text})::float8" if isinstance(value, float) else text


@contextmanager
def _answered(*errors: type[Exception]) -> Iterator[None]:
    """Turn the driver's errors into a CcfError with the first line of what the server said.

    The driver puts its own words in front and the statement, or where in a function it was, behind.
    """
    try:
        yield
    except errors as error:
        said = str(error).partition(":  ")[2] or str(error)  # "ERROR:  …", in the language of the server
        sentence = said.strip().splitlines()[0]
        # PostgreSQL's own messages end without a full stop, those of our functions are sentences.
        text = sentence if sentence.endswith(".") else f"The database answers: {sentence}."
        raise CcfError(text) from error
