"""The annotation volume as a file: the NRRD header, its check, and the voxels plane by plane.

What is computed from the voxels is in runs; where files come from is in the package sources.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import nrrd
import numpy as np
import numpy.typing as npt
from isal import igzip
from isal.igzip_lib import IsalError

from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError
from ccf_assets.progress import Progress

SagittalPlane: TypeAlias = npt.NDArray[np.uint32]
"""One sagittal plane, shape (DV, AP), uint32 region ids, 0 outside the brain."""

_READ_BYTES = 1 << 20

_LONGEST_HEADER = 1 << 16
"""Bytes; the official headers have 360. Without a limit, a file without line ends would be read whole."""

_ELSEWHERE = ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip")
"""Fields that say that the data are in other files, or not directly behind the header."""

_WHY_NOT: Mapping[object, str] = {
    "float32": " (above 16,777,216 several ids become the same float32, and cannot be separated again)"
}
"""Explanations of some wrong values in headers."""

_ADVICE = "Delete it, if it still exists, and load again."
"""A file refused during its download no longer exists then; one that was damaged in the cache does."""

OFFICIAL = "Set CCF_SOURCE to a source that has the official file."


@dataclass(frozen=True)
class VolumeHeader:
    """The header of an annotation file.

    Attributes:
        dtype: the NRRD type, ``uint32`` for an annotation.
        shape: voxels along AP, DV, ML.
        spacing_um: edge of a voxel along AP, DV, ML in µm.
        axes: the directions of AP, DV and ML in the file's space, as unit vectors.
        encoding: ``gzip`` or ``raw``.
        endian: ``little`` or ``big``; ``not given``.
        elsewhere: fields that say that the data are not directly behind the header, with their values.
    """

    dtype: str
    shape: tuple[int, ...]
    spacing_um: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    encoding: str
    endian: str
    elsewhere: Mapping[str, object]


def parse_header(file: io.BufferedReader, path: Path) -> VolumeHeader:
    """Read the header and leave ``file`` at the first byte of the data."""
    start = io.BytesIO(file.read(_LONGEST_HEADER))
    try:
        with np.errstate(all="ignore"):  # an absurdly large number is reported as what it becomes
            fields = nrrd.read_header(start)
            if start.tell() == _LONGEST_HEADER:
                raise ValueError(f"it does not end within {_LONGEST_HEADER:,} bytes")
            dtype = np.dtype(nrrd.reader._TYPEMAP_NRRD2NUMPY[fields["type"]]).name
            directions, spacing, axes = fields.get("space directions"), fields.get("spacings", ()), np.eye(3)
            if directions is not None:
                spacing = np.linalg.norm(directions, axis=1)
                axes = directions / spacing[:, np.newaxis]
        header = VolumeHeader(
            dtype=dtype,
            shape=tuple(int(n) for n in fields["sizes"]),
            spacing_um=tuple(float(s) for s in spacing),
            axes=tuple(tuple(float(f"{c:g}") for c in axis) for axis in axes),
            encoding={"gz": "gzip"}.get(fields["encoding"], fields["encoding"]),
            endian=fields.get("endian", "not given"),
            elsewhere={name: fields[name] for name in _ELSEWHERE if name in fields},
        )
    except (nrrd.NRRDError, LookupError, ValueError, TypeError, OverflowError, StopIteration) as error:
        # pynrrd trusts the file: a header that is cut short fails wherever it ends.
        reason = f"no {error} is known" if isinstance(error, KeyError) else str(error) or "the file is empty"
        raise CcfError(
            f"{path} is not an annotation volume: its NRRD header cannot be read ({reason:.200}). {_ADVICE}"
        ) from error
    file.seek(start.tell())
    return header


def read_header(path: Path) -> VolumeHeader:
    """The header of the NRRD file at ``path``.

    Raises:
        CcfError: the file has no readable NRRD header.
    """
    with path.open("rb") as file:
        return parse_header(file, path)


def header_problems(header: VolumeHeader, grid: VoxelGrid) -> list[str]:
    """The differences between the header and a grid, in words; empty if there are none."""
    return [
        f"{name} is {value!s:.200}, expected {expected}{_WHY_NOT.get(value, '')}"
        for name, value, expected in (
            ("type", header.dtype, "uint32"),
            ("byte order", header.endian, "little"),
            ("encoding", header.encoding, "gzip"),
            ("shape (AP, DV, ML)", header.shape, grid.shape),
            ("voxel size in µm", header.spacing_um, grid.edges_um),
            ("direction of the axes", header.axes, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))),
            *((name, given, "none") for name, given in header.elsewhere.items()),
        )
        if value != expected
    ]


def planes(
    path: Path, grid: VoxelGrid, report: Callable[[str], object] | None = None
) -> Iterator[SagittalPlane]:
    """The sagittal planes of the annotation file, ML ascending.

    Args:
        path: a gzip-encoded NRRD file.
        grid: the grid that it must have.
        report: receives a line of progress every few seconds.

    Yields:
        ML arrays of shape (DV, AP), dtype uint32, each its own memory.

    Raises:
        CcfError: the header differs from the grid, or the data end early, go on too long or are damaged.
    """
    ap, dv, ml = grid.shape
    voxels = Progress(report or (lambda _line: None), "read", "voxels", total=ap * dv * ml)
    with path.open("rb") as file:
        problems = header_problems(parse_header(file, path), grid)
        if problems:
            raise CcfError(f"{path} is not the volume that was asked for: {'; '.join(problems)}. {OFFICIAL}")
        # ISA-L unpacks 25 µm in 0.1 s where zlib takes 0.9 s; a load reads its file twice.
        data = io.BufferedReader(igzip.open(file), _READ_BYTES)
        try:
            for done in range(ml):
                plane = np.empty((dv, ap), dtype="<u4")
                if data.readinto(plane.data.cast("B")) != plane.nbytes:
                    raise EOFError(f"it ends after {done} of {ml} planes")
                voxels.advance(plane.size)
                yield plane
            if data.read(1):
                raise EOFError(f"it goes on after its {ml} planes")
        except (EOFError, IsalError, igzip.BadGzipFile) as error:
            raise CcfError(f"{path} is damaged: {error}. {_ADVICE}") from error
