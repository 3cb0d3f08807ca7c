"""Rows of the tables of recordings as polars frames, and back."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from ccf_assets.db import schema
from ccf_assets.db.site_regions import sorted_by_key
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.pg.copy_in import as_rows
from ccf_assets.pg.session import one_sentence
from ccf_assets.pg.slices import Dimension, Slice
from ccf_assets.pg.store import store
from ccf_assets.recordings.files.table import SITES_SCHEMA


def held_sites(connection: sa.Connection, sources: Collection[str]) -> pl.DataFrame:
    """The stored sites of some sources, locked: nobody can delete or change them before the transaction ends.

    They are written back unchanged; without the lock, a site that is deleted meanwhile would come back.
    """
    site = schema.recording_site.c
    columns = [site[name] for name in SITES_SCHEMA]
    query = (
        sa.select(*(sa.cast(c, sa.Text) if isinstance(c.type, sa.JSON) else c for c in columns))
        .where(site.source.in_(sources))
        .order_by(*sorted_by_key(site))
        .with_for_update(read=True)
    )
    rows = [tuple(row) for row in connection.execute(query)]
    return pl.DataFrame(rows, schema=SITES_SCHEMA, orient="row")


def store_sources(
    engine: sa.Engine,
    table: sa.Table,
    keys: Sequence[str],
    rows: pl.DataFrame,
    report: Callable[[str], object],
) -> None:
    """Make the rows of some sources equal ``rows``, as the IO manager does.

    Raises:
        CcfError: they do not fit the table, which is unchanged then.
    """
    target = Slice(table, [Dimension("source")], {key: [key] for key in keys})
    with one_sentence(str(table)):
        store(engine, lambda _connection: target, as_rows(str(table), rows), report)


def stored_rows(
    engine: sa.Engine, table: sa.Table, columns: pl.Schema, condition: sa.ColumnElement[bool]
) -> pl.DataFrame:
    """Rows of a table, with the columns of a polars schema."""
    query = sa.select(*(table.c[name] for name in columns)).where(condition)
    return as_frame(engine, query).cast(columns)


def as_frame(engine: sa.Engine, query: sa.Select[Any]) -> pl.DataFrame:
    """The rows of a query as a polars frame."""
    frame = pl.from_arrow(read_arrow(engine.url, query).read_all())
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a stream of batches is never a Series
    return frame
