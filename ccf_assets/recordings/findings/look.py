"""All checks of a table of recording sites: what is wrong with it, in words and numbers.

Published tables of sites are often wrong: a column was lost and another written twice, voxel indices were
taken for µm, or axes were exchanged. Such a table gives regions without an error, so it is checked before it
is used. Nothing here changes a coordinate or chooses a frame. A finding says what was checked, what was
found, and what the user can do.

**Impossible tables are blocked, suspicious ones get a warning.** Impossible is what no experiment gives:

- ``equal_columns``: two coordinates are the same in every row (with five different values or more);
- ``zero_rows``: every row is 0, 0, 0;
- ``voxel_indices``, ``unit``: no site is in the brain as read, most are in another unit;
- ``probe_plane``: a coordinate from the corner of the volume is 0, or beyond the volume, in every row;
- ``outside_volume``: no site is inside the volume;
- ``duplicate_sites``: the file has one site twice, and it is unknown which row is meant.

Everything else is a warning: sites above the brain are common (a probe is longer than the brain is deep), a
coordinate can be missing, regions can differ at a border. A site without a valid place is kept, with its
status. Whether a file can be read at all is decided in recordings.files.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

import polars as pl

from ccf_assets.ccf.catalogue import CCF_RESOLUTIONS_UM
from ccf_assets.ccf.frames.files import named_frame
from ccf_assets.ccf.frames.maps import Frame
from ccf_assets.ccf.space import ALLEN_CCF
from ccf_assets.finding import Finding
from ccf_assets.recordings.findings.axis_order import axis_order
from ccf_assets.recordings.findings.claims import duplicate_sites
from ccf_assets.recordings.findings.geometry import (
    equal_columns,
    inside_brain,
    missing_coordinates,
    outside_volume,
    probe_plane,
    zero_rows,
)
from ccf_assets.recordings.findings.reading import InBrain, Reading, Surface
from ccf_assets.recordings.findings.units import unit_of_numbers, voxel_indices

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
        "duplicate_sites": "Sites that are in the file more than once",
        "claimed_elsewhere": "Sites that another file, or rows inserted by SQL, have already",
        "reported_region": "Reported regions that differ from the computed ones",
    }
)
"""Every check by name, and what it looks for."""


def site_findings(
    sites: pl.DataFrame,
    frames: Mapping[str, Frame],
    in_brain: InBrain | None = None,
    surface_y: Surface | None = None,
    sparse: str = "",
    *,
    extent_um: tuple[float, float, float] = ALLEN_CCF.extent_um,
    resolutions_um: tuple[float, ...] = CCF_RESOLUTIONS_UM,
) -> list[Finding]:
    """Check a table of sites for everything that can be decided from the table alone.

    Args:
        sites: a table as ``recordings.read_sites`` gives it, all in frames of one space.
        frames: the known frames.
        in_brain: the brain; without it the checks that need the brain pass, and say that they were not made.
        surface_y: the brain's surface, for frames whose dv is measured from it; likewise.
        sparse: a sentence that says which voxels ``in_brain`` looks at, if not at all.
        extent_um: size of the space along AP, DV, ML in µm.
        resolutions_um: the grids whose voxel indices are recognised.

    Returns:
        One finding per name from ``missing_coordinates`` to ``duplicate_sites``, in the order of `CHECKS`.
        In a table with several frames each is checked separately, and the sentence names it.
    """
    duplicates = duplicate_sites(sites)
    if sites.is_empty():
        nothing = "There are no sites."
        return [*(Finding.passes(name, nothing, {"sites": 0}) for name in _GEOMETRY), duplicates]
    by_frame = {
        str(name): [
            check(
                Reading(
                    part,
                    named_frame(str(name), frames),
                    frames,
                    in_brain,
                    surface_y,
                    extent_um,
                    resolutions_um,
                )
            )
            for check in _GEOMETRY.values()
        ]
        for (name,), part in sites.partition_by("frame", maintain_order=True, as_dict=True).items()
    }
    if not any(finding.blocking for finding in itertools.chain([duplicates], *by_frame.values())):
        by_frame = {name: list(map(_kept, findings)) for name, findings in by_frame.items()}
    geometry = [merged(list(by_frame), of_one) for of_one in zip(*by_frame.values(), strict=True)]
    if sparse:
        geometry = [_with_grid(finding, sparse) for finding in geometry]
    return [*geometry, duplicates]


def _kept(finding: Finding) -> Finding:
    """A finding of a table that is loaded, with what happens to the sites without a place."""
    if finding.passed or finding.name not in _WITHOUT_PLACE:
        return finding
    return replace(finding, sentence=f"{finding.sentence} They are kept without a region.")


def _with_grid(finding: Finding, sparse: str) -> Finding:
    """A finding that rests on which sites are in the brain, with which voxels were looked at."""
    if finding.passed or finding.name not in _IN_BRAIN:
        return finding
    return replace(finding, sentence=f"{finding.sentence} {sparse}")


def merged(names: Sequence[str], findings: Sequence[Finding], what: str = "frame") -> Finding:
    """The findings of several frames, or spaces, in one table as one."""
    if len(findings) == 1:
        return findings[0]
    by_name = list(zip(names, findings, strict=True))
    failed = [(name, each) for name, each in by_name if not each.passed]
    return Finding(
        findings[0].name,
        blocking=any(each.blocking for each in findings),
        passed=not failed,
        sentence=" ".join(f"In the {what} {name}: {each.sentence}" for name, each in failed or by_name),
        numbers={f"{name}_{key}": value for name, each in by_name for key, value in each.numbers.items()},
    )


_Check: TypeAlias = Callable[[Reading], Finding]

_GEOMETRY: Mapping[str, _Check] = MappingProxyType(
    {
        "missing_coordinates": missing_coordinates,
        "equal_columns": equal_columns,
        "zero_rows": zero_rows,
        "voxel_indices": voxel_indices,
        "unit": unit_of_numbers,
        "probe_plane": probe_plane,
        "outside_volume": outside_volume,
        "inside_brain": inside_brain,
        "axis_order": axis_order,
    }
)
"""The checks of the sites of one frame by name, in the order of `CHECKS`."""

_WITHOUT_PLACE = ("missing_coordinates", "outside_volume")
"""Checks whose sites have no place in the volume, and therefore no region."""

_IN_BRAIN = ("voxel_indices", "unit", "inside_brain", "axis_order")
"""Checks of which sites are in the brain."""
