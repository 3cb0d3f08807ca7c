"""What a file or folder says of its annotation volume, and what is true of every form."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from isal import igzip
from isal.igzip_lib import IsalError

from ccf_assets.ccf.space import Direction
from ccf_assets.errors import CcfError

Slab: TypeAlias = npt.NDArray[Any]
"""The voxels of one index along a stored axis: two axes, of the file's type."""

FORMS = "NRRD (.nrrd), NIfTI (.nii, .nii.gz), TIFF (.tif, .tiff), OME-Zarr and Zarr (folders)"

MOST_ALONG = 8_191
"""Voxels along an axis: the planes that runs can number. A slab then has 512 MB at most."""

MOST_VOXELS = 1 << 34
"""In all: 14 times the 10 µm volume, and twice BigBrain at 100 µm."""

READ_BYTES = 1 << 20
"""Unpacked at a time."""

NOT_GZIP = (EOFError, IsalError, igzip.BadGzipFile, zlib.error)
"""What reading from `unpacked` raises where the data are damaged."""

_UM = {
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 0.001),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometre"), 1.0),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1_000.0),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 10_000.0),
    **dict.fromkeys(("m", "meter", "metre"), 1_000_000.0),
}
"""Names of units → µm."""


@dataclass(frozen=True)
class StoredVolume:
    """A volume as it is stored.

    Attributes:
        path: the file, or the folder.
        form: ``NRRD``, ``NIfTI``, ``TIFF``, ``OME-Zarr`` or ``Zarr``.
        shape: voxels along the stored axes, in the order in which the form's usual library gives them: pynrrd
            and nibabel (the fastest axis first), tifffile (page, row, column), zarr.
        dtype: type of a voxel, in the file's byte order.
        axes: where each stored axis runs to, if the file states it.
        edges_um: edges of a voxel along the stored axes, if the file states numbers and their unit.
        bare_edges: the numbers, if it states them without a unit.
        world: of a NIfTI file that states a unit and a space: 12 numbers, the rows R, A and S of the affine
            map from the indices of a voxel's centre along the stored axes to mm.
        slow_axis: the stored axis along which slabs come.
        readable_along: the stored axes along which they can come: of a folder of chunks, several.
        read: slabs along a stored axis, in the file's byte order.
    """

    path: Path
    form: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    axes: tuple[Direction, Direction, Direction] | None
    edges_um: tuple[float, float, float] | None
    bare_edges: tuple[float, float, float] | None
    world: tuple[float, ...] | None
    slow_axis: int
    readable_along: tuple[int, ...]
    read: Callable[[int], Iterator[Slab]] = field(repr=False, compare=False)

    def slabs(self) -> Iterator[Slab]:
        """The volume slab by slab, the slow axis ascending.

        Yields:
            2-D arrays in the machine's byte order, the other two axes in ascending order. In memory is one
            slab, or one layer of chunks.

        Raises:
            CcfError: the data end early, go on too long, are damaged or cannot be read.
        """
        native = self.dtype.newbyteorder("=")
        try:
            for slab in self.read(self.slow_axis):
                yield slab.astype(native, copy=False)
        except OSError as error:
            raise CcfError(f"{self.path} cannot be read: {error.strerror or error!s:.200}.") from error


def refused(path: Path, why: object) -> CcfError:
    """That a volume cannot be taken: ``why`` is the end of a sentence, without its full stop."""
    return CcfError(f"{path} cannot be read as an annotation volume: {str(why).rstrip('.'):.600}.")


def damaged(path: Path, why: object) -> CcfError:
    """That a file's data are not what its header says."""
    return CcfError(f"{path} is damaged: {str(why).rstrip('.'):.300}. Get it anew from where it came from.")


def missing(path: Path, library: str) -> CcfError:
    """That a library of the extra is not installed."""
    return CcfError(f"To read {path} needs {library}: pip install 'ccf_assets[atlases]'.")


def checked_shape(path: Path, shape: Sequence[int]) -> tuple[int, int, int]:
    """The shape, if it has three axes and each has voxels.

    Raises:
        CcfError: it has not, or more than anything that can be loaded.
    """
    told = " × ".join(f"{n:,}" for n in shape[:8])
    if len(shape) != 3:  # noqa: PLR2004
        raise refused(path, f"it has {len(shape)} axes ({told}), and a volume has three")
    if min(shape) < 1 or max(shape) > MOST_ALONG or math.prod(shape) > MOST_VOXELS:
        limits = f"1 to {MOST_ALONG:,} along an axis and {MOST_VOXELS:,} in all"
        raise refused(path, f"its header says {told:.200} voxels; there may be {limits}")
    first, second, third = map(int, shape)
    return first, second, third


def checked_type(path: Path, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type, if it can hold region ids: integers, and floats, whose values are checked when they are read.

    Raises:
        CcfError: it cannot.
    """
    if dtype.kind not in "uif" or dtype.itemsize > 8:  # noqa: PLR2004
        raise refused(path, f"its voxels are of type {dtype.name:.50}, and region ids are whole numbers")
    return dtype


def in_um(numbers: Sequence[float], units: Sequence[str | None]) -> tuple[float, float, float] | None:
    """Three edges in µm; None unless each has a unit of length that is known."""
    scales = [_UM.get(unit.strip().strip('"')) if unit else None for unit in units]
    if len(numbers) != len(scales) or None in scales:
        return None
    first, second, third = (rounded(n * (s or 1)) for n, s in zip(numbers, scales, strict=True))
    return first, second, third


def rounded(edge: float) -> float:
    """An edge to seven digits: what a float32 was, before it became one."""
    return float(f"{edge:.7g}")


def checked_edges(path: Path, edges: Sequence[float]) -> tuple[float, float, float]:
    """Three edges of a voxel.

    Raises:
        CcfError: they are not three numbers above 0.
    """
    if len(edges) != 3 or not all(math.isfinite(edge) and edge > 0 for edge in edges):  # noqa: PLR2004
        told = ", ".join(f"{edge:g}" for edge in edges[:8])
        raise refused(path, f"it says that a voxel's edges are {told}, which are not three lengths above 0")
    first, second, third = map(float, edges)
    return first, second, third


def unpacked(file: BinaryIO) -> io.BufferedIOBase:
    """What is packed with gzip in a file, from where it stands."""
    return io.BufferedReader(igzip.open(file), READ_BYTES)


def slabs_in_sequence(
    path: Path,
    data: io.BufferedIOBase,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    *,
    to_the_end: bool = True,
) -> Iterator[Slab]:
    """The slabs of unpacked voxels that lie one after the other, the first axis fastest.

    Args:
        path: for the sentence.
        data: at the first voxel.
        shape: along the axes; a slab is one index of the third.
        dtype: in the data's byte order.
        to_the_end: nothing may follow.

    Yields:
        Arrays of ``shape[:2]``, each its own memory.

    Raises:
        CcfError: there are fewer or more bytes than that.
    """
    first, second, count = shape
    for done in range(count):
        slab = np.empty((second, first), dtype)
        view, there = slab.view(np.uint8).data.cast("B"), 0  # of bytes: a byte order has no buffer
        while there < slab.nbytes and (more := data.readinto(view[there:])):
            there += more
        if there < slab.nbytes:
            raise damaged(path, f"it ends after {done:,} of {count:,} planes")
        yield slab.T
    if to_the_end and data.read(1):
        raise damaged(path, f"it goes on after its {count:,} planes")
