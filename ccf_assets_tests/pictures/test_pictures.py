"""The pictures: right to the pixel, whole, small; and in the UI without ever failing a load."""

from __future__ import annotations

import base64
import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Collection
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import matplotlib as mpl
import numpy as np
import pytest
import sqlalchemy as sa
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from ccf_assets.atlas import read
from ccf_assets.ccf.ontology import read_structure_graph
from ccf_assets.ccf.planes import PLANES, Orientation, Plane
from ccf_assets.db.loaded import pick_atlas
from ccf_assets.definitions import defs
from ccf_assets.defs import figures
from ccf_assets.defs.assets.files import LARGEST
from ccf_assets.defs.sensors import new_recordings, unregistered_sites
from ccf_assets.errors import CcfError
from ccf_assets.pictures import depth_chart, drawing, plane, track
from ccf_assets.pictures.depth_chart import depth_chart_png
from ccf_assets.pictures.drawing import RegionStyle
from ccf_assets.pictures.plane import plane_png
from ccf_assets.pictures.track import TRACK_LABELS, Segment, track_png
from ccf_assets_tests.support.grids import ccf_grid
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

    def keep(figure: Figure, kept: Collection[str] = ()) -> bytes:
        figures.append(figure)
        return png(figure, kept)

    for module in (plane, track, depth_chart):
        monkeypatch.setattr(module, "png", keep)
    return figures


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def texts(figure: Figure) -> dict[str, tuple[float, float, float, float]]:
    """What stands on a figure, and where: left, bottom, right, top in pixels."""
    found = [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_visible() and t.get_text()]
    return {t.get_text(): t.get_window_extent().extents for t in found if t.get_window_extent().width}


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


OUTSIDE = (0xE6, 0xE6, 0xE6)

# ---- a plane


