"""Every table: the DDL, the comments, Dagster's column schema and the checks all come from this module.

Views and functions are in sql/; installing and upgrading are in install.

Coordinates are CCF µm from the corner of the volume: x = AP to posterior, y = DV to ventral, z = ML to the
right. Everything derived from an atlas carries its ccf_id. Foreign keys among the tables that one refresh of
the ontology rewrites cascade; those from voxels do not, so a region that still owns voxels cannot go away.
"""

from __future__ import annotations

import sqlalchemy as sa

from ccf_assets.ccf.frames.maps import COEFFICIENTS
from ccf_assets.ccf.space import HEMISPHERES, STATUSES

SCHEMA = "ccf"

INSERTED = "inserted"
"""Source, and partition key, of sites inserted by SQL. Keys of files end in .csv or .parquet."""

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
)


def _ccf_id() -> sa.Column[int]:
    return _coordinate("ccf_id", "Atlas (atlas.ccf_id)")


def _region_id(*, key: bool) -> sa.Column[int]:
    return sa.Column(
        "region_id",
        sa.Integer,
        primary_key=key,
        nullable=False,
        autoincrement=False,
        comment="Structure id of the Allen ontology",
    )


def _coordinate(name: str, comment: str, *, key: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=key, nullable=False, autoincrement=False, comment=comment)


def _count(name: str, comment: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=default, comment=comment)


def _atlas_fk() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["ccf_id"], ["atlas.ccf_id"])


def _region_fk(column: str = "region_id", *, cascade: bool) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["ccf_id", column],
        ["brain_region.ccf_id", "brain_region.region_id"],
        ondelete="CASCADE" if cascade else None,
    )


def _source_index(table: str) -> sa.Index:
    """An index of the rows of a source: these are stored together, so a range of blocks has few sources.

    A B-tree would add a tenth to the time in which the regions of a million sites are computed. It would be
    quicker for rows that many sources insert in turns, 4 instead of 26 ms among 300,000; a lab may add one.
    """
    return sa.Index(
        f"{table}_source_brin", "source", postgresql_using="brin", postgresql_with={"autosummarize": "on"}
    )


atlas = sa.Table(
    "atlas",
    metadata,
    sa.Column("ccf_id", sa.Integer, primary_key=True, autoincrement=False, comment="Number of the atlas"),
    sa.Column("key", sa.Text, nullable=False, unique=True, comment="Partition key, e.g. ccf_2017_25um"),
    sa.Column("ccf_version", sa.String(64), nullable=False, comment="Version of the CCF"),
    sa.Column("ccf_resolution", sa.REAL, nullable=False, comment="Edge of a voxel, µm"),
    sa.Column("ccf_description", sa.String(255), nullable=False, comment="One line for people"),
    sa.Column("shape_ap", sa.Integer, nullable=False, comment="Voxels along AP (x)"),
    sa.Column("shape_dv", sa.Integer, nullable=False, comment="Voxels along DV (y)"),
    sa.Column("shape_ml", sa.Integer, nullable=False, comment="Voxels along ML (z)"),
    sa.Column("source_url", sa.Text, nullable=False, comment="Where the annotation volume came from"),
    sa.Column("sha256", sa.Text, nullable=False, comment="Checksum of the annotation volume"),
    sa.Column(
        "loaded_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
        comment="When this row last changed",
    ),
    comment="One row per atlas: a version of the CCF at one resolution",
)

brain_region = sa.Table(
    "brain_region",
    metadata,
    _ccf_id(),
    _region_id(key=True),
    sa.Column("acronym", sa.Text, nullable=False, comment="Acronym; case matters: CM and cm are two regions"),
    sa.Column("region_name", sa.Text, nullable=False, comment="The ontology's safe_name, without commas"),
    sa.Column("full_name", sa.Text, nullable=False, comment="The ontology's name, with its commas"),
    sa.Column("color_hex", sa.CHAR(6), nullable=False, comment="Allen colour, RRGGBB in hexadecimal"),
    sa.Column("structure_order", sa.Integer, nullable=False, comment="The ontology's graph_order, root 0"),
    _atlas_fk(),
    # Deferrable, so that two structures can exchange acronyms in one statement.
    sa.UniqueConstraint("ccf_id", "acronym", deferrable=True, initially="IMMEDIATE"),
    comment="The structures of the ontology of each atlas",
)

