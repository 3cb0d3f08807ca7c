"""The tables of atlases: regions, voxels, volumes, region sets and the comparison of atlases."""

from __future__ import annotations

import sqlalchemy as sa

from ccf_assets.ccf.space import ALLEN_CCF, AXES, HEMISPHERES
from ccf_assets.db.schema.columns import (
    BY_ATLAS,
    atlas_fk,
    ccf_id_column,
    coordinate_column,
    metadata,
    region_fk,
    region_id_column,
)

reference_space = sa.Table(
    "reference_space",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, comment="Name of the space, e.g. allen_ccf_v3"),
    sa.Column("species", sa.Text, nullable=False, comment="The animal; empty where nobody has said it"),
    sa.Column("extent_ap", sa.Double, nullable=False, comment="Size along AP (x), µm"),
    sa.Column("extent_dv", sa.Double, nullable=False, comment="Size along DV (y), µm"),
    sa.Column("extent_ml", sa.Double, nullable=False, comment="Size along ML (z), µm"),
    sa.Column(
        "midline_um",
        sa.Double,
        comment="ML of the midline, µm: z >= midline_um is right; null where sides are not known",
    ),
    sa.Column("axes", sa.Text, nullable=False, comment="Where x, y, z run to, and from where"),
    sa.Column("source", sa.Text, nullable=False, comment="Where its numbers come from"),
    comment="Reference spaces: an atlas lies in one, a frame leads into one, and sites are registered only "
    "in the atlases of the space of their frame",
)

atlas_number = sa.Table(
    "atlas_number",
    metadata,
    sa.Column("ccf_id", sa.Integer, primary_key=True, autoincrement=False, comment="Number of the atlas"),
    sa.Column("key", sa.Text, nullable=False, unique=True, comment="The key that it is of, for ever"),
    comment="Every atlas that was ever loaded: a number is never used for another; a trigger writes it",
)

atlas = sa.Table(
    "atlas",
    metadata,
    sa.Column("ccf_id", sa.Integer, primary_key=True, autoincrement=False, comment="Number of the atlas"),
    sa.Column("key", sa.Text, nullable=False, unique=True, comment="Partition key, e.g. ccf_2017_25um"),
    sa.Column(
        "ccf_version", sa.String(64), nullable=False, comment="Version of the CCF, or of another atlas"
    ),
    sa.Column(
        "ccf_resolution",
        sa.REAL,
        nullable=False,
        comment="Edge of a voxel, µm; the smallest where they differ",
    ),
    sa.Column("ccf_description", sa.String(255), nullable=False, comment="One line for people"),
    sa.Column("shape_ap", sa.Integer, nullable=False, comment="Voxels along AP (x)"),
    sa.Column("shape_dv", sa.Integer, nullable=False, comment="Voxels along DV (y)"),
    sa.Column("shape_ml", sa.Integer, nullable=False, comment="Voxels along ML (z)"),
    *(
        sa.Column(
            f"edge_{axis}", sa.Double, nullable=False, comment=f"Edge of a voxel along {axis.upper()}, µm"
        )
        for axis in AXES
    ),
    sa.Column(
        "space",
        sa.Text,
        sa.ForeignKey("reference_space.name"),
        nullable=False,
        server_default=ALLEN_CCF.name,
        comment="The space it lies in (reference_space.name)",
    ),
    sa.Column("source_url", sa.Text, nullable=False, comment="Where the annotation volume came from"),
    sa.Column("sha256", sa.Text, nullable=False, comment="Checksum of the annotation volume"),
    sa.Column(
        "loaded_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
        comment="When this row last changed",
    ),
    comment="One row per atlas: a version of the CCF, or another annotation, at one resolution",
)

