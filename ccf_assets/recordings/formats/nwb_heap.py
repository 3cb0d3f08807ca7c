"""Where an HDF5 file keeps its texts, looked at before HDF5 does.

HDF5 reads a text with the whole collection of the global heap that it lies in, however large that says it is,
and never comes back from one that is damaged in certain ways (an object of no bytes). What is looked at here
is described in the HDF5 file format, III.E (global heap) and IV.A (object headers).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ccf_assets.recordings.formats.nwb_store import MOST_BYTES, damaged, refused

SIZE = 8
"""Bytes of an address and of a length in the file; other sizes are allowed, and no program writes them."""

REFERENCE = np.dtype([("bytes", "<u4"), ("at", "<u8"), ("number", "<u4")])
"""A text as it is in a dataset: its length, and the collection and number of its object."""

_COLLECTION, _HEADER, _MORE = b"GCOL", b"OHDR", b"OCHK"

_OBJECT = 16
"""Bytes in front of an object in a collection, and of a collection."""

_CONTINUATION, _ATTRIBUTE = 0x10, 0x0C
"""Types of messages of an object header."""

_SHARED, _SHARED_TYPE = 2, 1
"""Flags of a message that is elsewhere, and of an attribute whose type is."""

_WITH_ENCODING, _VARIABLE = 3, 9
"""The version of attributes that has a byte more, and the class of types of variable length."""

_MOST_HEADER = 1 << 20
"""Bytes of an object header: a group has some hundreds."""


class Heap:
    """The collections of a file.

    Args:
        file: where it is, for sentences.
        raw: the same file, opened.

    Attributes:
        base: where address 0 is in the file.
    """

    def __init__(self, file: Path, raw: BinaryIO, base: int) -> None:
        self._file, self._raw, self.base = file, raw, base
        self._seen: set[int] = set()
        self._total = 0

    def read(self, at: int, size: int) -> bytes:
        """Bytes of the file at an address."""
        if not 0 <= at < 1 << 62:
            return b""
        if size < 0:  # with which the rest of the file would be read
            raise ValueError("a negative length")
        self._raw.seek(self.base + at)
        return self._raw.read(size)

    def check_texts(self, path: str, packed: bytes) -> None:
        """Look at the collections of the texts of a column.

        Raises:
            CcfError: they are damaged, or too large.
        """
        texts = np.frombuffer(packed[: len(packed) // REFERENCE.itemsize * REFERENCE.itemsize], REFERENCE)
        self._count(path, int(texts["bytes"].sum(dtype=np.uint64)))
        for at in np.unique(texts["at"][texts["bytes"] > 0]).tolist():
            self._check(path, at)

    def check_attributes(self, path: str, at: int, count: int) -> None:
        """Look at the collections of the texts among the attributes of an object.

        Args:
            path: of the object, for sentences.
            at: the address of its header.
            count: how many attributes it has.

        Raises:
            CcfError: they are damaged or too large, or the attributes are not in the header.
        """
        bodies = list(self._attributes(path, at))
        if len(bodies) != count or any(body[1] & _SHARED_TYPE for body in bodies):
            raise refused(self._file, f"the attributes of {path} are stored in a way that is not read")
        for body in bodies:
            version, (name, kind, space) = body[0], np.frombuffer(body[2:8], "<u2").tolist()
            if version == 1:  # filled up to multiples of 8 bytes
                name, kind, space = (-(-each // 8) * 8 for each in (name, kind, space))
            start = (9 if version == _WITH_ENCODING else 8) + name
            if body[start] & 0x0F == _VARIABLE:
                self.check_texts(path, body[start + kind + space :])

    def _count(self, path: str, size: int) -> None:
        self._total += size
        if self._total > MOST_BYTES:
            raise refused(self._file, f"{path} has texts of more than {MOST_BYTES:,} bytes")

    def _check(self, path: str, at: int) -> None:
        """Walk over the objects of a collection, if there is one at this address."""
        head = self.read(at, _OBJECT)
        if at in self._seen or not head.startswith(_COLLECTION):
            return
        self._seen.add(at)
        size = int.from_bytes(head[8:], "little")
        self._count(path, size)
        objects = self.read(at + _OBJECT, size - _OBJECT)
        place = 0
        while place + _OBJECT <= len(objects):
            number = int.from_bytes(objects[place : place + 2], "little")
            length = int.from_bytes(objects[place + 8 : place + _OBJECT], "little")
            # The last object, number 0, is the room that is left, its own header included.
            step = _OBJECT + -(-length // 8) * 8 if number else length
            if step < _OBJECT or place + step > len(objects):
                raise damaged(self._file, f"a text of {path} lies in a heap that is damaged")
            place += step

    def _attributes(self, path: str, at: int) -> Iterator[bytes]:
        """The messages of an object header that are attributes."""
        head = self.read(at, 64)
        new = head.startswith(_HEADER)
        if new:
            flags = head[5]
            start = 6 + 16 * (flags >> 5 & 1) + 4 * (flags >> 4 & 1)
            width = 1 << (flags & 3)
            size = int.from_bytes(head[start : start + width], "little")
            blocks, prefix = [(at + start + width, size)], 4 + 2 * (flags >> 2 & 1)
        else:
            blocks, prefix = [(at + 16, int.from_bytes(head[8:12], "little"))], 8
        total = 0
        for where, size in blocks:  # grows by its continuations
            total += size
            if total > _MOST_HEADER:
                raise refused(self._file, f"{path} has too many attributes")
            block = self.read(where, size)
            place = 0
            while place + prefix <= len(block):
                kind = block[place] if new else int.from_bytes(block[place : place + 2], "little")
                length = int.from_bytes(block[place + 1 + (not new) : place + 3 + (not new)], "little")
                shared = block[place + 3 + (not new)] & _SHARED
                body = block[place + prefix : place + prefix + length]
                if kind == _CONTINUATION and len(body) >= 2 * SIZE:
                    more, extent = (int.from_bytes(body[i : i + SIZE], "little") for i in (0, SIZE))
                    skip = len(_MORE) if new else 0
                    blocks.append((more + skip, max(extent - skip - (4 if new else 0), 1)))
                elif kind == _ATTRIBUTE and not shared:
                    yield body
                place += prefix + length
