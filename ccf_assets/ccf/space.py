"""The space of the CCF: its extent, its midline, its axes, and the words for where a point lies."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, TypeAlias

Axis: TypeAlias = Literal["ap", "dv", "ml"]

AXES: tuple[Axis, Axis, Axis] = ("ap", "dv", "ml")
"""Antero-posterior, dorso-ventral, medio-lateral: the order of the axes everywhere inside (PIR)."""

EXTENT_UM = (13_200, 8_000, 11_400)
"""Size of the CCFv3 grid along AP, DV, ML in µm, the same at every resolution (528·25, 320·25, 456·25)."""

MIDLINE_UM = EXTENT_UM[2] // 2
"""ML coordinate of the midline in CCF µm: 5700, half the grid's width. z >= 5700 is the right hemisphere."""

HEMISPHERES = ("left", "right", "both")


class Status(IntEnum):
    """Whether the region of a point is known, or why the point has none; in arrays, one byte per point."""

    ASSIGNED = 0
    OUTSIDE_BRAIN = 1
    OUTSIDE_VOLUME = 2
    INVALID_NAN = 3
    INVALID_INFINITE = 4


STATUSES = tuple(status.name.lower() for status in Status)
"""The same as text, as in the tables: ``assigned``, ``outside_brain``, … by number."""
