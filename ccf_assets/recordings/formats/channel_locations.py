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

from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats.json_file import number, read_json, whole_number
from ccf_assets.recordings.formats.probe import probe_of

FRAME = "ibl_um"

LARGEST_BYTES = 20_000_000
"""A probe of 5,000 channels has 1 MB."""

_FILE = re.compile(
    r"(?P<lead>(?:.*[._-])?)channel_locations(?:_shank_?(?P<shank>\d{1,9}))?\.json", re.IGNORECASE
)

_CHANNEL = re.compile(r"channel_(\d{1,18})")

_ORIGINS = ([0, 0, 0], [5739, 5400, 332])
"""What ``origin`` gives for bregma: itself, or where it is in the CCF (ML, AP, DV in µm; iblatlas, atlas.py:
ALLEN_CCF_LANDMARKS_MLAPDV_UM, which the GUI writes). Either way x, y, z count from there."""


def find(listing: Listing) -> Iterator[Found]:
    """The file of a probe, or all files of its shanks as one source."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for name in listing.files:
        match = _FILE.fullmatch(name)
        # ccf_channel_locations.json of the Allen's fork has other coordinates.
        if match and not match["lead"].lower().endswith("ccf_"):
            groups.setdefault(match["lead"], []).append((int(match["shank"] or -1), name))
    for files in groups.values():
        first, *others = (name for _, name in sorted(files))
        yield Found(first, tuple(others))


def read(source: Source, settings: FileSettings) -> Table:
    """The channels of a probe, in the order of shanks and numbers.

    A channel's number is original_channel_idx, if the file has it, otherwise the N of ``channel_N``. It is
    the site's number, unless two shanks have the same: then the sites have names, ``shank 1 channel 0``.

    Raises:
        CcfError: a file is not of this form, or says another origin than bregma.
    """
    rows: list[dict[str, Any]] = []
    shanks = [_shank_of(path) for path in source.paths]
    if len(set(shanks)) != len(shanks) or (None in shanks and len(shanks) > 1):
        names = ", ".join(path.name for path in source.paths)
        raise CcfError(
            f"{source.path.parent} has the same channels in several files ({names}); keep one for "
            "the whole probe, or one per shank."
        )
    for path, shank in zip(source.paths, shanks, strict=True):
        rows.extend(_channels(path, shank))
    if not rows:
        raise CcfError(
            f"{source.path} has no channel_0, channel_1, …; is it a channel_locations.json of the IBL?"
        )
    rows.sort(key=lambda row: (row["shank"] or 0, row["channel"]))
    numbers = [row["channel"] for row in rows]
    unique = len(set(numbers)) == len(numbers)
    match = _FILE.fullmatch(source.path.name)
    lead = match["lead"].strip("._-") if match else ""
    table = pl.DataFrame(rows, schema=_SCHEMA).with_columns(
        pl.lit(source.file_name if lead else source.folder_name).alias("recording_id"),
        pl.col("channel").alias("site_id")
        if unique
        else pl.format("shank {} channel {}", "shank", "channel").alias("site_id"),
        pl.lit(lead or probe_of(source), pl.String).alias("probe"),
    )
    places = table.select("shank", "key").rows()
    table = table.drop("key")
    return Table(
        source.path.name,
        table.columns,
        table.to_dict(as_series=True),
        table.height,
        lambda row: f"{places[row][1]}{'' if places[row][0] is None else f' of shank {places[row][0]}'}",
        FRAME,
    )


_SCHEMA = {
    "key": pl.String(),
    "shank": pl.Int32(),
    "channel": pl.Int64(),
    "x": pl.Float64(),
    "y": pl.Float64(),
    "z": pl.Float64(),
    "axial_um": pl.Float64(),
    "lateral_um": pl.Float64(),
    "reported_region": pl.String(),
    "brain_region": pl.String(),
}


def _shank_of(path: Path) -> int | None:
    match = _FILE.fullmatch(path.name)
    return int(match["shank"]) if match and match["shank"] else None


def _channels(path: Path, shank: int | None) -> Iterator[dict[str, Any]]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise CcfError(f"{path} is no object with channel_0, channel_1, …, as a channel_locations.json is.")
    _check_origin(path, content.get("origin"))
    for key, value in content.items():
        match = _CHANNEL.fullmatch(key)
        if match is None:
            if isinstance(value, dict) and {"x", "y", "z"} <= set(value):
                raise CcfError(
                    f"{path}: {key!r:.60} has x, y, z, but its name is not channel_0, channel_1, …."
                )
            continue
        if not isinstance(value, dict):
            raise CcfError(f"{path}: {key} is {value!r:.60}, not an object with x, y, z.")
        yield _row(path, shank, int(match[1]), value)


def _row(path: Path, shank: int | None, named: int, channel: dict[str, Any]) -> dict[str, Any]:
    where = f"{path}, channel_{named}"
    for axis in ("x", "y", "z"):
        if axis not in channel:
            raise CcfError(f"{where} has no {axis}.")
    xyz = [number(channel[axis], f"{where}, {axis}") for axis in ("x", "y", "z")]
    x, y, z = (None, None, None) if None in xyz else xyz
    original = whole_number(channel.get("original_channel_idx"), f"{where}, original_channel_idx")
    region = whole_number(channel.get("brain_region_id"), f"{where}, brain_region_id")
    acronym = channel.get("brain_region")
    if acronym is not None and not isinstance(acronym, str):
        raise CcfError(f"{where}, brain_region is {acronym!r:.60}, not an acronym.")
    return {
        "key": f"channel_{named}",
        "shank": shank,
        "channel": named if original is None else original,
        "x": x,
        "y": y,
        "z": z,
        "axial_um": number(channel.get("axial"), f"{where}, axial"),
        "lateral_um": number(channel.get("lateral"), f"{where}, lateral"),
        "reported_region": acronym if region is None else str(region),
        "brain_region": acronym,
    }


def _check_origin(path: Path, origin: object) -> None:
    """Refuse a file whose coordinates do not count from bregma."""
    if origin is not None and (
        not isinstance(origin, dict) or list(origin.values()) not in ([o] for o in _ORIGINS)
    ):
        raise CcfError(
            f"{path}: origin is {origin!r:.100}, and x, y, z are only known to count from bregma where it is "
            '{"bregma": [0, 0, 0]}, or bregma in the CCF, [5739, 5400, 332]; write the file again with the '
            "alignment GUI, or its table as a CSV with its frame."
        )


FORMAT = SiteFormat("channel_locations.json of the IBL", (".json",), find, read, largest_bytes=LARGEST_BYTES)
