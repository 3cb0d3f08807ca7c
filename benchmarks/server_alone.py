"""The yardstick of every load: the server alone, which copies a ready file that it reads itself.

The file has the rows of a table in PostgreSQL's binary form, in the order of the key. What it takes to make
it is not counted. The rows go into a new partition, which gets the keys, statistics and foreign keys that the
program's table has, and is attached: the least that a load can take on this server.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.measuring import Sample
from benchmarks.place import Place
from ccf_assets.db import schema
from ccf_assets.pg.swap import INDEX_MEMORY

SCHEMA = "server_alone"


def rows_of(table: sa.Table, ccf_id: int) -> sa.Select[Any]:
    """The rows of an atlas in a table partitioned by atlas, in the order of the key; voxels from the runs."""
    if table is not schema.voxel:
        return sa.select(table).where(table.c.ccf_id == ccf_id).order_by(*table.primary_key)
    names = ("ccf_id", "x", "y", "z", "region_id")
    return sa.select(*sa.func.ccf.voxels(ccf_id).table_valued(*names).c)


class ServerAlone:
    """Copies the rows of one table and atlas from a ready file.

    Args:
        place: where.
        table: one of those that are partitioned by atlas.
        ccf_id: number of the atlas.
    """

    def __init__(self, place: Place, table: sa.Table, ccf_id: int) -> None:
        self._place, self._table, self._ccf_id = place, table, ccf_id
        self._file = place.folder / "ready" / f"{table.name}_{self._ccf_id}.bin"
        rows = rows_of(table, ccf_id)
        self._columns = ", ".join(rows.selected_columns.keys())
        if not self._file.exists():
            _write(place.engine, rows, self._file)

    def __call__(self) -> Sample:
        """Copy them once, and throw them away."""
        self._place.settle()
        parent, new = f"{SCHEMA}.{self._table.name}", f"{SCHEMA}.{self._table.name}_{self._ccf_id}"
        with self._place.engine.connect() as connection:
            run = connection.exec_driver_sql
            run(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            run(f"CREATE SCHEMA {SCHEMA}")
            run(f"CREATE TABLE {parent} (LIKE {self._table}) PARTITION BY LIST (ccf_id)")
            self._add_keys(connection, parent)
            self._add_foreign_keys(connection, parent)
            connection.commit()
            started = time.perf_counter()
            run(f"SET LOCAL maintenance_work_mem = '{INDEX_MEMORY}'")
            run(f"CREATE TABLE {new} (LIKE {self._table})")
            run(f"COPY {new} ({self._columns}) FROM '{self._file}' (FORMAT binary, FREEZE)")
            copied = time.perf_counter()
            self._add_keys(connection, new)
            run(f"ANALYZE {new}")
            keyed = time.perf_counter()
            run(f"ALTER TABLE {new} ADD CHECK (ccf_id = {self._ccf_id})")
            self._add_foreign_keys(connection, new)
            run(f"ALTER TABLE {parent} ATTACH PARTITION {new} FOR VALUES IN ({self._ccf_id})")
            connection.commit()
            ended = time.perf_counter()
            run(f"DROP SCHEMA {SCHEMA} CASCADE")
            connection.commit()
        parts = {"copy_seconds": copied - started, "key_seconds": keyed - copied}
        return Sample(ended - started, details=parts)

    def _add_keys(self, connection: sa.Connection, name: str) -> None:
        key = ", ".join(column.name for column in self._table.primary_key)
        connection.exec_driver_sql(f"ALTER TABLE {name} ADD PRIMARY KEY ({key})")
        for index in self._table.indexes:
            columns = ", ".join(column.name for column in index.columns)
            connection.exec_driver_sql(f"CREATE INDEX ON {name} ({columns})")

    def _add_foreign_keys(self, connection: sa.Connection, name: str) -> None:
        for foreign in self._table.foreign_key_constraints:
            there = ", ".join(element.column.name for element in foreign.elements)
            connection.exec_driver_sql(
                f"ALTER TABLE {name} ADD FOREIGN KEY ({', '.join(foreign.column_keys)}) "
                f"REFERENCES {foreign.referred_table} ({there})"
            )


def _write(engine: sa.Engine, rows: sa.Select[Any], path: Path) -> None:
    """The rows in PostgreSQL's binary form, written by the server itself: a client gets them one by one."""
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o777)  # under root, the server is another user
    select = rows.compile(engine, compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        connection.exec_driver_sql(f"COPY ({select}) TO '{path}' (FORMAT binary)")
