"""What is wrong with a table of recording sites, in words and numbers.

Published tables of sites are often wrong: a column lost and another written twice, voxel indices for µm,
axes exchanged. Such a table gives regions without an error, so it is looked at before it is believed.
Nothing here changes a coordinate or chooses a frame. A finding says what was looked for, whether it is
there, and what the user can do.

**What is impossible blocks, what is suspicious warns.** Impossible is what no experiment can give:

- ``equal_columns``: two coordinates are the same in every row (through five different values or more);
- ``zero_rows``: every row is 0, 0, 0;
- ``voxel_indices``, ``unit``: no site is in the brain as it is read, most are in another unit;
- ``probe_plane``: a coordinate from the corner of the volume is 0, or beyond the volume, in every row;
- ``outside_volume``: no site is inside the volume;
- ``duplicate_sites``: the file gives one site twice, and there is no telling which is meant.

All else warns: sites above the brain are common (a probe is longer than the brain is deep), a coordinate can
be missing, regions can differ at a border. A site whose place is in doubt is kept with its status.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from ccf_assets.atlases import CATALOGUE, EXTENT_UM
from ccf_assets.finding import Finding, counted
from ccf_assets.frames import AXES, LARGEST, UNIT_UM, Axis, Floats, Frame, frame, to_ccf
from ccf_assets.tables import MISSING

Bools: TypeAlias = npt.NDArray[np.bool_]
InBrain: TypeAlias = Callable[[Floats], Bools]
"""Whether points in CCF µm, shape (N, 3), lie in the brain. It is only asked for points in the volume."""
Surface: TypeAlias = Callable[[Floats, Floats], npt.ArrayLike]
"""CCF y of the brain surface in µm at x and z in CCF µm, NaN where there is none. Likewise for the volume."""

CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "missing_coordinates": "Sites without a coordinate, or with an infinite one",
        "equal_columns": "Two coordinates that are the same, row by row",
        "zero_rows": "Sites at 0, 0, 0",
        "voxel_indices": "Numbers that look like voxel indices",
        "unit": "Numbers that look like another unit than the frame's",
        "probe_plane": "Coordinates in the plane of a probe instead of in the volume",
        "outside_volume": "Sites outside the volume",
        "inside_brain": "Share of the sites inside the brain",
        "axis_order": "Another order or sign of the axes that puts many more sites in the brain",
        "duplicate_sites": "Sites given more than once in the file",
        "claimed_elsewhere": "Sites that another file, or a lab's own rows, have already",
        "reported_region": "Reported regions that differ from the computed ones",
    }
)
"""Every finding by name, and what it looks for."""

RESOLUTIONS_UM: tuple[int, ...] = tuple(sorted({entry.resolution_um for entry in CATALOGUE.values()}))
"""Grids whose voxel indices are recognised: those of the catalogue."""

FEW_INSIDE = 0.5
"""Below this share in the brain the table is suspicious. A probe half of whose channels are above the brain
is common; the published tables that are right have 81 to 98 % inside."""

_MANY_VALUES = 5
"""Two columns that agree through this many different values do not agree by chance."""

_WRONG_AS_READ, _RIGHT_OTHERWISE = 0.1, 0.5
"""A table is taken to be in another unit if at most the first share of its sites is in the brain as read and
at least the second in the other unit."""

_TINY_UM = 20.0
"""Sites that all lie this close to the origin share one voxel: millimetres in a frame of µm do."""

_HALF_BRAIN_UM = 5_000.0
"""How far from bregma, or from the corner, sites are, to a factor of a few."""

_FACE_UM = 25.0
"""This close to a face of the volume there is no brain."""

_MANY_MORE, _A_FEW = 0.15, 3
"""Another axis order is named if it moves this share of the sites, and this many, into the brain.

Sites above the brain are not counted as long as most of the table is inside: the upper end of a probe is
there, and an order that hides it proves nothing. (Of the 91 probes of the IBL, each alone in a file, 3 would
get a wrong hint if they counted, and 1 gets one as it is.)
"""

_HARDLY_OUTSIDE, _AGREEING_GAIN, _RECORDINGS_GAINING = 0.03, 5, 2
"""...or, where at most the first share is outside as read, if it moves this many, in so many recordings.

