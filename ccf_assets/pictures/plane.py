"""The picture of a plane: its regions in their colours, sites on it, and a legend."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.ccf.planes import AXIS_NAMES, PLANES, Orientation, Plane
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted
from ccf_assets.pictures.drawing import (
    ACRONYM,
    BORDER,
    FRAME,
    INK,
    NOTE,
    OUTSIDE,
    SUBTITLE,
    TITLE,
    Look,
    RegionStyle,
    fitted_text,
    new_axes,
    new_figure,
    png,
    rectangle,
    rgb,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

UM_PER_PIXEL = 12.5
"""Scale of a plane: two pixels to a 25 µm voxel, so that the layers of the cortex can be told apart."""

_USUAL_UM = 13_200
"""Longest extent of the CCF in µm, at which the scales are meant."""

NEAR_UM = 250
"""Sites at most so far from a plane count as lying in it; the others are drawn too, and differently."""

LEGEND_ROWS = 16
"""Most regions in the legend of a plane: the largest in it."""

_LEGEND_WIDTH, _ROW_HEIGHT, _SITES_HEIGHT = 316, 30, 64
"""Pixels: of the column beside a plane, of a region's row in it, of the lines on sites above the regions."""

_LABEL_STEP = 2
"""Labels are placed on every second pixel, in a quarter of the time."""

_DARK = 110
"""Letters on a colour of less luma than this, of 255, are white."""

_HEADING: Look = {"fontsize": 9, "fontweight": "bold"}

_NAME: Look = {"fontsize": 8, "linespacing": 1.05}

_Places: TypeAlias = npt.NDArray[np.uint16]
"""A plane whose regions are numbered by their place among those in it: small numbers are quick to compare."""


def plane_png(
    plane: Plane,
    orientation: Orientation,
    position_um: float,
    grid: VoxelGrid,
    regions: Mapping[int, RegionStyle],
    *,
    title: str,
    sites: npt.ArrayLike | None = None,
    um_per_pixel: float = UM_PER_PIXEL,
    space: str = "CCF",
) -> bytes:
    """A plane of an atlas in its colours, with borders, scale bar, axes in µm and a legend.

    Args:
        plane: region ids, as `atlas.read.plane` gives them.
        orientation: how the plane lies.
        position_um: where, in CCF µm along its normal.
        grid: the grid of the atlas.
        regions: at least every region in the plane, by id.
        title: the first line of the picture.
        sites: shape (N, 3), x, y, z in CCF µm, projected along the plane's normal. Those that are
            not finite or not in the volume cannot be drawn; the picture says how many.
        um_per_pixel: the scale, of a brain as long as the CCF.
        space: what the coordinates are of, for the axes.

    Returns:
        A PNG, some 50 KB.

    Raises:
        CcfError: the plane has another shape than orientation and grid give, or a region that is
            not in ``regions``.
    """
    axes = PLANES[orientation]
    height_um, width_um = (round(grid.extent_um[axis]) for axis in (axes.rows, axes.columns))
    expected = (grid.shape[axes.rows], grid.shape[axes.columns])
    if plane.shape != expected:
        raise CcfError(f"A {orientation} plane at {grid.edges} has shape {expected}, not {plane.shape}.")
    ids, places, voxels = np.unique(plane, return_inverse=True, return_counts=True)
    unknown = [i for i in ids.tolist() if i and i not in regions]
    if unknown:
        raise CcfError(f"The plane holds region {unknown[0]}, which is not among the regions given.")
    styles = [regions[i] if i else OUTSIDE for i in ids.tolist()]
    by_size = [place for place in np.argsort(-voxels, kind="stable").tolist() if ids[place]]
    # A small brain is drawn larger, a large one smaller: the CCF has 13,200 µm.
    um_per_pixel *= max(grid.extent_um) / _USUAL_UM
    steps = [um_per_pixel / grid.edges_um[axis] for axis in (axes.rows, axes.columns)]
    pixels = _sampled(places.reshape(plane.shape).astype(np.uint16), steps)

    height, width = pixels.shape
    left, top, below, beside = 76, 74, 54, _LEGEND_WIDTH + 36
    kept = {style.color_hex for style in (*styles, OUTSIDE)}
    with new_figure(left + width + beside, top + height + below) as figure:
        # Pixel by pixel: neither scaled nor smoothed, as an image in axes would be.
        figure.figimage(_painted(pixels, styles), left, below, origin="upper", zorder=-1)
        drawn = new_axes(figure, left, top, width, height)
        drawn.set(xlim=(0, width_um), ylim=(height_um, 0), facecolor="none")
        tick = _round_step(max(grid.extent_um) / 7)
        drawn.set_xticks(np.arange(0, width_um + 1, tick))
        drawn.set_yticks(np.arange(0, height_um + 1, tick))
        drawn.tick_params(labelsize=8, color=FRAME)
        drawn.spines[:].set_color(FRAME)
        drawn.set_xlabel(f"{AXIS_NAMES[axes.columns]}, {space} µm", fontsize=9)
        drawn.set_ylabel(f"{AXIS_NAMES[axes.rows]}, {space} µm", fontsize=9)
        _scale_bar(drawn, max(grid.extent_um))
        _directions(drawn, orientation)
        _acronyms(drawn, pixels, by_size[:LEGEND_ROWS], styles, um_per_pixel)
        where = f"{orientation.capitalize()} plane at {AXIS_NAMES[axes.normal]} {position_um:g} µm"
        write(figure, left, 30, title, width + beside - 16, TITLE)
        subtitle = f"{where}: {_seen(orientation, position_um, grid.midline_um)}."
        write(figure, left, 54, subtitle, width + beside - 16, SUBTITLE)
        x, y = left + width + 24, top
        if sites is not None:
            points = np.asarray(sites, np.float64).reshape(-1, 3)
            _sites(figure, drawn, points, grid, orientation, position_um, um_per_pixel, x, y)
            y += _SITES_HEIGHT
        _legend(figure, [styles[place] for place in by_size], x, y, top + height + below - y)
        return png(figure, kept)


