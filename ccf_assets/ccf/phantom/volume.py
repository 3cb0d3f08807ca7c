"""The phantom as an annotation file: its sagittal planes, and the NRRD that they are written to."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ccf_assets.ccf.phantom.shape import Ids, paint
from ccf_assets.ccf.space import EXTENT_UM
from ccf_assets.errors import CcfError
from ccf_assets.files import whole_file
from ccf_assets.progress import Progress

SAMPLE_OFFSET_UM = 5
"""A voxel's region is that of the point this far from its corner along every axis, at every resolution.

The offset is fixed so that coarser volumes are exact corner sub-samples of finer ones, as the official files
are: 50 and 100 µm of 25, and here of 10 too. 5 µm lies inside the voxel at each of them.
"""

_GZIP_LEVEL = 1
"""Long runs of equal voxels pack well at any level; level 1 is the fastest."""


def _shape(resolution_um: int) -> tuple[int, int, int]:
    """Voxels along AP, DV, ML of the grid at ``resolution_um``.

    Raises:
        CcfError: no grid of such voxels fills the CCF exactly, or the sample would lie outside its voxel.
    """
    if resolution_um <= SAMPLE_OFFSET_UM or any(extent % resolution_um for extent in EXTENT_UM):
        raise CcfError(
            f"The phantom has no grid of {resolution_um} µm: voxels must be longer than "
            f"{SAMPLE_OFFSET_UM} µm and fill {EXTENT_UM} µm exactly, as those of 10, 25, 50 and 100 µm do."
        )
    ap, dv, ml = (extent // resolution_um for extent in EXTENT_UM)
    return ap, dv, ml


def planes(resolution_um: int) -> Iterator[Ids]:
    """The phantom's volume, plane by plane, in the order of the official files.

    Args:
        resolution_um: edge of a voxel in µm.

    Returns:
        The sagittal planes, ML ascending from the left, each painted when it is asked for: a new
        C-contiguous uint32 array (DV, AP), so that AP runs fastest. A plane is 4 MB at 10 µm; nothing grows
        with the volume.

    Raises:
        CcfError: the resolution does not divide the CCF's grid.
    """
    x, y, z = (
        np.arange(n, dtype=np.float32) * np.float32(resolution_um) + np.float32(SAMPLE_OFFSET_UM)
        for n in _shape(resolution_um)
    )
    return (paint(x[np.newaxis, :], y[:, np.newaxis], ml.reshape(1, 1)) for ml in z)


def _header(resolution_um: int) -> bytes:
    """The header of the official files, word for word, and a comment that says what this is."""
    r = resolution_um
    return (
        "NRRD0004\n"
        "# Complete NRRD file format specification at:\n"
        "# http://teem.sourceforge.net/nrrd/format.html\n"
        "# Analytic phantom made by ccf_assets; not the Allen CCF\n"
        "type: unsigned int\n"
        "dimension: 3\n"
        "space: left-posterior-superior\n"
        f"sizes: {' '.join(map(str, _shape(r)))}\n"
        f"space directions: ({r},0,0) (0,{r},0) (0,0,{r})\n"
        "kinds: domain domain domain\n"
        "endian: little\n"
        "encoding: gzip\n"
        "space origin: (0,0,0)\n"
        "\n"
    ).encode("ascii")


def _ignore(_: str) -> None:
    """Report nothing."""


def write_annotation(path: Path, resolution_um: int, report: Callable[[str], object] = _ignore) -> None:
    """Write the phantom's annotation volume as an NRRD file like the official ones.

    ``nrrd.read`` gives it back as uint32 (AP, DV, ML). Planes go through gzip one by one, so memory stays
    small at any resolution. The file is written aside and renamed when whole: ``path`` is the old file or the
    new one, and nothing is left of a failure. The same zlib writes the same bytes every time.

    Args:
        path: the file to write; its folder is made if need be.
        resolution_um: edge of a voxel in µm.
        report: receives a sentence every few seconds.

    Raises:
        CcfError: the resolution does not divide the CCF's grid.
    """
    header = _header(resolution_um)
    progress = Progress(report, "painted", "voxels", math.prod(_shape(resolution_um)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as aside, aside.open("xb") as file:
        file.write(header)
        # No name and no time in gzip's own header, for the same bytes every time.
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
            for plane in planes(resolution_um):
                packed.write(plane.astype("<u4", copy=False).data)
                progress.advance(plane.size)
