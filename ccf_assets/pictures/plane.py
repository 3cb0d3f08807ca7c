"""The picture of a plane: its regions in their colours and by name, sites on it, and a legend."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ccf_assets.ccf.frames.maps import Frame
from ccf_assets.ccf.planes import AXIS_NAMES, PLANES, Orientation, Plane, bregma_frame, from_bregma
from ccf_assets.ccf.space import ALLEN_CCF, space_words
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import InvalidValueError
from ccf_assets.pictures.drawing import (
    BORDER,
    DPI,
    FRAME,
    HATCH,
    INK,
    QUIET,
    SUBTITLE,
    TITLE,
    VECTOR,
    Under,
    ink_on,
    new_axes,
    new_figure,
    rendered,
    text_size,
    write,
)
from ccf_assets.pictures.labels import labels_of
from ccf_assets.pictures.legend import WIDTH, legend_order, region_key, sites_key, value_key, value_width
from ccf_assets.pictures.parts import (
    LAYER_BORDER,
    Parts,
    Shown,
    outlines,
    painted,
    parts_of,
    sampled,
    smooth_corners,
    with_numbers,
)
from ccf_assets.pictures.sites import NEAR_UM, Sites, SitesOnPlane, cells_of, draw_sites, on_plane
from ccf_assets.pictures.values import WITHOUT, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UM_PER_PIXEL = 12.5
"""Scale of a plane: two pixels to a 25 µm voxel, so that the layers of the cortex can be told apart."""

_USUAL_UM = 13_200
"""Longest extent of the CCF in µm, at which the scales are meant."""

_LABEL_CELL = 2
"""Labels are placed on a grid of so many pixels, in a quarter of the time."""

_LEAST_HEIGHT = 330
"""Pixels of a plane with its legend, so that a low plane's has room for ten regions."""

_TITLE_SIZE, _LEAST_TITLE_SIZE = 10, 6
"""Of the title above somebody's own axes, in points: so large if they are as wide, else less."""

_MM_PER_INCH = 25.4

_LEAST_WIDTH_MM = 20
"""Of a plane: a picture of a given width has at least so much beside its legend."""

_MARGIN, _MARGIN_BELOW = 200, 600
"""µm of a brain as long as the CCF around a plane that is cropped; below there is the scale bar."""


@dataclass(frozen=True)
class Section:
    """A plane of an atlas, and what is to be drawn of it.

    Attributes:
        plane: region ids, as `db.read.plane` gives them.
        orientation: how it lies.
        position_um: where, in µm of the space along its normal.
        grid: the grid of the atlas.
        atlas: the atlas in words, for the line below the title.
        shown: how each region is shown, by id: at least those in the plane.
        right: the same for the right side of the midline, where that differs.
        space: name of the reference space.
        heading: of the legend.
        unnamed: what regions without a name are, for the legend.
        sites: recording sites.
        within_um: those at most so far from the plane are drawn, projected along its normal.
        scale: the colours of values, where the regions have some.
        layers: regions that are shown alike have a border between them.
    """

    plane: Plane
    orientation: Orientation
    position_um: float
    grid: VoxelGrid
    atlas: str
    shown: Mapping[int, Shown]
    right: Mapping[int, Shown] | None = None
    space: str = ALLEN_CCF.name
    heading: str = "Largest regions in this plane"
    unnamed: str = ""
    sites: Sites | None = None
    within_um: float = NEAR_UM
    scale: Scale | None = None
    layers: bool = True

    @property
    def title(self) -> str:
        """``Coronal, AP 8900 µm (−3.50 mm from bregma)``."""
        axis = PLANES[self.orientation].normal
        where = from_bregma(self.space, axis, self.position_um)
        place = f"{self.orientation.capitalize()}, {AXIS_NAMES[axis]} {self.position_um:g} µm"
        return f"{place} ({where})" if where else place

    def parts(self) -> Parts:
        """The parts of the plane.

        Raises:
            CcfError: as `parts_of`.
        """
        return parts_of(
            self.plane, self.orientation, self.position_um, self.grid, self.shown, self.right,
            layers=self.layers,
        )  # fmt: skip

    def sites_on_plane(self) -> SitesOnPlane | None:
        """Its sites that are near; None if none are asked for."""
        if self.sites is None:
            return None
        return on_plane(self.sites, self.orientation, self.position_um, self.grid, self.within_um)


