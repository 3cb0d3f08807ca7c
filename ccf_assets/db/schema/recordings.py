"""The tables of recordings: frames, files, sites, and the region of each site."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.ccf.frames.maps import COEFFICIENTS
from ccf_assets.ccf.space import ALLEN_CCF, KINDS, SITE, STATUSES, TRACK
from ccf_assets.db.schema.columns import (
    INSERTED,
    SCHEMA,
    atlas_fk,
    ccf_id_column,
    metadata,
    region_fk,
    source_index,
)

KIND_IS_KNOWN, STATUS_IS_KNOWN = (
    f"{column} IN ({', '.join(repr(word) for word in words)})"
    for column, words in (("kind", KINDS), ("status", STATUSES))
)
"""Checks of recording_site and recording_region, which an upgrade replaces."""


def _site_id() -> sa.Column[int]:
    """The column of a table whose rows are about one site; part of its key."""
    return sa.Column(
        "site_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Site (recording_site)"
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
    sa.Column(
        "space",
        sa.Text,
        sa.ForeignKey("reference_space.name"),
        nullable=False,
        server_default=ALLEN_CCF.name,
        comment="The space it leads into (reference_space.name)",
    ),
    sa.Column(
        "of_atlas", sa.Integer, comment="The atlas (ccf_id) whose files say what the frame is; null: no atlas"
    ),
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
    # Last, as in a database that was upgraded.
    sa.Column(
        "defined_by",
        sa.Text,
        comment="The lab's file, and its host, that says what the frame is; null: none does now",
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
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="Number of the site in the recording; of one with a name, ccf.site_number(site_name)",
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
    sa.Column("reported_region", sa.Text, comment="Region as reported with the site: id, acronym or name"),
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
    # Last, as in a database that was upgraded: an INSERT without names of columns means the same in both.
    sa.Column("site_name", sa.Text, comment="Name of the site; null where its source numbers its sites"),
    sa.Column("probe", sa.Text, comment="Probe that the site is on; null where it is not known"),
    sa.Column("shank", sa.Integer, comment="Number of the shank that the site is on; null likewise"),
    sa.Column("channel", sa.BigInteger, comment="Number of the channel or electrode; null likewise"),
    sa.Column("axial_um", sa.Double, comment="Position along the probe, µm; null likewise"),
    sa.Column("lateral_um", sa.Double, comment="Position across the probe, µm; null likewise"),
    sa.Column(
        "kind",
        sa.Text,
        nullable=False,
        server_default=SITE,
        comment="site; or track, a point traced along a probe, which is no recording site",
    ),
    sa.Column(
        "details",
        postgresql.JSONB,
        comment="Further columns of its source, by name, which the settings of the file keep",
    ),
    sa.CheckConstraint(KIND_IS_KNOWN, name="kind"),
    sa.CheckConstraint(r"source ~ '^[^[:cntrl:]]+$' AND strpos(source, '...') = 0", name="source"),
    source_index("recording_site"),
    # Few rows are of a track: this is how what counts sites leaves them out without reading every site.
    sa.Index(
        "recording_site_track_idx", "recording_id", "site_id", postgresql_where=sa.text(f"kind = '{TRACK}'")
    ),
    comment="Recording sites as given: from files, or inserted by SQL",
)

recording_claim = sa.Table(
    "recording_claim",
    metadata,
    sa.Column("recording_id", sa.Text, primary_key=True, comment="Recording (recording_site)"),
    sa.Column(
        "site_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Site (recording_site)"
    ),
    sa.Column("source", sa.Text, primary_key=True, index=True, comment="The file (recording_file)"),
    comment="Sites in a file that another source owns; when that source drops them, the file is read again",
)

recording_agreement = sa.Table(
    "recording_agreement",
    metadata,
    sa.Column("source", sa.Text, primary_key=True, comment="Where the sites came from (recording_site)"),
    sa.Column(
        "ccf_id",
        sa.Integer,
        sa.ForeignKey("atlas.ccf_id"),
        nullable=False,
        comment="The first loaded atlas of their space",
    ),
    sa.Column("compared", sa.Integer, nullable=False, comment="Sites with a reported and a computed region"),
    sa.Column("agreeing", sa.Integer, nullable=False, comment="Of these, report equals or contains computed"),
    sa.Column(
        "unknown", sa.Integer, nullable=False, comment="Sites whose reported region is not in the ontology"
    ),
    sa.Column("passed", sa.Boolean, nullable=False, comment="Whether nothing was suspicious"),
    sa.Column("sentence", sa.Text, nullable=False, comment="The comparison in words, with differences"),
    sa.Column(
        "not_drawn",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Of compared, report has no voxel in the atlas; the computed region is in its place",
    ),
    comment="Comparison of the reported regions of each source with the computed ones",
)

recording_region = sa.Table(
    "recording_region",
    metadata,
    sa.Column("recording_id", sa.Text, primary_key=True, comment="Recording (recording_site)"),
    sa.Column(
        "site_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Site (recording_site)"
    ),
    ccf_id_column(),
    sa.Column("x", sa.Double, comment="AP, CCF µm; null where a coordinate is not a finite number"),
    sa.Column("y", sa.Double, comment="DV, CCF µm; null also where the column has no brain surface"),
    sa.Column("z", sa.Double, comment="ML, CCF µm"),
    sa.Column(
        "hemisphere",
        sa.Text,
        comment="left or right of the midline; null outside the volume, and in a space without a midline",
    ),
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
    atlas_fk(),
    region_fk(cascade=False),
    sa.CheckConstraint(STATUS_IS_KNOWN, name="status"),
    sa.CheckConstraint("(status = 'assigned') = (region_id IS NOT NULL)", name="assigned"),
    sa.Index(None, "ccf_id", "region_id"),
    source_index("recording_region"),
    comment="The region of every site in every loaded atlas of its space; no site is left out",
)

recording_tally = sa.Table(
    "recording_tally",
    metadata,
    sa.Column("tally_id", sa.BigInteger, sa.Identity(), primary_key=True, comment="Number of the row"),
    sa.Column("source", sa.Text, nullable=False, comment="Where the sites came from (recording_site)"),
    sa.Column("frame", sa.Text, comment="Frame of rows of recording_site; null for recording_region"),
    sa.Column(
        "registered_in", sa.Integer, comment="Atlas of rows of recording_region; null for recording_site"
    ),
    *(
        sa.Column(name, sa.BigInteger, comment=f"recording_region.{name}; null for recording_site")
        for name in ("voxels_of", "surface_of")
    ),
    sa.Column("sites", sa.BigInteger, nullable=False, comment="Rows that were added, less those deleted"),
    sa.Column("reporting", sa.BigInteger, nullable=False, comment="Of these, with a reported region"),
    sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, comment="When the rows changed"),
    comment="What each statement added to and deleted from recording_site (by source and frame) and "
    "recording_region (by source and atlas). "
    "Triggers write it; its sums are the numbers of rows (view recording_source)",
)

recording_source = sa.table(
    "recording_source",
    sa.column("source", sa.Text),
    sa.column("sites", sa.BigInteger),
    sa.column("reporting", sa.BigInteger),
    sa.column("changed_at", sa.DateTime(timezone=True)),
    schema=SCHEMA,
)
"""The view of the sources that have sites: the sums of recording_tally."""
