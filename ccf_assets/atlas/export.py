"""Tables as files, Parquet or CSV, streamed: however long a table is, little of it is in memory at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from ccf_assets.ccf import space
from ccf_assets.ccf.runs import voxel_batches
from ccf_assets.ccf.space import space_words
from ccf_assets.db import schema
from ccf_assets.db.loaded import LoadedAtlas, loaded_atlases
from ccf_assets.errors import CcfError, UnknownNameError, suggestion
from ccf_assets.files import new_file
from ccf_assets.pg.arrow import read_arrow

ELECTRODES = "electrodes"
"""The recording sites of one atlas with the columns of an NWB file's table of electrodes."""

SUFFIXES = (".parquet", ".csv")

_ELECTRODE_COLUMNS = {
    "id": "Number of the row, from 0",
    "x": "CCF µm from the corner of the volume, + is posterior; null where it is not known",
    "y": "CCF µm from the corner of the volume, + is inferior; null where it is not known",
    "z": "CCF µm from the corner of the volume, + is right; null where it is not known",
    "location": "Acronym of the region; unknown where there is none, and status says why",
    "group_name": "The recording",
    "site_id": "Number of the site in its recording",
    "hemisphere": "left or right; null outside the volume, and in a space without a midline",
    "status": f"One of {', '.join(space.STATUSES)}; or not_registered: see ccf-assets register",
    "atlas": "Key of the atlas that the coordinates and the location are of",
    "site": "Name of the site, or its number where it has none",
}
"""What the columns mean. The first six are those of NWB 2, whose schema says of the table of electrodes that
+x is posterior, +y is inferior and +z is right (https://nwb-schema.readthedocs.io)."""


def tables() -> list[str]:
    """What can be exported, by name."""
    return [*sorted(table.name for table in schema.metadata.sorted_tables), ELECTRODES]


def export(
    engine: sa.Engine, table: str, path: Path, atlas: LoadedAtlas | None = None, *, force: bool = False
) -> int:
    """Write a table to a file, ordered by its key. If this fails, there is no file, or the one of before.

    In a Parquet file each column has its comment, with its unit, as metadata. The table voxel comes from the
    runs, at every resolution, whether it is loaded or not.

    Args:
        engine: the database.
        table: one of `tables`.
        path: the file; its ending, .parquet or .csv, says which kind.
        atlas: the atlas whose rows are written; all if not given. Tables without ccf_id have no such rows.
        force: replace an existing file.

    Returns:
        How many rows were written.

    Raises:
        CcfError: there is no such table, it has no rows by atlas, electrodes were requested for all atlases,
            the file's ending is another, the file exists, or it cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise CcfError(f"{path}: the ending of the file must be {' or '.join(SUFFIXES)}; it says which kind.")
    kind = _Csv if path.suffix.lower() == ".csv" else _Parquet
    comments, parts = comments_of(table, atlas), _selected(engine, table, atlas)
    rows = 0
    with new_file(path, force=force) as aside, ExitStack() as stack:
        writer = None
        for part in parts:
            reader = part()
            columns = pa.schema(
                [each.with_metadata({"comment": comments[each.name]}) for each in reader.schema]
            )
            if writer is None:
                writer = stack.enter_context(closing(kind(aside, columns)))
            for batch in reader:
                writer.write(pa.RecordBatch.from_arrays(batch.columns, schema=columns))
                rows += len(batch)
    return rows


def comments_of(name: str, atlas: LoadedAtlas | None = None) -> dict[str, str]:
    """What the columns of a table mean, by name; in the space of an atlas, if one is given.

    Raises:
        CcfError: there is no such table; the text names the nearest.
    """
    space = space_words(atlas.space) if atlas else "CCF"
    if name == ELECTRODES:
        return {
            column: about.replace("CCF µm", f"{space} µm") for column, about in _ELECTRODE_COLUMNS.items()
        }
    table = schema.metadata.tables.get(f"{schema.SCHEMA}.{name}")
    if table is None:
        raise UnknownNameError(f"There is no table {name!r}; {suggestion(name, tables())}")
    return {column.name: (column.comment or "").replace("CCF µm", f"{space} µm") for column in table.columns}


_Part: TypeAlias = Callable[[], pa.RecordBatchReader]


def _selected(engine: sa.Engine, name: str, atlas: LoadedAtlas | None) -> list[_Part]:
    """The streams whose rows follow one another in the file, to be opened one after the other."""
    if name == ELECTRODES:
        if atlas is None:
            raise CcfError("A table of electrodes is of one atlas, and none is named.")
        return [partial(read_arrow, engine.url, _electrodes(atlas))]
    table = schema.metadata.tables[f"{schema.SCHEMA}.{name}"]
    if atlas is not None and "ccf_id" not in table.columns:
        raise CcfError(f"The table {name} is the same for every atlas: leave out --atlas.")
    if table is schema.voxel:
        chosen = [atlas] if atlas else sorted(loaded_atlases(engine), key=lambda each: each.ccf_id)
        if chosen:
            return [partial(_voxels, engine, each) for each in chosen]
    query = sa.select(table).order_by(*table.primary_key.columns)
    if atlas is not None:
        query = query.where(table.c.ccf_id == atlas.ccf_id)
    return [partial(read_arrow, engine.url, query)]


def _voxels(engine: sa.Engine, atlas: LoadedAtlas) -> pa.RecordBatchReader:
    """The voxels in the order of the runs, which the key gives without sorting them."""
    run = schema.voxel_run
    runs = sa.select(run).where(run.c.ccf_id == atlas.ccf_id).order_by(run.c.x, run.c.y, run.c.z)
    return voxel_batches(read_arrow(engine.url, runs), atlas.grid)


def _electrodes(atlas: LoadedAtlas) -> sa.Select[Any]:
    """The sites of the atlas's space, registered or not; a point of a track is no electrode."""
    names = (
        "ccf_id",
        "recording_id",
        "site_id",
        "site_name",
        "kind",
        "acronym",
        "status",
        "hemisphere",
        *space.XYZ,
    )
    site = sa.table("recording_site_region", *map(sa.column, names), schema=schema.SCHEMA)
    s = site.c
    by = (s.recording_id, s.site_id)
    return (
        sa.select(
            sa.cast(sa.func.row_number().over(order_by=by) - 1, sa.Integer).label("id"),
            s.x, s.y, s.z,
            sa.func.coalesce(s.acronym, "unknown").label("location"),
            s.recording_id.label("group_name"),
            s.site_id,
            s.hemisphere,
            s.status,
            sa.literal(atlas.key).label("atlas"),
            sa.func.coalesce(s.site_name, sa.cast(s.site_id, sa.Text)).label("site"),
        )
        .where(s.ccf_id == atlas.ccf_id, s.kind == space.SITE)
        .order_by(*by)
    )  # fmt: skip


class _Parquet:
    """A Parquet file that grows by batches."""

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, columns, compression="zstd")

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


class _Csv:
    """A CSV that grows by batches; null is an empty cell, an empty text is ``""``."""

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self._file = path.open("wb")
        pl.DataFrame(columns.empty_table()).write_csv(self._file)

    def write(self, batch: pa.RecordBatch) -> None:
        pl.DataFrame(batch).write_csv(self._file, include_header=False)

    def close(self) -> None:
        self._file.close()
