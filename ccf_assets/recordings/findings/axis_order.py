"""The check of axes: another order or sign of them that puts many more sites in the brain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ccf_assets.ccf.frames.maps import Floats, Frame
from ccf_assets.ccf.space import AXES, Axis
from ccf_assets.finding import Finding, Numbers
from ccf_assets.recordings.findings.reading import FEW_INSIDE, Bools, Reading, frame_like, of_total, percent

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


def axis_order(reading: Reading) -> Finding:
    """Another order of the axes, if it puts many more sites in the brain; it is named and never applied."""
    name = "axis_order"
    if not reading.can_judge:
        return reading.not_checked(name)
    rows = reading.raw[reading.told]
    if not len(rows):
        return Finding.passes(name, "There are no coordinates to compare.", {"rows": 0})
    points_of = {_AS_READ: reading.as_read[reading.told]}
    inside_of = {_AS_READ: reading.inside_as_read[reading.told]}
    for order in _rivals(reading, rows, inside_of[_AS_READ]):
        points_of[order] = reading.points(rows[:, order.source] * np.array(order.sign))
        inside_of[order] = reading.inside(points_of[order])
    most = max(int(inside.sum()) for inside in inside_of.values())
    best, *as_good = (order for order, inside in inside_of.items() if int(inside.sum()) == most)
    as_read, with_best = inside_of[_AS_READ], inside_of[best]
    xyz = reading.frame.xyz
    numbers: Numbers = {
        "rows": len(rows),
        "as_read": _AS_READ.name(xyz),
        "share_as_read": float(as_read.mean()),
        "best": best.name(xyz),
        "share_best": float(with_best.mean()),
    }
    said = f"Read as {_AS_READ.name(xyz)}, {of_total(int(as_read.sum()), len(rows))} lie in the brain"
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
        return Finding.passes(name, sentence, numbers)
    held = tuple(AXES[best.source.index(AXES.index(axis))] for axis in xyz)
    other = frame_like(reading, held, 1.0) if best.sign == _AS_READ.sign else None
    remedy = f' (x, y, z in that order are the frame "{other}")' if other else ""
    alike = "".join(f", or {order.name(xyz)}, which puts as many there" for order in as_good[:1])
    sentence = (
        f"{said}; read as {best.name(xyz)}, {most:,} would ({percent(most / len(rows))}).{hint} "
        f"Are the columns {best.name(xyz)}{remedy}{alike}? Nothing was exchanged."
    )
    return Finding.warns(name, sentence, numbers)


def _rivals(reading: Reading, rows: Floats, as_read: Bools) -> list[_Order]:
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
