"""Electrodes of BIDS: places on the probe are no places in the brain, and a name is not believed blindly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.errors import CcfError
from ccf_assets.recordings.formats import tables
from ccf_assets.recordings.formats.bids import FORMAT
from ccf_assets.recordings.formats.known import found_in
from ccf_assets.recordings.scan.read import read_sites
from ccf_assets_tests.support.sources import found_by, frame_of, listing_of, read_one

ROWS = """name probe_name hemisphere x y z shank_id location
e1 p1 L 8900 1300 8200 0 VISp5
e2 p1 n/a n/a n/a n/a n/a n/a
""".replace(" ", "\t")
PIR = "x to posterior, y to inferior, z to the right; the origin is the corner of the volume"


def electrodes(folder: Path, space: str = "_space-AllenCCFv3", **described: str) -> Path:
    """A table of electrodes with the description of its space."""
    (folder / f"sub-01_ses-2{space}_electrodes.tsv").write_text(ROWS)
    if described:
        (folder / "sub-01_ses-2_space-AllenCCFv3_coordsystem.json").write_text(
            json.dumps({f"MicroephysCoordinate{name}": value for name, value in described.items()})
        )
    return folder


def test_places_on_the_probe_are_refused_with_what_lies_beside_them(ccf_cases) -> None:
    with pytest.raises(CcfError, match="places on the probe, not in the brain") as refused:
        read_one(FORMAT, ccf_cases("formats/bids_microephys"))
    assert "its description contradicts that: its origin is the anterior commissure" in str(refused.value)
    assert "anterior is positive, and up is positive" in str(refused.value)


def test_sites_with_names_load_with_the_frame_of_the_settings(ccf_cases) -> None:
    table = read_one(FORMAT, ccf_cases("10_sites_with_names"), frame="nwb")
    rows = frame_of(table)
    assert rows["site_id"].to_list() == ["probe01_e1", "probe01_e2", "probe02_e1"]
    assert rows["probe"].to_list() == ["probe01", "probe01", "probe02"]
    assert rows["reported_region"].to_list() == ["VISp5", None, None]
    assert rows["x"].to_list() == ["8900", "8900", None]
    assert rows["recording_id"].unique().to_list() == ["sub-01"]


@pytest.mark.parametrize(("unit", "frame"), [("um", "ccf"), ("mm", "ccf_mm")])
def test_the_ccf_is_a_frame_where_nothing_contradicts_it(tmp_path: Path, unit: str, frame: str) -> None:
    electrodes(tmp_path, System="AllenCCFv3", Units=unit, SystemDescription=PIR)
    table = read_one(FORMAT, tmp_path)
    assert table.frame == frame
    rows = frame_of(table)
    assert rows["recording_id"].unique().to_list() == ["sub-01_ses-2"]
    assert rows["shank"].to_list() == [0, None]
    assert rows["hemisphere"].to_list() == ["L", None]


@pytest.mark.parametrize(
    ("described", "says"),
    [
        ({}, "has no coordsystem.json of its space"),
        ({"System": "Other", "Units": "um"}, "names the space Other"),
        ({"System": "AllenCCFv3", "Units": "px"}, "gives the unit 'px'"),
        (
            {"System": "AllenCCFv3", "Units": "um", "SystemDescription": "RAS, from bregma"},
            "a point of the skull",
        ),
        (
            {"System": "AllenCCFv3", "Units": "um", "SystemDescription": "+z (superior is positive)"},
            "up is positive",
        ),
        (
            {"System": "AllenCCFv3", "Units": "um", "SystemDescription": "positive = anterior"},
            "anterior is positive",
        ),
    ],
)
def test_a_space_that_is_unknown_or_contradicts_its_name_is_refused(
    tmp_path: Path, described: dict[str, str], says: str
) -> None:
    electrodes(tmp_path, **described)
    with pytest.raises(CcfError, match=says):
        read_one(FORMAT, tmp_path)
    assert read_one(FORMAT, tmp_path, frame="ccf").height == 2


def test_the_space_of_another_subject_is_not_taken(tmp_path: Path) -> None:
    electrodes(tmp_path)
    (tmp_path / "sub-02_ses-2_space-AllenCCFv3_coordsystem.json").write_text("{}")
    (tmp_path / "sub-01_space-AllenCCFv3_coordsystem.json").write_text("{}")
    (found,) = found_by(FORMAT, tmp_path)
    assert found.others == ("sub-01_space-AllenCCFv3_coordsystem.json",)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is not readable as JSON"),
        (b"[]", "is no coordsystem.json of BIDS"),
        (b"\xff", "is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": NaN', "is not readable as JSON"),
    ],
)
def test_a_description_that_is_none_is_refused(tmp_path: Path, raw: bytes, says: str) -> None:
    electrodes(tmp_path)
    (tmp_path / "sub-01_space-AllenCCFv3_coordsystem.json").write_bytes(raw)
    with pytest.raises(CcfError, match=says):
        read_one(FORMAT, tmp_path)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("name\tx\n", "has no column y"),
        (ROWS.split("\n", maxsplit=1)[0], "no rows"),
    ],
)
def test_a_table_without_electrodes_is_refused(tmp_path: Path, rows: str, says: str) -> None:
    (tmp_path / "sub-01_electrodes.tsv").write_text(rows)
    with pytest.raises(CcfError, match=says):
        read_one(FORMAT, tmp_path)


# Tables that only have the name


@pytest.mark.parametrize(
    "header",
    [
        "electrode x y z",
        "recording_id site_id ap dv ml frame",
        "name Site_ID x y z",
        "name x y z frame",
        "name id ecephys_probe_id anterior_posterior_ccf_coordinate dorsal_ventral_ccf_coordinate "
        "left_right_ccf_coordinate",
    ],
)
def test_a_table_with_columns_of_its_own_is_an_ordinary_one(tmp_path: Path, header: str) -> None:
    (tmp_path / "mouse_7_electrodes.tsv").write_text(header.replace(" ", "\t") + "\n")
    assert [form for form, _ in found_in(listing_of(tmp_path))] == [tables.FORMAT]


def test_an_ordinary_table_of_this_name_is_read_as_one(tmp_path: Path) -> None:
    rows = "recording_id site_id ap dv ml frame\nm7 3 8900 1300 8200 ccf\n"
    (tmp_path / "mouse_7_electrodes.tsv").write_text(rows.replace(" ", "\t"))
    sites = read_sites(tmp_path, "mouse_7_electrodes.tsv", FRAMES)
    assert sites.select("recording_id", "site_id", "ap").rows() == [("m7", 3, 8900.0)]


def test_the_columns_of_a_lab_are_not_replaced(tmp_path: Path) -> None:
    rows = "name probe_name Probe x y z location reported_region\ne1 p1 A 1 2 3 CA1 CA3\n"
    (tmp_path / "sub-01_electrodes.tsv").write_text(rows.replace(" ", "\t"))
    (tmp_path / "sub-01_electrodes.toml").write_text('frame = "ccf"\n')
    sites = read_sites(tmp_path, "sub-01_electrodes.tsv", FRAMES)
    assert sites.select("recording_id", "site_name", "probe", "reported_region").rows() == [
        ("sub-01", "e1", "A", "CA3")
    ]


# Which recording it is


@pytest.mark.parametrize(
    ("key", "recording"),
    [
        ("sub-01_electrodes.tsv", "sub-01"),
        ("sub-01/ecephys/sub-01_space-AllenCCFv3_electrodes.tsv", "sub-01"),
        ("sub-01/ses-2/ecephys/sub-01_ses-2_run-1_electrodes.tsv", "sub-01_ses-2_run-1"),
        ("sub-01/ses-2/ecephys/sub-01_ses-2_task-rest_run-2_electrodes.tsv", "sub-01_ses-2_task-rest_run-2"),
        ("pilot/sub-01/ecephys/sub-01_electrodes.tsv", "pilot/sub-01"),
        ("2025/main/sub-01/ecephys/sub-01_electrodes.tsv", "2025/main/sub-01"),
        ("day 1/sub-01_electrodes.tsv", "day 1/sub-01"),
        ("day 1/all_electrodes.tsv", "day 1/all_electrodes"),
    ],
)
def test_runs_and_data_sets_are_recordings_of_their_own(tmp_path: Path, key: str, recording: str) -> None:
    path = tmp_path / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ROWS)
    table = read_one(FORMAT, tmp_path, frame="ccf")
    assert table.columns["recording_id"].unique().to_list() == [recording]
