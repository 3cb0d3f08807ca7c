"""The phantom: an analytic brain on the CCF's grids, with a small ontology of real ids. Never the atlas.

It stands in for the Allen Institute's files where those cannot or should not be used: hermetic tests, the
offline demonstration, loads at 10 µm. So it has what makes the real files hard: ids beyond 16 bits and beyond
float32, acronyms that differ by case only, regions that own no voxel while their layers do, left and right
that differ, three axes of different length, a brain stem cut off by the end of the volume.

The shape is defined once, in ``paint``: two hemispheres in layers of normalised depth, and ellipsoids painted
over them. Points (``region_at``) and volumes (``planes``) both use it. This module is plain numpy.

Not here: the files (volume, ontology).
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccf_assets.ccf.phantom.ontology import STRUCTURES
from ccf_assets.ccf.space import EXTENT_UM, MIDLINE_UM

Floats: TypeAlias = NDArray[np.float32]

Ids: TypeAlias = NDArray[np.uint32]

_POINTS_AT_ONCE = 65_536
"""Points painted together: 256 KB for a float32 array, so that the work stays in the processor's cache."""

_ID_OF = {s.acronym: int(s.id) for s in STRUCTURES}

_LAYERS = (("1", 0.0), ("2/3", 0.045), ("4", 0.10), ("5", 0.18), ("6a", 0.23), ("6b", 0.28))
"""Cortical layers and the normalised depth each begins at.

Layer 4 of VISp holds all of 500–700 µm below the surface, so that a site 500 µm deep is in it at 100 µm too.
"""

_CORTEX = (0.0, 0.295)

_CORE = (0.33, 1.0)
"""Normalised depths of cortex and core; the white matter (fiber tracts) lies between them."""

_CORE_ACRONYM = "CNU"

_LAYERED = ("VISp", "VIS")
"""Areas whose voxels belong to their layers, never to themselves. The others own their whole thickness."""


class _Area(NamedTuple):
    """A cortical area: an ellipse on the map of AP and distance from the midline, in µm."""

    acronym: str
    centre: tuple[int, int]
    radii: tuple[int, int]


_AREAS = (
    _Area("SSp", (6600, 3000), (20_000, 20_000)),
    _Area("MOp", (2500, 0), (3900, 4200)),
    _Area("RSP", (8600, 0), (2800, 950)),
    _Area("VISa", (7200, 1900), (900, 1100)),
    _Area("AUD", (7600, 4400), (1100, 1000)),
    _Area("VIS", (8900, 2500), (1600, 1600)),
    _Area("VISli", (8700, 3900), (700, 350)),
    _Area("VISp", (8850, 2450), (1150, 1150)),
)
"""Later areas cover earlier ones; the first is everywhere."""

_AREAS_FURTHER_BACK_ON_THE_RIGHT_UM = 150


def _level_of_depth(depth: float) -> float:
    return (1.0 - depth) * (1.0 - depth)


def _layer_ids(layer: str) -> Ids:
    """Region id of ``layer`` in every area, shape (areas,)."""
    return np.array(
        [_ID_OF[a.acronym + layer if a.acronym in _LAYERED else a.acronym] for a in _AREAS], np.uint32
    )


_LAYER_PAINT = tuple((_level_of_depth(start), _layer_ids(layer)) for layer, start in _LAYERS)


def _per_side(z: Floats, left: float, right: float) -> Floats:
    """``left`` or ``right`` by the hemisphere of z, in z's shape."""
    chosen: Floats = np.where(z < MIDLINE_UM, np.float32(left), np.float32(right))
    return chosen


def _from_centre(values: Floats, centre: float, radius: float) -> Floats:
    """Signed distance from ``centre`` in units of ``radius``. Scalars are float32, or numpy 1 would widen."""
    scaled: Floats = (values - np.float32(centre)) / np.float32(radius)
    return scaled


def _level_xz(x: Floats, z: Floats) -> Floats:
    """The part of a hemisphere's level that AP and ML decide; the right hemisphere is the wider one."""
    ap = np.abs(_from_centre(x, 5700, 4400))
    # A brain is narrow in front: the axis nears the midline there and the sides follow it.
    in_front = np.minimum(_from_centre(x, 8200, 8200), np.float32(0))
    width = np.float32(1) - np.float32(0.6) * in_front * in_front
    outwards = np.abs(z - np.float32(MIDLINE_UM)) - np.float32(2000) * width
    lateral = outwards / (_per_side(z, 2950, 3100) * width)
    # Rounder towards the midline than at the sides: a fissure between the hemispheres, and flat flanks.
    medial = outwards / np.float32(3600)
    level: Floats = ap * ap * ap + np.where(
        outwards < 0, medial * medial, lateral * lateral * np.abs(lateral)
    )
    return level


def _level_y(y: Floats) -> Floats:
    """The part of a hemisphere's level that DV decides."""
    above, below = _from_centre(y, 3600, 3000), _from_centre(y, 3600, 2800)
    level: Floats = np.where(above < 0, above * above, below * below)
    return level


