"""Files that are sources only where a TOML of their own name says so: most of their kind hold no sites."""

from __future__ import annotations

from collections.abc import Iterator

from ccf_assets.recordings.files.settings import FOLDER_SETTINGS, stem_of
from ccf_assets.recordings.files.source import Found, Listing
from ccf_assets.recordings.formats import mouselight, nwb, tables

_BEFORE = (*tables.FORMAT.suffixes, *nwb.NWB.suffixes, *mouselight.SWC.suffixes)
"""Endings of files that are sources by themselves: a TOML of the same name is theirs."""


def with_own_settings(
    listing: Listing, suffixes: tuple[str, ...], before: tuple[str, ...] = ()
) -> Iterator[Found]:
    """The files that a TOML of their name describes.

    Args:
        listing: the folder.
        suffixes: how their names end, in lower case.
        before: endings of further files that the TOML describes instead, where one has the same name.
    """
    taken = {stem_of(name) for name in listing.files if name.lower().endswith((*_BEFORE, *before))}
    for name in sorted(listing.files):
        own = f"{stem_of(name)}.toml"
        described = own in listing.files and own != FOLDER_SETTINGS
        if name.lower().endswith(suffixes) and described and stem_of(name) not in taken:
            yield Found(name)
