"""xyz_picks.json: two conventions under one name, told apart or refused; points of a track, and contacts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import from_ccf
from ccf_assets.recordings.formats.xyz_picks import FORMAT
from ccf_assets_tests.support.formats_lab import ccf_um, found_in, ids_at, read, refusal, regions

IBL = [[-2138.0, -1976.0, -146.0], [-2002.0, -2074.0, -960.0], [-1165.0, -2473.0, -4115.0]]
AP_HISTOLOGY = [[1.9885, -2.0865, 0.0505], [2.5035, -1.0435, 4.2395]]


def write(folder: Path, picks: object, name: str = "xyz_picks.json") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps({"xyz_picks": picks}))


def test_points_are_a_track_numbered_from_the_first(tmp_path: Path):
    write(tmp_path / "m7/probe00", IBL)
    table = read(FORMAT, tmp_path, "m7/probe00")
    columns = table.columns
    assert table.frame == "ibl_um"
    assert columns["site_id"].to_list() == [0, 1, 2]
    assert columns["kind"].to_list() == ["track"] * 3
    assert columns["probe"].to_list() == ["probe00"] * 3
    assert list(zip(columns["x"], columns["y"], columns["z"], strict=True)) == [tuple(p) for p in IBL]
    assert table.row_name(2) == "point 2"


def test_a_track_does_not_share_its_recording_with_the_channels_of_the_same_folder(tmp_path: Path):
    write(tmp_path / "m7/probe00", IBL)
    assert read(FORMAT, tmp_path, "m7/probe00").columns["recording_id"][0] == "m7/probe00/xyz_picks"


@pytest.mark.parametrize(
    ("name", "shank"),
    [
        ("xyz_picks_shank2.json", 2),
        ("xyz_picks_shank_3.json", 3),
        ("mouse7_xyz_picks.json", None),
    ],
)
def test_a_shank_has_a_track_of_its_own(tmp_path: Path, name: str, shank: int | None):
    write(tmp_path / "p", IBL, name)
    assert read(FORMAT, tmp_path, "p").columns["shank"][0] == shank
    write(tmp_path / "p", IBL, "xyz_picks_shank9.json")
    write(tmp_path / "p", IBL, "xyz_picks_image_space.json")
    assert len(found_in(FORMAT, tmp_path / "p")) == 2


def test_millimetres_with_the_signs_of_the_ccf_are_those_of_ap_histology(tmp_path: Path):
    write(tmp_path, AP_HISTOLOGY)
    table = read(FORMAT, tmp_path)
    assert table.frame == "ap_histology"
    np.testing.assert_allclose(ccf_um(table), [[7383.5, 485.5, 3608.5], [7898.5, 4674.5, 4651.5]], atol=1e-9)


@given(
    st.lists(
        st.tuples(st.integers(200, 13_000), st.integers(2_000, 7_900), st.integers(200, 11_200)),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["ibl_um", "ap_histology"]),
)
def test_a_track_in_the_brain_is_told_by_its_numbers(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[int, int, int]], convention: str
):
    frame = FRAMES[convention]
    apdvml = from_ccf(frame, *np.array(points, dtype=np.float64).T)
    xyz = apdvml[:, [("ap", "dv", "ml").index(axis) for axis in frame.xyz]]
    folder = tmp_path_factory.mktemp("track")
    write(folder, xyz.tolist())
    table = read(FORMAT, folder)
    assert table.frame == convention
    np.testing.assert_allclose(ccf_um(table), points, atol=1e-6)


@pytest.mark.parametrize(
    "picks",
    [
        [[0, 0, 0]],
        [[None, 1, 2]],
        [[-0.0021, -0.0019, -0.0001], [-0.0012, -0.0024, -0.0041]],  # metres, as in iblatlas
        [[-2.1, -1.9, -0.1], [-1.2, -2.4, -4.1]],  # mm in the order and signs of the IBL
        [[-2.1, -1.9, -0.1], [-1.2, -2.4, 0.3]],  # mm near the surface: either order
        [[7383.0, 485.0, 3608.0], [7898.0, 4674.0, 4651.0]],  # CCF µm
        [[1e6, 0, 0]],
        [[float("inf"), 0, 0]],
    ],
)
def test_numbers_that_fit_neither_or_both_are_not_guessed(tmp_path: Path, picks: object):
    write(tmp_path, picks)
    sentence = refusal(FORMAT, tmp_path)
    assert "the numbers do not show which of two conventions they have" in sentence
    assert f'at the top of {tmp_path}/xyz_picks.toml:\n    frame = "ibl_um"\n    frame = "ap_hist' in sentence
    table = read(FORMAT, tmp_path, frame="ibl")
    assert table.frame is None
    assert table.height == len(picks)  # type: ignore[arg-type]


def test_of_a_point_only_the_coordinate_that_is_not_known_is_null(tmp_path: Path):
    write(tmp_path, [*IBL, [None, 1, 2], [None, None, float("nan")]])
    columns = read(FORMAT, tmp_path).columns
    assert [columns[axis].to_list()[3:] for axis in "xyz"] == [[None, None], [1, None], [2, None]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "has no list xyz_picks of points"),
        ('{"xyz_picks": []}', "has no list xyz_picks of points"),
        ('{"xyz_picks": {}}', "has no list xyz_picks of points"),
        ('{"xyz_picks": [1, 2, 3]}', "point 0 is 1, not a point of three numbers."),
        ('{"xyz_picks": [[1, 2, 3], [1, 2]]}', "point 1 is [1, 2], not a point of three numbers."),
        ('{"xyz_picks": [[1, 2, "3"]]}', "point 0 is '3', not a number."),
    ],
)
def test_what_is_of_another_form_is_refused_in_words(tmp_path: Path, text: str, sentence: str):
    (tmp_path / "xyz_picks.json").write_text(text)
    assert sentence in refusal(FORMAT, tmp_path)


def test_the_geometry_of_the_probe_beside_it_gives_its_contacts(tmp_path: Path):
    write(tmp_path, [[0, 0, -1000.0], [0, 0, -4000.0]])
    probe = {
        "ndim": 2,
        "si_units": "um",
        "contact_positions": [[16.0, 0.0], [48.0, 40.0]],
        "probe_planar_contour": [[-10, 5000], [-10, 0], [20, -200], [70, 0], [70, 5000]],
        "contact_ids": ["e0", "e1"],
        "device_channel_indices": [1, -1],
    }
    geometry = {"specification": "probeinterface", "version": "0.2", "probes": [probe]}
    (tmp_path / "np.json").write_text(json.dumps(geometry))
    (found,) = found_in(FORMAT, tmp_path)
    assert found.others == ("np.json",)
    columns = read(FORMAT, tmp_path).columns
    assert columns["site_id"].to_list() == ["0", "1", "e0", "e1"]
    assert columns["kind"].to_list() == ["track", "track", "site", "site"]
    assert columns["z"].to_list() == pytest.approx([-1000, -4000, -3800, -3760])
    assert columns["axial_um"].to_list() == [None, None, 0, 40]
    assert columns["lateral_um"].to_list() == [None, None, 16, 48]
    assert columns["channel"].to_list() == [None, None, 1, None]


def test_real_tracks_lie_in_the_regions_known_for_them(
    ccf_cases: Callable[[str], Path], ccf_data: Callable[[str], Path]
):
    folder = ccf_cases("formats/ibl_xyz_picks")
    right = json.loads((folder / "right_answers.json").read_text())
    acronym_of = dict(regions(ccf_data("ontology/structure_graph.csv")).select("id", "acronym").rows())
    tables = {name: read(FORMAT, folder, f"{name}/probe00") for name in right}
    assert {name: table.frame for name, table in tables.items()} == {
        "mouse_a": "ibl_um",
        "issue_259": "ibl_um",
        "ap_histology": "ap_histology",
    }
    points = np.concatenate([ccf_um(table) for table in tables.values()])
    ids = ids_at(ccf_data("annotation/ccf_2017/annotation_25.nrrd"), points)
    expected = [acronym for answer in right.values() for acronym in answer["regions_25um"]]
    assert [acronym_of.get(each, "") for each in ids] == expected
