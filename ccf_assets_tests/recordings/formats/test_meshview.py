"""Clouds of MeshView: their points and names, the frame that can be concluded, and large files."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.recordings.formats.meshview import FORMAT
from ccf_assets_tests.support.formats_lab import ccf_um, found_in, ids_at, read, read_found, refusal, regions


def group(name: str | None, *triplets: object, **other: object) -> dict[str, object]:
    return {"idx": 0, "count": 1, "name": name, "triplets": list(triplets), "r": 1, "g": 2, "b": 3} | other


def write(folder: Path, content: object, name: str = "objects_meshview.json") -> None:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


def test_points_are_numbered_and_have_the_name_of_their_group(tmp_path: Path):
    write(tmp_path, [group("Field CA1", 1, 2.5, 3, 4, 5, 6), group("fimbria"), group("fimbria", 7, 8, 9)])
    table = read(FORMAT, tmp_path)
    columns = table.columns
    assert table.frame == "quicknii_25"
    assert columns["site_id"].to_list() == [0, 1, 2]
    assert columns["x"].to_list() == [1, 4, 7]
    assert columns["y"].to_list() == [2.5, 5, 8]
    assert columns["z"].to_list() == [3, 6, 9]
    assert columns["reported_region"].to_list() == ["Field CA1", "Field CA1", "fimbria"]
    assert columns["recording_id"].to_list() == ["objects_meshview"] * 3


def test_the_clouds_of_one_series_are_sources_of_their_own(tmp_path: Path):
    for name in ("objects.json", "left_hemisphere_objects.json", "pixels.JSON"):
        write(tmp_path, [group("fimbria", 1, 2, 3)], name)
    write(tmp_path, {"triplets": [1, 2, 3]}, "other.json")
    found = found_in(FORMAT, tmp_path)
    assert [each.anchor for each in found] == ["left_hemisphere_objects.json", "objects.json", "pixels.JSON"]
    assert {read_found(FORMAT, tmp_path, "", each).columns["recording_id"][0] for each in found} == {
        "left_hemisphere_objects",
        "objects",
        "pixels",
    }


@given(st.lists(st.lists(st.floats(allow_infinity=False, width=64), max_size=4), max_size=4))
def test_every_number_is_read_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory, clouds: list[list[float]]
):
    folder = tmp_path_factory.mktemp("cloud")
    points = [[value for value in cloud for _ in range(3)] for cloud in clouds]
    write(folder, [group("fimbria", *cloud) for cloud in points])
    expected = [value for cloud in clouds for value in cloud]
    if not expected:
        return
    columns = read(FORMAT, folder, frame="quicknii_25").columns
    assert [np.nan if each is None else each for each in columns["x"]] == pytest.approx(
        expected, nan_ok=True, rel=0, abs=0
    )


def test_brightness_and_colour_are_no_regions(tmp_path: Path):
    write(tmp_path, [group(name, 1, 2, 3) for name in ("Intensity 20", "Color 1,2,3", "Clear Label", None)])
    columns = read(FORMAT, tmp_path).columns
    assert columns["reported_region"].to_list() == [None, None, "Clear Label", None]
    assert columns["name"].to_list() == ["Intensity 20", "Color 1,2,3", "Clear Label", None]


def test_a_point_with_a_region_beyond_the_volume_of_25_um_needs_a_frame(tmp_path: Path):
    write(tmp_path, [group("fimbria", 455, 527, 319, 700.5, 2, 3)])
    sentence = refusal(FORMAT, tmp_path)
    assert "the point (700.5, 2, 3) lies outside 456 x 528 x 320" in sentence
    assert f'write at the top of {tmp_path}/objects_meshview.toml:\n    frame = "quicknii_10"' in sentence
    assert read(FORMAT, tmp_path, frame="quicknii_10").frame is None


def test_a_point_without_a_region_may_lie_beside_the_volume(tmp_path: Path):
    write(tmp_path, [group("Clear Label", -5, 2, 3), group("fimbria", 1, 2, 3)])
    assert read(FORMAT, tmp_path).frame == "quicknii_25"
    write(tmp_path, [group("Intensity 20", 457, 2, 3)])
    assert "lies outside 456 x 528 x 320" in refusal(FORMAT, tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], "is no list"),
        ('[{"triplets": [1, 2, 3]}', "is not readable as JSON"),
        ([group("a", 1, 2)], "triplets has 2 numbers, which are no whole points of x, y, z."),
        ([group("a", 1, 2, True)], "triplets has 'true', not a number."),
        ('[{"name": "a", "triplets": [1, , 3]}]', "triplets has '', not a number."),
        ('[{"name": "a", "triplets": [1 2, 3, 4]}]', "triplets has '1 2', not a number."),
        ([group("a", "1", "2", "3")], "triplets is ['1', '2', '3'], not a list of numbers."),
        ([group("a", [1, 2, 3])], "triplets is [[1, 2, 3]], not a list of numbers."),
        ([group("a") | {"triplets": 7}, group("a", 1, 2, 3)], "triplets is 7, not a list of numbers."),
        ([group("a", 1, 2, 3) | {"name": 5}], "name is 5, not a text."),
        ([group("a"), 3], "group 1 is 3, not an object with name and triplets."),
        ([group("a")], "has no points: every list triplets is empty."),
    ],
)
def test_what_is_of_another_form_is_refused_in_words(tmp_path: Path, content: object, sentence: str):
    write(tmp_path, content)
    if not content:
        assert found_in(FORMAT, tmp_path) == []
        return
    assert sentence in refusal(FORMAT, tmp_path)


def test_a_text_that_looks_like_a_list_of_points_is_a_text(tmp_path: Path):
    write(tmp_path, [group('a "triplets": [1, 2, 3]', 4, 5, 6)])
    table = read(FORMAT, tmp_path)
    assert table.columns["name"].to_list() == ['a "triplets": [1, 2, 3]']
    assert table.columns["x"].to_list() == [4]


def test_a_large_cloud_takes_no_object_per_point(tmp_path: Path):
    numbers = ", ".join(["173.16480676444618, 232.54422382671487, 201.6785197661734"] * 50_000)
    write(tmp_path, f'[{{"name": "fimbria", "triplets": [{numbers}]}}]')
    tracemalloc.start()
    table = read(FORMAT, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.height == 50_000
    assert peak < 6 * len(numbers), "the text itself, a few times"


def test_every_name_of_real_clouds_is_the_region_of_their_frame(
    ccf_cases: Callable[[str], Path], ccf_data: Callable[[str], Path]
):
    folder = ccf_cases("formats/meshview_nutil")
    found = found_in(FORMAT, folder)
    tables = [read_found(FORMAT, folder, "", each) for each in found]
    assert {table.name: table.height for table in tables} == {
        "left_hemisphere_objects_meshview.json": 15,
        "objects_meshview.json": 30,
        "pixels_meshview.json": 3000,
        "right_hemisphere_objects_meshview.json": 15,
    }
    ontology = regions(ccf_data("ontology/structure_graph.csv"))
    id_of = dict(ontology.select("name", "id").rows()) | dict(ontology.select("safe_name", "id").rows())
    points = np.concatenate([ccf_um(table) for table in tables])
    names = [name for table in tables for name in table.columns["reported_region"]]
    computed = ids_at(ccf_data("annotation/ccf_2017/annotation_25.nrrd"), points)
    assert [id_of[name] for name in names] == computed
    assert (ccf_um(tables[0])[:, 2] < 5700).all()
    assert (ccf_um(tables[3])[:, 2] > 5700).all()