No recording may lose any. A table nearly all inside lists what was found in the brain, and a few outside mean
something: DANDI 000363 has 28 of 3,000 outside as read, 8 as ML, DV, AP. In a table of whole probes they
mean nothing: 000253, which is right, has 15 % outside, above the brain; ML, DV, AP seems better for eight of
its thirteen recordings and worse for five.
"""

_SAMPLE, _SAMPLE_ERROR = 20_000, 0.05
"""Rows of a large table that tell which axis orders are far behind the best one. That the share in a sample
of so many is wrong by half of that has odds of 1 to 10^10."""

_AGREE = 0.95
"""Below this share of agreeing regions the reports are suspicious. A frame half a voxel off gives 91 %."""

_OUTSIDE_WORDS = ("void", "outside", "outside_brain", "outside brain", "out of brain", "out_of_brain")
_PAIRS = 10

_KEPT = " They are kept without a region."


# --- All findings of a table ---------------------------------------------------------------------------


def site_findings(
    sites: pl.DataFrame,
    frames: Mapping[str, Frame],
    in_brain: InBrain | None = None,
    surface_y: Surface | None = None,
) -> list[Finding]:
    """Look at a table of sites for all that can be told from it alone.

    Args:
        sites: a table as ``recordings.read_sites`` gives it.
        frames: the known frames.
        in_brain: the brain; without it whatever needs the brain passes and says that it was not checked.
        surface_y: the brain's surface, for frames whose dv is measured from it; without it likewise.

    Returns:
        One finding per name from ``missing_coordinates`` to ``duplicate_sites``, in the order of `CHECKS`.
        In a table with several frames each is looked at by itself, and the sentence names it.
    """
    by_frame = [
        [check(_Reading(part, frame(str(name), frames), frames, in_brain, surface_y)) for check in _GEOMETRY]
        for (name,), part in sites.partition_by("frame", maintain_order=True, as_dict=True).items()
    ]
    names = sites["frame"].unique(maintain_order=True).to_list()
    if not names:
        nothing = "There are no sites."
        geometry = [Finding(n, False, True, nothing, {"sites": 0}) for n in list(CHECKS)[: len(_GEOMETRY)]]
    else:
        geometry = [_merged(names, of_one) for of_one in zip(*by_frame, strict=True)]
    found = [*geometry, duplicate_sites(sites)]
    if any(finding.blocking for finding in found):  # then nothing is kept
        return [replace(finding, sentence=finding.sentence.replace(_KEPT, "")) for finding in found]
    return found


def _merged(names: Sequence[str], findings: Sequence[Finding]) -> Finding:
    """The findings of several frames in one table as one."""
    if len(findings) == 1:
        return findings[0]
    told = [(name, each) for name, each in zip(names, findings, strict=True) if not each.passed]
    told = told or list(zip(names, findings, strict=True))
    return Finding(
        findings[0].name,
        any(each.blocking for each in findings),
        all(each.passed for each in findings),
        " ".join(f"In the frame {name}: {each.sentence}" for name, each in told),
        {f"{n}_{key}": v for n, f in zip(names, findings, strict=True) for key, v in f.numbers.items()},
    )


# --- A table read in a frame ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Reading:
    """Sites of one frame, and where they come to lie in the CCF when they are read in some way."""

    sites: pl.DataFrame
    frame: Frame
    frames: Mapping[str, Frame]
    in_brain: InBrain | None
    surface_y: Surface | None

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
        """Rows at 0, 0, 0, where a missing coordinate was written as a number."""
        ap, dv, ml = (column == 0 for column in self.raw.T)
        return np.asarray(ap & dv & ml)

    @cached_property
    def told(self) -> Bools:
        """Rows that say something: given and not 0, 0, 0."""
        return self.given & ~self.zero

    @cached_property
    def columns(self) -> dict[str, str]:
        """Of each axis, what people write and the column it is in this frame: ap is ``AP (x)``."""
        return {axis: f"{axis.upper()} ({'xyz'[self.frame.xyz.index(axis)]})" for axis in AXES}

    @property
    def can_place(self) -> bool:
        """Whether the sites can be taken into the CCF."""
        return self.frame.dv_from != "surface" or self.surface_y is not None

    @property
    def can_judge(self) -> bool:
        """Whether it can be told which sites are in the brain."""
        return self.can_place and self.in_brain is not None

    def points(self, raw: Floats) -> Floats:
        """CCF µm of coordinates in this frame: (N, 3) → (N, 3)."""
        surface = self.surface if self.surface_y is not None else None
        return to_ccf(self.frame, raw[:, 0], raw[:, 1], raw[:, 2], surface)

    def surface(self, x: Floats, z: Floats) -> Floats:
        """CCF y of the brain surface; NaN, without asking, beside the volume or where it is not known."""
        result = np.full(len(x), np.nan)
        asked = (x >= 0) & (x < EXTENT_UM[0]) & (z >= 0) & (z < EXTENT_UM[2])
        if self.surface_y is not None and asked.any():
            result[asked] = self.surface_y(x[asked], z[asked])
        return result

    def inside(self, points: Floats) -> Bools:
        """Which points (CCF µm) lie in the brain."""
        asked = _in_volume(points)
        if self.in_brain is not None and asked.all():
            return self.in_brain(points)
        result = np.zeros(len(points), dtype=np.bool_)
        if self.in_brain is not None and asked.any():
            result[asked] = self.in_brain(points[asked])
        return result

    def above(self, points: Floats) -> Bools:
        """Which points (CCF µm) lie above the brain; none where its surface is not known."""
        return np.asarray(points[:, 1] < self.surface(points[:, 0], points[:, 2]))

    @cached_property
    def as_read(self) -> Floats:
        """CCF µm of every row, shape (N, 3), NaN where it is not given. Placed once, for all checks."""
        return self.points(self.raw)

    @cached_property
    def inside_as_read(self) -> Bools:
        """Which rows lie in the brain as they are read."""
        return self.inside(self.as_read)

    @cached_property
    def share_inside(self) -> float:
        """Share of the rows that say something that lie in the brain; 0 if there are none."""
        return float(self.inside_as_read[self.told].mean()) if self.told.any() else 0.0

    def not_checked(self, name: str) -> Finding:
        """What to say where the brain is needed and not there."""
        why = "the brain's surface is not known" if self.in_brain is not None else "no atlas was given"
        return Finding(name, False, True, f"Not checked: {why}.", {"sites": self.sites.height})


def _in_volume(points: Floats) -> Bools:
    # Column by column: .all(axis=1) over three columns takes ten times as long.
    x, y, z = ((column >= 0) & (column < end) for column, end in zip(points.T, EXTENT_UM, strict=True))
    return np.asarray(x & y & z)


# --- The checks ----------------------------------------------------------------------------------------


def _missing_coordinates(reading: _Reading) -> Finding:
    empty = int(np.isnan(reading.raw).any(axis=1).sum())
    sites = reading.sites.height
    infinite = sites - empty - int(reading.given.sum())
    numbers: dict[str, float | int | str] = {"sites": sites, "missing": empty, "infinite": infinite}
    if not empty + infinite:
        sentence = f"{counted(sites, 'site')}, none without coordinates."
        return Finding("missing_coordinates", False, True, sentence, numbers)
    sentence = (
        f"{_of(empty, sites)} lack a coordinate and {infinite:,} have one that is infinite or absurdly "
        f"large.{_KEPT}"
    )
    return Finding("missing_coordinates", False, False, sentence, numbers)


def _equal_columns(reading: _Reading) -> Finding:
    """Two equal columns: one was lost upstream and the other written in its place."""
    rows = reading.raw[reading.told]
    worst, share, values = ("", ""), 0.0, 0
    for one, other in itertools.combinations(range(3), 2):
        equal = rows[:, one] == rows[:, other]
        distinct = len(np.unique(rows[equal, one]))
        if distinct > 1 and equal.mean() > share:  # one value alone: a straight probe can have AP = ML
            worst, share, values = (AXES[one], AXES[other]), float(equal.mean()), distinct
    numbers: dict[str, float | int | str] = {"rows": len(rows), "equal_share": share, "values": values}
    always = share == 1.0
    if not (always or (share >= _RIGHT_OTHERWISE and values >= _MANY_VALUES)):
        return Finding("equal_columns", False, True, "No two coordinates are the same.", numbers)
    numbers["columns"] = ", ".join(axis.upper() for axis in worst)
    one_name, other_name = (reading.columns[axis] for axis in worst)
    where = "in every row" if always else f"in {_percent(share)} of the rows"
    sentence = (
        f"{one_name} equals {other_name} {where}: one of the two was lost and the other written twice. "
        f"The table has to be exported again from its source."
    )
    return Finding("equal_columns", always and values >= _MANY_VALUES, False, sentence, numbers)


def _zero_rows(reading: _Reading) -> Finding:
    zero, sites = int(reading.zero.sum()), reading.sites.height
    numbers: dict[str, float | int | str] = {"sites": sites, "zero": zero, "zero_share": zero / sites}
    if not zero:
        return Finding("zero_rows", False, True, "No site is at 0, 0, 0.", numbers)
    every = zero == sites
    sentence = (
        "Every site is at 0, 0, 0: the table holds no coordinates."
        if every
        else f"{_of(zero, sites)} are at 0, 0, 0, which mostly stands for a missing value; leave it empty."
    )
    # One site at the origin of a frame may be meant: the surface at bregma. Several are not.
    meant = zero == 1 and reading.frame.dv_from != "corner"
    return Finding("zero_rows", every and not meant, False, sentence, numbers)


def _voxel_indices(reading: _Reading) -> Finding:
    """Indices (or voxel coordinates with fractions) fit in a grid and lie in the brain when taken as such."""
    name = "voxel_indices"
    rows = reading.raw[reading.told]
    whole = bool((rows == np.floor(rows)).all())
    fitting = [r for r in RESOLUTIONS_UM if _fits(rows, r)]
    numbers: dict[str, float | int | str] = {"rows": len(rows), "whole_numbers": int(whole)}
    nothing = Finding(name, False, True, "The numbers do not look like voxel indices.", numbers)
    if not (len(rows) and fitting):
        return nothing
    if not reading.can_judge:
        # Without the brain only whole numbers in a frame of µm from the corner can be told: the part of the
        # volume with so small coordinates is empty.
        if not (whole and reading.frame.dv_from == "corner" and reading.frame.unit == "um"):
            return nothing
        best = max(fitting)
        sentence = (
            f"All coordinates are whole numbers within the {best} µm grid, {_shape(best)}: they look like "
            f"voxel indices, not like {_unit(reading.frame)} of the frame {reading.frame.name}."
        )
        return Finding(name, False, False, sentence, numbers | {"resolution_um": best})
    half = 0.5 if whole else 0.0  # an index means its voxel, whose middle is half a voxel further
    share_of = {r: float(reading.inside((rows + half) * r).mean()) for r in fitting}
    best = max(share_of, key=lambda r: share_of[r])
    numbers |= {
        "resolution_um": best,
        "share_as_read": reading.share_inside,
        "share_as_indices": share_of[best],
    }
    if reading.share_inside > _WRONG_AS_READ or share_of[best] < _RIGHT_OTHERWISE:
        return nothing
    what = f"voxel indices of the {best} µm grid" if whole else f"voxels of {best} µm, with fractions"
    sentence = (
        f"The numbers look like {what}, not like {_unit(reading.frame)} of the frame {reading.frame.name}: "
        f"as read {_inside(reading.share_inside, len(rows))} in the brain, multiplied by {best} µm "
        f"{_percent(share_of[best])} do. Convert the file, or describe such a frame (unit_um = {best})."
    )
    return Finding(name, reading.share_inside == 0.0, False, sentence, numbers)


def _fits(rows: Floats, resolution_um: int) -> bool:
    return bool(((rows >= 0) & (rows * resolution_um < np.array(EXTENT_UM))).all())


def _shape(resolution_um: int) -> str:
    return " × ".join(str(extent // resolution_um) for extent in EXTENT_UM)


def _unit_of_numbers(reading: _Reading) -> Finding:
    """Numbers in mm or m where the frame wants µm, and so on between any two of them."""
    name = "unit"
    own = UNIT_UM.get(reading.frame.unit)
    rows = reading.raw[reading.told]
    if own is None:
        return Finding(name, False, True, f"The frame's unit is its own ({reading.frame.unit}); not checked.")
    unit = _unit(reading.frame)
    numbers: dict[str, float | int | str] = {"rows": len(rows), "unit": reading.frame.unit}
    nothing = Finding(name, False, True, f"Nothing speaks for another unit than {unit}.", numbers)
    largest_um = float(np.abs(rows).max(initial=0.0)) * own
    numbers["largest_um"] = largest_um
    tiny = largest_um <= _TINY_UM
    others = {other: size / own for other, size in UNIT_UM.items() if size != own}
    # A unit in which the table is still a point explains nothing: metres read as mm lie at the origin too.
    others = {other: factor for other, factor in others.items() if largest_um * factor > _TINY_UM}
    if not others:
        return nothing
    if not reading.can_judge:
        huge = float(np.median(np.abs(rows).max(axis=1))) * own > 2 * max(EXTENT_UM)
        # The unit in which the farthest site is nearest to half a brain away.
        likely = min(others, key=lambda o: abs(np.log(largest_um * others[o] / _HALF_BRAIN_UM)))
        if not (tiny or huge) or largest_um * others[likely] > 2 * max(EXTENT_UM):
            return nothing
        sentence = (
            f"The numbers are not of the size of {unit} in a mouse brain; they look like {_name(likely)}. "
            f"If so, {_remedy(reading, likely, others[likely])}."
        )
        return Finding(name, False, False, sentence, numbers | {"looks_like": likely})
    numbers["share_as_read"] = reading.share_inside
    # Not looked at further where most is in the brain as read.
    others = others if reading.share_inside <= _WRONG_AS_READ or tiny else {}
    share_of = {o: float(reading.inside(reading.points(rows * f)).mean()) for o, f in others.items()}
    likely = max(share_of, key=lambda o: share_of[o], default="")
    if not likely or share_of[likely] < _RIGHT_OTHERWISE:
        return nothing
    numbers[f"share_as_{likely}"] = share_of[likely]
    reason = (
        f"all sites lie within {largest_um:.3g} µm of the origin"
        if tiny
        else f"as read {_inside(reading.share_inside, len(rows))} in the brain"
    )
    sentence = (
        f"The numbers look like {_name(likely)}, not like {unit} of the frame {reading.frame.name}: "
        f"{reason}, and in {_name(likely)} {_percent(share_of[likely])} lie in the brain. "
        f"If so, {_remedy(reading, likely, others[likely])}."
    )
    several = len(np.unique(rows, axis=0)) > 1
    blocking = reading.share_inside == 0.0 or (tiny and several)
    return Finding(name, blocking, False, sentence, numbers | {"looks_like": likely})


def _remedy(reading: _Reading, unit: str, factor: float) -> str:
    """What to do with numbers in another unit, which times ``factor`` are in the frame's."""
    fitting = _frame_like(reading, reading.frame.xyz, factor)
    if fitting:
        return f'write frame = "{fitting}"'
    return f"multiply them by {factor:g}, or describe a frame in {_name(unit)} (frames.toml)"


