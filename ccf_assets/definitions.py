"""The table of contents: everything that Dagster loads from this package.

Importing it opens no network connection, no database and no file, and reads no setting.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from ccf_assets.db import schema
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
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.defs.schedules import schedules
from ccf_assets.defs.sensors import sensors
from ccf_assets.io_manager import PostgresIOManager
from ccf_assets.runs.console import console


def build_defs(*, resource_overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """All definitions; ``resource_overrides`` replaces resources by name."""
    postgres = PostgresResource()
    modules = [files, regions, voxels, voxel_rows, comparison, recordings, recording_checks]
    assets = [each for each in dg.load_assets_from_modules(modules) if isinstance(each, dg.AssetsDefinition)]
    return dg.Definitions(
        assets=assets,
        asset_checks=[*atlas_checks, regions.share_in_groups, recording_checks.inserted_sites],
        jobs=jobs,
        sensors=sensors,
        schedules=schedules,
        resources={
            "postgres": postgres,
            "sources": SourcesResource(),
            "io_manager": PostgresIOManager(postgres=postgres, schema=schema.SCHEMA),
            **(resource_overrides or {}),
        },
        loggers={"console": console},
        # Parallel work here is between runs, one per atlas: a step of its own process costs 3 s to start.
        executor=dg.in_process_executor,
    )


defs = build_defs()
