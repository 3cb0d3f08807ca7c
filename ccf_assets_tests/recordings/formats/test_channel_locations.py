"""channel_locations.json: which files are one probe, what is read, and what is refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccf_assets.recordings.formats.channel_locations import FORMAT
from ccf_assets_tests.support.formats_lab import ccf_um, found_in, ids_at, read, refusal


def channel(number: int, **other: object) -> dict[str, Any]:
    place = {"x": 2448.5, "y": -3487.5, "z": -255.5 - number, "axial": 20.0 * number, "lateral": 16.0}
    return place | {"brain_region_id": 593, "brain_region": "VISp1"} | other


def write(folder: Path, name: str, content: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def channels(*numbers: int, **other: object) -> dict[str, Any]:
    of_all = {f"channel_{number}": channel(number) for number in numbers}
    return of_all | {"origin": {"bregma": [0.0, 0.0, 0.0]}} | other


def test_every_channel_is_a_site_with_its_place_on_the_probe(tmp_path: Path):
    write(tmp_path / "m7/probe00", "channel_locations.json", channels(0, 1))
    table = read(FORMAT, tmp_path, "m7/probe00")
    assert table.frame == "ibl_um"
    assert {name: values[1] for name, values in table.columns.items()} == {
        "recording_id": "m7/probe00",
        "site_id": 1,
        "probe": "probe00",
        "shank": None,
        "channel": 1,
        "x": 2448.5,
        "y": -3487.5,
        "z": -256.5,
        "axial_um": 20.0,
        "lateral_um": 16.0,
        "reported_region": "593",
        "brain_region": "VISp1",
    }
    assert table.row_name(1) == "channel_1"


def test_channels_are_in_the_order_of_their_numbers_whatever_that_of_the_file(tmp_path: Path):
    write(tmp_path, "channel_locations.json", channels(10, 2, 1))
    table = read(FORMAT, tmp_path)
    assert table.columns["site_id"].to_list() == [1, 2, 10]
    assert table.columns["recording_id"][0] == "channel_locations"
    assert table.columns["probe"][0] is None


def test_the_files_of_all_shanks_are_one_source(tmp_path: Path):
    for name in ("channel_locations_shank_2.json", "channel_locations_shank_10.json", "other.json"):
        write(tmp_path, name, channels(0))
    (found,) = found_in(FORMAT, tmp_path)
    assert found.anchor == "channel_locations_shank_2.json"
    assert found.others == ("channel_locations_shank_10.json",)


def test_channels_that_two_shanks_number_alike_have_names(tmp_path: Path):
    write(tmp_path / "p", "channel_locations_shank_1.json", channels(0, 1))
    write(tmp_path / "p", "channel_locations_shank2.json", channels(0))
    table = read(FORMAT, tmp_path, "p")
    assert table.columns["site_id"].to_list() == [
        "shank 1 channel 0",
        "shank 1 channel 1",
        "shank 2 channel 0",
    ]
    assert table.columns["shank"].to_list() == [1, 1, 2]
    assert table.columns["channel"].to_list() == [0, 1, 0]


def test_channels_of_shanks_with_their_numbers_in_the_recording_are_numbered_by_these(tmp_path: Path):
    for shank, numbers in ((1, (0, 1)), (2, (48, 49))):
        content = {f"channel_{n}": channel(n, original_channel_idx=o) for n, o in enumerate(numbers)}
        write(tmp_path, f"channel_locations_shank_{shank}.json", content)
    table = read(FORMAT, tmp_path)
    assert table.columns["site_id"].to_list() == table.columns["channel"].to_list() == [0, 1, 48, 49]


def test_several_probes_in_one_folder_are_several_sources(tmp_path: Path):
    for name in ("probe00_channel_locations.json", "probe01_channel_locations.json"):
        write(tmp_path, name, channels(0))
    first, second = found_in(FORMAT, tmp_path)
    assert (first.others, second.others) == ((), ())
    (tmp_path / second.anchor).unlink()
    table = read(FORMAT, tmp_path)
    assert table.columns["probe"][0] == "probe00"
    assert table.columns["recording_id"][0] == "probe00_channel_locations"


def test_the_ccf_coordinates_of_another_program_are_not_taken_for_these(tmp_path: Path):
    write(tmp_path, "ccf_channel_locations.json", channels(0))
    assert found_in(FORMAT, tmp_path) == []


def test_a_place_that_is_not_known_is_missing_and_a_region_may_be_an_acronym(tmp_path: Path):
    content = {
        "channel_0": channel(0, x=None),
        "channel_1": channel(1, z=float("nan"), brain_region_id=None),
        "channel_2": channel(2, brain_region_id=None, brain_region=None, axial=None),
    }
    write(tmp_path, "channel_locations.json", content)
    columns = read(FORMAT, tmp_path).columns
    assert columns["x"].to_list() == [None, None, 2448.5]
    assert columns["z"].to_list() == [None, None, -257.5]
    assert columns["reported_region"].to_list() == ["593", "VISp1", None]
    assert columns["axial_um"][2] is None


@pytest.mark.parametrize("origin", [{"bregma": [0, 0, 0]}, {"bregma": [5739.0, 5400.0, 332.0]}])
def test_bregma_may_be_itself_or_its_place_in_the_ccf(tmp_path: Path, origin: object):
    write(tmp_path, "channel_locations.json", channels(0, origin=origin))
    assert read(FORMAT, tmp_path).height == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], "is no object with channel_0"),
        ({}, "has no channel_0, channel_1, …"),
        ({"origin": {"bregma": [0, 0, 0]}}, "has no channel_0, channel_1, …"),
        (channels(0, origin={"bregma": [0, 0, 1]}), "origin is {'bregma': [0, 0, 1]}, and x, y, z are only"),
        (channels(0, origin={"lambda": [0, 0, 0], "bregma": [0, 0, 0]}), "origin is "),
        (channels(0, origin=[0, 0, 0]), "origin is [0, 0, 0]"),
        ({"channel_0": 3}, "channel_0 is 3, not an object with x, y, z."),
        ({"channel_0": {"x": 1, "y": 2}}, "channel_0 has no z."),
        ({"channel_0": channel(0, x="1")}, "channel_0, x is '1', not a number."),
        ({"channel_0": channel(0, x=True)}, "channel_0, x is True, not a number."),
        ({"channel_0": channel(0, x=10**400)}, "channel_0, x is 1000"),
        ({"channel_0": channel(0, brain_region_id=1.5)}, "brain_region_id is 1.5, not a whole number"),
        ({"channel_0": channel(0, brain_region=5)}, "brain_region is 5, not an acronym."),
        ({"chanel_0": channel(0), "channel_1": channel(1)}, "'chanel_0' has x, y, z, but its name is not"),
    ],
)
def test_what_is_of_another_form_is_refused_in_words(tmp_path: Path, content: object, sentence: str):
    write(tmp_path, "channel_locations.json", content)
    assert sentence in refusal(FORMAT, tmp_path)


def test_the_same_channels_in_two_files_are_refused(tmp_path: Path):
    write(tmp_path, "channel_locations.json", channels(0))
    write(tmp_path, "channel_locations_shank_1.json", channels(0))
    assert "has the same channels in several files" in refusal(FORMAT, tmp_path)
    (tmp_path / "channel_locations.json").rename(tmp_path / "channel_locations_shank1.json")
    assert "keep one for the whole probe, or one per shank" in refusal(FORMAT, tmp_path)


def test_every_label_of_real_files_is_the_region_of_their_frame(
    ccf_cases: Callable[[str], Path], ccf_data: Callable[[str], Path]
):
    below = {
        "formats/ibl_channel_locations/mouse_a/probe00": 384,
        "formats/ibl_channel_locations/mouse_b/probe00": 384,
        "11_channel_locations_json": 24,
    }
    tables = [read(FORMAT, ccf_cases(folder), "") for folder in below]
    assert [table.height for table in tables] == list(below.values())
    points = np.concatenate([ccf_um(table) for table in tables])
    reported = [int(each) for table in tables for each in table.columns["reported_region"]]
    computed = ids_at(ccf_data("annotation/ccf_2017/annotation_25.nrrd"), points)
    # 997 is the root, which the IBL writes where the voxel is 0.
    assert [0 if each == 997 else each for each in reported] == computed
    assert {table.columns["site_id"].n_unique() for table in tables} == {384, 24}
