"""The table of small files that all hosts of a database share."""

from __future__ import annotations

import sqlalchemy as sa

from ccf_assets.db.schema.columns import metadata

shared_file = sa.Table(
    "shared_file",
    metadata,
    sa.Column(
        "kind",
        sa.Text,
        primary_key=True,
        comment="What it is: ontology, region_map, frame (into a space without an atlas), atlas (its entry "
        "in a catalogue) or atlas_read (what it was read from)",
    ),
    sa.Column(
        "name",
        sa.Text,
        primary_key=True,
        comment="Of an ontology its place in the cache, of a region map its file, otherwise its own name",
    ),
    sa.Column("sha256", sa.Text, nullable=False, comment="Checksum of content"),
    sa.Column("content", sa.LargeBinary, nullable=False, comment="The content, byte for byte"),
    sa.Column(
        "kept_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
        comment="When content last changed",
    ),
    sa.Column("kept_by", sa.Text, nullable=False, comment="The file or address, and the host, it came from"),
    comment="Small inputs of which every host must use the same: accepted ontologies, a lab's own "
    "region maps and entries of its catalogue of atlases; maintained by the program",
)
