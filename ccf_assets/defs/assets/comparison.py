"""Group *comparison*: how well the loaded atlases agree with each other."""

from typing import Any

import dagster as dg
import sqlalchemy as sa

from ccf_assets.atlas.consistency import region_consistency as compared
from ccf_assets.db import schema
from ccf_assets.defs.resources import PostgresResource
from ccf_assets.defs.table_metadata import OWNERS, column_lineage, whole_table_metadata
from ccf_assets.refusals import in_words

GROUP = "comparison"

ATLASES_CHANGED = (
    # Content, not time: a load that brings the same voxels and the same hierarchy changes no comparison.
    dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
    .allow(dg.AssetSelection.assets("voxel_run", "region_ancestor"))
    .since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("an atlas was loaded with other content, and none is being loaded")

_PLACES = ("voxel_run.x", "voxel_run.y", "voxel_run.z", "voxel_run.z_end", "voxel_run.region_id")

_LINEAGE = column_lineage(
    region_id=["region_volume.region_id"],
    volume_mm3=["region_volume.volume_mm3"],
    reference_mm3=["region_volume.volume_mm3"],
    difference_percent=["region_volume.volume_mm3"],
    agreement=[*_PLACES, "region_ancestor.ancestor_id"],
)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "numpy"},
    code_version="1",
    deps=[
        dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())
        for name in ("voxel_run", "region_ancestor", "region_volume")
    ],
    metadata=whole_table_metadata(schema.region_consistency),
    automation_condition=ATLASES_CHANGED,
)
@in_words
def region_consistency(postgres: PostgresResource) -> dg.MaterializeResult[sa.Select[Any]]:
    """Every region in each loaded atlas against the finest loaded atlas of the same version.

    How much larger or smaller a region is at a coarser resolution, and how much of it is in the same place.
    The SQL function region_diff(ccf_id_a, ccf_id_b) has the pairs of regions that differ.
    """
    return dg.MaterializeResult(value=compared(postgres.create_engine()), metadata=_LINEAGE)
