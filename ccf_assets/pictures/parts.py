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

LAYER_BORDER = 0.86
"""Brightness of a border between two parts of a group, as a share of the part's own."""

_HATCH_STEP = 7
"""Pixels from one line of hatched tissue to the next, along a row."""

_ROUNDS, _INWARDS, _OUTWARDS = 40, 0.6, -0.62
"""How borders become smooth: shares of the way to the mean of the neighbours, in turn. These let pass what is
longer than some ten voxels."""

_ISLAND = 6
"""Voxels. A straight line that is a voxel wide has five in a square of 5 × 5; it has no steps either."""

_STRAIGHT = 0.05
"""Of a voxel: a corner that lies no farther from the middle between its neighbours is on a straight line."""

_FARTHEST = 0.49
"""Of a voxel: a corner moves by no more, so that no corner passes another."""

_SLACK = 1e-6
"""Of a pixel, so that three times 640 pixels are 1,920."""

Floats: TypeAlias = npt.NDArray[np.float64]

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
    *,
    layers: bool = True,
) -> Parts:
    """The parts of a plane.

    Args:
        plane: region ids, as `db.read.plane` gives them.
        orientation: how it lies.
        position_um: where, µm along its normal.
        grid: the grid of the atlas.
        left: at least every region in the plane, by id.
        right: the same for the right side of the midline, where that differs.
        layers: regions that are shown alike, such as layers of one colour, are parts of their own.

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
    if not layers:
        first_alike: dict[object, int] = {}
        alike = [first_alike.setdefault((left[i], right and right[i]), i) for i in ids.tolist()]
        ids, which = np.unique(np.array(alike, ids.dtype), return_inverse=True)
        index = np.concatenate([[0], which + 1])[index]
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
    shades = [(parts.colours * share).astype(np.uint8) for share in (1, LAYER_BORDER, BORDER)]
    picture: npt.NDArray[np.uint8] = np.stack(shades)[level, pixels]
    if parts.hatched.any():
        row, column = np.nonzero(parts.hatched[pixels] & (level < 2))  # noqa: PLR2004
        on_line = (row + column) % _HATCH_STEP == 0
        picture[row, column] = np.array([rgb(colour) for colour in HATCH], np.uint8)[on_line.astype(np.intp)]
    return picture


def outlines(parts: Parts, numbers: npt.NDArray[np.uint16], corners: Floats) -> Iterator[tuple[int, Path]]:
    """Each part or group of a plane as a closed path in µm, for pictures that can be enlarged.

    Neighbours have the same corners between them: nothing is left white, and none overlap.

    Args:
        parts: whose edges of voxels count.
        numbers: the plane: `Parts.index`, or the group of each voxel.
        corners: as `smooth_corners` gives them.

    Yields:
        The number, and its outline with holes: x along the columns, y along the rows.
    """
    from contourpy import contour_generator
    from matplotlib.path import Path

    down, across = parts.steps_um
    for number, rows, columns in boxes(numbers):
        mask = np.pad(numbers[rows, columns] == number, 1).astype(np.float64)
        lines: Any = contour_generator(z=mask, line_type="Separate").lines(0.5)
        # A voxel of the mask, whose edge is one voxel wider, begins where its index is.
        first = np.array([columns.start - 1, rows.start - 1])
        places = []
        for line in lines:
            column, row = (_corners(line) + first).astype(np.intp).T
            around = corners[row, column][:, ::-1] * (across, down)
            around = around[~np.isnan(around[:, 0])]
            places.append(np.append(around, around[:1], axis=0))
        codes = [_codes(len(each)) for each in places]
        yield number, Path(np.concatenate(places), np.concatenate(codes))


def smooth_corners(parts: Parts) -> Floats:
    """Where the corners of the voxels lie so that borders have no steps.

    Each moves along with those that a border joins it to, and by less than half a voxel along each axis.
    After each step inwards there is one outwards, so that no region becomes smaller (Taubin, "A signal
    processing approach to fair surface design", 1995); islands of a few voxels would, and stay as they are.

    Returns:
        Shape (rows + 1, columns + 1, 2), float64: row and column of each corner, in voxels. NaN for one on no
        border, or on a straight one, whose outlines do without it: half of a file.
    """
    plane, (rows, columns) = np.pad(parts.index, 1), parts.index.shape
    number = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, columns + 1)
    down, across = plane[1:-1, 1:] != plane[1:-1, :-1], plane[1:, 1:-1] != plane[:-1, 1:-1]
    joined = np.concatenate(
        [
            np.stack([number[:-1][down], number[1:][down]], axis=1),
            np.stack([number[:, :-1][across], number[:, 1:][across]], axis=1),
        ]
    )
    used, ends = np.unique(np.concatenate([joined, joined[:, ::-1]]), return_inverse=True)
    here, other = ends.reshape(-1, 2).T
    start = np.stack(np.divmod(used, columns + 1), axis=1).astype(np.float64)
    moved, neighbours = start.copy(), np.bincount(here)[:, None]
    free = ~_at_islands(parts.index).ravel()[used, None]

    def aside() -> Floats:
        """From each corner to the mean of its neighbours."""
        sums = [np.bincount(here, weights=moved[other, axis]) for axis in range(2)]
        away: Floats = np.stack(sums, axis=1) / neighbours - moved
        return away

    for share in _ROUNDS * (_INWARDS, _OUTWARDS):
        moved += share * free * aside()
    moved = start + np.clip(moved - start, -_FARTHEST, _FARTHEST)
    # The same for all whose border it is. One of three stays, so that a long bow does not become a line.
    straight = (neighbours[:, 0] == 2) & (np.abs(aside()).max(axis=1) < _STRAIGHT)  # noqa: PLR2004
    moved[straight & ((start @ (1, 2)) % 3 > 0)] = np.nan
    corners: Floats = np.full((rows + 1, columns + 1, 2), np.nan)
    corners.reshape(-1, 2)[used] = moved
    return corners


def _at_islands(index: Numbers) -> npt.NDArray[np.bool_]:
    """Which corners belong to islands: fewer than _ISLAND voxels in a square of 5 × 5, all others alike."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(index, 2), (5, 5))
    row, column = np.nonzero((windows == index[..., None, None]).sum(axis=(2, 3)) < _ISLAND)
    around, its = windows[row, column].reshape(-1, 25), index[row, column, None]
    other = around != its
    alone = np.where(other, around, 0).max(axis=1) == np.where(other, around, 0xFFFF).min(axis=1)
    small = np.zeros((index.shape[0] + 2, index.shape[1] + 2), bool)
    small[row[alone] + 1, column[alone] + 1] = True
    at: npt.NDArray[np.bool_] = small[1:, 1:] | small[:-1, 1:] | small[1:, :-1] | small[:-1, :-1]
    return at


def _corners(line: Floats) -> Floats:
    """The corners of the voxels that a contour goes around.

    Args:
        line: closed, shape (N, 2): a step of it goes from the middle of one edge of a voxel to that of the
            next, around one corner. Whole numbers are the middles of voxels.
    """
    before, after = line[:-1], line[1:]
    # Of an edge's middle one coordinate is half and the other whole. The corner has the halves of both ends,
    # or, where the contour goes straight on, lies in the middle between them.
    halves = [each % 1 == 0.5 for each in (before, after)]  # noqa: PLR2004
    corner: Floats = np.where(halves[0], before, np.where(halves[1], after, (before + after) / 2)) + 0.5
    return corner


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