def plane_file(
    section: Section,
    suffix: str = ".png",
    *,
    um_per_pixel: float = UM_PER_PIXEL,
    width_mm: float | None = None,
    dpi: int = DPI,
    crop: bool = False,
    bare: bool = False,
    second_axes: bool = True,
) -> bytes:
    """A plane of an atlas as a file: in its colours, with borders, names, scale bar, axes and a legend.

    In SVG and PDF every region is an outline, and text is text. In these and in a PNG of more than DPI the
    outlines are smooth; else pixels are those of the voxels.

    Args:
        section: what is drawn.
        suffix: .png, .svg or .pdf.
        um_per_pixel: the scale, of a brain as long as the CCF: µm to 1/100 inch.
        width_mm: of the whole picture, instead of a scale: its type has its size there, so that a figure of a
            paper need not be shrunk.
        dpi: of a PNG.
        crop: cut off what lies outside the brain's outline.
        bare: without title, axes and legend.
        second_axes: with axes in mm from bregma, where that is known.

    Returns:
        The content of the file; of a PNG of 100 dpi some 60 KB.

    Raises:
        CcfError: the plane does not fit its grid, or has a region that is not in ``shown``; the width has no
            room for it.
    """
    parts, found = section.parts(), section.sites_on_plane()
    if section.scale is None and not bare:
        parts = with_numbers(parts)  # a number says nothing without a legend
    # A small brain is drawn larger, a large one smaller: the CCF has 13,200 µm.
    um_per_pixel *= max(section.grid.extent_um) / _USUAL_UM
    has_bregma = second_axes and bregma_frame(section.space) is not None
    key = WIDTH if section.scale is None or found is not None else value_width(section.scale)
    left, top, below, beside = (76.0, 106 if has_bregma else 70, 54, key + (84 if has_bregma else 40))
    if bare:
        left, top, below, beside = 0.0, 0, 0, 0
    if width_mm is not None:
        um_per_pixel = _scale_for(section, parts, width_mm, left + beside, crop=crop)
    fine = um_per_pixel * DPI / dpi  # of the pixels of a PNG
    pixels = sampled(parts, fine)
    rows, columns = _window(section, pixels.astype(bool), fine, crop=crop)
    width, height = ((each.stop - each.start) * DPI / dpi for each in (columns, rows))
    tall = height if bare else max(height, _LEAST_HEIGHT)
    outlined = suffix in VECTOR or dpi > DPI
    with new_figure(left + width + beside, top + tall + below, dpi) as figure:
        axes = new_axes(figure, left, top, width, height)
        axes.set(xlim=(columns.start * fine, columns.stop * fine), ylim=(rows.stop * fine, rows.start * fine))
        axes.set_facecolor("none")
        labelled = _draw_on(axes, section, parts, found, um_per_pixel, outlined=outlined)
        if bare:
            axes.set_axis_off()
        else:
            _ticks(axes, section, bregma=has_bregma)
            write(figure, left, 30, section.title, width + beside - 16, TITLE)
            seen = _seen(section.orientation, section.position_um, section.grid.midline_um)
            write(figure, left, 52, f"{section.atlas}; {seen}", width + beside - 16, SUBTITLE)
            x, y = left + width + beside - key - 12, float(top)
            if found is not None:
                y = sites_key(figure, found, section.within_um, x, y) + 10
            room = top + tall + below - y
            if section.scale is not None:
                value_key(figure, section.scale, x, y, room)
            else:
                order = legend_order(parts, labelled)
                region_key(figure, parts, order, (section.heading, section.unnamed), x, y, room)
        under = None if outlined else Under(painted(parts, pixels[rows, columns]), left, top)
        kept = {"FFFFFF", *HATCH, *(parts.color_hex(part) for part in range(len(parts.colours)))}
        if found is not None:  # of few sites the colours are rare, and would become those of other recordings
            kept |= {color.removeprefix("#") for color in found.colours.values()}
        # A palette is for small files: a scale has more colours, and a file for print has room for all.
        return rendered(figure, suffix, None if section.scale or dpi > DPI else kept, under)


