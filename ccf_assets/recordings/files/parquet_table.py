"""A Parquet file of sites: the columns that can be ours, read within the limits of memory.

What its columns mean is in columns.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet

from ccf_assets.errors import CcfError, first_line
from ccf_assets.recordings.files.known_columns import with_preset
from ccf_assets.recordings.files.settings import FileSettings, can_be_ours
from ccf_assets.recordings.files.table import LARGEST_BYTES, Table, refuse_too_many, refuse_twice

_POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""A panic (for example of a name that is not UTF-8) is no Exception: it would end the run of all files."""


def read_parquet(path: Path, raw: bytes, settings: FileSettings) -> Table:
    """Read a Parquet file with Arrow: polars' own reader ends the process at some damaged files.

    A few kilobytes can unpack to gigabytes: texts are unpacked once their length is known, and columns of
    other types than text and numbers, whose length is not known, are not unpacked at all. The metadata of a
    column is not read either: if it contradicts itself, Arrow ends the process.
    """
    try:
        metadata = parquet.read_metadata(pa.BufferReader(raw))
        schema, rows = metadata.schema.to_arrow_schema(), metadata.num_rows
        groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        if sum(groups) != rows or min(groups, default=0) < 0:  # Arrow allocates what a group claims
            raise ValueError(f"it claims {rows:,} rows, and its row groups {sum(groups):,}")
        refuse_too_many(path, rows)
        refuse_twice(path, schema.names)
        settings = with_preset(settings, schema.names)
        kind_of = {name: schema.field(name).type for name in schema.names if can_be_ours(name, settings)}
        texts = [name for name, kind in kind_of.items() if _is_text(kind)]
        read = [name for name, kind in kind_of.items() if name in texts or _is_flat(kind)]
        file = parquet.ParquetFile(pa.BufferReader(raw), metadata=metadata, read_dictionary=texts)
        content = file.read(read)
        content.validate(full=True)
        if content.num_rows != rows:
            raise ValueError(f"it claims {rows:,} rows and has {content.num_rows:,}")
        if sum(_text_bytes(content[name]) for name in texts) > LARGEST_BYTES:
            raise CcfError(f"{path} has texts of more than {LARGEST_BYTES:,} bytes; divide it.")
        columns = {}
        for name, kind in kind_of.items():
            column = content[name] if name in read else pa.nulls(0, kind)  # refused for its type alone
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
    """Bytes of a column of text, unpacked; if its name is also a nested column's path, it is so already."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        bytes_of = np.asarray(pc.binary_length(chunk.dictionary).fill_null(0), np.int64)
        times = np.bincount(np.asarray(chunk.indices.drop_null()), minlength=len(bytes_of))
        total += int(times @ bytes_of)
    return total
