"""``xyz_picks.json``: points traced along a probe. One name, two conventions.

- The IBL's (iblapps, load_data_local.py; ibl-alignment-gui): ML, AP, DV in µm from bregma.
- AP_histology's export (petersaj/AP_histology, export_ibl_probe.m): AP, ML, DV in mm from its bregma, with
  the signs of the CCF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.ibl import IBL_UM
from ccf_assets.ccf.frames.maps import Floats, ap_dv_ml, to_ccf
from ccf_assets.ccf.space import ALLEN_CCF, XYZ
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats.json_file import point, read_json
from ccf_assets.recordings.formats.probe import geometry_beside, probe_of
from ccf_assets.recordings.formats.tracks import track_table

LARGEST_BYTES = 10_000_000
"""A track has tens of points."""

AP_HISTOLOGY = "ap_histology"
"""The frame of the convention that is not that of the IBL."""

_FILE = re.compile(r".*xyz_picks(?:_shank_?(?P<shank>\d{1,9}))?\.json", re.IGNORECASE)

_SIZES = {AP_HISTOLOGY: (0.1, 20.0), IBL_UM: (20.0, float("inf"))}
"""What the largest coordinate can be: in mm no brain is beyond 20, and in µm no track ends nearer than 20."""

_ABOVE_BREGMA_MM = 0.5
"""The volume reaches 0.33 mm above bregma: what is deeper than this by its number cannot be a height."""

_MARGIN_UM = 2000.0
"""How far out of the volume a point may lie: people trace beyond the brain, but no track lies beside it."""


def find(listing: Listing) -> Iterator[Found]:
    """Each file: a shank has a track of its own. The geometry beside one file alone is that of its probe."""
    names = sorted(name for name in listing.files if _FILE.fullmatch(name))
    for name in names:
        yield Found(name, geometry_beside(listing) if len(names) == 1 else ())


def read(source: Source, settings: FileSettings) -> Table:
    """The points of a track, and the contacts of its probe where a file of probeinterface lies beside it.

    Raises:
        CcfError: the file is not of this form; or it does not show which of the two conventions it has, and
            the settings do not say its frame.
    """
    content = read_json(source.path)
    picks = content.get("xyz_picks") if isinstance(content, dict) else None
    if not isinstance(picks, list) or not picks:
        raise CcfError(f"{source.path} has no list xyz_picks of points [x, y, z].")
    xyz = np.array(
        [point(each, f"{source.path}, point {row}") for row, each in enumerate(picks)], dtype=np.float64
    )
    frame = None if settings.frame else _convention(source, xyz, settings)
    match = _FILE.fullmatch(source.path.name)
    return track_table(
        source,
        xyz,
        frame,
        known=settings.frame or frame,
        axes=XYZ,
        probe=probe_of(source),
        geometry=next(iter(source.paths[1:]), None),
        shank=int(match["shank"]) if match and match["shank"] else None,
    )


def _convention(source: Source, xyz: Floats, settings: FileSettings) -> str:
    """The frame of the one convention that the numbers can have.

    Raises:
        CcfError: they can have both or neither.
    """
    known = xyz[np.isfinite(xyz).all(axis=1)]
    possible = [frame for frame in (IBL_UM, AP_HISTOLOGY) if len(known) and _possible(known, frame)]
    if len(possible) == 1:
        return possible[0]
    raise CcfError(
        f"{source.path}: the numbers do not show which of two conventions they have: µm from bregma in the "
        "order ML, AP, DV (the IBL's), or mm from bregma in the order AP, ML, DV with the signs of the CCF "
        f"(AP_histology's). Write one of these lines at the top of {settings.own}:\n"
        f'    frame = "{IBL_UM}"\n    frame = "{AP_HISTOLOGY}"\n'
        "or the name of the frame that the points are in."
    )


def _possible(xyz: Floats, frame: str) -> bool:
    """Whether points can be in a convention by the size of the numbers and where they then lie."""
    smallest, largest = _SIZES[frame]
    if not smallest <= np.abs(xyz).max() < largest:
        return False
    # In mm, too, somebody may write the IBL's order and signs; then DV is no depth but a height.
    if frame == AP_HISTOLOGY and xyz[:, 2].max() <= _ABOVE_BREGMA_MM:
        return False
    ccf = to_ccf(FRAMES[frame], *ap_dv_ml(FRAMES[frame], *xyz.T))
    return bool(((ccf > -_MARGIN_UM) & (ccf < np.array(ALLEN_CCF.extent_um) + _MARGIN_UM)).all())


FORMAT = SiteFormat("xyz_picks.json, a track", (".json",), find, read, largest_bytes=LARGEST_BYTES)
