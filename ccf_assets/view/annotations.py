"""Points with properties in Neuroglancer's precomputed format of annotations, made with numpy.

Which sites and which properties they have is in site_points; how a folder of them is written, in
export_precomputed. The format is described at
https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/annotations.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_IN_CELL = 5_000
"""Points in one cell of a level of the spatial index: 200 KB, which a browser loads and draws at once."""

_MOST_LEVELS = 12
"""With the last one a brain is divided into cells of 3 µm; what still is in one cell is at one place."""

_SEED = 2017
"""Which points a coarse level has is drawn by lot, and by the same lot each time."""

_TYPES: Mapping[tuple[str, int], str] = {
    ("u", 4): "uint32",
    ("i", 4): "int32",
    ("u", 1): "uint8",
}

RELATION = "region"
"""Name of the one relation that points have, to the segment that they lie in."""

_BY_ID = "by_id"


@dataclass(frozen=True)
class Property:
    """One property of every point.

    Attributes:
        id: its name: a small letter, then letters, digits and _.
        about: what it means, with its unit.
        values: shape (N,), uint32, int32 or uint8; or shape (N, 3), uint8, a colour as red, green, blue.
        labels: the words for its values, where they are numbers of words.
    """

    id: str
    about: str
    values: npt.NDArray[Any]
    labels: Mapping[int, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """Its type in the format."""
        return "rgb" if self.values.ndim > 1 else _TYPES[self.values.dtype.kind, self.values.dtype.itemsize]

    @property
    def info(self) -> dict[str, Any]:
        """Its entry in the info."""
        words = {"enum_values": list(self.labels), "enum_labels": list(self.labels.values())}
        about = {"id": self.id, "type": self.type, "description": self.about}
        return {**about, **words} if self.labels else about


@dataclass(frozen=True)
class Level:
    """A level of the spatial index: a division of the volume into cells, each with some of the points.

    Attributes:
        grid_shape: cells along each axis, a power of two.
        cell_um: size of a cell along each axis, µm.
        most: the number of points in the cell that has most of them.
        cells: shape (C,), uint64: the cells that have points, as numbers of `cell_number`, ascending.
        borders: shape (C + 1,), int64: where the points of a cell begin in the order of `Points`.
    """

    grid_shape: tuple[int, ...]
    cell_um: tuple[float, ...]
    most: int
    cells: npt.NDArray[np.uint64]
    borders: npt.NDArray[np.int64]


class Points:
    """N points, with their properties, in the form that Neuroglancer reads. Their ids are 0 to N - 1.

    A viewer shows coarse levels first, so that of many points it loads as many as it can draw. Every point is
    in one level only. A million points take 2 s and 100 MB of memory.

    Args:
        places_um: shape (N, 3), µm along the axes, finite. float32 is what the format has: 0.001 µm at
            10,000 µm.
        extent_um: size of the volume along the axes in µm, which the cells divide. A point outside it is in
            the nearest cell.
        properties: those of every point; those of 4 bytes before those of 1 byte, as the format orders them.
        segments: shape (N,), unsigned: the segment that each lies in, 0 for none.
        axes: names of the axes.
    """

    def __init__(
        self,
        places_um: npt.NDArray[np.float64],
        extent_um: Sequence[float],
        properties: Sequence[Property],
        segments: npt.NDArray[Any],
        axes: Sequence[str],
    ) -> None:
        self.extent_um = tuple(map(float, extent_um))
        self.properties = tuple(properties)
        self.axes = tuple(axes)
        self.levels, self._order = _levels(places_um, self.extent_um)
        self._place = np.empty_like(self._order)
        self._place[self._order] = np.arange(len(self._order))
        self._segments = segments.astype("<u8")
        self._records = _records(places_um, self.properties)[self._order]
        self._by_segment = np.argsort(self._segments, kind="stable")
        self._ordered = self._segments[self._by_segment]

    def __len__(self) -> int:
        return len(self._order)

    def info(self, sharding: Mapping[str, Mapping[str, object]] | None = None) -> dict[str, Any]:
        """The file ``info``.

        Args:
            sharding: of the indices that are in shards, by their keys, how.
        """

        def index(key: str) -> dict[str, Any]:
            return {"key": key, "sharding": sharding[key]} if sharding else {"key": key}

        return {
            "@type": "neuroglancer_annotations_v1",
            "dimensions": {axis: [1e-6, "m"] for axis in self.axes},
            "lower_bound": [0.0] * len(self.axes),
            "upper_bound": list(self.extent_um),
            "annotation_type": "point",
            "properties": [each.info for each in self.properties],
            "relationships": [{"id": RELATION, **index(RELATION)}],
            "by_id": index(_BY_ID),
            "spatial": [
                {
                    **index(_level_key(number)),
                    "grid_shape": list(level.grid_shape),
                    "chunk_size": list(level.cell_um),
                    "limit": level.most,
                }
                for number, level in enumerate(self.levels)
            ],
        }

    def file(self, path: str) -> bytes | None:
        """The content of a file of the unsharded form; None if there is none: no point there, or no such id.

        Args:
            path: ``spatial0/1_2_3``, the cell of a level; ``by_id/17``; or ``region/385``, the points in a
                segment.
        """
        key, _, name = path.partition("/")
        numbers = name.split("_")
        if not all(number.isdecimal() for number in numbers):
            return None
        values = list(map(int, numbers))
        for number, level in enumerate(self.levels):
            if key == _level_key(number) and len(values) == len(level.grid_shape):
                return self._cell(level, values)
        if len(values) > 1:
            return None
        if key == _BY_ID and values[0] < len(self):
            return b"".join(self._by_id(values[0], values[0] + 1))
        if key == RELATION and values[0] in self.segments:
            return self._of_segment(values[0])
        return None

    @cached_property
    def segments(self) -> list[int]:
        """The segments that points lie in, ascending."""
        return [segment for segment in np.unique(self._ordered).tolist() if segment]

    def indices(self) -> Iterator[tuple[str, npt.NDArray[np.uint64], list[bytes]]]:
        """Every index as a whole.

        Yields:
            Its key; the numbers of its entries, ascending; and the entries. A number is an id, a segment or
            a `cell_number`.
        """
        for number, level in enumerate(self.levels):
            pairs = zip(level.borders[:-1], level.borders[1:], strict=True)
            yield _level_key(number), level.cells, [self._several(slice(a, b)) for a, b in pairs]
        yield RELATION, np.array(self.segments, np.uint64), [*map(self._of_segment, self.segments)]
        yield _BY_ID, np.arange(len(self), dtype=np.uint64), self._by_id(0, len(self))

    def _several(self, which: slice | npt.NDArray[np.int64]) -> bytes:
        """Points in the order of the levels: how many, their records, their ids."""
        records, ids = self._records[which], self._order[which].astype("<u8")
        return b"".join((np.uint64(len(ids)).astype("<u8").tobytes(), records.tobytes(), ids.tobytes()))

    def _cell(self, level: Level, cell: Sequence[int]) -> bytes | None:
        if any(index >= size for index, size in zip(cell, level.grid_shape, strict=True)):
            return None
        number = cell_number(np.array([cell]), level.grid_shape)[0]
        at = int(np.searchsorted(level.cells, number))
        if at == len(level.cells) or level.cells[at] != number:
            return None
        return self._several(slice(level.borders[at], level.borders[at + 1]))

    def _of_segment(self, segment: int) -> bytes:
        first, last = (np.searchsorted(self._ordered, np.uint64(segment), side) for side in ("left", "right"))
        return self._several(self._place[self._by_segment[first:last]])

    def _by_id(self, first: int, end: int) -> list[bytes]:
        """Points by their ids: the record of each, and the segments that it has, one or none."""
        records = self._records[self._place[first:end]]
        segments = self._segments[first:end]
        some = (segments > 0).astype("<u4")
        tail = np.concatenate([some[:, None].view(np.uint8), segments[:, None].view(np.uint8)], axis=1)
        rows = np.concatenate([records, tail], axis=1)
        whole, size = rows.tobytes(), rows.shape[1]
        ends = np.arange(1, len(rows) + 1) * size - np.where(some, 0, segments.itemsize)
        return [whole[at * size : end] for at, end in enumerate(ends.tolist())]


def cell_number(cells: npt.NDArray[Any], grid_shape: Sequence[int]) -> npt.NDArray[np.uint64]:
    """The number of a cell in an index that is sharded: the format's compressed Morton code.

    Args:
        cells: shape (N, axes), whole numbers: indices of the cells along each axis.
        grid_shape: cells along each axis.

    Returns:
        Shape (N,): the bits of the indices in turn, without those that no index has.
    """
    indices = cells.astype(np.uint64)
    number, to = np.zeros(len(cells), np.uint64), 0
    for bit in range(max(size - 1 for size in grid_shape).bit_length()):
        for axis, size in enumerate(grid_shape):
            if (size - 1) >> bit:
                number |= ((indices[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(to)
                to += 1
    return number


def _level_key(number: int) -> str:
    return f"spatial{number}"


def _records(places_um: npt.NDArray[np.float64], properties: Sequence[Property]) -> npt.NDArray[np.uint8]:
    """The records of the points: shape (N, bytes), a multiple of 4 bytes."""
    parts = [places_um.astype(np.float32), *(each.values for each in properties)]
    columns = []
    for part in parts:
        columnwise = part if part.ndim > 1 else part[:, None]
        columns.append(np.ascontiguousarray(columnwise, part.dtype.newbyteorder("<")).view(np.uint8))
    used = sum(column.shape[1] for column in columns)
    columns.append(np.zeros((len(places_um), -used % 4), np.uint8))
    return np.concatenate(columns, axis=1)


def _levels(
    places_um: npt.NDArray[np.float64], extent_um: tuple[float, ...]
) -> tuple[list[Level], npt.NDArray[np.int64]]:
    """Put every point into a cell of one level.

    In a level with too many points in a cell every cell keeps the same share of its points, so that a
    part of the points shows where all of them are. The others go down, to cells of half the size.

    Returns:
        The levels, the coarsest first, and the points in the order of level, cell and lot.
    """
    left = np.random.default_rng(_SEED).permutation(len(places_um))
    grid, size = np.ones(len(extent_um), np.int64), np.array(extent_um)
    levels: list[Level] = []
    placed: list[npt.NDArray[np.int64]] = []
    while len(left) or not levels:
        where = np.clip(places_um[left] / size, 0, grid - 1).astype(np.int64)
        number = cell_number(where, grid.tolist())
        order = np.argsort(number, kind="stable")
        left, number = left[order], number[order]
        cells, counts = np.unique(number, return_counts=True)
        most = int(counts.max(initial=1))
        last = most <= MOST_IN_CELL or len(levels) == _MOST_LEVELS - 1
        # Rounded up: a cell with few points keeps one.
        kept = counts if last else -(-counts * MOST_IN_CELL // most)
        rank = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
        here = rank < np.repeat(kept, counts)
        borders = sum(map(len, placed)) + np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        levels.append(
            Level(tuple(grid.tolist()), tuple(size.tolist()), int(kept.max(initial=1)), cells, borders)
        )
        placed.append(left[here])
        left = left[~here]
        halved = size > size.max() / 2  # in the end the cells are as long along every axis
        grid, size = np.where(halved, grid * 2, grid), np.where(halved, size / 2, size)
    return levels, np.concatenate(placed).astype(np.int64)
