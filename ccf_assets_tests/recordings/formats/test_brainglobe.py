"""BrainGlobe's tracks and cells: what belongs together is one source, and an ordinary CSV stays one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.errors import CcfError
from ccf_assets.recordings.formats import tables
from ccf_assets.recordings.formats.brainglobe import CELLS, FORMATS, POINTS_NPY, SUMMARY, TRACK
from ccf_assets.recordings.formats.known import found_in
from ccf_assets.recordings.scan.read import read_sites
from ccf_assets_tests.support.sources import found_by, frame_of, listing_of, read_one, sources_of

TRACK_HEAD = "Index,Distance from first position [um],Region ID,Region acronym,Region name\n"
CELLS_HEAD = (
    "coordinate_raw_axis_0,coordinate_raw_axis_1,coordinate_raw_axis_2,coordinate_atlas_axis_0,"
    "coordinate_atlas_axis_1,coordinate_atlas_axis_2,structure_name,hemisphere\n"
)
VOXELS = np.array([[356, 52, 328], [288, 61, 288], [264, 120, 140]])


def cells(folder: Path, name: str = "all_points.csv", voxels: np.ndarray = VOXELS) -> Path:
    """A table of cells as brainmapper writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f'1,2,3,{a},{b},{c},"Primary visual area, layer 5",left\n' for a, b, c in voxels)
    (folder / name).write_text(CELLS_HEAD + rows)
    return folder


# Tracks


def test_a_real_track_has_the_regions_of_its_table(ccf_cases, volume_25) -> None:
    table = read_one(TRACK, ccf_cases("formats/brainglobe_segmentation"))
    assert table.height == 10
    assert volume_25.regions(table) == volume_25.reported(table)
    rows = frame_of(table)
    assert rows["kind"].unique().to_list() == ["track"]
    assert rows["recording_id"].unique().to_list() == ["track"]
    assert rows["site_id"].to_list() == list(range(10))
    assert rows["probe"].unique().to_list() == ["track"]


def test_the_volumes_of_regions_are_refused_as_what_they_are(ccf_cases) -> None:
    with pytest.raises(CcfError, match="has one row for each region"):
        read_one(SUMMARY, ccf_cases("formats/brainglobe_segmentation/regions"))


@pytest.mark.parametrize(
    "header",
    [
        "structure_name,left_cell_count,right_cell_count,total_cells,left_volume_mm3,right_volume_mm3",
        "structure_name,left_volume_mm3,right_volume_mm3,total_volume_mm3",
    ],
)
def test_counts_and_volumes_of_a_run_are_no_sites(tmp_path: Path, header: str) -> None:
    (tmp_path / "summary.csv").write_text(f"{header}\nCA1,1,2,3\n")
    with pytest.raises(CcfError, match="of the same run of brainmapper"):
        read_one(SUMMARY, tmp_path)


def test_an_ordinary_table_beside_an_array_stays_one(tmp_path: Path) -> None:
    (tmp_path / "probe.csv").write_text("recording_id,site_id,x,y,z\na,1,1,2,3\n")
    np.save(tmp_path / "probe.npy", np.zeros((5, 7)))
    assert [found_by(form, tmp_path) for form in FORMATS] == [[], [], [], []]


def test_the_older_column_position_numbers_by_row(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.ones((2, 3)))
    (tmp_path / "t.csv").write_text(
        "Position,Region ID,Region acronym,Region name\n0,974,a,b\n1,Not found in brain,c,d\n"
    )
    table = frame_of(read_one(TRACK, tmp_path))
    assert table["site_id"].to_list() == [0, 1]
    assert table["reported_region"].to_list() == ["974", "Not found in brain"]


def test_a_track_of_another_length_than_its_table_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.ones((2, 3)))
    (tmp_path / "t.csv").write_text(TRACK_HEAD + "0,0,974,a,b\n")
    with pytest.raises(CcfError, match=r"t.csv has 1 rows, but t.npy has 2 points"):
        read_one(TRACK, tmp_path)


def test_a_track_in_the_image_of_the_sample_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "segmentation/sample_space/tracks"
    folder.mkdir(parents=True)
    np.save(folder / "t.npy", np.ones((1, 3)))
    (folder / "t.csv").write_text(TRACK_HEAD + "0,0,974,a,b\n")
    with pytest.raises(CcfError, match="atlas_space"):
        read_one(TRACK, tmp_path)