def draw_plane(axes: Axes, section: Section, *, crop: bool = True) -> None:
    """Draw a plane into axes of somebody's own figure, as outlines, in µm of its space.

    Args:
        axes: where; what is drawn later lies in the same coordinates.
        section: what is drawn.
        crop: cut off what lies outside the brain's outline.

    Raises:
        CcfError: as `plane_file`.
    """
    parts, found = section.parts(), section.sites_on_plane()
    step = max(section.grid.extent_um) / 500
    rows, columns = _window(section, sampled(parts, step).astype(bool), step, crop=crop)
    axes.set(xlim=(columns.start * step, columns.stop * step), ylim=(rows.stop * step, rows.start * step))
    axes.set_aspect("equal")
    figure: Any = axes.get_figure(root=True)
    if section.scale is not None:
        figure.colorbar(section.scale.mappable(), ax=axes, label=section.scale.label, shrink=0.7)
    box = axes.get_window_extent()  # of what the colour bar left
    um_per_pixel = figure.dpi / DPI * step * max(
        (columns.stop - columns.start) / box.width, (rows.stop - rows.start) / box.height
    )  # fmt: skip
    _draw_on(axes, section, parts, found, um_per_pixel, outlined=True)
    _ticks(axes, section, bregma=False)
    room = box.width * DPI / figure.dpi
    size = _TITLE_SIZE * min(room / text_size(section.title, {"fontsize": _TITLE_SIZE})[0], 1)
    axes.set_title(section.title, fontsize=max(size, _LEAST_TITLE_SIZE))


def _scale_for(section: Section, parts: Parts, width_mm: float, beside: float, *, crop: bool) -> float:
    """µm to 1/100 inch, at which a plane with ``beside`` pixels on its sides is so wide.

    Raises:
        CcfError: it has no room.
    """
    room, pixels_a_mm = width_mm / _MM_PER_INCH * DPI - beside, DPI / _MM_PER_INCH
    if not room >= _LEAST_WIDTH_MM * pixels_a_mm:
        least = math.ceil(beside / pixels_a_mm) + _LEAST_WIDTH_MM
        hint = " Without title, axes and legend (--bare) it can be narrower." if beside else ""
        raise InvalidValueError(f"A picture {width_mm:g} mm wide: give {least} mm or more.{hint}")
    step = max(section.grid.extent_um) / _USUAL_UM * UM_PER_PIXEL
    _, columns = _window(section, sampled(parts, step).astype(bool), step, crop=crop)
    return step * float(columns.stop - columns.start) / room


def _window(section: Section, inside: np.ndarray, um_per_pixel: float, *, crop: bool) -> tuple[slice, slice]:
    """The rows and columns of pixels that are drawn."""
    if not crop or not inside.any():
        return slice(0, inside.shape[0]), slice(0, inside.shape[1])
    unit = max(section.grid.extent_um) / _USUAL_UM / um_per_pixel
    spans = []
    for axis, after in ((1, _MARGIN_BELOW), (0, _MARGIN)):
        there = np.flatnonzero(inside.any(axis=axis))
        first, end = int(there[0] - _MARGIN * unit), int(there[-1] + 1 + after * unit)
        spans.append(slice(max(first, 0), min(end, inside.shape[1 - axis])))
    return spans[0], spans[1]


def _draw_on(
    axes: Axes,
    section: Section,
    parts: Parts,
    found: SitesOnPlane | None,
    um_per_pixel: float,
    *,
    outlined: bool,
) -> set[int]:
    """All that lies on the plane itself. Returns the groups whose names stand on it."""
    if outlined:
        _outlines(axes, parts, layers=section.layers)
    longest = max(section.grid.extent_um)
    _scale_bar(axes, longest)
    _directions(axes, section.orientation)
    cell = _LABEL_CELL * um_per_pixel
    cells = sampled(parts, cell)
    groups = parts.group[cells]
    groups[parts.hatched[cells]] = 0
    if found is not None:
        draw_sites(axes, found, um_per_pixel)
        groups[cells_of(found, cell, groups.shape)] = 0
    middle = None
    if section.orientation != "sagittal" and section.grid.midline_um is not None:
        middle = round(section.grid.midline_um / cell)
    labelled = set()
    for label in labels_of(parts, groups, cell, um_per_pixel, middle):
        under = parts.color_hex(cells[int(label.down_um / cell), int(label.across_um / cell)])
        quiet = section.scale is not None and under == WITHOUT
        axes.text(
            label.across_um, label.down_um, label.text, ha="center", va="center",
            fontsize=label.fontsize, color=QUIET if quiet else ink_on(under), zorder=3, clip_on=True,
        )  # fmt: skip
        labelled.add(label.group)
    return labelled


