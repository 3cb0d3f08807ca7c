"""Group *voxels*: the region of every voxel, the brain's surface, and the size of every region.

Not here: the volume's file (files), the regions that voxels refer to (regions), and one row per voxel
(voxel_rows).
"""

import functools
import time
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets.ccf import nrrd, runs
from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.db import region_volumes, room, schema
from ccf_assets.db.loaded import stored_grid
from ccf_assets.db.stored_runs import stored_runs
from ccf_assets.defs import found
from ccf_assets.defs.assets.files import annotation
from ccf_assets.defs.figures import planes_of_runs
from ccf_assets.defs.links import how_to_view
from ccf_assets.defs.partitions import atlas_partitions
from ccf_assets.defs.provenance import after, checked_volume, ontology_of
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.defs.table_metadata import BULK_LOAD_POOL, OWNERS, column_lineage, table_metadata
from ccf_assets.pg.copy_in import Stream
from ccf_assets.refusals import in_words

GROUP = "voxels"

_RUNS = ("voxel_run.z", "voxel_run.z_end")

_VOLUME_LINEAGE = column_lineage(
    region_id=["region_ancestor.ancestor_id"],
    own_voxels=["voxel_run.region_id", *_RUNS],
    own_mm3=["voxel_run.region_id", *_RUNS],
    voxels=["voxel_run.region_id", "region_ancestor.region_id", *_RUNS],
    volume_mm3=["voxel_run.region_id", "region_ancestor.region_id", *_RUNS],
    **{f"centroid_{axis}": [f"voxel_run.{axis}", *_RUNS] for axis in "xy"},
    centroid_z=_RUNS,
    **{f"{end}_{axis}": [f"voxel_run.{axis}"] for axis in "xy" for end in ("min", "max")},
    min_z=["voxel_run.z"],
    max_z=["voxel_run.z_end"],
    hemisphere=_RUNS,
)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "numpy"},
    code_version="1",
    pool=BULK_LOAD_POOL,
    partitions_def=atlas_partitions,
    deps=[annotation, after("brain_region")],
    metadata=table_metadata(schema.voxel_run),
)
@in_words
def voxel_run(
    context: dg.AssetExecutionContext, postgres: PostgresResource, sources: SourcesResource
) -> dg.MaterializeResult[Stream]:
    """The whole annotation, exactly, as runs of equal voxels along the medio-lateral axis.

    Neighbouring voxels mostly belong to the same region: at 25 µm a run holds a dozen voxels, so that the
    same answers come from a tenth of the rows. The region at a point is that of the last run with the point's
    x and y that starts at or before its z, if the run ends after the point.
    """
    entry = atlas_entry(context.partition_key)
    file = checked_volume(context.instance, sources.get(), entry)
    grid = file.grid
    room.require_memory(entry.key, grid)
    room.require_disk(postgres.create_engine(), f"The runs of {entry.key}", room.runs_expected(grid))
    started = time.monotonic()
    of_voxels = runs.find_runs(nrrd.planes(file.path, grid, context.log.info))
    read_seconds = round(time.monotonic() - started, 2)

    def shown() -> dict[str, Any]:
        graph = functools.partial(ontology_of, entry, sources, postgres.create_engine())
        pictures = planes_of_runs(context.log, of_voxels, entry, grid, graph)
        return {**pictures, **how_to_view(entry.key), "runs": len(of_voxels), "read_seconds": read_seconds}

    # The pictures take a second; they are drawn while the server builds the keys.
    return dg.MaterializeResult(
        value=Stream(runs.run_batches(of_voxels, entry.ccf_id, grid), shown),
        data_version=dg.DataVersion(file.version),
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "numpy"},
    code_version="1",
    partitions_def=atlas_partitions,
    deps=[annotation, after("atlas")],
    metadata=table_metadata(schema.brain_surface),
)
@in_words
def brain_surface(
    context: dg.AssetExecutionContext, sources: SourcesResource
) -> dg.MaterializeResult[pl.DataFrame]:
    """The top of the brain above every point, from which "depth from the brain surface" is measured."""
    entry = atlas_entry(context.partition_key)
    file = checked_volume(context.instance, sources.get(), entry)
    columns = found.surface.of(
        file, lambda: runs.brain_surface(nrrd.planes(file.path, file.grid, context.log.info), file.grid)
    )
    rows = pl.DataFrame(columns).select(pl.lit(entry.ccf_id, pl.Int32).alias("ccf_id"), pl.all())
    return dg.MaterializeResult(value=rows, data_version=dg.DataVersion(file.version))


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "polars", "sql"},
    code_version="1",
    partitions_def=atlas_partitions,
    deps=[voxel_run, after("brain_region")],
    metadata=table_metadata(schema.region_volume),
)
@in_words
def region_volume(
    context: dg.AssetExecutionContext, postgres: PostgresResource, region_ancestor: sa.Select[Any]
) -> dg.MaterializeResult[sa.Select[Any]]:
    """Size of every structure, with its descendants and alone: voxels, mm³, centroid, bounding box.

    For the left and the right hemisphere and both; in a space without a midline for both only. A structure
    without voxels has a row, with zero.
    """
    engine, entry = postgres.create_engine(), atlas_entry(context.partition_key)
    grid = stored_grid(engine, entry.key)
    sums = stored_runs(engine, entry.ccf_id, grid).sums
    total = round(int(sums["voxels"].sum()) * grid.voxel_mm3, 3)
    return dg.MaterializeResult(
        value=region_volumes.region_volumes(sums, region_ancestor, grid),
        metadata={"volume_mm3_total": total, **_VOLUME_LINEAGE},
    )
