"""Other ways to store the same rows: pandas, polars and DataJoint, each with a sample, scaled to all rows.

pandas and polars write into a table without keys and DataJoint into the tutorial's own, which has them. The
rows are in memory when the clock starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import polars as pl
import sqlalchemy as sa

from benchmarks.measuring import Sample, Way, apart, peak_mb, sampled_title, timed
from benchmarks.server_alone import rows_of
from benchmarks.volumes import Volume
from ccf_assets.db import database, schema
from ccf_assets.pg import connect
from ccf_assets.pg.arrow import read_arrow

SCHEMA = "other_stores"


def with_pandas(table: sa.Table, volume: Volume, total: int) -> Way:
    """``DataFrame.to_sql``, as it does without options; arguments as `_way`."""
    return _way("pandas.to_sql", 100_000, _pandas, table, volume, total)


def with_polars(table: sa.Table, volume: Volume, total: int) -> Way:
    """``DataFrame.write_database`` with the ADBC engine; arguments as `_way`."""
    return _way("polars.write_database", 1_000_000, _polars, table, volume, total)


def with_datajoint(volume: Volume, total: int) -> Way:
    """``Table.insert`` of DataJoint, of voxels; arguments as `_way`."""
    way = _way("DataJoint insert", 50_000, _datajoint, schema.voxel, volume, total)
    return replace(way, needs="datajoint")


def _way(
    name: str,
    most: int,
    write: Callable[[pl.DataFrame], float],
    table: sa.Table,
    volume: Volume,
    total: int,
) -> Way:
    """A way of storing the rows of ``table`` of one atlas.

    Args:
        name: of the way.
        most: rows that are written; enough for some seconds.
        write: writes them and returns the seconds it took.
        table: voxel_run or voxel; the rows of both are made of the runs.
        volume: the atlas.
        total: how many rows it has, to which the time is scaled.
    """
    sampled = min(most, total)
    what = {"voxel": "rows", "voxel_run": "runs"}[table.name]
    return Way(
        sampled_title(f"{name}, {what}", sampled, total),
        partial(apart, _store, write, table.name, volume, sampled, total),
    )


def _store(
    write: Callable[[pl.DataFrame], float], table: str, volume: Volume, sampled: int, total: int
) -> Sample:
    engine = database.create_engine()
    rows = rows_of(schema.metadata.tables[f"{schema.SCHEMA}.{table}"], volume.entry.ccf_id).limit(sampled)
    sample = pl.DataFrame(read_arrow(engine.url, rows).read_all())
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
    seconds = write(sample)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {SCHEMA} CASCADE")
    return Sample(seconds * total / sampled, peak_mb(), {"rows": sampled, "seconds": seconds})


def _pandas(rows: pl.DataFrame) -> float:
    frame, engine = rows.to_pandas(), database.create_engine()
    return timed(lambda: frame.to_sql("store", engine, schema=SCHEMA, index=False))


def _polars(rows: pl.DataFrame) -> float:
    address = connect.libpq_url(database.database_url())
    return timed(lambda: rows.write_database(f"{SCHEMA}.store", address, engine="adbc"))


def _datajoint(rows: pl.DataFrame) -> float:
    """Insert into the table Voxel of DataJoint's CCF tutorial, its index and foreign keys included."""
    os.environ["DJ_LOG_LEVEL"] = "WARNING"  # its remarks go where the table goes
    import datajoint as dj

    url = database.database_url()
    place = {"host": url.query["host"], "port": int(str(url.query["port"])), "user": url.username}
    instance = dj.Instance(**place, password="", backend="postgresql", database__name=url.database)
    instance.config.safemode = False
    tables = instance.Schema(SCHEMA)

    class CCF(dj.Manual):
        definition = "ccf_id : int32"

    class BrainRegion(dj.Manual):
        definition = """
        -> CCF
        region_id : int32
        """

    class Voxel(dj.Manual):
        definition = """
        -> CCF
        x : int32
        y : int32
        z : int32
        ---
        -> BrainRegion
        index (y, z)
        """

    for table in (CCF, BrainRegion, Voxel):
        tables(table, context={"CCF": CCF, "BrainRegion": BrainRegion})
    CCF.insert(rows.select("ccf_id").unique().rows())
    BrainRegion.insert(rows.select("ccf_id", "region_id").unique().rows())
    voxels = rows.select("ccf_id", "x", "y", "z", "region_id").rows()
    return timed(lambda: Voxel.insert(voxels))
