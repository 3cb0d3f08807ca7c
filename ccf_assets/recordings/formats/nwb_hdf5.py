"""An NWB file in HDF5, read by h5py: only what is asked for, however large the file is.

Links to other files, external storage and virtual datasets are refused: all lead out of the file. Chunks and
texts are measured before HDF5 unpacks them, since it allocates whatever they claim or become.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from ccf_assets.errors import CcfError, first_line, why
from ccf_assets.recordings.files.table import refuse_too_many
from ccf_assets.recordings.formats.nwb_heap import REFERENCE, SIZE, Heap
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

_SIGNATURE = b"\x89HDF\r\n\x1a\n"

_LONGEST_ATTRIBUTE = 1 << 16
"""Bytes."""

_BATCH = 100_000
"""Texts that are in memory at a time as Python's own."""

_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
"""Numbers of the filters that are read (H5Zpublic.h; 32000 is registered for h5py's LZF)."""

_MOST_LZF_CHUNK_BYTES = 1 << 20
"""Bytes unpacked: h5py's LZF unpacks whatever is there, at most some ninety times what is stored."""


@contextmanager
def opened(file: Path, opener: Callable[[Path], BinaryIO] | None = None) -> Iterator[HdfGroup]:
    """The root group of a file. An error of HDF5 becomes one sentence.

    Args:
        file: the file.
        opener: opens it where it is not on this host; None for a file on a disk, which HDF5 opens itself.

    Raises:
        CcfError: it is no HDF5 file, or damaged.
    """
    import h5py

    try:
        with opener(file) if opener else file.open("rb") as raw:
            if raw.read(len(_SIGNATURE)) != _SIGNATURE:
                raise refused(file, "it is no HDF5 file, as a file of NWB is; is it still being copied?")
            on_disk = None if opener else "best-effort"
            with h5py.File(raw if opener else file, "r", locking=on_disk) as store:
                plan = store.id.get_create_plist()
                if plan.get_sizes() != (SIZE, SIZE):
                    raise refused(file, "its addresses are not of 64 bits")
                yield HdfGroup(file, store, "", Heap(file, raw, plan.get_userblock()))
    except CcfError:
        raise
    except FileNotFoundError:
        raise CcfError(f"{file} no longer exists.") from None
    except PermissionError as error:
        raise CcfError(f"{file} cannot be read: {why(error)}.") from None
    except (RecursionError, MemoryError):
        raise damaged(file, "it is nested too deeply, or too large") from None
    except Exception as error:  # h5py raises what HDF5 says as errors of many kinds
        raise damaged(file, first_line(error).rstrip(".")) from error


