"""Rows into a slice of a table, in one transaction: merged or swapped, as the table is.

Not here: the two ways themselves (merge.py, swap.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress

import sqlalchemy as sa

from ccf_assets.pg.connect import let_go_if_interrupted
from ccf_assets.pg.copy_in import Rows
from ccf_assets.pg.merge import merge
from ccf_assets.pg.session import Report, analyze_table
from ccf_assets.pg.slices import Slice
from ccf_assets.pg.swap import list_column_of, swap
from ccf_assets.pg.write import Write, Written


def store(
    engine: sa.Engine,
    slice_of: Callable[[sa.Connection], Slice],
    rows: Rows,
    report: Report,
    start_side_work: Callable[[], object] = lambda: None,
    *,
    rows_stay: bool = False,
) -> Written:
    """Make a slice equal ``rows``, and commit; then refresh the planner's statistics where much has changed.

    Args:
        engine: the database.
        slice_of: the slice, in the session that writes.
        rows: what the slice will hold.
        report: receives sentences about the progress.
        start_side_work: see `Write`.
        rows_stay: of an ordinary table, delete no row.

    Raises:
        CcfError: the rows do not fit the table or the slice, which are unchanged then.
    """
    with ExitStack() as open_sessions, engine.connect() as connection:
        with connection.begin(), let_go_if_interrupted(connection):
            write = Write(connection, slice_of(connection), report, start_side_work, open_sessions)
            list_column = list_column_of(connection, write.target.table)
            if list_column is not None:
                return swap(write, list_column, rows)
            written = merge(write, rows, rows_stay=rows_stay)
            write.check_query_session()
        write.close_query_session()
        if changed_rows := int(sum(written.numbers.values())):
            # The rows are stored: without new statistics questions may be slower, and nothing is wrong.
            with suppress(sa.exc.DBAPIError), connection.begin(), let_go_if_interrupted(connection):
                analyze_table(connection, write.target.table, changed_rows)
        return written