def _cortical_area(x: Floats, z: Floats) -> NDArray[np.uint8]:
    """Index into ``_AREAS`` of the cortical column at (x, z)."""
    ap = x - _per_side(z, 0, _AREAS_FURTHER_BACK_ON_THE_RIGHT_UM)
    ml = np.abs(z - np.float32(MIDLINE_UM))
    index = np.zeros(np.broadcast_shapes(x.shape, z.shape), np.uint8)
    for i, area in enumerate(_AREAS):
        along, across = (
            _from_centre(c, *of)
            for c, of in zip((ap, ml), zip(area.centre, area.radii, strict=True), strict=True)
        )
        index[along * along + across * across < 1] = i
    return index


class _Solid(NamedTuple):
    """An ellipsoid of one region; with ``depth`` only its part in that range of the hemispheres' depth.

    Attributes:
        acronym: the region.
        centre: AP, DV, ML in µm.
        radii: AP, DV, ML in µm.
        depth: normalised depths between which it is painted.
    """

    acronym: str
    centre: tuple[int, int, int]
    radii: tuple[int, int, int]
    depth: tuple[float, float] | None = None


_BEHIND = (_Solid("root", (9000, 4800, 5700), (3700, 1900, 2500)),)
"""Painted before the hemispheres: tissue of no named region that fills gaps, as in the official volume."""

_CA1 = (0.33, 0.45)

_CA3 = (0.45, 0.60)

_SOLIDS = (
    _Solid("OLF", (1900, 3700, 4900), (1450, 1100, 850)),
    _Solid("OLF", (1900, 3700, 6500), (1450, 1100, 850)),
    _Solid("OLF", (5000, 7600, 5700), (9000, 3200, 12_000), _CORTEX),
    _Solid("RHP", (9300, 4900, 3000), (1500, 1500, 2400), _CORTEX),
    _Solid("RHP", (9300, 4900, 8500), (1500, 1500, 2500), _CORTEX),
    _Solid("CP", (4900, 3500, 3500), (2100, 1900, 1500), _CORE),
    _Solid("CP", (5050, 3500, 8000), (2250, 2000, 1650), _CORE),
    _Solid("VL", (5500, 2700, 4800), (1300, 900, 180), _CORE),
    _Solid("VL", (5600, 2700, 6640), (1400, 1000, 280), _CORE),
    _Solid("TH", (7100, 3900, 5700), (1550, 1500, 2500)),
    _Solid("CM", (6900, 4300, 5800), (600, 220, 500)),
    _Solid("HY", (6900, 5700, 5700), (1900, 1050, 1400)),
    _Solid("VS", (6900, 4800, 5700), (700, 1200, 60)),
    _Solid("CA1", (7900, 2300, 3500), (1700, 1500, 2200), _CA1),
    _Solid("CA1", (7900, 2300, 7950), (1750, 1500, 2250), _CA1),
    _Solid("CA1", (8400, 3700, 2600), (1000, 1700, 1300), _CA1),
    _Solid("CA1", (8400, 3700, 8900), (1000, 1700, 1300), _CA1),
    _Solid("CA3", (7700, 2600, 3100), (1400, 1700, 1700), _CA3),
    _Solid("CA3", (7700, 2600, 8350), (1450, 1700, 1750), _CA3),
    _Solid("DG", (7900, 2200, 4500), (1300, 1100, 1000), _CA3),
    _Solid("DG", (7900, 2200, 6900), (1300, 1100, 1000), _CA3),
    _Solid("ProS", (8900, 3400, 4300), (500, 1500, 700), _CA1),
    _Solid("ProS", (8900, 3400, 7150), (550, 1500, 800), _CA1),
    _Solid("MB", (9300, 3900, 5700), (1300, 1600, 1750)),
    _Solid("P", (9700, 5700, 5700), (1500, 1200, 1800)),
    _Solid("MY", (11_900, 5400, 5700), (2500, 1200, 1900)),
    _Solid("CBX", (11_100, 2950, 5700), (1550, 1650, 3300)),
    _Solid("CBX", (11_200, 3900, 2800), (850, 900, 850)),
    _Solid("CBX", (11_250, 3900, 8700), (950, 900, 950)),
    _Solid("CB", (11_100, 3300, 5700), (950, 850, 2300)),
    _Solid("CUL4, 5", (10_400, 2500, 5750), (750, 1100, 900)),
    _Solid("VS", (11_000, 4350, 5700), (900, 180, 500)),
    _Solid("cm", (7000, 6450, 4600), (2200, 200, 200)),
    _Solid("cm", (7000, 6450, 6850), (2400, 200, 240)),
)
"""Painted over the hemispheres in this order. Pairs are never mirror images: a flip must not go unseen."""