region_parent = sa.Table(
    "region_parent",
    metadata,
    _ccf_id(),
    _region_id(key=True),
    sa.Column(
        "parent_id", sa.Integer, nullable=False, comment="Parent structure; the root is its own parent"
    ),
    sa.Column("depth", sa.SmallInteger, nullable=False, comment="Steps from the root, which is 0"),
    _region_fk(cascade=True),
    _region_fk("parent_id", cascade=True),
    sa.Index(None, "ccf_id", "parent_id"),
    comment="Each structure's parent",
)

region_ancestor = sa.Table(
    "region_ancestor",
    metadata,
    _ccf_id(),
    _region_id(key=True),
    sa.Column(
        "ancestor_id",
        sa.Integer,
        primary_key=True,
        autoincrement=False,
        comment="The structure itself or one that contains it",
    ),
    sa.Column("distance", sa.SmallInteger, nullable=False, comment="Steps up to the ancestor; 0 is itself"),
    _region_fk(cascade=True),
    _region_fk("ancestor_id", cascade=True),
    sa.Index(None, "ccf_id", "ancestor_id"),
    comment="Each structure with all its ancestors and itself (the closure of region_parent)",
)

voxel_run = sa.Table(
    "voxel_run",
    metadata,
    _ccf_id(),
    _coordinate("x", "AP of the voxels' front face, CCF µm"),
    _coordinate("y", "DV of the voxels' top face, CCF µm"),
    _coordinate("z", "ML where the run begins, CCF µm, included"),
    _coordinate("z_end", "ML where the run ends, CCF µm, excluded", key=False),
    _region_id(key=False),
    _region_fk(cascade=False),
    comment="Maximal runs of in-brain voxels of one region along ML; voxels outside the brain have no row",
    postgresql_partition_by="LIST (ccf_id)",
)

voxel = sa.Table(
    "voxel",
    metadata,
    _ccf_id(),
    _coordinate("x", "AP of the voxel's front face, CCF µm"),
    _coordinate("y", "DV of the voxel's top face, CCF µm"),
    _coordinate("z", "ML of the voxel's left face, CCF µm"),
    _region_id(key=False),
    _region_fk(cascade=False),
    sa.Index(None, "y", "z"),
    comment="One row per in-brain voxel, expanded from voxel_run; loaded on request",
    postgresql_partition_by="LIST (ccf_id)",
)

brain_surface = sa.Table(
    "brain_surface",
    metadata,
    _ccf_id(),
    _coordinate("x", "AP of the column's front face, CCF µm"),
    _coordinate("z", "ML of the column's left face, CCF µm"),
    _coordinate("y", "DV of the top of the column's first in-brain voxel, CCF µm", key=False),
    _atlas_fk(),
    comment="Upper surface of the brain; columns without brain have no row",
    postgresql_partition_by="LIST (ccf_id)",
)

region_volume = sa.Table(
    "region_volume",
    metadata,
    _ccf_id(),
    _region_id(key=True),
    sa.Column("hemisphere", sa.Text, primary_key=True, comment="left (z < 5700 µm), right, or both"),
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
    _region_fk(cascade=True),
    sa.CheckConstraint(
        "hemisphere IN ({})".format(", ".join(f"'{h}'" for h in HEMISPHERES)), name="hemisphere"
    ),
    comment="Voxel counts, volume, centroid and bounding box of every structure, by hemisphere",
)

coordinate_frame = sa.Table(
    "coordinate_frame",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, comment="Name of the frame, to which sites refer"),
    sa.Column("description", sa.Text, nullable=False, comment="What the frame is, and what to watch for"),
    sa.Column("source", sa.Text, nullable=False, comment="Where its numbers come from"),
    sa.Column("unit", sa.Text, nullable=False, comment="Unit of ap, dv and ml"),
    sa.Column("xyz", sa.Text, nullable=False, comment="Which of ap, dv, ml a file's x, y, z are"),
    sa.Column("dv_from", sa.Text, nullable=False, comment="Origin of dv: corner, bregma or surface"),
    *(
        sa.Column(
            name,
            sa.Double,
            nullable=False,
            comment=f"CCF {name[0]} of the frame's origin, µm"
            if name.endswith("_0")
            else f"µm of CCF {name[0]} per unit of {name[2:]}",
        )
        for name in COEFFICIENTS
    ),
    sa.CheckConstraint("dv_from IN ('corner', 'bregma', 'surface')", name="dv_from"),
    sa.CheckConstraint(
        "dv_from <> 'surface' OR (y_ap = 0 AND y_ml = 0 AND y_0 = 0 AND x_dv = 0 AND z_dv = 0)", name="depth"
    ),
    sa.CheckConstraint(
        "x_ap * (y_dv * z_ml - y_ml * z_dv) - x_dv * (y_ap * z_ml - y_ml * z_ap) "
        "+ x_ml * (y_ap * z_dv - y_dv * z_ap) <> 0",
        name="invertible",
    ),
    comment="Named coordinate frames: affine maps from (ap, dv, ml, 1) to CCF µm; maintained by the program",
)

