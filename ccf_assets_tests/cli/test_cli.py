"""The command line: what it answers, where it says it, and what it exits with."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa
import typer

from ccf_assets.ccf.catalogue import BUILT_IN, atlas_entry
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.cli import forking, loading, main
from ccf_assets.cli.outcome import Outcome
from ccf_assets.cli.workers import work
from ccf_assets.db import database as database_module
from ccf_assets.db import schema
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.pg import connect
from ccf_assets.runs.home import dagster_home
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support.placed_sites import place
from ccf_assets_tests.support.program import ccf


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command in this process; ``typed`` is what its user types."""

    def run(*arguments: str, typed: str = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["ccf-assets", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        captured = capfd.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else int(bool(code)), captured.out, captured.err)

    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


# ---- asking


def test_what_is_loaded_is_listed(phantom_database: sa.Engine, run: Run) -> None:
    ended = run("status")
    assert ended.code == 0
    assert ended.err == ""
    for words in ("phantom_50um", "phantom_100um", "162260", "39516", "phantom (not the Allen CCF)"):
        assert words in ended.out
    header, *rows = (line.split("\t") for line in ended.out.splitlines())
    assert header[:3] == ["ccf_id", "atlas", "version"]
    assert [row[1] for row in rows] == ["phantom_50um", "phantom_100um"]


def test_what_is_loaded_is_answered_as_json(phantom_database: sa.Engine, run: Run) -> None:
    held = run("status", "--json").answer
    assert [atlas["key"] for atlas in held] == ["phantom_50um", "phantom_100um"]
    assert held[1]["rows"]["brain_region"] == 54
    assert held[1]["ccf_id"] == 904


def test_before_anything_is_loaded_the_status_says_so(database: sa.Engine, run: Run) -> None:
    ended = run("status")
    assert (ended.code, ended.err) == (0, "No atlas is loaded yet; run `ccf-assets load`.\n")
    assert ended.out.startswith("ccf_id\tatlas\t")
    assert run("status", "--json").answer == []


@pytest.mark.parametrize("question", [("region", "VISp"), ("locate", "1", "2", "3"), ("sites", "VISp")])
def test_before_anything_is_loaded_questions_say_what_to_do(
    database: sa.Engine, run: Run, question: tuple[str, ...]
) -> None:
    ended = run(*question)
    assert ended == Ended(1, "", "ccf-assets: No atlas is loaded yet; run `ccf-assets load`.\n")


def test_a_region_is_told_of_in_the_finest_atlas(phantom_database: sa.Engine, run: Run) -> None:
    ended = run("region", "VISp")
    assert ended.code == 0
    assert ended.err == ""
    first, path, children, volume = ended.out.splitlines()
    assert first.startswith("VISp  Primary visual area  (id 385, colour #08858C, phantom_50um)")
    assert path == "path      root → grey → CH → CTX → CTXpl → Isocortex → VIS → VISp"
    assert children.startswith("children  VISp1, VISp2/3, VISp4, VISp5, VISp6a")
    assert " mm³ in " in volume


def test_a_region_is_answered_as_json_by_acronym_and_by_id(phantom_database: sa.Engine, run: Run) -> None:
    by_acronym = run("region", "VISp", "--json", "--atlas", "phantom_100um").answer
    assert run("region", "385", "--json", "-a", "phantom_100um").answer == by_acronym
    assert by_acronym["region_id"] == 385
    assert by_acronym["path"][0] == "root"
    assert by_acronym["left_mm3"] + by_acronym["right_mm3"] == pytest.approx(by_acronym["volume_mm3"])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("visp", "There is no region 'visp' in phantom_50um; VISp differs by case only, and case matters."),
        ("VISpx", "did you mean VISp"),
        ("visual", "VIS"),
        ("zzzzzz", "acronyms and ids stand in table ccf.brain_region."),
        ("999999999", "There is no region '999999999' in phantom_50um"),
        ("99999999999999999999", "There is no region '99999999999999999999' in phantom_50um"),
        ("²", "There is no region '²' in phantom_50um"),
        ("'; DROP TABLE x", "There is no region '''; DROP TABLE x' in phantom_50um"),
    ],
)
def test_an_unknown_region_is_answered_with_near_ones(
    phantom_database: sa.Engine, run: Run, asked: str, words: str
) -> None:
    ended = run("region", asked)
    assert (ended.code, ended.out) == (1, "")
    assert words in ended.err
    assert ended.err.startswith("ccf-assets: ")
    assert ended.err.count("\n") == 1


def test_an_atlas_that_is_not_loaded_is_answered_with_those_that_are(
    phantom_database: sa.Engine, run: Run
) -> None:
    ended = run("region", "VISp", "--atlas", "phantom_25um")
    assert ended.code == 1
    assert "Atlas 'phantom_25um' is not loaded (loaded: phantom_50um, phantom_100um)" in ended.err
    assert "run `ccf-assets load phantom_25um`" in ended.err


@pytest.mark.parametrize("numbers", [("-100", "1300", "8200"), ("--", "-100", "1300.5", "8200")])
def test_a_negative_number_is_a_number(
    phantom_database: sa.Engine, run: Run, numbers: tuple[str, ...]
) -> None:
    assert run("locate", *numbers).out == "outside volume  (phantom_50um)\n"


def test_a_frame_of_another_order_is_read_as_every_frame_and_that_is_said(
    phantom_database: sa.Engine, run: Run
) -> None:
    said = run("locate", "--frame", "ibl", "-0.0035", "-0.0012", "0.0025")
    assert (
        said.err == "Read as AP, DV, ML, as commands read every point; the frame ibl itself has ML, AP, DV.\n"
    )
    assert "AP 8912.5, DV 1544.5, ML 8251.5" in said.out
    track = run("track", "--frame", "ibl", "-0.0035", "-0.0012", "0.0025", "-0.0035", "-0.002", "0.0025")
    assert track.err.startswith("Read as AP, DV, ML")
    assert run("locate", "--frame", "ccf_mm", "8.9", "1.3", "8.2").err == ""


