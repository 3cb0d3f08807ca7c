"""What coordinates far from the brain might be: another frame, or another unit and order of the axes at once.

It works on a single point. With few points much fits, so everything that fits is named and nothing chosen;
what one change alone explains in a whole table is in units and axis_order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ccf_assets.ccf.frames.files import UNIT_UM
from ccf_assets.ccf.frames.maps import Floats, Frame
from ccf_assets.recordings.findings.axis_order import ORDERS
from ccf_assets.recordings.findings.reading import RIGHT_OTHERWISE, Bools, Reading, unit_name
from ccf_assets.recordings.findings.units import TINY_UM

_FAR_UM = (-1000.0, -500.0, 0.0, 500.0, 1000.0)
"""Steps along each axis: a point with no brain at any of them is far from the brain."""

_NEAR_UM = (-150.0, 0.0, 150.0)
"""Likewise: frames from bregma differ by so much in where it is, so that near the brain may be in it."""

_SAMPLE = 500
"""Sites that are looked at; of more, equally spaced ones."""

_FEW = 5
"""Of fewer sites all must lie in the brain or near it as they are read otherwise, of more at least half."""

_MOST = 4
"""Frames, and ways to read the columns, that are named."""


def otherwise(reading: Reading) -> str:
    """Other frames, and units with orders of the axes, that put sites far from the brain into it.

    Args:
        reading: the sites of one frame.

    Returns:
        A sentence; empty if the sites are not far from the brain, or nothing puts them there.
    """
    if not reading.can_judge or not reading.meaningful.any():
        return ""
    some = np.flatnonzero(reading.meaningful)
    some = some[:: -(-len(some) // _SAMPLE)]
    raw, as_read = reading.raw[some], reading.as_read[some]
    if not (tiny(reading.frame, raw) or _far(reading, as_read)):
        return ""
    what = {1: "it", 2: "both"}.get(len(some), "most")
    parts = []
    if frames := list(_frames(reading, raw)):
        parts.append(f"in the frame {_one_of(frames)}")
    for unit, orders in _ways(reading, raw).items():
        parts.append(f"in {unit} with the columns as {_one_of(orders)}" if orders else f"in {unit}")
    if not parts:
        return ""
    sample = " (of a sample)" if len(some) < int(reading.meaningful.sum()) else ""
    return f"Read {' or '.join(parts)}, {what}{sample} would lie in the brain."


def dv_reversed(reading: Reading) -> str:
    """That a point outside the brain would lie in it if its DV had the other sign, as depths are often given.

    From the corner a reversed axis leaves the volume. A table of sites is looked at as a whole (axis_order):
    the upper channels of a probe are above the brain.

    Args:
        reading: a single point.

    Returns:
        A sentence; empty if the point is in the brain, or is not in it with the other sign either.
    """
    if not reading.can_judge or not reading.meaningful.all() or reading.frame.dv_from == "corner":
        return ""
    other = next(order for order in ORDERS if order.sign == (1.0, -1.0, 1.0) and order.changes == 1)
    if reading.inside_as_read.any() or not reading.inside(reading.points(reading.raw * other.sign)).all():
        return ""
    return f'Read with the columns as "{other.name(reading.frame.xyz)}", it would lie in the brain.'


def _one_of(items: Sequence[str]) -> str:
    more = f" (or {len(items) - _MOST:,} more)" if len(items) > _MOST else ""
    return " or ".join(items[:_MOST]) + more


def tiny(frame: Frame, raw: Floats) -> bool:
    """Whether all sites lie so close to the frame's origin that they share a voxel, as mm read as µm do."""
    return float(np.abs(raw).max()) * UNIT_UM.get(frame.unit, np.inf) <= TINY_UM


def _far(reading: Reading, points: Floats) -> bool:
    """Whether most points have no brain within a millimetre along the axes."""
    return bool(_near(reading, points, _FAR_UM).mean() < 1 - RIGHT_OTHERWISE)


def _near(reading: Reading, points: Floats, steps_um: Sequence[float]) -> Bools:
    """Which points have brain at one of some steps along each axis."""
    near = np.zeros(len(points), dtype=np.bool_)
    for step in itertools.product(steps_um, repeat=3):
        near |= reading.inside(points + np.array(step))
    return near


def _fits(reading: Reading, points: Floats) -> bool:
    """Whether points are where sites would be: few in the brain or near it, many mostly in it."""
    share = float(reading.inside(points).mean())
    if share < RIGHT_OTHERWISE or len(points) >= _FEW:
        return share >= RIGHT_OTHERWISE
    from_bregma = reading.frame.dv_from != "corner"
    return share == 1.0 or (from_bregma and bool(_near(reading, points, _NEAR_UM).all()))


def _frames(reading: Reading, raw: Floats) -> Iterator[str]:
    """The known frames that put the sites into the brain, one of those that are the same map.

    The axes are taken by name, since a file may have columns ap, dv, ml, and by their place as x, y, z.
    """
    seen = {_map_of(reading.frame)}
    for name, frame in reading.frames.items():
        other = replace(reading, frame=frame)
        elsewhere = frame.space != reading.frame.space  # its numbers are of another brain
        if elsewhere or _map_of(frame) in seen or not other.can_place:
            continue
        axes = ("ap", "dv", "ml")
        by_place = [axes.index(reading.frame.xyz[frame.xyz.index(axis)]) for axis in axes]
        if tiny(frame, raw):
            continue
        if _fits(other, other.points(raw)) or _fits(other, other.points(raw[:, by_place])):
            seen.add(_map_of(frame))
            yield f'"{name}"'


def _map_of(frame: Frame) -> tuple[object, ...]:
    return (frame.dv_from, frame.coefficients, frame.xyz)


def _ways(reading: Reading, raw: Floats) -> dict[str, list[str]]:
    """Unit → the orders of the axes in which the sites lie in the brain, those with fewer changes first.

    If another unit alone puts them there, it has no orders, and no unit that needs another order is named.
    """
    own = UNIT_UM.get(reading.frame.unit)
    sizes = {unit_name(unit): size / own for unit, size in UNIT_UM.items()} if own else {}
    if own and reading.frame.dv_from == "corner":
        sizes |= {f"voxels of {edge:g} µm": edge / own for edge in reading.resolutions_um}
    turned = reading.frame.dv_from != "corner"  # from the corner, a reversed axis leaves the volume
    orders = sorted(
        (order for order in ORDERS if turned or order.sign == (1.0, 1.0, 1.0)),
        key=lambda order: order.changes,
    )
    found: dict[str, list[str]] = {}
    for order, (unit, factor) in itertools.product(orders, sizes.items()):
        scaled = raw[:, order.source] * np.array(order.sign) * factor
        if (factor != 1 or order.changes) and _fits(reading, reading.points(scaled)):
            found.setdefault(unit, []).append(f'"{order.name(reading.frame.xyz)}"')
    as_read = f'"{ORDERS[0].name(reading.frame.xyz)}"'
    alone: dict[str, list[str]] = {unit: [] for unit, names in found.items() if as_read in names}
    return alone or found
