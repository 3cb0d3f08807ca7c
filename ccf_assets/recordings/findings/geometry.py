"""Checks of coordinates: missing, equal or zero, in the plane of a probe, outside the volume or the brain."""

from __future__ import annotations

import itertools

import numpy as np

from ccf_assets.ccf.space import ALLEN_CCF, AXES
from ccf_assets.finding import Finding, Numbers, counted
from ccf_assets.recordings.findings.otherwise import otherwise
from ccf_assets.recordings.findings.reading import (
    FEW_INSIDE,
    RIGHT_OTHERWISE,
    Reading,
    of_total,
    percent,
)

_MANY_VALUES = 5
"""Two columns that agree in this many different values do not agree by chance."""

_FACE_UM = 25.0
"""Within this distance of a face of the volume there is no brain."""


def missing_coordinates(reading: Reading) -> Finding:
    """Sites without a coordinate, or with an infinite one."""
    empty = int(np.isnan(reading.raw).any(axis=1).sum())
    sites = reading.sites.height
    infinite = sites - empty - int(reading.given.sum())
    numbers: Numbers = {"sites": sites, "missing": empty, "infinite": infinite}
    if not empty + infinite:
        sentence = f"{counted(sites, 'site')}, none without coordinates."
        return Finding.passes("missing_coordinates", sentence, numbers)
    sentence = (
        f"{of_total(empty, sites)} lack a coordinate and {infinite:,} have one that is infinite or absurdly "
        f"large."
    )
    return Finding.warns("missing_coordinates", sentence, numbers)


def equal_columns(reading: Reading) -> Finding:
    """Two equal columns: one was lost upstream, and the other was written in its place."""
    rows = reading.raw[reading.meaningful]
    worst, share, values = ("", ""), 0.0, 0
    for one, other in itertools.combinations(range(3), 2):
        equal = rows[:, one] == rows[:, other]
        distinct = len(np.unique(rows[equal, one]))
        if distinct > 1 and equal.mean() > share:  # one value alone: a straight probe can have AP = ML
            worst, share, values = (AXES[one], AXES[other]), float(equal.mean()), distinct
    numbers: Numbers = {"rows": len(rows), "equal_share": share, "values": values}
    always = share == 1.0
    if not (always or (share >= RIGHT_OTHERWISE and values >= _MANY_VALUES)):
        return Finding.passes("equal_columns", "No two coordinates are the same.", numbers)
    numbers["columns"] = ", ".join(axis.upper() for axis in worst)
    one_name, other_name = (reading.columns[axis] for axis in worst)
    where = "in every row" if always else f"in {percent(share)} of the rows"
    sentence = (
        f"{one_name} equals {other_name} {where}: one of the two was lost, and the other was written twice. "
        f"Export the table again from its source."
    )
    finding = Finding.blocks if always and values >= _MANY_VALUES else Finding.warns
    return finding("equal_columns", sentence, numbers)


def zero_rows(reading: Reading) -> Finding:
    """Sites at 0, 0, 0."""
    zero, sites = int(reading.zero.sum()), reading.sites.height
    numbers: Numbers = {"sites": sites, "zero": zero, "zero_share": zero / sites}
    if not zero:
        return Finding.passes("zero_rows", "No site is at 0, 0, 0.", numbers)
    every = zero == sites
    sentence = (
        "Every site is at 0, 0, 0: the table holds no coordinates."
        if every
        else f"{of_total(zero, sites)} are at 0, 0, 0, which usually means a missing value: leave it empty."
    )
    # A single site at the origin of a frame may be intended: the surface at bregma. Several are not.
    meant = zero == 1 and reading.frame.dv_from != "corner"
    finding = Finding.blocks if every and not meant else Finding.warns
    return finding("zero_rows", sentence, numbers)


def probe_plane(reading: Reading) -> Finding:
    """Coordinates along a probe or from its entry point: one is 0, or negative, in every row."""
    name = "probe_plane"
    numbers: Numbers = {"rows": int(reading.meaningful.sum())}
    fine = Finding.passes(name, "The coordinates vary along every axis, as sites do.", numbers)
    if reading.frame.dv_from != "corner" or not reading.meaningful.any():
        return fine
    raw, points = reading.raw[reading.meaningful], reading.as_read[reading.meaningful]
    # A 0 is only wrong if it means a face of the volume: a lab's frame may have another origin on an axis.
    at_face = np.asarray(
        ((points < _FACE_UM) | (points > np.array(reading.extent_um) - _FACE_UM)).all(axis=0)
    )
    problems = []
    for column, axis in enumerate(AXES):
        values = raw[:, column]
        if not at_face[reading.frame.affine[:, column] != 0].any():
            continue
        if (values == 0).all():
            problems.append(f"{reading.columns[axis]} is 0 in every row")
        elif (values < 0).all():
            problems.append(f"{reading.columns[axis]} is negative in every row")
    if not problems:
        return fine
    sentence = (
        f"{' and '.join(problems)}. In the frame {reading.frame.name}, whose origin is the corner of the "
        f"volume, no site lies there. Coordinates in the plane of a probe, or from its entry, look like this."
    )
    return Finding.blocks(name, sentence, numbers | {"columns": len(problems)})


def outside_volume(reading: Reading) -> Finding:
    """Sites outside the volume of their space."""
    name = "outside_volume"
    if not reading.can_place:
        return reading.not_checked(name)
    points = reading.as_read[reading.given]
    low, high = (points < 0), (points >= np.array(reading.extent_um))
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
    numbers: Numbers = {"sites": len(points), "outside": outside, **counts}
    numbers["outside_share"] = outside / len(points) if len(points) else 0.0
    if not outside:
        return Finding.passes(name, "No site is outside the volume.", numbers)
    sides = ", ".join(f"{count:,} {_SIDES[side]}" for side, count in counts.items())
    every = outside == len(points)
    start = "Every site lies" if every else f"{of_total(outside, len(points))} lie"
    space = "the CCF" if reading.frame.space == ALLEN_CCF.name else reading.frame.space
    sentence = f"{start} outside the volume of {space}: {sides}."
    if every:
        wrong = " The frame or the columns are not what the file's settings say."
        return Finding.blocks(name, sentence + wrong, numbers)
    return Finding.warns(name, sentence, numbers)


_SIDES = {
    "anterior": "in front of it",
    "posterior": "behind it",
    "above": "above it (DV < 0)",
    "below": "below it",
    "left": "left of it",
    "right": "right of it",
}


def inside_brain(reading: Reading) -> Finding:
    """The share of the sites that lie in the brain."""
    name = "inside_brain"
    if not reading.can_judge:
        return reading.not_checked(name)
    sites = int(reading.given.sum())
    inside = int(reading.inside_as_read[reading.given].sum())
    share = inside / sites if sites else 0.0
    numbers: Numbers = {"sites": sites, "inside": inside, "inside_share": share}
    if not sites:
        return Finding.passes(name, "No site has coordinates.", numbers)
    if share >= FEW_INSIDE:
        return Finding.passes(name, f"{of_total(inside, sites)} lie in the brain.", numbers)
    few = "No site lies" if not inside else f"Only {of_total(inside, sites)} lie"
    sentence = f"{few} in the brain. Is {reading.frame.name} the frame of this file? {otherwise(reading)}"
    return Finding.warns(name, sentence.rstrip(), numbers)
