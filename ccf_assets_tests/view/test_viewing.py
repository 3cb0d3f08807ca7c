"""A viewer shows regions, their surfaces, sites and points; what is missing is a sentence."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import urllib.error
import urllib.request
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.ccf.space import Space
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import schema
from ccf_assets.errors import CcfError
from ccf_assets.view import meshes, pyramid, state
from ccf_assets.view.files import BRAIN
from ccf_assets.view.viewing import View
from ccf_assets_tests.support.made_atlas import MadeAtlas
from ccf_assets_tests.support.placed_sites import place
from ccf_assets_tests.support.program import read_until, start

KEY = "phantom_100um"


def _get(view: View, path: str) -> bytes:
    with urllib.request.urlopen(view.url.replace("/v/", "/ccf/") + path) as answer:
        content: bytes = answer.read()
    return content


def _json(view: View, path: str) -> Any:
    return json.loads(_get(view, path))


def _layer(view: View, name: str) -> dict[str, Any]:
    return next(layer for layer in view.state["layers"] if layer["name"] == name)


def test_a_parent_selects_every_region_inside_it_that_has_voxels(phantom_database: sa.Engine) -> None:
    atlas = Atlas(KEY)
    with atlas.view(regions=["VISp"]) as view:
        selected = set(_layer(view, KEY)["segments"])
        voxels = set(np.unique(atlas.volume()).tolist())
        listed = _json(view, "atlas/properties/info")["inline"]["ids"]
    assert selected == {str(each.id) for each in atlas.region("VISp").descendants if each.id in voxels}
    assert "385" not in selected
    assert set(listed) == {str(region_id) for region_id in voxels - {0}}


def test_regions_have_their_colour_acronym_name_and_volume(phantom_database: sa.Engine) -> None:
    atlas = Atlas(KEY)
    with atlas.view() as view:
        of = {
            each["id"]: each["values"]
            for each in _json(view, "atlas/properties/info")["inline"]["properties"]
        }
        at = _json(view, "atlas/properties/info")["inline"]["ids"].index("593")
        color = _layer(view, KEY)["segmentColors"]["593"]
    region = atlas.region("VISp1")
    assert (of["acronym"][at], of["name"][at]) == ("VISp1", "Primary visual area, layer 1")
    assert of["mm3"][at] == pytest.approx(region.volume_mm3)
    assert color.lower() == region.color.lower()


def test_the_axes_have_the_atlas_s_names_and_are_in_um(phantom_database: sa.Engine) -> None:
    with Atlas(KEY).view(at_um=(8900, 1300, 8200)) as view:
        assert view.state["dimensions"] == {axis: [pytest.approx(1e-6), "m"] for axis in ("ap", "dv", "ml")}
        assert view.state["position"] == [8900, 1300, 8200]


def _surface(content: bytes) -> tuple[Any, Any]:
    """Vertices in µm and triangles of a mesh."""
    vertices = int(np.frombuffer(content, "<u4", 1)[0])
    places = np.frombuffer(content, "<f4", 3 * vertices, 4).reshape(-1, 3)
    return places / 1000, np.frombuffer(content, "<u4", offset=4 + 12 * vertices).reshape(-1, 3)


@pytest.mark.parametrize("name", ["MOp", "root"])
def test_a_surface_is_closed_and_encloses_the_region_where_it_is(
    phantom_database: sa.Engine, name: str
) -> None:
    atlas = Atlas(KEY)
    region = atlas.region(name)
    with atlas.view() as view:
        path = f"brain/{BRAIN}" if name == "root" else f"atlas/mesh/{region.id}"
        part = _json(view, f"{path}:0")["fragments"][0]
        places, triangles = _surface(_get(view, path.replace(path.rpartition("/")[2], part)))
    a, b, c = (places[triangles[:, corner]] for corner in range(3))
    mm3 = abs(float((np.cross(a, b) * c).sum())) / 6e9
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
    )
    assert (np.unique(edges, axis=0, return_counts=True)[1] % 2 == 0).all()
    assert mm3 == pytest.approx(region.volume_mm3, rel=0.06)
    inside = np.argwhere(atlas.mask(name))
    assert places.min(axis=0) == pytest.approx(inside.min(axis=0) * 100, abs=60)
    assert places.max(axis=0) == pytest.approx((inside.max(axis=0) + 1) * 100, abs=60)


def test_the_groups_of_a_region_set_are_shown_instead_of_regions(phantom_database: sa.Engine) -> None:
    atlas = Atlas(KEY)
    member = schema.region_set_member.c
    query = sa.select(member.region_id, member.group_name).where(
        member.ccf_id == atlas.ccf_id, member.set_name == "depth_5"
    )
    with phantom_database.connect() as connection:
        group_of = {row.region_id: row.group_name for row in connection.execute(query)}
    with atlas.view(region_set="depth_5", regions=["VISp"]) as view:
        chunk = np.frombuffer(_get(view, "atlas/0/64-128_0-64_64-114"), "<u4").reshape(
            (64, 64, 50), order="F"
        )
        info = _json(view, "atlas/properties/info")["inline"]
        assert _layer(view, KEY)["segments"] == [str(atlas.region("Isocortex").id)]
        whole = _get(view, f"atlas/mesh/{atlas.region('Isocortex').id}")
    name_of = dict(zip(map(int, info["ids"]), info["properties"][0]["values"], strict=True)) | {0: None}
    volume = atlas.volume()[64:128, 0:64, 64:114]
    for region_id in np.unique(volume).tolist():
        shown = np.unique(chunk[volume == region_id]).tolist()
        assert [name_of[segment] for segment in shown] == [group_of.get(region_id)]
    mm3 = next(each["values"] for each in info["properties"] if each["id"] == "mm3")
    assert sum(mm3) <= atlas.region("root").volume_mm3 + 1e-6
    assert len(whole) > 10_000


def test_a_group_that_is_no_region_is_a_segment_of_its_own(phantom_database: sa.Engine) -> None:
    atlas = Atlas(KEY)
    of_set = {"ccf_id": atlas.ccf_id, "set_name": "ours"}
    upper = [atlas.region(name) for name in ("VISp1", "VISp2/3")]
    with phantom_database.begin() as connection:
        described = {**of_set, "description": "ours", "source": "ours.csv", "groups": 1}
        connection.execute(sa.insert(schema.region_set), [described])
        members = [{**of_set, "region_id": each.id, "group_name": "upper layers"} for each in upper]
        connection.execute(sa.insert(schema.region_set_member), members)
    with atlas.view(region_set="ours") as view:
        brain, _ = _surface(_get(view, f"brain/{BRAIN}"))
        info = _json(view, "atlas/properties/info")["inline"]
        of = {each["id"]: each["values"] for each in info["properties"]}
    assert (info["ids"], of["acronym"]) == (["1"], ["upper layers"])
    assert of["mm3"] == [pytest.approx(sum(each.volume_mm3 for each in upper), abs=1e-5)]
    inside = np.argwhere(atlas.volume())  # the outline is that of the brain, also where few regions are shown
    assert brain.min(axis=0) == pytest.approx(inside.min(axis=0) * 100, abs=60)
    assert brain.max(axis=0) == pytest.approx((inside.max(axis=0) + 1) * 100, abs=60)


def test_a_thin_region_has_a_surface_though_no_coarse_voxel_is_in_it(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyramid, "_COARSEST", 5)
    monkeypatch.setattr(meshes, "MOST_VOXELS", 1)  # the coarsest scale for all
    volume = np.full((9, 7, 11), 7, np.uint32)
    volume[:, 0], volume[:, 6] = 9, 8  # scales of 4 × 3 × 5 voxels have neither
    grid = VoxelGrid(volume.shape, (50.0, 50.0, 50.0))
    rat = Space("rat", "Rattus norvegicus", grid.extent_um, None, "made by a test")
    MadeAtlas(1001, volume, grid, rat).put(database)
    with Atlas("made_1001").view() as view:
        tops = {region: _surface(_get(view, f"atlas/mesh/{region}"))[0][:, 1].min() for region in (8, 9)}
    assert tops == {8: pytest.approx(300, abs=30), 9: pytest.approx(0, abs=30)}


def _insert(engine: sa.Engine, recording: str, site: int, x: float, region_id: int | None) -> None:
    keys = {"recording_id": recording, "site_id": site}
    status = "assigned" if region_id else "outside_brain"
    row = {**keys, "ccf_id": 904, "x": x, "y": 1300, "z": 8200, "status": status, "region_id": region_id}
    row |= {"hemisphere": "right", "source": "inserted", "voxels_of": 0, "surface_of": 0}
    with engine.begin() as connection:
        site_row = {**keys, "ap": x, "dv": 1300, "ml": 8200, "frame": "ccf", "reported_region": "VISp"}
        connection.execute(sa.insert(schema.recording_site), [site_row])
        connection.execute(sa.insert(schema.recording_region), [row])


def test_sites_are_points_with_all_that_is_known_of_them(phantom_database: sa.Engine) -> None:
    atlas = Atlas(KEY)
    assert atlas.ccf_id == 904
    _insert(phantom_database, "a", 1, 8900, 593)
    _insert(phantom_database, "b", 2, 8900, 593)
    _insert(phantom_database, "b", 3, 100, None)
    with atlas.view() as view:
        assert view.about == f"{KEY}, 3 sites"
    with atlas.view(recordings="b") as view:  # one name is enough
        info = _json(view, "sites/info")
        labels = {each["id"]: each.get("enum_labels", []) for each in info["properties"]}
        record = _get(view, "sites/by_id/0")
        inside = _get(view, "sites/region/593")
        linked = _layer(view, "sites")["linkedSegmentationLayer"]
    assert {"recording", "site", "region", "reported_region", "status", "sites_here"} <= set(labels)
    assert "b" in labels["recording"]
    assert "a" not in labels["recording"]
    assert np.frombuffer(record, "<f4", 3).tolist() == [8900, 1300, 8200]
    assert int(np.frombuffer(inside, "<u8", 1)[0]) == 1
    assert linked == {"region": KEY}


def test_points_are_shown_in_their_frame_beside_those_that_have_no_place(phantom_database: sa.Engine) -> None:
    with Atlas(KEY).view([[-3500, 500, 2500], [np.nan, 0, 0]], "stereotaxic") as view:
        place = np.frombuffer(_get(view, "sites/by_id/0"), "<f4", 3)
        assert view.about == f"{KEY}, 1 site, 1 more without a place"
        assert view.url in view._repr_html_()
    assert place == pytest.approx(Atlas(KEY).locate([[-3500, 500, 2500]], "stereotaxic").ccf_um[0])


def test_a_point_says_how_many_lie_at_its_place(phantom_database: sa.Engine) -> None:
    place(phantom_database, KEY, "shanks", [(8900.0, 1300.0, 8200.0)] * 4 + [(8900.0, 1301.0, 8200.0)])
    place(phantom_database, KEY, "later", [(8900.0, 1300.0, 8200.0)])
    with Atlas(KEY).view() as view:
        info = _json(view, "sites/info")
        offset = 12 + 4 * [each["id"] for each in info["properties"]].index("sites_here")
        here = [
            int(np.frombuffer(_get(view, f"sites/by_id/{number}"), "<i4", 1, offset)[0])
            for number in range(6)
        ]
    assert sorted(here) == [1, 5, 5, 5, 5, 5]


def test_few_sites_are_all_drawn_and_many_thinned(
    phantom_database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [[8900.0, 1300.0, 8200.0]] * 3

    def spacing() -> set[float]:
        with Atlas(KEY).view(points) as view:
            layer = _layer(view, "sites")
        return {layer["crossSectionAnnotationSpacing"], layer["projectionAnnotationSpacing"]}

    assert spacing() == {1}
    monkeypatch.setattr(state, "_MANY_SITES", 2)
    assert spacing() == {4}


def test_a_second_atlas_waits_for_its_slider_with_the_same_regions_selected(
    phantom_database: sa.Engine,
) -> None:
    with Atlas("phantom_50um").view(beside=KEY, regions="VISp") as view:
        layers = view.state["layers"]
        assert [layer["name"] for layer in layers] == ["brain", "phantom_50um", KEY]
        assert _json(view, "beside/info")["scales"][0]["size"] == [132, 80, 114]
    first, second = layers[1:]
    assert set(second["segments"]) == set(first["segments"]) > {"593"}
    assert (first["selectedAlpha"], second["selectedAlpha"], second["notSelectedAlpha"]) == (0.9, 0, 0)
    assert not _subsource(second, "mesh")


def _subsource(layer: dict[str, Any], name: str) -> bool:
    """Whether a layer shows this part of its source."""
    enabled: bool = layer["source"][0]["subsources"][name]
    return enabled


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"regions": ["VISP"]}, "VISp"),
        ({"recordings": ["nobody"]}, "There is no recording 'nobody'"),
        ({"region_set": "cosmo"}, "phantom_100um has no region set 'cosmo'; there are depth_1"),
        ({"beside": "ccf_2017_10um"}, "Atlas 'ccf_2017_10um' is not loaded"),
        ({"beside": KEY}, "phantom_100um cannot be shown beside itself"),
        ({"at_um": (8900, 1300, 99_000)}, "outside the volume of phantom_100um"),
        ({"points": [[1, 2, 3]], "frame": "no such"}, "no such"),
        ({"points": [[1, 2, 3]], "recordings": ["a"]}, "give one of them"),
    ],
)
def test_what_is_not_there_is_said(phantom_database: sa.Engine, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CcfError, match=sentence):
        Atlas(KEY).view(**given)


def test_an_atlas_of_another_space_is_not_shown_beside(phantom_database: sa.Engine) -> None:
    grid = VoxelGrid((3, 3, 3), (50.0, 50.0, 50.0))
    rat = Space("rat", "Rattus norvegicus", grid.extent_um, None, "made by a test")
    MadeAtlas(1001, np.full((3, 3, 3), 7, np.uint32), grid, rat).put(phantom_database)
    with pytest.raises(CcfError, match="made_1001 lies in the space rat"):
        Atlas(KEY).view(beside="made_1001")


def test_a_port_that_is_taken_is_said(phantom_database: sa.Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CcfError, match=f"Cannot listen on 127.0.0.1:{port}: .*Choose another"):
            Atlas(KEY).view(port=port)


def test_without_the_extra_it_is_named(phantom_database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neuroglancer", None)
    with pytest.raises(CcfError, match=r"needs neuroglancer: pip install 'ccf_assets\[view\]'"):
        Atlas(KEY).view()


def test_the_command_prints_the_address_and_ends_with_ctrl_c(phantom_database: sa.Engine) -> None:
    process = start("view", "--region", "VISp", "--at", "8900", "1300", "8200")
    address = read_until(process, "http://").splitlines()[-1]
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as page:
        assert b"neuroglancer" in page.read()
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""A browser of this machine; the tests bring none."""

