"""An NWB file as a folder of Zarr, format 2 or 3, as hdmf-zarr writes it: only what is asked for is read.

Columns are lists of numbers or texts in a few chunks. They are read here and not by zarr, which allocates
what the metadata claim and uses every codec that they name, pickle among them. Links and references are
attributes in JSON (hdmf-zarr, docs/source/storage.rst).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ccf_assets.errors import CcfError, first_line, why
from ccf_assets.recordings.files.table import refuse_too_many
from ccf_assets.recordings.formats.json_file import read_json
from ccf_assets.recordings.formats.nwb_store import (
    MOST_BYTES,
    MOST_CHUNK_BYTES,
    MOST_CHUNKS,
    MOST_LINKS,
    MOST_MEMBERS,
    SLACK,
    damaged,
    refused,
)

METADATA = (".zgroup", "zarr.json")
"""The file of metadata of a group, of format 2 and 3."""

_LONGEST_JSON = 16_000_000
"""Bytes; the root of format 3 may repeat everything below it."""

_PACKINGS = ("blosc", "zstd", "gzip", "zlib", "lz4")
"""The codecs that are read; all that hdmf-zarr and zarr use unless told otherwise are among them."""

_TEXT = "vlen-utf8"
"""The codec of texts: how many, then each after its length (numcodecs, vlen.pyx)."""


@contextmanager
def opened(folder: Path) -> Iterator[ZarrGroup]:
    """The root group of a folder. An error of a codec becomes one sentence.

    Raises:
        CcfError: it is no group of Zarr, or damaged.
    """
    try:
        if not any((folder / name).is_file() for name in METADATA):
            raise refused(
                folder,
                "it is no folder of NWB-Zarr: it has neither .zgroup nor zarr.json; is it still copied?",
            )
        yield ZarrGroup(folder, ())
    except CcfError:
        raise
    except OSError as error:
        raise CcfError(f"{folder} cannot be read: {why(error)}.") from None
    except (RecursionError, MemoryError):
        raise damaged(folder, "it is nested too deeply, or too large") from None
    except Exception as error:  # what the codecs raise is of many kinds
        raise damaged(folder, first_line(error).rstrip(".")) from error


class ZarrGroup:
    """A group of a folder of Zarr."""

    def __init__(self, root: Path, parts: tuple[str, ...]) -> None:
        self._root, self._parts = root, parts
        self._folder = root.joinpath(*parts)
        self._attributes = _attributes(root, self._folder)

    @property
    def path(self) -> str:
        """Where it is in the folder."""
        return "".join(f"/{part}" for part in self._parts)

    def names(self) -> Sequence[str]:
        """The names of its members, sorted."""
        found = [each.name for each in self._folder.iterdir() if each.is_dir()]
        if len(found) > MOST_MEMBERS:
            raise refused(self._root, f"{self.path} has more than {MOST_MEMBERS:,} members")
        return sorted(found)

    def group(self, name: str) -> ZarrGroup | None:
        """A member that is a group, or a link to one."""
        return self._group(name, 0)

    def attribute(self, name: str) -> str:
        """An attribute that is a text; empty if there is none."""
        value = self._attributes.get(name)
        return value if isinstance(value, str) else ""

    def text(self, name: str) -> str:
        """An array that is a single text; empty if there is none."""
        texts = self._values(name, alone=True)
        return texts[0] or "" if texts is not None and texts.dtype == pl.String and len(texts) == 1 else ""

    def table_of(self, name: str) -> str:
        """The path that the attribute ``table`` of a column refers to."""
        if not _is_name(name):
            return ""
        table = _attributes(self._root, self._folder / name).get("table")
        value = table.get("value") if isinstance(table, dict) else None
        path = value.get("path") if isinstance(value, dict) else None
        return path if isinstance(path, str) else ""

    def column(self, name: str) -> pl.Series | None:
        """An array of one row of numbers or texts."""
        return self._values(name)

    def _group(self, name: str, links: int) -> ZarrGroup | None:
        if _is_name(name) and any((self._folder / name / each).is_file() for each in METADATA):
            found = ZarrGroup(self._root, (*self._parts, name))
            return None if found.is_array() else found
        given = self._attributes.get("zarr_link")
        for link in given if isinstance(given, list) else []:
            if isinstance(link, dict) and link.get("name") == name:
                return self._linked(f"{self.path}/{name}", link, links)
        return None

    def _linked(self, where: str, link: Mapping[str, Any], links: int) -> ZarrGroup | None:
        if link.get("source") != ".":
            raise refused(self._root, f"{where} is a link to another file, which is not followed")
        if links >= MOST_LINKS:
            raise refused(self._root, f"{where} is a link that leads nowhere")
        found: ZarrGroup | None = ZarrGroup(self._root, ())
        for part in str(link.get("path")).split("/"):
            if part:
                found = found._group(part, links + 1) if found else None
        return found

    def is_array(self) -> bool:
        """Whether the metadata of format 3 say that it is an array."""
        return _json(self._root, self._folder / "zarr.json").get("node_type") == "array"

    def _values(self, name: str, *, alone: bool = False) -> pl.Series | None:
        folder = self._folder / name
        if not _is_name(name):
            return None
        about = _json(self._root, folder / "zarr.json") or _json(self._root, folder / ".zarray")
        if "shape" not in about:
            return None
        array = _array(self._root, f"{self.path}/{name}", folder, about)
        if array is None or (array.scalar and not alone):
            return None
        return array.values(name)


def _is_name(name: str) -> bool:
    return name not in {"", ".", ".."} and "/" not in name and "\0" not in name


def _json(root: Path, file: Path) -> dict[str, Any]:
    """The metadata in a file of the folder; empty if there is no such file."""
    if not file.resolve().is_relative_to(root.resolve()):
        raise refused(root, f"{file.relative_to(root)!s:.200} is a link that leads out of the folder")
    if not file.is_file():
        return {}
    metadata = read_json(file, _LONGEST_JSON)
    if not isinstance(metadata, dict):
        raise damaged(root, f"{file.relative_to(root)} is no object")
    return metadata


def _attributes(root: Path, folder: Path) -> dict[str, Any]:
    given = _json(root, folder / ".zattrs") or _json(root, folder / "zarr.json").get("attributes")
    return given if isinstance(given, dict) else {}


@dataclass(frozen=True)
class _Array:
    """An array of one axis, or a scalar.

    Attributes:
        root: the folder that the user named.
        path: of the array in it, for sentences.
        folder: that of the array.
        size: how many values it has.
        chunk: how many values a chunk has.
        dtype: of numbers; None of texts.
        packing: what a chunk is packed with; empty for not at all.
        fill: the value where there is no chunk.
        key: of the chunks, before their number.
        scalar: it has no axis; the one chunk has no number.
    """

    root: Path
    path: str
    folder: Path
    size: int
    chunk: int
    dtype: np.dtype[Any] | None
    packing: str
    fill: Any
    key: str
    scalar: bool

    def values(self, name: str) -> pl.Series:
        """All values."""
        parts: list[pl.Series] = []
        total = 0.0
        for number in range(-(-self.size // self.chunk)):
            parts.append(self._part(number, name))
            total += parts[-1].estimated_size()
            if total > MOST_BYTES:
                raise refused(self.root, f"{self.path} has texts of more than {MOST_BYTES:,} bytes")
        empty = np.empty(0, self.dtype) if self.dtype is not None else None
        whole = pl.concat(parts) if parts else pl.Series(name, empty, None if self.dtype else pl.String)
        return whole.head(self.size)

    def _part(self, number: int, name: str) -> pl.Series:
        file = self.folder / ("c" if self.scalar and self.key else f"{self.key}{number}")
        rows = min(self.chunk, self.size - number * self.chunk)
        if not file.resolve().is_relative_to(self.root.resolve()):
            raise refused(self.root, f"{self.path} is a link that leads out of the folder")
        if not file.is_file():
            if self.dtype is None:
                return pl.repeat(
                    self.fill if isinstance(self.fill, str) else "", rows, dtype=pl.String, eager=True
                )
            return pl.Series(name, np.full(rows, 0 if self.fill is None else self.fill, self.dtype))
        most = MOST_CHUNK_BYTES if self.dtype is None else self.chunk * self.dtype.itemsize
        if file.stat().st_size > most + SLACK:
            raise damaged(self.root, f"{self.path} has a chunk that is larger than it says")
        data = _unpacked(self, file.read_bytes(), most)
        if self.dtype is None:
            texts = _texts(self, data)
            if len(texts) < rows:
                raise damaged(self.root, f"{self.path} has fewer values than it says")
            return pl.Series(name, texts, pl.String)
        if len(data) != most:
            raise damaged(self.root, f"{self.path} has a chunk that is not as large as it says")
        values = np.frombuffer(data, self.dtype)
        kind = np.float64 if values.dtype.kind == "f" else values.dtype.newbyteorder("=")
        return pl.Series(name, values.astype(kind))


def _array(root: Path, path: str, folder: Path, about: Mapping[str, Any]) -> _Array | None:
    """An array as its metadata describe it; None if it is not one row of numbers or texts.

    Raises:
        CcfError: it is, and cannot be read here.
    """
    try:
        new = about.get("zarr_format") == 3  # noqa: PLR2004
        shape = [int(n) for n in about["shape"]]
        if max(shape, default=1) != math.prod(shape) or min(shape, default=1) < 0:
            return None
        grid = about["chunk_grid"]["configuration"]["chunk_shape"] if new else about["chunks"]
        chunk, size = max(math.prod(int(n) for n in grid), 1), math.prod(shape)
        named = [codec["name"] for codec in about["codecs"]] if new else [
            codec["id"] for codec in (*(about.get("filters") or ()), about.get("compressor")) if codec
        ]  # fmt: skip
        kind = about["data_type"] if new else about["dtype"]
        is_text = _TEXT in named
        if not isinstance(kind, str) or (not is_text and kind in {"string", "|O"}):
            return None
        dtype = None if is_text else np.dtype(kind)
        if dtype is not None and dtype.kind not in "iufb":
            return None
        endian = [
            c.get("configuration", {}).get("endian") for c in about.get("codecs", ()) if c["name"] == "bytes"
        ]
        if dtype is not None and "big" in endian:
            dtype = dtype.newbyteorder(">")
        style = about.get("chunk_key_encoding", {}).get("name", "default") if new else "v2"
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise damaged(root, f"the metadata of {path} are not readable: {error}") from None
    packings = [name for name in named if name not in {_TEXT, "bytes"}]
    if (
        len(packings) > 1
        or any(name not in _PACKINGS for name in packings)
        or (shape and len(grid) != len(shape))
    ):
        raise refused(
            root,
            f"{path} is packed with {' and '.join(map(str, packings)):.100}, which is not read; "
            f"read is one of {', '.join(_PACKINGS)}",
        )
    refuse_too_many(root, size)
    item = 1 if dtype is None else dtype.itemsize
    if max(size, chunk) * item > MOST_BYTES or chunk * item > MOST_CHUNK_BYTES or size > chunk * MOST_CHUNKS:
        raise refused(root, f"{path} has too many bytes or chunks for a column of a table")
    fill = about.get("fill_value")
    if dtype is not None and not (fill is None or isinstance(fill, int | float)):
        fill = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(str(fill), 0)
    key = "" if style == "v2" else "c/"
    return _Array(root, path, folder, size, chunk, dtype, "".join(packings), fill, key, not shape)


def _unpacked(array: _Array, packed: bytes, most: int) -> bytes:
    """The bytes of a chunk, without more memory than ``most``."""
    size = {
        "blosc": int.from_bytes(packed[4:8], "little"),
        "lz4": int.from_bytes(packed[:4], "little"),
    }.get(array.packing, 0)
    if size > most + SLACK:
        raise damaged(array.root, f"{array.path} has a chunk that is larger than it says")
    if array.packing == "blosc":
        if int.from_bytes(packed[12:16], "little") != len(packed):
            raise damaged(array.root, f"{array.path} has a chunk that is not as long as it says")
        from numcodecs.blosc import Blosc

        return bytes(Blosc().decode(packed))
    if array.packing == "lz4":
        from numcodecs.lz4 import LZ4

        return bytes(LZ4().decode(packed))
    if array.packing == "zstd":
        import pyarrow as pa

        with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
            data: bytes = stream.read(most + SLACK)
        return data
    if array.packing in {"gzip", "zlib"}:
        return zlib.decompressobj(wbits=47).decompress(packed, most + SLACK)
    return packed


def _texts(array: _Array, data: bytes) -> list[str]:
    """The texts of a chunk.

    Raises:
        CcfError: it holds other than it says, or is not UTF-8.
    """
    count, at, texts = int.from_bytes(data[:4], "little"), 4, []
    for _ in range(min(count, array.chunk)):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if at + 4 > len(data) or end > len(data):
            raise damaged(array.root, f"{array.path} has a chunk that is cut short")
        try:
            texts.append(data[at + 4 : end].decode())
        except UnicodeDecodeError as error:
            raise damaged(array.root, f"{array.path} is not UTF-8: {error}") from None
        at = end
    return texts
