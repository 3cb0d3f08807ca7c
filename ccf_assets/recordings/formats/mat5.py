"""MATLAB files of version 5 to 7 (``save``'s default): the numbers, texts, cells and structs of one variable.

Read here and not by scipy, for two reasons: a compressed variable of some kilobytes may claim and unpack to
gigabytes, and probe_ccf.mat has tables, which are objects of MATLAB's own that only MATLAB understands. Here
memory is bounded by the bytes unpacked, and whatever is no number, text, cell or struct is passed over.

The form is that of MathWorks' "MAT-File Format" (Level 5). Version 7.3 is HDF5: mat73.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ccf_assets.errors import CcfError

LARGEST_UNPACKED = 100_000_000
"""Bytes of the variable unpacked; a track has some hundred points."""

_MOST_ITEMS = 1_000_000
"""Cells and fields in all: each is an object of Python's."""

_DEEPEST = 16

_HEADER = 128

_HEAD = 4096
"""Bytes of a packed variable that are unpacked for its name, which comes first."""

_MATRIX, _COMPRESSED = 14, 15

_NUMBERS: Mapping[int, str] = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
"""miINT8 to miUINT64: how numbers are stored."""

_TEXTS: Mapping[int, str] = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
"""How texts are stored."""

_CELL, _STRUCT, _CHAR, _FIRST_NUMERIC, _LAST_NUMERIC = 1, 2, 4, 6, 15
"""mxCELL_CLASS … mxUINT64_CLASS: what an array is."""


@dataclass(frozen=True)
class Cells:
    """A cell array, or a struct array with one ``Mapping`` for each struct, column by column as in MATLAB."""

    shape: tuple[int, ...]
    items: tuple[Value, ...]


Value: TypeAlias = "npt.NDArray[np.generic] | str | Mapping[str, Value] | Cells | None"
"""Of a variable: None is something that is passed over, such as a table, a graphics object or a function."""


class _DamagedError(Exception):
    """The file breaks off, or contradicts itself."""


def is_mat5(raw: bytes) -> bool:
    """Whether a file begins as one of version 5 to 7 does."""
    return len(raw) >= _HEADER and raw[126:128] in (b"IM", b"MI") and b"\1" in raw[124:126]


def read_mat5(path: Path, raw: bytes, name: str) -> Value:
    """One variable of a file.

    Args:
        path: the file, for a sentence.
        raw: its content.
        name: the variable.

    Returns:
        None if there is no such variable, or it is something else than numbers, texts, cells and structs.

    Raises:
        CcfError: the file is damaged, or too large unpacked.
    """
    order = "<" if raw[126:128] == b"IM" else ">"
    try:
        for content in _variables(path, raw, order, name):
            return _Reader(content, order).matrix(0, len(content), 0)
    except (_DamagedError, struct.error, zlib.error, UnicodeDecodeError, ValueError) as error:
        raise CcfError(f"{path} is damaged ({error!s:.100}); copy it again, or save it again.") from None
    return None


def _variables(path: Path, raw: bytes, order: str, name: str) -> Iterator[bytes]:
    """The content of the matrix element of each variable of a name, unpacked."""
    place = _HEADER
    while place + 8 <= len(raw):
        kind, size = struct.unpack_from(f"{order}II", raw, place)
        content = raw[place + 8 : place + 8 + size]
        if len(content) < size:
            raise _DamagedError("it breaks off")
        place += 8 + size
        if kind == _MATRIX:
            place += -place % 8
            if _Reader(content, order).name_of_matrix() == name:
                yield content
        elif kind == _COMPRESSED:
            head = zlib.decompressobj().decompress(content, _HEAD)
            if _Reader(head[8:], order).name_of_matrix() == name:
                yield _unpacked(path, content, order)


def _unpacked(path: Path, content: bytes, order: str) -> bytes:
    """The content of a packed variable."""
    unpacked = zlib.decompressobj().decompress(content, LARGEST_UNPACKED)
    if len(unpacked) >= LARGEST_UNPACKED:
        raise CcfError(
            f"{path} has a variable of more than {LARGEST_UNPACKED:,} bytes unpacked, which is no "
            f"track; save the variable with the tracks alone."
        )
    _, size = struct.unpack_from(f"{order}II", unpacked)
    if len(unpacked) < 8 + size:
        raise _DamagedError("a variable breaks off")
    return unpacked[8 : 8 + size]


