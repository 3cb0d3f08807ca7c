"""One write of an asset's rows: what its steps share, and what it reports when it is done.

Not here: the steps themselves (copy_in.py, merge.py, swap.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ccf_assets.pg.session import Report
from ccf_assets.pg.slices import Slice

PREVIEW_ROWS = 5


@dataclass
class Write:
    """A write in progress.

    Attributes:
        connection: the session that writes, in the transaction that the caller commits.
        target: the slice of the table that is written.
        report: receives sentences about the progress.
        start_side_work: starts the caller's side work. Call it exactly once: first thing when a query is
            merged, otherwise after the last row has been sent.
        open_sessions: closes the other sessions that the write opened; the caller leaves it after the commit.
        query_session: the session that the rows of a query came from, where it was another one.
    """

    connection: sa.Connection
    target: Slice
    report: Report
    start_side_work: Callable[[], object]
    open_sessions: ExitStack
    query_session: sa.Connection | None = None

    def open_query_session(self) -> sa.Connection:
        """Open a second session on the same database, for the query that gives the rows."""
        self.query_session = self.open_sessions.enter_context(self.connection.engine.connect())
        self.query_session.begin()  # psycopg, which is used directly, would begin without what is set for it
        return self.query_session

    def close_query_session(self) -> None:
        """Close the second session, if there is one; its locks are released."""
        self.open_sessions.close()
        self.query_session = None

    def check_query_session(self) -> None:
        """Fail if the second session has died: the row locks it holds must last until the commit."""
        if self.query_session is not None:
            self.query_session.exec_driver_sql("SELECT")


@dataclass(frozen=True)
class Preview:
    """A few rows of a table.

    Attributes:
        columns: the type of each column, by name.
        rows: the rows, as the driver reads them.
    """

    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Written:
    """The result of a write.

    Attributes:
        row_count: the rows in the slice.
        numbers: rows inserted, updated and deleted, or the seconds of each step, by name.
        preview: a few of the rows.
        per_key: the rows of each partition; empty unless the write covered several.
    """

    row_count: int
    numbers: Mapping[str, float]
    preview: Preview
    per_key: Mapping[str, int]


def preview_of(
    connection: sa.Connection, source: sa.FromClause, where: sa.ColumnElement[bool], keys: Sequence[str]
) -> Preview:
    """The first few rows of ``source`` in the order of ``keys``."""
    # OFFSET 0: all rows of a slice are read and sorted. Otherwise the planner walks the key of the whole
    # table until it has met enough rows of the slice: 3.1 s with ten million rows.
    of_slice = sa.select(source).where(where).offset(0 if where is not sa.true() else None).subquery()
    query = sa.select(of_slice).order_by(*(of_slice.c[key] for key in keys)).limit(PREVIEW_ROWS)
    rows: list[dict[str, Any]] = [dict(row) for row in connection.execute(query).mappings()]
    return Preview({column.name: str(column.type) for column in source.c}, rows)
