"""The folder for the web has every voxel and every site as they are, and is whole or not there."""

from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
import tensorstore
from neuroglancer import parse_url
from neuroglancer.read_precomputed_annotations import AnnotationReader

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.atlas.recording_sites import shown_sites
from ccf_assets.db import levels
from ccf_assets.db.loaded import pick_atlas
from ccf_assets.errors import CcfError
from ccf_assets.view.export_precomputed import ExportedFolder, export_precomputed
from ccf_assets_tests.support.placed_sites import Point, place

KEY = "phantom_50um"

POINTS: list[Point] = [
    (6600.0, 4000.0, 5000.0),
    (6650.25, 4000.0, 5800.0),
    (10.0, 10.0, 10.0),
    (-5.0, 1.0, 2.0),
    (None, None, None),
]
"""In the brain, outside it, outside the volume, and unknown; CCF µm."""


def _export(
    engine: sa.Engine, folder: Path, key: str, recordings: list[str] | None = None, **options: bool
) -> ExportedFolder:
    sites = shown_sites(Atlas(key, engine=engine), recordings)
    return export_precomputed(engine, folder, pick_atlas(engine, key), sites, **options)


def _scale(folder: Path, number: int) -> npt.NDArray[np.uint32]:
    """A scale as tensorstore reads it: axes AP, DV, ML."""
    kvstore = {"driver": "file", "path": f"{folder / 'segmentation'}/"}
    opened: Any = tensorstore.open(
        {"driver": "neuroglancer_precomputed", "kvstore": kvstore, "scale_index": number}
    )
    return np.asarray(opened.result()[..., 0].read().result())


def _labels(info: dict[str, Any], name: str) -> dict[int, str]:
    found = next(each for each in info["properties"] if each["id"] == name)
    return dict(zip(found["enum_values"], found["enum_labels"], strict=True))


