"""A Parquet file of sites: the columns that can be ours, without reading more than fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet

from ccf_assets.errors import CcfError, first_line
from ccf_assets.recordings.files.settings import FileSettings, can_be_ours
from ccf_assets.recordings.files.table import LARGEST_BYTES, Table, refuse_too_many, refuse_twice

_POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""A panic, of a name that is not UTF-8 for one, is no Exception: it would end the run of all files."""


def read_parquet(path: Path, raw: bytes, settings: FileSettings) -> Table:
    """Read a Parquet file with Arrow: polars' own reader ends the process at some damaged files.

    A few kilobytes can stand for gigabytes: texts are unpacked when it is known how long they are, and
    columns of neither texts nor numbers, of which nobody knows, not at all. Nor is a column's metadata asked:
    where it contradicts itself, Arrow ends the process.
    """
    try:
        metadata = parquet.read_metadata(pa.BufferReader(raw))
        schema, rows = metadata.schema.to_arrow_schema(), metadata.num_rows
        groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        if sum(groups) != rows or min(groups, default=0) < 0:  # Arrow takes the memory that a group asks for
            raise ValueError(f"it says {rows:,} rows and its row groups {sum(groups):,}")
        refuse_too_many(path, rows)
        refuse_twice(path, schema.names)
        kind_of = {name: schema.field(name).type for name in schema.names if can_be_ours(name, settings)}
        texts = [name for name, kind in kind_of.items() if _is_text(kind)]
        read = [name for name, kind in kind_of.items() if name in texts or _is_flat(kind)]
        file = parquet.ParquetFile(pa.BufferReader(raw), metadata=metadata, read_dictionary=texts)
        found = file.read(read)
        found.validate(full=True)
        if found.num_rows != rows:
            raise ValueError(f"it says {rows:,} rows and has {found.num_rows:,}")
        if sum(_text_bytes(found[name]) for name in texts) > LARGEST_BYTES:
            raise CcfError(f"{path} has texts of more than {LARGEST_BYTES:,} bytes; divide it.")
        columns = {}
        for name, kind in kind_of.items():
            column = found[name] if name in read else pa.nulls(0, kind)  # its kind alone is refused
            column = column.cast(pa.large_string()) if name in texts else column
            columns[name] = pl.Series(name, pl.from_arrow(column))
    except (pa.ArrowException, OSError, ValueError, *_POLARS_ERRORS) as error:
        raise CcfError(
            f"{path} is not a readable Parquet file ({first_line(error):.200}); write it again."
        ) from None
    return Table(path.name, schema.names, columns, rows, lambda row: f"row {row + 1}")


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    value = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(value) or types.is_large_string(value) or types.is_string_view(value))


def _is_flat(kind: pa.DataType) -> bool:
    """Whether a value takes a few bytes, the same for every row."""
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind))


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Of a column of texts, were it unpacked; it is where its name is also the path of a nested one."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        bytes_of = np.asarray(pc.binary_length(chunk.dictionary).fill_null(0), np.int64)
        times = np.bincount(np.asarray(chunk.indices.drop_null()), minlength=len(bytes_of))
        total += int(times @ bytes_of)
    return total
