"""The schema itself, and the columns, keys and indexes that many tables share."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA = "ccf"

INSERTED = "inserted"
"""Source, and partition key, of sites inserted by SQL. Keys of files end in .csv or .parquet."""

BY_ATLAS = "LIST (ccf_id)"
"""How the tables of voxels are divided: a partition is an atlas, and is replaced and dropped as a whole."""

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


def ccf_id_column() -> sa.Column[int]:
    """The atlas of a row, part of the key."""
    return sa.Column(
        "ccf_id", sa.Integer, primary_key=True, autoincrement=False, comment="Atlas (atlas.ccf_id)"
    )


def region_id_column(*, key: bool) -> sa.Column[int]:
    """The region of a row, as part of the key or not."""
    return sa.Column(
        "region_id",
        sa.Integer,
        primary_key=key,
        nullable=False,
        autoincrement=False,
        comment="Structure id of the ontology; of ids beyond 2,147,483,647 see brain_region.source_id",
    )


def coordinate_column(name: str, comment: str, *, key: bool = True) -> sa.Column[int]:
    """A coordinate of a voxel, in µm."""
    return sa.Column(name, sa.Integer, primary_key=key, nullable=False, autoincrement=False, comment=comment)


def atlas_fk() -> sa.ForeignKeyConstraint:
    """The atlas must exist."""
    return sa.ForeignKeyConstraint(["ccf_id"], ["atlas.ccf_id"])


def region_fk(column: str = "region_id", *, cascade: bool) -> sa.ForeignKeyConstraint:
    """The region must exist in the row's atlas; with ``cascade`` the row is deleted with it."""
    return sa.ForeignKeyConstraint(
        ["ccf_id", column],
        ["brain_region.ccf_id", "brain_region.region_id"],
        ondelete="CASCADE" if cascade else None,
    )


def source_index(table: str) -> sa.Index:
    """An index of the rows of a source: these are stored together, so a range of blocks has few sources.

    A B-tree would add a tenth to the time in which the regions of a million sites are computed. It would be
    quicker for rows that many sources insert in turns, 4 instead of 26 ms among 300,000; a lab may add one.
    """
    return sa.Index(
        f"{table}_source_brin", "source", postgresql_using="brin", postgresql_with={"autosummarize": "on"}
    )
