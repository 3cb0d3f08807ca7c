"""The pages below docs/ are true: they are made from what they describe, or what they say is run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import nbformat
import nibabel
import nrrd
import numpy as np
import pytest
import sqlalchemy as sa
from typer.main import get_command

from ccf_assets import settings
from ccf_assets.atlas.atlas import Atlas
from ccf_assets.cli import main
from ccf_assets.db import database, diagram, schema
from ccf_assets.definitions import defs
from ccf_assets.defs import sensors
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.errors import CcfError
from ccf_assets.pg import connect
from ccf_assets.recordings.formats.known import SUFFIXES
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support import notebook, pages
from ccf_assets_tests.support.pages import DOCS, README
from ccf_assets_tests.support.recordings_lab import RecordingsLab

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
        done = pages.run(line.removeprefix("ccf-assets "), folder)
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


# ---- the README and the pages of questions, recordings and commands


@pytest.fixture
def lab(
    _real_url: sa.URL, server_url: sa.URL, monkeypatch: pytest.MonkeyPatch, undrawn: None
) -> Iterator[RecordingsLab]:
    """What a reader has after `make run`: a real_database of this test's own, with the examples in it."""
    with (
        new_database(server_url, template=_real_url.database) as url,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(url))
        made = RecordingsLab(settings.recordings(), database.create_engine(), instance)
        assert made.serve(sensors.new_recordings)
        yield made
        database.create_engine().dispose()


def test_the_readme_has_room_on_a_few_screens() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 160


def test_the_readme_does_what_it_says(lab: RecordingsLab, tmp_path: Path) -> None:
    wrong, kinds = page_differs(README, lab, tmp_path)
    assert wrong == []
    assert kinds == {"sql": 7, "python": 1, "console": 3}


def test_the_questions_have_the_answers_they_are_said_to_have(lab: RecordingsLab, tmp_path: Path) -> None:
    wrong, kinds = page_differs(DOCS / "questions.md", lab, tmp_path)
    assert wrong == []
    assert kinds["sql"] >= 25


def test_recordings_come_in_as_their_page_says(lab: RecordingsLab, tmp_path: Path) -> None:
    page = DOCS / "recordings.md"
    for block in pages.blocks(page):
        if block.name:
            path = lab.folder / block.name if block.name != "frames.toml" else settings.home() / block.name
            path.write_text(block.text, "utf-8")
            lab.age(path)
    assert lab.serve(sensors.new_recordings)
    lab.serve(sensors.unregistered_sites)  # of the good files, beside the refused one
    wrong, kinds = page_differs(page, lab, tmp_path)
    assert wrong == []
    assert kinds["sql"] == 10


