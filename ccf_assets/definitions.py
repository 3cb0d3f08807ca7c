"""The table of contents: everything that Dagster loads from this package.

Importing it opens no network connection, no database and no file. It reads two settings that the UI shows,
CCF_OWNER and CCF_CODE_URL, and one for a tag, CCF_RECORDINGS_QUEUE.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from ccf_assets.db import schema
from ccf_assets.defs.alert_sensors import alert_sensors
from ccf_assets.defs.assets import (
    comparison,
    files,
    recording_checks,
    recordings,
    regions,
    voxel_rows,
    voxels,
)
from ccf_assets.defs.atlas_checks import atlas_checks
from ccf_assets.defs.jobs import jobs
from ccf_assets.defs.labels import labelled
from ccf_assets.defs.resources import AtlasIOManager, PostgresResource, SourcesResource
from ccf_assets.defs.schedules import schedules
from ccf_assets.defs.sensors import sensors
from ccf_assets.runs.console import console


def build_defs(*, resource_overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """All definitions; ``resource_overrides`` replaces resources by name."""
    postgres = PostgresResource()
    modules = [files, regions, voxels, voxel_rows, comparison, recordings, recording_checks]
    assets = [each for each in dg.load_assets_from_modules(modules) if isinstance(each, dg.AssetsDefinition)]
    return dg.Definitions(
        assets=labelled(assets),
        asset_checks=[*atlas_checks, regions.share_in_groups, recording_checks.inserted_sites],
        jobs=jobs,
        sensors=[*sensors, *alert_sensors],
        schedules=schedules,
        resources={
            "postgres": postgres,
            "sources": SourcesResource(),
            "io_manager": AtlasIOManager(postgres=postgres, schema=schema.SCHEMA),
            **(resource_overrides or {}),
        },
        loggers={"console": console},
        # Parallel work here is between runs, one per atlas: a step of its own process costs 3 s to start.
        executor=dg.in_process_executor,
    )


defs = build_defs()