def _probe_plane(reading: _Reading) -> Finding:
    """Coordinates along a probe, or from an entry point, have a 0 or a sign throughout that no CCF has."""
    name = "probe_plane"
    numbers: dict[str, float | int | str] = {"rows": int(reading.told.sum())}
    fine = Finding(name, False, True, "The coordinates spread in the volume as sites do.", numbers)
    if reading.frame.dv_from != "corner" or not reading.told.any():
        return fine
    raw, points = reading.raw[reading.told], reading.as_read[reading.told]
    # A 0 is only wrong where it means a face of the volume: a lab's frame may count one axis from elsewhere.
    at_face = np.asarray(((points < _FACE_UM) | (points > np.array(EXTENT_UM) - _FACE_UM)).all(axis=0))
    told = []
    for column, axis in enumerate(AXES):
        values = raw[:, column]
        if not at_face[reading.frame.affine[:, column] != 0].any():
            continue
        if (values == 0).all():
            told.append(f"{reading.columns[axis]} is 0 in every row")
        elif (values < 0).all():
            told.append(f"{reading.columns[axis]} is negative in every row")
    if not told:
        return fine
    sentence = (
        f"{' and '.join(told)}. In the frame {reading.frame.name}, which counts from the corner of the "
        f"volume, no site is there; coordinates in the plane of a probe, or from its entry, look like this."
    )
    return Finding(name, True, False, sentence, numbers | {"columns": len(told)})


