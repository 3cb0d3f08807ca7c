"""Jobs: the selections of assets that run together.

Not here: when they run (sensors, schedules, the command line).
"""

from __future__ import annotations

import dagster as dg

from ccf_assets import settings
from ccf_assets.runs.run_engine import QUEUE_TAG

REGION_SETS = ("region_set", "region_set_member")

VOXEL_ROWS = "voxel"

OF_FILES = ("recording_site", "recording_claim", "recording_finding", "recording_file")
"""The assets that a file of sites fills; one run after the other writes them."""

KIND_TAG = "ccf/kind"
"""Tag of a job and its runs: ``download``, ``load``, ``compare`` or ``recordings``."""

_queue = settings.recordings_queue()

_WHERE_FILES_ARE = {QUEUE_TAG: _queue} if _queue else {}
"""Tag of the runs that need the folder of recordings; Celery's workers of that queue have it."""

refresh_ontology = dg.define_asset_job(
    "refresh_ontology",
    tags={KIND_TAG: "download"},
    selection=dg.AssetSelection.assets("structure_graph"),
    description="Fetch the ontology again, check it, and use it if it passes its checks.",
)

load_atlas = dg.define_asset_job(
    "load_atlas",
    tags={KIND_TAG: "load"},
    selection=(
        dg.AssetSelection.groups("files", "regions", "voxels") - dg.AssetSelection.assets("structure_graph")
    ),
    description="Load one atlas: its volume, regions, hierarchy, runs, surface, region sizes and sets.",
)

load_voxel_rows = dg.define_asset_job(
    "load_voxel_rows",
    tags={KIND_TAG: "load"},
    selection=dg.AssetSelection.assets(VOXEL_ROWS),
    description="Add one row per voxel of a loaded atlas.",
)

load_region_sets = dg.define_asset_job(
    "load_region_sets",
    tags={KIND_TAG: "load"},
    selection=dg.AssetSelection.assets(*REGION_SETS),
    description="Group one atlas's regions by the region maps, for example after a lab's own maps changed.",
)

compare_atlases = dg.define_asset_job(
    "compare_atlases",
    tags={KIND_TAG: "compare"},
    selection=dg.AssetSelection.assets("region_consistency"),
    description="Compare every region in each loaded atlas with the finest loaded atlas of its version.",
)

check_annotation = dg.define_asset_job(
    "check_annotation",
    tags={KIND_TAG: "download"},
    selection=dg.AssetSelection.assets("annotation"),
    description="Fetch one atlas's annotation volume again and verify it.",
)

register_recordings = dg.define_asset_job(
    "register_recordings",
    selection=(
        # Without the check of inserted rows: every run of files would read all of those again.
        dg.AssetSelection.groups("recordings")
        - dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("recording_region"), "inserted_sites"))
    ),
    # The first is limited in dagster.yaml, and not shown in the UI.
    tags={".dagster/ccf_assets/reads_files": "yes", KIND_TAG: "recordings", **_WHERE_FILES_ARE},
    description="Read files of recording sites and find the region of each site in every loaded atlas.",
)

register_sites = dg.define_asset_job(
    "register_sites",
    tags={KIND_TAG: "recordings"},
    selection=dg.AssetSelection.assets("recording_region").downstream(),
    description="Find the region, in every loaded atlas, of sites that are already in the database.",
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
