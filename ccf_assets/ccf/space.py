"""Reference spaces: what coordinates are measured in, and the words for where a point lies.

A space is one brain in one position, such as that of the Allen CCF. An atlas lies in a space, a coordinate
frame leads into one, and sites meet the atlases of the space of their frame only. Inside every space there is
one convention: µm from the corner of the volume, x = AP to posterior, y = DV to inferior, z = ML to the
right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeAlias

Axis: TypeAlias = Literal["ap", "dv", "ml"]

AXES: tuple[Axis, Axis, Axis] = ("ap", "dv", "ml")
"""Antero-posterior, dorso-ventral, medio-lateral: the order of the axes everywhere inside (PIR)."""

Direction: TypeAlias = Literal["posterior", "anterior", "inferior", "superior", "right", "left"]
"""Where an axis runs to: away from the first voxel, towards the last."""

DIRECTIONS: Mapping[Direction, tuple[int, bool]] = {
    "posterior": (0, True),
    "anterior": (0, False),
    "inferior": (1, True),
    "superior": (1, False),
    "right": (2, True),
    "left": (2, False),
}
"""Direction → the axis (0, 1, 2: AP, DV, ML) that it is along, and whether it is that axis's own."""

AXES_OF_SPACES = (
    "x = AP to posterior, y = DV to inferior, z = ML to the right; µm from the corner of the volume"
)
"""The axes of every space, in words."""


@dataclass(frozen=True)
class Space:
    """A reference space.

    Attributes:
        name: the name atlases and frames refer to.
        species: the animal, as a species name; empty where nobody has said it.
        extent_um: size along AP, DV, ML in µm.
        midline_um: ML coordinate of the plane between the hemispheres in µm: points at or beyond it are
            right. None where it is not known, or sides mean nothing: hemispheres are null then.
        source: where its numbers come from.
    """

    name: str
    species: str
    extent_um: tuple[float, float, float]
    midline_um: float | None
    source: str


EXTENT_UM = (13_200, 8_000, 11_400)
"""Size of the CCFv3 grid along AP, DV, ML in µm, the same at every resolution (528·25, 320·25, 456·25)."""

MIDLINE_UM = EXTENT_UM[2] // 2
"""ML coordinate of the midline in CCF µm: 5700, half the grid's width. z >= 5700 is the right hemisphere."""

ALLEN_CCF = Space(
    name="allen_ccf_v3",
    species="Mus musculus",
    extent_um=EXTENT_UM,
    midline_um=MIDLINE_UM,
    source="Allen Institute, Mouse Brain Atlas API, 3-D reference models; the same from CCFv3 2015 to 2022",
)
"""The space of the Allen CCF, version 3, and of the phantom; the one that is meant where none is named."""


def space_words(name: str) -> str:
    """A space before "µm" and in sentences: CCF for that of the Allen Institute, otherwise its name."""
    return "CCF" if name == ALLEN_CCF.name else name


def key_and_space(key: str, space: str) -> str:
    """An atlas for a line, with its space where that is not the Allen CCF: ``whs_39um, space whs_rat``."""
    return key if space == ALLEN_CCF.name else f"{key}, space {space}"


SAME_UM = 0.01
"""Coordinates that differ by less, µm, are the same: a file may have one of them as float32."""

HEMISPHERES = ("left", "right", "both")


class Status(IntEnum):
    """Whether the region of a point is known, or why the point has none; in arrays, one byte per point."""

    ASSIGNED = 0
    OUTSIDE_BRAIN = 1
    OUTSIDE_VOLUME = 2
    INVALID_NAN = 3
    INVALID_INFINITE = 4
    MISSING = 5
    """No coordinate is known, so nobody has placed it; of INVALID_NAN, one or two are not known."""


STATUSES = tuple(status.name.lower() for status in Status)
"""The same as text, as in the tables: ``assigned``, ``outside_brain``, … by number."""

SITE, TRACK = KINDS = ("site", "track")
"""What a row of recording_site is: a recording site, or a point of a track that was traced along a probe."""

XYZ = ("x", "y", "z")
"""The names of the three coordinates of a file, whatever they mean in its frame; inside, as in `AXES`."""

NO_PLACE = tuple(s.name.lower() for s in (Status.INVALID_NAN, Status.INVALID_INFINITE, Status.MISSING))
"""The statuses of points whose coordinates are no place at all."""
