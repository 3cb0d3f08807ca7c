"""channel_locations.json: which files are one probe, what is read, and what is refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ccf_assets.recordings.formats.channel_locations import FORMAT
from ccf_assets_tests.support.formats_lab import ccf_um, found_in, ids_at, read, read_found, refusal


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


def test_the_file_of_each_shank_is_a_source_that_no_other_file_changes(tmp_path: Path):
    names = [f"channel_locations_shank_{shank}.json" for shank in (10, 2, 1)]
    seen = []
    for arrived, name in enumerate(names, start=1):
        write(tmp_path / "m7/p", name, channels(0, 1))
        found = {each.anchor: each for each in found_in(FORMAT, tmp_path / "m7/p")}
        assert sorted(found) == sorted(names[:arrived])
        assert not any(each.others for each in found.values())
        seen.append(read_found(FORMAT, tmp_path, "m7/p", found[names[0]]).columns)
    assert [each["site_id"].to_list() for each in seen] == [["shank 10 channel 0", "shank 10 channel 1"]] * 3
    assert {each["recording_id"][0] for each in seen} == {"m7/p"}


def test_the_sites_of_all_shanks_are_one_recording_in_which_no_two_are_alike(tmp_path: Path):
    write(tmp_path / "p", "channel_locations_shank_1.json", channels(0, 1))
    write(tmp_path / "p", "channel_locations_shank2.json", channels(0))
    tables = [read_found(FORMAT, tmp_path, "p", each) for each in found_in(FORMAT, tmp_path / "p")]
    sites = pl.concat(
        pl.DataFrame(each.columns).select("recording_id", "site_id", "probe", "shank", "channel")
        for each in tables
    )
    assert sites.sort("site_id").rows() == [
        ("p", "shank 1 channel 0", "p", 1, 0),
        ("p", "shank 1 channel 1", "p", 1, 1),
        ("p", "shank 2 channel 0", "p", 2, 0),
    ]


def test_a_channel_with_its_number_in_the_recording_is_called_by_it(tmp_path: Path):
    content = {f"channel_{n}": channel(n, original_channel_idx=n + 48) for n in (0, 1)}
    write(tmp_path, "channel_locations_shank_2.json", content)
    table = read(FORMAT, tmp_path)
    assert table.columns["site_id"].to_list() == ["shank 2 channel 48", "shank 2 channel 49"]
    assert table.columns["channel"].to_list() == [48, 49]
    assert table.columns["recording_id"][0] == "channel_locations"


def test_several_probes_in_one_folder_are_several_sources(tmp_path: Path):
    for name in ("probe00_channel_locations.json", "probe01_channel_locations.json"):
        write(tmp_path, name, channels(0))
    first, second = found_in(FORMAT, tmp_path)
    assert (first.others, second.others) == ((), ())
    (tmp_path / second.anchor).unlink()
    table = read(FORMAT, tmp_path)
    assert table.columns["probe"][0] == "probe00"
    assert table.columns["recording_id"][0] == "probe00_channel_locations"


def test_the_shanks_of_one_of_several_probes_are_one_recording(tmp_path: Path):
    for shank in (1, 2):
        write(tmp_path / "x_shank_1", f"probe00_channel_locations_shank_{shank}.json", channels(0))
    for each in found_in(FORMAT, tmp_path / "x_shank_1"):
        table = read_found(FORMAT, tmp_path, "x_shank_1", each)
        assert table.columns["recording_id"][0] == "x_shank_1/probe00_channel_locations"
        assert table.columns["probe"][0] == "probe00"


def test_the_ccf_coordinates_of_another_program_are_not_taken_for_these(tmp_path: Path):
    write(tmp_path, "ccf_channel_locations.json", channels(0))
    assert found_in(FORMAT, tmp_path) == []


def test_a_coordinate_that_is_not_known_is_null_and_a_region_may_be_an_acronym(tmp_path: Path):
    content = {
        "channel_0": channel(0, x=None),
        "channel_1": channel(1, x=None, y=None, z=float("nan"), brain_region_id=None),
        "channel_3": channel(3, z=None),
        "channel_2": channel(2, brain_region_id=None, brain_region=None, axial=None),
    }
    write(tmp_path, "channel_locations.json", content)
    columns = read(FORMAT, tmp_path).columns
    assert columns["x"].to_list() == [None, None, 2448.5, 2448.5]
    assert columns["z"].to_list() == [-255.5, None, -257.5, None]
    assert columns["reported_region"].to_list() == ["593", "VISp1", None, "593"]
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


def test_every_label_of_real_files_is_the_region_of_their_frame(
    ccf_cases: Callable[[str], Path], ccf_data: Callable[[str], Path]
):
    folders = ("ibl_channel_locations/mouse_a/probe00", "ibl_channel_locations/mouse_b/probe00")
    places = [ccf_cases("11_channel_locations_json"), *(ccf_cases(f"formats/{each}") for each in folders)]
    tables = [read_found(FORMAT, place, "", found) for place in places for found in found_in(FORMAT, place)]
    assert [table.height for table in tables] == [24, 384, 192, 192]
    points = np.concatenate([ccf_um(table) for table in tables])
    reported = [int(each) for table in tables for each in table.columns["reported_region"]]
    computed = ids_at(ccf_data("annotation/ccf_2017/annotation_25.nrrd"), points)
    # 997 is the root, which the IBL writes where the voxel is 0.
    assert [0 if each == 997 else each for each in reported] == computed
    assert [table.columns["site_id"].n_unique() for table in tables] == [24, 384, 192, 192]
