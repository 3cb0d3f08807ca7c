"""Every table: the DDL, the comments, Dagster's column schema and the checks all come from this package.

Views and functions are in sql/; installing and upgrading are in install.

Coordinates are µm from the corner of the volume, in the space of the atlas: x = AP to posterior, y = DV to
ventral, z = ML to the right; "CCF µm" where they are of that space. Everything derived from an atlas carries
its ccf_id. Foreign keys among the tables that one refresh of the ontology rewrites cascade; those from voxels
do not, so a region that still owns voxels cannot go away.
"""

from ccf_assets.db.schema.atlases import (
    atlas,
    atlas_number,
    brain_region,
    brain_surface,
    reference_space,
    region_ancestor,
    region_consistency,
    region_parent,
    region_set,
    region_set_member,
    region_volume,
    voxel,
    voxel_run,
)
from ccf_assets.db.schema.columns import INSERTED, SCHEMA, metadata
from ccf_assets.db.schema.recordings import (
    coordinate_frame,
    recording_agreement,
    recording_claim,
    recording_file,
    recording_finding,
    recording_folder,
    recording_region,
    recording_site,
    recording_source,
    recording_tally,
)
from ccf_assets.db.schema.shared import shared_file

__all__ = [
    "INSERTED",
    "SCHEMA",
    "atlas",
    "atlas_number",
    "brain_region",
    "brain_surface",
    "coordinate_frame",
    "metadata",
    "recording_agreement",
    "recording_claim",
    "recording_file",
    "recording_finding",
    "recording_folder",
    "recording_region",
    "recording_site",
    "recording_source",
    "recording_tally",
    "reference_space",
    "region_ancestor",
    "region_consistency",
    "region_parent",
    "region_set",
    "region_set_member",
    "region_volume",
    "shared_file",
    "voxel",
    "voxel_run",
]
