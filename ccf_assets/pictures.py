"""Pictures: a plane of an atlas, regions by depth, the track of a probe. Pure functions from arrays to PNG.

Nothing here asks a database or writes a file. Matplotlib is imported when a picture is made (half a second
the first time), and neither its current figure nor anyone's matplotlibrc plays a part.

Places on a picture are pixels from its top left corner, so that every plane has the same scale whatever
stands around it.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ccf_assets.atlases import EXTENT_UM, MIDLINE_UM
from ccf_assets.errors import CcfError
from ccf_assets.frames import Floats
from ccf_assets.slices import AXES, PLANES, Orientation, Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import Bbox

UM_PER_PIXEL = 12.5
"""Scale of a plane: two pixels to a 25 µm voxel, so that the layers of the cortex can be told apart."""

NEAR_UM = 250
"""Sites at most so far from a plane count as lying in it; the others are drawn too, and differently."""

LEGEND_ROWS = 16
"""Most regions in the legend of a plane: the largest in it."""

_DPI = 100

_LEGEND_WIDTH, _ROW_HEIGHT, _SITES_HEIGHT = 316, 30, 64
"""Pixels: of the column beside a plane, of a region's row in it, of the lines on sites above the regions."""

TRACK_LABELS = 40
"""Most labels beside the strip of a track: its longest stretches."""

_LABEL_STEP = 2
"""Labels are placed on every second pixel, in a quarter of the time."""

_BORDER = 0.55
"""Brightness of a region's border, as a share of the region's own: seen on light colours and on dark."""

_DARK = 110
"""Letters on a colour of less luma than this, of 255, are white."""

_Look: TypeAlias = dict[str, Any]
"""Properties of a text, as matplotlib names them."""

_INK, _QUIET, _FRAME = "#1A1A1A", "#666666", "#BBBBBB"
_TITLE: _Look = {"fontsize": 12, "fontweight": "bold"}
_SUBTITLE: _Look = {"fontsize": 9, "color": _QUIET}
_HEADING: _Look = {"fontsize": 9, "fontweight": "bold"}
_ACRONYM: _Look = {"fontsize": 8.5, "fontweight": "bold"}
_NAME: _Look = {"fontsize": 8, "linespacing": 1.05}
_NOTE: _Look = {"fontsize": 8.5, "color": _QUIET}

_Places: TypeAlias = npt.NDArray[np.uint16]
"""A plane whose regions are numbered by their place among those in it: small numbers are quick to compare."""


@dataclass(frozen=True)
class RegionStyle:
    """How a region is named and coloured; ``color_hex`` is RRGGBB."""

    acronym: str
    name: str
    color_hex: str


@dataclass(frozen=True)
class Segment:
    """A stretch of a probe in one region, from ``start_um`` to ``end_um`` along it; ``color_hex`` is RRGGBB.

    A stretch outside the brain is one without a segment. The probe's beginning is at 0.
    """

    acronym: str
    color_hex: str
    start_um: float
    end_um: float


_OUTSIDE = RegionStyle("", "outside the brain", "E6E6E6")
"""A grey that no region has: the root, whose own voxels are brain of no finer region, is white."""


# ---- a plane