class _Where(NamedTuple):
    """The points of a grid or a list, as float32 arrays that broadcast, and their levels in the hemisphere.

    Attributes:
        x: AP in CCF µm, shape (1, n).
        y: DV, shape (m, 1) for a grid or (1, n) for points.
        z: ML, shape (1, 1) for a grid or (1, n) for points.
        level_xz: what AP and ML give to the hemisphere's level, shape (1, n).
        level_y: what DV gives to it, shape of y.
    """

    x: Floats
    y: Floats
    z: Floats
    level_xz: Floats
    level_y: Floats


_Window: TypeAlias = tuple[slice, slice]


def _window(level_xz: Floats, level_y: Floats) -> _Window | None:
    """The rows and columns outside which ``level_y + level_xz`` exceeds 1, or None if it does everywhere.

    This is what makes planes fast: a solid costs nothing outside its own bounding box.
    """
    columns = np.flatnonzero((level_xz <= 1).any(axis=0))
    if not columns.size:
        return None
    rows = np.flatnonzero((level_y + level_xz.min() <= 1).any(axis=1))
    if not rows.size:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _sum_within(window: _Window, level_xz: Floats, level_y: Floats) -> Floats:
    """``level_y + level_xz`` broadcast within the window; an axis of length 1 stands for all of it."""
    rows, columns = window
    return level_xz[:, columns] + (level_y[rows] if level_y.shape[1] == 1 else level_y[:, columns])


def _paint_hemispheres(region: Ids, at: _Where) -> None:
    window = _window(at.level_xz, at.level_y)
    if window is None:
        return
    inside = region[window]
    level = _sum_within(window, at.level_xz, at.level_y)
    area = _cortical_area(at.x, at.z)[:, window[1]]
    # From the surface inwards: each coat covers all that lies deeper, the next one covers its part of it.
    for start, ids in _LAYER_PAINT:
        np.copyto(inside, ids[area], where=level <= start)
    for start, acronym in ((_CORTEX[1], "fiber tracts"), (_CORE[0], _CORE_ACRONYM)):
        np.copyto(inside, np.uint32(_ID_OF[acronym]), where=level <= _level_of_depth(start))


def _paint_solid(region: Ids, at: _Where, solid: _Solid) -> None:
    ap, dv, ml = (
        _from_centre(c, centre, radius)
        for c, centre, radius in zip((at.x, at.y, at.z), solid.centre, solid.radii, strict=True)
    )
    solid_xz, solid_y = ap * ap + ml * ml, dv * dv
    window = _window(solid_xz, solid_y)
    if window is None:
        return
    inside = _sum_within(window, solid_xz, solid_y) <= 1
    if solid.depth is not None:
        level = _sum_within(window, at.level_xz, at.level_y)
        start, end = solid.depth
        inside &= level <= _level_of_depth(start)
        inside &= level > _level_of_depth(end)
    region[window][inside] = _ID_OF[solid.acronym]


def paint(x: Floats, y: Floats, z: Floats) -> Ids:
    """The region of every point of a grid or a list: the one place that says what lies where.

    Every number comes from the same float32 operations in the same order whatever the shapes, so a voxel of a
    volume and a point asked for on its own agree to the last bit.

    Args:
        x: AP in CCF µm, inside the volume, shape (1, n).
        y: DV, shape (m, 1) for a grid or (1, n) for points.
        z: ML, shape (1, 1) for a grid or (1, n) for points.

    Returns:
        Region ids of the three shapes broadcast, 0 outside the brain.
    """
    at = _Where(x, y, z, _level_xz(x, z), _level_y(y))
    region = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.uint32)
    for solid in _BEHIND:
        _paint_solid(region, at, solid)
    _paint_hemispheres(region, at)
    for solid in _SOLIDS:
        _paint_solid(region, at, solid)
    return region


def region_at(x_um: ArrayLike, y_um: ArrayLike, z_um: ArrayLike) -> Ids:
    """The phantom's region at points.

    Args:
        x_um: AP in µm from the corner of the volume, towards posterior.
        y_um: DV in µm, towards ventral.
        z_um: ML in µm, towards the right; the midline is at 5700.

    Returns:
        uint32 region ids of the three shapes broadcast; 0 outside the brain, outside the volume and for NaN.
        A coordinate counts to the nearest of float32, about 1 nm.
    """
    points = np.broadcast_arrays(*(np.asarray(c, np.float64) for c in (x_um, y_um, z_um)))
    within = np.ones(points[0].shape, np.bool_)
    for coordinate, extent in zip(points, EXTENT_UM, strict=True):
        within &= (coordinate >= 0) & (coordinate < extent)  # NaN is in no range
    x, y, z = (coordinate[within].astype(np.float32)[np.newaxis] for coordinate in points)
    found = np.empty(x.shape[1], np.uint32)
    for start in range(0, found.size, _POINTS_AT_ONCE):
        some = slice(start, start + _POINTS_AT_ONCE)
        found[some] = paint(x[:, some], y[:, some], z[:, some])[0]
    region = np.zeros(within.shape, np.uint32)
    region[within] = found
    return region