def test_the_commands_print_what_their_page_says(
    lab: RecordingsLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # volumes are written there
    wrong, _ = page_differs(DOCS / "commands.md", lab, tmp_path)
    assert wrong == []


def test_pictures_are_made_as_their_page_says(lab: RecordingsLab, tmp_path: Path) -> None:
    wrong, kinds = page_differs(DOCS / "pictures.md", lab, tmp_path)
    assert wrong == []
    assert kinds["console"] >= 2
    made = {file.suffix for file in tmp_path.rglob("*") if file.suffix in {".png", ".svg", ".pdf"}}
    assert made == {".png", ".svg", ".pdf"}


OWN_ATLAS = DOCS / "own_atlas.md"


@dataclass(frozen=True)
class Rats:
    """A lab after docs/own_atlas.md: the rat and a version of its own of the CCF beside Allen atlases."""

    lab: RecordingsLab
    folder: Path
    environment: Mapping[str, str]


@pytest.fixture(scope="module")
def rats(
    _real_url: sa.URL,
    server_url: sa.URL,
    ccf_data: Callable[[str], Path],
    ccf_cases: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rats]:
    folder = tmp_path_factory.mktemp("rats")
    home = folder / ".ccf"
    home.mkdir()
    (home / "whs").symlink_to(ccf_cases("atlases/whs_rat_v4"))
    for block in pages.blocks(OWN_ATLAS):
        if block.name:
            (home / block.name).write_text(block.text, "utf-8")
    catalogue = home / "atlases.toml"
    as_on_the_page = catalogue.read_text("utf-8")
    own = next(block.text for block in pages.blocks(OWN_ATLAS) if block.text.startswith("[own_25um]"))
    catalogue.write_text(as_on_the_page + own.partition("[kim_25um]")[0], "utf-8")
    write_corrected(ccf_data("annotation/ccf_2017/annotation_25.nrrd"), home / "own.nrrd")
    with (
        new_database(server_url, template=_real_url.database) as url,
        dg.DagsterInstance.ephemeral() as instance,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("ccf_assets.defs.figures.shown", lambda _log, _name, _draw: {})
        environment = {
            "CCF_HOME": str(home),
            "CCF_SOURCE": str(ccf_data("")),
            "CCF_POSTGRES_URL": connect.libpq_url(url),
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        lab = RecordingsLab(settings.recordings(), database.create_engine(), instance)
        assert lab.serve(sensors.new_recordings)
        assert defs.resolve_job_def("refresh_ontology").execute_in_process(instance=instance).success
        for key in ("rat_whs_39um", "own_25um"):
            add_atlases(instance, {key: False})
            load = defs.resolve_job_def("load_atlas")
            assert load.execute_in_process(instance=instance, partition_key=key).success
        lab.serve(sensors.unregistered_sites)
        # The page checks the rat's own catalogue.
        catalogue.write_text(as_on_the_page, "utf-8")
        yield Rats(lab, folder, environment)
        lab.engine.dispose()


@pytest.fixture
def at_the_rats(rats: Rats, monkeypatch: pytest.MonkeyPatch) -> Rats:
    for name, value in rats.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(rats.folder)
    return rats


def test_the_rat_comes_in_and_answers_as_its_page_says(at_the_rats: Rats) -> None:
    wrong, kinds = page_differs(OWN_ATLAS, at_the_rats.lab, at_the_rats.folder)
    assert wrong == []
    assert kinds["sql"] >= 8


def test_the_rat_has_its_counts_and_its_regions_at_its_places(
    at_the_rats: Rats, ccf_cases: Callable[[str], Path]
) -> None:
    engine = at_the_rats.lab.engine
    right = json.loads(ccf_cases("atlases/whs_rat_v4/right_answers.json").read_text("utf-8"))
    counts = """
        SELECT r.source_id, v.own_voxels FROM ccf.region_volume AS v JOIN ccf.brain_region AS r
        USING (ccf_id, region_id) WHERE ccf_id = 1001 AND hemisphere = 'both' AND own_voxels > 0
    """
    corner = [[p["ap_um"], p["dv_um"], p["ml_um"]] for p in right["points"]]
    with engine.connect() as connection:
        assert dict(connection.execute(sa.text(counts)).tuples().all()) == {
            int(i): n for i, n in right["counts"].items()
        }
        at = sa.text("SELECT ccf.region_at(1001, :x, :y, :z)")
        in_sql = [connection.scalar(at, dict(zip("xyz", point, strict=True))) or 0 for point in corner]
    atlas = Atlas("rat_whs_39um", engine=engine)
    labels = [point["label"] for point in right["points"]]
    world = [[p["anterior_mm"], p["superior_mm"], p["right_mm"]] for p in right["points"]]
    assert in_sql == labels
    assert atlas.locate(corner).region_id.tolist() == labels
    assert atlas.locate(corner, "whs_sd_rat").region_id.tolist() == labels
    assert atlas.locate(world, "rat_whs_39um_world").region_id.tolist() == labels
    # right_answers.json knows no midline; the page's entry gives one.
    assert set(atlas.locate(corner).hemisphere.tolist()) == {"left", "right"}
    stored = np.asanyarray(nibabel.load(ccf_cases("atlases/whs_rat_v4/labels.nii.gz")).dataobj)  # R, A, S
    assert (atlas.volume() == stored.transpose(1, 2, 0)[::-1, ::-1]).all()
    with pytest.raises(
        CcfError, match="leads into the space allen_ccf_v3, and rat_whs_39um lies in whs_sd_rat"
    ):
        atlas.locate([1, 2, 3], "ccf")
    with pytest.raises(CcfError, match="no place of the one is in the other"):
        atlas.differences("ccf_2017_100um")


def test_sites_of_one_animal_have_no_row_in_the_atlas_of_another(
    at_the_rats: Rats, ccf_cases: Callable[[str], Path]
) -> None:
    right = json.loads(ccf_cases("atlases/whs_rat_v4/right_answers.json").read_text("utf-8"))["points"]
    lab = at_the_rats.lab
    rat = [("rat 9", n, p["right_mm"], p["anterior_mm"], p["superior_mm"]) for n, p in enumerate(right)]
    lab.write("rat.csv", *rat, toml='frame = "rat_whs_39um_world"\n')
    lab.write("mouse.csv", ("mouse 9", 1, 8900, 1300, 8200))
    lab.serve(sensors.new_recordings)
    lab.serve(sensors.unregistered_sites)
    mine = "FROM ccf.recording_region WHERE recording_id IN ('rat 9', 'mouse 9')"
    with lab.engine.connect() as connection:

        def asked(query: str) -> list[Any]:
            return [tuple(row) for row in connection.execute(sa.text(query))]

        assert asked(
            f"SELECT recording_id, ccf_id > 1000 AND ccf_id < 1002, count(*) {mine} GROUP BY 1, 2 ORDER BY 1"
        ) == [("mouse 9", False, 4), ("rat 9", True, 200)]
        found = asked(f"SELECT coalesce(region_id, 0) {mine} AND ccf_id = 1001 ORDER BY site_id")
        assert [row[0] for row in found] == [p["label"] for p in right]


def write_corrected(official: Path, path: Path) -> None:
    """The official volume with 1,000 voxels of VISp1 (593) as VISp2/3 (821), stored as RAS."""
    voxels, _ = nrrd.read(str(official))
    voxels[tuple(np.argwhere(voxels == 593)[:1000].T)] = 821
    nrrd.write(str(path), voxels[::-1, ::-1].transpose(2, 0, 1), {"encoding": "gzip"}, compression_level=1)


def page_differs(page: Path, lab: RecordingsLab, folder: Path) -> tuple[list[str], dict[str, int]]:
    """Run a page from top to bottom; what is not as it says, and how many queries and blocks were run."""
    wrong: list[str] = []
    kinds = dict.fromkeys(("sql", "python", "console"), 0)
    for block in pages.blocks(page):
        if block.language == "sql":
            for query in pages.queries(block.text):
                kinds["sql"] += 1
                if query.statement.startswith("INSERT"):
                    lab.tell(query.statement)
                    lab.serve(sensors.unregistered_sites)
                else:
                    wrong += pages.wrong_answers(block, query, lab.engine)
        elif block.language == "python":
            kinds["python"] += 1
            wrong += pages.wrong_lines(block, {})
        elif block.language == "console":
            kinds["console"] += 1
            wrong += pages.wrong_commands(block, folder)
    return wrong, kinds


def test_every_command_and_every_setting_has_its_line() -> None:
    page = (DOCS / "commands.md").read_text("utf-8")
    commands = get_command(main.app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"`ccf-assets {name}" not in page] == []
    read = re.findall(r"CCF_[A-Z_]+", Path(settings.__file__).read_text("utf-8"))
    assert [name for name in read if f"| `{name}` |" not in page] == []


# ---- the architecture

ARCHITECTURE = DOCS / "architecture.md"


def test_every_ending_of_a_file_of_sites_is_on_its_page() -> None:
    page = (DOCS / "formats.md").read_text("utf-8") + (DOCS / "recordings.md").read_text("utf-8")
    assert [ending for ending in SUFFIXES if f"{ending}`" not in page] == []


def test_every_file_that_the_architecture_names_exists() -> None:
    paths = re.findall(r"`([\w/.]+(?:\.py|\.toml|\.csv|\.md|/))`", ARCHITECTURE.read_text("utf-8"))
    package, project = README.parent / "ccf_assets", README.parent
    assert len(paths) > 80
    assert [path for path in paths if not (package / path).exists() and not (project / path).exists()] == []


def test_the_layers_are_those_that_are_checked() -> None:
    texts = [page.read_text("utf-8") for page in (ARCHITECTURE, README.parent / "pyproject.toml")]
    drawn, checked = (re.findall(r"^layers = \[(.*?)\]", text, re.MULTILINE | re.DOTALL) for text in texts)
    assert re.findall(r'"(.*?)"', drawn[0]) == re.findall(r'"(.*?)"', checked[0])


# ---- links


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_a_page_leads_somewhere() -> None:
    folders = (DOCS, README.parent, *(README.parent / name for name in ("benchmarks", "drills", "fuzz")))
    texts = {page: page.read_text("utf-8") for folder in folders for page in folder.glob("*.md")}
    texts[notebook.TUTORIAL] = "\n".join(cell.source for cell in committed().cells)
    for page, text in texts.items():
        for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
            target = (page.parent / link).resolve() if link else page
            assert target.exists(), (page.name, link)
            assert not anchor or anchor in anchors(target.read_text("utf-8")), (page.name, link, anchor)


def test_every_page_is_in_the_list_of_the_readme() -> None:
    listed = README.read_text("utf-8").partition("## Learn more")[2]
    pages_ = [*DOCS.glob("*.md"), *DOCS.glob("*.ipynb")]
    assert [page.name for page in pages_ if f"](docs/{page.name})" not in listed] == []
