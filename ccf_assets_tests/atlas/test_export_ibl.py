"""A recording given back to the alignment GUI of the IBL: read again it is the same, whole or not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.atlas.export_ibl import export_channel_locations, export_xyz_picks
from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import ap_dv_ml, to_ccf
from ccf_assets.ccf.space import AXES
from ccf_assets.db import schema
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.site_names import site_numbers
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats import channel_locations, xyz_picks
from ccf_assets.recordings.scan.read import read_sites
from ccf_assets_tests.support.formats_lab import found_in, read, read_found

KEY = "phantom_100um"

RANDOM = np.random.default_rng(7)


def _points(count: int) -> list[list[float]]:
    """ML, AP, DV in µm from bregma: most in the brain, some above it."""
    low, high = np.array([-4000, -6000, -6000]), np.array([4000, 3000, 900])
    return [[round(float(value), 1) for value in RANDOM.uniform(low, high)] for _ in range(count)]


def _store(engine: sa.Engine, table: Table) -> dict[int | str, str | None]:
    """Put a table as read into the database, with its regions; acronym by id of the site."""
    frame = FRAMES[table.frame or ""]
    columns = pl.DataFrame(table.columns)
    apdvml = ap_dv_ml(frame, *(columns[axis].cast(float).to_numpy() for axis in "xyz"))
    names = columns["site_id"] if columns.schema["site_id"] == pl.String else pl.lit(None, pl.String)
    optional = [name for name in ("probe", "shank", "channel", "axial_um", "lateral_um", "kind")
                if name in columns.columns]  # fmt: skip
    sites = columns.select("recording_id", "site_id", *optional, site_name=names).with_columns(
        pl.Series(axis, values) for axis, values in zip(AXES, apdvml, strict=True)
    )
    if columns.schema["site_id"] == pl.String:
        sites = sites.with_columns(site_id=site_numbers(columns["site_id"]))
    acronyms = _store_sites(engine, sites.with_columns(frame=pl.lit(frame.name)))
    return dict(zip(columns["site_id"], acronyms, strict=True))


def _store_sites(engine: sa.Engine, sites: pl.DataFrame) -> list[str | None]:
    """Put sites of one frame into the database, with their regions; the acronyms."""
    ccf = to_ccf(FRAMES[sites["frame"][0]], *(sites[axis].to_numpy() for axis in AXES))
    found = Atlas(KEY).locate(ccf).to_polars()
    keys = sites.select("recording_id", "site_id", source=pl.lit("inserted"))
    regions = keys.hstack(found.select("region_id", "status")).with_columns(
        *(pl.Series(axis, values, nan_to_null=True) for axis, values in zip("xyz", ccf.T, strict=True)),
        voxels_of=pl.lit(1),
        surface_of=pl.lit(1),
    )
    with engine.begin() as connection:
        ccf_id = connection.scalar(sa.select(schema.atlas.c.ccf_id).where(schema.atlas.c.key == KEY))
        rows = sites.with_columns(source=pl.lit("inserted")).drop("details", strict=False)
        connection.execute(sa.insert(schema.recording_site), rows.to_dicts())
        connection.execute(
            sa.insert(schema.recording_region), regions.with_columns(ccf_id=pl.lit(ccf_id)).to_dicts()
        )
    return found["acronym"].to_list()


def _channels(numbers: list[int], **other: list[object]) -> dict[str, Any]:
    rows = {}
    for row, (number, (x, y, z)) in enumerate(zip(numbers, _points(len(numbers)), strict=True)):
        rows[f"channel_{number}"] = {
            "x": x, "y": y, "z": z, "axial": 20.0 * number, "lateral": 16.0,
            **{name: values[row] for name, values in other.items()},
        }  # fmt: skip
    return rows


def _write(folder: Path, name: str, content: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder


def _same(before: Table, after: Table, *names: str) -> None:
    assert pl.DataFrame(before.columns).select(names).equals(pl.DataFrame(after.columns).select(names))
    for axis in "xyz":
        given, back = (np.array(each.columns[axis].to_list(), float) for each in (before, after))
        np.testing.assert_allclose(back, given, atol=1e-6, rtol=0)


def _shanks(folder: Path, below: str) -> Table:
    """The channels of all shanks of a probe, which are one source each."""
    found = found_in(channel_locations.FORMAT, folder / below)
    tables = [read_found(channel_locations.FORMAT, folder, below, each) for each in found]
    both = pl.concat(pl.DataFrame(each.columns) for each in tables).to_dict(as_series=True)
    return Table(below, list(both), both, sum(each.height for each in tables), str, tables[0].frame)


def test_channels_read_again_are_the_same_with_their_regions(phantom_database: sa.Engine, tmp_path: Path):
    content = _channels(list(range(40)))
    content["channel_7"] |= dict.fromkeys("xyz")
    _write(tmp_path / "m7/probe00", "channel_locations.json", content)
    before = read(channel_locations.FORMAT, tmp_path, "m7/probe00")
    acronym_of = _store(phantom_database, before)
    folder = tmp_path / "back/m7/probe00"
    folder.mkdir(parents=True)
    written = export_channel_locations(phantom_database, "m7/probe00", folder / "channel_locations.json", KEY)
    assert (written.atlas.key, written.sites) == (KEY, 40)
    after = read(channel_locations.FORMAT, tmp_path / "back", "m7/probe00")
    _same(before, after, "recording_id", "site_id", "probe", "shank", "channel", "axial_um", "lateral_um")
    expected = [acronym_of[each] or "void" for each in before.columns["site_id"]]
    assert after.columns["brain_region"].to_list() == expected
    assert "void" in expected
    assert len(set(expected)) > 2
    with phantom_database.connect() as connection:
        ids = sa.select(schema.brain_region.c.acronym, schema.brain_region.c.region_id)
        id_of = {"void": 0, **{row.acronym: row.region_id for row in connection.execute(ids)}}
    assert [int(each) for each in after.columns["reported_region"]] == [id_of[each] for each in expected]


def test_each_shank_has_its_file_numbered_as_the_gui_does(phantom_database: sa.Engine, tmp_path: Path):
    for shank, first in ((1, 0), (2, 48)):
        content = _channels([0, 1, 2], original_channel_idx=[first, first + 1, first + 2])
        _write(tmp_path / "p", f"channel_locations_shank_{shank}.json", content)
    before = _shanks(tmp_path, "p")
    _store(phantom_database, before)
    path = tmp_path / "back/p/channel_locations.json"
    path.parent.mkdir(parents=True)
    written = export_channel_locations(phantom_database, "p", path, KEY)
    assert [each.name for each in written.paths] == [
        "channel_locations_shank_1.json",
        "channel_locations_shank_2.json",
    ]
    second = json.loads(written.paths[1].read_text())
    assert list(second) == ["channel_0", "channel_1", "channel_2", "origin"]
    assert second["channel_1"]["original_channel_idx"] == 49
    assert second["origin"] == {"bregma": [5739.0, 5400.0, 332.0]}
    _same(before, _shanks(tmp_path / "back", "p"), "site_id", "shank", "channel")


def test_channels_of_shanks_keep_their_names(phantom_database: sa.Engine, tmp_path: Path):
    for shank in (1, 2):
        _write(tmp_path / "p", f"channel_locations_shank_{shank}.json", _channels([0, 5]))
    before = _shanks(tmp_path, "p")
    _store(phantom_database, before)
    path = tmp_path / "back/p/channel_locations.json"
    path.parent.mkdir(parents=True)
    export_channel_locations(phantom_database, "p", path, KEY)
    after = _shanks(tmp_path / "back", "p")
    assert after.columns["site_id"].to_list() == [f"shank {s} channel {n}" for s in (1, 2) for n in (0, 5)]
    _same(before, after, "site_id", "shank", "channel")


def test_a_track_read_again_is_the_same(phantom_database: sa.Engine, tmp_path: Path):
    picks = [[-2138.0, -1976.0, -146.0], [-2002.0, -2074.0, -960.0], [-1165.0, -2473.0, -4115.0]]
    _write(tmp_path / "p", "xyz_picks.json", {"xyz_picks": picks})
    before = read(xyz_picks.FORMAT, tmp_path, "p")
    _store(phantom_database, before)
    path = tmp_path / "back/p/xyz_picks.json"
    path.parent.mkdir(parents=True)
    assert export_xyz_picks(phantom_database, "p/xyz_picks", path).sites == 3
    after = read(xyz_picks.FORMAT, tmp_path / "back", "p")
    assert after.frame == "ibl_um"
    _same(before, after, "recording_id", "site_id", "kind")
    with pytest.raises(CcfError, match="has only points of tracks, and no sites"):
        export_channel_locations(phantom_database, "p/xyz_picks", tmp_path / "c.json")


def test_the_points_of_a_track_are_in_their_order_and_unknown_ones_are_counted(
    phantom_database: sa.Engine, tmp_path: Path
):
    points = [*_points(12), [None, 1, 2]]
    table = read(xyz_picks.FORMAT, _write(tmp_path / "a", "xyz_picks.json", {"xyz_picks": points}))
    backwards = pl.DataFrame(table.columns).reverse().to_dict(as_series=True)
    _store(phantom_database, Table(table.name, table.names, backwards, 13, table.row_name, table.frame))
    written = export_xyz_picks(phantom_database, "xyz_picks", tmp_path / "xyz_picks.json")
    assert (written.sites, written.left_out) == (12, 1)
    back = json.loads(written.paths[0].read_text())["xyz_picks"]
    np.testing.assert_allclose(back, points[:12], atol=1e-6)


GEOMETRY = {
    "specification": "probeinterface",
    "version": "0.2.21",
    "probes": [
        {
            "ndim": 2,
            "si_units": "um",
            "contact_positions": [[0, 20.0 * row] for row in range(12)],
            "contact_ids": [f"e{row}" for row in range(12)],
            "device_channel_indices": list(range(12))[::-1],
            "probe_planar_contour": [[-10, 300], [0, -175], [10, 300]],
        }
    ],
}


def test_of_a_track_with_contacts_one_export_has_the_points_and_the_other_the_contacts(
    phantom_database: sa.Engine, tmp_path: Path
):
    """Beside contacts with names, the points have texts for numbers, and "10" must not come before "2"."""
    picks = [[-2000.0, -2000.0 - 10 * row, -4000.0 + 200 * row] for row in range(12)]
    _write(tmp_path / "p", "xyz_picks.json", {"xyz_picks": picks})
    _write(tmp_path / "p", "probe.json", GEOMETRY)
    folder = tmp_path / "recordings"
    (tmp_path / "p").rename(folder)
    sites = read_sites(folder, "xyz_picks.json", FRAMES)
    assert sites["kind"].value_counts(sort=True).rows() == [("track", 12), ("site", 12)]
    _store_sites(phantom_database, sites)
    path = tmp_path / "out.json"
    assert export_xyz_picks(phantom_database, "xyz_picks", path).sites == 12
    np.testing.assert_allclose(json.loads(path.read_text())["xyz_picks"], picks, atol=1e-6)
    contacts = "xyz_picks contacts"
    with pytest.raises(CcfError, match="'xyz_picks contacts' has only sites, and no points of tracks"):
        export_xyz_picks(phantom_database, contacts, path, force=True)
    written = export_channel_locations(phantom_database, contacts, path, force=True)
    assert written.sites == 12
    channels = json.loads(path.read_text())
    assert [channels[f"channel_{n}"]["axial"] for n in range(12)] == [20.0 * n for n in range(12)][::-1]
    with pytest.raises(CcfError, match="'xyz_picks' has only points of tracks, and no sites"):
        export_channel_locations(phantom_database, "xyz_picks", path, force=True)


def test_one_of_several_probes_is_named(phantom_database: sa.Engine, tmp_path: Path):
    for probe in ("a", "b"):
        folder = _write(tmp_path / probe, "channel_locations.json", _channels([0, 1]))
        table = read(channel_locations.FORMAT, folder)
        columns = pl.DataFrame(table.columns).with_columns(
            probe=pl.lit(probe), site_id=pl.col("site_id") + (10 if probe == "b" else 0)
        )
        of_probe = columns.to_dict(as_series=True)
        _store(phantom_database, Table(table.name, table.names, of_probe, 2, table.row_name, table.frame))
    path = tmp_path / "out.json"
    with pytest.raises(CcfError, match=r"has several probes \(a, b\); name one with --probe"):
        export_channel_locations(phantom_database, "channel_locations", path)
    with pytest.raises(CcfError, match="has no probe 'c'; it has a, b"):
        export_channel_locations(phantom_database, "channel_locations", path, probe="c")
    assert export_channel_locations(phantom_database, "channel_locations", path, probe="b").sites == 2
    with pytest.raises(CcfError, match="exists already; --force replaces it"):
        export_channel_locations(phantom_database, "channel_locations", path, probe="b")
    assert export_channel_locations(phantom_database, "channel_locations", path, probe="b", force=True)


def test_what_cannot_be_written_is_said_and_leaves_no_file(phantom_database: sa.Engine, tmp_path: Path):
    path = tmp_path / "channel_locations.json"
    for shank in (1, 2):
        _write(tmp_path / "p", f"channel_locations_shank_{shank}.json", _channels([0, 1]))
    table = _shanks(tmp_path, "p")
    columns = pl.DataFrame(table.columns).with_columns(channel=None).to_dict(as_series=True)
    _store(phantom_database, Table(table.name, table.names, columns, 4, table.row_name, table.frame))
    with pytest.raises(CcfError, match=r"cannot be named channel_0, channel_1, …: 4 sites have no channel"):
        export_channel_locations(phantom_database, "p", path)
    with pytest.raises(CcfError, match=r"ends in \.json"):
        export_channel_locations(phantom_database, "p", path.with_suffix(".csv"))
    with pytest.raises(CcfError, match="There is no recording 'q'"):
        export_channel_locations(phantom_database, "q", path)
    with pytest.raises(CcfError, match="has only sites, and no points of tracks"):
        export_xyz_picks(phantom_database, "p", path)
    assert list(tmp_path.glob("*.json")) == []


def test_when_one_file_of_several_exists_none_is_written(phantom_database: sa.Engine, tmp_path: Path):
    for shank in (1, 2):
        _write(tmp_path / "p", f"channel_locations_shank_{shank}.json", _channels([0, 1]))
    _store(phantom_database, _shanks(tmp_path, "p"))
    second = tmp_path / "channel_locations_shank_2.json"
    second.write_text("mine")
    with pytest.raises(CcfError, match=r"channel_locations_shank_2\.json exists already"):
        export_channel_locations(phantom_database, "p", tmp_path / "channel_locations.json")
    assert [each.name for each in tmp_path.glob("*.json")] == [second.name]
    assert second.read_text() == "mine"


def test_a_recording_is_exported_from_the_command_line(
    phantom_database: sa.Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    from ccf_assets.cli import main

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["ccf-assets", "export", *arguments])
        with pytest.raises(SystemExit):
            main.main()
        return capfd.readouterr().err

    _write(tmp_path / "p", "channel_locations.json", _channels([0, 1]))
    _write(tmp_path / "p", "xyz_picks.json", {"xyz_picks": [[0, -2000, -500], [0, -2000, None]]})
    for each in (channel_locations.FORMAT, xyz_picks.FORMAT):
        _store(phantom_database, read(each, tmp_path, "p"))
    path = tmp_path / "out.json"
    said = run("channel_locations", "p", "--into", str(path), "--atlas", KEY)
    assert said.startswith(f"2 channels, with the regions of {KEY}\nWrote {path}")
    assert "exists already" in run("xyz_picks", "p/xyz_picks", "--into", str(path))
    said = run("xyz_picks", "p/xyz_picks", "--into", str(path), "--force")
    assert said.startswith("1 point; 1 point without a known place left out\nWrote ")
    assert "ccf-assets export xyz_picks RECORDING --into xyz_picks.json" in run("xyz_picks", "p")
    assert "no table 'xyz_pick'; did you mean xyz_picks?" in run("xyz_pick", "p", "--into", str(path))
    assert "no table 'nvb'; did you mean nwb?" in run("nvb", "p", "--into", str(path))
    for what in ("nwb", "channel_locations", "xyz_picks"):
        ending = "nwb" if what == "nwb" else "json"
        said = run(what, "q", "--into", str(tmp_path / f"new.{ending}"))
        assert said == "ccf-assets: There is no recording 'q'; there are p, p/xyz_picks.\n"
    assert "ccf-assets export atlas -o FILE" in run("atlas", "-o", "a.csv", "--probe", "p")
