"""The official 25 µm volume in all 48 ways in which axes can run, in every form: it comes back voxel by voxel.

Each way is written in one form after the other (NRRD, NIfTI, TIFF), converted as a lab's own
atlas is, and compared with the official file. A NIfTI file whose entry states other axes must be refused.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import numpy.typing as npt
import tifffile

from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry
from ccf_assets.ccf.nrrd import planes
from ccf_assets.errors import CcfError
from ccf_assets.sources.own_files import converted
from ccf_assets.sources.source import Sources
from ccf_assets_tests.ccf.volumes.forms import WAYS, affine_of, turned

EDGE_UM = 25

Stored = npt.NDArray[np.uint32]


def _nrrd(path: Path, stored: Stored, _axes: tuple[str, ...]) -> Path:
    nrrd.write(str(path / "v.nrrd"), stored, {"encoding": "gzip"}, compression_level=1)
    return path / "v.nrrd"


def _nifti(path: Path, stored: Stored, axes: tuple[str, ...]) -> Path:
    affine = affine_of(axes, [EDGE_UM / 1000] * 3)
    image = nibabel.Nifti1Image(stored, affine, dtype=np.uint32)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    nibabel.save(image, path / "v.nii")
    return path / "v.nii"


def _tiff(path: Path, stored: Stored, _axes: tuple[str, ...]) -> Path:
    tifffile.imwrite(path / "v.tiff", stored, compression="zlib", compressionargs={"level": 1})
    return path / "v.tiff"


FORMS: tuple[Callable[[Path, Stored, tuple[str, ...]], Path], ...] = (_nrrd, _nifti, _tiff)


def main() -> int:
    """Convert and compare; the exit code is 1 if anything differs."""
    source = os.environ.get("CCF_SOURCE", "")
    if not Path(source).is_dir():
        sys.exit("Set CCF_SOURCE to a folder with the official volumes.")
    entry = atlas_entry(f"ccf_2017_{EDGE_UM}um")
    assert entry.grid is not None
    official = np.stack([p.T for p in planes(Path(source) / entry.annotation, entry.grid)], axis=2)
    wrong = 0
    for number, (axes, form) in enumerate(zip(WAYS, itertools.cycle(FORMS), strict=False), 1):
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            path = form(Path(folder), turned(official, axes), axes)
            same = all(
                np.array_equal(plane.T, official[:, :, k])
                for k, plane in enumerate(_converted(path, axes, Path(folder)))
            )
            refused = form is not _nifti or _is_refused(path, WAYS[number % len(WAYS)], Path(folder))
        wrong += not (same and refused)
        words = "as the official one" if same else "DIFFERS"
        more = "" if refused else "; other axes in the entry were NOT refused"
        seconds = time.monotonic() - started
        way = f"{number:2} of {len(WAYS)}: {path.suffix} {', '.join(axes)}"
        print(f"{way}: {words}{more} ({seconds:.0f} s)", flush=True)
    print("All are the official volume." if not wrong else f"{wrong} differ.")
    return int(wrong > 0)


def _own(path: Path, axes: tuple[str, ...]) -> AtlasEntry:
    return AtlasEntry(
        key="turned_25um", ccf_id=1001, version="turned", annotation=str(path), own=True,
        axes=axes, edges_um=(EDGE_UM,) * 3,  # type: ignore[arg-type]  # WAYS has three directions each
    )  # fmt: skip


def _converted(path: Path, axes: tuple[str, ...], folder: Path) -> Iterator[npt.NDArray[np.uint32]]:
    with converted(
        Sources("allen", folder / "cache"), _own(path, axes), refresh=False, report=lambda _line: None
    ) as made:
        yield from planes(made.path, made.grid)


def _is_refused(path: Path, axes: tuple[str, ...], folder: Path) -> bool:
    try:
        for _ in _converted(path, axes, folder / "other"):
            return False
    except CcfError as error:
        return "the stored axes of" in str(error)
    return False


if __name__ == "__main__":
    sys.exit(main())
