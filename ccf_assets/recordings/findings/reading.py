"""A table of sites read in a frame: where each site lies, for every check; and words for their sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.catalogue import CCF_RESOLUTIONS_UM
from ccf_assets.ccf.frames.maps import LARGEST, Floats, Frame, to_ccf
from ccf_assets.ccf.space import ALLEN_CCF, AXES
from ccf_assets.finding import Finding, counted

if TYPE_CHECKING:  # as the command locate asks for no data frame
    import polars as pl

Bools: TypeAlias = npt.NDArray[np.bool_]

InBrain: TypeAlias = Callable[[Floats], Bools]
"""Whether points in CCF µm, shape (N, 3), lie in the brain. It is only called with points in the volume."""

Surface: TypeAlias = Callable[[Floats, Floats], npt.ArrayLike]
"""CCF y of the brain surface in µm at x and z in CCF µm in the volume; NaN where there is no brain."""

FEW_INSIDE = 0.5
"""Below this share in the brain the table is suspicious. Probes with half of their channels above the brain
are common; the correct published tables have 81 to 98 % inside."""

WRONG_AS_READ, RIGHT_OTHERWISE = 0.1, 0.5
"""A table is taken to be in another unit if at most the first share of its sites is in the brain as read and
at least the second in the other unit."""

PAIRS = 10


@dataclass(frozen=True, eq=False)
class Reading:
    """Sites of one frame, and where they lie in its space when their columns are read in some way.

    Attributes:
        sites: the rows.
        frame: their frame.
        frames: the known frames by name.
        in_brain: the brain, where one is known.
        surface_y: its surface, likewise.
        extent_um: size of the volume along AP, DV, ML in µm.
        resolutions_um: the grids whose voxel indices are recognised.
    """

    sites: pl.DataFrame
    frame: Frame
    frames: Mapping[str, Frame]
    in_brain: InBrain | None
    surface_y: Surface | None
    extent_um: tuple[float, float, float] = ALLEN_CCF.extent_um
    resolutions_um: tuple[float, ...] = CCF_RESOLUTIONS_UM

    @cached_property
    def raw(self) -> Floats:
        """ap, dv, ml as given: shape (N, 3)."""
        return self.sites.select(AXES).to_numpy().astype(np.float64, copy=False)

    @cached_property
    def given(self) -> Bools:
        """Rows whose three coordinates are numbers that can be a place."""
        ap, dv, ml = (np.abs(column) <= LARGEST for column in self.raw.T)
        return np.asarray(ap & dv & ml)

    @cached_property
    def zero(self) -> Bools:
        """Rows at 0, 0, 0, which usually stand for missing coordinates."""
        ap, dv, ml = (column == 0 for column in self.raw.T)
        return np.asarray(ap & dv & ml)

    @cached_property
    def meaningful(self) -> Bools:
        """Rows with a place: given and not 0, 0, 0."""
        return self.given & ~self.zero

    @cached_property
    def columns(self) -> dict[str, str]:
        """Axis → its name for sentences, with its column in this frame: ap is ``AP (x)``."""
        return {axis: f"{axis.upper()} ({'xyz'[self.frame.xyz.index(axis)]})" for axis in AXES}

    @property
    def can_place(self) -> bool:
        """Whether the sites can be converted to the CCF."""
        return self.frame.dv_from != "surface" or self.surface_y is not None

    @property
    def can_judge(self) -> bool:
        """Whether it can be decided which sites are in the brain."""
        return self.can_place and self.in_brain is not None

    def points(self, raw: Floats) -> Floats:
        """CCF µm of coordinates in this frame: (N, 3) → (N, 3)."""
        surface = self.surface if self.surface_y is not None else None
        return to_ccf(self.frame, raw[:, 0], raw[:, 1], raw[:, 2], surface)

    def surface(self, x: Floats, z: Floats) -> Floats:
        """CCF y of the brain surface; NaN outside the volume and where the surface is not known."""
        result = np.full(len(x), np.nan)
        asked = (x >= 0) & (x < self.extent_um[0]) & (z >= 0) & (z < self.extent_um[2])
        if self.surface_y is not None and asked.any():
            result[asked] = self.surface_y(x[asked], z[asked])
        return result

    def inside(self, points: Floats) -> Bools:
        """Which points (CCF µm) lie in the brain."""
        # Column by column: .all(axis=1) over three columns takes ten times as long.
        inside = (
            (column >= 0) & (column < end) for column, end in zip(points.T, self.extent_um, strict=True)
        )
        x, y, z = inside
        asked = np.asarray(x & y & z)
        if self.in_brain is not None and asked.all():
            return self.in_brain(points)
        result = np.zeros(len(points), dtype=np.bool_)
        if self.in_brain is not None and asked.any():
            result[asked] = self.in_brain(points[asked])
        return result

    def above(self, points: Floats) -> Bools:
        """Which points (CCF µm) lie above the brain; none if its surface is not known."""
        return np.asarray(points[:, 1] < self.surface(points[:, 0], points[:, 2]))

    @cached_property
    def as_read(self) -> Floats:
        """CCF µm of every row, shape (N, 3), NaN where it is not given. Computed once, for all checks."""
        return self.points(self.raw)

    @cached_property
    def inside_as_read(self) -> Bools:
        """Which rows lie in the brain as they are read."""
        return self.inside(self.as_read)

    @cached_property
    def share_inside(self) -> float:
        """Share of the meaningful rows that lie in the brain; 0 if there are none."""
        return float(self.inside_as_read[self.meaningful].mean()) if self.meaningful.any() else 0.0

    def not_checked(self, name: str) -> Finding:
        """The finding of a check that needs the brain when no brain is known."""
        reason = "the brain's surface is not known" if self.in_brain is not None else "no atlas was given"
        return Finding.passes(name, f"Not checked: {reason}.", {"sites": self.sites.height})


def frame_like(reading: Reading, xyz: Sequence[str], factor: float) -> str | None:
    """A known frame that differs only in the order of x, y, z, and in a unit ``factor`` times as large."""
    wanted = reading.frame.affine.copy()
    wanted[:, :3] *= factor
    for other in reading.frames.values():
        same = other.dv_from == reading.frame.dv_from and tuple(other.xyz) == tuple(xyz)
        if (
            same
            and other.space == reading.frame.space
            and np.allclose(other.affine, wanted, rtol=1e-9, atol=1e-9)
        ):
            return other.name
    return None


def of_total(count: int, total: int) -> str:
    """A part of some sites for a sentence: ``3 of 12 sites (25 %)``."""
    return f"{count:,} of {counted(total, 'site')} ({percent(count / total if total else 0.0)})"


def percent(share: float) -> str:
    """A share as a percentage; only none is 0 % and only all is 100 %."""
    if 0.0 < share < 1.0:
        share = min(max(share, 0.001), 0.999)
    return f"{100 * share:.1f} %" if 0.0 < share < 1.0 else f"{100 * share:.0f} %"


def inside_words(share: float, rows: int) -> str:
    """How many sites lie inside, if these are few, for the middle of a sentence."""
    sites = counted(rows, "site")
    return f"none of {sites} lies" if not share else f"only {percent(share)} of {sites} lie"


def frame_unit(frame: Frame) -> str:
    """The unit of a frame for a sentence."""
    return unit_name(frame.unit)


def unit_name(unit: str) -> str:
    """A unit as it is written in a sentence."""
    return {"um": "µm", "mm": "mm", "m": "metres"}.get(unit, unit)
