"""The pages below docs/ are true: they are made from what they describe, or what they say is run."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import sqlalchemy as sa
from typer.testing import CliRunner

from ccf_assets.cli import main
from ccf_assets.db import diagram, schema
from ccf_assets_tests.support import notebook

DOCS = Path(__file__).parents[2] / "docs"


# ---- the schema diagram


def test_the_committed_diagram_is_drawn_from_the_definitions() -> None:
    assert (DOCS / "schema.md").read_text("utf-8") == diagram.page(), (
        "draw it anew: python -m ccf_assets.db.diagram > docs/schema.md"
    )


def test_every_table_is_in_one_diagram() -> None:
    drawn = [name for names in diagram.PARTS.values() for name in names]
    assert sorted(drawn) == sorted(table.name for table in schema.metadata.tables.values())


def test_a_diagram_tells_one_row_from_many_and_one_that_must_be_there_from_one_that_may() -> None:
    page = diagram.page()
    assert 'brain_region ||--o| region_parent : "region_id"' in page
    assert 'brain_region ||--o{ region_parent : "parent_id"' in page
    assert 'brain_region |o--o{ recording_region : "region_id"' in page


# ---- the tutorial


def steps(tutorial: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in tutorial.cells if cell.cell_type == "code"]


def committed() -> nbformat.NotebookNode:
    return nbformat.read(notebook.TUTORIAL, as_version=4)


def test_the_tutorial_runs_and_shows_what_is_committed() -> None:
    # The numbers are the real atlas's. On the phantom every step runs, and says that it is not compared.
    source = os.environ.get("CCF_TEST_DATA")
    made = notebook.run(str(Path(source).resolve()) if source else "phantom")
    for now, before in zip(steps(made), steps(committed()), strict=True):
        if source and "varies" not in now.metadata.get("tags", []):
            assert notebook.shown(now) == notebook.shown(before), (
                f"{now.source}\n\nIf that is right, run it anew: python -m ccf_assets_tests.support.notebook"
            )


def test_the_committed_tutorial_was_run_from_top_to_bottom_on_the_real_atlas() -> None:
    cells = steps(committed())
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    words = " ".join(word for cell in cells for word in notebook.shown(cell))
    assert words.count("As in the tutorial:") == 10
    assert "phantom" not in words


def test_the_committed_tutorial_names_no_folder_of_a_machine_and_has_small_pictures() -> None:
    for cell in steps(committed()):
        for output in cell.outputs:
            data = output.get("data", {"text/plain": output.get("text", "")})
            assert not re.search(r"(?<![\w$])/(home|root|tmp|work|Users|var)/", data.get("text/plain", ""))
            assert len(data.get("image/png", "")) * 3 / 4 < 100_000


# ---- coming from another tool

COMING_FROM = DOCS / "coming_from.md"

COMMANDS_THAT_CHANGE = ("load", "drop")
"""Of these it is only seen whether there are such: the database is every test's."""


def our_lines() -> list[tuple[str, str | None]]:
    """What stands in the column "ours", once each: a line to run, and the answer it is said to have."""
    rows = re.findall(
        r"^\| .* \| (`.+?`(?: → `.+?`)?) \| [^|]*\|$", COMING_FROM.read_text("utf-8"), re.MULTILINE
    )
    cells = [row.strip("`").split("` → `") for row in rows]
    return list(dict.fromkeys((cell[0], cell[1] if len(cell) > 1 else None) for cell in cells))


def answered(line: str, engine: sa.Engine, names: dict[str, Any], folder: Path) -> object:
    """Run a line of SQL, of a shell, or of Python; the answer of SQL is its first value."""
    if line.startswith("SELECT "):
        with engine.connect() as connection:
            return (connection.exec_driver_sql(line.replace("%", "%%")).first() or [None])[0]
    if line.startswith("ccf-assets "):
        arguments = line.replace("slice.png", str(folder / "slice.png")).split()[1:]
        if arguments[0] in COMMANDS_THAT_CHANGE:
            arguments = [arguments[0], "--help"]
        done = CliRunner().invoke(main.app, arguments)
        assert done.exit_code == 0, (line, done.output)
        return done.output
    return eval(line, names)


def test_our_side_of_every_line_runs_and_answers_what_it_says(
    real_database: sa.Engine, tmp_path: Path
) -> None:
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", COMING_FROM.read_text("utf-8"), re.DOTALL)[0], names)
    lines = our_lines()
    assert len(lines) >= 45
    wrong = [
        (line, answer, said)
        for line, said in lines
        for answer in [answered(line, real_database, names, tmp_path)]
        if said is not None and str(answer) != said
    ]
    assert wrong == []


# ---- links


def test_every_link_of_a_page_leads_somewhere() -> None:
    pages = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]
    texts = {page: page.read_text("utf-8") for page in pages}
    texts[notebook.TUTORIAL] = "\n".join(cell.source for cell in committed().cells)
    for page, text in texts.items():
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (page.parent / link).exists(), (page.name, link)
