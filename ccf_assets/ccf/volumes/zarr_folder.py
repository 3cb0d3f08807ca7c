"""A folder of Zarr, format 2 or 3: one array, or the finest of an OME-Zarr image. zarr reads it.

The metadata are looked at before zarr sees them: it would follow links, allocate what they claim, and use
every codec that they name.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ccf_assets.ccf.space import DIRECTIONS, Direction
from ccf_assets.ccf.volumes.volume import (
    Slab,
    StoredVolume,
    checked_edges,
    checked_shape,
    checked_type,
    damaged,
    in_um,
    missing,
    refused,
)

_METADATA = (".zarray", ".zgroup", ".zattrs", "zarr.json")

_LONGEST_JSON = 16_000_000
"""Bytes; the root of a format 3 group may repeat everything below it."""

_MOST_IN_MEMORY = 1 << 30
"""Bytes of one layer of chunks. Of the 10 µm volume, in chunks of 128³, it is 540 MB."""

_SLACK = 1 << 16
"""Bytes that a chunk may be longer packed than unpacked."""

_PACKINGS = ("blosc", "zstd", "gzip", "zlib", "lz4")
"""Not all that numcodecs knows: pickle is one of them, which runs what it is told to."""

_PLAIN, _SHARDS = ("bytes", "transpose"), "sharding_indexed"
"""Codecs of format 3 that pack nothing, and the one that puts several chunks into one file."""

_CHUNK = re.compile(r"(c\.)?[0-9]+(\.[0-9]+)*")
"""The name of a chunk's file."""

_MOST_OF_A_SHARD = 17
"""Bytes a byte: the index has 16 for each chunk, which may be one byte."""

_READ_BYTES = 1 << 20

_WORDS: Mapping[str, Direction] = {
    **{word: word for word in DIRECTIONS},
    "dorsal": "superior",
    "ventral": "inferior",
    "rostral": "anterior",
    "caudal": "posterior",
}
"""The words of an anatomical orientation, as in ``left-to-right``."""


def is_zarr(folder: Path) -> bool:
    """Whether the folder is an array or a group of Zarr."""
    return any((folder / name).is_file() for name in _METADATA)