class HdfGroup:
    """A group of an HDF5 file."""

    def __init__(self, file: Path, group: Any, path: str, heap: Heap) -> None:  # noqa: ANN401 - h5py has no types
        self._file, self._group, self._path, self._heap = file, group, path, heap

    @property
    def path(self) -> str:
        """Where it is in the file."""
        return self._path

    def names(self) -> Sequence[str]:
        """The names of its members, sorted."""
        if len(self._group) > MOST_MEMBERS:
            raise refused(self._file, f"{self._path} has more than {MOST_MEMBERS:,} members")
        return sorted(self._group)

    def group(self, name: str) -> HdfGroup | None:
        """A member that is a group, or a soft link to one."""
        import h5py

        found, path = self._found(name)
        return (
            HdfGroup(self._file, h5py.Group(found), path, self._heap)
            if isinstance(found, h5py.h5g.GroupID)
            else None
        )

    def attribute(self, name: str) -> str:
        """An attribute that is a text; empty if there is none."""
        import h5py

        of = self._group
        if not h5py.h5a.exists(of.id, name.encode()):
            return ""
        attribute = h5py.h5a.open(of.id, name.encode())
        text = h5py.check_string_dtype(attribute.dtype)
        if text is None or attribute.shape not in {(), (1,)}:
            return ""
        if attribute.get_storage_size() > _LONGEST_ATTRIBUTE:
            raise refused(self._file, f"{self._path} has an attribute {name} of too many bytes")
        if text.length is None:
            header = h5py.h5o.get_info(of.id).addr
            self._heap.check_attributes(self._path, header, h5py.h5a.get_num_attrs(of.id))
        value = np.asarray(of.attrs[name], object).ravel()[0]
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def text(self, name: str) -> str:
        """A dataset that is a single text; empty if there is none."""
        texts = self._values(name, alone=True)
        return texts[0] or "" if texts is not None and texts.dtype == pl.String and len(texts) == 1 else ""

    def table_of(self, name: str) -> str:
        """The path that the attribute ``table`` of a column refers to."""
        import h5py

        found, _ = self._found(name)
        if not isinstance(found, h5py.h5d.DatasetID) or not h5py.h5a.exists(found, b"table"):
            return ""
        reference = h5py.Dataset(found).attrs["table"]
        if not isinstance(reference, h5py.Reference) or not reference:
            return ""
        return (h5py.h5r.get_name(reference, found) or b"").decode(errors="replace")

    def column(self, name: str) -> pl.Series | None:
        """A dataset of one row of numbers or texts."""
        return self._values(name)

    def _found(self, name: str, links: int = 0) -> tuple[Any, str]:
        """The identifier of a member and its path; soft links are followed within the file."""
        import h5py

        group, key, path = self._group.id, name.encode(), f"{self._path}/{name}"
        if not group.links.exists(key):
            return None, path
        kind = group.links.get_info(key).type
        if kind == h5py.h5l.TYPE_HARD:
            return h5py.h5o.open(group, key), path
        if kind != h5py.h5l.TYPE_SOFT:
            raise refused(self._file, f"{path} is a link to another file, which is not followed")
        if links >= MOST_LINKS:
            raise refused(self._file, f"{path} is a link that leads nowhere")
        target = group.links.get_val(key).decode(errors="replace")
        root = HdfGroup(self._file, self._group.file, "", self._heap)
        at, parts = root if target.startswith("/") else self, [part for part in target.split("/") if part]
        found, where = at._group.id, at.path
        for part in parts:
            if not isinstance(found, h5py.h5g.GroupID):
                return None, path
            found, where = HdfGroup(self._file, h5py.Group(found), where, self._heap)._found(part, links + 1)
        return found, where

    def _values(self, name: str, *, alone: bool = False) -> pl.Series | None:
        import h5py

        found, path = self._found(name)
        if not isinstance(found, h5py.h5d.DatasetID):
            return None
        data = h5py.Dataset(found)
        # MatNWB wrote columns as (n, 1).
        if data.shape is None or data.size != max(data.shape, default=1) or (not data.shape and not alone):
            return None
        text = h5py.check_string_dtype(data.dtype)
        if text is None and data.dtype.kind not in "iufb":
            return None
        check = _Data(self._file, path, data, self._heap)
        check.sizes()
        if text is None:
            values = np.asarray(data[()]).ravel()
            kind = np.float64 if values.dtype.kind == "f" else values.dtype.newbyteorder("=")
            return pl.Series(name, values.astype(kind))
        if text.length is None:
            check.texts()
        if data.ndim != 1:
            return _decoded(self._file, path, name, np.asarray(data[()]).ravel())
        starts = range(0, data.size, _BATCH)
        parts = [_decoded(self._file, path, name, data[start : start + _BATCH]) for start in starts]
        return pl.concat(parts) if parts else pl.Series(name, [], pl.String)


def _decoded(file: Path, path: str, name: str, values: Any) -> pl.Series:  # noqa: ANN401 - of bytes
    try:
        return pl.Series(name, [value.decode() for value in values.tolist()], pl.String)
    except UnicodeDecodeError as error:
        raise damaged(file, f"{path} is not UTF-8: {error}") from None


