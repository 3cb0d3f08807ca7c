"""The canonical planes of a stored volume, whichever way its axes run, and the file that holds them.

Canonical is what the official files are: AP to posterior, DV to inferior, ML to the right; sagittal planes of
shape (DV, AP), uint32, ML ascending.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from isal import igzip

from ccf_assets.ccf.nrrd import SagittalPlane
from ccf_assets.ccf.region_id import LARGEST_ID
from ccf_assets.ccf.space import DIRECTIONS, Direction
from ccf_assets.ccf.volumes.volume import Slab, StoredVolume
from ccf_assets.errors import CcfError, why
from ccf_assets.files import whole_file
from ccf_assets.prefetch import one_ahead
from ccf_assets.progress import Progress

_AP, _ML = 0, 2

_N = TypeVar("_N", int, float)

_BLOCK_BYTES = 1 << 28
"""Of the planes that are turned in memory at a time."""

_EXACT = {2: 2**11 - 1, 4: 2**24 - 1, 8: 2**53 - 1}
"""Bytes of a float → up to where it tells whole numbers apart: the next two are the same float."""

_GZIP_LEVEL = 2
"""Of ISA-L's, 0 to 3."""


def check_axes(axes: Sequence[str]) -> None:
    """Check that three words say where the stored axes run to.

    Raises:
        CcfError: they are not three directions, each along another axis.
    """
    told = ", ".join(map(str, axes))
    if len(axes) != 3 or not all(axis in DIRECTIONS for axis in axes):  # noqa: PLR2004
        raise CcfError(
            f"Axes are three words, where each axis of the file runs to, of {', '.join(DIRECTIONS)}; "
            f"not {told:.200}."
        )
    if len({DIRECTIONS[axis][0] for axis in _directions(axes)}) != len(axes):
        raise CcfError(
            f"The axes {told} do not name three different axes: one must be posterior or anterior, one "
            "inferior or superior, and one right or left."
        )


def _directions(axes: Sequence[str]) -> list[Direction]:
    return [direction for axis in axes for direction in DIRECTIONS if direction == axis]


def canonical_shape(shape: Sequence[int], axes: Sequence[Direction]) -> tuple[int, int, int]:
    """Voxels along AP, DV, ML, of those along the stored axes.

    Raises:
        CcfError: the axes are not three.
    """
    return _canonical(shape, axes)


def canonical_edges(edges: Sequence[float], axes: Sequence[Direction]) -> tuple[float, float, float]:
    """Edges along AP, DV, ML, of those along the stored axes.

    Raises:
        CcfError: the axes are not three.
    """
    return _canonical(edges, axes)


def _canonical(stored: Sequence[_N], axes: Sequence[Direction]) -> tuple[_N, _N, _N]:
    check_axes(axes)
    ap, dv, ml = (stored[at] for at in _order(axes))
    return ap, dv, ml


def _order(axes: Sequence[Direction]) -> list[int]:
    """The stored axes that are AP, DV and ML."""
    return sorted(range(3), key=lambda at: DIRECTIONS[axes[at]][0])


