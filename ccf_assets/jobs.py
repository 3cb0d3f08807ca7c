"""Jobs: the selections of assets that are run together."""

from __future__ import annotations

import dagster as dg

refresh_ontology = dg.define_asset_job(
    "refresh_ontology",
    selection=dg.AssetSelection.assets("structure_graph"),
    description="Fetch the ontology again, check it, and take it if it is sound.",
)

load_atlas = dg.define_asset_job(
    "load_atlas",
    selection=(
        dg.AssetSelection.groups("atlas", "ontology") - dg.AssetSelection.assets("structure_graph", "voxel")
    ),
    description="Load one atlas: its volume, regions, hierarchy, runs, surface and region sizes.",
)

load_voxel_rows = dg.define_asset_job(
    "load_voxel_rows",
    selection=dg.AssetSelection.assets("voxel"),
    description="Add one row per voxel of a loaded atlas.",
)

jobs = [refresh_ontology, load_atlas, load_voxel_rows]
