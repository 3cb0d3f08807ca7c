"""The one list of the formats of files of sites, and of the kinds of files that hold none."""

from __future__ import annotations

from collections.abc import Iterator

from ccf_assets.recordings.files.source import Found, Listing, NotSites, SiteFormat
from ccf_assets.recordings.formats import (
    alf,
    bare_array,
    bids,
    brainglobe,
    channel_locations,
    excel,
    matlab,
    meshview,
    mouselight,
    nwb,
    pinpoint,
    tables,
    xyz_picks,
)
from ccf_assets.recordings.formats.not_sites import NOT_SITES

FORMATS: tuple[SiteFormat, ...] = (
    nwb.NWB,
    nwb.NWB_ZARR,
    channel_locations.FORMAT,
    xyz_picks.FORMAT,
    meshview.FORMAT,
    mouselight.NEURONS,
    mouselight.SWC,
    pinpoint.FORMAT,
    alf.FORMAT,
    *brainglobe.FORMATS,
    bare_array.FORMAT,
    *matlab.FORMATS,
    excel.FORMAT,
    bids.FORMAT,
    tables.FORMAT,
)
"""In the order in which they are asked: the first that recognises a file has it."""

OTHERS: tuple[NotSites, ...] = (
    *NOT_SITES,
    brainglobe.OTHER_POINTS,
    matlab.OTHER_MAT,
    excel.WORKBOOKS,
    excel.OTHER_SPREADSHEETS,
    bare_array.OTHER_ARRAYS,
)
"""What else people have in their folders, likewise."""

SUFFIXES = tuple(sorted({suffix for form in FORMATS for suffix in form.suffixes}))
"""How the names of sources end, in lower case."""


def found_in(listing: Listing) -> Iterator[tuple[SiteFormat, Found]]:
    """The sources in a folder; no file belongs to two."""
    taken: set[str] = set()
    names = [name.lower() for name in (*listing.files, *listing.folders)]
    for form in FORMATS:
        if not any(name.endswith(form.suffixes) for name in names):
            continue
        for found in form.find(listing):
            if found.anchor not in taken:
                taken |= {found.anchor, *found.others}
                yield form, found


def not_sites(listing: Listing) -> dict[str, NotSites]:
    """The files in a folder that are known to hold no sites, and what they are."""
    kinds: dict[str, NotSites] = {}
    for kind in OTHERS:
        kinds.update((name, kind) for name in kind.find(listing) if name not in kinds)
    return kinds
