"""The annotation: a NRRD header and, behind it, planes, on a grid of 4 × 3 × 5 voxels; then its runs."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ccf_assets.ccf import grid, nrrd
from ccf_assets.ccf.runs import find_runs
from ccf_assets.ccf.voxel_grid import VoxelGrid
from fuzz.target import Target

SMALL = VoxelGrid((4, 3, 5), (25.0, 25.0, 25.0))

HEADER = """NRRD0004
# Complete NRRD file format specification at:
# http://teem.sourceforge.net/nrrd/format.html
type: unsigned int
dimension: 3
space: left-posterior-superior
sizes: 4 3 5
space directions: (25,0,0) (0,25,0) (0,0,25)
kinds: domain domain domain
endian: little
encoding: gzip
space origin: (0,0,0)

"""

CHANGES = (
    ("type: unsigned int", "type: float"),
    ("type: unsigned int", "type: block"),
    ("endian: little", "endian: big"),
    ("encoding: gzip", "encoding: raw"),
    ("encoding: gzip", "encoding: bzip2\nbyte skip: -1\nline skip: 2"),
    ("sizes: 4 3 5", "sizes: 5 3 4"),
    ("sizes: 4 3 5", "sizes: 1000000 1000000 1000000"),
    ("(25,0,0) (0,25,0) (0,0,25)", "(25,0,0) none (0,0,25)"),
    ("(25,0,0) (0,25,0) (0,0,25)", "(25,0,0) (0,0,25) (0,25,0)"),
    ("(25,0,0) (0,25,0) (0,0,25)", "(0,0,0) (0,nan,0) (0,0,1e400)"),
    ("space directions: (25,0,0) (0,25,0) (0,0,25)", 'spacings: 25 25 25\nspace units: "um" "um" "um"'),
    ("space origin: (0,0,0)", "data file: elsewhere.raw\nspace dimension: 3\nold min: 0\nmin: 0\nmax: 9"),
    ("space origin: (0,0,0)", "measurement frame: (1,0,0) (0,1,0) (0,0,1)\nkey:=value\nthicknesses: 1 1 1"),
    ("NRRD0004", "NRRD0006"),
    ("sizes: 4 3 5", "sizes: 4 3 " + 5_000 * "5"),
    ("dimension: 3", "dimension: " + 5_000 * "3"),
    ("endian: little", "endian: " + 5_000 * "little "),
    ("(25,0,0)", f"({3_000 * '25,'}0)"),
)


def read(data: bytes, folder: Path) -> object:
    """Read the header, compare it, read the planes, find the runs, and paint them again."""
    path = folder / "small.nrrd"
    path.write_bytes(data)
    nrrd.header_problems(nrrd.read_header(path), SMALL)
    planes = list(nrrd.planes(path, SMALL))
    array = np.stack(planes).transpose(2, 1, 0)
    runs = find_runs(planes)
    assert np.array_equal(grid.paint(runs, runs.region_id, SMALL), array)
    return array


def seeds() -> Sequence[bytes]:
    """A sound file, the same with one thing changed, and one that is cut."""
    array = np.random.default_rng(1).choice(np.array([0, 1, 8, 614_454_277], np.uint32), SMALL.shape)
    data = array.tobytes(order="F")
    header = HEADER.encode()
    packed = gzip.compress(data, mtime=0)
    changed = [HEADER.replace(old, new).encode() + packed for old, new in CHANGES]
    two_members = gzip.compress(data[:100], mtime=0) + gzip.compress(data[100:], mtime=0)
    return [header + packed, header + two_members, header + packed[:40], header + data, *changed]


TARGET = Target(
    read,
    seeds,
    words=(
        *("type: ", "dimension: ", "sizes: ", "space directions: ", "spacings: ", "endian: ", "encoding: "),
        *(
            "space: ",
            "space dimension: ",
            "space origin: ",
            "kinds: ",
            "data file: ",
            "datafile: ",
            "line skip: ",
        ),
        *("byteskip: ", "content: ", "units: ", "space units: ", "labels: ", "centers: ", "block size: "),
        *("measurement frame: ", "thicknesses: ", "axis mins: ", "axis maxs: ", "sample units: ", "number: "),
        *(
            "uint32",
            "unsigned int",
            "float",
            "double",
            "block",
            "little",
            "big",
            "gzip",
            "gz",
            "raw",
            "txt",
            "none",
        ),
        *(
            "(25,0,0)",
            "(0,0,25)",
            "nan",
            "inf",
            "1e308",
            "-1",
            ":=",
            "\n\n",
            "# ",
            "NRRD0005",
            "LIST",
            "%03d",
        ),
    ),
)
