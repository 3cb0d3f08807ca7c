"""Group *voxel_rows*: one row per voxel, for the atlases of which somebody asked for them.

A group and a set of partitions of their own keep the largest table out of "Materialize all".
"""

from typing import Any

import dagster as dg
import pyarrow as pa
import sqlalchemy as sa

from ccf_assets.ccf import runs
from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import room, schema
from ccf_assets.db.loaded import stored_grid
from ccf_assets.db.stored_runs import count_stored_voxels, kept_runs
from ccf_assets.defs.partitions import voxel_row_partitions
from ccf_assets.defs.resources import PostgresResource
from ccf_assets.defs.table_metadata import BULK_LOAD_POOL, OWNERS, table_metadata
from ccf_assets.errors import CcfError
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.refusals import in_words
from ccf_assets.runs.tags import BACKFILL_TAG

GROUP = "voxel_rows"


class VoxelRowsConfig(dg.Config):
    """Whether rows are made that nobody asked for by name: in a run of several assets, or in a backfill."""

    not_by_name: bool = False


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "numpy"},
    code_version="1",
    pool=BULK_LOAD_POOL,
    partitions_def=voxel_row_partitions,
    ins={"voxel_run": dg.AssetIn(partition_mapping=dg.IdentityPartitionMapping())},
    metadata=table_metadata(schema.voxel),
)
@in_words
def voxel(
    context: dg.AssetExecutionContext,
    config: VoxelRowsConfig,
    postgres: PostgresResource,
    voxel_run: sa.Select[Any],
) -> dg.MaterializeResult[pa.RecordBatchReader]:
    """One row per in-brain voxel, for SQL that is easier to write with it; no other asset needs it.

    Expanded from voxel_run. At 25 µm these are 32 million rows and 3 GB, at 10 µm 506 million and some 47 GB.
    They are loaded only for an atlas that is a partition of this asset: ``ccf-assets load --rows`` makes it
    one, and so does *Add a partition* in the dialog of *Materialize*.
    """
    entry = atlas_entry(context.partition_key)
    engine = postgres.create_engine()
    if not config.not_by_name:
        _require_name(context.run, entry, entry.grid or stored_grid(engine, entry.key))
    grid = stored_grid(engine, entry.key)
    kept = kept_runs(engine, entry.ccf_id, grid)
    count = int(kept.sums["voxels"].sum()) if kept else count_stored_voxels(engine, entry.ccf_id, grid)
    room.require_disk(engine, f"The rows of {entry.key}, one per voxel,", count)
    if kept and kept.runs is not None:
        in_table = runs.run_batches(kept.runs, entry.ccf_id, grid)
    else:  # not kept by this process, or too many to be kept: they are read while rows are stored
        in_table = read_arrow(engine.url, voxel_run.order_by("x", "y", "z"))
    return dg.MaterializeResult(value=runs.voxel_batches(in_table, grid, count))


def _require_name(run: dg.DagsterRun, entry: AtlasEntry, grid: VoxelGrid) -> None:
    """Refuse rows that are not loaded by default, where the run was not for them alone.

    A backfill has a tag, also in its runs for one atlas. A single atlas that is picked in the dialog of
    *Materialize* is a run without it.
    """
    others = (run.asset_selection or set()) - {dg.AssetKey("voxel")}
    if entry.voxel_rows or not (others or BACKFILL_TAG in run.tags):
        return
    million = round(room.voxels_expected(grid) / 1e6)
    raise CcfError(
        f"{entry.key} has {million} million voxels; a row for each is made only when asked for by name. "
        f"Materialize voxel alone, for this one atlas, or run `ccf-assets load {entry.key} --rows`. In a "
        "backfill, set not_by_name: true in the configuration of voxel.",
        voxels_in_millions=million,
    )
