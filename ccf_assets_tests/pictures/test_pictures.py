"""The pictures: right to the pixel, whole, small; and in the UI without ever failing a load."""

from __future__ import annotations

import base64
import functools
import io
import logging
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dagster as dg
import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Text
from PIL import Image

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.atlas.section import answer_of, as_values, looks_of, section, values_of
from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.ccf.ontology import read_structure_graph
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.ccf.planes import PLANES, Orientation, Plane
from ccf_assets.ccf.runs import find_runs
from ccf_assets.ccf.space import Space
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.definitions import defs
from ccf_assets.defs import figures
from ccf_assets.defs.assets.files import LARGEST
from ccf_assets.defs.links import how_to_view, region_links
from ccf_assets.defs.sensors import new_recordings, unregistered_sites
from ccf_assets.errors import CcfError
from ccf_assets.pictures import depth_chart, drawing
from ccf_assets.pictures.depth_chart import depth_chart_png
from ccf_assets.pictures.drawing import RegionStyle
from ccf_assets.pictures.parts import Shown, outlines, smooth_corners
from ccf_assets.pictures.plane import Section, plane_file
from ccf_assets.pictures.shown import Look, highlighted, shown_by_group, usually_shown
from ccf_assets.pictures.sites import _COLOURS, Sites, fullest_um
from ccf_assets.pictures.track import TRACK_LABELS, Segment, track_file
from ccf_assets.pictures.values import coloured, scale_of
from ccf_assets_tests.support.grids import ccf_grid
from ccf_assets_tests.support.made_atlas import MadeAtlas
from ccf_assets_tests.support.records import new_records

if TYPE_CHECKING:
    from ccf_assets_tests.support.recordings_lab import RecordingsLab

