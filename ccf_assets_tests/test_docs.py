"""The pages below docs/ are true: they are made from what they describe, or what they say is run."""

from __future__ import annotations

from pathlib import Path

from ccf_assets import diagram, schema

DOCS = Path(__file__).parents[1] / "docs"


# ---- the schema diagram


def test_the_committed_diagram_is_drawn_from_the_definitions() -> None:
    assert (DOCS / "schema.md").read_text("utf-8") == diagram.page(), (
        "draw it anew: python -m ccf_assets.diagram > docs/schema.md"
    )


def test_every_table_is_in_one_diagram() -> None:
    drawn = [name for names in diagram.PARTS.values() for name in names]
    assert sorted(drawn) == sorted(table.name for table in schema.metadata.tables.values())


def test_a_diagram_tells_one_row_from_many_and_one_that_must_be_there_from_one_that_may() -> None:
    page = diagram.page()
    assert 'brain_region ||--o| region_parent : "region_id"' in page
    assert 'brain_region ||--o{ region_parent : "parent_id"' in page
    assert 'brain_region |o--o{ recording_region : "region_id"' in page
