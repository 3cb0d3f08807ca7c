"""Where names stand on a plane: inside their regions, on each side, as large as there is room."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ccf_assets.pictures.drawing import text_size
from ccf_assets.pictures.parts import Numbers, Parts, boxes

_SIZES = (8.5, 7.5, 6.5, 5.5)
"""Of type, in points, the largest first."""

_ROOM = 1.0
"""Pixels between a name and a border."""


@dataclass(frozen=True)
class Label:
    """A name on a plane: of which group, its middle in µm (across, down), and the size of type, points."""

    group: int
    text: str
    across_um: float
    down_um: float
    fontsize: float


def labels_of(
    parts: Parts, groups: Numbers, um_per_cell: float, um_per_pixel: float, middle: int | None
) -> Iterator[Label]:
    """A label of every group that has room for its acronym; where there is a midline, on each side.

    No label touches a border of its group.

    Args:
        parts: the parts of the plane, for the names of its groups.
        groups: the group in each cell of a grid over the plane; 0 where nothing may stand.
        um_per_cell: edge of a cell, µm.
        um_per_pixel: scale of the picture, µm of the plane to 1/100 inch.
        middle: the first column of cells right of the midline; None without one.
    """
    room = _distance_to_border(groups)
    for group, rows, columns in boxes(groups):
        named = parts.groups[group]
        if named is None:
            continue
        inside, depth = groups[rows, columns] == group, room[rows, columns]
        place = functools.partial(_roomiest, inside, depth, named.acronym, um_per_cell / um_per_pixel)
        if middle is None or not columns.start < middle < columns.stop:
            found = [place(slice(None))]
        else:
            found = [place(slice(0, middle - columns.start)), place(slice(middle - columns.start, None))]
            if not _apart(*found):
                found = [place(slice(None))]
        for each in found:
            if each is not None:
                down, across = rows.start + each.row, columns.start + each.column
                yield Label(group, named.acronym, across * um_per_cell, down * um_per_cell, each.fontsize)


@dataclass(frozen=True)
class _Place:
    """The middle of a text in cells of its box, the cells that it is wide, and the size of type, points."""

    row: float
    column: float
    width: int
    fontsize: float


def _apart(left: _Place | None, right: _Place | None) -> bool:
    """Whether there is room for a text on each side; of a small group on the midline one is enough."""
    if left is None or right is None:
        return False
    return right.column - left.column >= 2 * left.width


def _roomiest(
    inside: npt.NDArray[np.bool_], depth: npt.NDArray[np.int16], text: str, pixels: float, half: slice
) -> _Place | None:
    """Where a text has most room, as large as it may be; None if it has none.

    Args:
        inside: cells of the group, in a box around it.
        depth: how far each is from a border.
        text: what is to stand there.
        pixels: edge of a cell.
        half: the columns that it may stand in.
    """
    mask, deep = inside[:, half], depth[:, half]
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    sums[1:, 1:] = mask.cumsum(axis=0, dtype=np.int32).cumsum(axis=1)
    for size in _SIZES:
        width, height = text_size(text, {"fontsize": size})
        w, h = (int(np.ceil((length + 2 * _ROOM) / pixels)) + 1 for length in (width, height))
        if h > mask.shape[0] or w > mask.shape[1]:
            continue
        within = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w] == h * w
        if within.any():
            middles = deep[h // 2 : h // 2 + within.shape[0], w // 2 : w // 2 + within.shape[1]]
            best = np.where(within, middles, 0)
            # Of several as deep the one nearest to the middle of them, so that both sides are alike.
            rows, columns = np.nonzero(best == best.max())
            off = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
            row, column = rows[off.argmin()], columns[off.argmin()]
            return _Place(row + h / 2, (half.start or 0) + column + w / 2, w, size)
    return None


def _distance_to_border(cells: Numbers) -> npt.NDArray[np.int16]:
    """Steps (up, down, left, right) from each cell to one of another number, or off the plane."""
    distance = np.ones(cells.shape, np.int16)
    inside = _like_its_neighbours(cells)
    while inside.any():
        distance += inside
        inside &= _like_its_neighbours(inside)
    return distance


def _like_its_neighbours(cells: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether each cell equals the four around it; False on the rim."""
    alike, centre = np.zeros(cells.shape, bool), cells[1:-1, 1:-1]
    alike[1:-1, 1:-1] = (
        (centre == cells[:-2, 1:-1])
        & (centre == cells[2:, 1:-1])
        & (centre == cells[1:-1, :-2])
        & (centre == cells[1:-1, 2:])
    )
    return alike