NAME = "Primary somatosensory area, barrel field of the longest name there is, layer 2/3"
STYLES = {
    i: RegionStyle(f"SSp-bfd{i}", f"{NAME} {i}", f"{(i * 1_234_567) % 2**24:06X}") for i in range(1, 300)
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are made into PNGs."""
    figures: list[Figure] = []
    png = drawing.png

    def keep(figure: Figure, *more: Any) -> bytes:
        figures.append(figure)
        return png(figure, *more)

    for module in (drawing, depth_chart):
        monkeypatch.setattr(module, "png", keep)
    return figures


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def texts(figure: Figure) -> dict[str, tuple[float, float, float, float]]:
    """What stands on a figure, and where: left, bottom, right, top in pixels."""
    found = [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_visible() and t.get_text()]
    return {t.get_text(): t.get_window_extent().extents for t in found if t.get_window_extent().width}


def shown(styles: Mapping[int, RegionStyle] = STYLES) -> dict[int, Shown]:
    """Every region in its colour and by its own name."""
    return {i: Shown(style.color_hex, style) for i, style in styles.items()}


def of(plane: Plane, um: float = 6600, orientation: Orientation = "coronal", **more: Any) -> Section:
    """A plane of the grid of the CCF that it fits; its regions are STYLES if no others are given."""
    resolution_um = 8000 // plane.shape[0] if orientation != "horizontal" else 13_200 // plane.shape[0]
    more.setdefault("shown", shown())
    return Section(plane, orientation, um, ccf_grid(resolution_um), "CCFv3 2017", **more)


def plain(plane: Plane, um: float = 6600, orientation: Orientation = "coronal", **more: Any) -> np.ndarray:
    """The pixels of a plane alone, 12.5 µm each."""
    return pixels(plane_file(of(plane, um, orientation, **more), bare=True))


def is_whole(figure: Figure) -> bool:
    """Whether all that is drawn lies on the figure."""
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def blocks(orientation: Orientation, edge: int, resolution_um: int) -> Plane:
    """A plane of squares, ``edge`` voxels wide, each a region of its own, with the outside around them."""
    shape = ccf_grid(resolution_um).shape
    rows, columns = (shape[a] for a in (PLANES[orientation].rows, PLANES[orientation].columns))
    row, column = np.ogrid[:rows, :columns]
    inside = (row // edge > 0) & (column // edge > 0) & (row + edge < rows) & (column + edge < columns)
    return np.where(inside, (row // edge * 13 + column // edge) % 251 + 1, 0).astype(np.uint32)


OUTSIDE = (255, 255, 255)

# ---- a plane


@pytest.mark.parametrize(
    ("orientation", "resolution_um"), [("coronal", 10), ("sagittal", 25), ("horizontal", 100)]
)
def test_every_pixel_of_a_plane_has_the_colour_of_its_voxel(
    orientation: Orientation, resolution_um: int
) -> None:
    plane = blocks(orientation, 1000 // resolution_um, resolution_um)
    picture = plain(plane, 5000, orientation)
    extent = (np.array(plane.shape) * resolution_um / 12.5).astype(int)
    assert picture.shape[:2] == tuple(extent)
    colours = {0: OUTSIDE, **{i: tuple(bytes.fromhex(s.color_hex)) for i, s in STYLES.items()}}
    # A millimetre is 80 pixels: places in the squares above their names, and away from the scale bar.
    compared = 0
    for row in range(1, extent[0], 80):
        for column in range(10, extent[1], 80):
            place = (int((c + 0.5) * 12.5 // resolution_um) for c in (row, column))
            id_ = int(plane[tuple(place)])
            if id_:
                assert tuple(picture[row, column]) == colours[id_]
                compared += 1
    assert compared > 50
    # Borders are darker, one pixel wide, and the outside has one to the brain.
    first = colours[int(plane[1000 // resolution_um + 1, 1000 // resolution_um + 1])]
    assert tuple(picture[100, 79]) == (140, 140, 140)
    assert tuple(picture[100, 80]) == first
    assert tuple(picture[100, 78]) == OUTSIDE


@pytest.mark.parametrize(
    ("orientation", "um_per_pixel"), [("coronal", 24), ("sagittal", 12.5), ("horizontal", 24)]
)
@pytest.mark.parametrize("crop", [True, False])
def test_nothing_on_a_plane_is_clipped_whatever_its_names(
    drawn: list[Figure], orientation: Orientation, um_per_pixel: float, crop: bool
) -> None:
    styles = {i: RegionStyle("W" * 20, "W" * 90 + f" {i} $x^2$", "123456") for i in STYLES}
    sites = Sites(np.full((3, 3), np.nan), ["a"] * 3)
    title = "An atlas with a name that does not end " * 8
    section = Section(
        blocks(orientation, 40, 25), orientation, 5000, ccf_grid(25), title, shown(styles), sites=sites
    )
    plane_file(section, um_per_pixel=um_per_pixel, crop=crop)
    assert all(map(is_whole, drawn))
    assert any(text.startswith("An atlas") and text.endswith("…") for text in texts(drawn[0]))
    assert {"0 sites within 250 µm of the plane", "3 sites outside the volume"} < set(texts(drawn[0]))


@pytest.mark.parametrize(
    ("orientation", "um", "title", "how", "letters", "axes"),
    [
        ("coronal", 8900, "AP 8900 µm (−3.50 mm from bregma)", "dorsal up, the left of the brain on the left",
         "LR", ("ML, CCF µm", "DV, CCF µm", "ML, mm right of the midline", "DV, mm below bregma")),
        ("horizontal", 332, "DV 332 µm (0.00 mm below bregma)", "up, the left of the brain on the left",
         "LR", ("ML, CCF µm", "AP, CCF µm", "ML, mm right of the midline", "AP, mm from bregma")),
        ("sagittal", 5690, "ML 5690 µm (0.01 mm left of the midline)", "in the left hemisphere",
         "AP", ("AP, CCF µm", "DV, CCF µm", "AP, mm from bregma", "DV, mm below bregma")),
        ("coronal", 5402, "AP 5402 µm (0.00 mm from bregma)", "the left of the brain on the left", "LR", ()),
        ("sagittal", 5699, "ML 5699 µm (0.00 mm left of the midline)", "in the left hemisphere", "AP", ()),
        ("sagittal", 5700, "ML 5700 µm (the midline)", "anterior on the left, at the midline", "AP", ()),
        ("sagittal", 6000, "ML 6000 µm (0.30 mm right of the midline)", "in the right hemisphere", "AP", ()),
    ],
)  # fmt: skip
def test_a_plane_says_where_it_lies_and_how_it_is_to_be_read(
    drawn: list[Figure],
    orientation: Orientation,
    um: float,
    title: str,
    how: str,
    letters: str,
    axes: tuple[str, ...],
) -> None:
    plane_file(of(blocks(orientation, 40, 100), um, orientation))
    found = texts(drawn[0])
    assert {f"{orientation.capitalize()}, {title}", "1 mm", *letters, *axes} <= set(found)
    assert any(text.startswith("CCFv3 2017; ") and text.endswith(how) for text in found)
    assert found[letters[0]][0] < found[letters[1]][0]


def test_the_second_axis_of_a_plane_counts_millimetres_from_bregma(drawn: list[Figure]) -> None:
    plane_file(of(blocks("coronal", 40, 100), 8900))
    axes = drawn[0].axes[0]
    across, down = axes.child_axes
    # 2 mm right of the midline is ML 7700, and 3 mm below bregma DV 3332.
    for second, mm, um, along in ((across, (2, 0), (7700, 0), 0), (down, (0, 3), (0, 3332), 1)):
        place, same = second.transData.transform(mm), axes.transData.transform(um)
        assert place[along] == pytest.approx(same[along], abs=0.01)


def test_in_another_space_nothing_is_said_of_bregma(drawn: list[Figure]) -> None:
    plane_file(of(blocks("coronal", 40, 100), 8900, space="whs_rat"))
    found = texts(drawn[0])
    assert {"Coronal, AP 8900 µm", "ML, whs_rat µm"} <= set(found)
    assert not any("bregma" in text for text in found)


def test_the_scale_bar_is_a_millimetre_long() -> None:
    picture = plain(blocks("coronal", 40, 100))
    ink = (picture == np.array(tuple(bytes.fromhex("1A1A1A")))).all(axis=2)[600:639, :400]
    longest = max(len(run) for row in ink for run in "".join("#" if i else " " for i in row).split())
    assert longest == 1000 / 12.5


def test_the_legend_names_the_largest_regions_first(drawn: list[Figure]) -> None:
    plane = np.zeros((80, 114), np.uint32)
    for i in range(1, 40):
        plane[2 * i, : 2 * i] = i
    styles = {i: RegionStyle(f"R{i}", f"Region {i}", f"80C0{i:02X}") for i in range(1, 40)}
    plane_file(of(plane, shown=shown(styles)))
    found = texts(drawn[0])
    named = sorted((key for key in found if key.startswith("Region ")), key=lambda key: -found[key][1])
    assert named == [f"Region {i}" for i in range(39, 39 - len(named), -1)]
    assert f"and {39 - len(named)} more" in found
    assert len(named) > 25


def test_neighbours_in_the_legend_that_look_alike_have_their_names_on_the_plane(
    drawn: list[Figure],
) -> None:
    plane = np.zeros((80, 114), np.uint32)
    plane[10:60, 10:50], plane[10:60, 60:100] = 1, 2  # with room for a name
    for thin in range(3, 9):
        plane[62 + thin, 10 : 10 + 8 * thin] = thin  # without
    styles = {i: RegionStyle(f"R{i}", f"Region {i}", "808080" if i < 6 else "A0A0A0") for i in range(1, 9)}
    plane_file(of(plane, shown=shown(styles)))
    found = texts(drawn[0])
    named = sorted((key for key in found if key.startswith("Region ")), key=lambda key: -found[key][1])
    # 8, 7, 6 are of one colour and thin, as 5, 4, 3 are.
    assert named == [
        "Region 1",
        "Region 2",
        "Region 8",
        "Region 5",
        "Region 7",
        "Region 4",
        "Region 6",
        "Region 3",
    ]


def squares(halves: bool = True) -> Plane:
    """Region 1 on both sides of the midline, with region 2 in its middle that is too thin for a name."""
    plane = np.zeros((80, 114), np.uint32)
    plane[20:60, 10:104] = 1
    plane[20:60, 55:59] = 0 if halves else 1
    plane[40, 20:100] = 2
    return plane


def places(figure: Figure, name: str) -> list[float]:
    """Where a name stands on the plane itself: the middle of each, µm across."""
    return sorted(text.get_position()[0] for text in figure.axes[0].texts if text.get_text() == name)


def test_a_name_stands_on_each_side_and_a_thin_region_has_none(drawn: list[Figure]) -> None:
    plane_file(
        of(
            squares(),
            shown=shown({1: RegionStyle("VISp", "", "08858C"), 2: RegionStyle("thin", "", "FF0000")}),
        )
    )
    left, right = places(drawn[0], "VISp")
    assert 1000 < left < 5500
    assert 5900 < right < 10_400
    assert places(drawn[0], "thin") == []


def test_a_small_region_on_the_midline_has_its_name_once(drawn: list[Figure]) -> None:
    plane = np.zeros((80, 114), np.uint32)
    plane[30:50, 50:64] = 1
    plane_file(of(plane, shown=shown({1: RegionStyle("IPN", "", "FFA6FF")})))
    assert places(drawn[0], "IPN") == [pytest.approx(5700, abs=60)]


def test_no_name_touches_a_border_of_its_region(drawn: list[Figure], real_database: sa.Engine) -> None:
    atlas = Atlas("ccf_2017_25um", engine=real_database)
    drawn_ = section(atlas, "coronal", 8900)
    plane_file(drawn_)
    parts, axes = drawn_.parts(), drawn[0].axes[0]
    groups = parts.group[parts.index]
    names = [style.acronym if style else "" for style in parts.groups]
    checked = 0
    for text in axes.texts:
        if text.get_text() in names:
            box = text.get_window_extent().transformed(axes.transData.inverted())
            rows, columns = (
                slice(int(min(ends) // 25), int(max(ends) // 25) + 1)
                for ends in ((box.y0, box.y1), (box.x0, box.x1))
            )
            assert (groups[rows, columns] == names.index(text.get_text())).all(), text.get_text()
            checked += 1
    assert checked > 50


def test_planes_name_what_people_look_for(drawn: list[Figure], real_database: sa.Engine) -> None:
    atlas = Atlas("ccf_2017_25um", engine=real_database)
    drawn_ = section(atlas, "coronal", 8900)
    plane_file(drawn_)
    for name in ("VISp", "RSPv", "CA1", "SUB", "ENTl"):
        left, right = places(drawn[0], name)
        assert left < 5700 < right
    parts = drawn_.parts()
    told = set(texts(drawn[0]))
    areas = parts.areas()
    named = [g for g, style in enumerate(parts.groups) if style and style.acronym in told]
    assert areas[named].sum() >= 0.9 * areas[1:].sum()


# ---- sites


def red() -> dict[int, Shown]:
    return shown({1: RegionStyle("x", "x", "FF8080")})


def test_sites_near_the_plane_are_dots_where_they_are_in_the_colour_of_their_recording(
    drawn: list[Figure],
) -> None:
    points = [
        (6600, 4000, 3000),
        (6850, 4000, 3000),
        (6850, 4000, 5000),
        (6851, 4000, 8000),
        (np.nan, 1, 1),
        (1, 1, 11_400),
    ]
    sites = Sites(np.array(points), ["mouse 7", "mouse 7", "mouse 8", "mouse 8", "mouse 8", "mouse 9"])
    section = of(np.ones((320, 456), np.uint32), shown=red(), sites=sites)
    picture = pixels(plane_file(section, bare=True))
    colours = [picture[320, int(ml / 12.5)] for ml in (3000, 5000, 8000)]
    assert np.abs(np.array(colours) - [(0xE6, 0, 0x1A), (0, 0x33, 0xCC), (255, 0x80, 0x80)]).max() < 40
    plane_file(section)
    assert {
        "3 sites within 250 µm of the plane", "mouse 7", "mouse 8",
        "1 site farther off, not drawn", "2 sites outside the volume",
    } <= set(texts(drawn[-1]))  # fmt: skip
    assert "mouse 9" not in texts(drawn[-1])
    plane_file(replace(section, within_um=251))
    assert "4 sites within 251 µm of the plane" in texts(drawn[-1])


def test_the_sites_of_a_dense_probe_are_a_thin_line_and_hide_no_name(drawn: list[Figure]) -> None:
    sites = Sites(np.array([(6600, um, 2900) for um in range(0, 8000, 20)]))
    picture = pixels(plane_file(of(np.ones((320, 456), np.uint32), shown=red(), sites=sites), bare=True))
    line = picture[320, 232 - 10 : 232 + 10]
    assert (np.abs(line - (0xE6, 0, 0x1A)).sum(axis=1) < 60).any()
    assert (np.abs(line - (255, 0x80, 0x80)).sum(axis=1) == 0).sum() >= 12
    (axes,) = drawn[0].axes
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text() == "x"]
    assert boxes
    assert not any(box.x0 < 232 + 3 and box.x1 > 232 - 3 for box in boxes)


def test_of_many_recordings_those_with_most_sites_have_colours(drawn: list[Figure]) -> None:
    names = [f"R{i}" for i in range(15) for _ in range(20 - i)]
    points = np.array([(6600, 1000 + 10 * i, 5000) for i in range(len(names))])
    plane_file(of(np.ones((80, 114), np.uint32), shown=red(), sites=Sites(points, names)))
    found = texts(drawn[0])
    assert {"R0", "R8", "6 other recordings"} <= set(found)
    assert "R9" not in found


def test_recordings_of_few_sites_keep_their_colours_among_many_regions() -> None:
    points = np.array([(6600, 1000 + 500 * i, 5000) for i in range(10)])
    sites = Sites(points, [f"mouse {i}" for i in range(10)])
    png = plane_file(of(blocks("coronal", 40, 25), sites=sites))
    seen = {colour for _, colour in Image.open(io.BytesIO(png)).convert("RGB").getcolors(2**20) or ()}
    assert {tuple(bytes.fromhex(colour[1:])) for colour in _COLOURS} <= seen


def test_a_plane_is_chosen_where_most_sites_are() -> None:
    points = np.array([(ap, 4000, 4000) for ap in (2000, 2100, 9000, 9100, 9201, 9900, np.nan, 13_300)])
    grid = ccf_grid(25)
    assert fullest_um(points, "coronal", grid, 250) == 9100
    assert fullest_um(points, "coronal", grid, 5000) == 7000
    assert fullest_um(points, "sagittal", grid, 250) == 4000
    assert fullest_um(points[6:], "coronal", grid, 250) is None


def test_every_site_that_a_plane_is_chosen_for_is_near_it() -> None:
    # The median of these six is 2000, from which the two at 2490 are 490 µm away.
    points = np.array([(ap, 4000, 4000) for ap in (2000, 2000, 2000, 2000, 2490, 2490)], np.float64)
    assert fullest_um(points, "coronal", ccf_grid(25), 250) == 2240
    assert fullest_um(points + 0.25, "coronal", ccf_grid(25), 250) == 2241
    assert fullest_um(points + 0.25, "coronal", ccf_grid(25), 0) == 2000.25


# ---- which regions are named, and in which colours

FAMILY = {
    1: Look(RegionStyle("root", "root", "FFFFFF"), 1),
    2: Look(RegionStyle("VIS", "Visual areas", "08858C"), 1),
    3: Look(RegionStyle("VISp", "Primary visual area", "08858C"), 2),
    4: Look(RegionStyle("VISp2/3", "Primary visual area, layer 2/3", "118899"), 3),
    5: Look(RegionStyle("VISp6a", "Primary visual area, layer 6a", "08858C"), 3),
    6: Look(RegionStyle("TH", "Thalamus", "FF7080"), 1),
}


def test_layers_are_named_as_their_area_and_painted_in_their_own_colour() -> None:
    found = usually_shown(FAMILY)
    assert [each.named.acronym for each in found.values() if each.named] == [
        "root",
        "VIS",
        "VISp",
        "VISp",
        "VISp",
        "TH",
    ]
    assert found[4].color_hex == "118899"


def test_where_acronyms_are_numbers_each_region_keeps_its_own() -> None:
    parents = {1: 1, 12: 1, 123: 12, 7: 12}
    regions = {i: Look(RegionStyle(str(i), f"Label {i}", "808080"), above) for i, above in parents.items()}
    named = [each.named.acronym for each in usually_shown(regions).values() if each.named]
    assert named == ["1", "12", "123", "7"]


def test_where_acronyms_are_whole_names_numbers_lead_from_the_plane_to_the_legend(
    drawn: list[Figure],
) -> None:
    plane = np.zeros((80, 114), np.uint32)
    plane[10:60, 10:50], plane[10:60, 60:110] = 1, 2
    names = {1: "Cornu ammonis 3", 2: "Subiculum, of a long name"}
    plane_file(of(plane, shown=shown({i: RegionStyle(name, name, "80C0FF") for i, name in names.items()})))
    assert (places(drawn[0], "1"), places(drawn[0], "2")) == (
        [pytest.approx(8500, abs=100)],
        [pytest.approx(3000, abs=100)],
    )
    found = texts(drawn[0])
    assert found[names[2]][1] > found[names[1]][1]


def test_a_name_among_acronyms_stays_a_name_and_no_number_stands_on_a_plane_without_a_legend(
    drawn: list[Figure],
) -> None:
    plane = np.zeros((80, 114), np.uint32)
    plane[10:60, 10:40], plane[10:60, 40:75], plane[10:60, 75:110] = 1, 2, 3
    tracts = RegionStyle("fiber tracts", "fiber tracts", "CCCCCC")
    named = {1: tracts, 2: RegionStyle("MOp", "Motor", "00FF00"), 3: RegionStyle("TH", "Thalamus", "FF7080")}
    plane_file(of(plane, shown=shown(named)))
    assert {"fiber tracts", "MOp", "TH"} <= set(texts(drawn[0]))
    labels = shown({i: replace(tracts, acronym=f"Label {i}", name=f"Label {i}") for i in (1, 2, 3)})
    for without in ({"bare": True}, {"scale": scale_of([1.0, 3.0], "Rate (Hz)")}):
        scale = without.pop("scale", None)
        plane_file(of(plane, shown=labels, scale=scale), **without)
        assert {"Label 1", "Label 2", "Label 3"} <= set(texts(drawn[-1]))
        assert places(drawn[-1], "1") == []


def test_unassigned_tissue_is_hatched_and_no_hole(drawn: list[Figure]) -> None:
    plane = np.zeros((80, 114), np.uint32)
    plane[:, 57:] = 1
    section = of(plane, 0, shown=usually_shown(FAMILY))
    picture = pixels(plane_file(section, bare=True))
    assert (picture[100:200, 100:200] == 255).all()
    ground, lines = (np.array(tuple(bytes.fromhex(colour))) for colour in drawing.HATCH)
    area = picture[100:200, 600:700]
    assert 0.1 < (area == lines).all(axis=2).mean() < 0.2
    assert ((area == lines) | (area == ground)).all()
    plane_file(section)
    assert "unassigned brain tissue (root)" in texts(drawn[-1])


def test_groups_of_a_set_are_painted_and_what_is_in_none_is_pale() -> None:
    found = shown_by_group(FAMILY, {3: "VIS", 4: "VIS", 5: "deep"})
    assert [found[i].color_hex for i in (3, 4, 6)] == ["08858C", "08858C", "EDEDED"]
    assert [found[i].named.acronym if found[i].named else None for i in (3, 4, 5, 6)] == [
        "VIS",
        "VIS",
        "deep",
        None,
    ]
    assert found[5].color_hex not in {"08858C", "EDEDED"}


def test_highlighted_regions_keep_their_colour_and_the_others_fade() -> None:
    found = highlighted(FAMILY, usually_shown(FAMILY), {2, 5})
    assert [found[i].named.acronym if found[i].named else None for i in (2, 4, 5, 6)] == [
        "VIS",
        "VIS",
        "VISp6a",
        None,
    ]
    assert found[4].color_hex == "118899"
    assert found[6].color_hex == "FFE2E6"


def test_a_value_counts_for_what_is_inside_a_region_unless_that_has_its_own(drawn: list[Figure]) -> None:
    scale = scale_of([1.0, 3.0], "Rate (Hz)")
    lines = {1: [1], 2: [2, 1], 3: [3, 2, 1], 4: [4, 3, 2, 1], 5: [5, 3, 2, 1], 6: [6, 1]}
    left = coloured(usually_shown(FAMILY), {3: 1.0, 5: 3.0}, lines.__getitem__, scale)
    assert [left[i].color_hex for i in (3, 4, 5, 6)] == ["440154", "440154", "FDE725", "EDEDED"]
    right = coloured(usually_shown(FAMILY), {}, lines.__getitem__, scale)
    picture = plain(np.full((80, 114), 5, np.uint32), shown=left, right=right, scale=scale)
    assert tuple(picture[500, 300]) == (0xFD, 0xE7, 0x25)
    assert tuple(picture[500, 600]) == (0xED, 0xED, 0xED)
    # The midline is no border: the two sides are one region.
    assert {tuple(colour) for colour in picture[500, 400:500].tolist()} == {
        (0xFD, 0xE7, 0x25),
        (0xED, 0xED, 0xED),
    }
    plane_file(of(np.full((80, 114), 5, np.uint32), shown=left, right=right, scale=scale))
    assert {"Rate (Hz)", "no value", "3.00"} <= set(texts(drawn[-1]))


def test_what_has_no_value_steps_back_and_layers_of_one_value_are_one(drawn: list[Figure]) -> None:
    scale = scale_of([1.0, 3.0], "Rate (Hz)")
    look = coloured(shown(), {1: 1.0, 2: 1.0}, lambda region: [region], scale)
    look[2] = look[1]  # as two layers of one area
    plane = np.repeat(np.repeat([1, 2, 3], 38)[None], 80, axis=0).astype(np.uint32)
    alike = plain(plane, shown=look, scale=scale, layers=False)[100]
    assert len(np.unique(alike[:600], axis=0)) == 1
    assert len(np.unique(plain(plane, shown=look, scale=scale)[100, :600], axis=0)) == 2
    plane_file(of(plane, shown=look, scale=scale))
    colour = {t.get_text(): t.get_color() for t in drawn[-1].findobj(Text) if isinstance(t, Text)}
    assert (colour["SSp-bfd1"], colour["SSp-bfd3"]) == ("white", drawing.QUIET)
    beside_values = drawn[-1].get_figwidth()
    plane_file(of(plane))
    assert beside_values < drawn[-1].get_figwidth() - 1.5, "inches: a scale takes less room than a legend"


def test_values_know_ids_as_tables_have_them_and_that_a_space_may_have_no_sides(database: sa.Engine) -> None:
    large = 3_000_000_000
    grid = VoxelGrid((3, 3, 3), (50.0, 50.0, 50.0))
    rat = Space("rat", "Rattus norvegicus", grid.extent_um, None, "made by a test")
    MadeAtlas(1001, np.full(grid.shape, large, np.uint32), grid, rat).put(database)
    atlas = Atlas("made_1001", engine=database)
    rows = answer_of(
        atlas, "SELECT region_id AS region, 2 AS value FROM ccf.region_volume WHERE region_id < 0"
    )
    assert values_of(atlas, rows).left == {large: 2.0}
    drawn_ = section(atlas, "coronal", 50, values=values_of(atlas, rows))
    assert (drawn_.title, drawn_.shown[large].color_hex) == ("Coronal, AP 50 µm", "21918C")
    assert not drawn_.layers
    with pytest.raises(CcfError, match=f"made_1001 has no midline, so no left hemisphere: give r{large} one"):
        as_values(atlas, pl.DataFrame({"region": [f"r{large}"], "value": [1], "hemisphere": ["left"]}))


def test_values_of_both_signs_have_white_at_zero_and_bad_scales_are_refused() -> None:
    both = scale_of([-1.0, 4.0], "")
    assert (both.low, both.high, both.colormap) == (-4, 4, "RdBu_r")
    assert scale_of([-1.0, 4.0], "", "magma", (0, 2)).high == 2
    with pytest.raises(CcfError, match="Matplotlib has no colormap 'virids'; did you mean viridis"):
        scale_of([1.0], "", "virids")
    with pytest.raises(CcfError, match="limits of the colours are 3 and 1"):
        scale_of([1.0], "", None, (3, 1))


# ---- files


def test_text_in_svg_can_be_selected_and_every_region_is_an_outline() -> None:
    svg = plane_file(of(blocks("coronal", 40, 100)), ".svg").decode()
    assert ">Coronal, AP 6600 µm (−1.20 mm from bregma)</text>" in svg
    assert "<image" not in svg
    fills = set(re.findall(r"fill: (#[0-9a-f]{6})", svg))
    shown_ids = np.unique(blocks("coronal", 40, 100))[1:].tolist()
    assert {f"#{STYLES[i].color_hex.lower()}" for i in shown_ids} <= fills
    assert plane_file(of(blocks("coronal", 40, 100)), ".svg").decode() == svg


def test_a_pdf_is_a_pdf_and_keeps_its_letters() -> None:
    pdf = plane_file(of(blocks("coronal", 40, 100)), ".pdf")
    assert pdf.startswith(b"%PDF")
    assert b"/Type /Font" in pdf
    assert pdf == plane_file(of(blocks("coronal", 40, 100)), ".pdf")


def test_outlines_fill_the_plane_and_none_overlap() -> None:
    # Voxels at random meet in every way: three and four regions at a corner, islands, and holes.
    plane = np.random.default_rng(0).integers(1, 4, (80, 114), np.uint32)
    parts = of(plane).parts()
    corners = smooth_corners(parts)
    areas = {part: area(path) for part, path in outlines(parts, parts.index, corners)}
    ((_, around),) = outlines(parts, (parts.index > 0).astype(np.uint16), corners)
    assert sum(areas.values()) == pytest.approx(area(around))
    for part, its_area in areas.items():
        assert its_area == pytest.approx((parts.index == part).sum() * 100**2, rel=0.1)
    number = np.stack(np.indices(corners.shape[:2]), axis=-1)
    assert np.nanmax(np.abs(corners - number)) < 0.5, "voxels"


def test_a_border_that_rises_slowly_has_no_steps_in_its_outline() -> None:
    plane = np.zeros((80, 114), np.uint32)
    for column in range(20, 90):
        plane[20 + (column - 20) // 3 : 60, column] = 1
    plane[70, 100] = 2
    parts = of(plane).parts()
    (_, path), (_, island) = outlines(parts, parts.index, smooth_corners(parts))
    assert area(island) == 100**2, "an island of one voxel stays as it is"
    x, y = path.vertices.T / 100
    border = (x > 30) & (x < 80) & (y < 50)
    away = y[border] - (20 + (x[border] - 21) / 3)
    assert border.sum() > 10
    assert np.ptp(away) < 0.15, "voxels; a step is one"


def area(path: Path) -> float:
    """Of a path with holes, in the square of its unit."""
    polygons = path.to_polygons()
    return abs(sum(float(np.sum(p[:-1, 0] * p[1:, 1] - p[1:, 0] * p[:-1, 1])) / 2 for p in polygons))


def test_a_finer_png_is_the_same_picture_with_finer_pixels() -> None:
    plane = blocks("coronal", 40, 25)
    coarse, fine = (Image.open(io.BytesIO(plane_file(of(plane), dpi=dpi))) for dpi in (100, 300))
    assert fine.size == tuple(3 * n for n in coarse.size)
    assert round(fine.info["dpi"][0]) == 300
    for dpi in (49, 1201):
        with pytest.raises(CcfError, match=f"{dpi:,} dots per inch".replace(",", "")):
            drawing.check_dpi(dpi)


@pytest.mark.parametrize(("width_mm", "bare"), [(85, True), (174, False)])
def test_a_picture_for_a_paper_is_as_wide_as_asked(width_mm: float, bare: bool) -> None:
    plane = np.zeros((80, 114), np.uint32)
    plane[20:60, 30:90] = 1
    picture = pixels(plane_file(of(plane, shown=red()), width_mm=width_mm, bare=bare, crop=True))
    assert picture.shape[1] == pytest.approx(width_mm / 25.4 * 100, abs=4)


def test_a_picture_too_narrow_for_its_legend_is_refused() -> None:
    with pytest.raises(CcfError, match=r"A picture 85 mm wide: give \d+ mm or more\. Without title"):
        plane_file(of(np.zeros((80, 114), np.uint32)), width_mm=85)


def test_a_cropped_plane_has_the_brain_and_little_else() -> None:
    plane = np.zeros((320, 456), np.uint32)
    plane[100:200, 150:300] = 1
    picture = pixels(plane_file(of(plane, shown=red()), crop=True, bare=True))
    # 2.5 and 3.75 mm of brain, 0.2 mm around it, and 0.6 mm below for the scale bar.
    assert picture.shape[:2] == (200 + 16 + 48, 300 + 32)
    assert (picture == (255, 0x80, 0x80)).all(axis=2).sum() > 0.95 * 200 * 300


def test_planes_of_the_brain_are_small_and_in_the_allen_colours(real_database: sa.Engine) -> None:
    atlas = Atlas("ccf_2017_25um", engine=real_database)
    points = np.random.default_rng(0).uniform(0, (13_200, 8_000, 11_400), (100_000, 3))
    sites = Sites(points, [f"mouse {i % 20}" for i in range(100_000)])
    for orientation, um in (("coronal", 6600.0), ("sagittal", 4300.0), ("horizontal", 4000.0)):
        drawn_ = section(atlas, orientation, um)
        png = plane_file(drawn_)
        assert len(png) < 120_000
        seen = {colour for _, colour in Image.open(io.BytesIO(png)).convert("RGB").getcolors(2**20) or ()}
        ids = np.unique(drawn_.plane)[1:]
        wanted = {tuple(bytes.fromhex(drawn_.shown[i].color_hex)) for i in ids.tolist()}
        assert wanted <= seen
        crowded = plane_file(
            replace(drawn_, sites=sites), um_per_pixel=figures.UM_PER_PIXEL, crop=True, second_axes=False
        )
        assert len(crowded) < 150_000


def test_the_same_plane_is_the_same_bytes_whatever_matplotlib_is_set_to() -> None:
    def draw() -> bytes:
        return plane_file(of(blocks("coronal", 40, 100)))

    plain = draw()
    with mpl.rc_context(
        {"font.size": 30, "text.usetex": True, "figure.facecolor": "black", "axes.grid": True}
    ):
        before = dict(mpl.rcParams)
        assert draw() == plain
        assert dict(mpl.rcParams) == before


DRAW = """
import os, sys
from ccf_assets.pictures.track import track_file
png = track_file([], 100.0, "A track")
import matplotlib
assert os.environ["MPLBACKEND"] == sys.argv[1]
assert (matplotlib.rcParams["backend"] == sys.argv[1]) == (sys.argv[2] == "True")
sys.stdout.buffer.write(png)
"""


@pytest.mark.parametrize(
    ("backend", "is_there"),
    [("not_installed_here", False), ("module://of.a.notebook", True), ("svg", True)],
)
def test_pictures_are_drawn_whatever_windows_the_shell_or_a_notebook_wants(
    backend: str, is_there: bool
) -> None:
    environment = {**os.environ, "MPLBACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", DRAW, backend, str(is_there)],
        check=False,
        capture_output=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"\x89PNG")


def test_a_plane_that_does_not_fit_is_refused() -> None:
    with pytest.raises(
        CcfError, match=re.escape("A coronal plane at 50 µm has shape (160, 228), not (80, 114).")
    ):
        Section(np.zeros((80, 114), np.uint32), "coronal", 6600, ccf_grid(50), "", {}).parts()
    with pytest.raises(CcfError, match="The plane holds region 7, which is not among the regions given"):
        of(np.full((80, 114), 7, np.uint32), shown={}).parts()


def test_a_region_of_one_voxel_keeps_its_colour_among_many() -> None:
    plane = np.arange(80 * 114, dtype=np.uint32).reshape(80, 114) // 57 % 199 + 1
    plane[40, 60] = 200
    styles = {i: RegionStyle(f"R{i}", "", f"{i * 77_777:06X}") for i in range(1, 201)}
    picture = plain(plane, shown=shown(styles)).reshape(-1, 3)
    assert set(map(tuple, picture.tolist())) >= {
        tuple(bytes.fromhex(styles[i].color_hex)) for i in np.unique(plane).tolist()
    }


def test_a_plane_outside_the_brain_names_no_region(drawn: list[Figure]) -> None:
    for crop in (True, False):
        assert plane_file(of(np.zeros((80, 114), np.uint32)), crop=crop)
        assert is_whole(drawn[-1])


# ---- depth chart and track


def test_the_depth_chart_has_a_bar_with_its_number_for_each_depth(drawn: list[Figure]) -> None:
    counts = dict(enumerate([1, 5, 18, 61, 109, 130, 262, 324, 272, 139, 6]))
    assert len(depth_chart_png(counts, "1,327 regions by depth")) < 30_000
    heights = [round(bar.get_height()) for bar in drawn[0].axes[0].patches]
    assert heights == list(counts.values())
    assert {str(count) for count in counts.values()} <= set(texts(drawn[0]))
    assert is_whole(drawn[0])


@pytest.mark.parametrize("count", [1, 3, 30, 120])
def test_labels_of_a_track_keep_their_order_and_do_not_overlap(drawn: list[Figure], count: int) -> None:
    random = np.random.default_rng(count)
    ends = np.cumsum(random.exponential(100, count) ** 2 + 1)
    starts = np.concatenate([[0], ends[:-1]])
    segments = [
        Segment(f"R{i}", f"{i * 99_991 % 2**24:06X}", *of)
        for i, of in enumerate(zip(starts, ends, strict=True))
    ]
    png = track_file([*reversed(segments)], float(ends[-1]), "A probe")
    assert is_whole(drawn[0])
    found = texts(drawn[0])
    boxes = [found[f"R{i}"] for i in range(count) if f"R{i}" in found]
    assert len(boxes) == min(count, TRACK_LABELS)
    assert all(upper[1] >= lower[3] for upper, lower in pairwise(boxes))
    middle = pixels(png)[:, 84 + 45]
    for segment in segments:
        if segment.end_um - segment.start_um > ends[-1] / 50:
            assert (middle == tuple(bytes.fromhex(segment.color_hex))).all(axis=1).any()


def test_where_a_probe_is_outside_the_brain_its_track_is_white(drawn: list[Figure]) -> None:
    segments = [Segment("A", "FF0000", 0, 1000), Segment("B", "0000FF", 3000, 4000)]
    middle = pixels(track_file(segments, 5000, "Through the air"))[92 : 92 + 560, 84 + 45]
    assert [tuple(middle[i]) for i in (56, 224, 392, 504)] == [(255, 0, 0), OUTSIDE, (0, 0, 255), OUTSIDE]
    nowhere = pixels(track_file([], 5000, "Beside the brain"))[92 : 92 + 560, 84 + 45]
    assert (nowhere[2:-2] == OUTSIDE).all()
    assert [figure.axes[0].get_ylim() for figure in drawn] == [(5000, 0), (5000, 0)]


def test_a_track_has_full_names_sides_and_where_its_ends_lie(drawn: list[Figure]) -> None:
    segments = [
        Segment("VISp1", "08858C", 0, 500, "Primary visual area, layer 1", "left"),
        Segment("root", "FFFFFF", 500, 1000, "unassigned brain tissue (root)", "left → right", hatched=True),
    ]
    picture = pixels(track_file(segments, 1000, "A probe", ("AP 1, DV 2, ML 3", "AP 4, DV 5, ML 6")))
    found = texts(drawn[0])
    told = {"Primary visual area, layer 1", "left", "left → right", "AP 1, DV 2, ML 3", "AP 4, DV 5, ML 6"}
    assert told <= set(found)
    assert found["AP 1, DV 2, ML 3"][1] > found["AP 4, DV 5, ML 6"][1]
    hatched = picture[92 + 300 : 92 + 540, 84 + 10 : 84 + 80].reshape(-1, 3)
    assert len(np.unique(hatched, axis=0)) > 2
    assert is_whole(drawn[0])
    svg = track_file(segments, 1000, "A probe", suffix=".svg").decode()
    assert ">Primary visual area, layer 1</text>" in svg


def test_a_track_that_makes_no_sense_is_refused() -> None:
    for start_um, end_um in ((5, 5), (-1, 5), (5, 11)):
        said = f"The segment in CA1 goes from {start_um} to {end_um} µm, which is no stretch of a track of 10"
        with pytest.raises(CcfError, match=said):
            track_file([Segment("CA1", "FF0000", start_um, end_um)], 10, "")


# ---- in the UI


def picture(metadata: figures.Metadata, name: str) -> np.ndarray:
    """The picture in metadata, as the UI reads it."""
    value = metadata[name]
    assert isinstance(value, dg.MarkdownMetadataValue)
    assert len(value.md_str or "") < 100_000
    found = re.match(r"!\[\w+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)(\n\n|$)", value.md_str or "")
    assert found
    return pixels(base64.b64decode(found[1]))


def of_latest(instance: dg.DagsterInstance, asset: str) -> figures.Metadata:
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.metadata  # type: ignore[return-value]


def test_a_loaded_atlas_shows_its_planes_and_its_depths(phantom_database: sa.Engine) -> None:
    with new_records() as instance:
        defs.resolve_job_def("load_atlas").execute_in_process(
            instance=instance,
            partition_key="phantom_100um",
            asset_selection=[dg.AssetKey(name) for name in ("annotation", "voxel_run", "region_parent")],
        )
        preview = of_latest(instance, "annotation")["preview"]
        assert isinstance(preview, dg.TableMetadataValue)
        sizes = [record.data["own_voxels"] for record in preview.records]
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) == LARGEST
        assert all(record.data["acronym"] and record.data["full_name"] for record in preview.records)
        planes = of_latest(instance, "voxel_run")
        assert picture(planes, "coronal").shape[1] < 1000
        assert planes["view_with"].value == "ccf-assets view --atlas phantom_100um"
        assert "viewer" not in planes
        assert picture(of_latest(instance, "region_parent"), "regions_by_depth").any()


@pytest.mark.parametrize(
    ("key", "expected"),
    [("phantom_25um", ["coronal", "sagittal", "horizontal"]), ("phantom_50um", ["coronal"])],
)
def test_an_atlas_is_shown_in_three_planes_and_the_same_brain_with_larger_voxels_in_one(
    key: str, expected: list[str], tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "structure_graph.csv"
    file.write_bytes(phantom_ontology.structure_graph_csv())
    runs = find_runs(phantom_volume.planes(100))
    ontology = functools.partial(read_structure_graph, file)
    planes = figures.planes_of_runs(logging.getLogger(), runs, atlas_entry(key), ccf_grid(100), ontology)
    assert [name for name in planes if picture(planes, name).shape[1] < 1000] == expected


def test_registered_sites_are_shown_over_the_plane_that_most_are_near(
    lab: RecordingsLab, drawn: list[Figure]
) -> None:
    lab.write("probe.csv", *(("a", i, ap, 3000, 4000 + 100 * i) for i, ap in enumerate((6000, 6900, 7000))))
    lab.write("beside.csv", ("b", 0, 6500, 90_000, 4000))
    lab.serve(new_recordings)
    lab.serve(unregistered_sites)  # those of the good file, beside which the other was refused
    shown = of_latest(lab.instance, "recording_region")
    assert picture(shown, "sites").any()
    assert next(iter(shown)) == "sites", "pictures come first"
    assert shown["assigned_share"].value == 1.0
    assert shown["view_with"].value == "ccf-assets view --atlas phantom_50um --recording a"
    found = set(texts(drawn[-1]))
    assert "Coronal, AP 6950 µm (−1.55 mm from bregma)" in found
    assert {"2 sites within 250 µm of the plane", "1 site farther off, not drawn", "a"} <= found
    assert any("50 µm" in text and "hantom" in text for text in found)  # the finest atlas, by its name


def test_without_sites_there_is_no_picture_of_them(lab: RecordingsLab, drawn: list[Figure]) -> None:
    lab.write("nowhere.csv", ("a", 0, 6500, 90_000, 4000))
    lab.serve(new_recordings)
    assert drawn == []


def test_a_picture_that_fails_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> str:
        raise ZeroDivisionError("no colour")

    log = logging.getLogger("a run")
    assert figures.shown(log, "coronal", fail) == {}
    assert caplog.messages == ["The picture coronal could not be drawn: ZeroDivisionError: no colour"]
    assert figures.shown(log, "coronal", lambda: None) == {}


def test_below_a_picture_each_region_is_linked_to_its_page(real_database: sa.Engine) -> None:
    drawn_ = section(atlas := Atlas("ccf_2017_25um", engine=real_database), "coronal", 8900)
    regions = looks_of(atlas)
    linked = region_links(drawn_, regions)
    assert "[VISp](https://atlas.brain-map.org/atlas?atlas=602630314#structure=385)" in linked
    without = {region: look for region, look in regions.items() if look.style.acronym != "VISp"}
    assert region_links(drawn_, without) == ""


def test_pages_say_how_to_view_what_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert how_to_view("ccf_2017_25um", {"mouse 7, day 3"})["view_with"].value == (
        "ccf-assets view --atlas ccf_2017_25um --recording 'mouse 7, day 3'"
    )
    many = how_to_view("ccf_2017_25um", [f"mouse {i}" for i in range(5)])
    assert many["view_with"].value == "ccf-assets view --atlas ccf_2017_25um"
    assert "viewer" not in many
    monkeypatch.setenv("CCF_VIEWER_URL", "http://lab:secret@viewer.lab/#!a@b")
    assert how_to_view("ccf_2017_25um")["viewer"].value == "http://viewer.lab/#!a@b"