recording_folder = sa.Table(
    "recording_folder",
    metadata,
    sa.Column("folder_id", sa.Text, primary_key=True, comment="UUID in the folder's file .ccf_folder"),
    sa.Column(
        "name", sa.Text, nullable=False, unique=True, comment="First part of its files' keys, or empty"
    ),
    sa.Column("host", sa.Text, comment="Host on which it was last seen"),
    sa.Column("path", sa.Text, comment="Its path there; null where it was not seen since folders are kept"),
    sa.Column("file_number", sa.Text, comment="Inode number of its marker, which a copy does not share"),
    comment="The folders of recordings whose files were read into this database",
)

recording_file = sa.Table(
    "recording_file",
    metadata,
    sa.Column("source", sa.Text, primary_key=True, comment="Partition key: the file's path, encoded"),
    sa.Column("digest", sa.Text, nullable=False, comment="SHA-256 of the file and its settings"),
    sa.Column(
        "looked_at_with",
        sa.Text,
        comment="What its checks depended on, one per line: the atlas and the frames used",
    ),
    sa.Column("sites", sa.Integer, nullable=False, comment="Rows in the file"),
    sa.Column("refused", sa.Boolean, nullable=False, comment="Whether it was refused: no sites loaded"),
    sa.Column(
        "read_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
        comment="When this row last changed; reading an unchanged file does not change it",
    ),
    comment="Each file of recording sites that was read",
)

recording_finding = sa.Table(
    "recording_finding",
    metadata,
    sa.Column("source", sa.Text, primary_key=True, comment="The file (recording_file)"),
    sa.Column("name", sa.Text, primary_key=True, comment="Name of the check"),
    sa.Column("blocking", sa.Boolean, nullable=False, comment="Whether the file was refused for it"),
    sa.Column("sentence", sa.Text, nullable=False, comment="What was found, where, and what to do"),
    comment="Errors and warnings about each file of recording sites, and about inserted rows",
)

recording_site = sa.Table(
    "recording_site",
    metadata,
    sa.Column("recording_id", sa.Text, primary_key=True, comment="Name or number of the recording"),
    sa.Column(
        "site_id",
        sa.Integer,
        primary_key=True,
        autoincrement=False,
        comment="Number of the site in the recording",
    ),
    sa.Column("ap", sa.Double, nullable=False, comment="Antero-posterior, in the frame's unit and sign"),
    sa.Column("dv", sa.Double, nullable=False, comment="Dorso-ventral, in the frame's unit and sign"),
    sa.Column("ml", sa.Double, nullable=False, comment="Medio-lateral, in the frame's unit and sign"),
    sa.Column(
        "frame",
        sa.Text,
        sa.ForeignKey("coordinate_frame.name"),
        nullable=False,
        comment="Frame of ap, dv, ml (coordinate_frame.name); there is no default",
    ),
    sa.Column("reported_region", sa.Text, comment="Region as reported with the site: id or acronym"),
    sa.Column(
        "source",
        sa.Text,
        nullable=False,
        server_default=INSERTED,
        comment="The file it came from (partition key), or the source of rows inserted by SQL",
    ),
    sa.Column(
        "inserted_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
        comment="When the row last changed",
    ),
    sa.CheckConstraint(r"source ~ '^[^[:cntrl:]]+$' AND strpos(source, '...') = 0", name="source"),
    _source_index("recording_site"),
    comment="Recording sites as given: from files, or inserted by SQL",
)

recording_claim = sa.Table(
    "recording_claim",
    metadata,
    sa.Column("recording_id", sa.Text, primary_key=True, comment="Recording (recording_site)"),
    sa.Column("site_id", sa.Integer, primary_key=True, autoincrement=False, comment="Site (recording_site)"),
    sa.Column("source", sa.Text, primary_key=True, index=True, comment="The file (recording_file)"),
    comment="Sites in a file that another source owns; when that source drops them, the file is read again",
)

