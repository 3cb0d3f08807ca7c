"""Jobs: the selections of assets that are run together."""

from __future__ import annotations

import dagster as dg

REGION_SETS = ("region_set", "region_set_member")

refresh_ontology = dg.define_asset_job(
    "refresh_ontology",
    selection=dg.AssetSelection.assets("structure_graph"),
    description="Fetch the ontology again, check it, and take it if it is sound.",
)

load_atlas = dg.define_asset_job(
    "load_atlas",
    selection=(
        dg.AssetSelection.groups("files", "regions", "voxels")
        - dg.AssetSelection.assets("structure_graph", "voxel")
    ),
    description="Load one atlas: its volume, regions, hierarchy, runs, surface, region sizes and sets.",
)

load_voxel_rows = dg.define_asset_job(
    "load_voxel_rows",
    selection=dg.AssetSelection.assets("voxel"),
    description="Add one row per voxel of a loaded atlas.",
)

load_region_sets = dg.define_asset_job(
    "load_region_sets",
    selection=dg.AssetSelection.assets(*REGION_SETS),
    description="Put one atlas's regions into groups, again after maps in the folder changed.",
)

compare_atlases = dg.define_asset_job(
    "compare_atlases",
    selection=dg.AssetSelection.assets("region_consistency"),
    description="Compare every region in each loaded atlas with the finest loaded atlas of its version.",
)

check_annotation = dg.define_asset_job(
    "check_annotation",
    selection=dg.AssetSelection.assets("annotation"),
    description="Fetch one atlas's annotation volume again and verify it.",
)

register_recordings = dg.define_asset_job(
    "register_recordings",
    selection=(
        # Not the check of inserted rows, which would read all of them again in every run of files.
        dg.AssetSelection.groups("recordings")
        - dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("recording_region"), "inserted_sites"))
    ),
    tags={".dagster/ccf_assets/reads_files": "yes"},  # limited in dagster.yaml; not shown in the UI
    description="Read files of recording sites and find the region of each site in every loaded atlas.",
)

register_sites = dg.define_asset_job(
    "register_sites",
    selection=dg.AssetSelection.assets("recording_region", "recording_agreement"),
    description="Find the region, in every loaded atlas, of sites that are in the database already.",
)

jobs = [
    refresh_ontology,
    load_atlas,
    load_voxel_rows,
    load_region_sets,
    compare_atlases,
    check_annotation,
    register_recordings,
    register_sites,
]