class _Data:
    """A dataset that is looked at before HDF5 unpacks it."""

    def __init__(self, file: Path, path: str, data: Any, heap: Heap) -> None:  # noqa: ANN401 - h5py has no types
        self._file, self._path, self._data, self._heap = file, path, data, heap
        self._plan = data.id.get_create_plist()
        self._is_text = data.dtype.kind == "O"
        self._item = REFERENCE.itemsize if self._is_text else data.dtype.itemsize

    def sizes(self) -> None:
        """Refuse what is not stored in the file itself, too large, or larger than it says.

        Raises:
            CcfError: as described.
        """
        import h5py

        if self._plan.get_layout() == h5py.h5d.VIRTUAL or self._plan.get_external_count():
            raise refused(self._file, f"{self._path} is stored in other files, which are not followed")
        refuse_too_many(self._file, self._data.size)
        if self._data.size * self._item > MOST_BYTES:
            raise refused(self._file, f"{self._path} has more than {MOST_BYTES:,} bytes")
        if self._plan.get_layout() == h5py.h5d.CHUNKED:
            if self._chunk_bytes() > MOST_CHUNK_BYTES:
                raise refused(self._file, f"{self._path} has chunks of more than {MOST_CHUNK_BYTES:,} bytes")
            if self._data.size > math.prod(self._data.chunks) * MOST_CHUNKS:
                raise refused(self._file, f"{self._path} has more than {MOST_CHUNKS:,} chunks")
            for _ in self._chunks():
                pass

    def texts(self) -> None:
        """Refuse texts that are longer together, or lie in larger collections, than a column may be.

        Raises:
            CcfError: as described.
        """
        import h5py

        layout, heap = self._plan.get_layout(), self._heap
        if layout == h5py.h5d.COMPACT:
            raise refused(self._file, f"{self._path} has texts in compact storage, which is not read")
        if layout == h5py.h5d.CHUNKED:
            for chunk in self._chunks():
                heap.check_texts(self._path, chunk)
        elif start := self._data.id.get_offset():
            heap.check_texts(self._path, heap.read(start - heap.base, self._data.size * self._item))

    def _chunk_bytes(self) -> int:
        size: int = math.prod(self._data.chunks) * self._item
        return size

    def _chunks(self) -> Iterator[bytes]:
        """The chunks as they are after unpacking; of those packed with LZF, nothing."""
        size, filters = self._chunk_bytes(), self._filters()
        places: list[Any] = []
        self._data.id.chunk_iter(lambda place: places.append(place) if len(places) <= MOST_CHUNKS else 1)
        if len(places) > MOST_CHUNKS:
            raise refused(self._file, f"{self._path} has more than {MOST_CHUNKS:,} chunks")
        for place in places:
            used = [number for bit, number in enumerate(filters) if not place.filter_mask >> bit & 1]
            if place.size > size + SLACK or (not used and place.size != size):
                raise damaged(self._file, f"{self._path} has a chunk of {place.size:,} bytes")
            _, packed = self._data.id.read_direct_chunk(place.chunk_offset)
            if _LZF not in used:
                yield self._unpacked(packed, used, size)

    def _filters(self) -> list[int]:
        """The numbers of the filters, in the order in which they were applied.

        Raises:
            CcfError: one is not read here.
        """
        filters = [self._plan.get_filter(each) for each in range(self._plan.get_nfilters())]
        for number, _, _, name in filters:
            if number not in {_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF}:
                called = name.decode(errors="replace") if name else f"filter {number}"
                raise refused(
                    self._file,
                    f"{self._path} is packed with {called:.50}, which is not read; write the tables with "
                    "gzip, or without compression",
                )
        numbers = [number for number, *_ in filters]
        if _LZF in numbers and (self._is_text or self._chunk_bytes() > _MOST_LZF_CHUNK_BYTES):
            raise refused(
                self._file, f"{self._path} is packed with LZF in large chunks or as text; write it with gzip"
            )
        return numbers

    def _unpacked(self, packed: bytes, filters: Sequence[int], size: int) -> bytes:
        """A chunk, without more memory than it says that it needs."""
        for number in reversed(filters):
            if number == _FLETCHER32:
                packed = packed[:-4]
            elif number == _DEFLATE:
                unpacker = zlib.decompressobj()
                packed = unpacker.decompress(packed, size + SLACK)
                if not unpacker.eof:
                    raise damaged(self._file, f"{self._path} has a chunk that is larger than it says")
            elif number == _SHUFFLE:
                whole = len(packed) // self._item * self._item
                bytes_of = np.frombuffer(packed[:whole], np.uint8).reshape(self._item, -1)
                packed = bytes_of.T.tobytes() + packed[whole:]
        if len(packed) != size:
            raise damaged(self._file, f"{self._path} has a chunk that is not as large as it says")
        return packed