recording_agreement = sa.Table(
    "recording_agreement",
    metadata,
    sa.Column("source", sa.Text, primary_key=True, comment="Where the sites came from (recording_site)"),
    sa.Column(
        "ccf_id", sa.Integer, sa.ForeignKey("atlas.ccf_id"), nullable=False, comment="The finest loaded atlas"
    ),
    _count("compared", "Sites with a reported and a computed region"),
    _count("agreeing", "Of these, report equals or contains computed"),
    _count("unknown", "Sites whose reported region is not in the ontology"),
    sa.Column("passed", sa.Boolean, nullable=False, comment="Whether nothing was suspicious"),
    sa.Column("sentence", sa.Text, nullable=False, comment="The comparison in words, with differences"),
    _count("not_drawn", "Of compared, report lies in the computed region, has no voxel there", default="0"),
    comment="Comparison of the reported regions of each source with the computed ones",
)

recording_region = sa.Table(
    "recording_region",
    metadata,
    sa.Column("recording_id", sa.Text, primary_key=True, comment="Recording (recording_site)"),
    sa.Column("site_id", sa.Integer, primary_key=True, autoincrement=False, comment="Site (recording_site)"),
    _ccf_id(),
    sa.Column("x", sa.Double, comment="AP, CCF µm; null where a coordinate is not a finite number"),
    sa.Column("y", sa.Double, comment="DV, CCF µm; null also where the column has no brain surface"),
    sa.Column("z", sa.Double, comment="ML, CCF µm"),
    sa.Column("hemisphere", sa.Text, comment="left (z < 5700 µm) or right; null outside the volume"),
    sa.Column("region_id", sa.Integer, comment="Region at the point; null outside the brain"),
    sa.Column("status", sa.Text, nullable=False, comment=f"One of {', '.join(STATUSES)}"),
    sa.Column("source", sa.Text, nullable=False, comment="Where the site came from (recording_site)"),
    *(
        sa.Column(
            name,
            sa.BigInteger,
            nullable=False,
            comment=f"Number (oid) of the partition of {of} that was used; a reload makes a new partition, "
            "and the region of the site is computed again",
        )
        for name, of in (("voxels_of", "voxel_run"), ("surface_of", "brain_surface"))
    ),
    sa.ForeignKeyConstraint(
        ["recording_id", "site_id"],
        ["recording_site.recording_id", "recording_site.site_id"],
        ondelete="CASCADE",
    ),
    _atlas_fk(),
    _region_fk(cascade=False),
    sa.CheckConstraint("status IN ({})".format(", ".join(f"'{s}'" for s in STATUSES)), name="status"),
    sa.CheckConstraint("(status = 'assigned') = (region_id IS NOT NULL)", name="assigned"),
    sa.Index(None, "ccf_id", "region_id"),
    _source_index("recording_region"),
    comment="The region of every site in every loaded atlas; no site is left out",
)

region_set = sa.Table(
    "region_set",
    metadata,
    _ccf_id(),
    sa.Column("set_name", sa.Text, primary_key=True, comment="Name of the set, e.g. depth_3 or cosmos"),
    sa.Column("description", sa.Text, nullable=False, comment="What the set is, and its author"),
    sa.Column("source", sa.Text, nullable=False, comment="The file it came from, or 'built in'"),
    sa.Column("groups", sa.Integer, nullable=False, comment="Number of groups"),
    _atlas_fk(),
    comment="Region sets of each atlas: coarse maps that put its regions into groups",
)

region_set_member = sa.Table(
    "region_set_member",
    metadata,
    _ccf_id(),
    sa.Column("set_name", sa.Text, primary_key=True, comment="The set (region_set)"),
    _region_id(key=True),
    sa.Column(
        "group_name",
        sa.Text,
        nullable=False,
        comment="Group of the region: an acronym, or a name that the author of the map chose",
    ),
    sa.ForeignKeyConstraint(
        ["ccf_id", "set_name"], ["region_set.ccf_id", "region_set.set_name"], ondelete="CASCADE"
    ),
    _region_fk(cascade=True),
    comment="The group of each region in each set, including regions inside a mapped one; a region without "
    "a row belongs to no group",
)

region_consistency = sa.Table(
    "region_consistency",
    metadata,
    _ccf_id(),
    _region_id(key=True),
    sa.Column(
        "reference_id",
        sa.Integer,
        sa.ForeignKey("atlas.ccf_id", ondelete="CASCADE"),
        nullable=False,
        comment="Reference: the finest loaded atlas of the same version (atlas.ccf_id)",
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
    _region_fk(cascade=True),
    comment="Comparison of every region of each atlas with the finest loaded atlas of the same version",
)
