"""Common parts of all pictures: type sizes and colours, figures without a display, and the files.

Lengths are in *pixels* of 1/100 inch, whatever the resolution of the file.
"""

from __future__ import annotations

import functools
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

from ccf_assets.errors import InvalidValueError

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


DPI = 100
"""Pixels of an inch in the layout of every picture, and in a PNG if no other number is asked for."""

LARGEST_DPI = 1200

VECTOR = (".svg", ".pdf")
"""Suffixes of files in which a picture is made of outlines and text; all others are PNGs."""

_POINTS = 72
"""Points of an inch, in which sizes of type are."""

BORDER = 0.55
"""Brightness of a region's border, as a share of the region's own: visible on light and dark colours."""

Look: TypeAlias = dict[str, Any]
"""Properties of a text, as matplotlib names them."""

INK, QUIET, FRAME = "#1A1A1A", "#666666", "#BBBBBB"

TITLE: Look = {"fontsize": 12, "fontweight": "bold"}

SUBTITLE: Look = {"fontsize": 9, "color": QUIET}

HEADING: Look = {"fontsize": 9, "fontweight": "bold"}

ACRONYM: Look = {"fontsize": 8.5, "fontweight": "bold"}

NAME: Look = {"fontsize": 8}

NOTE: Look = {"fontsize": 8.5, "color": QUIET}

UNASSIGNED = "unassigned brain tissue"
"""What the root's own voxels are: brain that the atlas assigns to no region."""

HATCH = ("F2F2F2", "B4B4B4")
"""Ground and lines of unassigned tissue. Its colour in the Allen ontology is the white of the outside."""


def rgb(color_hex: str) -> tuple[int, int, int]:
    """Red, green and blue of RRGGBB, each 0 to 255."""
    red, green, blue = bytes.fromhex(color_hex)
    return red, green, blue


def ink_on(color_hex: str) -> str:
    """Dark or white, whichever is read better on the colour: white below 110 of 255 in luma (BT.601)."""
    red, green, blue = rgb(color_hex)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 110 else INK  # noqa: PLR2004


@contextmanager
def new_figure(width: float, height: float, dpi: int = DPI) -> Iterator[Figure]:
    """An empty white figure of ``width`` × ``height`` pixels, in matplotlib's own style while it is drawn."""
    import_matplotlib()
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A name may hold a $, which would begin a formula. Text stays text in vector files.
    # Unhinted letters take two thirds of the time, and texts most of a picture's.
    own = {"text.parse_math": False, "text.color": INK, "text.hinting": "none"}
    vector = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "ccf_assets"}
    with style.context(["default", {**own, **vector}]):
        # Agg cuts the size to whole pixels of the file.
        size = [(round(length * dpi / DPI) + 0.01) / dpi for length in (width, height)]
        figure = Figure(figsize=(size[0], size[1]), dpi=dpi, facecolor="white")
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


@dataclass(frozen=True)
class Under:
    """An image below a figure: shape (rows, columns, 3), uint8, and its left and upper edge in pixels."""

    image: npt.NDArray[np.uint8]
    left: float
    top: float


def rendered(
    figure: Figure,
    suffix: str = ".png",
    kept: Collection[str] | None = (),
    under: Under | None = None,
) -> bytes:
    """The content of a file with a figure.

    Args:
        figure: made by `new_figure`, within its context.
        suffix: .png, or one of VECTOR.
        kept: for `png`.
        under: for `png`.
    """
    if suffix == ".png":
        return png(figure, kept, under)
    file = io.BytesIO()
    # Without a date the same picture is the same bytes.
    undated: dict[str, None] = {"Date": None} if suffix == ".svg" else {"CreationDate": None}
    figure.savefig(file, format=suffix.removeprefix("."), metadata=undated)
    return file.getvalue()


def check_dpi(dpi: int) -> None:
    """Refuse a resolution that no file should have.

    Raises:
        CcfError: it is not from 50 to LARGEST_DPI.
    """
    if not 50 <= dpi <= LARGEST_DPI:  # noqa: PLR2004
        raise InvalidValueError(f"{dpi} dots per inch: give a number from 50 to {LARGEST_DPI:,}.")