def test_a_point_is_located(phantom_database: sa.Engine, run: Run) -> None:
    found = run("locate", "8900", "1300", "8200", "--json").answer
    assert [found[f"ccf_{axis}_um"] for axis in "xyz"] == [8900, 1300, 8200]
    assert (found["atlas"], found["hemisphere"]) == ("phantom_50um", "right")
    named = run("locate", "8900", "1300", "8200").out
    assert named.startswith(f"{found['acronym']}  ")
    assert f"(id {found['region_id']}, right, phantom_50um)" in named


def test_a_point_is_three_numbers(phantom_database: sa.Engine, run: Run) -> None:
    assert run("locate", "1", "2") == Ended(1, "", "ccf-assets: A point is three numbers: AP, DV and ML.\n")
    assert run("locate", "a", "b", "c").code == 2


def test_a_table_of_points_is_answered_beside_its_own_columns(phantom_database: sa.Engine, run: Run) -> None:
    table = "unit,x,y,z,status\nu1,8900,1300,8200,good\nu2,-1,2,3,\nu3,,2,3,mua\n"
    rows = run("locate", "--json", typed=table).answer
    assert [row["unit"] for row in rows] == ["u1", "u2", "u3"]
    assert (rows[0]["x"], rows[0]["ccf_x_um"], rows[0]["status"]) == (8900, 8900, "good")
    assert [row["x"] for row in rows] == [8900, -1, None]
    assert [row["ccf_status"] for row in rows] == ["assigned", "outside_volume", "invalid_nan"]
    assert [row["hemisphere"] for row in rows] == ["right", None, None]
    first, *lines = run("locate", typed=table).out.splitlines()
    assert first.split(",") == list(rows[0])
    assert lines[1] == "u2,-1,2,3,,phantom_50um,-1.0,2.0,3.0,outside_volume,,,,"


def test_a_table_without_any_point_in_a_region_is_told_what_its_numbers_might_be(
    phantom_database: sa.Engine, run: Run
) -> None:
    ended = run("locate", typed="ap,dv,ml\n8.9,1.3,8.2\n8.8,1.4,8.1\n")
    assert len(ended.out.splitlines()) == 3
    assert ended.err.startswith("No point of the CSV lies in a region. Read in the frame")
    assert '"ccf_mm"' in ended.err
    assert run("locate", typed="ap,dv,ml\n8900,1300,8200\n-1,2,3\n").err == ""
    assert run("locate", typed="ap,dv,ml\n,,\n").err == "No point of the CSV lies in a region.\n"


def test_a_point_in_mm_that_is_read_as_um_is_told_so_although_it_lies_in_a_region(
    phantom_database: sa.Engine, run: Run
) -> None:
    ended = run("locate", "--frame", "stereotaxic", "-2.0", "1.5", "1.5")
    assert "phantom_50um" in ended.out
    assert "in mm" in ended.err
    assert run("locate", "--frame", "stereotaxic", "-2000", "1500", "1500").err == ""


def test_a_point_far_from_the_brain_is_told_what_it_might_be(phantom_database: sa.Engine, run: Run) -> None:
    ended = run("locate", "8.9", "1.3", "8.2")
    assert ended.out == "outside brain  (phantom_50um)\n"
    assert ended.err == 'Read in the frame "ccf_mm" or in mm, it would lie in the brain.\n'
    assert '"stereotaxic"' in run("locate", "-3500", "500", "2500").err
    assert run("locate", "8900", "100", "8200").err == "", "just above the brain, as many channels are"
    assert run("locate", "nan", "1", "2").err == ""


def test_a_point_in_another_frame_is_shown_in_ccf_um(phantom_database: sa.Engine, run: Run) -> None:
    in_region = run("locate", "--frame", "ccf_mm", "8.9", "1.3", "8.2").out.splitlines()
    assert in_region[1:] == ["CCF µm    AP 8900, DV 1300, ML 8200"]
    outside = run("locate", "--frame", "ccf_mm", "1", "1.25", "0.0004").out.splitlines()
    assert outside == ["outside brain  (phantom_50um)", "CCF µm    AP 1000, DV 1250, ML 0.4"]
    assert "CCF µm" not in run("locate", "--frame", "ccf_mm", "nan", "1", "2").out, "it has no place"
    assert "CCF µm" not in run("locate", "8900", "1300", "8200").out, "they are the numbers given"


def test_a_point_whose_dv_has_the_wrong_sign_is_told_so(phantom_database: sa.Engine, run: Run) -> None:
    hint = 'Read with the columns as "AP, -DV, ML", it would lie in the brain.\n'
    assert run("locate", "--frame", "stereotaxic", "-2000", "-900", "1500").err == hint
    assert run("locate", "--frame", "stereotaxic", "-2000", "900", "1500").err == ""


def test_a_faulty_frame_of_ones_own_keeps_nobody_from_a_question_in_a_built_in_one(
    phantom_database: sa.Engine, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "frames.toml").write_text('[rig]\nunit = "um"\n', "utf-8")
    monkeypatch.setenv("CCF_FRAMES", str(tmp_path / "frames.toml"))
    assert "phantom_50um" in run("locate", "--frame", "stereotaxic", "-2000", "900", "1500").out
    assert '"stereotaxic"' in run("locate", "-3500", "500", "2500").err, "nor from a hint"
    assert "acronym" in run("locate", "--frame", "ccf_mm", typed="ap,dv,ml\n8.9,1.3,8.2\n").out
    assert run("track", "8900", "0", "8200", "8900", "3840", "8200").code == 0
    own = run("locate", "--frame", "rig", "1", "2", "3")
    assert (own.code, own.out) == (1, "")
    assert own.err.count("frame 'rig'") == 1