def _round_step(um: float) -> int:
    """The nearest of 1, 2, 5, 10, … µm, for the ticks of an axis."""
    steps: list[int] = [factor * 10**power for power in range(8) for factor in (1, 2, 5)]
    return min(steps, key=lambda step: abs(math.log(step / um)))


def _sampled(places: _Places, steps: Sequence[float]) -> _Places:
    """The plane at the picture's scale: the voxel under each pixel's centre, at every ``steps`` voxels."""
    row, column = (
        ((np.arange(int(n / step)) + 0.5) * step).astype(np.intp)
        for n, step in zip(places.shape, steps, strict=True)
    )
    sampled: _Places = places[np.ix_(row, column)]
    return sampled


def _painted(pixels: _Places, styles: Sequence[RegionStyle]) -> npt.NDArray[np.uint8]:
    """Colours, shape (rows, columns, 3): each region in its own, its border darker."""
    colours = np.array([rgb(style.color_hex) for style in styles])
    border = np.zeros(pixels.shape, np.intp)
    border[:, :-1] = pixels[:, :-1] != pixels[:, 1:]
    border[:-1] |= pixels[:-1] != pixels[1:]
    painted: npt.NDArray[np.uint8] = np.stack([colours, colours * BORDER]).astype(np.uint8)[border, pixels]
    return painted


def _seen(orientation: Orientation, position_um: float, midline_um: float | None) -> str:
    """The directions in the picture, in words."""
    if orientation == "sagittal":
        if midline_um is None:
            return "dorsal up, anterior on the left"
        side = "left" if position_um < midline_um else "right"
        place = "at the midline" if position_um == midline_um else f"in the {side} hemisphere"
        return f"dorsal up, anterior on the left, {place}"
    up = "dorsal" if orientation == "coronal" else "anterior"
    return f"{up} up, the left of the brain on the left"


def _scale_bar(axes: Axes, longest_um: float) -> None:
    bottom, unit = axes.get_ylim()[0], longest_um / _USUAL_UM
    length = _round_step(1000 * unit)
    start, height = 300 * unit, bottom - 300 * unit
    axes.plot([start, start + length], [height] * 2, color=INK, linewidth=3, solid_capstyle="butt")
    text = f"{length / 1000:g} mm" if length >= 1000 else f"{length} µm"  # noqa: PLR2004
    axes.text(start + length / 2, height - 100 * unit, text, ha="center", va="bottom", fontsize=9)


def _directions(axes: Axes, orientation: Orientation) -> None:
    """What lies to the left and to the right of the picture, as letters in its upper corners."""
    letters = "AP" if orientation == "sagittal" else "LR"
    for corner, inwards, letter in zip(((0, 1), (1, 1)), (18, -18), letters, strict=True):
        axes.annotate(
            letter, corner, (inwards, -18), xycoords="axes fraction", textcoords="offset pixels",
            ha="center", va="center", fontsize=14, fontweight="bold",
        )  # fmt: skip


def _acronyms(
    axes: Axes, pixels: _Places, which: Sequence[int], styles: Sequence[RegionStyle], um_per_pixel: float
) -> None:
    """The acronym of each of the regions ``which`` where it has most room, if it is enough and free."""
    coarse, um = pixels[::_LABEL_STEP, ::_LABEL_STEP], _LABEL_STEP * um_per_pixel
    room = _distance_to_border(coarse)
    taken: list[Bbox] = []
    for place in which:
        within = np.where(coarse == place, room, 0)
        row, column = np.unravel_index(within.argmax(), within.shape)
        half, style = within[row, column] * _LABEL_STEP, styles[place]
        text = axes.text((column + 0.5) * um, (row + 0.5) * um, style.acronym, ha="center", va="center")
        text.set(fontsize=7.5, color=_ink_on(style.color_hex))
        box = text.get_window_extent()
        # A region may be longer than it is thick.
        fits = box.height <= 2 * half and box.width <= 2.5 * half
        if fits and not box.count_overlaps(taken):
            taken.append(box)
        else:
            text.remove()