def _outside_volume(reading: _Reading) -> Finding:
    name = "outside_volume"
    if not reading.can_place:
        return reading.not_checked(name)
    points = reading.as_read[reading.given]
    low, high = (points < 0), (points >= np.array(EXTENT_UM))
    outside = int((low | high).any(axis=1).sum())
    where = {
        "anterior": low[:, 0],
        "posterior": high[:, 0],
        "above": low[:, 1],
        "below": high[:, 1],
        "left": low[:, 2],
        "right": high[:, 2],
    }
    counts = {side: int(mask.sum()) for side, mask in where.items() if mask.any()}
    numbers: dict[str, float | int | str] = {"sites": len(points), "outside": outside, **counts}
    numbers["outside_share"] = outside / len(points) if len(points) else 0.0
    if not outside:
        return Finding(name, False, True, "No site is outside the volume.", numbers)
    sides = ", ".join(f"{count:,} {_SIDES[side]}" for side, count in counts.items())
    every = outside == len(points)
    start = "Every site lies" if every else f"{_of(outside, len(points))} lie"
    end = " The frame or the columns are not what they are said to be." if every else _KEPT
    sentence = f"{start} outside the volume of the CCF: {sides}.{end}"
    return Finding(name, every, False, sentence, numbers)


_SIDES = {
    "anterior": "in front of it",
    "posterior": "behind it",
    "above": "above it (DV < 0)",
    "below": "below it",
    "left": "left of it",
    "right": "right of it",
}