class _Reader:
    """Reads the elements of one variable, and counts its items."""

    def __init__(self, raw: bytes, order: str) -> None:
        self._raw = raw
        self._order = order
        self._items = 0

    def name_of_matrix(self) -> str:
        """The variable's name."""
        _, place = self._element(0, len(self._raw))
        _, place = self._element(place, len(self._raw))
        (kind, start, end), _ = self._element(place, len(self._raw))
        return self._raw[start:end].decode("latin-1") if kind == 1 else ""

    def matrix(self, start: int, end: int, depth: int) -> Value:
        """The value of the matrix between two places; an empty element is an empty array."""
        if depth > _DEEPEST:
            raise _DamagedError("it is nested too deeply")
        if start == end:
            return np.zeros((0, 0))
        flags, place = self._element(start, end)
        of = self._raw[flags[1] : flags[2]]
        if flags[0] != 6 or len(of) != 8:  # noqa: PLR2004
            raise _DamagedError("an array has no flags")
        (word,) = struct.unpack_from(f"{self._order}I", of)
        what, is_complex = word & 0xFF, bool(word & 0x0800)
        if what not in (_CELL, _STRUCT, _CHAR, *range(_FIRST_NUMERIC, _LAST_NUMERIC + 1)) or is_complex:
            return None
        dimensions, place = self._element(place, end)
        shape = tuple(int(side) for side in self._numbers(dimensions))
        _, place = self._element(place, end)  # its name
        count = 1
        for side in shape:
            if side < 0:
                raise _DamagedError("an array has a negative size")
            count *= side
        if what in (_CELL, _STRUCT):
            return self._composite(what, shape, count, place, end, depth)
        content, _ = self._element(place, end)
        if what == _CHAR:
            return self._text(content)
        values = self._numbers(content)
        if len(values) != count:
            raise _DamagedError("an array has another number of values than it says")
        return values.reshape(shape, order="F")

    def _composite(
        self, what: int, shape: tuple[int, ...], count: int, place: int, end: int, depth: int
    ) -> Value:
        fields = [""]
        if what == _STRUCT:
            width, place = self._element(place, end)
            names, place = self._element(place, end)
            (length,) = self._numbers(width).tolist() or (0,)
            text = self._raw[names[1] : names[2]]
            if not 0 < length <= len(text) or len(text) % length:
                if count and text:
                    raise _DamagedError("the names of fields are cut short")
                return Cells(shape, ())
            fields = [
                text[at : at + length].split(b"\0")[0].decode("latin-1") for at in range(0, len(text), length)
            ]
        self._items += count * len(fields)
        if self._items > _MOST_ITEMS or count * len(fields) * 8 > end - place:
            raise _DamagedError("it says that it has more cells than it can have")
        items: list[Value] = []
        for _ in range(count):
            values: dict[str, Value] = {}
            for field in fields:
                (kind, begin, stop), place = self._element(place, end)
                values[field] = self.matrix(begin, stop, depth + 1) if kind == _MATRIX else None
            items.append(values if what == _STRUCT else values[""])
        return items[0] if what == _STRUCT and count == 1 else Cells(shape, tuple(items))

    def _element(self, place: int, end: int) -> tuple[tuple[int, int, int], int]:
        """Type, first and last place of an element's content; and the place of the next."""
        if place + 8 > end:
            raise _DamagedError("it breaks off")
        kind, size = struct.unpack_from(f"{self._order}II", self._raw, place)
        if kind >> 16:  # a small element: size and type in one word, the content in the next
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            following = place + 8
            if size > 4:  # noqa: PLR2004
                raise _DamagedError("a small element is too large")
        else:
            start = place + 8
            following = start + size + -size % 8
        if start + size > end:
            raise _DamagedError("it breaks off")
        return (kind, start, start + size), min(following, end)

    def _numbers(self, element: tuple[int, int, int]) -> npt.NDArray[np.generic]:
        kind, start, end = element
        if kind not in _NUMBERS:
            raise _DamagedError("numbers are of a type that there is not")
        dtype = np.dtype(f"{self._order}{_NUMBERS[kind]}")
        return np.frombuffer(
            self._raw[start : start + (end - start) // dtype.itemsize * dtype.itemsize], dtype
        )

    def _text(self, element: tuple[int, int, int]) -> str:
        kind, start, end = element
        encoding = _TEXTS.get(kind, "latin-1")
        if encoding in ("utf-16", "utf-32"):
            encoding += "-le" if self._order == "<" else "-be"
        return self._raw[start:end].decode(encoding)
