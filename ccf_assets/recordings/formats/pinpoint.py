"""The text that Pinpoint copies to the clipboard: entry and tip of each probe, in the CCF.

Form: VirtualBrainLab/Pinpoint, ProbeManager.cs, Probe2Text: a line per probe, which ends in "CCF Entry (AP,
ML, DV), CCF Tip (AP, ML, DV), CCF Depth D", from the corner of the atlas, in whole µm or mm as its settings
say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.ccf.space import EXTENT_UM
from ccf_assets.errors import CcfError
from ccf_assets.finding import listed
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats.json_file import json_text
from ccf_assets.recordings.formats.probe import geometry_beside
from ccf_assets.recordings.formats.tracks import track_table

LARGEST_BYTES = 1_000_000

_LINE = re.compile(
    r"\s*(?P<probe>[^\n]{0,200}?): ReferenceAtlas (?P<atlas>[^,\n]{0,100}),[^\n]*?"
    r"CCF Entry \((?P<entry>[^()\n]*)\), CCF Tip \((?P<tip>[^()\n]*)\)"
)

_CCF = re.compile(r"CCF|allen_mouse(_\d+um)?", re.IGNORECASE)
"""Names of the atlas that are the Allen CCF: of Pinpoint's first versions, and of BrainGlobe's."""

_LARGEST_MM = max(EXTENT_UM) / 1000
"""No coordinate of the volume is larger in mm; a probe with none larger in µm would lie in its corner."""


def find(listing: Listing) -> Iterator[Found]:
    """Each text file with such a line in its beginning."""
    for name in sorted(listing.files):
        if name.lower().endswith(".txt") and listing.look(name, _kind):
            yield Found(name, geometry_beside(listing))


def _kind(head: bytes) -> str:
    return "pinpoint" if b"ReferenceAtlas " in head and b"CCF Entry (" in head else ""


def read(source: Source, settings: FileSettings) -> Table:
    """Two points of each probe's track, entry and tip; the contacts too, if the file has one probe.

    Raises:
        CcfError: a line is not of this form, its atlas is not the CCF, or its numbers are in whole mm.
    """
    path = source.path
    lines = [line for line in json_text(path).splitlines() if line.strip()]
    if not lines:
        raise CcfError(f"{path} is empty.")
    probes: list[str] = []
    points: list[list[float]] = []
    for row, line in enumerate(lines, start=1):
        match = _LINE.match(line)
        if match is None:
            raise CcfError(
                f'{path}, line {row} is {line!r:.60}, not what Pinpoint copies for a probe ("…: '
                'ReferenceAtlas …, CCF Entry (AP, ML, DV), CCF Tip (AP, ML, DV)"); delete it.'
            )
        if settings.frame is None and not _CCF.fullmatch(match["atlas"].strip()):
            raise CcfError(
                f"{path}, line {row}: the atlas is {match['atlas']!r}, and not the Allen CCF. Write the "
                f'frame of its coordinates at the top of {settings.own}:\n    frame = "NAME"'
            )
        where = f"{path}, line {row}"
        probes += [match["probe"].strip()] * 2
        points += [_numbers(match["entry"], where), _numbers(match["tip"], where)]
    apmldv = np.array(points, dtype=np.float64)
    if settings.frame is None and not _in_um(apmldv):
        raise CcfError(
            f"{path}: the coordinates are whole mm, as Pinpoint rounds them; set its display to µm, "
            "and copy the text again."
        )
    twice = sorted({probe for probe in probes if probes.count(probe) > 2})  # noqa: PLR2004
    if twice:
        raise CcfError(f"{path} has several lines for {listed(twice)}; keep one per probe.")
    return track_table(
        source,
        apmldv[:, [0, 2, 1]],
        None if settings.frame else "ccf",
        known=settings.frame or "ccf",
        probe=None,
        geometry=next(iter(source.paths[1:]), None) if len(lines) == 1 else None,
        more={"probe": probes, "end": ["entry", "tip"] * len(lines)},
    )


def _numbers(text: str, where: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 3:  # noqa: PLR2004
        raise CcfError(f"{where}: ({text:.60}) is not a point AP, ML, DV.")
    return numbers


def _in_um(points: Floats) -> bool:
    """Whether the numbers are µm: they are mm if all of them could be."""
    known = points[np.isfinite(points)]
    return not len(known) or bool(np.abs(known).max() > _LARGEST_MM)


FORMAT = SiteFormat("text of Pinpoint", (".txt",), find, read, largest_bytes=LARGEST_BYTES)