def _distance_to_border(pixels: _Places) -> npt.NDArray[np.int16]:
    """Steps (up, down, left, right) from each pixel to one of another region, or off the picture."""
    distance = np.ones(pixels.shape, np.int16)
    inside = _like_its_neighbours(pixels)
    while inside.any():
        distance += inside
        inside &= _like_its_neighbours(inside)
    return distance


def _like_its_neighbours(pixels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether each pixel equals the four around it; False on the rim."""
    alike, centre = np.zeros(pixels.shape, bool), pixels[1:-1, 1:-1]
    alike[1:-1, 1:-1] = (
        (centre == pixels[:-2, 1:-1])
        & (centre == pixels[2:, 1:-1])
        & (centre == pixels[1:-1, :-2])
        & (centre == pixels[1:-1, 2:])
    )
    return alike


def _ink_on(color_hex: str) -> str:
    """Dark or white, whichever is read better on the colour (luma of ITU-R BT.601)."""
    red, green, blue = rgb(color_hex)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < _DARK else INK


def _sites(
    figure: Figure,
    axes: Axes,
    points: Floats,
    grid: VoxelGrid,
    orientation: Orientation,
    position_um: float,
    um_per_pixel: float,
    x: int,
    y: int,
) -> None:
    """Draw the sites, and their legend at (x, y).

    Near ones are black in a white ring; far ones white in a black ring, small and faded: they differ in
    brightness alone, and are visible on every colour.
    """
    where = PLANES[orientation]
    drawable = points[grid.contains(points)]
    near = np.abs(drawable[:, where.normal] - position_um) <= NEAR_UM
    key = new_axes(figure, x, y, _LEGEND_WIDTH, _SITES_HEIGHT, blank=True)
    for line, some, text, alpha, discs in (
        (1, drawable[~near], "farther off", 0.5, (("black", 18), ("white", 6))),
        (0, drawable[near], f"within {NEAR_UM} µm of the plane", 1.0, (("white", 48), ("black", 18))),
    ):
        # Sites in one pixel are one mark: a hundred thousand would take seconds and megabytes.
        seen = np.unique(some[:, [where.columns, where.rows]] // um_per_pixel, axis=0)
        across, down = ((seen + 0.5) * um_per_pixel).T
        # All rings before all cores: otherwise the rings of a dense probe would cover the cores.
        for colour, size in discs:
            axes.scatter(across, down, s=size, color=colour, alpha=alpha, linewidths=0, zorder=3)
            key.scatter([7], [8 + 18 * line], s=size, color=colour, alpha=alpha, linewidths=0)
        key.text(
            20, 8 + 18 * line, f"{counted(len(some), 'site')} {text}", va="center_baseline", fontsize=8.5
        )
    missing = len(points) - len(drawable)
    if missing:
        key.text(20, 44, f"{counted(missing, 'site')} outside the volume", va="center_baseline", **NOTE)


def _legend(figure: Figure, by_size: Sequence[RegionStyle], x: int, y: int, height: int) -> None:
    """Colour, acronym and name of the largest regions, a row each, from (x, y) down within ``height``.

    The last row is what is outside the brain.
    """
    write(figure, x, y + 10, "Largest regions in this plane", _LEGEND_WIDTH, _HEADING)
    room = min(LEGEND_ROWS, (height - 44) // _ROW_HEIGHT - 1)
    rows, more = by_size[:room], len(by_size[room:])
    key = new_axes(figure, x, y + 18, _LEGEND_WIDTH, _ROW_HEIGHT * (len(rows) + 2), blank=True)
    acronym_x, name_x = 24, 118
    for row, style in enumerate(rows):
        middle = _ROW_HEIGHT * (row + 0.5)
        key.add_patch(rectangle(0, middle - 8, 16, 16, style.color_hex))
        acronym = fitted_text(figure, style.acronym, name_x - acronym_x - 4, 2, ACRONYM)
        key.text(acronym_x, middle, acronym, va="center_baseline", **ACRONYM)
        key.text(
            name_x,
            middle,
            fitted_text(figure, style.name, _LEGEND_WIDTH - name_x, 2, _NAME),
            va="center",
            **_NAME,
        )
    below = _ROW_HEIGHT * len(rows) + 10
    if more:
        key.text(acronym_x, below, f"and {more:,} more", va="center_baseline", **NOTE)
        below += _ROW_HEIGHT
    key.add_patch(rectangle(0, below - 8, 16, 16, OUTSIDE.color_hex))
    key.text(acronym_x, below, OUTSIDE.name, va="center_baseline", **NOTE)
