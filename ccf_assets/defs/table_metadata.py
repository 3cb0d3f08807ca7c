"""What the Dagster UI shows of a table: its columns, comments, keys and its section of the reference.

Not here: numbers of a run, which assets and the IO manager record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from ccf_assets.db import reference

OWNERS = ["team:ccf-assets"]
"""The owner of every asset, unless CCF_OWNER names another (labels)."""

BULK_LOAD_POOL = "bulk_load"
"""Pool of the assets that write millions of rows; dagster.yaml limits how many load at once."""


def table_metadata(table: sa.Table) -> dict[str, Any]:
    """Definition metadata of an asset that fills one atlas's slice of ``table``."""
    return {"partition_expr": "ccf_id", **whole_table_metadata(table)}


def column_lineage(**sources: Sequence[str]) -> dict[str, dg.TableColumnLineage]:
    """Metadata of a materialization: which columns each of its columns is made from.

    Args:
        sources: column → the columns it is made from, each as ``asset.column``.
    """
    lineage = {
        column: [
            dg.TableColumnDep(dg.AssetKey(asset), name)
            for asset, _, name in (source.partition(".") for source in named)
        ]
        for column, named in sources.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(lineage)}


def whole_table_metadata(table: sa.Table) -> dict[str, Any]:
    """Definition metadata of an asset that fills ``table``: its name, columns and reference section."""
    return {
        "dagster/table_name": f"{table.schema}.{table.name}",
        "dagster/column_schema": _column_schema(table),
        # The text and no link: the reference page has no web address, and the UI serves no files.
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