@pytest.mark.parametrize("bits", [6, 2], ids=["usual shards", "many shards"])
def test_every_voxel_is_that_of_the_atlas_at_every_scale(
    real_database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    monkeypatch.setattr("ccf_assets.view.export_precomputed._SHARD_BITS", bits)
    written = _export(real_database, tmp_path / "a", "ccf_2017_50um")
    volume = Atlas("ccf_2017_50um", engine=real_database).volume()
    assert written.shapes == ((264, 160, 228), (132, 80, 114))
    assert np.array_equal(_scale(tmp_path / "a", 0), volume)
    assert np.array_equal(_scale(tmp_path / "a", 1), volume[1::2, 1::2, 1::2])
    info = json.loads((tmp_path / "a" / "segmentation" / "info").read_text())
    assert [scale["resolution"] for scale in info["scales"]] == [[50_000] * 3, [100_000] * 3]
    ids = json.loads((tmp_path / "a" / "segmentation" / "properties" / "info").read_text())["inline"]["ids"]
    assert set(map(int, ids)) == set(np.unique(volume).tolist()) - {0}
    assert written.regions == len(ids)


def test_every_site_with_a_place_is_there_with_what_is_known_of_it(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    place(phantom_database, KEY, "m1", POINTS, reported_region=["VISp", None, "TH", None, None])
    place(phantom_database, KEY, "m2", POINTS[:1])
    written = _export(phantom_database, tmp_path / "a", KEY)
    assert (written.sites, written.without_place) == (5, 1)
    reader = AnnotationReader(f"file://{tmp_path / 'a' / 'sites'}")
    info = json.loads((tmp_path / "a" / "sites" / "info").read_text())
    names = [each["id"] for each in info["properties"]]
    atlas = Atlas(KEY, engine=phantom_database)
    expected = atlas.sites().drop_nulls("x").sort("recording_id", "site_id").to_dicts()
    found = []
    for each in reader.get_within_spatial_bounds():
        assert [*each.props[:6]] == [*reader.by_id[int(each.id)].props[:6]]
        values = dict(zip(names, each.props, strict=True))
        words = {name: _labels(info, name)[values[name]] for name in ("recording", "region", "status")}
        found.append(
            (words["recording"], values["site"], words["region"], words["status"], tuple(each.point))
        )
        reported = _labels(info, "reported_region")[values["reported_region"]]
        given = {("m1", 0): "VISp", ("m1", 2): "TH"}
        assert reported == given.get((words["recording"], values["site"]), "none")
        miss = words["region"] == "none"
        color = "ff00ff" if miss else atlas.region(words["region"]).color_hex.lower()
        assert bytes(values["region_color"]).hex() == color
    assert sorted(found) == [
        (row["recording_id"], row["site_id"], row["acronym"] or "none", row["status"],
         tuple(np.float32([row["x"], row["y"], row["z"]]).tolist()))
        for row in expected
    ]  # fmt: skip
    region = next(row["region_id"] for row in expected if row["region_id"])
    inside = {int(each.id) for each in reader.relationships["region"][region]}
    assert len(inside) == sum(row["region_id"] == region for row in expected)


def test_only_the_recordings_named_are_shown(phantom_database: sa.Engine, tmp_path: Path) -> None:
    place(phantom_database, KEY, "m1", POINTS)
    place(phantom_database, KEY, "m2", POINTS[:2])
    assert _export(phantom_database, tmp_path / "a", KEY, recordings=["m2"]).sites == 2
    with pytest.raises(CcfError, match="There is no recording 'm3'"):
        _export(phantom_database, tmp_path / "b", KEY, recordings=["m3"])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_surfaces_lie_around_their_regions(
    phantom_database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccf_assets.view.export_precomputed._MOST_VOXELS", 10**9)  # the finest scale for all
    _export(phantom_database, tmp_path / "a", "phantom_100um", meshes=True)
    atlas = Atlas("phantom_100um", engine=phantom_database)
    volume, folder = atlas.volume(), tmp_path / "a" / "segmentation" / "mesh"
    ids = set(np.unique(volume).tolist()) - {0}
    assert {int(path.name) for path in folder.iterdir() if path.name.isdecimal()} == ids
    for region in sorted(ids)[:3]:
        manifest = json.loads((folder / f"{region}:0").read_text())
        content = (folder / manifest["fragments"][0]).read_bytes()
        count = int(np.frombuffer(content, "<u4", 1)[0])
        places_um = np.frombuffer(content, "<f4", 3 * count, 4).reshape(-1, 3) / 1000
        index = np.argwhere(volume == region)
        first, last = index.min(axis=0) * 100, (index.max(axis=0) + 1) * 100
        assert np.allclose(places_um.min(axis=0), first, atol=100)  # a voxel, as the surface is smooth
        assert np.allclose(places_um.max(axis=0), last, atol=100)


def test_the_page_shows_the_layers_of_the_folder_in_their_colours(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    place(phantom_database, KEY, "m<1>", POINTS)
    folder = tmp_path / "a"
    _export(phantom_database, folder, KEY)
    state = json.loads((folder / "state.json").read_text())
    layers = {layer["name"]: layer for layer in state["layers"]}
    assert set(layers) == {KEY, "brain", "sites"}
    addresses = set(re.findall(r'"(precomputed://[^"]*)"', json.dumps(state)))
    assert addresses == {f"precomputed://./{name}" for name in ("segmentation", "sites", "brain")}
    assert all(
        (folder / address.removeprefix("precomputed://./") / "info").is_file() for address in addresses
    )
    atlas = Atlas(KEY, engine=phantom_database)
    colors = layers[KEY]["segmentColors"]
    assert colors[str(atlas.region("VISp1").id)].lower() == atlas.region("VISp1").color.lower()
    assert parse_url(f"http://x/#!{json.dumps(state)}").to_json() == state
    page = (folder / "index.html").read_text()
    client = re.findall(r'location\.replace\("([^#]+)#', page)[0]
    assert "<script>" in (folder / client).read_text()
    sources = re.findall(r'src="([^"]+)"', (folder / client).read_text())
    assert sources
    assert all(((folder / client).parent / source).is_file() for source in sources)
    assert not list(folder.rglob("*.map"))


def test_a_folder_with_something_else_is_never_replaced(phantom_database: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CcfError, match="exists and is no precomputed atlas; give another name"):
        _export(phantom_database, tmp_path / "mine", KEY, force=True)
    _export(phantom_database, tmp_path / "empty", KEY)
    with pytest.raises(CcfError, match="exists already; --force replaces it"):
        _export(phantom_database, tmp_path / "empty", KEY)
    before = (tmp_path / "empty" / "state.json").read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels, "loaded_atlases", lambda _engine: [])
        with pytest.raises(CcfError, match="loaded again, or dropped"):
            _export(phantom_database, tmp_path / "empty", KEY, force=True)
    assert (tmp_path / "empty" / "state.json").read_text() == before
    assert _export(phantom_database, tmp_path / "empty", "phantom_100um", force=True)
    assert (tmp_path / "empty" / "state.json").read_text() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "mine"]
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_full_disk_is_said_and_leaves_nothing(phantom_database: sa.Engine, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # bytes of a file
    try:
        with pytest.raises(CcfError, match=r"a cannot be written: File too large"):
            _export(phantom_database, tmp_path / "a", KEY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("library", ["neuroglancer", "tensorstore"])
def test_a_missing_library_is_named_with_how_to_get_it(
    phantom_database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(CcfError, match=rf"needs {library}: pip install 'ccf_assets\[view\]'"):
        _export(phantom_database, tmp_path / "a", KEY)
    assert not list(tmp_path.iterdir())