def _inside_brain(reading: _Reading) -> Finding:
    name = "inside_brain"
    if not reading.can_judge:
        return reading.not_checked(name)
    sites = int(reading.given.sum())
    inside = int(reading.inside_as_read[reading.given].sum())
    share = inside / sites if sites else 0.0
    numbers: dict[str, float | int | str] = {"sites": sites, "inside": inside, "inside_share": share}
    if not sites:
        return Finding(name, False, True, "No site has coordinates.", numbers)
    if share >= FEW_INSIDE:
        return Finding(name, False, True, f"{_of(inside, sites)} lie in the brain.", numbers)
    few = "No site lies" if not inside else f"Only {_of(inside, sites)} lie"
    sentence = f"{few} in the brain. Is {reading.frame.name} the frame of this file?"
    return Finding(name, False, False, sentence, numbers)


@dataclass(frozen=True)
class _Order:
    """A way to read the columns: which axis each of ap, dv, ml holds, and its sign."""

    source: tuple[int, int, int]
    sign: tuple[float, float, float]

    def name(self, xyz: Sequence[Axis]) -> str:
        """What the columns hold in the frame's own order, such as ``ML, DV, AP``."""
        held = [self.source.index(AXES.index(axis)) for axis in xyz]
        return ", ".join(("-" if self.sign[axis] < 0 else "") + AXES[axis].upper() for axis in held)


_AS_READ = _Order((0, 1, 2), (1.0, 1.0, 1.0))


def _orders(frame_: Frame) -> Iterator[_Order]:
    """The six orders of the axes and, away from the corner, AP or DV or both turned round.

    As read comes first, then what exchanges two axes, then three. From the corner a turned axis leaves the
    volume, and ML turned round cannot be told: the brain is nearly symmetric.
    """
    yield _AS_READ
    for source in ((2, 1, 0), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1)):
        yield _Order(source, _AS_READ.sign)
    if frame_.dv_from != "corner":
        for ap, dv in ((-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)):
            yield _Order(_AS_READ.source, (ap, dv, 1.0))