def test_a_search_lists_the_best_first(phantom_database: sa.Engine, run: Run) -> None:
    ended = run("search", "primary", "visual", "area")
    assert ended.out.startswith("acronym\tname\tregion_id\nVISp\tPrimary visual area\t385\n")
    assert ended.err.endswith(" regions (phantom_50um)\n")
    assert run("search", "primary visual area", "--json").answer[0]["acronym"] == "VISp"
    assert run("search", "zzzz") == Ended(0, "acronym\tname\tregion_id\n", "0 regions (phantom_50um)\n")


def test_rows_are_limited_and_what_is_left_out_is_said(phantom_database: sa.Engine, run: Run) -> None:
    everything = run("search", "visual")
    ended = run("search", "visual", "-n", "2")
    assert ended.out.splitlines() == everything.out.splitlines()[:3]
    rows = len(everything.out.splitlines()) - 1
    assert f"These are 2 of {rows}; -n 0 lists all.\n" in ended.err
    assert run("search", "visual", "-n", "0") == everything
    assert run("search", "visual", "-n", "-1").code == 2


def test_rows_come_as_csv_on_request(phantom_database: sa.Engine, run: Run) -> None:
    ended = run("search", "primary", "visual", "layer", "1", "--csv")
    assert ended.out == 'acronym,name,region_id\nVISp1,"Primary visual area, layer 1",593\n'
    assert run("catalogue", "--csv").out.startswith("atlas,load,description\n")


def test_a_search_says_what_is_an_everyday_name_and_what_is_only_near(
    phantom_database: sa.Engine, run: Run
) -> None:
    ended = run("search", "V1")
    assert "\nVISp\tPrimary visual area\t385\n" in ended.out
    assert "V1 is an everyday name of VISp (from the aliases of neuroconv's" in ended.err
    ended = run("search", "Caudoputomen")
    assert ended.out.endswith("\nCP\tCaudoputamen\t672\n")
    assert ended.err == "No region has these words; these are the nearest (phantom_50um)\n"
    assert [each["near_only"] for each in run("search", "Caudoputomen", "--json").answer] == [True]


def test_a_region_that_is_not_drawn_is_said_to_be_so_with_the_nearest_that_is(
    real_database: sa.Engine, run: Run, tmp_path: Path
) -> None:
    ended = run("region", "CA1sp")
    assert ended.out.splitlines()[-1].startswith("volume    not drawn in ccf_2017_25um; CA1 is (")
    layer, whole = (run("region", name, "--json").answer for name in ("CA1sp", "CA1"))
    assert (layer["voxels"], layer["drawn_as"], whole["drawn_as"]) == (0, "CA1", "CA1")
    assert run("sites", "CA1sp") == Ended(
        0,
        "recording_id\tsite_id\tacronym\themisphere\tsite\n",
        "CA1sp is not drawn in ccf_2017_25um; CA1 is; its sites are among those of `ccf-assets sites CA1`.\n",
    )
    assert "not drawn" in run("export", "region_volume", "-o", str(tmp_path / "volumes.csv")).err


def test_a_track_is_told_and_drawn(phantom_database: sa.Engine, run: Run, tmp_path: Path) -> None:
    track = ("track", "8900", "-100", "8200", "8900", "3840", "8200")
    rows = run(*track, "--json").answer
    assert (rows[0]["region_id"], rows[0]["entry_um"], rows[-1]["exit_um"]) == (None, 0, 3940)
    ended = run(*track, "-o", str(tmp_path / "strip.png"))
    assert ended.out.splitlines()[:2] == [
        "entry_um\texit_um\tacronym\tname",
        f"0.0\t{rows[0]['exit_um']}\t\toutside the brain",
    ]
    assert len(ended.out.splitlines()) == 1 + len(rows)
    assert (tmp_path / "strip.png").read_bytes().startswith(b"\x89PNG")
    assert run(*track, "--frame", "ccf", "-o", str(tmp_path / "strip.svg")).code == 0
    svg = (tmp_path / "strip.svg").read_text()
    told = "AP 8900, DV -100, ML 8200 CCF µm; −3.50 mm from bregma, 0.43 mm above bregma, 2.50 mm right of"
    assert told in svg
    assert ">right</text>" in svg
    beside = run("track", "0", "0", "0", "0", "0", "900", "-o", str(tmp_path / "beside.png"))
    assert (beside.code, beside.out.splitlines()[1:]) == (0, ["0.0\t900.0\t\toutside the brain"])
    # Before any work is done.
    refused = (
        "ccf-assets: a.jpg: pictures are PNG, SVG or PDF files; give a name that ends in .png, .svg, .pdf.\n"
    )
    assert run(*track, "-o", "a.jpg") == Ended(1, "", refused)


def test_what_the_database_refuses_is_said_in_one_line(phantom_database: sa.Engine, run: Run) -> None:
    said = (
        "ccf-assets: The track's beginning (10000000, 0, 0) is not a place: x, y and z must be µm from the "
    )
    assert run("track", "1e7", "0", "0", "1", "2", "3") == Ended(
        1, "", f"{said}corner of the volume, each a number within 1,000,000.\n"
    )