def test_a_track_in_the_atlas_of_a_rat_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run/segmentation/atlas_space/tracks"
    folder.mkdir(parents=True)
    np.save(folder / "t.npy", np.ones((1, 3)))
    (folder / "t.csv").write_text(TRACK_HEAD + "0,0,974,a,b\n")
    (tmp_path / "run/brainreg.json").write_text(json.dumps({"atlas": "whs_sd_rat_39um"}))
    with pytest.raises(CcfError, match="atlas whs_sd_rat_39um, which is not drawn in the Allen CCF"):
        read_one(TRACK, tmp_path)


# Cells


def test_all_cells_of_a_run_have_the_regions_of_their_table(ccf_cases, volume_25) -> None:
    folder = ccf_cases("formats/brainmapper")
    table = read_one(CELLS, folder)
    assert table.frame == "brainglobe_voxel_25"
    assert table.height == 252
    assert volume_25.regions(table) == volume_25.reported(table)
    assert [form for form, _ in found_in(listing_of(folder))] == [CELLS]


@pytest.mark.parametrize("um", [10, 25, 50, 100])
def test_the_resolution_is_that_of_the_same_points_in_um(tmp_path: Path, um: int) -> None:
    np.save(cells(tmp_path) / "points.npy", VOXELS * um)
    table = read_one(CELLS, tmp_path)
    assert table.frame == f"brainglobe_voxel_{um}"
    assert frame_of(table).select("ap", "dv", "ml").row(0) == (356.0, 52.0, 328.0)


def test_cells_in_no_region_are_only_among_the_points(tmp_path: Path) -> None:
    points = np.insert(VOXELS, [0, 1, 3], [[1, 2, 3], [4, 5, 6], [7, 8, 9]], axis=0)
    np.save(cells(tmp_path) / "points.npy", points * 25)
    assert read_one(CELLS, tmp_path).frame == "brainglobe_voxel_25"


def test_the_folders_of_a_run_are_one_source(tmp_path: Path) -> None:
    cells(tmp_path / "mouse 7/analysis")
    (tmp_path / "mouse 7/points").mkdir()
    np.save(tmp_path / "mouse 7/points/points.npy", VOXELS * 50)
    assert list(sources_of(POINTS_NPY, tmp_path)) == []
    (source,) = sources_of(CELLS, tmp_path)
    assert source.key == "mouse 7/analysis/all_points.csv"
    table = read_one(CELLS, tmp_path)
    assert table.frame == "brainglobe_voxel_50"
    assert table.columns["recording_id"].unique().to_list() == ["mouse 7"]


def test_the_registration_names_the_atlas(tmp_path: Path) -> None:
    cells(tmp_path / "mouse 7/analysis")
    (tmp_path / "mouse 7/registration").mkdir()
    described = tmp_path / "mouse 7/registration/brainreg.json"
    described.write_text(json.dumps({"atlas": "allen_mouse_50um"}))
    assert read_one(CELLS, tmp_path).frame == "brainglobe_voxel_50"
    described.write_text(json.dumps({"atlas": "allen_human_500um"}))
    with pytest.raises(CcfError, match="allen_human_500um, which is not drawn in the Allen CCF"):
        read_one(CELLS, tmp_path)
    described.write_text("[" * 100_000)
    with pytest.raises(CcfError, match="nested too deeply"):
        read_one(CELLS, tmp_path)


def test_points_of_another_run_are_refused(tmp_path: Path) -> None:
    np.save(cells(tmp_path) / "points.npy", VOXELS[::-1] * 25)
    with pytest.raises(CcfError, match="they are not of one run"):
        read_one(CELLS, tmp_path)
    assert read_one(CELLS, tmp_path, frame="brainglobe_voxel_25").frame is None


def test_voxels_of_an_unknown_size_have_no_frame(ccf_cases) -> None:
    table = read_one(CELLS, ccf_cases("09_one_file_per_recording"))
    assert table.frame is None
    assert table.height == 10
    assert {"coordinate_atlas_axis_0", "structure_name"} <= set(table.columns)
    assert table.columns["site_id"].to_list() == list(range(10))


