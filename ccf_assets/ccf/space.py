"""The space of the CCF: its extent, its midline, its axes, and the words for where a point lies."""

from __future__ import annotations

from typing import Literal, TypeAlias

Axis: TypeAlias = Literal["ap", "dv", "ml"]

AXES: tuple[Axis, Axis, Axis] = ("ap", "dv", "ml")
"""Antero-posterior, dorso-ventral, medio-lateral: the order of the axes everywhere inside (PIR)."""

EXTENT_UM = (13_200, 8_000, 11_400)
"""Size of the CCFv3 grid along AP, DV, ML in µm, the same at every resolution (528·25, 320·25, 456·25)."""

MIDLINE_UM = EXTENT_UM[2] // 2
"""ML coordinate of the midline in CCF µm: 5700, half the grid's width. z >= 5700 is the right hemisphere."""

HEMISPHERES = ("left", "right", "both")

STATUSES = ("assigned", "outside_brain", "outside_volume", "invalid_nan", "invalid_infinite")
"""What can become of a site: its region is known, or why it has none."""
