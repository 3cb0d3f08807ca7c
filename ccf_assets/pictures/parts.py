"""A plane as numbered parts with colours and names, and how these are painted: as pixels or as outlines.

A part is what has one colour: a region, or with values that differ by side a region's left or right. Parts
of one name, such as the layers of VISp, are a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.planes import PLANES, Orientation, Plane
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError
from ccf_assets.pictures.drawing import BORDER, HATCH, RegionStyle, rgb

if TYPE_CHECKING:
    from matplotlib.path import Path

_LAYER_BORDER = 0.86
"""Brightness of a border between two parts of a group, as a share of the part's own."""

_HATCH_STEP = 7
"""Pixels from one line of hatched tissue to the next, along a row."""

_SLACK = 1e-6
"""Of a pixel, so that three times 640 pixels are 1,920."""

Numbers: TypeAlias = npt.NDArray[np.uint16]
"""A plane of numbers of parts, or of groups: small numbers are quick to compare."""


@dataclass(frozen=True)
class Shown:
    """How a region is shown.

    Attributes:
        color_hex: what it is painted in, RRGGBB.
        named: what it is named as, such as VISp for its layers; None if it is not named.
        hatched: it is unassigned tissue, hatched instead of painted.
    """

    color_hex: str
    named: RegionStyle | None
    hatched: bool = False


@dataclass(frozen=True)
class Parts:
    """The parts of a plane.

    Attributes:
        index: the part of each voxel, shape of the plane; 0 is the outside of the brain.
        colours: shape (parts, 3), uint8: red, green, blue of each.
        group: shape (parts,): the group of each; 0 is the outside, 1 is what is not named.
        hatched: shape (parts,), bool.
        twin: shape (parts,): the part itself, of a right part the left one: between twins there is no border.
        groups: what each group is named; None for the first two.
        steps_um: edges of a voxel along rows and columns, µm.
    """

    index: Numbers
    colours: npt.NDArray[np.uint8]
    group: npt.NDArray[np.uint16]
    hatched: npt.NDArray[np.bool_]
    twin: npt.NDArray[np.uint16]
    groups: Sequence[RegionStyle | None]
    steps_um: tuple[float, float]

    def areas(self) -> npt.NDArray[np.int64]:
        """How many voxels each group has, shape (groups,)."""
        voxels = np.bincount(self.index.ravel(), minlength=len(self.group))
        return np.bincount(self.group, voxels, len(self.groups)).astype(np.int64)

    def color_hex(self, part: int) -> str:
        """The colour of a part, RRGGBB."""
        red, green, blue = self.colours[part].tolist()
        return f"{red:02X}{green:02X}{blue:02X}"


def parts_of(
    plane: Plane,
    orientation: Orientation,
    position_um: float,
    grid: VoxelGrid,
    left: Mapping[int, Shown],
    right: Mapping[int, Shown] | None = None,
) -> Parts:
    """The parts of a plane.

    Args:
        plane: region ids, as `db.read.plane` gives them.
        orientation: how it lies.
        position_um: where, µm along its normal.
        grid: the grid of the atlas.
        left: at least every region in the plane, by id.
        right: the same for the right side of the midline, where that differs.

    Raises:
        CcfError: the plane has another shape than orientation and grid give, or a region that is not given.
    """
    axes = PLANES[orientation]
    expected = (grid.shape[axes.rows], grid.shape[axes.columns])
    if plane.shape != expected:
        raise CcfError(f"A {orientation} plane at {grid.edges} has shape {expected}, not {plane.shape}.")
    # Of each run of equal voxels the first is looked at: a tenth of the time.
    flat = plane.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ids, which = np.unique(flat[starts], return_inverse=True)
    index = np.repeat(which, np.diff(starts, append=flat.size)).reshape(plane.shape)
    if not ids[0]:
        ids = ids[1:]
    else:
        index += 1  # 0 is the outside, whether the plane meets it or not
    unknown = [i for i in ids.tolist() if i not in left]
    if unknown:
        raise CcfError(f"The plane holds region {unknown[0]}, which is not among the regions given.")
    number, first = len(ids), grid.first_right
    looks = [left[i] for i in ids.tolist()]
    if right is not None and first is not None:
        looks += [right[i] for i in ids.tolist()]
        if orientation == "sagittal":
            on_right = np.full(plane.shape[1], position_um >= first * grid.edges_um[2])
        else:
            on_right = np.arange(plane.shape[1]) >= first
        index = np.where(on_right & (index > 0), index + number, index)
    groups: list[RegionStyle | None] = [None, None]
    place: dict[RegionStyle | None, int] = {None: 1}
    for look in looks:
        if look.named not in place:
            place[look.named] = len(groups)
            groups.append(look.named)
    return Parts(
        index.astype(np.uint16),
        np.array([(255, 255, 255), *(rgb(look.color_hex) for look in looks)], np.uint8),
        np.array([0, *(place[look.named] for look in looks)], np.uint16),
        np.array([False, *(look.hatched for look in looks)]),
        np.array([0, *(i % number + 1 for i in range(len(looks)))], np.uint16),
        groups,
        (grid.edges_um[axes.rows], grid.edges_um[axes.columns]),
    )


_NUMBERED = 18
"""Most groups with a number for an acronym: those that are surely in the legend."""