def sagittal_planes(
    volume: StoredVolume,
    axes: Sequence[Direction],
    scratch: Path,
    report: Callable[[str], object] | None = None,
) -> Iterator[SagittalPlane]:
    """The sagittal planes of a volume, ML ascending.

    They come as they are read if ML is the slowest axis on disk and runs to the right. Otherwise the volume
    is read once into a file in ``scratch``, as large as it is unpacked, 4 bytes a voxel, and turned block by
    block; the file is gone at the end, after an error, too. Never is the volume in memory as a whole.

    Args:
        volume: as it is stored.
        axes: where its stored axes run to.
        scratch: a folder for the file.
        report: receives a line of progress every few seconds.

    Yields:
        ML arrays of shape (DV, AP), dtype uint32, each its own memory.

    Raises:
        CcfError: the axes are not three, the file is not what its header says, a value is no region id, or
            there is no room in ``scratch``.
    """
    shape = canonical_shape(volume.shape, axes)
    ml = _order(axes)[2]
    if ml in volume.readable_along:
        volume = replace(volume, slow_axis=ml)
    slow, forward = DIRECTIONS[axes[volume.slow_axis]]
    slabs = _oriented(volume, axes, report or (lambda _line: None))
    if slow == _ML and forward:
        yield from slabs
        return
    try:
        with tempfile.TemporaryFile(dir=scratch) as file:
            turn = _reversed if slow == _ML else partial(_turned, slow=slow, forward=forward)
            yield from turn(file, one_ahead(slabs), shape)
    except OSError as error:
        gb = 4 * math.prod(shape) / 1e9
        raise CcfError(
            f"{volume.path} cannot be turned: it takes a file of {gb:.1f} GB in {scratch} ({why(error)})."
        ) from error


def _oriented(
    volume: StoredVolume, axes: Sequence[Direction], report: Callable[[str], object]
) -> Iterator[SagittalPlane]:
    """The slabs as region ids, in the order of the file, each with its own two axes made canonical.

    Yields:
        Of one index along AP, arrays of shape (ML, DV); along DV, (ML, AP); along ML, (DV, AP).
    """
    progress = Progress(report, "read", "voxels", math.prod(volume.shape))
    first, second = (axes[at] for at in range(3) if at != volume.slow_axis)
    for place, slab in enumerate(volume.slabs()):
        ids = _ids(volume, place, slab)
        for axis, direction in enumerate((first, second)):
            if not DIRECTIONS[direction][1]:
                ids = np.flip(ids, axis)
        progress.advance(ids.size)
        yield np.array(ids.T if DIRECTIONS[first][0] < DIRECTIONS[second][0] else ids, order="C")


def _reversed(
    file: BinaryIO, slabs: Iterable[SagittalPlane], shape: tuple[int, int, int]
) -> Iterator[SagittalPlane]:
    """Planes that come with ML descending, in the order of ML."""
    ap, dv, ml = shape
    for plane in slabs:
        file.write(plane.data)
    for place in reversed(range(ml)):
        plane = np.empty((dv, ap), np.uint32)
        file.seek(place * plane.nbytes)
        _read(file, plane)
        yield plane


