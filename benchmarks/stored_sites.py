"""The yardstick of ordinary tables, such as those of sites: the server alone stores rows from files it reads.

The files have the rows of the tables in PostgreSQL's binary form, in the order in which they lie. To make
them is not counted. The tables are there already, empty, with the keys, indexes, checks and foreign keys that
the program's have, as for rows that come to others: nothing can be built afterwards. They have no triggers,
so that nothing is counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sa

from benchmarks.measuring import Sample
from benchmarks.place import Place
from benchmarks.processor import server_seconds
from ccf_assets.db import schema

SCHEMA = "server_alone"


def store_alone(place: Place, tables: Sequence[sa.Table]) -> Sample:
    """Store the rows that tables have now once more, in tables of their own, and throw them away."""
    folder = place.folder / "ready"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)  # under root, the server is another user
    files = {table.name: folder / f"{table.name}.bin" for table in tables}
    with place.engine.connect() as connection:
        run = connection.exec_driver_sql
        run(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        run(f"CREATE SCHEMA {SCHEMA}")
        for table in tables:
            run(f"COPY {table} TO '{files[table.name]}' (FORMAT binary)")
            run(f"CREATE TABLE {SCHEMA}.{table.name} (LIKE {table} INCLUDING ALL)")
            for foreign in connection.scalars(sa.text(_FOREIGN_KEYS), {"table": str(table)}):
                run(f"ALTER TABLE {SCHEMA}.{table.name} ADD {_within(foreign)}")
        connection.commit()
    place.settle()
    before, started = server_seconds(place.engine), time.perf_counter()
    with place.engine.begin() as connection:
        for table in tables:
            columns = ", ".join(column.name for column in table.columns if column.computed is None)
            connection.exec_driver_sql(
                f"COPY {SCHEMA}.{table.name} ({columns}) FROM '{files[table.name]}' (FORMAT binary)"
            )
    with place.engine.begin() as connection:
        for table in tables:
            connection.exec_driver_sql(f"ANALYZE {SCHEMA}.{table.name}")
    seconds = time.perf_counter() - started
    worked = server_seconds(place.engine) - before
    with place.engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {SCHEMA} CASCADE")
    return Sample(seconds, details={"server_processor_seconds": worked})


_FOREIGN_KEYS = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = CAST(:table AS regclass) AND contype = 'f' AND conparentid = 0
"""


def _within(foreign: str) -> str:
    """A foreign key of regions to sites leads to the sites that are stored with them."""
    return foreign.replace(f"REFERENCES {schema.recording_site}(", f"REFERENCES {SCHEMA}.recording_site(")