_UNDER_MOUSE = """() => ({
  place: Array.from(viewer.mouseState.position || []),
  said: [...document.querySelectorAll('.neuroglancer-selection-details')].map(e => e.textContent).join(' '),
  layers: [...document.querySelectorAll('.neuroglancer-selection-details-layer-title')].map(e => e.innerText)
})"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine to open the page with")
def test_the_page_draws_the_atlas_finds_regions_and_names_what_is_under_the_mouse(
    phantom_database: sa.Engine,
) -> None:
    from playwright.sync_api import sync_playwright

    software = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    atlas = Atlas(KEY)
    with atlas.view(at_um=(8900, 2500, 8200)) as view, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=software)
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        asked: list[str] = []
        page.on("request", lambda sent: asked.append(sent.url))
        page.goto(view.url)
        for moved in range(200):
            page.mouse.move(160 + moved % 2, 180)
            page.wait_for_timeout(400)
            found = page.evaluate(_UNDER_MOUSE)
            if "mm3" in found["said"]:
                break
        page.locator('input[placeholder*="Enter ID"]').first.fill("#VISp")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.body.textContent.includes('VISp2/3')", timeout=60_000)
        for _ in range(100):  # the page tells the viewer of the selection a little later
            layer = _layer(view, KEY)
            if layer.get("segments"):
                break
            page.wait_for_timeout(200)
        browser.close()
    here = atlas.locate([found["place"]])
    assert here.acronym[0] is not None
    assert f"{here.region_id[0]}" in found["said"]
    assert found["layers"] == [KEY]  # that of the whole brain says nothing
    inside = {each.id for each in atlas.region("VISp").descendants}  # and not VISpl
    assert {*map(int, layer["segments"])} == inside & {*np.unique(atlas.volume()).tolist()}
    assert [each for each in asked if not each.startswith(("http://127.0.0.1", "blob:", "data:"))] == []