def plane_png(
    plane: Plane,
    orientation: Orientation,
    position_um: float,
    resolution_um: int,
    regions: Mapping[int, RegionStyle],
    *,
    title: str,
    sites: npt.ArrayLike | None = None,
    um_per_pixel: float = UM_PER_PIXEL,
) -> bytes:
    """A plane of an atlas in its colours, with borders, scale bar, axes in µm and a legend.

    Args:
        plane: region ids, as `slices.plane` gives them.
        orientation: how the plane lies.
        position_um: where, in CCF µm along its normal.
        resolution_um: edge of a voxel in µm.
        regions: at least every region in the plane, by id.
        title: the first line of the picture.
        sites: shape (N, 3), x, y, z in CCF µm, drawn where they are seen along the plane's normal. Those that
            are not finite or not in the volume cannot be drawn; the picture says how many.
        um_per_pixel: the scale.

    Returns:
        A PNG, some 50 KB.

    Raises:
        CcfError: the plane is not of the shape that orientation and resolution make it, or holds a region
            that is not among ``regions``.
    """
    axes = PLANES[orientation]
    height_um, width_um = EXTENT_UM[axes.rows], EXTENT_UM[axes.columns]
    expected = (height_um // resolution_um, width_um // resolution_um)
    if plane.shape != expected:
        raise CcfError(
            f"A {orientation} plane at {resolution_um} µm has shape {expected}, not {plane.shape}."
        )
    ids, places, voxels = np.unique(plane, return_inverse=True, return_counts=True)
    unknown = [i for i in ids.tolist() if i and i not in regions]
    if unknown:
        raise CcfError(f"The plane holds region {unknown[0]}, which is not among the regions given.")
    styles = [regions[i] if i else _OUTSIDE for i in ids.tolist()]
    by_size = [place for place in np.argsort(-voxels, kind="stable").tolist() if ids[place]]
    pixels = _sampled(places.reshape(plane.shape).astype(np.uint16), um_per_pixel / resolution_um)

    height, width = pixels.shape
    left, top, below, beside = 76, 74, 54, _LEGEND_WIDTH + 36
    kept = {style.color_hex for style in (*styles, _OUTSIDE)}
    with _figure(left + width + beside, top + height + below) as figure:
        # Pixel by pixel: neither scaled nor smoothed, as an image in axes would be.
        figure.figimage(_painted(pixels, styles), left, below, origin="upper", zorder=-1)
        drawn = _axes(figure, left, top, width, height)
        drawn.set(xlim=(0, width_um), ylim=(height_um, 0), facecolor="none")
        drawn.set_xticks(range(0, width_um + 1, 2000))
        drawn.set_yticks(range(0, height_um + 1, 2000))
        drawn.tick_params(labelsize=8, color=_FRAME)
        drawn.spines[:].set_color(_FRAME)
        drawn.set_xlabel(f"{AXES[axes.columns]}, CCF µm", fontsize=9)
        drawn.set_ylabel(f"{AXES[axes.rows]}, CCF µm", fontsize=9)
        _scale_bar(drawn)
        _directions(drawn, orientation)
        _acronyms(drawn, pixels, by_size[:LEGEND_ROWS], styles, um_per_pixel)
        where = f"{orientation.capitalize()} plane at {AXES[axes.normal]} {position_um:g} µm"
        _write(figure, left, 30, title, width + beside - 16, _TITLE)
        told = f"{where}: {_seen(orientation, position_um)}."
        _write(figure, left, 54, told, width + beside - 16, _SUBTITLE)
        x, y = left + width + 24, top
        if sites is not None:
            points = np.asarray(sites, np.float64).reshape(-1, 3)
            _sites(figure, drawn, points, orientation, position_um, um_per_pixel, x, y)
            y += _SITES_HEIGHT
        _legend(figure, [styles[place] for place in by_size], x, y, top + height + below - y)
        return _png(figure, kept)


def _sampled(places: _Places, step: float) -> _Places:
    """The plane at the picture's scale: the voxel under each pixel's centre, at every ``step`` voxels."""
    row, column = (((np.arange(int(n / step)) + 0.5) * step).astype(np.intp) for n in places.shape)
    sampled: _Places = places[np.ix_(row, column)]
    return sampled


def _painted(pixels: _Places, styles: Sequence[RegionStyle]) -> npt.NDArray[np.uint8]:
    """Colours, shape (rows, columns, 3): each region in its own, its border darker."""
    colours = np.array([_rgb(style.color_hex) for style in styles])
    border = np.zeros(pixels.shape, np.intp)
    border[:, :-1] = pixels[:, :-1] != pixels[:, 1:]
    border[:-1] |= pixels[:-1] != pixels[1:]
    painted: npt.NDArray[np.uint8] = np.stack([colours, colours * _BORDER]).astype(np.uint8)[border, pixels]
    return painted


def _rgb(color_hex: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color_hex)
    return red, green, blue


def _seen(orientation: Orientation, position_um: float) -> str:
    """How the picture is to be read, in words."""
    if orientation == "sagittal":
        side = "left" if position_um < MIDLINE_UM else "right"
        place = "at the midline" if position_um == MIDLINE_UM else f"in the {side} hemisphere"
        return f"dorsal up, anterior on the left, {place}"
    up = "dorsal" if orientation == "coronal" else "anterior"
    return f"{up} up, the left of the brain on the left"


def _scale_bar(axes: Axes) -> None:
    bottom = axes.get_ylim()[0]
    axes.plot([300, 1300], [bottom - 300] * 2, color=_INK, linewidth=3, solid_capstyle="butt")
    axes.text(800, bottom - 400, "1 mm", ha="center", va="bottom", fontsize=9)


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
    red, green, blue = _rgb(color_hex)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < _DARK else _INK


def _sites(
    figure: Figure,
    axes: Axes,
    points: Floats,
    orientation: Orientation,
    position_um: float,
    um_per_pixel: float,
    x: int,
    y: int,
) -> None:
    """Draw the sites, and their legend at (x, y).

    Near ones are black in a white ring; far ones white in a black ring, small and faded: told apart by
    brightness alone, and seen on every colour.
    """
    where = PLANES[orientation]
    inside = ((points >= 0) & (points < np.array(EXTENT_UM))).all(axis=1)  # False for NaN
    there = points[inside]
    near = np.abs(there[:, where.normal] - position_um) <= NEAR_UM
    key = _axes(figure, x, y, _LEGEND_WIDTH, _SITES_HEIGHT, blank=True)
    for line, some, text, alpha, discs in (
        (1, there[~near], "farther off", 0.5, (("black", 18), ("white", 6))),
        (0, there[near], f"within {NEAR_UM} µm of the plane", 1.0, (("white", 48), ("black", 18))),
    ):
        # Sites in one pixel are one mark: a hundred thousand would take seconds and megabytes.
        seen = np.unique(some[:, [where.columns, where.rows]] // um_per_pixel, axis=0)
        across, down = ((seen + 0.5) * um_per_pixel).T
        # All rings before all cores: else the ring of each site of a dense probe would cover the core before.
        for colour, size in discs:
            axes.scatter(across, down, s=size, color=colour, alpha=alpha, linewidths=0, zorder=3)
            key.scatter([7], [8 + 18 * line], s=size, color=colour, alpha=alpha, linewidths=0)
        key.text(20, 8 + 18 * line, f"{_counted(len(some))} {text}", va="center_baseline", fontsize=8.5)
    missing = len(points) - len(there)
    if missing:
        key.text(20, 44, f"{_counted(missing)} outside the volume", va="center_baseline", **_NOTE)


def _counted(count: int) -> str:
    return f"{count:,} site" if count == 1 else f"{count:,} sites"


def _legend(figure: Figure, by_size: Sequence[RegionStyle], x: int, y: int, height: int) -> None:
    """Colour, acronym and name of the largest regions, a row each, from (x, y) down within ``height``.

    The last row is what is outside the brain.
    """
    _write(figure, x, y + 10, "Largest regions in this plane", _LEGEND_WIDTH, _HEADING)
    room = min(LEGEND_ROWS, (height - 44) // _ROW_HEIGHT - 1)
    rows, more = by_size[:room], len(by_size[room:])
    key = _axes(figure, x, y + 18, _LEGEND_WIDTH, _ROW_HEIGHT * (len(rows) + 2), blank=True)
    acronym_x, name_x = 24, 118
    for row, style in enumerate(rows):
        middle = _ROW_HEIGHT * (row + 0.5)
        key.add_patch(_rectangle(0, middle - 8, 16, 16, style.color_hex))
        acronym = _fitted(figure, style.acronym, name_x - acronym_x - 4, 2, _ACRONYM)
        key.text(acronym_x, middle, acronym, va="center_baseline", **_ACRONYM)
        key.text(
            name_x,
            middle,
            _fitted(figure, style.name, _LEGEND_WIDTH - name_x, 2, _NAME),
            va="center",
            **_NAME,
        )
    below = _ROW_HEIGHT * len(rows) + 10
    if more:
        key.text(acronym_x, below, f"and {more:,} more", va="center_baseline", **_NOTE)
        below += _ROW_HEIGHT
    key.add_patch(_rectangle(0, below - 8, 16, 16, _OUTSIDE.color_hex))
    key.text(acronym_x, below, _OUTSIDE.name, va="center_baseline", **_NOTE)


# ---- regions by depth


def depth_chart_png(counts: Mapping[int, int], title: str) -> bytes:
    """How many regions there are at each depth of the hierarchy, as bars with their numbers.

    Args:
        counts: regions by depth; the root's is 0.
        title: the first line of the picture.

    Returns:
        A PNG, some 10 KB.
    """
    width, height, left, top = 760, 430, 76, 56
    with _figure(width, height) as figure:
        _write(figure, left, 34, title, width - left - 16, _TITLE)
        axes = _axes(figure, left, top, width - left - 20, height - top - 56)
        # Okabe and Ito's blue: stands off from black and white for everyone.
        bars = axes.bar(list(counts), list(counts.values()), color="#0072B2", width=0.8)
        axes.bar_label(bars, labels=[f"{n:,}" for n in counts.values()], fontsize=9, padding=2)
        axes.margins(y=0.1)
        axes.set_xticks(list(counts))
        axes.set_xlabel("Depth in the hierarchy (the root is 0)", fontsize=9)
        axes.set_ylabel("Regions", fontsize=9)
        axes.tick_params(labelsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        return _png(figure)


# ---- the track of a probe


def track_png(segments: Sequence[Segment], length_um: float, title: str) -> bytes:
    """The regions along a probe, as a strip of their colours with the distance beside it.

    Args:
        segments: the stretches of the probe, in any order; where there is none the strip is grey.
        length_um: length of the whole probe.
        title: the first line of the picture.

    Returns:
        A PNG, some 20 KB; the longest TRACK_LABELS segments have labels, none of which touch.

    Raises:
        CcfError: a segment does not end behind its beginning, or is not on the probe.
    """
    along = sorted(segments, key=lambda segment: segment.start_um)
    for segment in along:
        if not 0 <= segment.start_um < segment.end_um <= length_um:
            raise CcfError(
                f"The segment in {segment.acronym} goes from {segment.start_um:g} to {segment.end_um:g} µm, "
                f"which is no stretch of a track of {length_um:g} µm."
            )
    width, left, top, strip, gap = 540, 84, 76, 90, 16
    longest = sorted(along, key=lambda segment: segment.start_um - segment.end_um)[:TRACK_LABELS]
    labelled = [segment for segment in along if segment in longest]
    height = max(560, gap * len(labelled))
    with _figure(width, top + height + 30) as figure:
        _write(figure, 20, 30, title, width - 36, _TITLE)
        told = "First point on top; grey: outside the brain"
        if len(labelled) < len(along):
            told += f"; the {len(labelled)} longest of {len(along):,} are named"
        _write(figure, 20, 54, f"{told}.", width - 36, _SUBTITLE)
        axes = _axes(figure, left, top, strip, height)
        axes.set(xlim=(0, 1), ylim=(length_um, 0), xticks=[], facecolor=f"#{_OUTSIDE.color_hex}")
        axes.set_ylabel("Distance along the probe, µm", fontsize=9)
        axes.tick_params(labelsize=8.5)
        for segment in along:
            length = segment.end_um - segment.start_um
            axes.add_patch(_rectangle(0, segment.start_um, 1, length, segment.color_hex))
        labels = _axes(figure, left + strip, top, width - left - strip, height, blank=True)
        middles = [(s.start_um + s.end_um) / 2 / length_um * height for s in labelled]
        places = _apart(middles, gap, gap / 2, height - gap / 2)
        for segment, middle, place in zip(labelled, middles, places, strict=True):
            labels.plot([2, 14, 34, 40], [middle, middle, place, place], color=_QUIET, linewidth=0.7)
            labels.text(
                46,
                place,
                _fitted(figure, segment.acronym, 140, 1, _ACRONYM),
                va="center_baseline",
                **_ACRONYM,
            )
            stretch = f"{segment.start_um:,.0f} – {segment.end_um:,.0f} µm"
            labels.text(194, place, stretch, va="center_baseline", **_NOTE)
        return _png(figure, {_OUTSIDE.color_hex, *(segment.color_hex for segment in along)})


def _apart(wanted: Sequence[float], gap: float, low: float, high: float) -> Floats:
    """Places as near to the ascending ``wanted`` as can be, ``gap`` apart, from ``low`` to ``high``.

    Least squares: with i gaps taken off the i-th, the places need only not descend; neighbours that do are
    pooled at their mean.
    """
    pools: list[tuple[float, int]] = []  # mean, size
    for i, place in enumerate(wanted):
        mean, size = place - i * gap, 1
        while pools and pools[-1][0] >= mean:
            before, n = pools.pop()
            mean, size = (before * n + mean * size) / (n + size), n + size
        pools.append((mean, size))
    gaps: Floats = gap * np.arange(len(wanted), dtype=np.float64)
    means = np.array([mean for mean, size in pools for _ in range(size)])
    return means.clip(low, high - gap * (len(wanted) - 1)) + gaps


# ---- what all share


@contextmanager
def _figure(width: int, height: int) -> Iterator[Figure]:
    """An empty white figure of ``width`` × ``height`` pixels, in matplotlib's own style while it is drawn."""
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A name may hold a $, which would begin a formula.
    with style.context(["default", {"text.parse_math": False, "text.color": _INK}]):
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
        # From the start: without it every text that is measured has a canvas made and thrown away.
        FigureCanvasAgg(figure)
        yield figure


def _png(figure: Figure, kept: Collection[str] = ()) -> bytes:
    """The figure as a PNG with a palette of 256 colours: a third of the bytes of one without.

    In it are the colours ``kept`` (RRGGBB; those of regions, of which the Allen ontology has 86), however
    little of the figure has them, then the commonest; each other is drawn in the nearest of these.
    """
    from PIL import Image

    canvas: Any = figure.canvas  # its methods are not typed
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    found: Any = drawn.getcolors(drawn.width * drawn.height)
    first = {_rgb(color_hex) for color_hex in kept}
    ordered = sorted(found, key=lambda each: (each[1] in first, *each), reverse=True)
    colours = np.array([colour for _, colour in ordered], np.int32)
    palette = colours[:256]
    number_of = np.zeros(1 << 24, np.uint8)
    number_of[_packed(colours)] = ((colours[:, None] - palette) ** 2).sum(axis=2).argmin(axis=1)
    image = Image.fromarray(number_of[_packed(np.asarray(drawn, np.int32))])
    image.putpalette(palette.astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _packed(colours: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Red, green and blue of the last axis as one number."""
    packed: npt.NDArray[np.int32] = colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
    return packed


def _axes(
    figure: Figure, left: float, top: float, width: float, height: float, *, blank: bool = False
) -> Axes:
    """A rectangle of the figure, in pixels from its top left; a blank one is in pixels itself."""
    whole_width, whole_height = figure.get_size_inches() * _DPI
    axes = figure.add_axes(
        (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    )
    if blank:
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
    return axes


def _rectangle(x: float, y: float, width: float, height: float, color_hex: str) -> Rectangle:
    from matplotlib.patches import Rectangle

    red, green, blue = (_BORDER * channel / 255 for channel in _rgb(color_hex))
    edge = (red, green, blue)
    return Rectangle((x, y), width, height, facecolor=f"#{color_hex}", edgecolor=edge, linewidth=0.8)


def _write(figure: Figure, x: float, y: float, text: str, width: float, look: _Look) -> None:
    """One line of text with its baseline from pixel (x, y) on, cut where it would be wider than ``width``."""
    whole_width, whole_height = figure.get_size_inches() * _DPI
    figure.text(x / whole_width, 1 - y / whole_height, _fitted(figure, text, width, 1, look), **look)


def _fitted(figure: Figure, text: str, width: float, lines: int, look: _Look) -> str:
    """``text`` in so many lines of at most ``width`` pixels; where that is too little, its end is missing."""
    trial = figure.text(0, 0, text, **look)
    try:
        full = trial.get_window_extent().width
        if full <= width:
            return text
        # A line holds about its share of the characters: from somewhat more, down to what fits.
        for characters in range(int(1.3 * len(text) * width / full), 0, -1):
            fitted = "\n".join(textwrap.wrap(text, characters, max_lines=lines, placeholder="…"))
            trial.set_text(fitted)
            if trial.get_window_extent().width <= width:
                return fitted
        return "…"
    finally:
        trial.remove()
