"""A folder of recordings in an object store: found and read as the same files on a disk, and read once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.errors import CcfError
from ccf_assets.objects import Address
from ccf_assets.recordings.folders import folder_as_known, folder_of, take_over
from ccf_assets.recordings.scan.folder import FolderScan, scan_folder, scan_objects, site_file
from ccf_assets.recordings.scan.objects import ObjectView
from ccf_assets.recordings.scan.read import read_sites
from ccf_assets.recordings.scan.stamps import StillWritingError
from ccf_assets_tests.support.object_store import LAB, ObjectStore

SETTLED = 1e12
"""A time at which every file is complete."""

SITES = "recording_id,site_id,x,y,z\nr,0,1,2,3\nr,1,4,5,6\n"


def nwb(path: Path, **more: np.ndarray) -> Path:
    """A small NWB file, with further arrays beside the electrodes."""
    with h5py.File(path, "w") as file:
        file["identifier"] = "session 1"
        table = file.create_group("general/extracellular_ephys/electrodes")
        table["id"] = np.arange(3)
        for axis, at in zip("xyz", (8900.0, 1300.0, 8200.0), strict=True):
            table[axis] = np.full(3, at)
        table["location"] = ["VISp", "VISp", "CA1"]
        for name, values in more.items():
            file[f"acquisition/{name}"] = values
    return path


def made(top: Path) -> Path:
    """A folder with sources of several files, settings of folders, links between folders, and others."""
    for name, text in {
        "recordings.toml": 'frame = "ccf"\n',
        "day 1/a.csv": SITES,
        "day 1/b.csv": SITES.replace("r,", "b,"),
        "day 1/b.toml": 'probe = "{stem}"\n',
        "day 1/.hidden.csv": SITES,
        "day 1/half.csv.part": SITES,
        "ä ö/100%.csv": SITES,
        "notes.txt": "no sites",
        "mouse_a/alf/probe00/channel_locations.json": (
            '{"channel_0": {"x": 1.0, "y": 2.0, "z": -3.0, "axial": 20.0, "lateral": 43.0, '
            '"brain_region_id": 997, "brain_region": "root"}, "origin": {"bregma": [5739, 5400, 332]}}'
        ),
    }.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for revision in ("", "#2024-05-06#/"):
        alf = top / "session" / revision
        alf.mkdir(parents=True, exist_ok=True)
        np.save(alf / "channels.mlapdv.npy", np.ones((2, 3)))
        np.save(alf / "channels.brainLocationIds_ccf_2017.npy", np.array([997, 997]))
    nwb(top / "x.nwb")
    return top


def read_all(folder: Path, address: Address) -> dict[str, tuple[str, pl.DataFrame | str]]:
    """Every source of a folder on a disk, compared with what the same folder in a store gives."""

    def content(read: Callable[[], pl.DataFrame], top: Path | Address) -> pl.DataFrame | str:
        try:
            return read()
        except CcfError as error:
            return str(error).replace(str(top), "TOP")

    on_disk, in_store = scan_folder(folder, SETTLED, 0), scan_objects(address)
    assert {key: file.format.name for key, file in in_store.files.items()} == {
        key: file.format.name for key, file in on_disk.files.items()
    }
    assert in_store.ignored == on_disk.ignored
    assert in_store.waiting == {}
    assert in_store.unreadable.keys() == on_disk.unreadable.keys()
    view, found = ObjectView(address), {}
    for key, file in on_disk.files.items():
        here = content(lambda key=key: read_sites(folder, key, FRAMES), folder)  # type: ignore[misc]
        there = content(lambda key=key: read_sites(view.top, key, FRAMES, None, view), address)  # type: ignore[misc]
        if isinstance(here, pl.DataFrame):
            assert isinstance(there, pl.DataFrame), there
            assert here.equals(there), key
        else:
            assert here == there
        found[key] = (file.format.name, here)
    assert not view.top.exists()
    return found


def digests(scan: FolderScan) -> dict[str, str]:
    """Key → digest."""
    return {key: file.digest for key, file in scan.files.items()}


def test_what_is_on_a_disk_and_in_a_store_is_found_and_read_alike(store: ObjectStore, tmp_path: Path) -> None:
    folder = made(tmp_path / "rec")
    store.put_folder(folder, "rec")
    found = read_all(folder, LAB)
    assert list(found) == [
        "day 1/a.csv",
        "day 1/b.csv",
        "mouse_a/alf/probe00/channel_locations.json",
        "session/channels.mlapdv.npy",
        "x.nwb",
        "ä ö/100%25.csv",
    ]
    refused = [content for _, content in found.values() if isinstance(content, str)]
    assert refused == []


def test_every_format_of_other_programs_is_read_from_a_store_as_from_a_disk(
    store: ObjectStore, ccf_cases: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "cases"
    # The folder of NWB-Zarr is many objects, and has a test of its own.
    shutil.copytree(ccf_cases("formats"), folder, ignore=shutil.ignore_patterns("nwb_zarr", "atlas_*"))
    store.put_folder(folder, "cases")
    found = read_all(folder, Address("s3://lab/cases"))
    assert len({name for name, _ in found.values()}) > 12


def test_a_second_scan_reads_nothing_and_a_changed_object_is_read_again(
    store: ObjectStore, tmp_path: Path
) -> None:
    store.put_folder(made(tmp_path / "rec"), "rec")
    first = scan_objects(LAB)
    looked_at = store.read
    assert looked_at  # names do not tell what a JSON file is
    store.forget()
    again = scan_objects(LAB, first.memo)
    assert digests(again) == digests(first)
    assert again.memo == first.memo
    assert digests(scan_objects(LAB)) == digests(first)  # in another process
    assert store.read == []
    assert len(store.asked) == 2  # one listing each
    store.put("rec/day 1/a.csv", SITES + "r,2,7,8,9\n")
    store.put("rec/mouse_a/alf/probe00/channel_locations.json", "{}")
    changed = scan_objects(LAB, first.memo)
    assert store.read == ["rec/mouse_a/alf/probe00/channel_locations.json"]
    assert {key for key, digest in digests(first).items() if digests(changed).get(key) != digest} == {
        "day 1/a.csv",
        "mouse_a/alf/probe00/channel_locations.json",
    }


def test_changed_settings_change_the_digests_of_their_files(store: ObjectStore) -> None:
    store.put("rec/a.csv", SITES)
    store.put("rec/deep/b.csv", SITES)
    first = digests(scan_objects(LAB))
    store.put("rec/deep/recordings.toml", 'frame = "ccf"')
    second = digests(scan_objects(LAB))
    assert {key for key in first if first[key] != second[key]} == {"deep/b.csv"}


def test_of_a_large_nwb_file_only_parts_are_read(store: ObjectStore, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 1 << 16, 4_000_000, "u2")
    path = nwb(tmp_path / "large.nwb", voltage=noise)
    store.put("rec/large.nwb", path.read_bytes())
    view = ObjectView(LAB)
    store.forget()
    there = read_sites(view.top, "large.nwb", FRAMES, None, view)
    assert there.equals(read_sites(tmp_path, "large.nwb", FRAMES))
    assert store.sent < path.stat().st_size / 4


def test_of_a_folder_of_nwb_the_recorded_data_are_not_brought(
    store: ObjectStore, ccf_cases: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ccf_cases("formats/nwb_zarr/dandi_000253.nwb.zarr")
    store.put_folder(folder, "rec/m.nwb.zarr")
    store.put("rec/m.nwb.zarr/acquisition/voltage/0.0", b"x" * 100_000)
    view = ObjectView(LAB)
    store.forget()
    sites = read_sites(view.top, "m.nwb.zarr", FRAMES, None, view)
    assert sites.equals(read_sites(folder.parent, folder.name, FRAMES, "m.nwb.zarr"))
    assert not any("acquisition" in path for path in store.read)
    monkeypatch.setattr("ccf_assets.recordings.scan.objects.LARGEST_BYTES", 1_000)
    with pytest.raises(CcfError, match=r"^s3://lab/rec/m\.nwb\.zarr: .* bytes would have to be read"):
        read_sites(view.top, "m.nwb.zarr", FRAMES, None, view)


def test_an_object_that_is_replaced_or_deleted_before_it_is_read_waits(
    store: ObjectStore, tmp_path: Path
) -> None:
    store.put("rec/a.csv", SITES)
    store.put("rec/a.toml", 'frame = "ccf"')
    store.put("rec/x.nwb", nwb(tmp_path / "x.nwb").read_bytes())
    view = ObjectView(LAB)
    store.put("rec/a.toml", 'frame = "ibl"')
    with pytest.raises(StillWritingError, match=r"^s3://lab/rec/a\.toml was replaced while it was read\.$"):
        read_sites(view.top, "a.csv", FRAMES, None, view)
    store.put("rec/x.nwb", nwb(tmp_path / "x.nwb", more=np.arange(9)).read_bytes())
    with pytest.raises(StillWritingError, match=r"^s3://lab/rec/x\.nwb was replaced"):
        read_sites(view.top, "x.nwb", FRAMES, None, view)
    store.delete("rec/a.csv")
    with pytest.raises(StillWritingError, match=r"^s3://lab/rec/a\.csv was deleted since"):
        read_sites(view.top, "a.csv", FRAMES, None, view)


def test_sentences_have_the_address_and_not_the_place_on_this_host(store: ObjectStore) -> None:
    store.put("rec/a.csv", "recording_id,x,y,z\n")
    store.put("rec/b.csv", SITES)
    view = ObjectView(LAB)
    with pytest.raises(CcfError, match=r"^s3://lab/rec/a\.csv has a header and no rows"):
        read_sites(view.top, "a.csv", FRAMES, None, view)
    with pytest.raises(CcfError, match=r"s3://lab/rec/b\.toml"):
        read_sites(view.top, "b.csv", FRAMES, None, view)
    with pytest.raises(CcfError, match=r"^s3://lab/rec/c\.csv no longer exists"):
        read_sites(view.top, "c.csv", FRAMES, None, view)
    assert site_file(view.top, "c.csv", view) is None


def test_a_folder_with_nothing_below_it_is_an_error_and_no_empty_folder(store: ObjectStore) -> None:
    store.put("other/a.csv", SITES)
    with pytest.raises(CcfError, match=r"^There is no object below s3://lab/rec; put files of sites there"):
        scan_objects(LAB)


def test_a_folder_in_a_store_is_known_by_its_address(database: sa.Engine, store: ObjectStore) -> None:
    store.put("rec/a.csv", SITES)
    assert folder_as_known(database, LAB).name == ""
    first = folder_of(database, LAB)
    assert first.name == ""
    assert folder_of(database, LAB) == folder_as_known(database, LAB) == first
    second = folder_of(database, Address("s3://other/rec"))
    assert second.name == "rec"
    assert second.others == {"": "s3://lab/rec"}
    third = folder_of(database, Address("gs://third/rec"))
    assert third.name == "rec-third"
    assert list(folder_of(database, LAB).scan(SETTLED, 0).files) == ["a.csv"]
    with pytest.raises(
        CcfError, match=r"^It cannot be told which of 3 folders of recordings was moved to s3:"
    ):
        take_over(database, LAB)


def on_a_disk_and_in(store: ObjectStore, database: sa.Engine, folder: Path) -> None:
    """A known folder on a disk, and the same file in a store."""
    folder.mkdir()
    (folder / "a.csv").write_text(SITES)
    folder_of(database, folder)
    store.put("rec/a.csv", SITES)


def test_a_folder_on_a_disk_that_was_moved_into_a_store_keeps_its_name(
    database: sa.Engine, store: ObjectStore, tmp_path: Path
) -> None:
    on_a_disk_and_in(store, database, tmp_path / "rig")
    assert list(take_over(database, LAB).scan(SETTLED, 0).files) == ["a.csv"]
    assert folder_of(database, LAB).name == ""


def test_a_folder_on_a_disk_and_one_in_a_store_share_a_database(
    database: sa.Engine, store: ObjectStore, tmp_path: Path
) -> None:
    on_a_disk_and_in(store, database, tmp_path / "rig")
    folder = folder_of(database, LAB)
    assert list(folder.scan(SETTLED, 0).files) == ["rec/a.csv"]
    assert folder_of(database, tmp_path / "rig").others == {"rec": "s3://lab/rec"}
