"""Group *comparison*: how well the loaded atlases agree with each other."""

from typing import Any

import dagster as dg
import sqlalchemy as sa

from ccf_assets.db import comparison, schema
from ccf_assets.defs.table_metadata import OWNERS, whole_table_metadata
from ccf_assets.refusals import in_words

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
@in_words
def region_consistency() -> sa.Select[Any]:
    """Every region in each loaded atlas against the finest loaded atlas of the same version.

    How much larger or smaller a region is at a coarser resolution, and how much of it is in the same place.
    The SQL function region_diff(ccf_id_a, ccf_id_b) has the pairs of regions that differ.
    """
    return comparison.region_consistency()
