"""Ordinary tables that name their convention by their columns: presets in place of a lab's settings.

A preset applies to a table (CSV, TSV, Parquet) that has all the columns it needs and none of ours by name. A
lab's settings overrule each part of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from ccf_assets.ccf.space import AXES
from ccf_assets.recordings.files.settings import OURS, XYZ, FileSettings


@dataclass(frozen=True)
class Preset:
    """What the columns of a published kind of table mean.

    Attributes:
        name: what the table is, for sentences.
        needs: columns by which it is recognised.
        frame: the frame of its coordinates.
        columns: ours → the names that it has, of which the first that is there counts; none need be.
        source: where the meaning of the columns is from.
    """

    name: str
    needs: frozenset[str]
    frame: str
    columns: Mapping[str, tuple[str, ...]]
    source: str

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
    ),
    Preset(
        name="ccf_coordinates.csv of the ABC atlas",
        needs=frozenset({"cell_label", "x", "y", "z", "parcellation_index"}),
        frame="ccf_mm",
        columns={"site_id": ("cell_label",), "x": ("x",), "y": ("y",), "z": ("z",)},
        source="AllenInstitute/abc_atlas_access, notebooks/ccf_and_parcellation_annotation_tutorial.ipynb: "
        "x, y, z in mm: AP, DV, ML; the index of a parcellation is not an id of a region",
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
    return next((preset for preset in PRESETS if preset.needs <= set(names)), None)


def with_preset(settings: FileSettings, names: Collection[str]) -> FileSettings:
    """A lab's settings of a table, completed by the preset of its columns.

    What the lab says, or the table by the names of its own columns, has priority; coordinates are taken from
    one or the other as a whole.

    Args:
        settings: the lab's.
        names: of the table's columns.
    """
    preset = preset_of(names)
    if preset is None:
        return settings
    said = {*settings.columns, *settings.values, *(name.strip().lower() for name in names)} & {*OURS}
    coordinates = {*AXES, *XYZ}
    if coordinates & {*settings.columns}:
        said |= coordinates
    columns = {ours: name for ours, name in preset.columns_of(names).items() if ours not in said}
    return replace(
        settings,
        frame=settings.frame or (None if "frame" in said else preset.frame),
        columns={**settings.columns, **columns},
        set_in={**dict.fromkeys([*columns, "frame ="], settings.own), **settings.set_in},
    )
