"""The result of a query as Arrow batches, straight from PostgreSQL's binary COPY.

Not here: Arrow batches on their way into the database (copy_in.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from ccf_assets.errors import CcfError, first_line
from ccf_assets.pg.connect import ENCODING, LOST_HOST, libpq_url, undiverted


def read_arrow(url: sa.URL, query: sa.Select[Any]) -> pa.RecordBatchReader:
    """Run ``query`` and stream its rows as Arrow batches, in constant memory; json and jsonb are strings.

    The connection is closed when the stream has been read to its end or is dropped.

    Raises:
        CcfError: the connection or the query fails, here or while the stream is read.
    """
    # Imported here: only reading needs it.
    import adbc_driver_postgresql.dbapi as adbc

    statement = as_text(query)  # the driver does not stream a statement with parameters
    with _one_sentence(adbc.Error), undiverted(url):
        connection = adbc.connect(libpq_url(url.update_query_dict(ENCODING)))
    cursor = connection.cursor()
    try:
        with _one_sentence(adbc.Error):
            cursor.executescript(LOST_HOST)
            cursor.execute(statement)
            reader = cursor.fetch_record_batch()
    except BaseException:
        cursor.close()
        connection.close()
        raise

    schema = pa.schema([_plain(field) for field in reader.schema])

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with _one_sentence(OSError, pa.ArrowException):
                for batch in reader:
                    yield batch.cast(schema) if batch.schema != schema else batch
        finally:
            cursor.close()
            connection.close()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _plain(field: pa.Field) -> pa.Field:
    """A column of JSON as a column of strings, which all that read Arrow understand."""
    return field.with_type(field.type.storage_type) if isinstance(field.type, pa.JsonType) else field


def as_text(query: sa.Select[Any]) -> str:
    """``query`` as SQL with its values as literals, quoted by psycopg: COPY takes no parameters."""
    dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
    compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled) % {name: _literal(value) for name, value in compiled.params.items()}


def _literal(value: object) -> str:
    """A literal of the type that the value has as a parameter: a float is double precision, not numeric."""
    text = sql.Literal(value).as_string()
    return f"({text})::float8" if isinstance(value, float) else text


@contextmanager
def _one_sentence(*errors: type[Exception]) -> Iterator[None]:
    """Turn the driver's errors into a CcfError with the first line of the server's message.

    The driver puts words of its own before the message, and the statement or the place in a function after.
    """
    try:
        yield
    except errors as error:
        # The message follows "ERROR:  ", which is in the language of the server.
        message = first_line(str(error).partition(":  ")[2] or error)
        # PostgreSQL's own messages end without a full stop, those of SQL functions for users are sentences.
        text = message if message.endswith(".") else f"The database answers: {message}."
        raise CcfError(text) from error