def opened(path: Path, level_um: Sequence[float] | None = None) -> StoredVolume:
    """The metadata of an array, or of the first, finest one of an image.

    Raises:
        CcfError: zarr is not installed, or it is no array of three axes of region ids.
    """
    try:
        import zarr
    except ImportError:
        raise missing(path, "zarr") from None
    image = _image(path, level_um)
    folder = image.folder if image else path
    about = _json(path, folder / "zarr.json")
    new = "shape" in about
    about = about if new else _json(path, folder / ".zarray")
    if "shape" not in about:
        raise refused(path, "it has no array here; name the folder of one array, or of an OME-Zarr image")
    if new and zarr.__version__.startswith("2."):
        raise refused(path, "it is of Zarr's format 3, which needs zarr 3 and with it Python 3.11 or later")
    packing = _packing(path, about)
    try:
        array = _array(folder, new=new)
        whole, chunks = tuple(map(int, array.shape)), tuple(map(int, array.chunks))
        if len(chunks) != len(whole):
            raise ValueError(f"chunks have {len(chunks)} axes of {len(whole)}")
        piece, dtype = math.prod(getattr(array, "shards", None) or chunks), np.dtype(array.dtype)
    except OSError:
        raise
    except Exception as error:  # zarr trusts the metadata: what it raises is of no common kind
        raise refused(path, f"its metadata are not readable ({error!s:.200})") from error
    extra = len(whole) - 3 if set(whole[:-3]) == {1} else 0
    shape, dtype = checked_shape(path, whole[extra:]), checked_type(path, dtype)
    deep = [min(chunk, n) for chunk, n in zip(chunks[extra:], shape, strict=True)]
    layers = [math.prod(shape) // n * d * dtype.itemsize for n, d in zip(shape, deep, strict=True)]
    if min(chunks) < 1 or max(min(layers), piece * dtype.itemsize) > _MOST_IN_MEMORY:
        told = " × ".join(f"{n:,}" for n in chunks)
        raise refused(
            path, f"its chunks of {told:.200} voxels do not fit into memory; write it in smaller ones"
        )
    edges_um, bare = _edges(path, image, len(whole)) if image else (None, None)
    pieces = _Pieces(path, folder, packing, piece * dtype.itemsize)
    return StoredVolume(
        path=path,
        form="OME-Zarr" if image else "Zarr",
        shape=shape,
        dtype=dtype,
        axes=_orientation(path, image) if image else None,
        edges_um=edges_um,
        bare_edges=bare,
        world=None,
        slow_axis=layers.index(min(layers)),
        readable_along=tuple(axis for axis in range(3) if layers[axis] <= _MOST_IN_MEMORY),
        read=lambda axis: _slabs(pieces, array, shape, axis, deep[axis]),
    )


def _array(folder: Path, *, new: bool) -> Any:  # noqa: ANN401 - of zarr 2 or 3
    import zarr

    if zarr.__version__.startswith("2."):
        two: Any = zarr
        return two.open_array(two.DirectoryStore(str(folder)), mode="r")
    store = zarr.storage.LocalStore(folder, read_only=True)
    return zarr.open_array(store, mode="r", zarr_format=3 if new else 2)


def _inside(path: Path, below: Path) -> Path:
    """A place in the folder, if no link leads out of it.

    Raises:
        CcfError: one does.
    """
    if not below.resolve().is_relative_to(path.resolve()):
        raise refused(path, f"{below.relative_to(path)!s:.200} leads out of the folder")
    return below


def _json(path: Path, file: Path) -> dict[str, Any]:
    """The metadata in a file of the folder; empty if there is no such file."""
    if not _inside(path, file).is_file():
        return {}
    with file.open("rb") as text:
        raw = text.read(_LONGEST_JSON + 1)
    try:
        if len(raw) > _LONGEST_JSON:
            raise ValueError(f"it has more than {_LONGEST_JSON:,} bytes")
        tables = json.loads(raw)
        if not isinstance(tables, dict):
            raise TypeError("it is no object")
    except (ValueError, TypeError, RecursionError) as error:
        raise refused(path, f"{file.name} is not readable ({error!s:.100})") from error
    return tables


@dataclass(frozen=True)
class _Image:
    """The first multiscale image of a group: the folder of its finest array, and what is stated of its axes.

    ``axes`` and ``scale`` are along all axes of the array, or empty.
    """

    folder: Path
    axes: list[dict[str, Any]]
    scale: list[float]


def _image(path: Path, level_um: Sequence[float] | None) -> _Image | None:
    """The image of an OME-Zarr group, at its finest level or at one of given edges; None if it is no group.

    Raises:
        CcfError: the metadata are not readable, or there is no such level.
    """
    attributes = _json(path, path / ".zattrs") or _json(path, path / "zarr.json").get("attributes", {})
    try:
        images = attributes.get("ome", attributes).get("multiscales")
        if images is None:
            return None
        levels = [_level(path, images[0], dataset) for dataset in images[0]["datasets"]]
        if level_um is None:
            return levels[0]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise refused(path, f"its multiscales are not readable ({error!s:.100})") from error
    edges = [_level_um(level) for level in levels]
    for level, of_level in zip(levels, edges, strict=True):
        if of_level and np.allclose(of_level, level_um, rtol=_SAME_LEVEL):
            return level
    told = "; ".join(" × ".join(f"{edge:g}" for edge in each) if each else "unknown" for each in edges)
    wanted = " × ".join(f"{edge:g}" for edge in level_um)
    raise refused(path, f"it has no level of {wanted} µm, but of {told:.200} µm")


_SAME_LEVEL = 1e-3
"""Share by which the edges of a level may differ from those asked for: levels differ by a factor of two."""


def _level(path: Path, image: Mapping[str, Any], dataset: Mapping[str, Any]) -> _Image:
    """One level of a multiscale image."""
    below, axes = str(dataset["path"]), list(image.get("axes", []))
    scales = [
        np.asarray(transformation["scale"], float)
        for of in (dataset, image)
        for transformation in of.get("coordinateTransformations", [])
        if transformation["type"] == "scale"
    ]
    scale = np.prod(scales, axis=0).tolist() if scales else []
    # Up to version 0.3 an axis is a name.
    axes = [axis if isinstance(axis, dict) else {} for axis in axes]
    return _Image(_inside(path, path / below), axes, scale)


def _level_um(level: _Image) -> tuple[float, float, float] | None:
    """The edges of a level along its last three axes in µm, where it states them with a unit."""
    units = [axis.get("unit") for axis in level.axes[-3:]]
    if len(level.scale) < len(units):
        return None
    return in_um(level.scale[-3:], [str(unit) if unit else None for unit in units])


def _edges(
    path: Path, image: _Image, count: int
) -> tuple[tuple[float, float, float] | None, tuple[float, float, float] | None]:
    """The edges of a voxel in µm, or the numbers alone, along the last three of ``count`` axes."""
    if not image.scale:
        return None, None
    if len(image.scale) != count or len(image.axes) not in {0, count}:
        raise refused(path, f"it states {len(image.scale)} scales and {len(image.axes)} axes for {count}")
    edges = checked_edges(path, image.scale[-3:])
    units = [axis.get("unit") for axis in image.axes[-3:]]
    edges_um = in_um(edges, [str(unit) if unit else None for unit in units])
    return edges_um, None if any(units) else edges


def _orientation(path: Path, image: _Image) -> tuple[Direction, Direction, Direction] | None:
    """Where the last three axes run to, if all of them say."""
    stated = [axis.get("orientation") for axis in image.axes[-3:]]
    values = [str(each.get("value")) if isinstance(each, dict) else "" for each in stated]
    found = [_WORDS[word] for value in values if (word := value.rpartition("-to-")[2]) in _WORDS]
    if len(found) != 3:  # noqa: PLR2004
        return None
    if len({DIRECTIONS[direction][0] for direction in found}) != len(found):
        raise refused(path, f"it states that its axes run to {', '.join(found)}, which are not three axes")
    first, second, third = found
    return first, second, third


def _packing(path: Path, about: Mapping[str, Any]) -> str | None:
    """What a chunk's file is packed with; empty for not at all, None for a file of several chunks (a shard).

    Raises:
        CcfError: a codec is named that is not read, or one is packed in another.
    """
    try:
        if "codecs" in about:
            named = [str(codec["name"]) for codec in about["codecs"]]
            inner = [
                str(codec["name"])
                for shard in about["codecs"]
                if shard["name"] == _SHARDS
                for codec in (
                    *shard["configuration"]["codecs"],
                    *shard["configuration"].get("index_codecs", ()),
                )
            ]
        else:
            named = [str(c["id"]) for c in (*(about.get("filters") or ()), about.get("compressor")) if c]
            inner = []
    except (LookupError, TypeError, AttributeError) as error:
        raise refused(path, f"its codecs are not readable ({error!s:.100})") from error
    for name in named:
        if name not in (*_PACKINGS, *_PLAIN, _SHARDS):
            raise refused(path, f"it is packed with {name:.50}; read are {', '.join(_PACKINGS)}")
    for name in inner:
        if name not in (*_PACKINGS, *_PLAIN, "crc32c"):
            raise refused(path, f"its shards are packed with {name:.50}; read are {', '.join(_PACKINGS)}")
    packings = [name for name in (*named, *inner) if name in _PACKINGS]
    if len(packings) > 1:
        raise refused(path, f"it is packed more than once, with {' and '.join(packings)[:100]}")
    return None if _SHARDS in named else "".join(packings)


@dataclass(frozen=True)
class _Pieces:
    """The files of an array's chunks, looked at before zarr unpacks them.

    Attributes:
        path: the folder that the user named, out of which no link may lead.
        folder: that of the array.
        packing: as `_packing` says.
        size: bytes of a piece, unpacked.
    """

    path: Path
    folder: Path
    packing: str | None
    size: int

    def check(self) -> None:
        """Look at every file.

        Raises:
            CcfError: a link leads out of the folder, or a file unpacks to more than a chunk.
        """
        for folder, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                place = Path(folder, name)
                if place.is_symlink():
                    _inside(self.path, place)
            for name in files:
                if _CHUNK.fullmatch(name):
                    self._check_size(Path(folder, name))

    def _check_size(self, file: Path) -> None:
        chunk = f"its chunk {file.relative_to(self.folder)}"
        longest = self.size + _SLACK if self.packing is not None else _MOST_OF_A_SHARD * self.size + _SLACK
        if file.stat().st_size > longest:
            raise damaged(self.path, f"{chunk} is larger than its header says")
        if self.packing is None:
            return
        try:
            size = _unpacked_size(self.packing, file, self.size)
        except ImportError:
            raise missing(self.path, "imagecodecs") from None
        except (ValueError, RuntimeError, zlib.error) as error:
            raise damaged(self.path, f"{chunk}: {error!s:.200}") from error
        # Of one that is too short, zarr 2 leaves the rest as it was in memory.
        if size != self.size:
            raise damaged(
                self.path, f"{chunk} is {'larger' if size > self.size else 'smaller'} than its header says"
            )


def _unpacked_size(packing: str, file: Path, most: int) -> int:
    """The bytes that a chunk's file unpacks to, or any number above ``most``."""
    if not packing:
        return file.stat().st_size
    with file.open("rb") as data:
        head = data.read(16)
        if packing == "blosc":
            if int.from_bytes(head[12:16], "little") != file.stat().st_size:
                raise ValueError("it is not as long as it says")
            return int.from_bytes(head[4:8], "little")
        if packing == "lz4":
            return int.from_bytes(head[:4], "little")
        packed = head + data.read()
    if packing == "zstd":
        import imagecodecs

        return len(imagecodecs.zstd_decode(packed, out=most))
    size = 0
    while packed:  # gzip may have several members
        unpacker = zlib.decompressobj(wbits=47)
        while packed and not unpacker.eof and size <= most:
            size += len(unpacker.decompress(packed, _READ_BYTES))
            packed = unpacker.unconsumed_tail
        packed = unpacker.unused_data.lstrip(b"\0") if size <= most else b""
    return size


def _slabs(
    pieces: _Pieces,
    array: Any,  # noqa: ANN401 - of zarr 2 or 3
    shape: tuple[int, int, int],
    axis: int,
    deep: int,
) -> Iterator[Slab]:
    """One layer of chunks after the other. A chunk that has no file is all fill value: that is no damage."""
    pieces.check()
    for first in range(0, shape[axis], deep):
        turn: list[slice | int] = [0] * (len(array.shape) - 3) + [slice(None)] * 3
        turn[axis - 3] = slice(first, min(first + deep, shape[axis]))
        try:
            layer = np.moveaxis(np.asarray(array[tuple(turn)]), axis, 0)
        except OSError:
            raise
        except Exception as error:  # as above; the codecs' errors, too, are of no common kind
            raise damaged(pieces.path, str(error) or type(error).__name__) from error
        yield from layer
