"""A canonical volume, turned any way and written in every form by the form's usual library."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import nibabel
import nrrd
import numpy as np
import numpy.typing as npt
import tifffile
import zarr

from ccf_assets.ccf.space import Direction

Volume = npt.NDArray[Any]

CANONICAL: tuple[Direction, ...] = ("posterior", "inferior", "right")
AGAINST: Mapping[str, Direction] = {"posterior": "anterior", "inferior": "superior", "right": "left"}

WAYS: list[tuple[Direction, ...]] = [
    tuple(AGAINST[axis] if flip else axis for axis, flip in zip(order, flips, strict=True))
    for order in itertools.permutations(CANONICAL)
    for flips in itertools.product((False, True), repeat=3)
]
"""All 48 in which three axes can run."""

assert set(itertools.chain(*WAYS)) == set(get_args(Direction))


def turned(canonical: Volume, axes: Sequence[str]) -> Volume:
    """A volume of (AP, DV, ML) as it is stored if its axes run to ``axes``."""
    order = [CANONICAL.index(axis if axis in CANONICAL else _back(axis)) for axis in axes]
    against = [at for at, axis in enumerate(axes) if axis not in CANONICAL]
    return np.ascontiguousarray(np.flip(canonical.transpose(order), against))


def _back(axis: str) -> Direction:
    (found,) = [direction for direction in CANONICAL if AGAINST[direction] == axis]
    return found


def affine_of(axes: Sequence[str], edges: Sequence[float] = (1, 1, 1)) -> npt.NDArray[np.float64]:
    """The affine map of NIfTI whose axes run to ``axes``, from voxels to R, A, S."""
    words = (("right", "left"), ("anterior", "posterior"), ("superior", "inferior"))
    affine = np.eye(4)
    affine[:3, :3] = 0
    for at, (axis, edge) in enumerate(zip(axes, edges, strict=True)):
        (row,) = [row for row, pair in enumerate(words) if axis in pair]
        affine[row, at] = edge if axis == words[row][0] else -edge
    return affine


def write_nrrd(path: Path, array: Volume, encoding: str = "raw", **header: Any) -> Path:
    endian = "big" if array.dtype.byteorder == ">" else "little"
    fields = {"encoding": encoding, "endian": endian, **{k.replace("_", " "): v for k, v in header.items()}}
    nrrd.write(str(path), array, fields, compression_level=1)
    return path


def write_nifti(
    path: Path, array: Volume, axes: Sequence[str], *, version: int = 1, unit: str = "mm"
) -> Path:
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = kind(array, affine_of(axes), dtype=array.dtype)
    if array.dtype.byteorder == ">":
        image = kind(array, image.affine, image.header.as_byteswapped(">"), dtype=array.dtype)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


def write_zarr(path: Path, array: Volume, **how: Any) -> Path:
    new = how.pop("zarr_format", 2)
    if zarr.__version__.startswith("2."):
        made = zarr.open_array(str(path), mode="w", shape=array.shape, dtype=array.dtype, **how)
    else:
        made = zarr.create_array(str(path), shape=array.shape, dtype=array.dtype, zarr_format=new, **how)
    made[:] = array
    return path


FORMS: dict[str, Callable[[Path, Volume, Sequence[str]], Path]] = {
    "NRRD raw": lambda folder, array, _: write_nrrd(folder / "v.nrrd", array),
    "NRRD gzip": lambda folder, array, _: write_nrrd(folder / "v.nrrd", array, "gzip"),
    "NIfTI": lambda folder, array, axes: write_nifti(folder / "v.nii", array, axes),
    "TIFF": lambda folder, array, _: _tiff(folder / "v.tif", array),
    "Zarr": lambda folder, array, _: write_zarr(folder / "v.zarr", array, chunks=(32, 40, 64)),
}


def _tiff(path: Path, array: Volume) -> Path:
    tifffile.imwrite(
        path, array, photometric="minisblack", byteorder=">" if array.dtype.byteorder == ">" else "<"
    )
    return path