def _axis_order(reading: _Reading) -> Finding:
    """Another order of the axes, if it puts many more sites in the brain; it is named and never applied."""
    name = "axis_order"
    if not reading.can_judge:
        return reading.not_checked(name)
    rows = reading.raw[reading.told]
    if not len(rows):
        return Finding(name, False, True, "There are no coordinates to compare.", {"rows": 0})
    points_of = {_AS_READ: reading.as_read[reading.told]}
    inside_of = {_AS_READ: reading.inside_as_read[reading.told]}
    for order in _rivals(reading, rows, inside_of[_AS_READ]):
        points_of[order] = reading.points(rows[:, order.source] * np.array(order.sign))
        inside_of[order] = reading.inside(points_of[order])
    most = max(int(inside.sum()) for inside in inside_of.values())
    best, *as_good = (order for order, inside in inside_of.items() if int(inside.sum()) == most)
    as_read, with_best = inside_of[_AS_READ], inside_of[best]
    xyz = reading.frame.xyz
    numbers: dict[str, float | int | str] = {
        "rows": len(rows),
        "as_read": _AS_READ.name(xyz),
        "share_as_read": float(as_read.mean()),
        "best": best.name(xyz),
        "share_best": float(with_best.mean()),
    }
    said = f"Read as {_AS_READ.name(xyz)}, {_of(int(as_read.sum()), len(rows))} lie in the brain"
    wrong, wrong_best = ~as_read, ~with_best
    if as_read.mean() >= FEW_INSIDE:
        wrong = wrong & ~reading.above(points_of[_AS_READ])
        wrong_best = wrong_best & ~reading.above(points_of[best])
    recordings = reading.sites["recording_id"].filter(pl.Series(reading.told))
    if _many_more(wrong, wrong_best):
        hint = ""
    elif best.sign == _AS_READ.sign and _every_recording_agrees(recordings, as_read, with_best):
        gained = int(with_best.sum() - as_read.sum())
        hint = f" These are {gained:,} sites only, but no recording loses any."
    else:
        sentence = f"{said}; no other order of the axes is clearly better."
        return Finding(name, False, True, sentence, numbers)
    held = tuple(AXES[best.source.index(AXES.index(axis))] for axis in xyz)
    other = _frame_like(reading, held, 1.0) if best.sign == _AS_READ.sign else None
    remedy = f' (x, y, z in that order are the frame "{other}")' if other else ""
    alike = "".join(f", or {order.name(xyz)}, which puts as many there" for order in as_good[:1])
    sentence = (
        f"{said}; read as {best.name(xyz)}, {most:,} would ({_percent(most / len(rows))}).{hint} "
        f"Are the columns {best.name(xyz)}{remedy}{alike}? Nothing was exchanged."
    )
    return Finding(name, False, False, sentence, numbers)


def _rivals(reading: _Reading, rows: Floats, as_read: Bools) -> list[_Order]:
    """The other orders that may put more sites in the brain; a sample rules out those that are far behind.

    Of a million sites five orders in full take 3 s; mostly none is near.
    """
    rivals = list(_orders(reading.frame))[1:]
    if len(rows) <= 2 * _SAMPLE:
        return rivals
    some = np.random.default_rng(0).choice(len(rows), _SAMPLE, replace=False)
    shares = [
        reading.inside(reading.points(rows[some][:, order.source] * np.array(order.sign))).mean()
        for order in rivals
    ]
    best = max(*shares, as_read[some].mean())
    return [order for order, share in zip(rivals, shares, strict=True) if share >= best - _SAMPLE_ERROR]


def _many_more(wrong: Bools, wrong_best: Bools) -> bool:
    """Whether an order puts right at least half of the sites that lie wrong, and many of all."""
    before, after = int(wrong.sum()), int(wrong_best.sum())
    return before - after >= max(_A_FEW, _MANY_MORE * len(wrong)) and 2 * after <= before


def _every_recording_agrees(recordings: pl.Series, as_read: Bools, with_best: Bools) -> bool:
    """Whether an order brings most of the few sites outside inside, and no recording is against it."""
    before, after = int((~as_read).sum()), int((~with_best).sum())
    if before > _HARDLY_OUTSIDE * len(as_read) or before - after < _AGREEING_GAIN or 2 * after > before:
        return False
    gains = (
        pl.DataFrame({"of": recordings, "gain": with_best.astype(np.int64) - as_read.astype(np.int64)})
        .group_by("of")
        .sum()["gain"]
    )
    return int((gains < 0).sum()) == 0 and int((gains > 0).sum()) >= _RECORDINGS_GAINING


def _frame_like(reading: _Reading, xyz: Sequence[str], factor: float) -> str | None:
    """A known frame with the same map, but x, y, z in another order or numbers ``factor`` times as large."""
    wanted = reading.frame.affine.copy()
    wanted[:, :3] *= factor
    for other in reading.frames.values():
        same = other.dv_from == reading.frame.dv_from and tuple(other.xyz) == tuple(xyz)
        if same and np.allclose(other.affine, wanted, rtol=1e-9, atol=1e-9):
            return other.name
    return None


_GEOMETRY: tuple[Callable[[_Reading], Finding], ...] = (
    _missing_coordinates,
    _equal_columns,
    _zero_rows,
    _voxel_indices,
    _unit_of_numbers,
    _probe_plane,
    _outside_volume,
    _inside_brain,
    _axis_order,
)
"""The checks of one frame's sites, in the order of `CHECKS`."""


# --- Whose site it is ----------------------------------------------------------------------------------

_KEY = ["recording_id", "site_id"]


