"""Arrays of points: `.npy` files read within limits, and tables of sites made of arrays.

Which files hold sites, and in which frame, is in alf, brainglobe and bare_array.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ccf_assets.ccf.space import AXES
from ccf_assets.errors import CcfError
from ccf_assets.finding import listed
from ccf_assets.recordings.files.table import Table, refuse_too_many
from ccf_assets.recordings.formats.limited import read_limited

LARGEST_NPY = 300_000_000
"""Bytes of a `.npy` of sites: 10 million points as float64 have 240 MB."""

_LONGEST_HEADER = 10_000
"""Characters, as numpy itself takes (numpy.lib.format, max_header_size)."""

_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[US]\d{1,4})")
"""Numbers and text of a fixed length; objects (pickles), records and dates are refused."""


_HALVES = 0xD800 >> 11
"""Of the codes from 0xD800 to 0xDFFF, which are halves of characters."""


def read_npy(path: Path) -> npt.NDArray[np.generic]:
    """The array of a `.npy` file, of numbers or text; a header that promises more than the file is refused.

    The header is read here (the format is that of numpy.lib.format, NEP 1), because numpy's own reader
    allocates what the header says.

    Raises:
        CcfError: it is no `.npy`, damaged, or holds something else, such as pickled objects.
    """
    raw = read_limited(path, LARGEST_NPY)
    size_bytes = {b"\x01": 2, b"\x02": 4, b"\x03": 4}.get(raw[6:7])
    if not raw.startswith(b"\x93NUMPY") or size_bytes is None:
        raise CcfError(f"{path} is no .npy file of numpy; save it again with numpy.save.")
    start = 8 + size_bytes
    length = int.from_bytes(raw[8:start], "little")
    if length > min(_LONGEST_HEADER, len(raw) - start):
        raise CcfError(f"{path} is damaged: its header is longer than it can be; save it again.")
    dtype, shape, order = _header(path, raw[start : start + length])
    count = 1
    for side in shape:
        count *= side
    if count * dtype.itemsize != len(raw) - start - length:
        raise CcfError(
            f"{path} is damaged: its header promises {count * dtype.itemsize:,} bytes of numbers, and it has "
            f"{len(raw) - start - length:,}; copy or save it again."
        )
    if not dtype.itemsize:
        raise CcfError(f"{path} holds texts of no length.")
    values = np.frombuffer(raw, dtype, count, start + length)
    return values.reshape(shape, order="F" if order else "C")


def _header(path: Path, header: bytes) -> tuple[np.dtype[np.generic], tuple[int, ...], bool]:
    """dtype, shape and whether the order is Fortran's, of the header's dictionary."""
    try:
        found = ast.literal_eval(header.decode("latin-1").strip())
        descr, shape, order = found["descr"], found["shape"], found["fortran_order"]
    except (ValueError, TypeError, SyntaxError, KeyError, IndexError, MemoryError, RecursionError):
        raise CcfError(f"{path} is damaged: its header cannot be read; save it again.") from None
    if not isinstance(descr, str) or not _DTYPE.fullmatch(descr):
        holds = "pickled objects, which are never opened" if descr == "|O" else f"{descr!r:.60}"
        raise CcfError(f"{path} holds {holds}; save it as an array of numbers (or text of a fixed length).")
    whole = isinstance(shape, tuple) and all(type(side) is int and 0 <= side < 1 << 40 for side in shape)
    if not whole or len(shape) > 8 or not isinstance(order, bool):  # noqa: PLR2004
        raise CcfError(f"{path} is damaged: its shape is {shape!r:.60}; save it again.")
    return np.dtype(descr), shape, order


def read_points(path: Path) -> npt.NDArray[np.float64]:
    """The points of a `.npy` file: shape (N, 3), float64.

    Raises:
        CcfError: as `read_npy`, or it holds no points in three dimensions.
    """
    values = read_npy(path)
    if values.ndim != 2 or values.shape[1] != len(AXES) or values.dtype.kind not in "iuf":  # noqa: PLR2004
        raise CcfError(
            f"{path} holds {_shape_in_words(values)}, not points: N rows of three numbers are needed."
        )
    refuse_too_many(path, len(values))
    if not len(values):
        raise CcfError(f"{path} holds no points: it has 0 rows.")
    with np.errstate(invalid="ignore"):  # a NaN that signals
        return values.astype(np.float64)


def read_column(path: Path, rows: int, of: str) -> npt.NDArray[np.generic]:
    """One value for each row of another file: shape (rows,).

    Args:
        path: the `.npy`.
        rows: how many there must be.
        of: name of the file that has them.

    Raises:
        CcfError: as `read_npy`, or its length is another.
    """
    values = read_npy(path)
    if values.ndim == 2 and values.shape[1] == 1:  # noqa: PLR2004
        values = values[:, 0]
    if values.ndim != 1 or len(values) != rows:
        raise CcfError(
            f"{path} holds {_shape_in_words(values)}, but {of} has {rows:,} rows: they are not of the same "
            f"recording, or one is damaged. Copy both again."
        )
    return values


def _shape_in_words(values: npt.NDArray[np.generic]) -> str:
    shape = " × ".join(f"{side:,}" for side in values.shape) or "one value"
    return f"an array of {shape} ({values.dtype})"


def coordinate_columns(points: npt.NDArray[np.float64], names: Sequence[str]) -> dict[str, pl.Series]:
    """Columns of points (N, 3); a NaN is null, and the other coordinates of its point stay what they are."""
    return {
        name: pl.Series(name, np.ascontiguousarray(points[:, place])).fill_nan(None)
        for place, name in enumerate(names)
    }


def only_lacking(made: Mapping[str, pl.Series], own: Collection[str]) -> dict[str, pl.Series]:
    """Of columns that a format makes, those that a table has not itself: a lab's own columns stay.

    Args:
        made: ours → the values.
        own: names of the table's columns; they count in any case of letters, as everywhere.
    """
    there = {name.strip().lower() for name in own}
    return {name: values for name, values in made.items() if name not in there}


def row_numbers(rows: int) -> pl.Series:
    """The numbers of rows from 0."""
    return pl.int_range(rows, dtype=pl.Int64, eager=True)


def as_text(values: npt.NDArray[np.generic]) -> pl.Series:
    """Numbers or text of an array as text; whole floats without ``.0``, NaN is null."""
    if values.dtype.kind == "S":
        return pl.Series([str(v, "utf-8", "replace") for v in values.tolist()], dtype=pl.String)
    if values.dtype.kind == "f":
        column = pl.Series(values.astype(np.float64)).fill_nan(None).cast(pl.String)
        text: pl.Series = column.str.strip_suffix(".0")
        return text
    if values.dtype.kind == "U":
        return pl.Series(_characters(values), dtype=pl.String)
    whole: pl.Series = pl.Series(values).cast(pl.String)
    return whole


def _characters(values: npt.NDArray[np.generic]) -> list[str]:
    """Text of a fixed length; what is no character, as in a damaged file, becomes the sign for that."""
    codes = np.frombuffer(values.astype(values.dtype.newbyteorder("<")).tobytes(), "<u4").copy()
    codes[(codes > sys.maxunicode) | (codes >> 11 == _HALVES)] = 0xFFFD
    length = values.dtype.itemsize
    raw = codes.tobytes()
    return [raw[at : at + length].decode("utf-32-le").rstrip("\0") for at in range(0, len(raw), length)]


def table_of(path: Path, columns: Mapping[str, pl.Series], frame: str | None, row_name: str = "row") -> Table:
    """A table whose columns are all in memory, of a format that makes them itself.

    Args:
        path: the source's anchor, for sentences.
        columns: of one length; a name that is one of ours is taken as such.
        frame: the frame of the coordinates, if the format states it.
        row_name: what a row is, for sentences, which count from 1.
    """
    height = len(next(iter(columns.values())))
    if not height:
        raise CcfError(f"{path} holds no sites: it has {listed(list(columns))}, and no rows.")
    named = {name: column.alias(name) for name, column in columns.items()}
    return Table(path.name, list(named), named, height, lambda row: f"{row_name} {row + 1}", frame)
