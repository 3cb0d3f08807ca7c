"""The reference page is what the database says of itself, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

from ccf_assets.db import loaded, reference, schema, site_regions

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"

OWN = "pronamespace = 'ccf'::regnamespace"


def test_the_committed_page_is_what_the_database_says(database: sa.Engine) -> None:
    with database.connect() as connection:
        made = reference.page(connection)
    assert PAGE.read_text("utf-8") == made, (
        "write it anew: python -m ccf_assets.db.reference > docs/reference.md"
    )


def test_every_table_view_and_function_is_described(database: sa.Engine) -> None:
    with database.connect() as connection:
        silent = connection.scalars(
            sa.text(
                f"SELECT proname FROM pg_proc WHERE {OWN} AND prorettype <> 'trigger'::regtype "
                "AND obj_description(oid, 'pg_proc') IS NULL "
                "UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'ccf'::regnamespace "
                "AND relkind IN ('r', 'p', 'v') AND obj_description(oid, 'pg_class') IS NULL"
            )
        ).all()
    assert silent == []


def test_every_column_of_every_table_and_view_is_described(database: sa.Engine) -> None:
    with database.connect() as connection:
        silent = connection.execute(
            sa.text(
                "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
                "WHERE c.relnamespace = 'ccf'::regnamespace AND c.relkind IN ('r', 'p', 'v') "
                "AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped "
                "AND col_description(c.oid, a.attnum) IS NULL"
            )
        ).all()
    assert silent == []


def test_the_page_begins_with_a_line_for_each_function() -> None:
    page = PAGE.read_text("utf-8")
    index, *_ = page.partition("\n## Index\n")[2].partition("\n## Tables\n")
    functions = set(re.findall(r"^### ccf\.(\w+)$", page.partition("\n## Functions\n")[2], re.MULTILINE))
    assert set(re.findall(r"^\| \[`(\w+)`\]\(#ccf\w+\) \| .*\w", index, re.MULTILINE)) == functions
    for heading in re.findall(r"^### ccf\.(\w+)$", page, re.MULTILINE):
        assert f"[`{heading}`](#ccf{heading})" in index


def test_functions_run_with_the_callers_rights_but_those_that_keep_counts_and_numbers(
    database: sa.Engine,
) -> None:
    with database.connect() as connection:
        definers = sa.text(f"SELECT proname FROM pg_proc WHERE {OWN} AND prosecdef ORDER BY 1")
        assert connection.scalars(definers).all() == [
            "check_frame",
            "keep_atlas_number",
            "tally_regions",
            "tally_sites",
        ]


def test_the_page_has_what_a_reader_looks_for() -> None:
    page = PAGE.read_text("utf-8")
    for heading in ("## Tables", "### ccf.voxel_run", "## Views", "### ccf.region_info", "## Functions"):
        assert f"\n{heading}\n" in page
    assert "| `z_end` | integer | ML where the run ends, CCF µm, excluded |" in page
    assert (
        "`ccf.region_at(ccf_id integer, x double precision, y double precision, z double precision)`" in page
    )
    assert "voxel_run_" not in page
    assert "forget_regions" not in page


def test_a_tables_section_is_the_pages() -> None:
    page = PAGE.read_text("utf-8").replace("character varying", "varchar").replace("character(", "char(")
    for table in schema.metadata.sorted_tables:
        assert reference.section(table).rpartition("\n")[0] in page


def test_a_page_of_comments_knows_text_from_examples() -> None:
    assert reference.is_example("SELECT 1;")
    assert not reference.is_example("Selects one.")


def examples() -> list[str]:
    return re.findall(r"```sql\n(.*?)\n```", PAGE.read_text("utf-8"), re.DOTALL)


def as_written(value: object) -> set[str]:
    if isinstance(value, float):
        return {f"{value:g}", f"{value:.3f}"}
    return {str(value), f"{value:,}"} if isinstance(value, int) else {str(value)}


def test_every_example_runs_and_answers_what_it_says(real_database: sa.Engine) -> None:
    found = examples()
    assert len(found) > 10
    with real_database.connect() as connection:
        # Of sites there are none in this database, and none are left there: this is not committed.
        connection.exec_driver_sql(
            "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
            "VALUES ('m', 0, 7000, 3500, 6800, 'ccf')"
        )
        site = schema.recording_site.c
        sites = sa.select(site.recording_id, site.site_id, site.ap, site.dv, site.ml, site.frame, site.source)
        registered = site_regions.site_regions(sites, loaded.select_loaded_atlases())
        columns = registered.selected_columns.keys()
        connection.execute(sa.insert(schema.recording_region).from_select(columns, registered))
        for example in found:
            rows = connection.exec_driver_sql(example.replace("%", "%%")).all()
            assert rows, example
            said = example.partition("  -- ")[2]
            for value in [value for row in rows for value in row] if said else []:
                assert any(text in said for text in as_written(value)), (example, value)
