"""NWB: electrodes and their localization are read as the file means them, and nothing else of it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Listing, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.findings.claims import claimed_elsewhere
from ccf_assets.recordings.formats.nwb import NWB, NWB_ZARR
from ccf_assets.recordings.scan.read import read_sites
from ccf_assets_tests.support.volume_25 import Volume25

ELECTRODES = "general/extracellular_ephys/electrodes"
LOCALIZATION = "general/localization"

TEXT = h5py.string_dtype()

CCF = {"space_name": "AllenCCFv3", "orientation": "PIR", "units": "um", "origin": "corner of the volume"}
IBL = {"space_name": "IBLBregma", "orientation": "RAS", "units": "um", "origin": "bregma"}


def read(path: Path, **settings: Any) -> Table:
    return NWB.read(Source(path.name, (path,)), FileSettings(path.with_suffix(".toml"), **settings))


def digest(path: Path) -> str:
    assert NWB.digest
    return NWB.digest(Source(path.name, (path,)))


def rows(table: Table, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(table.columns[name].to_list() for name in names), strict=True))


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(CcfError) as raised:
        read(path, **settings)
    return str(raised.value)


def made(path: Path, identifier: str | None = "session 1", **columns: Any) -> Path:
    """A file with three electrodes; a column of None is left out."""
    given = {
        "id": [10, 11, 12],
        "location": ["VISp", "", "unknown"],
        "group_name": ["imec0", "imec0", "imec1"],
        "x": [8900.0, 8900.0, 8900.0],
        "y": [1300.0, 1400.0, 1500.0],
        "z": [8200.0, 8200.0, 8200.0],
    } | columns
    with h5py.File(path, "w") as file:
        if identifier is not None:
            file.create_dataset("identifier", data=identifier, dtype=TEXT)
        table = file.create_group(ELECTRODES)
        for name, values in given.items():
            put(table, name, values)
    return path


def put(group: h5py.Group, name: str, values: Any, **how: Any) -> None:
    if values is None:
        return
    is_text = isinstance(values, list) and values and isinstance(values[0], str)
    group.create_dataset(name, data=values, **({"dtype": TEXT} if is_text else {}), **how)


def localize(path: Path, name: str = "Table", space: dict[str, str] | None = None, **columns: Any) -> None:
    """Add a table of localization of electrodes 0 and 2."""
    given = {
        "localized_entity": [0, 2],
        "x": [1.0, 2.0],
        "y": [3.0, 4.0],
        "z": [5.0, 6.0],
        "brain_region": ["CA1", "void"],
    } | columns
    with h5py.File(path, "a") as file:
        place = file.require_group(LOCALIZATION)
        table = place.create_group(name)
        table.attrs["neurodata_type"] = "AnatomicalCoordinatesTable"
        for column, values in given.items():
            put(table, column, values)
        entity = next((each for each in ("localized_entity", "target_object") if each in table), None)
        if entity:
            table[entity].attrs["table"] = file[ELECTRODES].ref
        stated = space or CCF
        if stated["space_name"] not in place:
            place.create_group(stated["space_name"]).attrs.update(stated)
        table["space"] = h5py.SoftLink(f"/{LOCALIZATION}/{stated['space_name']}")


# ---- the electrodes


def test_electrodes_are_sites_in_the_frame_of_nwb(tmp_path: Path) -> None:
    table = read(made(tmp_path / "a.nwb"))
    assert table.frame == "nwb"
    assert rows(table, "recording_id", "site_id", "probe", "x", "y", "z", "reported_region") == [
        ("session 1", 10, "imec0", 8900, 1300, 8200, "VISp"),
        ("session 1", 11, "imec0", 8900, 1400, 8200, ""),
        ("session 1", 12, "imec1", 8900, 1500, 8200, "unknown"),
    ]
    assert table.row_name(1) == "electrode 11"


def test_without_an_identifier_the_file_s_name_is_the_recording(tmp_path: Path) -> None:
    path = made(tmp_path / "mouse7.nwb", identifier=None)
    table = NWB.read(Source("day 1/mouse7.nwb", (path,)), FileSettings(tmp_path / "mouse7.toml"))
    assert set(table.columns["recording_id"]) == {"day 1/mouse7"}


def test_texts_may_be_stored_in_any_way(tmp_path: Path) -> None:
    plain = read(made(tmp_path / "a.nwb"))
    ways: list[dict[str, Any]] = [
        {"dtype": "S9"},
        {"dtype": TEXT, "chunks": (2,), "maxshape": (None,)},
        {"dtype": TEXT, "chunks": (2,), "compression": "gzip", "shuffle": True},
        {"dtype": "S9", "chunks": (3,), "compression": "lzf"},
        {"dtype": h5py.string_dtype("ascii")},
    ]
    for way in ways:
        path = made(tmp_path / "b.nwb", location=None)
        with h5py.File(path, "a") as file:
            file[ELECTRODES].create_dataset("location", data=["VISp", "", "unknown"], **way)
        assert rows(read(path), "reported_region") == rows(plain, "reported_region")


def test_numbers_may_be_stored_in_any_way(tmp_path: Path) -> None:
    path = made(
        tmp_path / "a.nwb",
        id=np.array([10, 11, 12], ">u2"),
        x=np.array([[8900.0], [8900.0], [8900.0]], ">f4"),  # a column of MatNWB
        y=np.array([1300, 1400, 1500], np.int16),
        z=None,
    )
    with h5py.File(path, "a") as file:
        file[ELECTRODES].create_dataset(
            "z", data=[8200.0] * 3, chunks=(2,), compression="gzip", shuffle=True, fletcher32=True
        )
    assert rows(read(path), "site_id", "x", "y", "z")[1] == (11, 8900, 1400, 8200)


def test_zeros_without_a_region_are_no_place_and_one_coordinate_may_lack_alone(
    tmp_path: Path,
) -> None:
    path = made(
        tmp_path / "a.nwb",
        id=[0, 1, 2, 3],
        location=["VISp", "Unknown", "", "CA1"],
        group_name=["p"] * 4,
        x=[0.0, 0.0, 5.0, np.nan],
        y=[0.0, 0.0, 6.0, 1.0],
        z=[0.0, 0.0, 7.0, 1.0],
    )
    assert rows(read(path), "x", "y", "z") == [(0, 0, 0), (None,) * 3, (5, 6, 7), (None, 1, 1)]


@pytest.mark.parametrize("columns", [{axis: [0.0] * 3 for axis in "xyz"}, {"z": [np.nan] * 3}])
def test_a_file_in_which_no_electrode_has_a_place_holds_no_coordinates(
    tmp_path: Path, columns: dict[str, list[float]]
) -> None:
    path = made(tmp_path / "a.nwb", location=["", "unknown", "n/a"], **columns)
    assert (
        "it holds no coordinates: x, y, z of all 3 electrodes are incomplete, or 0 without a region"
        in refusal(path)
    )


def test_the_place_on_the_probe_is_not_that_in_the_brain(tmp_path: Path) -> None:
    path = made(
        tmp_path / "a.nwb",
        rel_x=[11.0, 43.0, 11.0],
        rel_y=[20.0, 20.0, 40.0],
        shank_ids=["0", "0", "1"],
        channel_name=["AP0,LF0", "AP7,LF7", "AP8,LF8"],
    )
    named = ("lateral_um", "axial_um", "shank", "channel")
    assert rows(read(path), *named) == [(11, 20, 0, 0), (43, 20, 0, 7), (11, 40, 1, 8)]
    only = made(tmp_path / "b.nwb", x=None, y=None, z=None, rel_x=[1.0] * 3, rel_y=[2.0] * 3)
    assert "its electrodes have no numbers x, y, z" in refusal(only)


def test_columns_that_hold_something_else_are_left_out(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb", channel_name=["tip", "AP7", "AP8"], shank=["A", "B", "B"])
    assert not {"channel", "shank"} & set(read(path).columns)


def test_further_columns_are_read_when_the_settings_ask_for_them(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb", imp=[1.0, 2.0, 3.0], group=None, ccf_ap=[1.0, 2.0, 3.0])
    assert {"imp", "location"} <= set(read(path).names)
    assert "imp" not in read(path).columns
    assert rows(read(path, keep=("imp",)), "imp") == [(1,), (2,), (3,)]
    own = read(path, frame="ccf", columns={"ap": "ccf_ap", "dv": "y", "ml": "z"})
    assert own.frame is None
    assert rows(own, "ccf_ap", "y", "z")[2] == (3, 1500, 8200)


def test_columns_with_our_names_in_other_letters_are_read_when_the_settings_name_them(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb", AP=[1.0, 2.0, 3.0], DV=[4.0] * 3, ML=[5.0] * 3, Probe=["a", "b", "c"])
    plain = read(path)
    assert {"AP", "DV", "ML", "Probe", "location"} <= set(plain.names)
    assert not {"AP", "Probe", "location"} & set(plain.columns)  # x, y, z are not to be beside ap, dv, ml
    own = {"ap": "AP", "dv": "DV", "ml": "ML", "site_id": "id"}
    named = read(path, frame="ccf", columns=own, keep=("Probe",))
    assert rows(named, "AP", "DV", "ML", "Probe", "id")[2] == (3, 4, 5, "c", 12)


def test_the_files_of_one_identifier_are_one_recording_unless_the_settings_divide_it(tmp_path: Path) -> None:
    for name in ("raw.nwb", "processed.nwb"):
        made(tmp_path / name, identifier="session 1")
    sites = [read_sites(tmp_path, name, FRAMES) for name in ("raw.nwb", "processed.nwb")]
    owned = sites[0].select("recording_id", "site_id", "source")
    told = claimed_elsewhere(sites[1], owned)
    assert told.sentence.startswith(
        "3 of 3 sites (100 %) belong to another source already, which keeps them: raw.nwb"
    )
    for name in ("raw.toml", "processed.toml"):
        (tmp_path / name).write_text('recording_id = "{stem}"')
    divided = [read_sites(tmp_path, name, FRAMES) for name in ("raw.nwb", "processed.nwb")]
    assert [set(each["recording_id"]) for each in divided] == [{"raw"}, {"processed"}]
    assert claimed_elsewhere(divided[1], divided[0].select("recording_id", "site_id", "source")).passed


def test_ragged_columns_and_references_are_no_columns(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb", shank=[0, 1, 2, 3], shank_index=[1, 2, 4])
    with h5py.File(path, "a") as file:
        table = file[ELECTRODES]
        table.create_dataset("group", data=[table.ref] * 3, dtype=h5py.ref_dtype)
        table.create_dataset("pair", data=np.zeros(3, [("a", "i4"), ("b", "f8")]))
        table.create_dataset("wide", data=np.zeros((3, 2)))
    assert "shank" not in read(path, keep=("group", "pair", "wide")).columns


# ---- localization


def test_the_rows_of_a_localization_are_those_of_the_electrodes(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path)
    table = read(path)
    assert table.frame == "ccf"
    assert rows(table, "site_id", "probe", "x", "y", "z", "reported_region") == [
        (10, "imec0", 1, 3, 5, "CA1"),
        (11, "imec0", None, None, None, None),
        (12, "imec1", 2, 4, 6, "void"),
    ]


def test_the_space_from_bregma_is_read_before_the_ccf_unless_the_settings_name_that(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path, "A_ccf")
    localize(path, "B_ibl", IBL, x=[-1.0, -2.0])
    assert (read(path).frame, rows(read(path), "x")[0]) == ("ibl_um", (-1,))
    assert rows(read(path, frame="ibl_ccf"), "x")[0] == (1,)
    assert rows(read(path, frame="ibl_um"), "x")[0] == (-1,)


@pytest.mark.parametrize(
    ("changed", "frame"),
    [
        ({}, "ccf"),
        ({"units": "millimeters"}, "ccf_mm"),
        ({"orientation": "ASL", "origin": "Dorsal-left-posterior corner of the 3D image volume"}, "ccf"),
        ({"space_name": "CCFv3"}, "ccf"),
        ({**IBL, "units": "m"}, "ibl"),
    ],
)
def test_a_space_is_known_by_its_name_and_what_it_states(
    tmp_path: Path, changed: dict[str, str], frame: str
) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path, space=CCF | changed)
    assert read(path).frame == frame


@pytest.mark.parametrize(
    "changed",
    [
        {"orientation": "RAS"},
        {"orientation": "ASL", "origin": "bregma"},
        {"origin": "In the middle of the anterior commissure", "orientation": "RAS", "space_name": "CCFv3"},
        {**IBL, "orientation": "PIR"},
        {**IBL, "origin": "lambda"},
        {"units": "parsec"},
    ],
)
def test_a_space_that_states_other_than_its_name_is_not_believed(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path, space=CCF | changed)
    assert 'frame = "NAME" in a TOML file' in refusal(path)
    assert rows(read(path, frame="ibl_um"), "x")[0] == (1,)  # once the lab says what it is


def test_a_ccf_of_another_extent_is_not_believed(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path)
    with h5py.File(path, "a") as file:
        file[f"{LOCALIZATION}/AllenCCFv3"]["extent"] = [1320.0, 800.0, 1140.0]
    assert "is stated as" in refusal(path)


def test_an_unknown_space_needs_a_frame_and_one_of_a_lab_s_atlas_has_its_name(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path, space={**CCF, "space_name": "Bregma of our lab", "origin": "bregma"})
    assert read(path).frame is None
    localize(path, "Rat", space={**CCF, "space_name": "whs_rat"})
    assert "it has coordinates in whs_rat, Bregma of our lab, none of which is known here" in refusal(path)
    rat = made(tmp_path / "b.nwb")
    localize(rat, space={**CCF, "space_name": "whs_rat"})
    assert set(read(rat).columns["frame"]) == {"whs_rat"}
    assert "frame" not in read(rat, frame="ours").columns


def test_two_places_for_one_electrode_are_refused_and_two_probes_are_not(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path, "Probe0", localized_entity=[0], x=[1.0], y=[2.0], z=[3.0], brain_region=["CA1"])
    localize(path, "Probe1", localized_entity=[2], x=[4.0], y=[5.0], z=[6.0], brain_region=["CA3"])
    assert rows(read(path), "x") == [(1,), (None,), (4,)]
    localize(path, "Probe2", localized_entity=[2], x=[7.0], y=[5.0], z=[6.0], brain_region=["CA3"])
    assert "Probe1 and /general/localization/Probe2 has two places for electrode row 2" in refusal(path)


def test_a_frame_of_the_settings_is_never_put_in_the_place_of_one_that_a_table_states(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path)
    said = refusal(path, frame="map_ephys", set_in={"frame =": tmp_path / "recordings.toml"})
    assert said == (
        f"{path}: its table /general/localization/Table states that x, y, z are in the space AllenCCFv3 "
        f'(frame ccf), and {tmp_path}/recordings.toml says frame = "map_ephys". Write frame = "ccf" into '
        f"{tmp_path}/a.toml; or, where the table is wrong, below [columns] which columns of the electrodes "
        "to read."
    )
    assert 'Write frame = "ccf"' in refusal(path, frame="ibl", set_in={"frame =": tmp_path / "a.toml"})
    columns = {"x": "x", "y": "y", "z": "z"}
    assert rows(read(path, frame="map_ephys", columns=columns), "x")[0] == (8900,)
    localize(path, "B", IBL)
    assert "in the space IBLBregma (frame ibl_um), and" in refusal(
        path, frame="map_ephys", set_in={"frame =": tmp_path / "a.toml"}
    )


def _exported(
    path: Path, name: str = "ccf_assets_a", space: dict[str, str] | None = None, **columns: Any
) -> None:
    """Add a table as `export nwb` writes it."""
    localize(path, name, space, **columns)
    with h5py.File(path, "a") as file:
        method = "ccf_assets 0.2.0: region of the voxel at the point"
        file[f"{LOCALIZATION}/{name}"].attrs["method"] = method


def test_an_exported_table_does_not_change_how_a_file_is_read(tmp_path: Path) -> None:
    """The electrodes have x, y, z that are something else; a later alignment has changed them; or both."""
    path = made(tmp_path / "a.nwb")
    before = read(path, frame="map_ephys")
    _exported(path)
    for frame in ("map_ephys", "nwb", None):
        after = read(path, frame=frame)
        assert rows(after, "x", "y", "z") == rows(before, "x", "y", "z")
        assert after.frame == "nwb"


@pytest.mark.parametrize("known", [True, False])
def test_an_exported_table_says_the_frame_where_x_y_z_are_the_same_or_not_known(
    tmp_path: Path, known: bool
) -> None:
    path = made(
        tmp_path / "a.nwb",
        **{axis: np.array([1.1, 0, 2.2] if known else [0, 0, np.nan], "f4") for axis in "xyz"},
    )
    _exported(path, x=[1.1, 2.2], y=[1.1, 2.2], z=[1.1, 2.2])
    _exported(path, "ccf_assets_stale")  # with other places, of an earlier export
    if not known:
        with h5py.File(path, "a") as file:
            del file[f"{LOCALIZATION}/ccf_assets_stale"]
    table = read(path)
    assert (table.frame, rows(table, "x")) == ("ccf", [(1.1,), (None,), (2.2,)])
    assert rows(read(path, frame="nwb"), "x") == rows(table, "x")
    for frame in ("map_ephys", "ibl_ccf"):
        said = refusal(path, frame=frame, set_in={"frame =": tmp_path / "a.toml"})
        assert "/general/localization/ccf_assets_a states that x, y, z are in" in said


def test_an_exported_table_in_another_space_is_read_in_no_frame_but_its_own(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb", x=[1.0, 0, 2.0], y=[3.0, 0, 4.0], z=[5.0, 0, 6.0])
    _exported(path, space={**CCF, "space_name": "whs_rat"})
    assert set(read(path).columns["frame"]) == {"whs_rat"}
    assert read(path, frame="whs_rat").height == 3
    said = refusal(path, frame="ccf", set_in={"frame =": tmp_path / "recordings.toml"})
    assert f'Write frame = "whs_rat" into {tmp_path}/a.toml' in said


def test_a_table_that_was_exported_into_the_file_is_read_only_if_there_is_no_other(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    with h5py.File(path, "a") as file:
        for axis in "xyz":
            del file[f"{ELECTRODES}/{axis}"]
    _exported(path, "A", x=[70.0, 80.0])
    assert rows(read(path), "x")[0] == (70,)
    localize(path, "B")
    assert rows(read(path), "x")[0] == (1,)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"localized_entity": [0, 3]}, "refers to electrodes that are none"),
        ({"localized_entity": [-1, 0]}, "refers to electrodes that are none"),
        ({"localized_entity": [0.0, 1.0]}, "refers to electrodes that are none"),
        ({"x": ["1", "2"]}, "has other than numbers in x, y, z or localized_entity"),
        ({"x": [1.0]}, "are not equally long"),
        ({"brain_region": ["CA1"]}, "are not equally long"),
    ],
)
def test_a_localization_that_contradicts_itself_is_refused(
    tmp_path: Path, columns: dict[str, Any], words: str
) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path, **columns)
    assert words in refusal(path)


def test_older_files_called_the_column_of_electrodes_target_object(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path, localized_entity=None, target_object=[2, 0])
    assert rows(read(path), "x") == [(2,), (None,), (1,)]


def test_places_of_other_things_are_not_those_of_electrodes(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path)
    with h5py.File(path, "a") as file:
        rois = file.create_group("processing/ophys/rois")
        file[f"{LOCALIZATION}/Table/localized_entity"].attrs["table"] = rois.ref
    assert read(path).frame == "nwb"
    with h5py.File(path, "a") as file:
        for axis in "xyz":
            del file[f"{ELECTRODES}/{axis}"]
    assert "it has places of /processing/ophys/rois, not of electrodes" in refusal(path)


# ---- the digest, and sizes


def test_the_digest_is_that_of_the_tables(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    before = digest(path)
    with h5py.File(path, "a") as file:
        file["acquisition/lfp"] = np.zeros(1000)
    assert digest(path) == before
    localize(path)
    localized = digest(path)
    assert localized != before
    with h5py.File(path, "a") as file:
        file[f"{LOCALIZATION}/AllenCCFv3"].attrs["orientation"] = "ASL"
    assert digest(path) not in {before, localized}


def test_a_file_of_gigabytes_needs_no_memory(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    with h5py.File(path, "a") as file:
        series = file.create_dataset("acquisition/raw/data", (3_000_000, 384), "i2")
        series[-1, -1] = 1
    assert path.stat().st_size > 2e9
    code = f"""