brain_region = sa.Table(
    "brain_region",
    metadata,
    ccf_id_column(),
    region_id_column(key=True),
    sa.Column("acronym", sa.Text, nullable=False, comment="Acronym; case matters: CM and cm are two regions"),
    sa.Column("region_name", sa.Text, nullable=False, comment="The ontology's safe_name, without commas"),
    sa.Column("full_name", sa.Text, nullable=False, comment="The ontology's name, with its commas"),
    sa.Column(
        "color_hex", sa.CHAR(6), nullable=False, comment="The ontology's colour, RRGGBB in hexadecimal"
    ),
    sa.Column("structure_order", sa.Integer, nullable=False, comment="The ontology's graph_order, root 0"),
    sa.Column(
        "source_id",
        sa.BigInteger,
        # The 32 bits of region_id without a sign: ccf.region_id.source_id.
        sa.Computed("(region_id::bigint & 4294967295)", persisted=True),
        nullable=False,
        comment="The id as the ontology has it: region_id, and 4,294,967,296 more where that is negative",
    ),
    atlas_fk(),
    # Deferrable, so that two structures can exchange acronyms in one statement.
    sa.UniqueConstraint("ccf_id", "acronym", deferrable=True, initially="IMMEDIATE"),
    comment="The structures of the ontology of each atlas",
)

region_parent = sa.Table(
    "region_parent",
    metadata,
    ccf_id_column(),
    region_id_column(key=True),
    sa.Column(
        "parent_id", sa.Integer, nullable=False, comment="Parent structure; the root is its own parent"
    ),
    sa.Column("depth", sa.SmallInteger, nullable=False, comment="Steps from the root, which is 0"),
    region_fk(cascade=True),
    region_fk("parent_id", cascade=True),
    sa.Index(None, "ccf_id", "parent_id"),
    comment="Each structure's parent",
)

region_ancestor = sa.Table(
    "region_ancestor",
    metadata,
    ccf_id_column(),
    region_id_column(key=True),
    sa.Column(
        "ancestor_id",
        sa.Integer,
        primary_key=True,
        autoincrement=False,
        comment="The structure itself or one that contains it",
    ),
    sa.Column("distance", sa.SmallInteger, nullable=False, comment="Steps up to the ancestor; 0 is itself"),
    region_fk(cascade=True),
    region_fk("ancestor_id", cascade=True),
    sa.Index(None, "ccf_id", "ancestor_id"),
    comment="Each structure with all its ancestors and itself (the closure of region_parent)",
)

voxel_run = sa.Table(
    "voxel_run",
    metadata,
    ccf_id_column(),
    coordinate_column("x", "AP of the voxels' front face, CCF µm"),
    coordinate_column("y", "DV of the voxels' top face, CCF µm"),
    coordinate_column("z", "ML where the run begins, CCF µm, included"),
    coordinate_column("z_end", "ML where the run ends, CCF µm, excluded", key=False),
    region_id_column(key=False),
    region_fk(cascade=False),
    comment="Maximal runs of in-brain voxels of one region along ML; voxels outside the brain have no row",
    postgresql_partition_by=BY_ATLAS,
)

voxel = sa.Table(
    "voxel",
    metadata,
    ccf_id_column(),
    coordinate_column("x", "AP of the voxel's front face, CCF µm"),
    coordinate_column("y", "DV of the voxel's top face, CCF µm"),
    coordinate_column("z", "ML of the voxel's left face, CCF µm"),
    region_id_column(key=False),
    region_fk(cascade=False),
    sa.Index(None, "y", "z"),
    comment="One row per in-brain voxel, expanded from voxel_run; loaded on request",
    postgresql_partition_by=BY_ATLAS,
)

brain_surface = sa.Table(
    "brain_surface",
    metadata,
    ccf_id_column(),
    coordinate_column("x", "AP of the column's front face, CCF µm"),
    coordinate_column("z", "ML of the column's left face, CCF µm"),
    coordinate_column("y", "DV of the top of the column's first in-brain voxel, CCF µm", key=False),
    atlas_fk(),
    comment="Upper surface of the brain; columns without brain have no row",
    postgresql_partition_by=BY_ATLAS,
)