def png(figure: Figure, kept: Collection[str] | None = (), under: Under | None = None) -> bytes:
    """The figure as a PNG with a palette of 256 colours: a third of the bytes of one without.

    An image ``under`` it is there pixel by pixel, neither scaled nor smoothed as one in axes would be.

    The palette has the colours ``kept`` (RRGGBB; those of regions, of which the Allen ontology has 86), even
    if they are rare, then the most frequent ones; any other colour becomes the nearest of these. With None
    every colour is as it was drawn, as a scale of colours needs it.
    """
    from PIL import Image

    canvas: Any = figure.canvas  # its methods are not typed
    if under is not None:
        figure.patch.set_alpha(0)
    canvas.draw()
    over = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    drawn = Image.new("RGB", over.size, "white")
    if under is not None:
        place = (round(under.left * figure.dpi / DPI), round(under.top * figure.dpi / DPI))
        drawn.paste(Image.fromarray(under.image), place)
    drawn.paste(over, mask=over)
    file = io.BytesIO()
    if kept is None:
        drawn.save(file, "PNG", dpi=(figure.dpi, figure.dpi))
        return file.getvalue()
    found: Any = drawn.getcolors(drawn.width * drawn.height)
    counts = np.array([count for count, _ in found])
    colours = np.array([colour for _, colour in found], np.int32)
    numbers = _packed(colours)
    first = np.isin(numbers, [int(color_hex, 16) for color_hex in kept])
    colours = colours[np.lexsort((numbers, counts, first))[::-1]]
    palette = colours[:256]
    number_of = np.zeros(1 << 24, np.uint8)
    number_of[_packed(colours)] = _nearest(colours, palette)
    image = Image.fromarray(number_of[_packed(np.asarray(drawn, np.int32))])
    image.putpalette(palette.astype(np.uint8).tobytes())
    image.save(file, "PNG", dpi=(figure.dpi, figure.dpi))
    return file.getvalue()


def _nearest(colours: npt.NDArray[np.int32], palette: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """The number of the palette's nearest colour to each, of which the first are the palette itself."""
    numbers = np.arange(len(colours))
    # (a - b)² without a², which is the same for all b; whole numbers below 2**24, exact in float32.
    theirs = palette.astype(np.float32)
    squares = (theirs**2).sum(axis=1)
    for first in range(len(palette), len(colours), 4096):  # a few MB at a time
        some = colours[first : first + 4096].astype(np.float32)
        numbers[first : first + 4096] = (squares - 2 * (some @ theirs.T)).argmin(axis=1)
    return numbers


def _packed(colours: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Red, green and blue of the last axis as one number."""
    packed: npt.NDArray[np.int32] = colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
    return packed


def new_axes(
    figure: Figure, left: float, top: float, width: float, height: float, *, blank: bool = False
) -> Axes:
    """A rectangle of the figure, in pixels from its top left; a blank one is in pixels itself."""
    whole_width, whole_height = figure.get_size_inches() * DPI
    axes = figure.add_axes(
        (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    )
    if blank:
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
    return axes


def rectangle(
    x: float, y: float, width: float, height: float, color_hex: str, *, hatched: bool = False
) -> Rectangle:
    """A rectangle in a region's colour with a border like that in planes, or hatched as unassigned tissue."""
    from matplotlib.patches import Rectangle

    if hatched:
        ground, lines = (f"#{colour}" for colour in HATCH)
        return Rectangle((x, y), width, height, facecolor=ground, edgecolor=lines, linewidth=0.8, hatch="///")
    red, green, blue = (BORDER * channel / 255 for channel in rgb(color_hex))
    edge = (red, green, blue)
    return Rectangle((x, y), width, height, facecolor=f"#{color_hex}", edgecolor=edge, linewidth=0.8)


def write(figure: Figure, x: float, y: float, text: str, width: float, look: Look) -> None:
    """One line of text with its baseline from pixel (x, y) on, cut where it would be wider than ``width``."""
    whole_width, whole_height = figure.get_size_inches() * DPI
    figure.text(x / whole_width, 1 - y / whole_height, fitted_text(text, width, 1, look), **look)


def fitted_text(text: str, width: float, lines: int, look: Look) -> str:
    """``text`` in at most ``lines`` lines of ``width`` pixels; its end is cut if that is not enough."""

    def widest(of: str) -> float:
        return max(text_size(line, look)[0] for line in of.split("\n"))

    full = widest(text)
    if full <= width:
        return text
    # Start with somewhat more than a line's share of the characters, and go down to what fits.
    for characters in range(int(1.3 * len(text) * width / full), 0, -1):
        fitted = "\n".join(textwrap.wrap(text, characters, max_lines=lines, placeholder="…"))
        if widest(fitted) <= width:
            return fitted
    return "…"


def text_size(text: str, look: Look) -> tuple[float, float]:
    """Width and height of a line of text in pixels, as matplotlib lays it out."""
    size = look["fontsize"]
    width, height = _size_of_10_points(text, look.get("fontweight", "normal"))
    return width * size / 10, height * size / 10


@functools.lru_cache(maxsize=4096)
def _size_of_10_points(text: str, weight: str) -> tuple[float, float]:
    # Without a canvas: what a text is on one takes a millisecond, and a plane has two hundred.
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", weight=weight, size=10)
    width, height, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return width * DPI / _POINTS, height * DPI / _POINTS
