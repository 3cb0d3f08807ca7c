"""The schema diagram: every table with its columns and foreign keys, drawn from the definitions in schema.

``python -m ccf_assets.db.diagram > docs/schema.md`` writes it anew. It is Mermaid text, which GitHub draws.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.db.schema import SCHEMA, metadata

_POSTGRES: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

_HEAD = f"""# Schema

The tables of the schema `{SCHEMA}`, drawn from their definitions by `python -m ccf_assets.db.diagram`. PK
marks the key, FK a column that refers to another table. A line ends in bars at the table that is referred to,
in a crow's foot at the table whose rows refer to it; a circle means that there may be no row. The meaning of
every column, and the views and functions, are in the [reference](reference.md).
"""

PARTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "The atlas": (
            "reference_space",
            "atlas_number",
            "atlas",
            "brain_region",
            "region_parent",
            "region_ancestor",
            "voxel_run",
            "voxel",
            "brain_surface",
            "region_volume",
        ),
        "Recordings": (
            "coordinate_frame",
            "recording_folder",
            "recording_file",
            "recording_finding",
            "recording_claim",
            "recording_agreement",
            "recording_site",
            "recording_region",
            "recording_tally",
        ),
        "Coarse maps and comparison": ("region_set", "region_set_member", "region_consistency"),
        "Files that all hosts share": ("shared_file",),
    }
)
"""The tables of each diagram. One of all of them could not be read."""


def page() -> str:
    """The page of all diagrams, in Markdown."""
    lines = [_HEAD]
    for title, names in PARTS.items():
        tables = [metadata.tables[f"{SCHEMA}.{name}"] for name in names]
        lines += [f"## {title}", "", "```mermaid", "erDiagram", *_diagram(tables), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _diagram(tables: Sequence[sa.Table]) -> Iterator[str]:
    """The tables with their columns, then their foreign keys; a table of another diagram is a bare name."""
    for table in tables:
        yield f"    {table.name} {{"
        for column in table.columns:
            marks = ["PK"] * column.primary_key + ["FK"] * bool(column.foreign_keys)
            yield " ".join([f"        {_type(column)} {column.name}", *[", ".join(marks)] * bool(marks)])
        yield "    }"
    for table in tables:
        for key in sorted(table.foreign_key_constraints, key=_name):
            yield f"    {key.referred_table.name} {_line(table, key)} {table.name} : {_name(key)}"


def _type(column: sa.Column[object]) -> str:
    """The column's type as PostgreSQL names it, in one word: that is all Mermaid takes."""
    return re.sub(r"\W+", "_", str(column.type.compile(_POSTGRES)).lower()).strip("_")


def _line(table: sa.Table, key: sa.ForeignKeyConstraint) -> str:
    """The line's ends: one row that is referred to, perhaps none; any number that refer, or at most one."""
    columns = {column.name for column in key.columns}
    referred = "|o" if any(column.nullable for column in key.columns) else "||"
    refers = "o|" if columns >= {column.name for column in table.primary_key} else "o{"
    return f"{referred}--{refers}"


def _name(key: sa.ForeignKeyConstraint) -> str:
    """The columns that refer, without the atlas's number where that only comes along."""
    names = [name for name in key.column_keys if name != "ccf_id" or len(key.column_keys) == 1]
    return f'"{", ".join(names)}"'


def main() -> None:
    """Print the page."""
    sys.stdout.write(page())


if __name__ == "__main__":
    main()
