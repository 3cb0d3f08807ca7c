"""The regions of a recording as NWB: valid, read back as they were, and whole or not there."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.atlas.export_nwb import export_nwb
from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import from_ccf
from ccf_assets.db import schema
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.site_names import site_number
from ccf_assets.recordings.files.source import Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats.nwb import NWB

pytest.importorskip("ndx_anatomical_localization")

ELECTRODES = "general/extracellular_ephys/electrodes"

KEY = "phantom_100um"


POINTS = [
    (6600.0, 4000.0, 5000.0),
    (6650.25, 4000.0, 5800.0),
    (8900.0, 1300.0, 8200.0),
    (10.0, 10.0, 10.0),
    (-5.0, 1.0, 2.0),
    (None, None, None),
]
"""In the brain, outside it, outside the volume, and unknown; CCF µm."""


def _lab(engine: sa.Engine, recording: str = "m1", **columns: list[Any]) -> pl.DataFrame:
    """Six sites of a recording, registered in the phantom: site_id, probe and what is given."""
    points = np.array(POINTS, float)
    found = Atlas(KEY).locate(points).to_polars()
    sites = {"site_id": list(range(6)), "probe": ["A", "A", "A", "B", "B", "B"]} | columns
    with engine.begin() as connection:
        ccf_id = connection.scalar(sa.select(schema.atlas.c.ccf_id).where(schema.atlas.c.key == KEY))
        for row, (x, y, z) in enumerate(POINTS):
            own = {name: values[row] for name, values in sites.items()} | {"recording_id": recording}
            place = dict(zip(("ap", "dv", "ml"), points[row].tolist(), strict=True))
            connection.execute(sa.insert(schema.recording_site).values(**own, **place, frame="ccf"))
            key = {"recording_id": recording, "site_id": own["site_id"], "source": "inserted"}
            region = {name: found[name][row] for name in ("region_id", "status")}
            connection.execute(
                sa.insert(schema.recording_region).values(
                    **key, **region, x=x, y=y, z=z, ccf_id=ccf_id, voxels_of=1, surface_of=1
                )
            )
    return pl.DataFrame(sites).with_columns(acronym=found["acronym"])


def _read(path: Path, frame: str | None = None) -> Table:
    return NWB.read(Source(path.name, (path,)), FileSettings(path.with_suffix(".toml"), frame))


def _columns(table: Table, *names: str) -> list[tuple[Any, ...]]:
    return pl.DataFrame({name: table.columns[name] for name in names}).rows()


def _problems(path: Path) -> list[str]:
    """What pynwb and nwbinspector find that is an error or critical."""
    from nwbinspector import Importance, inspect_nwbfile
    from pynwb import validate

    found = [str(each) for each in validate(path=str(path))]
    grave = (Importance.ERROR, Importance.PYNWB_VALIDATION, Importance.CRITICAL)
    return found + [
        f"{each.check_function_name}: {each.message}"
        for each in inspect_nwbfile(nwbfile_path=path, skip_validate=True)
        if each.importance in grave
    ]


def test_a_small_file_is_valid_and_reads_back_as_the_sites_are(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    sites = _lab(
        phantom_database,
        channel=[0, 1, 2, 0, 1, 2],
        shank=[0, 1, None, None, None, None],
        axial_um=[20.0, 40.0, 60.0, 20.0, 40.0, None],
    )
    path = tmp_path / "m1_regions.nwb"
    assert export_nwb(phantom_database, "m1", path, KEY).located == sites["acronym"].count() == 3
    assert _problems(path) == []
    table = _read(path)
    assert table.frame == "ccf"
    assert _columns(table, "recording_id", "site_id", "probe", "channel", "shank") == [
        ("m1", 0, "A", 0, 0), ("m1", 1, "A", 1, 1), ("m1", 2, "A", 2, None),
        ("m1", 3, "B", 0, None), ("m1", 4, "B", 1, None), ("m1", 5, "B", 2, None),
    ]  # fmt: skip
    assert _columns(table, "x", "y", "z") == POINTS
    assert np.array_equal(table.columns["axial_um"], [20, 40, 60, 20, 40, np.nan], equal_nan=True)
    reported = [None if each == "unknown" else each for each in table.columns["reported_region"]]
    assert reported == sites["acronym"].to_list()


def test_the_file_names_the_atlas_and_the_checksum_of_its_annotation(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    _lab(phantom_database)
    path = tmp_path / "m1.nwb"
    export_nwb(phantom_database, "m1", path, KEY)
    with phantom_database.connect() as connection:
        checksum = connection.scalar(sa.select(schema.atlas.c.sha256).where(schema.atlas.c.key == KEY))
    with h5py.File(path) as file:
        table = file[f"general/localization/ccf_assets_{KEY}"]
        assert f"atlas {KEY}, version phantom" in table.attrs["method"]
        assert f"SHA-256 {checksum}" in table.attrs["method"]
        assert table["space"].attrs["space_name"] == "AllenCCFv3"
        assert table["space"].attrs["orientation"] == "PIR"
        assert "ndx-anatomical-localization" in file["specifications"]
        assert len(table["x"]) == 5  # a site without a place is no row


def test_sites_with_names_keep_them(phantom_database: sa.Engine, tmp_path: Path) -> None:
    names = [f"e{n}" for n in range(6)]
    sites = _lab(phantom_database, site_id=[site_number(name) for name in names], site_name=names)
    export_nwb(phantom_database, "m1", tmp_path / "m1.nwb", KEY)
    table = _read(tmp_path / "m1.nwb")
    assert dict(_columns(table, "site_id", "x")) == dict(zip(names, [p[0] for p in POINTS], strict=True))
    assert sites.height == table.height


def test_probes_may_have_any_name_and_none(phantom_database: sa.Engine, tmp_path: Path) -> None:
    probes = ["a/b", "a_b", "a:b", None, None, "imec0"]
    _lab(phantom_database, probe=probes)
    export_nwb(phantom_database, "m1", tmp_path / "m1.nwb", KEY)
    assert _problems(tmp_path / "m1.nwb") == []
    assert _read(tmp_path / "m1.nwb").columns["probe"].to_list() == probes


def test_points_of_a_track_are_no_electrodes(phantom_database: sa.Engine, tmp_path: Path) -> None:
    _lab(phantom_database, kind=["site"] * 4 + ["track"] * 2)
    assert export_nwb(phantom_database, "m1", tmp_path / "m1.nwb", KEY).sites == 4
    _lab(phantom_database, "m2", kind=["track"] * 6)
    with pytest.raises(CcfError, match="'m2' has only points of tracks"):
        export_nwb(phantom_database, "m2", tmp_path / "m2.nwb", KEY)
    assert [path.name for path in tmp_path.iterdir()] == ["m1.nwb"]


# ---- into a file of the lab


def _file_of_the_lab(path: Path, ids: list[int], **columns: list[Any]) -> Path:
    """A file with recorded data and electrodes of these ids, as the lab has it before any localization."""
    import datetime as dt

    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.ecephys import ElectricalSeries
    from pynwb.file import Subject

    start = dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc)
    file = NWBFile(session_description="a session", identifier="lab", session_start_time=start)
    file.subject = Subject(subject_id="mouse 7", species="Mus musculus", sex="F", age="P90D")
    group = file.create_electrode_group("A", "a probe", "unknown", file.create_device("A"))
    for row, number in enumerate(ids):
        further = {name: values[row] for name, values in columns.items()}
        file.add_electrode(id=number, group=group, location="unknown", **further)
    region = file.create_electrode_table_region(list(range(len(ids))), "all")
    data = np.arange(len(ids) * 10, dtype=np.int16).reshape(10, -1)
    file.add_acquisition(ElectricalSeries(name="raw", data=data, electrodes=region, rate=30_000.0))
    with NWBHDF5IO(path, "w") as store:
        store.write(file)
    return path


@pytest.mark.parametrize("has_xyz", [False, True])
def test_a_file_of_the_lab_gets_the_regions_by_the_ids_of_its_electrodes(
    phantom_database: sa.Engine, tmp_path: Path, has_xyz: bool
) -> None:
    sites = _lab(phantom_database)
    zeros = {axis: [0.0] * 6 for axis in "xyz"} if has_xyz else {}
    path = _file_of_the_lab(tmp_path / "lab.nwb", [5, 3, 1, 0, 2, 4], **zeros)
    path.chmod(0o640)
    (tmp_path / "link.nwb").symlink_to(path)
    for _ in range(2):  # once more, and the table of before is replaced
        export_nwb(phantom_database, "m1", tmp_path / "link.nwb", KEY, in_place=True)
    assert (tmp_path / "link.nwb").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lab.nwb", "link.nwb"]
    assert _problems(path) == []
    table = _read(path)
    assert table.frame == "ccf"
    assert _columns(table, "recording_id", "site_id", "x") == [
        ("lab", number, POINTS[number][0]) for number in (5, 3, 1, 0, 2, 4)
    ]
    with h5py.File(path) as file:
        electrodes = file[ELECTRODES]
        named = {None: "unknown"}
        wanted = [sites["acronym"][n] for n in (5, 3, 1, 0, 2, 4)]
        assert electrodes["location"].asstr()[:].tolist() == [named.get(each, each) for each in wanted]
        assert {"x", "y", "z"} <= set(electrodes.attrs["colnames"])
        assert electrodes["y"][1] == POINTS[3][1]
        assert file["acquisition/raw/data"][9, 5] == 59


IN_MAP_EPHYS = from_ccf(FRAMES["map_ephys"], *np.array(POINTS, float).T)[:, [2, 1, 0]]
"""`POINTS` as map-ephys has them in its columns x, y, z: ML, DV, AP."""


def _xyz(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    with h5py.File(path) as file:
        return np.column_stack([file[ELECTRODES][axis][:] for axis in "xyz"])


def test_coordinates_that_mean_something_else_stay_and_are_read_as_before(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    sites = _lab(phantom_database)
    given = {axis: IN_MAP_EPHYS[:, place].tolist() for place, axis in enumerate("xyz")}
    path = _file_of_the_lab(tmp_path / "lab.nwb", list(range(6)), **given)
    before = _read(path, frame="map_ephys")
    for _ in range(2):
        assert export_nwb(phantom_database, "m1", path, KEY, in_place=True).kept_xyz
    assert _problems(path) == []
    np.testing.assert_array_equal(_xyz(path), IN_MAP_EPHYS)
    after = _read(path, frame="map_ephys")
    assert after.frame == before.frame == "nwb"  # what a file says without one; the settings overrule it
    assert _columns(after, "site_id", "x", "y", "z") == _columns(before, "site_id", "x", "y", "z")
    with h5py.File(path) as file:
        table = file[f"general/localization/ccf_assets_{KEY}"]
        assert [tuple(row) for row in zip(*(table[axis][:] for axis in "xyz"), strict=True)] == POINTS[:5]
        assert table["brain_region"].asstr()[0] == sites["acronym"][0]


def test_coordinates_of_an_earlier_export_follow_the_sites(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    _lab(phantom_database)
    path = _file_of_the_lab(tmp_path / "lab.nwb", list(range(6)))
    export_nwb(phantom_database, "m1", path, KEY, in_place=True)
    with phantom_database.begin() as connection:
        connection.execute(sa.text("UPDATE ccf.recording_region SET x = x + 100 WHERE recording_id = 'm1'"))
    assert not export_nwb(phantom_database, "m1", path, KEY, in_place=True).kept_xyz
    moved = np.array(POINTS, float) + np.array([100, 0, 0])
    np.testing.assert_array_equal(_xyz(path), moved)
    assert _columns(_read(path), "x", "y", "z")[:5] == [tuple(point) for point in moved[:5].tolist()]
    with h5py.File(path, "r+") as file:  # a later alignment
        file[ELECTRODES]["y"][:] = 4100.0
    assert _columns(_read(path), "y")[0] == (4100,)
    assert export_nwb(phantom_database, "m1", path, KEY, in_place=True).kept_xyz


@pytest.mark.parametrize(
    ("columns", "kept"),
    [
        ({"x": [7.0] * 6}, True),  # one of three
        ({axis: [np.nan] * 6 for axis in "xyz"}, False),
        ({axis: [0.0] * 5 + [np.nan] for axis in "xyz"}, False),
        ({axis: [5.0] + [0.0] * 5 for axis in "xyz"}, True),
        ({axis: [point[n] or 0.0 for point in POINTS] for n, axis in enumerate("xyz")}, False),
    ],
)
def test_only_coordinates_that_are_a_place_are_kept(
    phantom_database: sa.Engine, tmp_path: Path, columns: dict[str, list[float]], kept: bool
) -> None:
    _lab(phantom_database)
    path = _file_of_the_lab(tmp_path / "lab.nwb", list(range(6)), **columns)
    assert export_nwb(phantom_database, "m1", path, KEY, in_place=True).kept_xyz is kept
    with h5py.File(path) as file:
        assert set(file[ELECTRODES]) & {"x", "y", "z"} == (set(columns) if kept else {"x", "y", "z"})
        assert (file[ELECTRODES]["x"][0] == 6600) is np.bool_(not kept)


def test_a_table_of_the_lab_in_the_same_space_stays_the_one_that_is_read(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    from ndx_anatomical_localization import AllenCCFv3Space, AnatomicalCoordinatesTable, Localization
    from pynwb import NWBHDF5IO

    _lab(phantom_database)
    path = _file_of_the_lab(tmp_path / "lab.nwb", list(range(6)))
    with NWBHDF5IO(path, "r+", load_namespaces=True) as store:
        file = store.read()
        place, space = Localization(), AllenCCFv3Space()
        file.add_lab_meta_data(place)
        place.add_spaces([space])
        table = AnatomicalCoordinatesTable(
            name="Alignment",
            description="of the lab",
            method="histology",
            target=file.electrodes,
            space=space,
        )
        for row in range(6):
            table.add_row(x=100.0 * row, y=1.0, z=2.0, brain_region="CP", localized_entity=row)
        place.add_anatomical_coordinates_tables([table])
        store.write(file)
    before = _read(path)
    for _ in range(2):
        export_nwb(phantom_database, "m1", path, KEY, in_place=True)
        assert _problems(path) == []
        after = _read(path)
        assert after.frame == before.frame == "ccf"
        for names in (("site_id", "x", "y", "z"), ("reported_region",)):
            assert _columns(after, *names) == _columns(before, *names)
    with h5py.File(path) as file:
        assert set(file["general/localization"]) == {"Alignment", f"ccf_assets_{KEY}", space.name}


@pytest.mark.parametrize(
    ("ids", "columns", "words"),
    [
        ([0, 1, 2, 3, 4], {}, r"1 id only of sites \(5\)"),
        ([0, 1, 2, 3, 4, 5, 6], {}, r"1 id only of electrodes \(6\)"),
        ([0, 1, 2, 3, 4, 5], {axis: [0] * 6 for axis in "xyz"}, "a column x of electrodes that is int64"),
    ],
)
def test_a_file_of_other_electrodes_is_left_as_it_is(
    phantom_database: sa.Engine, tmp_path: Path, ids: list[int], columns: dict[str, list[int]], words: str
) -> None:
    _lab(phantom_database)
    path = _file_of_the_lab(tmp_path / "lab.nwb", ids)
    if columns:  # pynwb would not write them
        with h5py.File(path, "r+") as file:
            electrodes = file[ELECTRODES]
            electrodes.attrs["colnames"] = [*electrodes.attrs["colnames"], *columns]
            for name, values in columns.items():
                electrodes.copy("location", name)
                about = dict(electrodes[name].attrs)
                del electrodes[name]
                electrodes[name] = np.array(values)
                electrodes[name].attrs.update(about)
    before = path.read_bytes()
    with pytest.raises(CcfError, match=words):
        export_nwb(phantom_database, "m1", path, KEY, in_place=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_electrodes_that_are_in_another_file_are_not_changed_there(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    _lab(phantom_database)
    raw = _file_of_the_lab(tmp_path / "raw.nwb", list(range(6)), **{axis: [0.0] * 6 for axis in "xyz"})
    path = Path(shutil.copy(raw, tmp_path / "processed.nwb"))
    with h5py.File(path, "r+") as file:
        del file[ELECTRODES]
        file[ELECTRODES] = h5py.ExternalLink("raw.nwb", ELECTRODES)
    before = raw.read_bytes(), path.read_bytes()
    with pytest.raises(CcfError, match=f"has a link at {ELECTRODES}; name the file that it leads to"):
        export_nwb(phantom_database, "m1", path, KEY, in_place=True)
    assert (raw.read_bytes(), path.read_bytes()) == before


def test_a_file_that_does_not_fit_twice_is_left_as_it_is(
    phantom_database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lab(phantom_database)
    path = _file_of_the_lab(tmp_path / "lab.nwb", list(range(6)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 1_000_000))
    with pytest.raises(CcfError, match=r"on a copy beside it, for which 0\.0 GB are needed and 0\.0 GB are"):
        export_nwb(phantom_database, "m1", path, KEY, in_place=True)


def test_a_file_that_changes_meanwhile_is_left_as_it_is(
    phantom_database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lab(phantom_database)
    path = _file_of_the_lab(tmp_path / "lab.nwb", list(range(6)))
    real = shutil.copymode

    def and_something_else(source: Path, target: Path) -> None:
        with path.open("ab") as file:
            file.write(b"more")
        real(source, target)

    monkeypatch.setattr(shutil, "copymode", and_something_else)
    with pytest.raises(CcfError, match="was changed meanwhile"):
        export_nwb(phantom_database, "m1", path, KEY, in_place=True)
    assert path.read_bytes().endswith(b"more")


# ---- what cannot be


def test_what_cannot_be_exported_is_said_in_a_sentence(phantom_database: sa.Engine, tmp_path: Path) -> None:
    _lab(phantom_database, "mouse 7")
    _lab(phantom_database, "mouse 8")
    with phantom_database.begin() as connection:
        region = schema.recording_region
        connection.execute(sa.delete(region).where(region.c.recording_id == "mouse 8", region.c.site_id > 3))
    there = tmp_path / "there.nwb"
    there.write_bytes(b"mine")
    cases: list[tuple[str, Path, dict[str, Any], str]] = [
        ("mouse 9", tmp_path / "a.nwb", {}, "There is no recording 'mouse 9'; did you mean mouse "),
        ("mouse 8", tmp_path / "a.nwb", {}, "2 sites of 'mouse 8' are not registered in phantom_100um; run"),
        ("mouse 7", tmp_path / "a.nwb", {"key": "phantom_50um"}, "is not registered in phantom_50um; run"),
        ("mouse 7", tmp_path / "a.csv", {}, "the name of an NWB file ends in .nwb"),
        ("mouse 7", there, {}, "exists: name a file that does not, for a small new one, or say --in-place"),
        ("mouse 7", tmp_path / "a.nwb", {"in_place": True}, "is not a file; --in-place writes into an"),
        ("mouse 7", there, {"in_place": True}, "cannot be written"),
        ("mouse 7", tmp_path / "no" / "a.nwb", {}, "cannot be written: No such file or directory"),
    ]
    for recording, path, how, words in cases:
        with pytest.raises(CcfError) as raised:
            export_nwb(phantom_database, recording, path, **how)
        assert words in str(raised.value)
    assert there.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [there]


def test_of_many_recordings_only_some_are_named_where_none_is_near(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    insert = sa.text(
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
        "SELECT 'day ' || n, 0, 1, 2, 3, 'ccf' FROM generate_series(10, 99) n"
    )
    with phantom_database.begin() as connection:
        connection.execute(insert)
    for recording, words in (("rat", "there are day 10, day 11, "), ("Day 57", "did you mean day 57, day ")):
        with pytest.raises(CcfError) as raised:
            export_nwb(phantom_database, recording, tmp_path / "a.nwb")
        assert f"There is no recording {recording!r}; {words}" in str(raised.value)
        assert len(str(raised.value)) < 200
    with pytest.raises(CcfError, match="day 17 and 82 more"):
        export_nwb(phantom_database, "rat", tmp_path / "a.nwb")


def test_without_pynwb_the_line_that_installs_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ndx_anatomical_localization", None)
    with pytest.raises(CcfError, match=r"pip install 'ccf_assets\[nwb\]'"):
        export_nwb(sa.create_engine("postgresql://"), "m1", tmp_path / "a.nwb")


def test_a_recording_is_exported_from_the_command_line(
    phantom_database: sa.Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from ccf_assets.cli import main

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["ccf-assets", "export", *arguments])
        with pytest.raises(SystemExit):
            main.main()
        return capfd.readouterr().err

    _lab(phantom_database)
    path = tmp_path / "m1.nwb"
    said = run("nwb", "m1", "--into", str(path))
    assert said.startswith("6 sites, 3 of them in a region of phantom_100um\nWrote ")
    assert "exists: name a file that does not" in run("nwb", "m1", "--into", str(path))
    assert "ccf-assets export nwb RECORDING --into FILE.nwb" in run("nwb", "m1")
    kept = _file_of_the_lab(tmp_path / "lab.nwb", list(range(6)), **{axis: [7.0] * 6 for axis in "xyz"})
    said = run("nwb", "m1", "--into", str(kept), "--in-place")
    assert "x, y, z of its electrodes are other coordinates and stay as they are; those in CCF µm" in said
    assert f" are in the table general/localization/ccf_assets_{KEY}\nWrote " in said
    assert "ccf-assets export atlas -o FILE" in run("atlas", "--into", str(path))