def test_a_slice_is_drawn_and_no_file_is_lost(phantom_database: sa.Engine, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "plane.png"
    drawn = run("slice", "coronal", "6600", "-o", str(path), "--sites")
    assert (drawn.code, drawn.out) == (0, "")
    assert drawn.err.startswith(f"Wrote {path} (")
    assert path.read_bytes().startswith(b"\x89PNG")
    again = run("slice", "coronal", "6600", "-o", str(path))
    assert again == Ended(1, "", f"ccf-assets: {path} exists already; --force replaces it.\n")
    assert run("slice", "coronal", "6600", "-o", str(path), "--force").code == 0
    assert "no orientation 'axial'" in run("slice", "axial", "6600", "-o", str(path)).err


def sliced(run: Run, tmp_path: Path, *arguments: str) -> str:
    """The SVG of a slice of the phantom."""
    path = tmp_path / "plane.svg"
    ended = run("slice", *arguments, "-o", str(path), "--force", "--atlas", "phantom_100um")
    assert ended.code == 0, ended.err
    return path.read_text()


def test_a_plane_is_named_in_another_frame(phantom_database: sa.Engine, run: Run, tmp_path: Path) -> None:
    in_um = sliced(run, tmp_path, "coronal", "8900")
    assert ">Coronal, AP 8900 µm (−3.50 mm from bregma)</text>" in in_um
    assert sliced(run, tmp_path, "coronal", "--frame", "stereotaxic", "-3500") == in_um
    out = ("-o", str(tmp_path / "no.png"))
    deep = run("slice", "horizontal", "1000", "--frame", "stereotaxic", *out)
    assert "measures DV from the brain's surface" in deep.err
    tilted = run("slice", "coronal", "1000", "--frame", "allen_forum", *out)
    assert "The frame allen_forum is tilted against the atlas: no coronal plane" in tilted.err
    assert run("slice", "coronal", *out).err == (
        "ccf-assets: Name the coronal plane by its AP: there are no sites to choose it by.\n"
    )
    assert not (tmp_path / "no.png").exists()


def test_regions_of_a_slice_are_grouped_highlighted_and_coloured_by_values(
    phantom_database: sa.Engine, run: Run, tmp_path: Path
) -> None:
    grouped = sliced(run, tmp_path, "coronal", "8900", "--set", "depth_5")
    assert ">Groups of depth_5 in this plane</text>" in grouped
    assert ">in no group of depth_5</text>" in grouped
    one = sliced(run, tmp_path, "coronal", "8900", "--region", "VISp", "--crop")
    assert ">VISp</text>" in one
    assert ">CA1</text>" not in one
    table = tmp_path / "rates.csv"
    table.write_text("region,hemisphere,rate (Hz)\nVISp,left,3.5\n382,,5\n")
    assert ">rate (Hz)</text>" in sliced(run, tmp_path, "coronal", "8900", "--values", str(table))
    query = "SELECT acronym AS region, 2 AS value FROM ccf.brain_region WHERE acronym LIKE 'VIS%'"
    told = sliced(run, tmp_path, "coronal", "8900", "--query", query, "--label", "Cells per mm³")
    assert ">Cells per mm³</text>" in told
    # Nulls first, which say no type; NaN, which is no value; an id of numeric.
    late = "SELECT 385::numeric AS region, CASE WHEN i = 1 THEN 'NaN' WHEN i > 150 THEN 1.5 END::numeric"
    assert sliced(
        run, tmp_path, "coronal", "8900", "--query", f"{late} AS value FROM generate_series(1, 200) i"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("area,value\nVISp,1\n", "Values of regions have the columns region and value"),
        ("region,value\nVISq,1\n", "There is no region 'VISq' in phantom_50um"),
        ("region,value\nVISp,high\n", "The value of VISp is 'high', which is no number."),
        ("region,value\nVISp,1\n385,2\n", "VISp has two values for the left hemisphere; keep one."),
        (
            "region,value,hemisphere\nVISp,1,west\n",
            "The hemisphere of VISp is 'west'; write left, right or both.",
        ),
        ("region,value\nVISp,\n", "No region has a value."),
        ("region,value\n,1\n", "A row of values names no region; name one, or leave the row out."),
    ],
)
def test_values_that_are_none_are_refused(
    phantom_database: sa.Engine, run: Run, tmp_path: Path, content: str, said: str
) -> None:
    table = tmp_path / "values.csv"
    table.write_text(content)
    ended = run("slice", "coronal", "8900", "--values", str(table), "-o", str(tmp_path / "plane.png"))
    assert ended.code == 1
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_a_query_for_values_changes_nothing(phantom_database: sa.Engine, run: Run, tmp_path: Path) -> None:
    ended = run(
        "slice", "coronal", "8900", "-o", str(tmp_path / "plane.png"),
        "--query", "DELETE FROM ccf.recording_site RETURNING recording_id AS region, 1 AS value",
    )  # fmt: skip
    assert (ended.code, "read-only transaction" in ended.err) == (1, True)
    twice = run("slice", "coronal", "8900", "-o", "a.png", "--query", "SELECT 1 AS region, 2 AS region")
    assert "Two columns of this SQL's answer are called 'region'" in twice.err
    assert (
        "no region set 'depth_0'; did you mean depth_"
        in run("slice", "coronal", "1", "--set", "depth_0", "-o", "a.png").err
    )
    assert "There is no recording 'mouse'" in run("slice", "coronal", "-r", "mouse", "-o", "a.png").err


def test_two_atlases_are_compared(phantom_database: sa.Engine, run: Run) -> None:
    atlases = ("phantom_100um", "phantom_50um")
    pairs = run("compare", *atlases, "--json").answer
    assert all(pair["region_a"] != pair["region_b"] for pair in pairs)
    told = run("compare", *atlases)
    first = pairs[0]
    rows = [line.split("\t") for line in told.out.splitlines()]
    outside = "outside the brain"
    assert rows[0] == ["mm3", "acronym_a", "acronym_b"]
    assert rows[1] == [str(first["mm3"]), first["acronym_a"] or outside, first["acronym_b"] or outside]
    assert len(rows) == 1 + len(pairs)
    assert told.err.startswith(f"{len(pairs):,} pairs, ")
    assert "is not loaded" in run("compare", "phantom_50um", "ccf_2017_10um").err