@pytest.mark.parametrize(
    ("orientation", "resolution_um"), [("coronal", 10), ("sagittal", 25), ("horizontal", 100)]
)
def test_every_pixel_of_a_plane_has_the_colour_of_its_voxel(
    orientation: Orientation, resolution_um: int
) -> None:
    plane = blocks(orientation, 1000 // resolution_um, resolution_um)
    picture = pixels(plane_png(plane, orientation, 5000, ccf_grid(resolution_um), STYLES, title="Squares"))
    shown = (np.array(plane.shape) * resolution_um / 12.5).astype(int)
    area = picture[74 : 74 + shown[0], 76 : 76 + shown[1]]
    colours = {0: OUTSIDE, **{i: tuple(bytes.fromhex(s.color_hex)) for i, s in STYLES.items()}}
    # A millimetre is 80 pixels: the middles of the squares, but those under letters and the scale bar.
    compared = 0
    for row in range(20, shown[0], 80):
        for column in range(20, shown[1], 80):
            id_ = int(
                plane[int((row + 0.5) * 12.5 // resolution_um), int((column + 0.5) * 12.5 // resolution_um)]
            )
            if id_:
                assert tuple(area[row, column]) == colours[id_]
                compared += 1
    assert compared > 50
    # Borders are darker, one pixel wide, and the outside has none.
    first = np.array(colours[int(plane[1000 // resolution_um + 1, 1000 // resolution_um + 1])])
    assert (area[100, 79] == (np.array(OUTSIDE) * 0.55).astype(int)).all()
    assert (area[100, 80] == first).all()
    assert tuple(area[100, 78]) == OUTSIDE


@pytest.mark.parametrize(
    ("orientation", "um_per_pixel"), [("coronal", 24), ("sagittal", 12.5), ("horizontal", 24)]
)
def test_nothing_on_a_plane_is_clipped_whatever_its_names(
    drawn: list[Figure], orientation: Orientation, um_per_pixel: float
) -> None:
    styles = {i: RegionStyle("W" * 20, "W" * 90 + f" {i} $x^2$", "123456") for i in STYLES}
    sites = np.full((3, 3), np.nan)
    title = "A recording with a name that does not end " * 8
    plane = blocks(orientation, 40, 25)
    plane_png(
        plane, orientation, 5000, ccf_grid(25), styles, title=title, sites=sites, um_per_pixel=um_per_pixel
    )
    assert all(map(is_whole, drawn))
    assert any(text.startswith("A recording") and text.endswith("…") for text in texts(drawn[0]))
    assert {"0 sites within 250 µm of the plane", "0 sites farther off", "3 sites outside the volume"} < set(
        texts(drawn[0])
    )


@pytest.mark.parametrize(
    ("orientation", "um", "where", "how", "letters", "across", "down"),
    [
        ("coronal", 6600, "AP 6600", "the left of the brain on the left", "LR", "ML", "DV"),
        ("horizontal", 12.5, "DV 12.5", "the left of the brain on the left", "LR", "ML", "AP"),
        ("sagittal", 5699, "ML 5699", "anterior on the left, in the left hemisphere", "AP", "AP", "DV"),
        ("sagittal", 5700, "ML 5700", "anterior on the left, at the midline", "AP", "AP", "DV"),
        ("sagittal", 6000, "ML 6000", "anterior on the left, in the right hemisphere", "AP", "AP", "DV"),
    ],
)  # fmt: skip
def test_a_plane_says_how_it_is_to_be_read(
    drawn: list[Figure],
    orientation: Orientation,
    um: float,
    where: str,
    how: str,
    letters: str,
    across: str,
    down: str,
) -> None:
    plane_png(blocks(orientation, 40, 100), orientation, um, ccf_grid(100), STYLES, title="Squares")
    found = texts(drawn[0])
    up = "anterior" if orientation == "horizontal" else "dorsal"
    told = f"{orientation.capitalize()} plane at {where} µm: {up} up, {how}."
    assert {told, "1 mm", *letters, f"{across}, CCF µm", f"{down}, CCF µm"} <= set(found)
    assert found[letters[0]][0] < found[letters[1]][0]


def test_the_scale_bar_is_a_millimetre_long() -> None:
    picture = pixels(plane_png(blocks("coronal", 40, 100), "coronal", 6600, ccf_grid(100), STYLES, title=""))
    ink = (picture == np.array(tuple(bytes.fromhex("1A1A1A")))).all(axis=2)[74 + 600 : 74 + 639, 76:476]
    longest = max(len(run) for row in ink for run in "".join("#" if i else " " for i in row).split())
    assert longest == 1000 / 12.5


def test_the_legend_names_the_largest_regions_first(drawn: list[Figure]) -> None:
    plane = np.zeros((80, 114), np.uint32)
    for i in range(1, 40):
        plane[2 * i, : 2 * i] = i
    styles = {i: RegionStyle(f"R{i}", f"Region {i}", "80C0FF") for i in range(1, 40)}
    plane_png(plane, "coronal", 6600, ccf_grid(100), styles, title="Lines")
    found = texts(drawn[0])
    named = sorted((key for key in found if key.startswith("Region ")), key=lambda key: -found[key][1])
    assert named == [f"Region {i}" for i in range(39, 23, -1)]
    assert "and 23 more" in found


def test_sites_are_drawn_where_they_are_and_told_apart_by_distance(drawn: list[Figure]) -> None:
    plane = np.ones((320, 456), np.uint32)
    styles = {1: RegionStyle("x", "x", "FF0000")}
    sites = [(6600, 4000, 3000), (6850, 4000, 5000), (6851, 4000, 8000), (np.nan, 1, 1), (1, 1, 11_400)]
    picture = pixels(plane_png(plane, "coronal", 6600, ccf_grid(25), styles, title="", sites=sites))
    for ml, green in ((3000, 0), (5000, 0), (8000, 128)):  # black, black, half white on red
        row, column = 74 + 320, 76 + int(ml / 12.5)
        around = picture[row - 1 : row + 2, column - 1 : column + 2]
        assert (abs(around[..., 1].astype(int) - green) <= 40).any()
    beside = picture[74 + 320, 76 + 240 : 76 + 250]
    assert (beside[:, 1] > 200).any()  # the ring is white, its surroundings red
    assert {
        "2 sites within 250 µm of the plane",
        "1 site farther off",
        "2 sites outside the volume",
    } <= set(texts(drawn[0]))


def test_the_sites_of_a_dense_probe_are_a_black_line_in_a_white_one() -> None:
    plane = np.ones((320, 456), np.uint32)
    sites = [(6600, um, 5700) for um in range(2000, 4000, 20)]
    styles = {1: RegionStyle("x", "x", "FF0000")}
    picture = pixels(plane_png(plane, "coronal", 6600, ccf_grid(25), styles, title="", sites=sites))
    line = picture[74 + 170 : 74 + 310, 76 + 456 - 10 : 76 + 456 + 10]
    assert (line[:, 10] == 0).all()
    assert (line[:, :10, 1].max(axis=1) > 200).all()
    assert (line[:, 10:, 1].max(axis=1) > 200).all()


def test_planes_of_the_brain_are_small_and_in_the_allen_colours(
    real_database: sa.Engine, ccf_data: Callable[[str], Path]
) -> None:
    atlas = pick_atlas(real_database, "ccf_2017_25um")
    graph = read_structure_graph(ccf_data("ontology/structure_graph.csv"))
    rows = graph.select("region_id", "acronym", "full_name", "color_hex").iter_rows()
    styles = {i: RegionStyle(*look) for i, *look in rows}
    sites = np.random.default_rng(0).uniform(0, (13_200, 8_000, 11_400), (100_000, 3))
    for orientation, um in (("coronal", 6600.0), ("sagittal", 4300.0), ("horizontal", 4000.0)):
        plane = read.plane(real_database, atlas, orientation, um)
        png = plane_png(plane, orientation, um, ccf_grid(25), styles, title="CCFv3 2017 at 25 µm")
        assert len(png) < 100_000
        ids = np.unique(plane[plane != 0])
        shown = set(map(tuple, np.unique(pixels(png).reshape(-1, 3), axis=0).tolist()))
        assert {tuple(bytes.fromhex(styles[i].color_hex)) for i in ids.tolist()} <= shown
        scale = figures.UM_PER_PIXEL
        crowded = plane_png(
            plane, orientation, um, ccf_grid(25), styles, title="", sites=sites, um_per_pixel=scale
        )
        assert len(crowded) < 150_000


def test_the_same_plane_is_the_same_bytes_whatever_matplotlib_is_set_to() -> None:
    plane = blocks("coronal", 40, 100)

    def draw() -> bytes:
        return plane_png(plane, "coronal", 6600, ccf_grid(100), STYLES, title="Squares")

    plain = draw()
    with mpl.rc_context(
        {"font.size": 30, "text.usetex": True, "figure.facecolor": "black", "axes.grid": True}
    ):
        before = dict(mpl.rcParams)
        assert draw() == plain
        assert dict(mpl.rcParams) == before


DRAW = """
import os, sys
from ccf_assets.pictures.track import track_png
png = track_png([], 100.0, "A track")
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
        plane_png(np.zeros((80, 114), np.uint32), "coronal", 6600, ccf_grid(50), {}, title="")
    with pytest.raises(CcfError, match="The plane holds region 7, which is not among the regions given"):
        plane_png(np.full((80, 114), 7, np.uint32), "coronal", 6600, ccf_grid(100), {}, title="")


def test_a_region_of_one_voxel_keeps_its_colour_among_many() -> None:
    plane = np.arange(80 * 114, dtype=np.uint32).reshape(80, 114) // 57 % 199 + 1
    plane[40, 60] = 200
    styles = {i: RegionStyle(f"R{i}", "", f"{i * 77_777:06X}") for i in range(1, 201)}
    picture = pixels(plane_png(plane, "coronal", 0, ccf_grid(100), styles, title="")).reshape(-1, 3)
    assert set(map(tuple, picture.tolist())) >= {
        tuple(bytes.fromhex(styles[i].color_hex)) for i in np.unique(plane).tolist()
    }


def test_the_root_is_told_from_what_is_outside_the_brain(drawn: list[Figure]) -> None:
    plane = np.zeros((80, 114), np.uint32)
    plane[:, 57:] = 997
    styles = {997: RegionStyle("root", "root", "FFFFFF")}
    picture = pixels(plane_png(plane, "coronal", 0, ccf_grid(100), styles, title=""))
    assert tuple(picture[74 + 300, 76 + 200]) == OUTSIDE
    assert tuple(picture[74 + 300, 76 + 600]) == (255, 255, 255)
    assert "outside the brain" in texts(drawn[0])


def test_a_plane_outside_the_brain_names_no_region(drawn: list[Figure]) -> None:
    assert plane_png(
        np.zeros((80, 114), np.uint32), "coronal", 0, ccf_grid(100), {}, title="Before the brain"
    )
    assert is_whole(drawn[0])


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
    png = track_png([*reversed(segments)], float(ends[-1]), "A probe")
    assert is_whole(drawn[0])
    found = texts(drawn[0])
    boxes = [found[f"R{i}"] for i in range(count) if f"R{i}" in found]
    assert len(boxes) == min(count, TRACK_LABELS)
    assert all(upper[1] >= lower[3] for upper, lower in pairwise(boxes))
    middle = pixels(png)[:, 84 + 45]
    for segment in segments:
        if segment.end_um - segment.start_um > ends[-1] / 50:
            assert (middle == tuple(bytes.fromhex(segment.color_hex))).all(axis=1).any()


def test_where_a_probe_is_outside_the_brain_its_track_is_grey(drawn: list[Figure]) -> None:
    segments = [Segment("A", "FF0000", 0, 1000), Segment("B", "0000FF", 3000, 4000)]
    middle = pixels(track_png(segments, 5000, "Through the air"))[76 : 76 + 560, 84 + 45]
    assert [tuple(middle[i]) for i in (56, 224, 392, 504)] == [(255, 0, 0), OUTSIDE, (0, 0, 255), OUTSIDE]
    nowhere = pixels(track_png([], 5000, "Beside the brain"))[76 : 76 + 560, 84 + 45]
    assert (nowhere[2:-2] == OUTSIDE).all()
    assert [figure.axes[0].get_ylim() for figure in drawn] == [(5000, 0), (5000, 0)]


def test_a_track_that_makes_no_sense_is_refused() -> None:
    for start_um, end_um in ((5, 5), (-1, 5), (5, 11)):
        said = f"The segment in CA1 goes from {start_um} to {end_um} µm, which is no stretch of a track of 10"
        with pytest.raises(CcfError, match=said):
            track_png([Segment("CA1", "FF0000", start_um, end_um)], 10, "")


# ---- in the UI


def picture(metadata: figures.Metadata, name: str) -> np.ndarray:
    """The picture in metadata, as the UI reads it."""
    value = metadata[name]
    assert isinstance(value, dg.MarkdownMetadataValue)
    assert len(value.md_str or "") < 100_000
    found = re.fullmatch(r"!\[\w+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", value.md_str or "")
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
        sizes = [picture(planes, orientation).shape for orientation in PLANES]
        assert all(width < 1000 for _, width, _ in sizes)
        assert picture(of_latest(instance, "region_parent"), "regions_by_depth").any()


def test_registered_sites_are_shown_over_the_plane_through_their_median(
    lab: RecordingsLab, drawn: list[Figure]
) -> None:
    lab.write("probe.csv", *(("a", i, ap, 3000, 4000 + 100 * i) for i, ap in enumerate((6000, 6500, 7000))))
    lab.write("beside.csv", ("b", 0, 6500, 90_000, 4000))
    lab.serve(new_recordings)
    lab.serve(unregistered_sites)  # those of the good file, beside which the other was refused
    shown = of_latest(lab.instance, "recording_region")
    assert picture(shown, "sites").any()
    assert next(iter(shown)) == "sites", "pictures come first"
    assert shown["assigned_share"].value == 1.0
    found = set(texts(drawn[-1]))
    assert "Coronal plane at AP 6500 µm: dorsal up, the left of the brain on the left." in found
    assert {"1 site within 250 µm of the plane", "2 sites farther off"} <= found
    assert any("50 µm" in text and "hantom" in text for text in found)  # the finest atlas, by its name


def test_without_sites_there_is_no_picture_of_them(lab: RecordingsLab, drawn: list[Figure]) -> None:
    lab.write("nowhere.csv", ("a", 0, 6500, 90_000, 4000))
    lab.serve(new_recordings)
    assert drawn == []


def test_a_picture_that_fails_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bytes:
        raise ZeroDivisionError("no colour")

    log = logging.getLogger("a run")
    assert figures.shown(log, "coronal", fail) == {}
    assert caplog.messages == ["The picture coronal could not be drawn: ZeroDivisionError: no colour"]
    assert figures.shown(log, "coronal", lambda: None) == {}
