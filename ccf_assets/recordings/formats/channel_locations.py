"""``channel_locations.json``: what the alignment GUI of the IBL writes, one file per probe or per shank.

Form: int-brain-lab/ibl-alignment-gui and iblapps, ``create_channel_dict``: ``channel_N`` → x, y, z (ML, AP,
DV in µm from bregma), axial, lateral (µm on the probe), brain_region_id, brain_region (its acronym), and,
where a shank is one of several, original_channel_idx; besides, ``origin`` → bregma.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from ccf_assets.ccf.frames.ibl import BREGMA_UM, IBL_UM
from ccf_assets.ccf.space import XYZ
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table, table_from
from ccf_assets.recordings.formats.json_file import number, read_json, whole_number
from ccf_assets.recordings.formats.probe import probe_of

LARGEST_BYTES = 20_000_000
"""A probe of 5,000 channels has 1 MB."""

_FILE = re.compile(
    r"(?P<lead>(?:.*[._-])?)channel_locations(?P<ending>_shank_?(?P<shank>\d{1,9}))?\.json", re.IGNORECASE
)

_CHANNEL = re.compile(r"channel_(\d{1,18})")

_ORIGINS = ([0, 0, 0], list(BREGMA_UM))
"""What ``origin`` gives for bregma: itself, or, as the GUI writes, where it is in the CCF. Either way x, y, z
count from there."""


def find(listing: Listing) -> Iterator[Found]:
    """Each file: that of a probe, or of one shank."""
    for name in sorted(listing.files):
        match = _FILE.fullmatch(name)
        # ccf_channel_locations.json of the Allen's fork has other coordinates.
        if match and not match["lead"].lower().endswith("ccf_"):
            yield Found(name)


def read(source: Source, settings: FileSettings) -> Table:
    """The channels of a probe or of one shank, in the order of their numbers.

    A channel's number is original_channel_idx, if the file has it, otherwise the N of ``channel_N``. It is
    the site's number; in the file of a shank the site has a name, ``shank 1 channel 0``, since another shank
    of the recording may have the same numbers.

    Raises:
        CcfError: the file is not of this form, or says another origin than bregma.
    """
    match = _FILE.fullmatch(source.path.name)
    lead, ending, shank = (match["lead"], match["ending"], match["shank"]) if match else ("", None, None)
    rows = sorted(_channels(source.path), key=lambda row: row["channel"])
    if not rows:
        raise CcfError(
            f"{source.path} has no channel_0, channel_1, …; is it a channel_locations.json of the IBL?"
        )
    folder, probe = probe_of(source), lead.strip("._-")
    # All shanks of a probe are one recording.
    of_probe = source.file_name.removesuffix(ending or "")
    table = pl.DataFrame(rows, schema=_SCHEMA).with_columns(
        pl.lit(of_probe if probe or folder is None else source.folder_name).alias("recording_id"),
        (
            pl.col("channel") if shank is None else pl.format(f"shank {int(shank)} channel {{}}", "channel")
        ).alias("site_id"),
        pl.lit(probe or folder, pl.String).alias("probe"),
        pl.lit(None if shank is None else int(shank), pl.Int32).alias("shank"),
    )
    keys, table = table["key"].to_list(), table.drop("key")
    return table_from(
        source.path.name,
        table,
        lambda row: keys[row],
        IBL_UM,
    )


_SCHEMA = {
    "key": pl.String(),
    "channel": pl.Int64(),
    "x": pl.Float64(),
    "y": pl.Float64(),
    "z": pl.Float64(),
    "axial_um": pl.Float64(),
    "lateral_um": pl.Float64(),
    "reported_region": pl.String(),
    "brain_region": pl.String(),
}


def _channels(path: Path) -> Iterator[dict[str, Any]]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise CcfError(f"{path} is no object with channel_0, channel_1, …, as a channel_locations.json is.")
    _check_origin(path, content.get("origin"))
    for key, value in content.items():
        match = _CHANNEL.fullmatch(key)
        if match is None:
            if isinstance(value, dict) and {*XYZ} <= set(value):
                raise CcfError(
                    f"{path}: {key!r:.60} has x, y, z, but its name is not channel_0, channel_1, …."
                )
            continue
        if not isinstance(value, dict):
            raise CcfError(f"{path}: {key} is {value!r:.60}, not an object with x, y, z.")
        yield _row(path, int(match[1]), value)


def _row(path: Path, named: int, channel: dict[str, Any]) -> dict[str, Any]:
    where = f"{path}, channel_{named}"
    for axis in XYZ:
        if axis not in channel:
            raise CcfError(f"{where} has no {axis}.")
    original = whole_number(channel.get("original_channel_idx"), f"{where}, original_channel_idx")
    region = whole_number(channel.get("brain_region_id"), f"{where}, brain_region_id")
    acronym = channel.get("brain_region")
    if acronym is not None and not isinstance(acronym, str):
        raise CcfError(f"{where}, brain_region is {acronym!r:.60}, not an acronym.")
    return {
        "key": f"channel_{named}",
        "channel": named if original is None else original,
        **{axis: number(channel[axis], f"{where}, {axis}") for axis in XYZ},
        "axial_um": number(channel.get("axial"), f"{where}, axial"),
        "lateral_um": number(channel.get("lateral"), f"{where}, lateral"),
        "reported_region": acronym if region is None else str(region),
        "brain_region": acronym,
    }


def _check_origin(path: Path, origin: object) -> None:
    """Refuse a file whose coordinates do not count from bregma."""
    if origin is not None and (
        not isinstance(origin, dict) or list(origin.values()) not in ([each] for each in _ORIGINS)
    ):
        raise CcfError(
            f"{path}: origin is {origin!r:.100}, and x, y, z are only known to count from bregma where it is "
            '{"bregma": [0, 0, 0]}, or bregma in the CCF, [5739, 5400, 332]; write the file again with the '
            "alignment GUI, or its table as a CSV with its frame."
        )


FORMAT = SiteFormat("channel_locations.json of the IBL", (".json",), find, read, largest_bytes=LARGEST_BYTES)