region_volume = sa.Table(
    "region_volume",
    metadata,
    ccf_id_column(),
    region_id_column(key=True),
    sa.Column(
        "hemisphere", sa.Text, primary_key=True, comment="left or right of the midline of the space, or both"
    ),
    sa.Column("own_voxels", sa.BigInteger, nullable=False, comment="Voxels annotated with exactly this id"),
    sa.Column("own_mm3", sa.Double, nullable=False, comment="Volume of own_voxels, mm³"),
    sa.Column("voxels", sa.BigInteger, nullable=False, comment="Voxels of the region and all inside it"),
    sa.Column("volume_mm3", sa.Double, nullable=False, comment="Volume of the region and all inside it, mm³"),
    sa.Column(
        "centroid_x", sa.Double, comment="Mean AP of those voxels' centres, CCF µm; null without voxels"
    ),
    sa.Column("centroid_y", sa.Double, comment="Mean DV of those voxels' centres, CCF µm"),
    sa.Column("centroid_z", sa.Double, comment="Mean ML of those voxels' centres, CCF µm"),
    sa.Column("min_x", sa.Integer, comment="AP where the bounding box begins, CCF µm"),
    sa.Column("max_x", sa.Integer, comment="AP where the bounding box ends, CCF µm, excluded"),
    sa.Column("min_y", sa.Integer, comment="DV where the bounding box begins, CCF µm"),
    sa.Column("max_y", sa.Integer, comment="DV where the bounding box ends, CCF µm, excluded"),
    sa.Column("min_z", sa.Integer, comment="ML where the bounding box begins, CCF µm"),
    sa.Column("max_z", sa.Integer, comment="ML where the bounding box ends, CCF µm, excluded"),
    region_fk(cascade=True),
    sa.CheckConstraint(
        "hemisphere IN ({})".format(", ".join(f"'{h}'" for h in HEMISPHERES)), name="hemisphere"
    ),
    comment="Voxel counts, volume, centroid and bounding box of every structure, by hemisphere",
)

region_set = sa.Table(
    "region_set",
    metadata,
    ccf_id_column(),
    sa.Column("set_name", sa.Text, primary_key=True, comment="Name of the set, e.g. depth_3 or cosmos"),
    sa.Column("description", sa.Text, nullable=False, comment="What the set is, and its author"),
    sa.Column("source", sa.Text, nullable=False, comment="The file it came from, or 'built in'"),
    sa.Column("groups", sa.Integer, nullable=False, comment="Number of groups"),
    atlas_fk(),
    comment="Region sets of each atlas: coarse maps that put its regions into groups",
)

region_set_member = sa.Table(
    "region_set_member",
    metadata,
    ccf_id_column(),
    sa.Column("set_name", sa.Text, primary_key=True, comment="The set (region_set)"),
    region_id_column(key=True),
    sa.Column(
        "group_name",
        sa.Text,
        nullable=False,
        comment="Group of the region: an acronym, or a name that the author of the map chose",
    ),
    sa.ForeignKeyConstraint(
        ["ccf_id", "set_name"], ["region_set.ccf_id", "region_set.set_name"], ondelete="CASCADE"
    ),
    region_fk(cascade=True),
    comment="The group of each region in each set, including regions inside a mapped one; a region without "
    "a row belongs to no group",
)

region_consistency = sa.Table(
    "region_consistency",
    metadata,
    ccf_id_column(),
    region_id_column(key=True),
    sa.Column(
        "reference_id",
        sa.Integer,
        sa.ForeignKey("atlas.ccf_id", ondelete="CASCADE"),
        nullable=False,
        comment="Reference: the finest loaded atlas of the same version and space (atlas.ccf_id)",
    ),
    sa.Column("volume_mm3", sa.Double, nullable=False, comment="Volume of the region and all inside it, mm³"),
    sa.Column("reference_mm3", sa.Double, nullable=False, comment="The same in the reference, mm³"),
    sa.Column(
        "difference_percent",
        sa.Double,
        comment="Difference of the volume from the reference, % of the reference; null where that is 0",
    ),
    sa.Column(
        "agreement",
        sa.Double,
        comment="Share of its volume that is in the same region in the reference; null without volume",
    ),
    region_fk(cascade=True),
    comment="Comparison of every region of each atlas with the finest loaded atlas of the same version",
)
