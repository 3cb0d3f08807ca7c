"""Colours of recordings, told apart however many there are, and of sites without a region."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

MISS_RGB = (255, 0, 255)
"""Magenta: of a site without a region. No region of the Allen ontology has this colour, and no recording."""

_GOLDEN = 0.618034
"""Hues that follow one another by this share of the circle fill it evenly, however many there are."""

_FREE = (0.74, 0.97)
"""The part of the circle of hues around magenta, which recordings leave out."""

_LOOKS = ((0.85, 0.85), (0.55, 0.95), (0.95, 0.55))
"""Saturation and value, in turn, so that neighbours in hue differ otherwise."""


def recording_rgb(recordings: Iterable[str]) -> dict[str, npt.NDArray[np.uint8]]:
    """The colour of each of the recordings that are shown together, by name: shape (3,), uint8.

    It depends on the names alone, so that every picture of the same recordings has the same colours. Of
    fewer recordings they are others: a few would often get colours that look alike out of those of many.
    """
    used = 1 - (_FREE[1] - _FREE[0])
    colors = {
        name: colorsys.hsv_to_rgb(
            (_FREE[1] + used * (number * _GOLDEN % 1)) % 1, *_LOOKS[number % len(_LOOKS)]
        )
        for number, name in enumerate(sorted(set(recordings)))
    }
    return {name: (np.array(color) * 255).astype(np.uint8) for name, color in colors.items()}
