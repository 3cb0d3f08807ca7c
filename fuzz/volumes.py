"""Volumes of other atlases: the header in any form, and the canonical planes.

Zarr is a folder: what follows a ``Z`` is the metadata of an array and, after an empty line, its chunk; what follows an
``O`` are the attributes of an image.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import math
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile

from ccf_assets.ccf.volumes.canonical import canonical_shape, sagittal_planes
from ccf_assets.ccf.volumes.stored import open_volume
from fuzz.target import Target

MOST_VOXELS = 100_000
"""Of a volume whose planes are read: a larger one takes its time whatever its bytes are."""

HEADER = """NRRD0004
type: unsigned short
dimension: 3
space dimension: 3
sizes: 4 3 5
space directions: (25,0,0) (0,25,0) (0,0,25)
space units: "um" "um" "um"
endian: little
encoding: raw

"""

ARRAY = {
    "zarr_format": 2,
    "shape": [4, 3, 5],
    "chunks": [4, 3, 5],
    "dtype": "<u2",
    "order": "C",
    "fill_value": 0,
    "filters": None,
    "compressor": None,
}

AXES = [
    {"name": "z", "unit": "micrometer", "orientation": {"type": "anatomical", "value": "left-to-right"}},
    {"name": "y", "unit": "micrometer", "orientation": {"type": "anatomical", "value": "dorsal-to-ventral"}},
    {
        "name": "x",
        "unit": "micrometer",
        "orientation": {"type": "anatomical", "value": "anterior-to-posterior"},
    },
]

VOXELS = np.random.default_rng(1).integers(0, 2**16, (4, 3, 5), np.uint16)


def read(data: bytes, folder: Path) -> object:
    """Recognise the form, read the header and, of a small volume, the planes."""
    path = folder / "v"
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    _lay(data, path)
    volume = open_volume(path)
    if math.prod(volume.shape) > MOST_VOXELS:
        return volume
    axes = volume.axes or ("left", "inferior", "anterior")
    planes = np.stack(list(sagittal_planes(volume, axes, folder)))
    assert planes.dtype == np.uint32
    assert planes.shape == canonical_shape(volume.shape, axes)[::-1]
    return planes


def _lay(data: bytes, path: Path) -> None:
    metadata, _, chunk = data[1:].partition(b"\n\n")
    if data.startswith(b"Z"):
        path.mkdir()
        (path / ".zarray").write_bytes(metadata)
        (path / "0.0.0").write_bytes(chunk)
    elif data.startswith(b"O"):
        (path / "0").mkdir(parents=True)
        (path / ".zattrs").write_bytes(metadata)
        (path / "0" / ".zarray").write_text(json.dumps(ARRAY))
        (path / "0" / "0.0.0").write_bytes(VOXELS.tobytes())
    else:
        path.write_bytes(data)


def _nifti(version: int = 1, **fields: Any) -> bytes:  # noqa: ANN401
    kind: Any = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    header = kind()
    header.set_data_dtype(np.uint16)
    header.set_data_shape(VOXELS.shape)
    header.set_sform(np.diag([-0.025, 0.025, 0.025, 1]), 1)
    header.set_xyzt_units("mm")
    offset = 352 if version == 1 else 544
    for name, value in {"vox_offset": offset, "magic": header.single_magic, **fields}.items():
        header[name] = value
    block: bytes = header.binaryblock
    return block + bytes(4) + VOXELS.tobytes(order="F")


def _tiff(**how: Any) -> bytes:  # noqa: ANN401
    file = io.BytesIO()
    tifffile.imwrite(file, VOXELS, photometric="minisblack", **how)
    return file.getvalue()


def _zarr(chunk: bytes | None = None, **changed: Any) -> bytes:  # noqa: ANN401
    return (
        b"Z"
        + json.dumps({**ARRAY, **changed}).encode()
        + b"\n\n"
        + (VOXELS.tobytes() if chunk is None else chunk)
    )


def _image(**changed: Any) -> bytes:  # noqa: ANN401
    scale = [{"type": "scale", "scale": [25, 25, 25]}]
    image = {"axes": AXES, "datasets": [{"path": "0", "coordinateTransformations": scale}], **changed}
    return b"O" + json.dumps({"multiscales": [image]}).encode()


def seeds() -> Sequence[bytes]:
    """Sound files of every form, and some with one thing changed."""
    header, data = HEADER.encode(), VOXELS.tobytes(order="F")
    nrrd = [
        header + data,
        header.replace(b"raw", b"gzip") + gzip.compress(data, mtime=0),
        header.replace(b"raw", b"bzip2") + bz2.compress(data),
        header.replace(b"unsigned short", b"float").replace(b"4 3 5", b"2 3 5") + data,
        header.replace(b"little", b"big").replace(b"(25,0,0)", b"(0,-25,0)").replace(b"(0,25,0)", b"(25,0,0)")
        + data,
    ]
    nifti = [_nifti(), gzip.compress(_nifti(), mtime=0), _nifti(2), _nifti(scl_slope=2), _nifti(datatype=16)]
    nifti += [_nifti(sform_code=0, qform_code=1, quatern_d=1), _nifti(dim=[4, 4, 3, 5, 1, 1, 1, 1])]
    tiff = [_tiff(), _tiff(compression="zlib"), _tiff(compression="lzma"), _tiff(bigtiff=True, byteorder=">")]
    tiff += [_tiff(imagej=True, metadata={"axes": "ZYX", "spacing": 2, "unit": "um"}), _tiff(tile=(16, 16))]
    tiff += [_tiff(ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 1.0}), b"II*\0" + struct.pack("<I", 8)]
    zlib = {"id": "zlib", "level": 1}
    folders = [_zarr(), _zarr(b""), _zarr(dtype=">i8"), _zarr(gzip.compress(data), compressor={"id": "gzip"})]
    folders += [_zarr(filters=[{"id": "pickle"}]), _zarr(filters=[zlib], compressor=zlib)]
    folders += [_zarr(bytes(40), compressor={"id": name}) for name in ("blosc", "zstd", "lz4")]
    images = [_image(), _image(axes=[]), _image(datasets=[{"path": "../v/0"}]), _image(datasets=[])]
    return [*nrrd, *nifti, *tiff, *folders, *images]


TARGET = Target(
    read,
    seeds,
    words=(
        *(
            "sizes: ",
            "space directions: ",
            "spacings: ",
            "space units: ",
            "units: ",
            "encoding: ",
            "endian: ",
        ),
        *(
            "n+1\0",
            "n+2\0\r\n\x1a\n",
            "II*\0",
            "MM\0*",
            "II+\0",
            "ImageJ=1.11a\n",
            "spacing=",
            "unit=",
            "images=",
        ),
        *(
            '{"shape": [4, 3, 5]}',
            '"axes"',
            '"scale"',
            '"path"',
            '"unit"',
            '"orientation"',
            '"value"',
            "-to-",
        ),
        *(
            '"shape"',
            '"chunks"',
            '"dtype"',
            '"compressor"',
            '"filters"',
            '"codecs"',
            '"id"',
            '"zstd"',
            '"blosc"',
        ),
        *("1000000", "-1", "1e999", "NaN", "null", "[[", "]]", "{}", "|O", "<f4", "..", "/", "\\u0000"),
    ),
)
