"""The picture of a probe's track: the regions along it as a strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.errors import CcfError
from ccf_assets.pictures.drawing import (
    ACRONYM,
    NOTE,
    OUTSIDE,
    QUIET,
    SUBTITLE,
    TITLE,
    fitted_text,
    new_axes,
    new_figure,
    png,
    rectangle,
    write,
)

TRACK_LABELS = 40
"""Most labels beside the strip of a track: its longest stretches."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a probe in one region, from ``start_um`` to ``end_um`` along it; ``color_hex`` is RRGGBB.

    A stretch outside the brain is one without a segment. The probe's beginning is at 0.
    """

    acronym: str
    color_hex: str
    start_um: float
    end_um: float


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
    with new_figure(width, top + height + 30) as figure:
        write(figure, 20, 30, title, width - 36, TITLE)
        told = "First point on top; grey: outside the brain"
        if len(labelled) < len(along):
            told += f"; the {len(labelled)} longest of {len(along):,} are named"
        write(figure, 20, 54, f"{told}.", width - 36, SUBTITLE)
        axes = new_axes(figure, left, top, strip, height)
        axes.set(xlim=(0, 1), ylim=(length_um, 0), xticks=[], facecolor=f"#{OUTSIDE.color_hex}")
        axes.set_ylabel("Distance along the probe, µm", fontsize=9)
        axes.tick_params(labelsize=8.5)
        for segment in along:
            length = segment.end_um - segment.start_um
            axes.add_patch(rectangle(0, segment.start_um, 1, length, segment.color_hex))
        labels = new_axes(figure, left + strip, top, width - left - strip, height, blank=True)
        middles = [(s.start_um + s.end_um) / 2 / length_um * height for s in labelled]
        places = _apart(middles, gap, gap / 2, height - gap / 2)
        for segment, middle, place in zip(labelled, middles, places, strict=True):
            labels.plot([2, 14, 34, 40], [middle, middle, place, place], color=QUIET, linewidth=0.7)
            labels.text(
                46,
                place,
                fitted_text(figure, segment.acronym, 140, 1, ACRONYM),
                va="center_baseline",
                **ACRONYM,
            )
            stretch = f"{segment.start_um:,.0f} – {segment.end_um:,.0f} µm"
            labels.text(194, place, stretch, va="center_baseline", **NOTE)
        return png(figure, {OUTSIDE.color_hex, *(segment.color_hex for segment in along)})


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
