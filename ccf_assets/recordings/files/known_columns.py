"""Ordinary tables that name their convention by their columns: presets in place of a lab's settings.

A preset applies to a table (CSV, TSV, Parquet, a sheet of Excel) that has all the columns it needs, and by
name none of our coordinates and frames but those of the preset itself; nor our identifiers, where a table of
this kind has one and this one lacks it, for then it may be a lab's. A lab's settings overrule each part.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from ccf_assets.ccf.space import AXES, XYZ
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.settings import OURS, FileSettings
from ccf_assets.recordings.files.table import Table
from ccf_assets.text_columns import first_row, numbers

_COORDINATES = frozenset({*AXES, *XYZ})


@dataclass(frozen=True)
class Preset:
    """What the columns of a published kind of table mean.

    Attributes:
        name: what the table is, for sentences.
        needs: columns by which it is recognised.
        frame: the frame of its coordinates.
        columns: ours → the names that it has, of which the first that is there counts; none need be.
        source: where the meaning of the columns is from.
        largest: no coordinate of a brain is larger in the unit of the frame; None where it is µm, of which
            labs use no smaller.
    """

    name: str
    needs: frozenset[str]
    frame: str
    columns: Mapping[str, tuple[str, ...]]
    source: str
    largest: float | None = None

    def holds(self, names: Collection[str]) -> bool:
        """Whether a table with columns ``names`` is of this kind."""
        if not self.needs <= {*names}:
            return False
        theirs = self.columns_of(names)
        ours = {name.strip().lower() for name in {*names} - {*theirs.values()}}
        identified = "recording_id" in theirs or "recording_id" not in self.columns
        return not ours & {*_COORDINATES, "frame"} and (identified or not ours & {"recording_id", "site_id"})

    def columns_of(self, names: Collection[str]) -> dict[str, str]:
        """Ours → theirs for a table with columns ``names``."""
        there = {ours: [name for name in theirs if name in names] for ours, theirs in self.columns.items()}
        return {ours: theirs[0] for ours, theirs in there.items() if theirs}


PRESETS = (
    Preset(
        name="channels.csv of the Allen Neuropixels releases",
        needs=frozenset(
            {
                "ecephys_probe_id",
                "anterior_posterior_ccf_coordinate",
                "dorsal_ventral_ccf_coordinate",
                "left_right_ccf_coordinate",
            }
        ),
        frame="ccf",
        columns={
            "recording_id": ("ecephys_probe_id",),
            "site_id": ("id", "ecephys_channel_id"),
            "ap": ("anterior_posterior_ccf_coordinate",),
            "dv": ("dorsal_ventral_ccf_coordinate",),
            "ml": ("left_right_ccf_coordinate",),
            "reported_region": ("ecephys_structure_acronym", "structure_acronym"),
            "probe": ("ecephys_probe_id",),
            "channel": ("local_index", "probe_channel_number"),
            "axial_um": ("probe_vertical_position",),
            "lateral_um": ("probe_horizontal_position",),
        },
        source="AllenSDK, ecephys_project_api/warehouse_query.py and ecephys_project_lims_api.py",
    ),
    Preset(
        name="table of channels of the IBL",
        needs=frozenset({"x", "y", "z", "atlas_id", "axial_um", "lateral_um"}),
        frame="ibl",
        columns={
            "recording_id": ("pid", "__index_level_0__"),
            "site_id": ("channel", "channel_id", "__index_level_1__"),
            "x": ("x",),
            "y": ("y",),
            "z": ("z",),
            "reported_region": ("atlas_id",),
            "probe": ("pid", "__index_level_0__"),
            "channel": ("channel", "channel_id", "__index_level_1__"),
            "axial_um": ("axial_um",),
            "lateral_um": ("lateral_um",),
        },
        source="int-brain-lab/ibllib, brainbox/io/one.py (channels: x, y, z in metres from bregma), and "
        "ibl-sorting's table channels.pqt of the brain-wide map",
        largest=0.02,
    ),
    Preset(
        name="ccf_coordinates.csv of the ABC atlas",
        needs=frozenset({"cell_label", "x", "y", "z", "parcellation_index"}),
        frame="ccf_mm",
        columns={"site_id": ("cell_label",), "x": ("x",), "y": ("y",), "z": ("z",)},
        source="AllenInstitute/abc_atlas_access, notebooks/ccf_and_parcellation_annotation_tutorial.ipynb: "
        "x, y, z in mm: AP, DV, ML; the index of a parcellation is not an id of a region",
        largest=20.0,
    ),
    Preset(
        name="channels.brainLocation.tsv of Steinmetz et al. 2019",
        needs=frozenset({"ccf_ap", "ccf_dv", "ccf_lr", "allen_ontology"}),
        frame="ccf",
        columns={
            "ap": ("ccf_ap",),
            "dv": ("ccf_dv",),
            "ml": ("ccf_lr",),
            "reported_region": ("allen_ontology",),
        },
        source="nsteinme/steinmetz-et-al-2019, wiki, data files: µm of the CCF",
    ),
)
"""In the order in which they are tried."""


def preset_of(names: Collection[str]) -> Preset | None:
    """The preset whose columns a table has, by the exact names of its columns; None if there is none.

    Args:
        names: of the table's columns.
    """
    return next((preset for preset in PRESETS if preset.holds(names)), None)


def with_preset(settings: FileSettings, names: Collection[str]) -> FileSettings:
    """A lab's settings of a table, completed by the preset of its columns.

    What the lab says, or the table by the names of its own columns, has priority; coordinates are taken from
    one or the other as a whole, and the frame of the preset is that of its own coordinates only.

    Args:
        settings: the lab's.
        names: of the table's columns.
    """
    preset = preset_of(names)
    if preset is None:
        return settings
    said = {*settings.columns, *settings.values, *(name.strip().lower() for name in names)} & {*OURS}
    theirs = preset.columns_of(names)
    read = {settings.columns[axis] for axis in _COORDINATES & {*settings.columns}} - {""}
    if _COORDINATES & {*settings.columns}:
        said |= _COORDINATES
    others = read - {theirs.get(axis) for axis in _COORDINATES}
    columns = {ours: name for ours, name in theirs.items() if ours not in said}
    return replace(
        settings,
        frame=settings.frame or (None if others or "frame" in said else preset.frame),
        columns={**settings.columns, **columns},
        set_in={**dict.fromkeys([*columns, "frame ="], settings.own), **settings.set_in},
    )


def settings_of(table: Table, settings: FileSettings) -> FileSettings:
    """As `with_preset`, for a table that was read: its format's own frame stays, and the sizes must fit.

    Raises:
        CcfError: a coordinate is larger than any in the unit of the preset's frame.
    """
    preset = None if table.frame else preset_of(table.names)
    if preset is None:
        return settings
    completed = with_preset(settings, table.names)
    if preset.largest is None or settings.frame or completed.frame is None:
        return completed
    theirs = preset.columns_of(table.names)
    for column in (theirs[axis] for axis in (*AXES, *XYZ) if axis in theirs):
        values = numbers(table.columns[column], column, table.name, table.row_name)
        beyond = values.is_finite() & (values.abs() > preset.largest)
        if beyond.any():
            row = first_row(beyond)
            raise CcfError(
                f"{table.name} has the columns of a {preset.name}, whose coordinates are in the frame "
                f"{preset.frame} and not beyond {preset.largest:g}; but in {table.row_name(row)}, {column} "
                f"is {values[row]:g}. Write the frame that they are in at the top of {settings.own}:\n"
                f'    frame = "NAME"'
            )
    return completed


def names_in(head: bytes, separator: str) -> list[str]:
    """The names of the columns of a table of text; none where its header cannot be read.

    Args:
        head: its first bytes, as `Listing.look` gives them.
        separator: what is between the names.
    """
    line = head.decode("utf-8-sig", "replace").partition("\n")[0].rstrip("\r")
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []
