"""The page of sites has them where they are, in their colours, and needs nothing but itself."""

from __future__ import annotations

import base64
import html
import re
import sys
from pathlib import Path
from typing import Any

import k3d
import numpy as np
import pytest
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.atlas.recording_sites import shown_sites
from ccf_assets.atlas.sites_page import SitesPage
from ccf_assets.db.regions import read_regions
from ccf_assets.errors import CcfError
from ccf_assets.view.site_points import site_points
from ccf_assets_tests.support.placed_sites import Point, place

KEY = "phantom_100um"

POINTS: list[Point] = [
    (6600.0, 4000.0, 5000.0),
    (8900.0, 1300.0, 8200.0),
    (10.0, 10.0, 10.0),
    (None, None, None),
]
"""Left and right in the brain, outside it, and unknown; CCF µm."""

MAGENTA = 0xFF00FF


@pytest.fixture
def atlas(phantom_database: sa.Engine) -> Atlas:
    place(phantom_database, KEY, "<m1>", POINTS)
    place(phantom_database, KEY, "m2", POINTS[:1])
    return Atlas(KEY, engine=phantom_database)


def _drawn(page: SitesPage) -> dict[str, Any]:
    """The objects of a page, by name, as K3D loads them."""
    data = re.findall(r"var data = '([^']+)'", page.html)[0]
    plot: Any = k3d.plot()
    plot.load_binary_snapshot(base64.b64decode(data))
    return {each.name: each for each in plot.objects}


def test_left_is_left_and_dorsal_is_up(atlas: Atlas) -> None:
    sites = _drawn(atlas.sites_page())["sites"]
    assert sites.positions.tolist()[:3] == [[5000, -6600, -4000], [8200, -8900, -1300], [10, -10, -10]]


def test_the_outline_is_where_the_brain_is(atlas: Atlas) -> None:
    outline = _drawn(atlas.sites_page())["brain"]
    field, matrix = outline.scalar_field, outline.model_matrix
    volume = np.argwhere(atlas.volume() > 0)
    ap, dv, ml = (np.array([volume.min(axis=0), volume.max(axis=0) + 1]) * 100).T
    inside = np.argwhere(field > 0.5)[:, ::-1]  # x, y, z
    # Its samples are spread from corner to corner of the box that the matrix makes of a cube of 1.
    corners = inside / (np.array(field.shape[::-1]) - 1) - 0.5
    places = corners @ matrix[:3, :3].T + matrix[:3, 3]
    for axis, (first, last) in enumerate([ml, -ap[::-1], -dv[::-1]]):
        assert abs(places[:, axis].min() - first) < 250
        assert abs(places[:, axis].max() - last) < 250


@pytest.mark.parametrize("color_by", ["recording", "region"])
def test_sites_have_the_colour_of_their_group_and_misses_their_own(atlas: Atlas, color_by: str) -> None:
    page = atlas.sites_page(color_by=color_by)
    colors = _drawn(page)["sites"].colors.tolist()
    assert (page.shown, page.without_place) == (4, 1)
    assert colors[2] == MAGENTA
    assert MAGENTA not in (colors[0], colors[1], colors[3])
    located = atlas.locate(POINTS[:2]).acronym
    if color_by == "region":
        assert colors[:2] == [int(atlas.region(str(name)).color_hex, 16) for name in located]
        assert colors[3] == colors[0]
    else:
        assert colors[0] == colors[1] != colors[3]
    legend = page.html.rpartition("insertAdjacentHTML")[2]
    assert "without a region" in legend
    assert "1 site without a known place" in legend
    assert all(str(name) in legend for name in (located if color_by == "region" else ["m1", "m2"]))


def test_a_recording_has_the_colour_that_it_has_in_the_viewer(
    phantom_database: sa.Engine, atlas: Atlas
) -> None:
    place(phantom_database, KEY, "0", POINTS[:1])  # the first by name, and not by its number of sites
    legend = atlas.sites_page().html.rpartition("insertAdjacentHTML")[2]
    points = site_points(shown_sites(atlas, None), read_regions(phantom_database, 904, KEY), atlas.grid)
    of = {each.id: each for each in points.points.properties}
    for number, name in enumerate(["0", "m1", "m2"], start=1):
        (color,) = np.unique(of["recording_color"].values[of["recording"].values == number], axis=0)
        assert re.search(rf"#{color.tobytes().hex()}[^#]*#9679;\S* (&lt;)?{name}", legend)


def test_only_what_is_asked_for_is_drawn(atlas: Atlas) -> None:
    name = str(atlas.locate([POINTS[1]]).acronym[0])
    assert len(_drawn(atlas.sites_page(name))["sites"].positions) == 1
    assert len(_drawn(atlas.sites_page(recordings=["m2"]))["sites"].positions) == 1
    assert len(_drawn(atlas.sites_page(recordings="m2"))["sites"].positions) == 1


def test_points_of_a_track_are_no_recording_sites(phantom_database: sa.Engine, atlas: Atlas) -> None:
    place(phantom_database, KEY, "m3", POINTS[:2], kind=["track", "track"])
    page = atlas.sites_page()
    assert (page.shown, page.without_place) == (4, 1)
    assert "5 recording sites in phantom_100um" in page.html


def test_a_page_asks_no_other_address_and_a_name_is_no_program(atlas: Atlas) -> None:
    page = atlas.sites_page()
    assert re.search(
        r"<head>\s*<meta http-equiv=\"Content-Security-Policy\" content=\"default-src '", page.html
    )
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page.html)
    assert "<m1>" not in page.html
    assert "&lt;m1&gt;" in page.html.replace("\\u003c", "<")


def test_a_notebook_shows_the_page_and_a_file_keeps_it(atlas: Atlas, tmp_path: Path) -> None:
    page, path = atlas.sites_page(), tmp_path / "sites.html"
    page.save(path)
    assert path.read_text(encoding="utf-8") == page.html
    assert html.escape(page.html) in page._repr_html_()
    with pytest.raises(CcfError, match="exists already"):
        page.save(path)


def test_what_cannot_be_drawn_is_said(atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CcfError, match="by recording or by region, not by 'size'"):
        atlas.sites_page(color_by="size")
    with pytest.raises(CcfError, match="There is no recording 'm9'"):
        atlas.sites_page(recordings=["m9"])
    monkeypatch.setitem(sys.modules, "k3d", None)
    with pytest.raises(CcfError, match=r"needs k3d: pip install 'ccf_assets\[view\]'"):
        atlas.sites_page()