def test_two_tables_of_cells_in_a_folder_are_two_recordings(tmp_path: Path) -> None:
    cells(tmp_path / "day", "left_points.csv")
    cells(tmp_path / "day", "right_points.csv")
    tables = [CELLS.read(source, _no_settings(source.path)) for source in sources_of(CELLS, tmp_path)]
    assert [table.columns["recording_id"][0] for table in tables] == ["day/left_points", "day/right_points"]


def _no_settings(path: Path):
    from ccf_assets.recordings.files.settings import FileSettings

    return FileSettings(path.with_suffix(".toml"))


def test_a_labs_own_columns_in_a_table_of_cells_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "all_points.csv").write_text(
        "Recording_ID,site_id,probe,"
        + CELLS_HEAD
        + 'm7,90,A,1,2,3,356,52,328,"CA1",left\nm8,91,A,1,2,3,,,,,\n'
    )
    (tmp_path / "all_points.toml").write_text('frame = "brainglobe_voxel_25"\n')
    sites = read_sites(tmp_path, "all_points.csv", FRAMES)
    assert sites.select("recording_id", "site_id", "probe", "reported_region").rows() == [
        ("m7", 90, "A", "CA1"),
        ("m8", 91, "A", None),
    ]


def test_one_coordinate_of_a_labs_is_not_mixed_with_those_of_the_atlas(tmp_path: Path) -> None:
    (tmp_path / "all_points.csv").write_text("ap," + CELLS_HEAD + '9.5,1,2,3,356,52,328,"CA1",left\n')
    table = read_one(CELLS, tmp_path, frame="brainglobe_voxel_25")
    assert frame_of(table).select("ap", "dv", "ml").row(0) == (356.0, 52.0, 328.0)


@pytest.mark.parametrize(
    "more",
    ["AP,DV,ML,", "x,y,z,", "cell_label,x,y,z,parcellation_index,", "ccf_ap,ccf_dv,ccf_lr,allen_ontology,"],
)
@pytest.mark.parametrize("head", [CELLS_HEAD, TRACK_HEAD])
def test_a_table_with_coordinates_of_its_own_is_an_ordinary_one(tmp_path: Path, more: str, head: str) -> None:
    (tmp_path / "points.csv").write_text(more + head)
    np.save(tmp_path / "points.npy", np.ones((1, 3)))
    kinds = {found.anchor: form for form, found in found_in(listing_of(tmp_path))}
    assert kinds["points.csv"] is tables.FORMAT


@given(st.data())
def test_cells_fit_points_if_they_follow_one_another_in_the_same_order(tmp_path_factory, data) -> None:
    voxel = st.tuples(*[st.integers(0, 2)] * 3)
    points = data.draw(st.lists(voxel, min_size=1, max_size=8))
    wanted = data.draw(
        st.one_of(
            st.lists(voxel, min_size=1, max_size=4),
            st.lists(st.sampled_from(range(len(points))), min_size=1, unique=True).map(
                lambda places: [points[place] for place in sorted(places)]
            ),
        )
    )
    folder = tmp_path_factory.mktemp("run")
    in_um = np.array(points) * 25.0
    np.save(cells(folder, voxels=np.array(wanted)) / "points.npy", in_um)
    fitting = []
    for um in (10, 25, 50, 100):
        rest = iter([tuple(point) for point in np.floor(in_um / um).tolist()])
        fitting += [f"brainglobe_voxel_{um}"] if all(voxel in rest for voxel in wanted) else []
    try:
        found = [read_one(CELLS, folder).frame]
    except CcfError:
        found = []
    assert found == (fitting if len(fitting) == 1 else [])


def test_points_alone_are_read_in_um(tmp_path: Path) -> None:
    (tmp_path / "mouse 7/points").mkdir(parents=True)
    np.save(tmp_path / "mouse 7/points/points.npy", VOXELS * 25)
    table = read_one(POINTS_NPY, tmp_path)
    assert table.frame == "brainglobe"
    assert frame_of(table).row(0) == ("mouse 7", 0, 8900.0, 1300.0, 8200.0)


def test_a_cell_without_numbers_is_missing(tmp_path: Path) -> None:
    cells(tmp_path)
    path = tmp_path / "all_points.csv"
    path.write_text(path.read_text() + "1,2,3,,52,328,CA1,left\n")
    table = frame_of(read_one(CELLS, tmp_path))
    assert table.select("ap", "dv", "ml").row(3) == (None, 52.0, 328.0)
    assert table["reported_region"].dtype == pl.String
