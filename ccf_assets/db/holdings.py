"""The content of the database by atlas, counted, and dropping an atlas.

Which atlases can be used is in loaded.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import psycopg
import sqlalchemy as sa

from ccf_assets.db import schema
from ccf_assets.db.schema.columns import BY_ATLAS
from ccf_assets.db.spaces import forget_spaces
from ccf_assets.errors import CcfError

_WHOLE = ("brain_region", "region_parent", "region_ancestor", "voxel_run", "brain_surface", "region_volume")
"""Tables in which every completely loaded atlas has rows."""

LOCK_WAIT_S = 10
"""Longest wait for other sessions before a drop gives up."""


@dataclass(frozen=True)
class Holding:
    """An atlas in the database: its row of table atlas, and what each table holds of it.

    Attributes:
        rows_of: exact row counts by table.
        size_bytes: size on disk of its partitions of voxel_run, voxel and brain_surface, keys included.
        missing: tables without rows of it that a complete load fills: the load was interrupted, or failed.
    """

    ccf_id: int
    key: str
    version: str
    space: str
    resolution_um: float
    source_url: str
    sha256: str
    loaded_at: datetime
    rows_of: Mapping[str, int]
    size_bytes: int
    missing: Sequence[str]

    def as_json(self) -> dict[str, object]:
        """The holding for ``--json``, whose keys are shorter."""
        key_of = {"rows_of": "rows", "size_bytes": "bytes"}
        return {key_of.get(name, name): value for name, value in asdict(self).items()}


def _tables_by_atlas() -> list[sa.Table]:
    """The tables with rows per atlas, those referred to before those that refer to them.

    Without atlas_number, which keeps the numbers of dropped atlases.
    """
    tables = schema.metadata.sorted_tables
    return [table for table in tables if "ccf_id" in table.columns and table is not schema.atlas_number]


def _partition(table: sa.Table, ccf_id: int) -> str | None:
    """Name of the partition that holds an atlas's rows, or None for a table that is not divided by atlas."""
    by_atlas = table.dialect_options["postgresql"]["partition_by"] == BY_ATLAS
    return f"{schema.SCHEMA}.{table.name}_{ccf_id}" if by_atlas else None


def holdings(engine: sa.Engine) -> list[Holding]:
    """Every atlas in the database, by number."""
    found = []
    with engine.connect() as connection:
        for row in connection.execute(sa.select(schema.atlas).order_by(schema.atlas.c.ccf_id)):
            rows_of, size = {}, 0
            for table in _tables_by_atlas():
                count = sa.select(sa.func.count()).select_from(table).where(table.c.ccf_id == row.ccf_id)
                rows_of[table.name] = connection.scalar(count) or 0
                partition = _partition(table, row.ccf_id)
                if partition is not None:
                    relation = sa.func.to_regclass(partition)
                    size += connection.scalar(sa.select(sa.func.pg_total_relation_size(relation))) or 0
            found.append(
                Holding(
                    ccf_id=row.ccf_id,
                    key=row.key,
                    version=row.ccf_version,
                    space=row.space,
                    resolution_um=row.ccf_resolution,
                    source_url=row.source_url,
                    sha256=row.sha256,
                    loaded_at=row.loaded_at,
                    rows_of=rows_of,
                    size_bytes=size,
                    missing=[name for name in _WHOLE if not rows_of[name]],
                )
            )
    return found


_OF_RECORDINGS = (
    schema.recording_region,
    schema.recording_agreement,
    schema.recording_claim,
    schema.recording_site,
    schema.recording_finding,
    schema.recording_file,
)
"""Everything that comes from recordings; what refers to another table comes before it."""


def recorded(engine: sa.Engine) -> tuple[dict[str, int], int]:
    """Exact row counts of the tables of recordings, and the number of sites that come from no file."""
    source = schema.recording_source.c
    in_file = sa.exists().where(schema.recording_file.c.source == source.source)
    with engine.connect() as connection:
        counts = {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in reversed(_OF_RECORDINGS)
        }
        inserted = connection.scalar(sa.select(sa.func.sum(source.sites)).where(~in_file)) or 0
    return counts, int(inserted)


def drop_atlas(engine: sa.Engine, *ccf_ids: int, recordings: bool = False) -> None:
    """Delete everything of some atlases from the database, in one transaction; cached files stay.

    Args:
        engine: the database.
        ccf_ids: the atlases.
        recordings: also delete all recordings, including sites inserted by SQL. Otherwise the sites stay,
            without their regions in these atlases.

    Raises:
        CcfError: other sessions are using its tables.
    """
    try:
        with engine.begin() as connection:
            # While this waits, new readers wait behind it.
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'")
            if recordings:
                for table in _OF_RECORDINGS:
                    connection.execute(sa.delete(table))
            for table, ccf_id in itertools.product(reversed(_tables_by_atlas()), ccf_ids):
                partition = _partition(table, ccf_id)
                if partition is None:
                    connection.execute(sa.delete(table).where(table.c.ccf_id == ccf_id))
                else:
                    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {partition}")
            forget_spaces(connection, ccf_ids)
    except sa.exc.OperationalError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        raise CcfError(
            "The tables are in use by another session, so nothing was dropped; "
            "wait for its queries or loads to end, or end them, and drop again."
        ) from None
