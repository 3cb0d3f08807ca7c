"""Checks of units: voxel indices instead of micrometres, and other units than that of the frame."""

from __future__ import annotations

import numpy as np

from ccf_assets.ccf.frames.files import UNIT_UM
from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.finding import Finding, Numbers
from ccf_assets.recordings.findings.reading import (
    RIGHT_OTHERWISE,
    WRONG_AS_READ,
    Reading,
    frame_like,
    frame_unit,
    inside_words,
    percent,
    unit_name,
)

TINY_UM = 20.0
"""Sites that all lie this close to the origin share one voxel: so do millimetres in a frame of µm."""

_HALF_BRAIN_UM = 5_000.0
"""Typical distance of a site from bregma, or from the corner, to within a factor of a few."""


def voxel_indices(reading: Reading) -> Finding:
    """Numbers that fit in a grid and, taken as indices of its voxels, lie in the brain."""
    name = "voxel_indices"
    rows = reading.raw[reading.meaningful]
    whole = bool((rows == np.floor(rows)).all())
    fitting = [r for r in reading.resolutions_um if _fits(rows, r, reading.extent_um)]
    numbers: Numbers = {"rows": len(rows), "whole_numbers": int(whole)}
    nothing = Finding.passes(name, "The numbers do not look like voxel indices.", numbers)
    if not (len(rows) and fitting):
        return nothing
    if not reading.can_judge:
        # Without the brain, only whole numbers in a frame of µm from the corner can be recognised: the part
        # of the volume with such small coordinates is empty.
        if not (whole and reading.frame.dv_from == "corner" and reading.frame.unit == "um"):
            return nothing
        best = max(fitting)
        sentence = (
            f"All coordinates are whole numbers within the {best:g} µm grid, "
            f"{_shape(best, reading.extent_um)}: they look like voxel indices, "
            f"not like {frame_unit(reading.frame)} of the frame {reading.frame.name}."
        )
        return Finding.warns(name, sentence, numbers | {"resolution_um": best})
    half = 0.5 if whole else 0.0  # the centre of a voxel is half a voxel from its index
    share_of = {r: float(reading.inside((rows + half) * r).mean()) for r in fitting}
    best = max(share_of, key=lambda r: share_of[r])
    numbers |= {
        "resolution_um": best,
        "share_as_read": reading.share_inside,
        "share_as_indices": share_of[best],
    }
    if reading.share_inside > WRONG_AS_READ or share_of[best] < RIGHT_OTHERWISE:
        return nothing
    what = f"voxel indices of the {best:g} µm grid" if whole else f"voxels of {best:g} µm, with fractions"
    sentence = (
        f"The numbers look like {what}, not like {frame_unit(reading.frame)} of the frame "
        f"{reading.frame.name}: as read {inside_words(reading.share_inside, len(rows))} in the brain, "
        f"multiplied by {best:g} µm {percent(share_of[best])} do. Convert the file, or add a frame with "
        f"unit_um = {best:g} to frames.toml."
    )
    finding = Finding.blocks if reading.share_inside == 0.0 else Finding.warns
    return finding(name, sentence, numbers)


def _fits(rows: Floats, resolution_um: float, extent_um: tuple[float, ...]) -> bool:
    return bool(((rows >= 0) & (rows * resolution_um < np.array(extent_um))).all())


def _shape(resolution_um: float, extent_um: tuple[float, ...]) -> str:
    return " × ".join(f"{extent / resolution_um:.0f}" for extent in extent_um)


def unit_of_numbers(reading: Reading) -> Finding:
    """Numbers in another of the units µm, mm and m than the one the frame has."""
    name = "unit"
    own = UNIT_UM.get(reading.frame.unit)
    rows = reading.raw[reading.meaningful]
    if own is None:
        return Finding.passes(name, f"Not checked: the frame has a unit of its own ({reading.frame.unit}).")
    unit = frame_unit(reading.frame)
    numbers: Numbers = {"rows": len(rows), "unit": reading.frame.unit}
    nothing = Finding.passes(name, f"Values fit {unit}.", numbers)
    largest_um = float(np.abs(rows).max(initial=0.0)) * own
    numbers["largest_um"] = largest_um
    tiny = largest_um <= TINY_UM
    others = {other: size / own for other, size in UNIT_UM.items() if size != own}
    # A unit in which all sites still share one voxel explains nothing, such as metres read as mm.
    others = {other: factor for other, factor in others.items() if largest_um * factor > TINY_UM}
    if not others:
        return nothing
    if not reading.can_judge:
        huge = float(np.median(np.abs(rows).max(axis=1))) * own > 2 * max(reading.extent_um)
        # The unit in which the farthest site is nearest to half a brain away.
        likely = min(others, key=lambda o: abs(np.log(largest_um * others[o] / _HALF_BRAIN_UM)))
        if not (tiny or huge) or largest_um * others[likely] > 2 * max(reading.extent_um):
            return nothing
        sentence = (
            f"The numbers are too small or too large for {unit} in a brain; they look like "
            f"{unit_name(likely)}. "
            f"If so, {_remedy(reading, likely, others[likely])}."
        )
        return Finding.warns(name, sentence, numbers | {"looks_like": likely})
    numbers["share_as_read"] = reading.share_inside
    # No other unit is tried if many sites are in the brain as read.
    others = others if reading.share_inside <= WRONG_AS_READ or tiny else {}
    share_of = {o: float(reading.inside(reading.points(rows * f)).mean()) for o, f in others.items()}
    likely = max(share_of, key=lambda o: share_of[o], default="")
    if not likely or share_of[likely] < RIGHT_OTHERWISE:
        return nothing
    numbers[f"share_as_{likely}"] = share_of[likely]
    reason = (
        f"all sites lie within {largest_um:.3g} µm of the origin"
        if tiny
        else f"as read {inside_words(reading.share_inside, len(rows))} in the brain"
    )
    sentence = (
        f"The numbers look like {unit_name(likely)}, not like {unit} of the frame {reading.frame.name}: "
        f"{reason}, and in {unit_name(likely)} {percent(share_of[likely])} lie in the brain. "
        f"If so, {_remedy(reading, likely, others[likely])}."
    )
    several = len(np.unique(rows, axis=0)) > 1
    blocking = reading.share_inside == 0.0 or (tiny and several)
    finding = Finding.blocks if blocking else Finding.warns
    return finding(name, sentence, numbers | {"looks_like": likely})


def _remedy(reading: Reading, unit: str, factor: float) -> str:
    """What to do with numbers in another unit, which times ``factor`` are in the unit of the frame."""
    fitting = frame_like(reading, reading.frame.xyz, factor)
    if fitting:
        return f'write frame = "{fitting}"'
    return f"multiply them by {factor:g}, or add a frame in {unit_name(unit)} to frames.toml"