import resource
from pathlib import Path
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Source
from ccf_assets.recordings.formats.nwb import NWB
path = Path({str(path)!r})
source = Source("a.nwb", (path,))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert NWB.read(source, FileSettings(path)).height == 3
NWB.digest(source)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300  # MB


# ---- what is refused


def _external_link(file: h5py.File, other: Path) -> None:
    del file[f"{ELECTRODES}/x"]
    file[f"{ELECTRODES}/x"] = h5py.ExternalLink(str(other), "x")


def _external_group(file: h5py.File, other: Path) -> None:
    del file["general"]
    file["general"] = h5py.ExternalLink(str(other), "general")


def _soft_to_external(file: h5py.File, other: Path) -> None:
    file["away"] = h5py.ExternalLink(str(other), "/")
    del file[f"{ELECTRODES}/x"]
    file[f"{ELECTRODES}/x"] = h5py.SoftLink("/away/x")


def _external_storage(file: h5py.File, other: Path) -> None:
    del file[f"{ELECTRODES}/x"]
    file[ELECTRODES].create_dataset("x", (3,), "f8", external=[(str(other), 0, 24)])


def _virtual(file: h5py.File, other: Path) -> None:
    del file[f"{ELECTRODES}/x"]
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(str(other), "x", (3,))
    file[ELECTRODES].create_virtual_dataset("x", layout)