def test_tables_are_exported(phantom_database: sa.Engine, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    ended = run("export", "voxel_run", "-a", "phantom_100um", "-o", str(path))
    assert ended.err.splitlines()[0] == "39,516 rows of voxel_run in phantom_100um"
    assert len(path.read_text().splitlines()) == 39_517
    electrodes = run("export", "electrodes", "-o", str(tmp_path / "electrodes.parquet"))
    assert electrodes.code == 0
    assert "0 rows of electrodes in phantom_50um" in electrodes.err
    assert "+ is posterior" in electrodes.err


def test_a_volume_is_exported(phantom_database: sa.Engine, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    ended = run("export", "nifti", "phantom_100um", str(path))
    assert ended.code == 0
    first, wrote = ended.err.splitlines()
    assert first == "phantom_100um: 132 × 80 × 114 voxels (AP, DV, ML) of 100 µm, int32"
    assert wrote.startswith(f"Wrote {path} (")
    path = tmp_path / "a.ome.zarr"
    ended = run("export", "ome-zarr", "phantom_50um", str(path))
    assert "uint32, and 1 coarser level" in ended.err
    assert f"Wrote {path} (" in ended.err
    for arguments in (["nrrd"], ["nrrd", "phantom_100um"], ["nifti", "phantom_100um", "a.nii", "-o", "b"]):
        assert f"`ccf-assets export {arguments[0]} ATLAS FILE" in run("export", *arguments).err
    assert "an atlas and a file without -o" in run("export", "atlas", "phantom_100um", "a.csv").err


def test_an_atlas_is_exported_for_the_web(phantom_database: sa.Engine, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "for the web"
    place(phantom_database, "phantom_100um", "m1", [(6600, 4000, 5000), (None, None, None)])
    ended = run("export", "precomputed", str(folder), "-a", "phantom_100um", "--recording", "m1")
    assert ended.code == 0
    first, wrote, look, _ = ended.err.splitlines()
    assert re.fullmatch(r"phantom_100um: \d+ regions, 1 site \(1 more without a place\)", first)
    assert wrote.startswith(f"Wrote {folder} (")
    assert look == f"Look at it: python -m http.server --bind 127.0.0.1 -d '{folder}' 8000"
    assert "--force replaces it" in run("export", "precomputed", str(folder)).err
    for arguments in ([], [str(folder), "a.nii"], [str(folder), "-o", "b"]):
        assert "`ccf-assets export precomputed DIR`" in run("export", "precomputed", *arguments).err
    assert "are for precomputed" in run("export", "atlas", "-o", "a.csv", "--meshes").err


def test_sites_are_drawn_into_a_page(phantom_database: sa.Engine, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "sites.html"
    place(phantom_database, "phantom_100um", "m1", [(6600, 4000, 5000), (10, 10, 10), (None, None, None)])
    ended = run("sites", "--html", str(path), "-a", "phantom_100um", "--color-by", "region")
    assert (ended.code, ended.err.splitlines()[0]) == (0, "2 sites (1 more without a place)")
    assert "3 recording sites in phantom_100um" in path.read_text(encoding="utf-8")
    assert "--force replaces it" in run("sites", "root", "--html", str(path)).err
    assert run("sites", "root", "--html", str(path), "--force", "-a", "phantom_100um").err.startswith(
        "1 site\n"
    )
    for arguments in (
        [],
        ["root", "--recording", "m1"],
        ["root", "--color-by", "region"],
        ["root", "--force"],
    ):
        assert "Sites are listed with `ccf-assets sites REGION`" in run("sites", *arguments).err
    for answers in (["--json"], ["--csv"], ["--limit", "3"]):
        assert "Sites are listed with" in run("sites", "root", "--html", str(path), *answers).err


def test_the_catalogue_needs_no_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "database_url", lambda: pytest.fail("the database was asked for"))
    assert [entry["key"] for entry in run("catalogue", "--json").answer] == list(BUILT_IN)
    marks = {line.split()[0]: line for line in run("catalogue").out.splitlines()}
    assert "\tdefault, voxel rows\t" in marks["ccf_2017_100um"]
    assert "\tphantom, voxel rows\t" in marks["phantom_100um"]
    assert "\tdefault" not in marks["ccf_2017_10um"] + marks["phantom_100um"]


def test_every_command_has_help(run: Run) -> None:
    commands = list(typer.main.get_command(main.app).commands)  # type: ignore[attr-defined]
    assert {"region", "load", "recordings", "psql"} <= set(commands)
    for command in commands:
        assert run(command, "--help").code == 0


def test_a_wrong_address_is_one_line_without_the_password(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCF_POSTGRES_URL", "mysql://me:s3cret@db/lab")
    ended = run("status")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "s3cret" not in ended.err


def test_what_the_database_refuses_is_one_line(phantom_database: sa.Engine, run: Run) -> None:
    with phantom_database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ccf.region_parent RENAME TO gone")
    ended = run("region", "VISp")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert 'relation "ccf.region_parent" does not exist' in ended.err


def test_the_exit_code_of_psql_is_passed_on(database: sa.Engine, run: Run) -> None:
    assert run("psql", "-Atc", "SELECT count(*) FROM ccf.atlas") == Ended(0, "0\n", "")
    assert "psql [OPTION]" in run("psql", "-?").out
    ended = run("psql", "-c", "SELECT 1/0")
    assert ended.code == 1
    assert "division by zero" in ended.err


def test_the_url_is_the_answer_and_nothing_else(database: sa.Engine, run: Run) -> None:
    ended = run("url")
    assert (ended.code, ended.err) == (0, "")
    with psycopg.connect(ended.out.strip()) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (database.url.database,)


# ---- dropping


def test_the_status_tells_the_time_in_the_zone_of_who_asks(phantom_database: sa.Engine, run: Run) -> None:
    with phantom_database.begin() as connection:
        connection.execute(sa.text("UPDATE ccf.atlas SET loaded_at = '2026-01-31 20:30+00'"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        said = run("status").out
    time.tzset()
    assert "\tloaded_local\t" in said
    assert "2026-02-01 05:30" in said


def test_the_status_names_an_atlas_that_is_not_whole(phantom_database: sa.Engine, run: Run) -> None:
    assert "not whole" not in run("status").out
    with phantom_database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ccf.voxel_run WHERE ccf_id = 904")
    ended = run("status")
    assert (
        "phantom_100um is incomplete: no rows in voxel_run. Run `ccf-assets load phantom_100um`." in ended.err
    )
    assert "phantom_50um is incomplete" not in ended.err


def test_a_drop_says_what_would_go_and_no_means_no(phantom_database: sa.Engine, run: Run) -> None:
    ended = run("drop", "phantom_100um", typed="n\n")
    assert ended.code == 1
    assert "Drop phantom_100um with all these rows?" in ended.out
    assert "phantom_100um: 1 of atlas, 54 of brain_region, " in ended.err
    assert re.search(r"39,516 of voxel_run.* \([1-9]\d* MB\)\n", ended.err)
    assert len(run("status", "--json").answer) == 2


def test_a_drop_of_nothing_is_refused(phantom_database: sa.Engine, run: Run) -> None:
    assert "Name the atlases to drop, or give --recordings" in run("drop", "--yes").err


def test_a_drop_takes_everything_of_an_atlas_and_nothing_of_others(
    phantom_database: sa.Engine, run: Run
) -> None:
    other = _fingerprints(phantom_database, 903)
    dagster_home()
    with dg.DagsterInstance.get() as records:
        add_atlases(records, {"phantom_100um": True, "phantom_50um": False})
        assert run("drop", "phantom_100um", typed="y\n").code == 0
        assert records.get_dynamic_partitions("atlas") == ["phantom_50um"]
        assert records.get_dynamic_partitions("voxel_rows") == []
    assert _fingerprints(phantom_database, 903) == other
    assert not any(_counts(phantom_database, 904).values())
    ended = run("drop", "phantom_50um", "phantom_50um", "--yes")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.endswith("Dropped phantom_50um.\n")
    assert run("status", "--json").answer == []


_RECORDINGS = """
    INSERT INTO ccf.recording_file VALUES ('a.csv', 'digest', NULL, 1, false);
    INSERT INTO ccf.recording_finding VALUES ('a.csv', 'odd', false, 'It is odd.');
    INSERT INTO ccf.recording_claim VALUES ('m', 0, 'a.csv');
    INSERT INTO ccf.recording_agreement VALUES ('a.csv', 904, 1, 1, 0, true, 'All agree.');
    INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, reported_region, source)
    VALUES ('m', 0, 1, 2, 3, 'ccf', 'root', 'a.csv');
    INSERT INTO ccf.recording_site VALUES ('m', 1, 1, 2, 3, 'ccf');
    INSERT INTO ccf.recording_region
    SELECT 'm', site_id, ccf_id, 1, 2, 3, 'left', 997, 'assigned', source, 0, 0
    FROM ccf.recording_site, ccf.atlas;
"""


def _recorded(engine: sa.Engine) -> dict[str, int]:
    # A folder keeps its name whatever becomes of its recordings, and the tally has a row for each change.
    kept = {"recording_folder", "recording_tally"}
    tables = [
        t for t in schema.metadata.sorted_tables if t.name.startswith("recording_") and t.name not in kept
    ]
    with engine.connect() as connection:
        return {t.name: connection.scalar(sa.select(sa.func.count()).select_from(t)) or 0 for t in tables}


def test_a_drop_keeps_recordings(phantom_database: sa.Engine, run: Run) -> None:
    with phantom_database.begin() as connection:
        connection.exec_driver_sql(_RECORDINGS)
    before = _recorded(phantom_database)
    ended = run("drop", "phantom_100um", "--yes")
    assert ", 2 of recording_region" in ended.err
    assert "The 2 recording sites stay, without a region in the dropped atlases" in ended.err
    assert _recorded(phantom_database) == {**before, "recording_region": 2, "recording_agreement": 0}


def test_a_drop_takes_recordings_when_told_to_and_says_what_no_file_gives_back(
    phantom_database: sa.Engine, run: Run
) -> None:
    with phantom_database.begin() as connection:
        connection.exec_driver_sql(_RECORDINGS)
    atlases = _counts(phantom_database, 903)
    ended = run("drop", "--recordings", typed="n\n")
    assert ended.code == 1
    assert "Drop all recordings with all these rows?" in ended.out
    assert "recordings: 1 of recording_file, 1 of recording_finding, 2 of recording_site, " in ended.err
    assert "; 1 of the sites came from no file and cannot be read again\n" in ended.err
    assert all(_recorded(phantom_database).values())
    assert run("drop", "--recordings", "phantom_100um", "--yes").err.endswith(
        "Dropped phantom_100um, all recordings.\n"
    )
    assert not any(_recorded(phantom_database).values())
    assert not any(_counts(phantom_database, 904).values())
    assert _counts(phantom_database, 903) == {**atlases, "recording_region": 0}


def test_a_drop_does_not_wait_for_ever(
    phantom_database: sa.Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccf_assets.db.holdings.LOCK_WAIT_S", 0.2)
    with phantom_database.begin() as reader:
        reader.execute(sa.select(schema.voxel_run).limit(1))
        ended = run("drop", "phantom_50um", "--yes")
    assert ended.code == 1
    assert "in use by another session, so nothing was dropped" in ended.err
    assert _counts(phantom_database, 903)["voxel_run"] == 162_260


# ---- loading


def _counts(engine: sa.Engine, ccf_id: int) -> Mapping[str, int]:
    """Rows of an atlas by table; its number stays its own for ever, also after it was dropped."""
    of_atlas = [t for t in schema.metadata.sorted_tables if "ccf_id" in t.columns]
    tables = [t for t in of_atlas if t is not schema.atlas_number]
    with engine.connect() as connection:
        return {
            t.name: connection.scalar(sa.select(sa.func.count()).where(t.c.ccf_id == ccf_id)) or 0
            for t in tables
        }


def _fingerprints(engine: sa.Engine, ccf_id: int | None = None) -> Mapping[str, object]:
    """What changes when any row is written: by whom each was, and where it stands."""
    found = {}
    with engine.connect() as connection:
        for table in schema.metadata.sorted_tables:
            of = f"WHERE ccf_id = {ccf_id}" if ccf_id and "ccf_id" in table.columns else ""
            query = f"SELECT count(*), sum(hashtext(xmin::text || tableoid || ctid)) FROM {table} {of}"
            found[table.name] = tuple(connection.exec_driver_sql(query).one())
    return found


@pytest.fixture(scope="module")
def lab(server_url: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings with a database and folder of their own, for loads that follow one another."""
    folder = tmp_path_factory.mktemp("lab")
    with new_database(server_url) as url:
        yield {
            "CCF_HOME": str(folder),
            "CCF_POSTGRES_URL": connect.libpq_url(url),
            "CCF_SOURCE": "phantom",
            "CCF_RECORDINGS": str(folder / "none"),
        }


@pytest.fixture(scope="module")
def loaded(lab: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The first load of phantom_100um, and how it ended."""
    return ccf("load", "phantom_100um", **lab)


class _NoProcess:
    """In place of a worker process: its tasks are carried out here and now, and all else is the same."""

    def __init__(self, source: str) -> None:
        self._source = source

    def notes(self) -> list[Any]:
        return []

    def submit(self, function: Callable[..., Outcome], key: str, *arguments: object) -> Future[Outcome]:
        done: Future[Outcome] = Future()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CCF_SOURCE", self._source)
            done.set_result(work(function, key, *arguments))
        return done

    def leave(self) -> None:
        pass


@pytest.fixture
def here(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with these settings wholly in this process; the first load was in those of its own."""
    monkeypatch.setattr(loading, "Worker", _NoProcess)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")  # which the storage sets, and nobody takes back

    def here(*arguments: str, **settings: str) -> Ended:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return run(*arguments)

    return here


@pytest.fixture
def engine(lab: dict[str, str], loaded: object) -> sa.Engine:
    return sa.create_engine(
        connect.parse_url(lab["CCF_POSTGRES_URL"], "CCF_POSTGRES_URL"), poolclass=sa.NullPool
    )


def test_a_load_tells_its_progress_on_standard_error_and_the_result_on_standard_output(
    loaded: subprocess.CompletedProcess[str],
) -> None:
    assert loaded.returncode == 0, loaded.stderr
    assert "Database: the server CCF_POSTGRES_URL names" in loaded.stderr
    assert "Loading phantom_100um from the phantom …" in loaded.stderr
    assert re.search(r"\nphantom_100um: loaded in \d+ s\n", loaded.stderr)
    assert re.search(r"\nphantom_100um: loaded voxel rows in \d+ s\n", loaded.stderr)
    assert loaded.stdout.startswith("ccf_id  atlas")
    assert "39,516" in loaded.stdout
    assert "You can ask now:" in loaded.stdout
    assert not re.search(r"voxel_run|brain_region", loaded.stdout + loaded.stderr), "nobody asked for tables"
    assert len((loaded.stdout + loaded.stderr).splitlines()) < 30


def test_a_load_is_runs_of_the_jobs_that_the_ui_shows(engine: sa.Engine) -> None:
    query = "SELECT pipeline_name, status FROM ccf_dagster.runs ORDER BY id LIMIT 3"
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.exec_driver_sql(query)] == [
            ("refresh_ontology", "SUCCESS"),
            ("load_atlas", "SUCCESS"),
            ("load_voxel_rows", "SUCCESS"),
        ]


def test_100_um_has_rows_by_default(engine: sa.Engine) -> None:
    assert _counts(engine, 904)["voxel"] == 404_045


def test_a_second_load_changes_no_row_and_says_that_all_is_current(
    engine: sa.Engine, lab: dict[str, str], here: Run
) -> None:
    before = _fingerprints(engine)
    again = here("load", "phantom_100um", "phantom_100um", "--rows", **lab)
    assert again.code == 0
    assert [line for line in again.err.splitlines() if ": " in line][1:] == [
        "ontology: up to date",
        "phantom_100um: up to date",
        "recordings: up to date",
    ]
    assert _fingerprints(engine) == before


def test_a_load_takes_up_maps_that_changed_and_says_what_is_wrong_with_one(
    engine: sa.Engine, lab: dict[str, str], here: Run, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    lab = {**lab, "CCF_REGION_SETS": str(tmp_path)}
    file.write_text("set,region,group\nmine,CtX,x\n", "utf-8")
    refused = here("load", "phantom_100um", **lab)
    assert refused.code == 0
    assert "warning: mine.csv, set 'mine': There is no region 'CtX' in phantom_100um; CTX" in refused.err
    file.write_text("set,region,group\nmine,CTX,x\n", "utf-8")
    assert "phantom_100um: loaded region sets in" in here("load", "phantom_100um", **lab).err
    file.unlink()
    assert "phantom_100um: loaded region sets in" in here("load", "phantom_100um", **lab).err


def test_a_refresh_fetches_again_and_changes_no_row_where_nothing_is_new(
    engine: sa.Engine, lab: dict[str, str], here: Run
) -> None:
    before = _fingerprints(engine)
    again = here("load", "phantom_100um", "--refresh", **lab)
    assert again.code == 0
    assert "ontology: " in again.err
    assert "phantom_100um: loaded the volume file in " in again.err
    assert _fingerprints(engine) == before


def test_a_failed_load_exits_with_1_and_leaves_the_rows(
    engine: sa.Engine, lab: dict[str, str], here: Run, tmp_path: Path
) -> None:
    before = _fingerprints(engine) | {"shared_file": None}  # the ontology that it accepts, which was good
    (tmp_path / "ontology").mkdir()
    (tmp_path / "ontology/structure_graph.csv").write_bytes(phantom_ontology.structure_graph_csv())
    failed = here("load", "ccf_2017_100um", **{**lab, "CCF_SOURCE": str(tmp_path)})
    assert failed.code == 1
    volume = tmp_path / "annotation/ccf_2017/annotation_100.nrrd"
    assert f"ccf_2017_100um: FAILED. {volume} does not exist; put it there" in failed.err
    assert "Traceback" not in failed.err
    assert "phantom_100um" in failed.out
    assert "You can ask now" not in failed.out
    assert failed.err.splitlines()[-1].startswith("ccf_2017_100um: FAILED. "), "after the table, once more"
    assert _fingerprints(engine) | {"shared_file": None} == before


def test_inserted_rows_are_registered_at_once_on_request(
    engine: sa.Engine, lab: dict[str, str], here: Run
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
            "VALUES ('mouse 7', 0, 6600, 3000, 4000, 'ccf')"
        )
    query = "SELECT status FROM ccf.recording_site_region"
    with engine.connect() as connection:
        assert connection.exec_driver_sql(query).scalars().all() == ["not_registered"]
    ended = here("register", **lab)
    assert (ended.code, ended.out) == (0, "")
    assert re.search(r"^recordings: registered inserted sites in \d+ s$", ended.err, re.MULTILINE)
    with engine.begin() as connection:
        assert connection.exec_driver_sql(query).scalars().all() == ["assigned"]
        connection.exec_driver_sql(
            "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
            "SELECT 'in mm', i, 6 + i / 10.0, 3, 4 + i / 10.0, 'ccf' FROM generate_series(0, 9) i"
        )
    assert "warning: inserted is suspicious (unit): " in here("register", **lab).err
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ccf.recording_site")
    assert "recordings: up to date" in here("register", **lab).err


def test_after_a_drop_a_load_loads_again(engine: sa.Engine, lab: dict[str, str], here: Run) -> None:
    before = _counts(engine, 904)
    assert here("drop", "phantom_100um", "--yes", **lab).code == 0
    assert not any(_counts(engine, 904).values())
    again = here("load", "phantom_100um", "--no-rows", **lab)
    assert again.code == 0
    assert "phantom_100um: loaded in " in again.err
    assert _counts(engine, 904) == {**before, "voxel": 0}


def test_an_unknown_atlas_is_answered_with_near_ones_before_anything_is_begun(run: Run) -> None:
    ended = run("load", "ccf_2017_20um")
    assert (ended.code, ended.out) == (1, "")
    assert "There is no atlas 'ccf_2017_20um' in the catalogue; did you mean ccf_2017_" in ended.err
    assert not Path(os.environ["CCF_HOME"]).exists()


def print_to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The loads that are asked for, which are not done; the source is out of reach."""
    asked: list[dict[str, Any]] = []

    def load(entries: list[Any], **options: Any) -> list[Outcome]:
        asked.append({"keys": [entry.key for entry in entries], **options})
        sentence = "http://a.test could not be fetched because this network does not know the server's name."
        unreachable = options["source"] != "phantom"
        outcome = Outcome("structure_graph", error=sentence if unreachable else None, unreachable=unreachable)
        options["report"](outcome, print_to_stderr)
        return [outcome]

    monkeypatch.setattr(loading, "load", load)
    return asked


def test_the_default_is_three_resolutions_then_the_phantoms_when_the_source_is_out_of_reach(
    database: sa.Engine, run: Run, asked_for: list[dict[str, Any]]
) -> None:
    ended = run("load")
    assert ended.code == 0
    assert "ontology: FAILED. http://a.test could not be fetched" in ended.err
    assert [call["keys"] for call in asked_for] == [
        ["ccf_2017_25um", "ccf_2017_50um", "ccf_2017_100um"],
        ["phantom_25um", "phantom_50um", "phantom_100um"],
    ]
    assert [call["source"] for call in asked_for] == ["allen", "phantom"]
    assert {call["rows"] for call in asked_for} == {None}
    assert "CCF_SOURCE" not in os.environ, "the source is an argument of the load, not a setting it changes"


@pytest.mark.parametrize(
    ("keys", "source"),
    [(["phantom_100um"], "phantom"), (["phantom_100um", "ccf_2017_100um"], "allen")],
)
def test_the_phantom_alone_needs_no_other_source(
    database: sa.Engine, run: Run, asked_for: list[dict[str, Any]], keys: list[str], source: str
) -> None:
    run("load", *keys)
    assert [(call["keys"], call["source"]) for call in asked_for] == [(keys, source)]


def test_an_atlas_that_was_named_is_not_replaced_by_the_phantom(
    database: sa.Engine, run: Run, asked_for: list[dict[str, Any]]
) -> None:
    ended = run("load", "ccf_2017_50um", "--rows", "--jobs", "3")
    assert ended.code == 1
    assert "PHANTOM" not in ended.err
    assert [(call["keys"], call["rows"], call["jobs"]) for call in asked_for] == [
        (["ccf_2017_50um"], True, 3)
    ]


def test_an_atlas_that_is_there_is_not_replaced_by_the_phantom(
    phantom_database: sa.Engine, run: Run, asked_for: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CCF_SOURCE")
    with phantom_database.begin() as connection:
        # Its voxels matter to nobody here, only that it is not the phantom's.
        connection.exec_driver_sql(
            "DELETE FROM ccf.atlas_number WHERE ccf_id = 903;"
            "UPDATE ccf.atlas SET key = 'ccf_2017_50um', ccf_version = 'v3' WHERE ccf_id = 903"
        )
    assert run("load").code == 1
    assert len(asked_for) == 1


def test_without_a_network_the_phantom_is_loaded_and_said_to_be_it(
    database: sa.Engine, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    forking.import_ahead()  # what is set afterwards is the workers' setting as well
    monkeypatch.setenv("CCF_SOURCE", f"http://127.0.0.1:{closed}")
    monkeypatch.setenv("CCF_RECORDINGS", str(tmp_path))
    small = {False: [atlas_entry("ccf_2017_100um")], True: [atlas_entry("phantom_100um")]}
    monkeypatch.setattr("ccf_assets.cli.load.default_atlases", lambda *, phantom: small[phantom])
    ended = run("load", "--no-rows")
    assert ended.code == 0, ended.err
    assert "loading the PHANTOM instead" in ended.err
    assert "it is NOT the Allen CCF" in ended.err
    assert "phantom (not the Allen CCF)" in ended.out
    assert [atlas["key"] for atlas in run("status", "--json").answer] == ["phantom_100um"]
    assert list(tmp_path.iterdir()), "the example recordings are where CCF_RECORDINGS says"
