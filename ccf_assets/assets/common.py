"""What the assets of every group share: how a table presents itself to Dagster, and how content is named."""

from __future__ import annotations

import hashlib
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets import reference
from ccf_assets.atlases import AtlasEntry
from ccf_assets.ontology import read_structure_graph
from ccf_assets.partitions import CCF_ID_OF
from ccf_assets.resources import SourcesResource
from ccf_assets.sources import FetchedFile

OWNERS = ["team:ccf-assets"]

BULK_LOAD_POOL = "bulk_load"
"""Pool of the assets that write millions of rows; dagster.yaml limits how many load at once."""

ORDER_ONLY = "order_only"
"""Metadata of a dependency that must come first but whose content does not matter.

A foreign key is such a one: voxels need their regions to be there, and do not change when one is renamed.
"""


MADE_OF = "ccf_assets/ontology"
"""Tag of what is made of the ontology: its checksum. The asset structure_graph stands for whichever ontology
was refreshed last, the phantom's or another source's; what an atlas is made of is its own."""


def ontology_tag(file: FetchedFile) -> dict[str, str]:
    """The tag MADE_OF; a tag's value ends at 63 characters."""
    return {MADE_OF: file.sha256[:32]}


def after(asset: str) -> dg.AssetDep:
    """A dependency on ``asset`` for order only; see ORDER_ONLY."""
    return dg.AssetDep(asset, metadata={ORDER_ONLY: True})


def ontology_of(entry: AtlasEntry, sources: SourcesResource) -> pl.DataFrame:
    """The ontology in use for an atlas; see ontology.read_structure_graph."""
    return read_structure_graph(sources.get().ontology(entry).path)


def content_version(rows: pl.DataFrame) -> dg.DataVersion:
    """A data version that changes when, and only when, the rows do."""
    return dg.DataVersion(hashlib.sha256(rows.write_csv().encode()).hexdigest())


def table_metadata(table: sa.Table) -> dict[str, Any]:
    """Definition metadata of an asset that fills one atlas's slice of ``table``."""
    return {"partition_expr": "ccf_id", "partition_values": CCF_ID_OF, **whole_table_metadata(table)}


def whole_table_metadata(table: sa.Table) -> dict[str, Any]:
    """Definition metadata of an asset that fills ``table``: its name, columns and part of the reference."""
    return {
        "dagster/table_name": f"{table.schema}.{table.name}",
        "dagster/column_schema": _column_schema(table),
        # The page has no address of its own, and the UI serves no files: so its text instead of a link.
        "reference": dg.MetadataValue.md(reference.section(table)),
    }


def _column_schema(table: sa.Table) -> dg.TableSchema:
    """The table's columns with types, comments and keys, as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=column.comment,
                constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
                tags={"primary key": ""} if column.primary_key else None,
            )
            for column in table.columns
        ],
        constraints=dg.TableConstraints(
            other=[
                f"({', '.join(key.column_keys)}) → "
                f"{key.referred_table.name} ({', '.join(e.column.name for e in key.elements)})"
                for key in table.foreign_key_constraints
            ]
        ),
    )
