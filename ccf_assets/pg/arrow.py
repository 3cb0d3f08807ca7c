"""The result of a query as Arrow batches, straight from PostgreSQL's binary COPY.

Not here: Arrow batches on their way into the database (copy_in.py).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from ccf_assets.errors import CcfError, first_line
from ccf_assets.pg.connect import ENCODING, LOST_HOST, libpq_url, undiverted

BATCH_BYTES = 4 << 20
"""Of rows that the driver hands over at once, instead of its own 16 MB: the first of 2.8 million runs come
after 0.04 s instead of 0.15, and all of them take as long."""


def read_arrow(url: sa.URL, query: sa.Select[Any]) -> pa.RecordBatchReader:
    """Run ``query`` and stream its rows as Arrow batches, in constant memory; json and jsonb are strings.

    The connection is closed when the stream has been read to its end or is dropped.

    Raises:
        CcfError: the connection or the query fails, here or while the stream is read.
    """
    # Imported here: only reading needs it.
    import adbc_driver_manager as adbc

    address = libpq_url(url.update_query_dict(ENCODING))
    open_ = ExitStack()
    with _one_sentence(adbc.Error), undiverted(url):
        known = _databases.get(address)
        reader = _stream(known or _database(address), as_text(query), open_)
        if known and any(_is_unknown(field.type) for field in reader.schema):
            open_.close()  # of a type that was made since
            reader = _stream(_database(address), as_text(query), open_)

    schema = pa.schema([_plain(field) for field in reader.schema])

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with _one_sentence(OSError, pa.ArrowException):
                for batch in reader:
                    yield batch.cast(schema) if batch.schema != schema else batch
        finally:
            open_.close()

    stream = batches()
    weakref.finalize(stream, open_.close)  # one that was never begun does not end either
    return pa.RecordBatchReader.from_batches(schema, stream)


_databases: dict[str, Any] = {}
"""Address → the driver's AdbcDatabase: the types of that database, and no connection.

To read the types takes 110 ms, 43 of them of this process's time; a connection takes 9 ms.
"""


def _database(address: str) -> Any:  # noqa: ANN401
    """The driver's database at an address, with its types as they are now."""
    import adbc_driver_postgresql

    _databases[address] = adbc_driver_postgresql.connect(address)
    return _databases[address]


def _stream(database: Any, statement: str, open_: ExitStack) -> pa.RecordBatchReader:  # noqa: ANN401
    """Run a statement without parameters, which are not streamed; ``open_`` closes what was opened for it."""
    import adbc_driver_manager as adbc

    with ExitStack() as opened:
        connection = opened.enter_context(adbc.AdbcConnection(database))
        prepared = opened.enter_context(adbc.AdbcStatement(connection))
        connection.set_autocommit(False)
        prepared.set_sql_query(LOST_HOST)  # of a transaction, for which a pooler may give any session
        prepared.execute_update()
        prepared.set_options(**{"adbc.postgresql.batch_size_hint_bytes": BATCH_BYTES})
        prepared.set_sql_query(statement)
        reader = opened.enter_context(pa.RecordBatchReader.from_stream(prepared.execute_query()[0]))
        open_.push(opened.pop_all())
    return reader


def _is_unknown(type_: pa.DataType) -> bool:
    """Whether the driver met a type that it did not read with the others."""
    return isinstance(type_, pa.OpaqueType) and type_.type_name.startswith("unnamed")


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
