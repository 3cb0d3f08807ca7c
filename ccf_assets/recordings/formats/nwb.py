"""NWB 2: the electrodes of a file in HDF5 or a folder of Zarr, with their coordinates.

Where a file has tables of ndx-anatomical-localization, the coordinates and regions are theirs; otherwise they
are x, y, z and location of the electrodes, in CCF µm as the schema of NWB says (frame ``nwb``). Only these
tables are read: a file of 60 GB takes milliseconds. The stores are nwb_hdf5 and nwb_zarr.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import polars as pl

from ccf_assets.ccf.region_words import NO_REPORT
from ccf_assets.ccf.space import AXES, XYZ
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.site_names import site_numbers
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats import nwb_hdf5, nwb_zarr
from ccf_assets.recordings.formats.nwb_localization import ELECTRODES, located, tables_of
from ccf_assets.recordings.formats.nwb_store import Group, at, damaged, refused

_FRAME = "nwb"

_NAMES = {
    "shank": ("shank", "shank_id", "shank_ids", "probe_shank"),
    "channel": ("channel", "channel_id", "channel_number", "probe_channel_number", "channel_name"),
    "axial_um": ("rel_y", "probe_vertical_position"),
    "lateral_um": ("rel_x", "probe_horizontal_position"),
}
"""Ours → the columns of electrodes that are it; the first one there that holds nothing else is read.

- ``rel_x``, ``rel_y``: the schema of NWB, the place in the plane of the probe, in µm.
- ``shank_ids``, ``channel_name``: neuroconv and spikeinterface, catalystneuro/IBL-to-nwb.
- ``probe_vertical_position``, ``probe_horizontal_position``, ``probe_channel_number``: AllenSDK, ecephys.
- ``probe_shank``: Frank lab, trodes_to_nwb.
"""

_OF_TABLE = "kind"
"""A column of `Table`, which one of the electrodes must not be taken for."""

_NUMBER = r"^(?:AP|CH)?(\d{1,9})(?:,LF\d{1,9})?$"
"""A channel's number in its name: ``12``, ``AP12`` and ``AP12,LF12`` (SpikeGLX), ``CH12`` (Open Ephys)."""


def _find_files(listing: Listing) -> Iterable[Found]:
    return [Found(name) for name in sorted(listing.files) if name.lower().endswith(".nwb")]


def _find_folders(listing: Listing) -> Iterable[Found]:
    """Folders called .nwb or .nwb.zarr, and those called .zarr with the one array that every NWB file has."""
    for name in sorted(listing.folders):
        lower = name.lower()
        if lower.endswith((".nwb", ".nwb.zarr")) or (
            lower.endswith(".zarr") and listing.has_folder(f"{name}/session_start_time")
        ):
            yield Found(name)


def _opened(source: Source) -> AbstractContextManager[Group]:
    if source.path.is_dir():
        return nwb_zarr.opened(source.path)
    return nwb_hdf5.opened(source.path, source.opened)


def _read(source: Source, settings: FileSettings) -> Table:
    """The electrodes of a file.

    Raises:
        CcfError: it has none, they have no coordinates, or what it says cannot be read or used.
    """
    with _opened(source) as root:
        electrodes = at(root, ELECTRODES)
        ids = electrodes.column("id") if electrodes else None
        if electrodes is None or ids is None or not len(ids) or not ids.dtype.is_integer():
            raise refused(
                source.path,
                f"it has no electrodes (table {ELECTRODES} of NWB 2); if its sites are others, such as "
                "cells, write them as CSV",
            )
        names = electrodes.names()
        plain = {name for name in names if f"{name}_index" not in names}
        tables, others = tables_of(source.path, root)
        columns, frame = _places(source, electrodes, plain, tables, others, settings, len(ids))
        columns["site_id"] = _named(ids, electrodes.column("site_name"))
        columns["recording_id"] = pl.repeat(
            root.text("identifier").strip() or source.file_name, len(ids), dtype=pl.String, eager=True
        )
        probe = electrodes.column("group_name")
        if probe is not None and probe.dtype == pl.String:
            columns["probe"] = probe.set(_is_unknown(probe), None)
        columns |= _of_probe(electrodes, plain)
        # The others are read only by their names in the settings: AP beside x, y, z may be anything.
        further = [name for name in names if name in plain and name not in {*columns, _OF_TABLE}]
        named = {*settings.columns.values(), *settings.keep}
        for name in [name for name in further if name in named]:
            column = electrodes.column(name)
            if column is None:
                further.remove(name)
            else:
                columns[name] = column
        for name, column in columns.items():
            if len(column) != len(ids):
                raise damaged(
                    source.path, f"{name} of the electrodes has {len(column):,} rows of {len(ids):,}"
                )
    return Table(
        source.path.name,
        [*columns, *(name for name in further if name not in columns)],
        columns,
        len(ids),
        lambda row: f"electrode {ids[row]}",
        frame,
    )