def _huge(file: h5py.File, _: Path) -> None:
    del file[f"{ELECTRODES}/x"]
    file[ELECTRODES].create_dataset("x", (10**12,), "f8", chunks=(1000,))


def _huge_chunk(file: h5py.File, _: Path) -> None:
    del file[f"{ELECTRODES}/x"]
    file[ELECTRODES].create_dataset("x", (3,), "f8", chunks=(10**8,), maxshape=(None,))


def _bomb(file: h5py.File, _: Path) -> None:
    import zlib

    del file[f"{ELECTRODES}/x"]
    data = file[ELECTRODES].create_dataset("x", (3,), "f8", chunks=(3,), compression="gzip")
    data.id.write_direct_chunk((0,), zlib.compress(bytes(10**7), 9))


def _long_texts(file: h5py.File, _: Path) -> None:
    table = file[ELECTRODES]
    del table["location"]
    table.create_dataset("location", data=["a" * 40_000_000] * 3, dtype=TEXT)


def _odd_packing(file: h5py.File, _: Path) -> None:
    del file[f"{ELECTRODES}/x"]
    file[ELECTRODES].create_dataset("x", data=np.arange(3), chunks=(3,), scaleoffset=0)


def _endless(file: h5py.File, _: Path) -> None:
    del file["general"]
    file["general"] = h5py.SoftLink("/general")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_external_link, "/electrodes/x is a link to another file, which is not followed"),
        (_external_group, "/general is a link to another file"),
        (_soft_to_external, "/away is a link to another file"),
        (_external_storage, "/electrodes/x is stored in other files"),
        (_virtual, "/electrodes/x is stored in other files"),
        (_huge, "more than 10,000,000 rows"),
        (_huge_chunk, "has chunks of more than"),
        (_bomb, "has a chunk that is larger than it says"),
        (_long_texts, "/electrodes/location has texts of more than"),
        (_odd_packing, "is packed with scaleoffset, which is not read"),
        (_endless, "is a link that leads nowhere"),
    ],
)
def test_what_leads_out_of_the_file_or_fills_the_memory_is_refused(
    tmp_path: Path, spoil: Callable[[h5py.File, Path], None], words: str
) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.arange(3.0)
    path = made(tmp_path / "a.nwb")
    with h5py.File(path, "a") as file:
        spoil(file, other)
    assert words in refusal(path)


