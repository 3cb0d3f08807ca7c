"""Common parts of all pictures: type sizes and colours, figures without a display, and the PNG."""

from __future__ import annotations

import io
import os
import sys
import textwrap
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle


@dataclass(frozen=True)
class RegionStyle:
    """How a region is named and coloured; ``color_hex`` is RRGGBB."""

    acronym: str
    name: str
    color_hex: str


_DPI = 100

BORDER = 0.55
"""Brightness of a region's border, as a share of the region's own: visible on light and dark colours."""

Look: TypeAlias = dict[str, Any]
"""Properties of a text, as matplotlib names them."""

INK, QUIET, FRAME = "#1A1A1A", "#666666", "#BBBBBB"

TITLE: Look = {"fontsize": 12, "fontweight": "bold"}

SUBTITLE: Look = {"fontsize": 9, "color": QUIET}

ACRONYM: Look = {"fontsize": 8.5, "fontweight": "bold"}

NOTE: Look = {"fontsize": 8.5, "color": QUIET}

OUTSIDE = RegionStyle("", "outside the brain", "E6E6E6")
"""A grey that no region has: root, whose own voxels are brain outside any other region, is white."""


def rgb(color_hex: str) -> tuple[int, int, int]:
    """Red, green and blue of RRGGBB, each 0 to 255."""
    red, green, blue = bytes.fromhex(color_hex)
    return red, green, blue


@contextmanager
def new_figure(width: int, height: int) -> Iterator[Figure]:
    """An empty white figure of ``width`` × ``height`` pixels, in matplotlib's own style while it is drawn."""
    import_matplotlib()
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A name may hold a $, which would begin a formula.
    with style.context(["default", {"text.parse_math": False, "text.color": INK}]):
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
        # From the start: without it every text that is measured has a canvas made and thrown away.
        FigureCanvasAgg(figure)
        yield figure


def import_matplotlib() -> None:
    """Import matplotlib, whatever MPLBACKEND says: it chooses how windows are shown, and none is here.

    A notebook hands the variable to the commands that it starts. It may name a module that is not there, and
    then the import fails. If it can be had, other code in this process still gets it.
    """
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named:
        with suppress(ValueError):
            mpl.rcParams["backend"] = named


def png(figure: Figure, kept: Collection[str] = ()) -> bytes:
    """The figure as a PNG with a palette of 256 colours: a third of the bytes of one without.

    The palette has the colours ``kept`` (RRGGBB; those of regions, of which the Allen ontology has 86), even
    if they are rare, then the most frequent ones; any other colour becomes the nearest of these.
    """
    from PIL import Image

    canvas: Any = figure.canvas  # its methods are not typed
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    counts: Any = drawn.getcolors(drawn.width * drawn.height)
    first = {rgb(color_hex) for color_hex in kept}
    ordered = sorted(counts, key=lambda each: (each[1] in first, *each), reverse=True)
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


def new_axes(
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


def rectangle(x: float, y: float, width: float, height: float, color_hex: str) -> Rectangle:
    """A rectangle in a region's colour, with a border like that of regions in planes."""
    from matplotlib.patches import Rectangle

    red, green, blue = (BORDER * channel / 255 for channel in rgb(color_hex))
    edge = (red, green, blue)
    return Rectangle((x, y), width, height, facecolor=f"#{color_hex}", edgecolor=edge, linewidth=0.8)


def write(figure: Figure, x: float, y: float, text: str, width: float, look: Look) -> None:
    """One line of text with its baseline from pixel (x, y) on, cut where it would be wider than ``width``."""
    whole_width, whole_height = figure.get_size_inches() * _DPI
    figure.text(x / whole_width, 1 - y / whole_height, fitted_text(figure, text, width, 1, look), **look)


def fitted_text(figure: Figure, text: str, width: float, lines: int, look: Look) -> str:
    """``text`` in at most ``lines`` lines of ``width`` pixels; its end is cut if that is not enough."""
    trial = figure.text(0, 0, text, **look)
    try:
        full = trial.get_window_extent().width
        if full <= width:
            return text
        # Start with somewhat more than a line's share of the characters, and go down to what fits.
        for characters in range(int(1.3 * len(text) * width / full), 0, -1):
            fitted = "\n".join(textwrap.wrap(text, characters, max_lines=lines, placeholder="…"))
            trial.set_text(fitted)
            if trial.get_window_extent().width <= width:
                return fitted
        return "…"
    finally:
        trial.remove()