def _places(
    source: Source,
    electrodes: Group,
    plain: set[str],
    tables: Sequence[Group],
    others: Sequence[str],
    settings: FileSettings,
    rows: int,
) -> tuple[dict[str, pl.Series], str | None]:
    """The columns x, y, z and reported_region, and their frame.

    Where the settings name the columns of the coordinates, those are read, and their frame is not known.
    """
    location = electrodes.column("location")
    if location is None or location.dtype != pl.String:
        location = pl.repeat(None, rows, dtype=pl.String, eager=True)
    if any(settings.columns.get(axis) for axis in (*AXES, *XYZ)):
        return {**_axes(electrodes, plain), "reported_region": location}, None
    if tables:
        given = located(source.path, tables, rows, settings)
        places, region, frame = given.columns, given.columns.get("brain_region", location), given.frame
    else:
        places = _axes(electrodes, plain)
        region, frame = location, _FRAME
        if len(places) != len(XYZ) or not all(values.dtype.is_numeric() for values in places.values()):
            more = f"; it has places of {others[0]:.200}, not of electrodes" if others else ""
            raise refused(
                source.path,
                "its electrodes have no numbers x, y, z, and there is no table of anatomical localization"
                f"{more}; load the file with coordinates that the alignment wrote",
            )
    table = pl.DataFrame({axis: places[axis].cast(pl.Float64).fill_nan(None) for axis in XYZ})
    # What many programs write for a place that is not known.
    nowhere = pl.all_horizontal(pl.col(XYZ).eq_missing(0)) & _is_unknown(region)
    table = table.with_columns(pl.when(~nowhere).then(pl.col(XYZ)))
    if not table.drop_nulls().height:
        raise refused(
            source.path,
            f"it holds no coordinates: x, y, z of all {rows:,} electrodes are incomplete, or 0 without a "
            "region; load the file with coordinates that the alignment wrote",
        )
    own = {"frame": places["frame"]} if "frame" in places else {}
    return {**{axis: table[axis] for axis in XYZ}, "reported_region": region, **own}, frame


def _axes(electrodes: Group, plain: set[str]) -> dict[str, pl.Series]:
    found = {axis: electrodes.column(axis) for axis in XYZ if axis in plain}
    return {axis: values for axis, values in found.items() if values is not None}


def _named(ids: pl.Series, names: pl.Series | None) -> pl.Series:
    """The names of the sites, where the ids are the numbers of those names, as `export nwb` writes them."""
    if names is None or names.dtype != pl.String or len(names) != len(ids) or names.is_in(["", None]).any():
        return ids
    return names if site_numbers(names).equals(ids.cast(pl.Int64, strict=False), check_names=False) else ids


def _is_unknown(text: pl.Series) -> pl.Series:
    """Whether a text is a word for "not known", or there is none."""
    unknown: pl.Series = text.is_null() | text.str.strip_chars().str.to_lowercase().is_in(NO_REPORT)
    return unknown


def _of_probe(electrodes: Group, plain: set[str]) -> dict[str, pl.Series]:
    """Shank, channel, axial_um and lateral_um, where the electrodes have them as numbers."""
    found = {}
    for ours, names in _NAMES.items():
        whole = ours in {"shank", "channel"}
        for name in names:
            values = electrodes.column(name) if name in plain else None
            if values is None:
                continue
            numbers = (
                _whole(values) if whole else values.cast(pl.Float64) if values.dtype.is_numeric() else None
            )
            if numbers is not None:
                found[ours] = numbers.alias(ours)
                break
    return found


def _whole(values: pl.Series) -> pl.Series | None:
    """Whole numbers, or names of channels as their numbers; None if there are others."""
    if values.dtype.is_integer():
        wide: pl.Series = values.cast(pl.Int64, strict=False)
        return wide
    text = values.cast(pl.String).str.strip_chars().str.strip_suffix(".0")
    numbers: pl.Series = text.str.extract(_NUMBER).cast(pl.Int64)
    return numbers if numbers.count() and (numbers.is_not_null() | _is_unknown(text)).all() else None


def _digest(source: Source) -> str:
    """SHA-256 of the tables that are read, of their names, and of what states their space.

    Raises:
        CcfError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with _opened(source) as root:
        digest.update(f"{root.text('identifier')}\n".encode())
        tables, _ = tables_of(source.path, root)
        for table in (at(root, ELECTRODES), *tables):
            if table is None:
                continue
            space = table.group("space")
            stated = [space.attribute(name) for name in _STATED] if space else []
            digest.update(f"{table.path}\n{stated}\n".encode())
            for name in table.names():
                values = table.column(name)
                if values is not None:
                    digest.update(f"{name} {values.dtype} {len(values)}\n".encode())
                    for part in values.to_frame().iter_slices(_BATCH):
                        digest.update(part.write_csv(include_header=False).encode())
    return digest.hexdigest()


_STATED = ("space_name", "origin", "units", "orientation")

_BATCH = 100_000

NWB = SiteFormat(
    name="the electrodes of NWB",
    suffixes=(".nwb",),
    find=_find_files,
    read=_read,
    digest=_digest,
    largest_bytes=None,
)

NWB_ZARR = SiteFormat(
    name="the electrodes of NWB-Zarr",
    suffixes=(".nwb", ".zarr"),
    find=_find_folders,
    read=_read,
    digest=_digest,
    largest_bytes=None,
    parts=("general", "identifier"),
)