def _turned(
    file: BinaryIO, slabs: Iterable[SagittalPlane], shape: tuple[int, int, int], *, slow: int, forward: bool
) -> Iterator[SagittalPlane]:
    """Planes of slabs that come with AP (``slow`` is 0) or DV (1) ascending (``forward``) or descending.

    The file holds block after block of planes; in each block is, for every slab, the part of it that belongs
    there.
    """
    places, across, ml = shape[slow], shape[1 - slow], shape[_ML]
    block = min(ml, max(1, _BLOCK_BYTES // (4 * places * across)))
    for place, slab in zip(range(places)[:: 1 if forward else -1], slabs, strict=True):
        for first in range(0, ml, block):
            part = slab[first : first + block]
            file.seek(4 * across * (first * places + place * len(part)))
            file.write(part.data)
    room = np.empty(places * block * across, np.uint32)
    for first in range(0, ml, block):
        count = min(block, ml - first)
        turned = room[: places * count * across].reshape(places, count, across)
        file.seek(4 * across * first * places)
        _read(file, turned)
        for plane in turned.transpose(1, 2, 0) if slow == _AP else turned.transpose(1, 0, 2):
            yield np.array(plane, order="C")


def _read(file: BinaryIO, array: npt.NDArray[np.uint32]) -> None:
    """Fill an array from a file that has as much."""
    file.readinto(array.data.cast("B"))  # type: ignore[attr-defined]


def _ids(volume: StoredVolume, place: int, slab: Slab) -> npt.NDArray[np.uint32]:
    """The values of a slab as region ids.

    Raises:
        CcfError: one is none.
    """
    most = LARGEST_ID
    if slab.dtype.kind == "f":
        most = min(most, _EXACT[slab.dtype.itemsize])
        with np.errstate(invalid="ignore"):  # whatever is no number is not at least 0
            wrong = ~((slab >= 0) & (slab <= most) & (slab == np.floor(slab)))
    elif slab.dtype.kind == "i" or slab.dtype.itemsize > 4:  # noqa: PLR2004
        if slab.min() >= 0 and slab.max() <= most:
            return slab.astype(np.uint32)
        wrong = (slab < 0) | (slab > most)
    else:
        return slab.astype(np.uint32, copy=False)
    if not wrong.any():
        return slab.astype(np.uint32)
    at = [int(i) for i in np.argwhere(wrong)[0]]
    value = slab[tuple(at)].item()
    at.insert(volume.slow_axis, place)
    inexact = (
        f"; above {most:,} several ids become the same {slab.dtype.name}, so get it as whole numbers"
        if slab.dtype.kind == "f" and value > most
        else ""
    )
    raise CcfError(
        f"{volume.path} has voxels that are no region id, {np.count_nonzero(wrong):,} at least: {value!r} at "
        f"index ({at[0]}, {at[1]}, {at[2]}) of the file. Region ids are whole numbers from 0 to "
        f"{LARGEST_ID:,}{inexact}."
    )


def write_canonical(
    planes: Iterable[SagittalPlane],
    shape: tuple[int, int, int],
    edges_um: tuple[float, float, float],
    path: Path,
) -> None:
    """Write planes as the official files are: NRRD, uint32, little endian, gzip, AP fastest.

    The file is written aside and renamed when whole. The same planes become the same bytes.

    Args:
        planes: as `sagittal_planes` yields them.
        shape: voxels along AP, DV, ML.
        edges_um: edges of a voxel along AP, DV, ML.
        path: the file; an existing one is replaced.

    Raises:
        ValueError: the planes are not of that shape.
        OSError: it cannot be written.
    """
    ap, dv, ml = shape
    x, y, z = (np.format_float_positional(edge, trim="-") for edge in edges_um)
    header = (
        "NRRD0004\n"
        "# Complete NRRD file format specification at:\n"
        "# http://teem.sourceforge.net/nrrd/format.html\n"
        "type: unsigned int\n"
        "dimension: 3\n"
        "space dimension: 3\n"
        f"sizes: {ap} {dv} {ml}\n"
        f"space directions: ({x},0,0) (0,{y},0) (0,0,{z})\n"
        "kinds: domain domain domain\n"
        "endian: little\n"
        "encoding: gzip\n"
        'space units: "um" "um" "um"\n'
        "space origin: (0,0,0)\n"
        "\n"
    )
    with whole_file(path) as aside, aside.open("xb") as file:
        file.write(header.encode("ascii"))
        with packed_into(file) as packed:
            write_planes(planes, shape, packed)


def packed_into(file: BinaryIO) -> igzip.IGzipFile:
    """A gzip file at the present place of another, without a name and a time: the same bytes every time."""
    return igzip.IGzipFile("", "wb", _GZIP_LEVEL, file, mtime=0)


def write_planes(planes: Iterable[SagittalPlane], shape: tuple[int, int, int], file: BinaryIO) -> None:
    """Write the voxels of planes, AP fastest: uint32, little endian.

    Args:
        planes: as `sagittal_planes` yields them.
        shape: voxels along AP, DV, ML.
        file: what they are written to.

    Raises:
        ValueError: the planes are not of that shape.
        OSError: they cannot be written.
    """
    ap, dv, ml = shape
    count = 0
    for count, plane in enumerate(planes, start=1):
        if plane.shape != (dv, ap):
            raise ValueError(f"plane {count} has the shape {plane.shape}, not {(dv, ap)}")
        file.write(plane.astype("<u4", copy=False).data)
    if count != ml:
        raise ValueError(f"there are {count} planes, not {ml}")
