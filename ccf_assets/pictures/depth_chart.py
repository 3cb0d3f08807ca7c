"""The chart of how many regions there are at each depth of the hierarchy."""

from __future__ import annotations

from collections.abc import Mapping

from ccf_assets.pictures.drawing import TITLE, new_axes, new_figure, png, write


def depth_chart_png(counts: Mapping[int, int], title: str) -> bytes:
    """How many regions there are at each depth of the hierarchy, as bars with their numbers.

    Args:
        counts: regions by depth; the root's is 0.
        title: the first line of the picture.

    Returns:
        A PNG, some 10 KB.
    """
    width, height, left, top = 760, 430, 76, 56
    with new_figure(width, height) as figure:
        write(figure, left, 34, title, width - left - 16, TITLE)
        axes = new_axes(figure, left, top, width - left - 20, height - top - 56)
        # Okabe and Ito's blue: stands off from black and white for everyone.
        bars = axes.bar(list(counts), list(counts.values()), color="#0072B2", width=0.8)
        axes.bar_label(bars, labels=[f"{n:,}" for n in counts.values()], fontsize=9, padding=2)
        axes.margins(y=0.1)
        axes.set_xticks(list(counts))
        axes.set_xlabel("Depth in the hierarchy (the root is 0)", fontsize=9)
        axes.set_ylabel("Regions", fontsize=9)
        axes.tick_params(labelsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        return png(figure)
