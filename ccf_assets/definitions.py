"""The table of contents: everything that Dagster loads from this package.

Importing it opens no network connection, no database and no file. It reads one setting: whether CCF_SOURCE
is the phantom, because Dagster takes the partitions when it loads the code location.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import dagster as dg

from ccf_assets import settings
from ccf_assets.db import schema
from ccf_assets.defs.assets import comparison, files, recording_checks, recordings, regions, voxels
from ccf_assets.defs.atlas_checks import atlas_checks
from ccf_assets.defs.jobs import jobs
from ccf_assets.defs.partitions import atlases_of, of_atlases
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.defs.schedules import schedules
from ccf_assets.defs.sensors import sensors
from ccf_assets.io_manager import PostgresIOManager
from ccf_assets.runs.console import console


def build_defs(
    *, atlases: Collection[str] | None = None, resource_overrides: Mapping[str, object] | None = None
) -> dg.Definitions:
    """All definitions.

    Args:
        atlases: keys of the atlases that are partitions; every atlas of the catalogue if not given.
        resource_overrides: replaces resources by name.
    """
    postgres = PostgresResource()
    modules = [files, regions, voxels, comparison, recordings, recording_checks]
    assets = [each for each in dg.load_assets_from_modules(modules) if isinstance(each, dg.AssetsDefinition)]
    return dg.Definitions(
        assets=assets if atlases is None else of_atlases(assets, atlases),
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


# Read once, when Dagster imports this module: in all processes of one program the atlases are the same. A
# load from the command line takes build_defs() and so any atlas, whatever the source is.
defs = build_defs(atlases=atlases_of(settings.source()))
