"""MATLAB files of version 7.3, which are HDF5: the numbers, texts, cells and structs of one variable.

A struct array is a group with one dataset of references for each field, a cell array a dataset of references;
arrays lie transposed (MathWorks, "MAT-File Versions"; the same form is read by hdf5storage and mat73).
Nothing outside of the file is followed: external links and storage, and virtual datasets, are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ccf_assets.errors import CcfError, first_line
from ccf_assets.recordings.formats.mat5 import Cells, Value

if TYPE_CHECKING:
    import h5py

_LARGEST_ARRAY = 100_000_000
"""Bytes of one array unpacked."""

_MOST_ITEMS = 100_000

_DEEPEST = 16


class _RefusedError(Exception):
    """The text says what the file has that is refused."""


def is_mat73(path: Path) -> bool:
    """Whether a file is HDF5, as those of version 7.3 are behind a header like that of version 5."""
    import h5py

    return bool(h5py.is_hdf5(path))


def read_mat73(path: Path, name: str) -> Value:
    """One variable of a file; None if there is none, or it is something else, such as a table.

    Raises:
        CcfError: the file is damaged, or refers to other files.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _Reader(file).member(file, name, 0)
    except _RefusedError as error:
        raise CcfError(f"{path} {error}; save it again with MATLAB, as version 7.") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise CcfError(f"{path} is damaged ({first_line(error):.100}); copy it again.") from None


class _Reader:
    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._items = 0

    def member(self, group: h5py.Group, name: str, depth: int) -> Value:
        """A member of a group, if there is one and it lies in this file."""
        import h5py

        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise _RefusedError(f"has a link to elsewhere ({name}), which is not followed")
        return self._value(group[name], depth)

    def _value(self, found: object, depth: int) -> Value:
        import h5py

        self._items += 1
        if depth > _DEEPEST or self._items > _MOST_ITEMS:
            raise _RefusedError("is nested too deeply, or has too many cells")
        if isinstance(found, h5py.Group):
            return self._struct(found, depth)
        return self._array(found, depth) if isinstance(found, h5py.Dataset) else None

    def _array(self, found: h5py.Dataset, depth: int) -> Value:
        """Numbers, text or cells; None for an object of MATLAB's."""
        import h5py

        if found.is_virtual or found.external:
            raise _RefusedError(f"has an array in another file ({found.name}), which is not followed")
        what = found.attrs.get("MATLAB_class", b"")
        what = what.decode("latin-1") if isinstance(what, bytes) else str(what)
        refers = h5py.check_ref_dtype(found.dtype) is h5py.Reference
        if "MATLAB_object_decode" in found.attrs or not (refers or found.dtype.kind in "biuf"):
            return None
        if found.attrs.get("MATLAB_empty", 0):
            empty: dict[str, Value] = {"char": "", "cell": Cells((0, 0), ()), "struct": Cells((0, 0), ())}
            return empty.get(what, np.zeros((0, 0)))
        if found.size is None or found.size * found.dtype.itemsize > _LARGEST_ARRAY:
            raise _RefusedError(f"has an array of more than {_LARGEST_ARRAY:,} bytes, which is no track")
        if refers:
            return self._referred(found, depth)
        values: npt.NDArray[np.generic] = np.asarray(found[()]).T
        if what != "char":
            return values
        return bytes(values.ravel("F").astype("<u2").data).decode("utf-16-le", "replace")

    def _referred(self, found: h5py.Dataset, depth: int) -> Cells:
        if found.size > _MOST_ITEMS:
            raise _RefusedError("has too many cells")
        references = np.asarray(found[()]).T
        items = tuple(
            self._value(self._file[one], depth + 1) if one else None for one in references.ravel("F")
        )
        return Cells(references.shape, items)

    def _struct(self, group: h5py.Group, depth: int) -> Value:
        """One struct, or an array of them where the fields are references."""
        fields = {name: self.member(group, name, depth + 1) for name in group}
        arrays = self._is_array_of_structs(group)
        if not arrays:
            return fields
        cells = {name: value for name, value in fields.items() if isinstance(value, Cells)}
        first = next(iter(cells.values()))
        same = {name: value.items for name, value in cells.items() if value.shape == first.shape}
        items = tuple({name: values[at] for name, values in same.items()} for at in range(len(first.items)))
        return Cells(first.shape, items)

    def _is_array_of_structs(self, group: h5py.Group) -> bool:
        """MATLAB marks a cell array as one; the references of a struct array have no class."""
        import h5py

        members = [group[name] for name in group]
        return bool(members) and all(
            isinstance(one, h5py.Dataset)
            and h5py.check_ref_dtype(one.dtype) is h5py.Reference
            and "MATLAB_class" not in one.attrs
            for one in members
        )
