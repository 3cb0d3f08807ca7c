"""Colours of recordings, told apart however many there are, and of sites without a region."""

from __future__ import annotations

import colorsys

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


def recording_rgb(recordings: int) -> npt.NDArray[np.uint8]:
    """A colour for each of some recordings: shape (recordings, 3), uint8; the first are always the same."""
    used = 1 - (_FREE[1] - _FREE[0])
    colors = [
        colorsys.hsv_to_rgb((_FREE[1] + used * (number * _GOLDEN % 1)) % 1, *_LOOKS[number % len(_LOOKS)])
        for number in range(recordings)
    ]
    return (np.array(colors).reshape(-1, 3) * 255).astype(np.uint8)