def with_numbers(parts: Parts) -> Parts:
    """The parts, where groups without an acronym of their own have a number: 1 is the largest of the plane.

    In ontologies of labels, such as ITK-SnAP's, the acronym is the whole name, which fits nowhere. In an
    ontology of acronyms, where only a few are names ("fiber tracts" of the Allen Institute's), these stay.
    """
    groups = list(parts.groups)
    without = [each is not None and each.acronym == each.name and " " in each.name for each in groups]
    if 2 * sum(without) <= len(groups) - 2:
        return parts
    for number, group in enumerate((-parts.areas()[2:]).argsort(kind="stable")[:_NUMBERED] + 2, start=1):
        named = groups[group]
        if named is not None and without[group]:
            groups[group] = replace(named, acronym=str(number))
    return replace(parts, groups=groups)


def sampled(parts: Parts, um_per_pixel: float) -> Numbers:
    """The parts at a picture's scale: that of the voxel under each pixel's centre."""
    row, column = (
        ((np.arange(int(n * edge / um_per_pixel + _SLACK)) + 0.5) * um_per_pixel / edge).astype(np.intp)
        for n, edge in zip(parts.index.shape, parts.steps_um, strict=True)
    )
    pixels: Numbers = parts.index[np.ix_(row, column)]
    return pixels


def painted(parts: Parts, pixels: Numbers) -> npt.NDArray[np.uint8]:
    """Pixels in their colours, shape (rows, columns, 3), with borders of one pixel."""
    twin, group = parts.twin[pixels], parts.group[pixels]
    level = np.zeros(pixels.shape, np.uint8)
    for each, strength in ((twin, 1), (group, 2)):
        level[:, :-1][each[:, :-1] != each[:, 1:]] = strength
        level[:-1][each[:-1] != each[1:]] = strength
    shades = [(parts.colours * share).astype(np.uint8) for share in (1, _LAYER_BORDER, BORDER)]
    picture: npt.NDArray[np.uint8] = np.stack(shades)[level, pixels]
    if parts.hatched.any():
        row, column = np.nonzero(parts.hatched[pixels] & (level < 2))  # noqa: PLR2004
        on_line = (row + column) % _HATCH_STEP == 0
        picture[row, column] = np.array([rgb(colour) for colour in HATCH], np.uint8)[on_line.astype(np.intp)]
    return picture


def outlines(parts: Parts, numbers: npt.NDArray[np.uint16]) -> Iterator[tuple[int, Path]]:
    """Each part or group of a plane as a closed path in µm, for pictures that can be enlarged.

    The paths follow the edges of the voxels: nothing is left white between neighbours, and none overlap.

    Args:
        parts: whose edges of voxels count.
        numbers: the plane: `Parts.index`, or the group of each voxel.

    Yields:
        The number, and its outline with holes: x along the columns, y along the rows.
    """
    from contourpy import contour_generator
    from matplotlib.path import Path

    down, across = parts.steps_um
    for number, rows, columns in boxes(numbers):
        mask = np.pad(numbers[rows, columns] == number, 1).astype(np.float64)
        lines: Any = contour_generator(z=mask, line_type="Separate").lines(0.5)
        corners = [_corners(line) for line in lines]
        codes = [_codes(len(each)) for each in corners]
        # A voxel of the mask, whose edge is one voxel wider, begins where its index is.
        places = np.concatenate(corners) + np.array([columns.start - 1, rows.start - 1])
        yield number, Path(places * (across, down), np.concatenate(codes))


def _corners(line: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The corners of the voxels that a contour goes around, the first one again at the end.

    Args:
        line: closed, shape (N, 2): a step of it goes from the middle of one edge of a voxel to that of the
            next, around one corner. Whole numbers are the middles of voxels.
    """
    before, after = line[:-1], line[1:]
    # Of an edge's middle one coordinate is half and the other whole. The corner has the halves of both ends,
    # or, where the contour goes straight on, lies in the middle between them.
    halves = [each % 1 == 0.5 for each in (before, after)]  # noqa: PLR2004
    corner = np.where(halves[0], before, np.where(halves[1], after, (before + after) / 2)) + 0.5
    # What lies between two others on a straight line is left out: two thirds of a file.
    onwards = corner - np.roll(corner, 1, axis=0)
    turns = (onwards * np.roll(onwards, -1, axis=0) == 0).all(axis=1)
    kept: npt.NDArray[np.float64] = corner[turns]
    return np.append(kept, kept[:1], axis=0)


def _codes(points: int) -> npt.NDArray[np.uint8]:
    """What each point of a closed polygon is in a path."""
    from matplotlib.path import Path

    codes = np.full(points, Path.LINETO, np.uint8)
    codes[0], codes[-1] = Path.MOVETO, Path.CLOSEPOLY
    return codes


def boxes(numbers: npt.NDArray[np.uint16]) -> Iterator[tuple[int, slice, slice]]:
    """Each number of a plane but 0 with the rows and the columns that it is in."""
    order = np.argsort(numbers, axis=None, kind="stable")
    ordered = numbers.ravel()[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=np.uint16(0)))
    for places in np.split(order, starts)[1:]:
        row, column = np.divmod(places, numbers.shape[1])
        # Places ascend, so that the rows do.
        down = slice(int(row[0]), int(row[-1]) + 1)
        yield int(numbers.flat[places[0]]), down, slice(int(column.min()), int(column.max()) + 1)
