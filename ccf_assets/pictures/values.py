"""Numbers of regions as colours: a value for a region counts for everything inside it that has none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ccf_assets.errors import InvalidValueError, suggestion
from ccf_assets.pictures.drawing import import_matplotlib
from ccf_assets.pictures.parts import Shown

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

_USUAL, _TWO_SIDED = "viridis", "RdBu_r"
"""Maps of colours: for values of one sign, and for those of both, which white divides at 0."""

WITHOUT = "EDEDED"
"""Colour of regions without a value, RRGGBB."""


@dataclass(frozen=True)
class Scale:
    """The colours of values.

    Attributes:
        label: what the values are, with their unit.
        low: the value of the first colour.
        high: that of the last.
        colormap: matplotlib's name of the colours.
    """

    label: str
    low: float
    high: float
    colormap: str

    def mappable(self) -> ScalarMappable:
        """The colours as matplotlib's colour bars take them."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        return ScalarMappable(Normalize(self.low, self.high), self.colormap)


def scale_of(
    values: list[float],
    label: str,
    colormap: str | None = None,
    limits: tuple[float, float] | None = None,
) -> Scale:
    """The scale of some values.

    Args:
        values: finite ones; at least one.
        label: what they are, with their unit.
        colormap: matplotlib's name of one; if not given viridis, or RdBu_r with white at 0 where values have
            both signs.
        limits: the values of the first and the last colour; from the values if not given.

    Raises:
        CcfError: there is no such colormap, or the limits are not ascending.
    """
    import_matplotlib()
    from matplotlib import colormaps

    if colormap is not None and colormap not in colormaps:
        hint = suggestion(colormap, list(colormaps), most=5)
        raise InvalidValueError(f"Matplotlib has no colormap {colormap!r}; {hint}")
    low, high = limits or (min(values), max(values))
    signs = low < 0 < high
    if limits is None and signs:
        low, high = -max(-low, high), max(-low, high)
    if limits is None and low == high:
        low, high = low - 0.5, high + 0.5
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidValueError(
            f"The limits of the colours are {low:g} and {high:g}; the first must be less."
        )
    return Scale(label, low, high, colormap or (_TWO_SIDED if signs else _USUAL))


def coloured(
    shown: Mapping[int, Shown], values: Mapping[int, float], above: Callable[[int], list[int]], scale: Scale
) -> dict[int, Shown]:
    """How regions are shown with values.

    Args:
        shown: the regions, by id.
        values: of some of them; those inside one have its value unless they have their own.
        above: a region's id and those of the regions that contain it, from the inside out.
        scale: the colours.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    colours = colormaps[scale.colormap]
    found = {}
    for region, look in shown.items():
        value = next((values[each] for each in above(region) if each in values), None)
        if value is None:
            found[region] = look if look.hatched else replace(look, color_hex=WITHOUT)
        else:
            share = (value - scale.low) / (scale.high - scale.low)
            color = to_hex(colours(min(max(share, 0.0), 1.0)))
            found[region] = Shown(color.removeprefix("#").upper(), look.named)
    return found