def duplicate_sites(sites: pl.DataFrame) -> Finding:
    """Sites that a file gives more than once. It blocks: there is no telling which row is meant."""
    name = "duplicate_sites"
    # Most have none, and to find that takes half the time of counting each.
    repeated = sites.filter(sites.select(_KEY).is_duplicated())
    twice = repeated.group_by(_KEY, maintain_order=True).len()
    rows = int(twice["len"].sum())
    numbers: dict[str, float | int | str] = {"sites": sites.height, "duplicated": twice.height, "rows": rows}
    if not twice.height:
        return Finding(name, False, True, "Every site is given once.", numbers)
    equal = rows - repeated.unique().height
    recording, site = twice.row(0)[:2]
    note = f" {equal:,} of these rows repeat another exactly." if equal else ""
    hint = (
        " Has the file a column that tells the sites of a recording apart? Name it site_id."
        if (twice["site_id"] == 0).all() and (sites["site_id"] == 0).all()
        else ""
    )
    sentence = (
        f"{counted(twice.height, 'site is', 'sites are')} given more than once ({rows:,} rows), "
        f"for example site {site} of recording {recording}.{note}{hint}"
    )
    return Finding(name, True, False, sentence, numbers)


def claimed_elsewhere(sites: pl.DataFrame, owners: pl.DataFrame) -> Finding:
    """Sites of this file that another source has already. They stay the other's; this file's others load.

    Args:
        sites: a table as ``recordings.read_sites`` gives it.
        owners: recording_id, site_id, source of the sites already stored; this file's own do not count.
    """
    name = "claimed_elsewhere"
    taken = _taken(sites, owners)
    numbers: dict[str, float | int | str] = {"sites": sites.height, "claimed": taken.height}
    if not taken.height:
        return Finding(name, False, True, "No other source has a site of this file.", numbers)
    files = taken.group_by("owner").len().sort("len", "owner", descending=[True, False])
    named = ", ".join(f"{owner} ({count:,})" for owner, count in files.head(_PAIRS).iter_rows())
    more = f" and {files.height - _PAIRS:,} more" if files.height > _PAIRS else ""
    recording, site = taken.row(0)[:2]
    sentence = (
        f"{_of(taken.height, sites.height)} are another source's already, which keeps them: {named}{more}. "
        f"One of them is site {site} of recording {recording}."
    )
    return Finding(name, False, False, sentence, numbers | {"files": files.height})


