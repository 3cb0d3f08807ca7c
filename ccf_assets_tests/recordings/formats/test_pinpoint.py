"""Pinpoint's text: two points of a track per probe, in µm of the CCF; anything else is refused in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.source import Found
from ccf_assets.recordings.formats.pinpoint import FORMAT
from ccf_assets_tests.support.formats_lab import ccf_um, found_in, ids_at, read, read_found, refusal, regions


def line(
    probe: str = "ProbeA",
    entry: object = (7190, 7180, 860),
    tip: object = (7480, 7180, 4710),
    atlas: str = "CCF",
) -> str:
    return (
        f"{probe}: ReferenceAtlas {atlas}, AtlasTransform Qiu2018, Entry and Tip are (AP, ML, DV), "
        f"Entry (-2050, 1550, -410), Tip (-2050, 1550, -3830), Angles (0, 90, 0), Depth 3420, "
        f"CCF Entry {entry}, CCF Tip {tip}, CCF Depth 3860\n"
    )


def test_entry_and_tip_are_points_of_a_track_in_the_ccf(tmp_path: Path):
    (tmp_path / "plan.txt").write_text(line() + "\n" + line("B: left", (7000, 4000, 900), (7000, 4000, 5000)))
    table = read(FORMAT, tmp_path)
    columns = table.columns
    assert table.frame == "ccf"
    assert columns["probe"].to_list() == ["ProbeA", "ProbeA", "B: left", "B: left"]
    assert columns["end"].to_list() == ["entry", "tip"] * 2
    assert columns["site_id"].to_list() == [0, 1, 2, 3]
    assert columns["kind"].to_list() == ["track"] * 4
    assert columns["recording_id"].to_list() == ["plan"] * 4
    assert columns["ap"].to_list() == [7190, 7480, 7000, 7000]
    assert columns["ml"].to_list() == [7180, 7180, 4000, 4000]
    assert columns["dv"].to_list() == [860, 4710, 900, 5000]


def test_a_text_that_is_not_pinpoint_s_is_not_touched(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("CCF Entry: left of the midline\n")
    assert found_in(FORMAT, tmp_path) == []


def test_an_entry_that_pinpoint_did_not_find_is_missing(tmp_path: Path):
    (tmp_path / "plan.txt").write_text(line(entry="(NaN, NaN, NaN)"))
    assert read(FORMAT, tmp_path).columns["ap"].to_list() == [None, 7480]


@pytest.mark.parametrize("atlas", ["allen_mouse_25um", "ALLEN_MOUSE", "CCF"])
def test_the_names_of_the_allen_ccf_are_known(tmp_path: Path, atlas: str):
    (tmp_path / "plan.txt").write_text(line(atlas=atlas))
    assert read(FORMAT, tmp_path).frame == "ccf"


def test_a_text_that_was_emptied_since_it_was_found_is_refused(tmp_path: Path):
    (tmp_path / "plan.txt").write_text("\n")
    found = Found("plan.txt")
    with pytest.raises(CcfError, match=r"plan\.txt is empty"):
        read_found(FORMAT, tmp_path, "", found)


def test_another_atlas_needs_a_frame(tmp_path: Path):
    (tmp_path / "plan.txt").write_text(line(atlas="whs_sd_rat_39um"))
    assert "the atlas is 'whs_sd_rat_39um', and not the Allen CCF" in refusal(FORMAT, tmp_path)
    assert read(FORMAT, tmp_path, frame="whs_sd_rat").frame is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (line(entry=(7, 7, 1), tip=(7, 7, 5)), "the coordinates are whole mm, as Pinpoint rounds them"),
        (line(entry=(7, 7)), "line 1: (7, 7) is not a point AP, ML, DV."),
        (line(entry=("a", 7, 1)), "is not a point AP, ML, DV."),
        (line() + "hello\n", "line 2 is 'hello', not what Pinpoint copies"),
        (line() + line(), "has several lines for ProbeA; keep one per probe."),
    ],
)
def test_what_is_unclear_is_refused_in_words(tmp_path: Path, text: str, sentence: str):
    (tmp_path / "plan.txt").write_text(text)
    assert sentence in refusal(FORMAT, tmp_path)


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_whatever_follows_there_is_a_table_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str):
    folder = tmp_path_factory.mktemp("text")
    (folder / "plan.txt").write_text(line() + text)
    if any(each.strip() for each in text.splitlines()):
        assert refusal(FORMAT, folder)
    else:
        assert read(FORMAT, folder).height == 2


def test_the_sample_lies_in_its_regions(ccf_cases: Callable[[str], Path], ccf_data: Callable[[str], Path]):
    table = read(FORMAT, ccf_cases("formats/pinpoint_text"))
    acronym_of = dict(regions(ccf_data("ontology/structure_graph.csv")).select("id", "acronym").rows())
    ids = ids_at(ccf_data("annotation/ccf_2017/annotation_25.nrrd"), ccf_um(table))
    assert [acronym_of[each] for each in ids] == ["VISa5", "TH"]
