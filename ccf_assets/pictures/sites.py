"""Recording sites on a plane: which are near it, where most of them are, and the colour of each recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.ccf.planes import PLANES, Orientation
from ccf_assets.ccf.voxel_grid import VoxelGrid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEAR_UM = 250.0
"""Sites at most so far from a plane are drawn on it, if no other distance is asked for."""

_COLOURS = (
    "#E6001A", "#0033CC", "#FFE100", "#000000", "#7A00B8",
    "#FF8C00", "#00E5FF", "#6B3A00", "#FF4FD8", "#FFFFFF",
)  # fmt: skip
"""Of recordings, the one with most sites first. A ring sets them off from what they lie on."""

_BRIGHT = {"#FFE100", "#00E5FF", "#FFFFFF"}
"""Those whose ring is dark."""

_OTHERS = "#555555"

_RING, _CORE = 11.0, 4.5
"""Areas of a site's ring and dot in square points: 3 pixels of colour in a ring of 1 pixel."""


_FEW, _FEW_LARGER = 50, 3
"""Up to so many dots on a plane are larger: a single one would be overlooked."""


@dataclass(frozen=True)
class Sites:
    """Recording sites.

    Attributes:
        points: shape (N, 3), float64: x, y, z in µm of the space; NaN where not known.
        recordings: shape (N,): the recording of each, or () for sites of none.
    """

    points: Floats
    recordings: Sequence[str] = ()


@dataclass(frozen=True)
class SitesOnPlane:
    """What of some sites is on a plane.

    Attributes:
        places: by name of a recording, the most sites first: shape (N, 2), µm across and down. Of more than
            ten recordings the last is all others, named with their number.
        colours: matplotlib's colour of each.
        far: how many sites of the volume are farther from the plane.
        outside: how many sites lie outside the volume, or nowhere.
    """

    places: Mapping[str, Floats]
    colours: Mapping[str, str]
    far: int
    outside: int


def fullest_um(points: Floats, orientation: Orientation, grid: VoxelGrid, within_um: float) -> float | None:
    """Where along its normal a plane has most sites within ``within_um``; None if none lies in the volume.

    It is their median in whole µm, or as near to that as all of them are still near the plane.
    """
    along = np.sort(points[grid.contains(points)][:, PLANES[orientation].normal])
    if not len(along):
        return None
    width = max(2 * within_um - 1, 0)  # a µm less, so that a whole µm is near all of them
    ends = np.searchsorted(along, along + width, "right")
    first = int((ends - np.arange(len(along))).argmax())
    near = along[first : ends[first]]
    least, most = near[-1] - within_um, near[0] + within_um
    if np.ceil(least) <= np.floor(most):
        least, most = np.ceil(least), np.floor(most)
    return float(np.clip(np.floor(np.median(near)), least, most))


def on_plane(
    sites: Sites, orientation: Orientation, position_um: float, grid: VoxelGrid, within_um: float
) -> SitesOnPlane:
    """The sites within ``within_um`` of a plane, projected on it along its normal."""
    axes = PLANES[orientation]
    there = grid.contains(sites.points)
    near = there & (np.abs(sites.points[:, axes.normal] - position_um) <= within_um)
    places = sites.points[near][:, [axes.columns, axes.rows]]
    found: dict[str, Floats] = {}
    others: dict[str, str] = {}
    if len(sites.recordings):
        codes: dict[str, int] = {}
        names = (sites.recordings[i] for i in np.flatnonzero(near).tolist())
        code = np.array([codes.setdefault(name, len(codes)) for name in names], np.intp)
        counts = np.bincount(code, minlength=len(codes))
        ordered = sorted(codes, key=lambda name: (-counts[codes[name]], name))
        own = ordered if len(ordered) <= len(_COLOURS) else ordered[: len(_COLOURS) - 1]
        found = {name: places[code == codes[name]] for name in own}
        if len(own) < len(ordered):
            rest = places[~np.isin(code, [codes[name] for name in own])]
            name = f"{len(ordered) - len(own)} other recordings"
            found[name], others[name] = rest, _OTHERS
    elif len(places):
        found = {"": places}
    colours = {**dict(zip(found, _COLOURS, strict=False)), **others}
    return SitesOnPlane(found, colours, int((there & ~near).sum()), int((~there).sum()))


def draw_sites(axes: Axes, found: SitesOnPlane, um_per_pixel: float) -> None:
    """Draw sites as small dots in rings.

    All rings are below all dots: otherwise the rings of a dense probe would cover its dots.
    """
    marks = {name: _marks(places, um_per_pixel) for name, places in found.places.items()}
    larger = _FEW_LARGER if sum(len(each[0]) for each in marks.values()) <= _FEW else 1
    for name, (across, down) in marks.items():
        ring = "#333333" if found.colours[name] in _BRIGHT else "white"
        axes.scatter(across, down, s=_RING * larger, color=ring, linewidths=0, zorder=4)
        core = axes.scatter(across, down, s=_CORE * larger, color=found.colours[name], linewidths=0, zorder=5)
        if name:
            core.set_label(name)


def _marks(places: Floats, um_per_pixel: float) -> Floats:
    """One mark of all the sites in a pixel: a hundred thousand would take seconds and megabytes."""
    across, down = (places // um_per_pixel).astype(np.int64).T
    pixels = np.unique(across << 32 | down)
    return (np.stack([pixels >> 32, pixels & 0xFFFFFFFF]) + 0.5) * um_per_pixel


def cells_of(found: SitesOnPlane, um_per_cell: float, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which cells of a grid over the plane have a site in them or beside them."""
    taken = np.zeros((shape[0] + 2, shape[1] + 2), bool)
    for places in found.places.values():
        column, row = (places // um_per_cell).astype(np.intp).T
        for i in range(3):
            for j in range(3):
                taken[np.minimum(row, shape[0] - 1) + i, np.minimum(column, shape[1] - 1) + j] = True
    return taken[1:-1, 1:-1]
