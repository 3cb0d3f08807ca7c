"""A NRRD file of any integer type, in any order of axes; the data directly behind the header."""

from __future__ import annotations

import bz2
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nrrd
import numpy as np

from ccf_assets.ccf.volumes.volume import (
    NOT_GZIP,
    Slab,
    StoredVolume,
    checked_edges,
    checked_shape,
    checked_type,
    damaged,
    in_um,
    refused,
    rounded,
    slabs_in_sequence,
    unpacked,
)

MAGIC = b"NRRD"

_LONGEST_HEADER = 1 << 16
"""Bytes."""

_PACKINGS = {"raw": "raw", "gz": "gzip", "gzip": "gzip", "bz2": "bzip2", "bzip2": "bzip2"}

_ELSEWHERE = ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip")
"""Fields that say that the data are in other files, or not directly behind the header."""

_STRAIGHT = 1e-6
"""Of a direction's length: components that are no more are rounding."""


def opened(path: Path) -> StoredVolume:
    """The header of a NRRD file.

    No header states an orientation: the official files' own space is wrong, and tools copy it.

    Raises:
        CcfError: it cannot be read, or is not that of an annotation volume.
    """
    fields, start = _header(path)
    for name in _ELSEWHERE:
        if name in fields:
            raise refused(
                path, f"its header has {name}: {fields[name]!s:.100}; write header and voxels in one file"
            )
    encoding = fields.get("encoding")
    if encoding not in _PACKINGS:
        raise refused(path, f"its encoding is {encoding!s:.50}; read are raw, gzip and bzip2")
    shape = checked_shape(path, [int(n) for n in fields.get("sizes", ())])
    dtype = checked_type(path, _dtype(path, fields))
    edges, units = _edges(path, fields)
    in_units = edges and in_um(edges, units)
    packing = _PACKINGS[str(encoding)]
    return StoredVolume(
        path=path,
        form="NRRD",
        shape=shape,
        dtype=dtype,
        axes=None,
        edges_um=in_units,
        bare_edges=None if in_units else edges,
        world=None,
        slow_axis=2,
        readable_along=(2,),
        read=lambda _axis: _slabs(path, start, packing, shape, dtype),
    )


def _header(path: Path) -> tuple[Mapping[str, Any], int]:
    """The fields of the header, and where the data begin."""
    with path.open("rb") as file:
        text = io.BytesIO(file.read(_LONGEST_HEADER))
    try:
        with np.errstate(all="ignore"):  # an absurdly large number is reported as what it becomes
            fields: Mapping[str, Any] = nrrd.read_header(text)
            if text.tell() == _LONGEST_HEADER:
                raise ValueError(f"it does not end within {_LONGEST_HEADER:,} bytes")
    except (nrrd.NRRDError, LookupError, ValueError, TypeError, OverflowError, StopIteration) as error:
        # pynrrd trusts the file: a header that is cut short fails wherever it ends.
        why = f"no {error} is known" if isinstance(error, KeyError) else str(error) or "it is cut short"
        raise refused(path, f"its NRRD header is not readable ({why:.200})") from error
    return fields, text.tell()


def _dtype(path: Path, fields: Mapping[str, Any]) -> np.dtype[Any]:
    name = fields.get("type")
    if name not in nrrd.reader._TYPEMAP_NRRD2NUMPY or name == "block":
        raise refused(path, f"its voxels are of type {name!s:.50}, and region ids are whole numbers")
    dtype = np.dtype(nrrd.reader._TYPEMAP_NRRD2NUMPY[name])
    if dtype.itemsize > 1 and fields.get("endian") not in {"little", "big"}:
        raise refused(path, "its header does not say whether endian is little or big")
    ordered: np.dtype[Any] = dtype.newbyteorder(">" if fields.get("endian") == "big" else "<")
    return ordered


def _edges(
    path: Path, fields: Mapping[str, Any]
) -> tuple[tuple[float, float, float] | None, list[str | None]]:
    """The edges of a voxel and the unit of each."""
    directions = fields.get("space directions")
    if directions is not None:
        return _lengths(path, np.asarray(directions, float)), _three(fields.get("space units"))
    if "spacings" in fields:
        numbers = [rounded(abs(float(n))) for n in fields["spacings"]]
        return checked_edges(path, numbers), _three(fields.get("units") or fields.get("space units"))
    return None, []


def _three(units: Any) -> list[str | None]:  # noqa: ANN401
    return list(units) if isinstance(units, (list, tuple)) and all(isinstance(u, str) for u in units) else []


def _lengths(path: Path, directions: np.ndarray) -> tuple[float, float, float]:
    """The lengths of three directions, each along an axis of its own."""
    if directions.shape != (3, 3) or not np.isfinite(directions).all():
        raise refused(path, "its space directions are not three vectors of three numbers")
    size = np.abs(directions)
    along = size.argmax(axis=1)
    length = size.max(axis=1)
    edges = checked_edges(path, [rounded(n) for n in length])
    others = np.sort(size, axis=1)[:, 1]
    if sorted(along) != [0, 1, 2] or (others > _STRAIGHT * length).any():
        raise refused(path, "its space directions are oblique; resample it along the axes of the brain")
    return edges


def _slabs(
    path: Path, start: int, packing: str, shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> Iterator[Slab]:
    with path.open("rb") as file:
        file.seek(start)
        data: io.BufferedIOBase = file
        if packing == "gzip":
            data = unpacked(file)
        elif packing == "bzip2":
            data = bz2.BZ2File(file)
        try:
            yield from slabs_in_sequence(path, data, shape, dtype)
        except NOT_GZIP as error:
            raise damaged(path, error) from error
        except OSError as error:
            if error.errno is None:  # what bz2 says of bytes that are none of its
                raise damaged(path, error) from error
            raise
