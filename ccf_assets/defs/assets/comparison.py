"""Group *comparison*: how the loaded atlases agree with each other."""

from typing import Any

import dagster as dg
import sqlalchemy as sa

from ccf_assets.db import comparison, schema
from ccf_assets.defs.table_metadata import OWNERS, whole_table_metadata

GROUP = "comparison"


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "sql"},
    code_version="1",
    deps=[
        dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())
        for name in ("voxel_run", "region_ancestor", "region_volume")
    ],
    metadata=whole_table_metadata(schema.region_consistency),
)
def region_consistency() -> sa.Select[Any]:
    """Every region in each loaded atlas against the finest loaded atlas of the same version.

    How much larger or smaller a region comes out at a coarser resolution, and how much of it is in the same
    place. What the atlases make of each place is in the function region_diff(ccf_id_a, ccf_id_b).
    """
    return comparison.region_consistency()
