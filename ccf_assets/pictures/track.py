"""The picture of a probe's track: the regions along it as a strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.errors import CcfError
from ccf_assets.pictures.drawing import (
    ACRONYM,
    DPI,
    HATCH,
    NAME,
    NOTE,
    QUIET,
    SUBTITLE,
    TITLE,
    UNASSIGNED,
    Look,
    fitted_text,
    new_axes,
    new_figure,
    rectangle,
    rendered,
    write,
)

TRACK_LABELS = 40
"""Most labels beside the strip of a track: its longest stretches."""

_WIDTH = 830
"""Pixels of the picture of a track."""

END: Look = {"fontsize": 8.5}


@dataclass(frozen=True)
class Segment:
    """A stretch of a probe in one region.

    A stretch outside the brain is one without a segment. The probe's beginning is at 0.

    Attributes:
        acronym: of the region.
        color_hex: RRGGBB.
        start_um: where it begins, µm along the probe.
        end_um: where it ends.
        name: full name of the region.
        hemisphere: ``left``, ``right``, or both in the order of the probe; empty where there is no midline.
        hatched: it is brain in no region (the root).
    """

    acronym: str
    color_hex: str
    start_um: float
    end_um: float
    name: str = ""
    hemisphere: str = ""
    hatched: bool = False


def track_file(
    segments: Sequence[Segment],
    length_um: float,
    title: str,
    ends: tuple[str, str] = ("", ""),
    suffix: str = ".png",
    dpi: int = DPI,
) -> bytes:
    """The regions along a probe, as a strip of their colours with distance, names and sides beside it.

    Args:
        segments: the stretches of the probe, in any order; where there is none the strip is white.
        length_um: length of the whole probe.
        title: the first line of the picture.
        ends: where its first and its last point lie, in words.
        suffix: .png, .svg or .pdf.
        dpi: of a PNG.

    Returns:
        The content of the file; of a PNG of 100 dpi some 40 KB. The longest TRACK_LABELS segments have
        labels, none of which touch.

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
    left, top, strip, gap = 84, 92, 90, 16
    longest = sorted(along, key=lambda segment: segment.start_um - segment.end_um)[:TRACK_LABELS]
    labelled = [segment for segment in along if segment in longest]
    height = max(560, gap * len(labelled))
    with new_figure(_WIDTH, top + height + 48, dpi) as figure:
        write(figure, 20, 30, title, _WIDTH - 36, TITLE)
        told = f"{UNASSIGNED.capitalize()} is hatched, white is outside the brain"
        if len(labelled) < len(along):
            told += f"; the {len(labelled)} longest of {len(along):,} stretches are named"
        write(figure, 20, 52, f"{told}.", _WIDTH - 36, SUBTITLE)
        for end, y in zip(ends, (top - 12, top + height + 26), strict=True):
            write(figure, left, y, end, _WIDTH - left - 16, END)
        axes = new_axes(figure, left, top, strip, height)
        axes.set(xlim=(0, 1), ylim=(length_um, 0), xticks=[])
        axes.set_ylabel("Distance along the probe, µm", fontsize=9)
        axes.tick_params(labelsize=8.5)
        for segment in along:
            length = segment.end_um - segment.start_um
            axes.add_patch(
                rectangle(0, segment.start_um, 1, length, segment.color_hex, hatched=segment.hatched)
            )
        labels = new_axes(figure, left + strip, top, _WIDTH - left - strip, height, blank=True)
        middles = [(s.start_um + s.end_um) / 2 / length_um * height for s in labelled]
        places = _apart(middles, gap, gap / 2, height - gap / 2)
        for segment, middle, place in zip(labelled, middles, places, strict=True):
            labels.plot([2, 14, 34, 40], [middle, middle, place, place], color=QUIET, linewidth=0.7)
            stretch = f"{segment.start_um:,.0f} – {segment.end_um:,.0f} µm"
            for x, room, text, look in (
                (46, 80, segment.acronym, ACRONYM),
                (132, 300, segment.name, NAME),
                (440, 120, stretch, NOTE),
                (562, 80, segment.hemisphere, NOTE),
            ):
                if text:
                    labels.text(x, place, fitted_text(text, room, 1, look), va="center_baseline", **look)
        return rendered(figure, suffix, {*HATCH, *(segment.color_hex for segment in along)})


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
