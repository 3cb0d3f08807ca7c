"""A NIfTI file, version 1 or 2, packed or not: .nii and .nii.gz. nibabel reads its header."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import igzip

from ccf_assets.ccf.space import Direction
from ccf_assets.ccf.volumes.volume import (
    NOT_GZIP,
    READ_BYTES,
    Slab,
    StoredVolume,
    checked_edges,
    checked_shape,
    checked_type,
    damaged,
    in_um,
    missing,
    refused,
    rounded,
    slabs_in_sequence,
    unpacked,
)

HEADER_BYTES = 540
"""Of version 2; version 1 has 348."""

_GZIP = b"\x1f\x8b"

_MOST_DEGREES = 0.05
"""Between a stored axis and one of the brain. A turn that float32 quaternions round to is 0.02° at most."""

_TO: tuple[tuple[Direction, Direction], ...] = (
    ("right", "left"),
    ("anterior", "posterior"),
    ("superior", "inferior"),
)
"""Where an axis runs to along R, A and S, and against it."""


def is_nifti(path: Path, start: bytes) -> bool:
    """Whether a file that begins with ``start``, or what is packed in it, has the header of NIfTI."""
    return _version(_unpacked(path, start)) is not None


def _unpacked(path: Path, start: bytes) -> bytes:
    """The first bytes of the header."""
    if not start.startswith(_GZIP):
        return start
    try:
        with igzip.open(path) as file:
            head: bytes = file.read(HEADER_BYTES)
            return head
    except NOT_GZIP:
        return b""


def _version(head: bytes) -> str | None:
    """``n+1``, ``n+2``, or ``pair`` for a header whose voxels are in another file."""
    if head[4:12] == b"n+2\0\r\n\x1a\n":
        return "n+2"
    if head[344:348] == b"n+1\0":
        return "n+1"
    if head[4:12] == b"ni2\0\r\n\x1a\n" or head[344:348] == b"ni1\0":
        return "pair"
    return None


def opened(path: Path) -> StoredVolume:
    """The header of a NIfTI file.

    The orientation is that of the form (sform or qform) that nibabel takes; where both codes are 0, none is
    stated.

    Raises:
        CcfError: nibabel is not installed, or the header is not that of an annotation volume.
    """
    try:
        import nibabel
        from nibabel.spatialimages import HeaderDataError
        from nibabel.wrapstruct import WrapStructError
    except ImportError:
        raise missing(path, "nibabel") from None
    with path.open("rb") as file:
        start = file.read(HEADER_BYTES)
    head = _unpacked(path, start)
    version = _version(head)
    if version == "pair":
        raise refused(path, "its voxels are in another file; save it as one file, .nii or .nii.gz")
    kind: Any = nibabel.Nifti2Header if version == "n+2" else nibabel.Nifti1Header
    try:
        # Only the block itself: extensions may follow, as long as they like.
        header = kind(head[: kind.template_dtype.itemsize], check=False)
        shape = [int(n) for n in header.get_data_shape()]
        dtype = header.get_data_dtype()
        unit = header.get_xyzt_units()[0]
        slope, inter = header.get_slope_inter()
        offset = int(header.get_data_offset()) or int(kind.single_vox_offset)
        stated = int(header["sform_code"]) != 0 or int(header["qform_code"]) != 0
        with np.errstate(all="ignore"):  # an absurdly large number is reported as what it becomes
            affine = np.asarray(header.get_best_affine(), float)[:3]
        edges = [float(n) for n in header["pixdim"][1:4]]
    except (HeaderDataError, WrapStructError, LookupError, ValueError, TypeError, OverflowError) as error:
        raise refused(path, f"its NIfTI header is not readable ({error!s:.200})") from error
    while len(shape) > 3 and shape[-1] == 1:  # noqa: PLR2004
        shape.pop()
    if (slope, inter) not in {(None, None), (1.0, 0.0)}:
        scaling = f"multiply its values by {slope:g} and add {inter:g}"
        raise refused(
            path, f"its header says to {scaling}, and ids are no quantities; save it without scaling"
        )
    if offset < kind.template_dtype.itemsize:
        raise refused(path, f"its header says that voxels begin at byte {offset:,}")
    sizes = checked_shape(path, shape)
    axes: tuple[Direction, Direction, Direction] | None = None
    if stated:
        axes, edges = _axes(path, affine)
    bare = checked_edges(path, [rounded(abs(edge)) for edge in edges])
    edges_um = in_um(bare, [unit] * 3)
    to_mm = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}.get(unit)
    checked = checked_type(path, dtype)
    return StoredVolume(
        path=path,
        form="NIfTI",
        shape=sizes,
        dtype=checked,
        axes=axes,
        edges_um=edges_um,
        bare_edges=None if edges_um else bare,
        world=tuple((affine * to_mm).ravel().tolist()) if stated and to_mm else None,
        slow_axis=2,
        readable_along=(2,),
        read=lambda _axis: _slabs(path, offset, sizes, checked),
    )


def _axes(
    path: Path, affine: npt.NDArray[np.float64]
) -> tuple[tuple[Direction, Direction, Direction], list[float]]:
    """Where the stored axes run to, and the edges of a voxel along them."""
    columns = affine[:, :3]
    with np.errstate(all="ignore"):
        length = np.linalg.norm(columns, axis=0)
        if not (np.isfinite(affine).all() and np.isfinite(length).all() and (length > 0).all()):
            raise refused(path, "its affine has a column that is no direction")
        unit = columns / length
    along = np.abs(unit).argmax(axis=0)
    towards = unit[along, range(3)]
    degrees = float(np.degrees(np.arccos(np.minimum(np.abs(towards), 1))).max())
    if sorted(along) != [0, 1, 2] or degrees > _MOST_DEGREES:
        raise refused(
            path, f"its axes are oblique, by {degrees:.2f}°; resample it along right, anterior and superior"
        )
    first, second, third = (_TO[a][int(t < 0)] for a, t in zip(along, towards, strict=True))
    return (first, second, third), length.tolist()


def _slabs(path: Path, offset: int, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Iterator[Slab]:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        data: io.BufferedIOBase = unpacked(file) if packed else file
        try:
            left = offset
            while left and (skipped := len(data.read(min(left, READ_BYTES)))):
                left -= skipped
            yield from slabs_in_sequence(path, data, shape, dtype)
        except NOT_GZIP as error:
            raise damaged(path, error) from error
