"""Every table, once: DDL, comments, Dagster's column schema and the checks all come from this module.

Coordinates are CCF µm from the corner of the volume: x = AP to posterior, y = DV to ventral, z = ML to the
right. Everything derived from an atlas carries its ccf_id. Foreign keys among the tables that one refresh of
the ontology rewrites cascade; those from voxels do not, so a region that still owns voxels cannot go away.
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA = "ccf"

HEMISPHERES = ("left", "right", "both")

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
    return sa.Column(
        "ccf_id", sa.Integer, primary_key=True, autoincrement=False, comment="Atlas (atlas.ccf_id)"
    )


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


def _atlas_fk() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["ccf_id"], ["atlas.ccf_id"])


def _region_fk(column: str = "region_id", *, cascade: bool) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["ccf_id", column],
        ["brain_region.ccf_id", "brain_region.region_id"],
        ondelete="CASCADE" if cascade else None,
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
    sa.Column("acronym", sa.Text, nullable=False, comment="Exact, case matters: CM and cm are two regions"),
    sa.Column("region_name", sa.Text, nullable=False, comment="The ontology's safe_name, without commas"),
    sa.Column("full_name", sa.Text, nullable=False, comment="The ontology's name, with its commas"),
    sa.Column("color_hex", sa.CHAR(6), nullable=False, comment="Allen colour, RRGGBB in hexadecimal"),
    sa.Column("structure_order", sa.Integer, nullable=False, comment="The ontology's graph_order, root 0"),
    _atlas_fk(),
    sa.UniqueConstraint("ccf_id", "acronym"),
    comment="The structures of each atlas's ontology",
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
    comment="The closure of region_parent: join on region_id and filter on ancestor_id for 'in X or inside it'",
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
    comment="Maximal runs of equal in-brain voxels along ML; everything outside the brain is absent",
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
    comment="One row per in-brain voxel, expanded from voxel_run on request",
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
    comment="Upper surface of the brain; columns that miss the brain are absent",
)

region_volume = sa.Table(
    "region_volume",
    metadata,
    _ccf_id(),
    _region_id(key=True),
    sa.Column("hemisphere", sa.Text, primary_key=True, comment="left (z < 5700 µm), right, or both"),
    sa.Column("own_voxels", sa.BigInteger, nullable=False, comment="Voxels painted with this very id"),
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


def create_tables(connection: sa.Connection) -> None:
    """Create the schema and whatever tables are missing; does nothing to those that are there.

    Safe to call from several processes at once: a lock held to the end of the transaction lets one at a
    time through, since CREATE … IF NOT EXISTS alone can collide.
    """
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{SCHEMA}.create_tables"))))
    connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
    metadata.create_all(connection)