def _outlines(axes: Axes, parts: Parts, *, layers: bool) -> None:
    from matplotlib.patches import PathPatch

    corners = smooth_corners(parts)
    for part, path in outlines(parts, parts.index, corners):
        color = parts.colours[part] / 255
        if parts.hatched[part]:
            ground, lines = (f"#{each}" for each in HATCH)
            look = {"facecolor": ground, "edgecolor": lines, "hatch": "////", "linewidth": 0.2}
        else:
            edge = color * (LAYER_BORDER if layers else 1)
            look = {"facecolor": color, "edgecolor": edge, "linewidth": 0.4}
        axes.add_patch(PathPatch(path, zorder=1, joinstyle="round", **look))
    for group, path in outlines(parts, parts.group[parts.index], corners):
        of_group = parts.colours[parts.group == group].mean(axis=0) / 255
        axes.add_patch(PathPatch(path, fill=False, edgecolor=of_group * BORDER, linewidth=0.5, zorder=1.5))


def _ticks(axes: Axes, section: Section, *, bregma: bool = True) -> None:
    """Axes in µm of the space, and in mm from bregma where it is known."""
    lies, space = PLANES[section.orientation], space_words(section.space)
    tick = _round_step(max(section.grid.extent_um) / 7)
    for axis, along, ticks, name in (
        (lies.columns, axes.get_xlim(), axes.set_xticks, axes.set_xlabel),
        (lies.rows, axes.get_ylim()[::-1], axes.set_yticks, axes.set_ylabel),
    ):
        ticks(np.arange(math.ceil(along[0] / tick) * tick, along[1] + 1, tick))
        name(f"{AXIS_NAMES[axis]}, {space} µm", fontsize=9)
    axes.tick_params(labelsize=8, color=FRAME)
    axes.spines[:].set_color(FRAME)
    frame = bregma_frame(section.space) if bregma else None
    if frame is None:
        return
    axis = lies.columns
    top = axes.secondary_xaxis("top", functions=_mm(frame, axis))
    top.set_xlabel(f"{AXIS_NAMES[axis]}, {_FROM_BREGMA[axis]}", fontsize=9)
    axis = lies.rows
    right = axes.secondary_yaxis("right", functions=_mm(frame, axis))
    right.set_ylabel(f"{AXIS_NAMES[axis]}, {_FROM_BREGMA[axis]}", fontsize=9)
    for second in (top, right):
        second.tick_params(labelsize=8, color=FRAME)
        second.spines[:].set_color(FRAME)


_FROM_BREGMA = ("mm from bregma", "mm below bregma", "mm right of the midline")


def _mm(frame: Frame, axis: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """From µm of the space to mm of a frame that is not tilted, and back."""
    sign, at = frame.inverse[axis, axis] / 1000, frame.inverse[axis, 3] / 1000
    return lambda um: sign * um + at, lambda mm: (mm - at) / sign


def _round_step(um: float) -> int:
    """The nearest of 1, 2, 5, 10, … µm, for the ticks of an axis."""
    steps: list[int] = [factor * 10**power for power in range(8) for factor in (1, 2, 5)]
    return min(steps, key=lambda step: abs(math.log(step / um)))


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
    unit = longest_um / _USUAL_UM
    length = _round_step(1000 * unit)
    start, height = axes.get_xlim()[0] + 200 * unit, axes.get_ylim()[0] - 200 * unit
    axes.plot([start, start + length], [height] * 2, color=INK, linewidth=3, solid_capstyle="butt", zorder=3)
    text = f"{length / 1000:g} mm" if length >= 1000 else f"{length} µm"  # noqa: PLR2004
    axes.text(start + length / 2, height - 100 * unit, text, ha="center", va="bottom", fontsize=9)


def _directions(axes: Axes, orientation: Orientation) -> None:
    """What lies to the left and to the right of the picture, as letters in its upper corners."""
    letters = "AP" if orientation == "sagittal" else "LR"
    for corner, inwards, letter in zip(((0, 1), (1, 1)), (13, -13), letters, strict=True):
        axes.annotate(
            letter, corner, (inwards, -13), xycoords="axes fraction", textcoords="offset points",
            ha="center", va="center", fontsize=14, fontweight="bold",
        )  # fmt: skip