def _changed(path: Path, what: bytes, value: bytes, offset: int) -> None:
    raw = bytearray(path.read_bytes())
    at = raw.index(what) + offset
    raw[at : at + len(value)] = value
    path.write_bytes(raw)


def test_texts_in_a_damaged_heap_are_refused_before_hdf5_looks_for_their_end(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    whole = path.read_bytes()
    first = (1).to_bytes(2, "little")  # the number of the first object
    assert whole[whole.index(b"GCOL") + 16 :].startswith(first)
    _changed(path, b"GCOL", bytes(2) + bytes(14), 16)  # the rest is free, and has no bytes: HDF5 never ends
    assert "lies in a heap that is damaged" in refusal(path)
    path.write_bytes(whole)
    _changed(path, b"GCOL", (10**10).to_bytes(8, "little"), 8)
    assert "has texts of more than" in refusal(path)


@pytest.mark.parametrize("newest", [False, True])
def test_the_texts_of_attributes_are_looked_at_too(tmp_path: Path, newest: bool) -> None:
    path = made(tmp_path / "a.nwb")
    with h5py.File(path, "a", libver="latest" if newest else "earliest") as file:
        space = file.create_group(f"{LOCALIZATION}/AllenCCFv3")
        for name, value in {**CCF, "origin": "corner " + "of the volume" * 20}.items():
            space.attrs.create(name, value, dtype=TEXT)
    localize(path)
    assert read(path).frame == "ccf"
    raw = path.read_bytes()
    length = len("corner " + "of the volume" * 20).to_bytes(4, "little")
    references = [
        at
        for at in range(len(raw) - 16)
        if raw.startswith(length, at)
        and raw.startswith(b"GCOL", int.from_bytes(raw[at + 4 : at + 12], "little"))
    ]
    assert references
    for at in references:
        path.write_bytes(raw[:at] + (2**31).to_bytes(4, "little") + raw[at + 4 :])
        # The newest headers have a checksum.
        words = "incorrect metadata checksum" if newest else "has texts of more than 100,000,000 bytes"
        assert words in refusal(path)


def test_what_is_no_nwb_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.nwb"
    path.write_bytes(b"%PDF-1.7")
    assert "it is no HDF5 file" in refusal(path)
    whole = made(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "it is damaged, or not a whole NWB file" in refusal(path)
    with h5py.File(path, "w") as file:
        file["acquisition"] = 1
    assert "it has no electrodes (table general/extracellular_ephys/electrodes of NWB 2)" in refusal(path)
    path.unlink()
    assert "no longer exists" in refusal(path)


# ---- the folder of Zarr


def zarr_of(path: Path, folder: Path, packing: str = "blosc", *, new: bool = False) -> Path:
    """The same file as hdmf-zarr lays it out, in format 2 or 3: every column in chunks of two."""

    def laid(group: h5py.Group, place: Path) -> None:
        place.mkdir()
        links = [
            {"name": name, "path": group.get(name, getlink=True).path, "source": "."}
            for name in group
            if isinstance(group.get(name, getlink=True), h5py.SoftLink)
        ]
        attributes = dict(group.attrs) | ({"zarr_link": links} if links else {})
        _describe(place, attributes, {}, new=new)
        for name, member in group.items():
            if isinstance(group.get(name, getlink=True), h5py.HardLink):
                (laid if isinstance(member, h5py.Group) else array)(member, place / name)

    def array(data: h5py.Dataset, place: Path) -> None:
        place.mkdir()
        target = {"path": file[data.attrs["table"]].name, "source": "."} if "table" in data.attrs else None
        attributes = {"table": {"value": target, "zarr_dtype": "object"}} if target else {}
        is_text = h5py.check_string_dtype(data.dtype) is not None
        values = np.atleast_1d(data[()]).tolist() if is_text else np.atleast_1d(data[()])
        codec = {"blosc": {"id": "blosc", "cname": "lz4"}, "none": None}.get(packing, {"id": packing})
        about = {
            "shape": [len(values)],
            "chunks": [2],
            "dtype": "|O" if is_text else values.dtype.str,
            "filters": [{"id": "vlen-utf8"}] if is_text else None,
            "compressor": codec,
            "fill_value": 0,
        }
        if new:
            about = {
                "shape": [len(values)],
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
                "chunk_key_encoding": {"name": "default"},
                "data_type": "string" if is_text else str(values.dtype),
                "codecs": [
                    {"name": "vlen-utf8"}
                    if is_text
                    else {"name": "bytes", "configuration": {"endian": "little"}},
                    *([{"name": codec["id"], "configuration": {}}] if codec else []),
                ],
                "fill_value": "" if is_text else 0,
            }
        _describe(place, attributes, about, new=new)
        for start in range(0, len(values), 2):
            part = values[start : start + 2]
            if is_text:
                part = [*part, b"", b""][:2]
                raw = len(part).to_bytes(4, "little") + b"".join(
                    len(each).to_bytes(4, "little") + each for each in part
                )
            else:
                raw = np.resize(part, 2).tobytes()
            (place / "c").mkdir(exist_ok=True) if new else None
            (place / "c" / str(start // 2) if new else place / str(start // 2)).write_bytes(
                _packed(raw, codec)
            )

    with h5py.File(path) as file:
        laid(file, folder)
    return folder


def _describe(place: Path, attributes: dict[str, Any], about: dict[str, Any], *, new: bool) -> None:
    if new:
        kind = {"zarr_format": 3, "node_type": "array" if about else "group", "attributes": attributes}
        (place / "zarr.json").write_text(json.dumps(kind | about))
        return
    (place / (".zarray" if about else ".zgroup")).write_text(json.dumps({"zarr_format": 2} | about))
    (place / ".zattrs").write_text(json.dumps(attributes))


def _packed(raw: bytes, codec: dict[str, Any] | None) -> bytes:
    import numcodecs

    return bytes(numcodecs.get_codec(codec).encode(raw)) if codec else raw


PACKINGS = ("blosc", "none", "zstd", "gzip", "zlib", "lz4")


@pytest.mark.parametrize(
    ("packing", "new"), [*((p, False) for p in PACKINGS), ("blosc", True), ("zstd", True)]
)
def test_a_folder_of_zarr_is_read_as_the_file(tmp_path: Path, packing: str, new: bool) -> None:
    path = made(tmp_path / "a.nwb", rel_x=[1.0, 2.0, 3.0], shank=np.array([0, 1, 2], "i4"))
    localize(path, "A")
    localize(path, "B", IBL)
    folder = zarr_of(path, tmp_path / "a.nwb.zarr", packing, new=new)
    one, other = read(path), read(folder)
    assert one.frame == other.frame == "ibl_um"
    assert set(one.columns) == set(other.columns)
    for name, column in one.columns.items():
        assert column.to_list() == other.columns[name].to_list()
    assert digest(path) == digest(folder)


def test_a_folder_that_zarr_itself_wrote_in_format_3_is_read(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", minversion="3.0")
    root = zarr.open_group(tmp_path / "a.nwb", mode="w", zarr_format=3)
    table = root.create_group(ELECTRODES)
    for name, values in {"id": np.arange(5), "x": np.arange(5.0), "y": np.ones(5), "z": np.ones(5)}.items():
        table.create_array(name, data=values, chunks=(2,))
    for name in ("location", "group_name"):
        table.create_array(name, shape=(5,), dtype="str", chunks=(2,))[:] = np.array(list("abcde"))
    root.create_array("identifier", shape=(), dtype="str")[()] = "m1"
    found = read(tmp_path / "a.nwb")
    assert rows(found, "recording_id", "site_id", "x", "probe") == [
        ("m1", row, float(row), "abcde"[row]) for row in range(5)
    ]


def test_folders_are_found_by_their_names_and_zarr_alone_by_what_it_holds(tmp_path: Path) -> None:
    for name in ("a.nwb", "b.nwb.zarr", "c.ZARR", "image.zarr", "d"):
        (tmp_path / name).mkdir()
    (tmp_path / "c.ZARR/session_start_time").mkdir()
    folders = frozenset(each.name for each in tmp_path.iterdir())
    listing = Listing(tmp_path, frozenset({"x.nwb", "Y.NWB", "z.csv"}), folders, lambda _name, _classify: "")
    assert [found.anchor for found in NWB.find(listing)] == ["Y.NWB", "x.nwb"]
    assert [found.anchor for found in NWB_ZARR.find(listing)] == ["a.nwb", "b.nwb.zarr", "c.ZARR"]


def _bomb_of(codec: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        x = folder / ELECTRODES / "x"
        about = json.loads((x / ".zarray").read_text())
        about["compressor"] = {"id": codec}
        (x / ".zarray").write_text(json.dumps(about))
        (x / "0").write_bytes(_packed(bytes(10**7), {"id": codec}))

    return spoil


def _metadata(**changed: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        file = folder / ELECTRODES / "x" / ".zarray"
        file.write_text(json.dumps(json.loads(file.read_text()) | changed))

    return spoil


def _leading_out(folder: Path) -> None:
    target = folder.with_name("elsewhere")
    shutil.move(folder / ELECTRODES / "x", target)
    (folder / ELECTRODES / "x").symlink_to(target)


def _pickled(folder: Path) -> None:
    _metadata(dtype="|O", filters=[{"id": "pickle"}])(folder)


def _text_cut(folder: Path) -> None:
    chunk = folder / ELECTRODES / "location" / "0"
    chunk.write_bytes(_packed((2**31).to_bytes(4, "little") + b"\xff" * 9, {"id": "blosc", "cname": "lz4"}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        *((_bomb_of(codec), "has a chunk that is ") for codec in ("blosc", "zstd", "gzip", "zlib", "lz4")),
        (_bomb_of("bz2"), "is packed with bz2, which is not read"),
        (_metadata(shape=[10**12]), "has more than 10,000,000 rows"),
        (_metadata(chunks=[10**9]), "too many bytes or chunks"),
        (
            _metadata(shape=["a"]),
            "the metadata of /general/extracellular_ephys/electrodes/x are not readable",
        ),
        (_metadata(compressor="zlib"), "are not readable"),
        (_metadata(filters=[{"id": "delta"}]), "is packed with delta and blosc, which is not read"),
        (_pickled, "have no numbers x, y, z"),
        (_leading_out, "is a link that leads out of the folder"),
        (_text_cut, "has a chunk that is cut short"),
        (lambda folder: (folder / ELECTRODES / ".zattrs").write_text("[" * 100_000), "is nested too deeply"),
        (
            lambda folder: (folder / ELECTRODES / ".zattrs").write_text(" " * 16_000_001),
            ".zattrs has more than 16,000,000 bytes",
        ),
        (lambda folder: (folder / ELECTRODES / "y" / "0").write_bytes(b"x"), "is damaged"),
        (lambda folder: (folder / ".zgroup").unlink(), "it is no folder of NWB-Zarr"),
    ],
)
def test_a_hostile_folder_of_zarr_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    folder = zarr_of(made(tmp_path / "a.nwb"), tmp_path / "a.nwb.zarr")
    spoil(folder)
    assert words in refusal(folder)


def test_a_link_to_another_folder_of_zarr_is_not_followed(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nwb")
    localize(path)
    folder = zarr_of(path, tmp_path / "a.nwb.zarr")
    attributes = folder / LOCALIZATION / "Table" / ".zattrs"
    given = json.loads(attributes.read_text())
    given["zarr_link"][0]["source"] = "../b.nwb.zarr"
    attributes.write_text(json.dumps(given))
    assert "/general/localization/Table/space is a link to another file" in refusal(folder)


# ---- real files


def test_every_label_of_the_ibl_s_file_is_that_of_its_place(
    ccf_cases: Callable[[str], Path], volume_25: Volume25
) -> None:
    path = ccf_cases("formats/nwb_localization/ibl_two_probes.nwb")
    table = read(path)
    assert (table.frame, table.height) == ("ibl_um", 256)
    assert volume_25.regions(table) == volume_25.reported(table)
    assert set(table.columns["probe"]) == {"Probe00", "Probe01"}
    assert table.columns["channel"].null_count() == 0
    # As CCF, half a voxel is missing.
    for frame, equal in (("ccf", 232), ("ibl_ccf", 256)):
        given = read(path, frame=frame)
        given = Table(**(vars(given) | {"frame": frame}))
        assert _equal(volume_25.regions(given), volume_25.reported(given)) == equal


def _equal(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(a == b for a, b in zip(one, other, strict=True))


def test_the_electrodes_of_published_sets_are_read_as_they_are(ccf_cases: Callable[[str], Path]) -> None:
    folder = ccf_cases("formats/nwb_electrodes")
    heights = {}
    for name in ("dandi_000253", "dandi_000363", "dandi_000021", "dandi_000458"):
        table = read(folder / f"{name}_electrodes.nwb")
        assert table.frame == "nwb"
        assert table.columns["x"].null_count() == 0
        heights[name] = table.height
    assert heights == {"dandi_000253": 357, "dandi_000363": 384, "dandi_000021": 81, "dandi_000458": 384}
    assert "holds no coordinates: x, y, z of all 383" in refusal(folder / "pynapple_A8604_all_zero.nwb")


def test_the_folder_of_zarr_of_a_published_set_is_read_as_its_file(ccf_cases: Callable[[str], Path]) -> None:
    one = read(ccf_cases("formats/nwb_electrodes/dandi_000253_electrodes.nwb"))
    other = read(ccf_cases("formats/nwb_zarr/dandi_000253.nwb.zarr"))
    assert list(one.columns) == list(other.columns)
    for name, column in one.columns.items():
        assert column.to_list() == other.columns[name].to_list()