def claims(sites: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """recording_id, site_id, source of this file's sites that another source has, which it may not store.

    Arguments as for `claimed_elsewhere`.
    """
    return sites.join(_taken(sites, owners), on=_KEY, how="semi", maintain_order="left").select(
        *_KEY, "source"
    )


def _taken(sites: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """recording_id, site_id, owner of the sites that another source has."""
    others = owners.select(
        pl.col("recording_id").cast(pl.String), pl.col("site_id").cast(pl.Int32), owner=pl.col("source")
    )
    return (
        sites.select(*_KEY, "source")
        .join(others, on=_KEY, how="inner", maintain_order="left")
        .filter(pl.col("owner") != pl.col("source"))
        .unique(_KEY, keep="first", maintain_order=True)
        .drop("source")
    )


# --- Reported against computed -------------------------------------------------------------------------


def compared_regions(
    sites: pl.DataFrame, computed: pl.DataFrame, regions: pl.DataFrame, ancestors: pl.DataFrame
) -> pl.DataFrame:
    """The regions a file reports beside those computed in one atlas; take the finest that is loaded.

    A report agrees if it is the computed region or one that contains it. A report of outside (0, which is the
    value of a voxel without a region, or a word such as void) agrees with a site outside the brain or the
    volume. So does root, which some tools write for what they found in no region; and as root contains every
    region, it agrees with any. A negative id is the left side's in tools that tell the sides apart.

    Sites without a report (or with NA and the like for one), without coordinates or not yet computed are not
    compared. A report that is no
    region of the ontology is counted by itself.

    Args:
        sites: recording_id, site_id, reported_region.
        computed: recording_id, site_id, region_id (null outside), status, for one atlas.
        regions: region_id, acronym of the ontology.
        ancestors: region_id, ancestor_id: the closure, every region among its own ancestors.

    Returns:
        One row per site compared: ``said`` and ``got``, the regions in words; ``known``, the report is a
        region or outside; ``agrees``; ``equal``, it is the computed one.
    """
    both = _with_labels(sites, computed, regions)
    is_root = ancestors.group_by("region_id").len().filter(pl.col("len") == 1).select("region_id")
    outside = pl.col("status").is_in(["outside_brain", "outside_volume"])
    agrees = pl.col("contains") | (outside & (pl.col("says_outside") | pl.col("says_root")))
    closure = ancestors.select(
        pl.col("region_id").cast(pl.Int64), pl.col("ancestor_id").cast(pl.Int64), contains=pl.lit(value=True)
    )
    both = both.join(
        closure, left_on=["region_id", "said_id"], right_on=["region_id", "ancestor_id"], how="left"
    ).with_columns(
        pl.col("contains").fill_null(value=False),
        says_root=pl.col("said_id")
        .is_in(is_root["region_id"].cast(pl.Int64).to_list())
        .fill_null(value=False),
    )
    same = ((pl.col("said_id") == pl.col("region_id")) | outside).fill_null(value=False)
    return both.with_columns(agrees=agrees, equal=agrees & same)


def _with_labels(sites: pl.DataFrame, computed: pl.DataFrame, regions: pl.DataFrame) -> pl.DataFrame:
    """The sites to compare: what is said (said_id, says_outside, known, said), what is computed (got)."""
    acronyms = regions.select(pl.col("acronym"), acronym_id=pl.col("region_id").cast(pl.Int64))
    named = regions.select(pl.col("region_id").cast(pl.Int64), name=pl.col("acronym"))
    text = pl.col("reported_region").str.strip_chars()
    both = (
        sites.select(*_KEY, "reported_region")
        .filter(~text.str.to_lowercase().is_in(MISSING))  # null is neither
        .join(
            computed.select(
                pl.col("recording_id").cast(pl.String),
                pl.col("site_id").cast(pl.Int32),
                pl.col("region_id").cast(pl.Int64),
                "status",
            ),
            on=_KEY,
        )
        .filter(~pl.col("status").str.starts_with("invalid"))
        # An acronym goes before a number, should one ever look like one; "385.0" is what pandas makes of 385.
        .join(acronyms, left_on=text, right_on="acronym", how="left", coalesce=False)
    )
    number = text.str.extract(r"^-?(\d{1,18})(?:\.0*)?$").cast(pl.Int64)
    return (
        both.with_columns(
            said_id=pl.coalesce("acronym_id", number),
            says_outside=(number == 0).fill_null(value=False)
            | text.str.to_lowercase().is_in(_OUTSIDE_WORDS).fill_null(value=False),
        )
        .join(named.rename({"name": "said_name"}), left_on="said_id", right_on="region_id", how="left")
        .join(named.rename({"name": "got_name"}), on="region_id", how="left")
        .with_columns(
            known=pl.col("says_outside") | pl.col("said_name").is_not_null(),
            said=pl.coalesce("said_name", text),
            got=pl.coalesce("got_name", pl.col("region_id").cast(pl.String), "status"),
        )
    )


def commonest_differences(compared: pl.DataFrame) -> pl.DataFrame:
    """The ten commonest pairs that do not agree, the commonest first: reported, computed, sites.

    Args:
        compared: rows as `compared_regions` gives them, of one file or of several.
    """
    pairs = compared.filter(pl.col("known") & ~pl.col("agrees")).group_by("said", "got").len("sites")
    ordered = pairs.sort("sites", "said", "got", descending=[True, False, False]).head(_PAIRS)
    return ordered.rename({"said": "reported", "got": "computed"})


def reported_region(compared: pl.DataFrame) -> Finding:
    """How many reported regions of one file are the computed ones, or contain them.

    Args:
        compared: rows as `compared_regions` gives them.

    Returns:
        A finding that warns below 95 % agreement or if a report is unknown. Its sentence names the ten
        commonest differences.
    """
    if not compared.height:
        sentence = "No site has both a reported and a computed region."
        return Finding("reported_region", False, True, sentence, {"compared": 0, "unknown": 0})
    known, unknown = compared.filter(pl.col("known")), compared.filter(~pl.col("known"))
    equal = float(known["equal"].mean() or 0.0) if known.height else 0.0  # type: ignore[arg-type]
    agreeing = int(known["agrees"].sum())
    share = agreeing / known.height if known.height else 0.0
    numbers: dict[str, float | int | str] = {
        "compared": known.height,
        "agreeing": agreeing,
        "agreeing_share": share,
        "equal_share": equal,
        "unknown": unknown.height,
    }
    pairs = commonest_differences(compared)
    told = [f"{said} → {got}: {count:,}" for said, got, count in pairs.iter_rows()]
    parts = []
    if known.height:
        parts.append(
            f"Of {counted(known.height, 'reported region')} {_percent(equal)} are the computed region and "
            f"{_percent(share)} are it or contain it."
        )
    if told:
        parts.append(f"Commonest differences (reported → computed): {'; '.join(told)}.")
    if unknown.height:
        labels = unknown.group_by("said").len().sort("len", "said", descending=[True, False]).head(_PAIRS)
        listed = ", ".join(f"{said!r} ({count:,})" for said, count in labels.iter_rows())
        reports = counted(unknown.height, "report is", "reports are")
        parts.append(f"{reports} no region of the ontology: {listed}.")
    passed = not unknown.height and share >= _AGREE
    return Finding("reported_region", False, passed, " ".join(parts), numbers)


# --- Words ---------------------------------------------------------------------------------------------


def _of(count: int, total: int) -> str:
    return f"{count:,} of {counted(total, 'site')} ({_percent(count / total if total else 0.0)})"


def _percent(share: float) -> str:
    """A share as a percentage that says 0 and 100 only of none and all."""
    if 0.0 < share < 1.0:
        share = min(max(share, 0.001), 0.999)
    return f"{100 * share:.1f} %" if 0.0 < share < 1.0 else f"{100 * share:.0f} %"


def _inside(share: float, rows: int) -> str:
    sites = counted(rows, "site")
    return f"none of {sites} lies" if not share else f"only {_percent(share)} of {sites} lie"


def _unit(frame_: Frame) -> str:
    return _name(frame_.unit)


def _name(unit: str) -> str:
    return {"um": "µm", "mm": "mm", "m": "metres"}.get(unit, unit)
