"""The check of the axes: does another order or sign of them put many more sites in the brain?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ccf_assets.ccf.frames.maps import Floats, Frame
from ccf_assets.ccf.space import AXES, Axis
from ccf_assets.finding import Finding, Numbers
from ccf_assets.recordings.findings.reading import FEW_INSIDE, Bools, Reading, frame_like, of_total, percent

if TYPE_CHECKING:  # as the command locate asks for no data frame
    import polars as pl

_MANY_MORE, _A_FEW = 0.15, 3
"""Another axis order is named if it moves this share of the sites, and this many, into the brain.

Sites above the brain do not count as long as most of the table is inside: the upper end of a probe is above
it, and an order that moves it inside proves nothing. (Of the 91 probes of the IBL, each alone in a file, 3
would get a wrong hint if they counted, and 1 gets one anyway.)
"""

_HARDLY_OUTSIDE, _AGREEING_GAIN, _RECORDINGS_GAINING = 0.03, 5, 2
"""It is also named if at most the first share is outside as read, and it moves this many sites into the
brain, in so many recordings.

No recording may lose any. A table with nearly all sites inside lists what was recorded in the brain, so a few
sites outside are significant: DANDI 000363 has 28 of 3,000 outside as read, 8 as ML, DV, AP. In a table of
whole probes they are not: 000253, which is correct, has 15 % outside, above the brain; ML, DV, AP seems
better for eight of its thirteen recordings and worse for five.
"""

_NEARLY = 0.05
"""An order with fewer changes is named first if it puts at most this share of the sites less in the brain."""

_SAMPLE, _SAMPLE_ERROR = 20_000, 0.05
"""Rows of a large table by which the axis orders far behind the best one are excluded. The odds that the
share in such a sample is wrong by half of the second number are 1 to 10^10."""


@dataclass(frozen=True)
class Order:
    """A way to read the columns: the axis that each of ap, dv, ml has, and its sign."""

    source: tuple[int, int, int]
    sign: tuple[float, float, float]

    def name(self, xyz: Sequence[Axis]) -> str:
        """What the columns x, y, z of the frame have, such as ``ML, DV, AP``."""
        held = [self.source.index(AXES.index(axis)) for axis in xyz]
        return ", ".join(("-" if self.sign[axis] < 0 else "") + AXES[axis].upper() for axis in held)

    @property
    def changes(self) -> int:
        """How many axes are elsewhere, and how many are reversed."""
        return sum(place != axis for axis, place in enumerate(self.source)) + self.sign.count(-1.0)


_AS_READ = Order((0, 1, 2), (1.0, 1.0, 1.0))


ORDERS: tuple[Order, ...] = tuple(
    Order(source, (ap, dv, 1.0))
    for source in ((0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1))
    for ap, dv in ((1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))
)
"""All orders of the axes with AP, DV or both reversed: those that exchange two axes before those of three."""


def _orders(frame: Frame) -> Iterator[Order]:
    """The six orders of the axes and, unless the origin is the corner, AP or DV or both reversed.

    The order as read comes first, then those that exchange two axes, then three. From the corner, a reversed
    axis leaves the volume. A reversed ML cannot be recognised: the brain is nearly symmetric.
    """
    yield from (order for order in ORDERS if order.sign == _AS_READ.sign)
    if frame.dv_from != "corner":
        yield from (order for order in ORDERS if order.source == _AS_READ.source and order != _AS_READ)


def axis_order(reading: Reading) -> Finding:
    """Another order of the axes that puts many more sites in the brain; it is named, never applied."""
    name = "axis_order"
    if not reading.can_judge:
        return reading.not_checked(name)
    rows = reading.raw[reading.meaningful]
    if not len(rows):
        return Finding.passes(name, "There are no coordinates to compare.", {"rows": 0})
    points_of = {_AS_READ: reading.as_read[reading.meaningful]}
    inside_of = {_AS_READ: reading.inside_as_read[reading.meaningful]}
    for order in _rivals(reading, rows, inside_of[_AS_READ]):
        points_of[order] = reading.points(rows[:, order.source] * np.array(order.sign))
        inside_of[order] = reading.inside(points_of[order])
    most = max(int(inside.sum()) for inside in inside_of.values())
    best, *as_good = (order for order, inside in inside_of.items() if int(inside.sum()) == most)
    if best != _AS_READ and (simpler := _simplest(inside_of, most)).changes < best.changes:
        best, as_good = simpler, [best]
    as_read, with_best = inside_of[_AS_READ], inside_of[best]
    xyz = reading.frame.xyz
    numbers: Numbers = {
        "rows": len(rows),
        "as_read": _AS_READ.name(xyz),
        "share_as_read": float(as_read.mean()),
        "best": best.name(xyz),
        "share_best": float(with_best.mean()),
    }
    start = f"Read as {_AS_READ.name(xyz)}, {of_total(int(as_read.sum()), len(rows))} lie in the brain"
    wrong, wrong_best = ~as_read, ~with_best
    if as_read.mean() >= FEW_INSIDE:
        wrong = wrong & ~reading.above(points_of[_AS_READ])
        wrong_best = wrong_best & ~reading.above(points_of[best])
    # A recording with several probes is as many of them: one NWB file can hold a whole study.
    import polars as pl

    probes = reading.sites.select(pl.struct("recording_id", "probe")).to_series()
    recordings = probes.filter(pl.Series(reading.meaningful))
    if _many_more(wrong, wrong_best):
        hint = ""
    elif best.sign == _AS_READ.sign and _every_recording_agrees(recordings, as_read, with_best):
        gained = int(with_best.sum() - as_read.sum())
        hint = f" These are only {gained:,} sites, but no recording loses any."
    else:
        sentence = f"{start}; no other order of the axes is clearly better."
        return Finding.passes(name, sentence, numbers)
    held = tuple(AXES[best.source.index(AXES.index(axis))] for axis in xyz)
    other = frame_like(reading, held, 1.0) if best.sign == _AS_READ.sign else None
    remedy = f' (x, y, z in that order are the frame "{other}")' if other else ""
    if best.sign != _AS_READ.sign:
        remedy = " (for a reversed axis write a frame of your own)"
    count = int(with_best.sum())
    alike = "".join(
        f", or {order.name(xyz)}, which puts {'as many' if count == most else f'{most:,}'} there"
        for order in as_good[:1]
    )
    sentence = (
        f"{start}; read as {best.name(xyz)}, {count:,} would ({percent(count / len(rows))}).{hint} "
        f"Are the columns {best.name(xyz)}{remedy}{alike}? No column was exchanged."
    )
    return Finding.warns(name, sentence, numbers)


def _simplest(inside_of: Mapping[Order, Bools], most: int) -> Order:
    """The order with fewest changes, of those that put nearly as many sites in the brain as the best one.

    A sign that is forgotten is far commoner than two columns exchanged, and a probe of a few sites fits both.
    """
    near = [
        order
        for order, inside in inside_of.items()
        if order != _AS_READ and int(inside.sum()) >= most - _NEARLY * len(inside)
    ]
    return min(near, key=lambda order: order.changes)


def _rivals(reading: Reading, rows: Floats, as_read: Bools) -> list[Order]:
    """The other orders that may put more sites in the brain; a sample excludes those that are far behind.

    Five orders of a million sites take 3 s in full; usually none is near.
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
    """Whether an order moves at least half of the sites outside into the brain, and many of all sites."""
    before, after = int(wrong.sum()), int(wrong_best.sum())
    return before - after >= max(_A_FEW, _MANY_MORE * len(wrong)) and 2 * after <= before


def _every_recording_agrees(recordings: pl.Series, as_read: Bools, with_best: Bools) -> bool:
    """Whether an order moves most of the few sites outside into the brain, and no recording loses any."""
    import polars as pl

    before, after = int((~as_read).sum()), int((~with_best).sum())
    if before > _HARDLY_OUTSIDE * len(as_read) or before - after < _AGREEING_GAIN or 2 * after > before:
        return False
    gains = (
        pl.DataFrame({"of": recordings, "gain": with_best.astype(np.int64) - as_read.astype(np.int64)})
        .group_by("of")
        .sum()["gain"]
    )
    return int((gains < 0).sum()) == 0 and int((gains > 0).sum()) >= _RECORDINGS_GAINING
