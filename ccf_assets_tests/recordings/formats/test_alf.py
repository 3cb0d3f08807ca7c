"""IBL ALF folders: one source per probe, whatever ONE calls its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ccf_assets.errors import CcfError
from ccf_assets.recordings.formats.alf import FORMAT
from ccf_assets_tests.support.sources import found_by, frame_of, read_one, sources_of

UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def channels(folder: Path, rows: int = 4, object_: str = "channels", part: str = "") -> Path:
    """A folder with the channels of a probe."""
    folder.mkdir(parents=True, exist_ok=True)
    points = np.arange(3 * rows, dtype=np.int32).reshape(rows, 3) * -100
    np.save(folder / f"{object_}.mlapdv{part}.npy", points)
    np.save(folder / f"{object_}.brainLocationIds_ccf_2017{part}.npy", np.arange(rows) * 10)
    np.save(
        folder / f"{object_}.localCoordinates{part}.npy", np.c_[np.full(rows, 43.0), np.arange(rows) * 20.0]
    )
    return folder


def test_every_published_channel_has_its_published_region(ccf_cases, volume_25) -> None:
    tables = [
        FORMAT.read(source, None)  # type: ignore[arg-type]
        for source in sources_of(FORMAT, ccf_cases("formats/ibl_alf"))
    ]
    assert [table.height for table in tables] == [384, 384]
    assert [table.frame for table in tables] == ["ibl_um", "ibl_um"]
    outside = []
    for table in tables:
        found = volume_25.regions(table)
        assert found == volume_25.reported(table)
        outside.append(found.count(0))
    assert outside == [0, 126]
    assert frame_of(tables[1])["recording_id"].unique().to_list() == ["alf/probe01"]


def test_a_row_has_channel_probe_and_its_place_on_the_probe(tmp_path: Path) -> None:
    folder = channels(tmp_path / "s1/alf/probe00")
    np.save(folder / "channels.rawInd.npy", np.array([3, 2, 1, 0]))
    table = read_one(FORMAT, tmp_path)
    assert frame_of(table).row(1, named=True) == {
        "recording_id": "s1/alf/probe00",
        "site_id": 2,
        "ml": -300.0,
        "ap": -400.0,
        "dv": -500.0,
        "probe": "probe00",
        "channel": 2,
        "reported_region": "10",
        "lateral_um": 43.0,
        "axial_um": 20.0,
    }


def test_without_raw_indices_sites_are_numbered_by_row(tmp_path: Path) -> None:
    table = read_one(FORMAT, channels(tmp_path / "probe00"), tmp_path)
    assert frame_of(table)["site_id"].to_list() == [0, 1, 2, 3]
    assert "channel" not in table.names


def test_hundreds_of_other_arrays_are_no_part_of_it(tmp_path: Path) -> None:
    folder = channels(tmp_path / "probe00")
    for number in range(200):
        (folder / f"spikes.times_{number}.npy").write_bytes(b"never opened")
    (folder / "clusters.channels.npy").write_bytes(b"never opened")
    (found,) = found_by(FORMAT, folder)
    assert found.anchor == "channels.mlapdv.npy"
    assert found.others == ("channels.brainLocationIds_ccf_2017.npy", "channels.localCoordinates.npy")


def test_files_with_the_ids_of_one_are_the_same(tmp_path: Path) -> None:
    folder = channels(tmp_path / "probe00", part=f".{UUID}")
    (found,) = found_by(FORMAT, folder)
    assert found.anchor == f"channels.mlapdv.{UUID}.npy"
    assert read_one(FORMAT, folder, tmp_path).columns["reported_region"].to_list() == ["0", "10", "20", "30"]


def test_a_newer_revision_replaces_what_it_has(tmp_path: Path) -> None:
    folder = channels(tmp_path / "probe00")
    for date, region in (("2024-05-06", 7), ("2023-01-01", 6)):
        (folder / f"#{date}#").mkdir()
        np.save(folder / f"#{date}#/channels.brainLocationIds_ccf_2017.npy", np.full(4, region))
    table = read_one(FORMAT, folder, tmp_path)
    assert table.columns["reported_region"].to_list() == ["7"] * 4
    assert table.columns["ml"].to_list() == [0, -300, -600, -900]


def test_of_revisions_alone_the_newest_is_the_source(tmp_path: Path) -> None:
    for date in ("2023-01-01", "2024-05-06"):
        channels(tmp_path / f"a/probe00/#{date}#")
    (source,) = sources_of(FORMAT, tmp_path)
    assert source.key == "a/probe00/#2024-05-06#/channels.mlapdv.npy"
    assert read_one(FORMAT, tmp_path).columns["recording_id"][0] == "a/probe00"


@pytest.mark.parametrize("sorter", ["", "pykilosort"])
def test_a_probe_with_both_kinds_of_positions_has_no_site_twice(tmp_path: Path, sorter: str) -> None:
    channels(tmp_path / "alf/probe00", object_="electrodeSites", rows=6)
    channels(tmp_path / "alf/probe00" / sorter)
    (source,) = sources_of(FORMAT, tmp_path)
    assert source.path.name == "channels.mlapdv.npy"
    table = read_one(FORMAT, tmp_path)
    assert table.height == 4
    assert table.columns["recording_id"][0] == "alf/probe00"
    assert table.columns["probe"][0] == "probe00"


def test_the_sites_of_the_gui_alone_are_read(tmp_path: Path) -> None:
    channels(tmp_path / "alf/probe00", object_="electrodeSites", rows=6)
    assert read_one(FORMAT, tmp_path).height == 6


@pytest.mark.parametrize("attribute", ["brainLocationIds_ccf_2017", "localCoordinates", "rawInd"])
def test_attributes_of_another_length_are_refused(tmp_path: Path, attribute: str) -> None:
    folder = channels(tmp_path / "probe00")
    np.save(folder / f"channels.{attribute}.npy", np.zeros((5, 2) if attribute == "localCoordinates" else 5))
    with pytest.raises(CcfError, match=rf"{attribute}.npy holds an array .*channels.mlapdv.npy has 4 rows"):
        read_one(FORMAT, folder, tmp_path)


def test_channels_with_fractions_are_refused(tmp_path: Path) -> None:
    folder = channels(tmp_path / "probe00")
    np.save(folder / "channels.rawInd.npy", np.array([0, 1, 2.5, 3]))
    with pytest.raises(CcfError, match="must be whole"):
        read_one(FORMAT, folder, tmp_path)


def test_a_channel_whose_place_is_not_known_is_kept_without_one(tmp_path: Path) -> None:
    folder = channels(tmp_path / "probe00")
    np.save(folder / "channels.mlapdv.npy", np.array([[1.0, 2, 3], [np.nan] * 3, [4, 5, 6], [7, 8, 9]]))
    table = frame_of(read_one(FORMAT, folder, tmp_path))
    assert table.select("ml", "ap", "dv").row(1) == (None, None, None)
    assert table.height == 4


@pytest.mark.parametrize("dtype", ["<U6", ">U6", "S6"])
def test_acronyms_are_read_and_what_is_no_character_is_marked(tmp_path: Path, dtype: str) -> None:
    folder = channels(tmp_path / "probe00")
    (folder / "channels.brainLocationIds_ccf_2017.npy").unlink()
    path = folder / "channels.acronym.npy"
    np.save(path, np.array(["VISp5", "CA1", "root", ""], dtype))
    assert read_one(FORMAT, folder, tmp_path).columns["reported_region"].to_list() == [
        "VISp5",
        "CA1",
        "root",
        "",
    ]
    letter = np.array("V", dtype[:-1] + "1").tobytes()
    path.write_bytes(path.read_bytes().replace(letter, len(letter) * b"\xff"))
    assert read_one(FORMAT, folder, tmp_path).columns["reported_region"][0] == "\ufffdISp5"
