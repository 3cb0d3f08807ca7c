"""`Atlas` answers what the files say: numpy on the annotation volume, the CSV for the hierarchy."""

from __future__ import annotations

import math
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
import sqlalchemy as sa
from matplotlib.figure import Figure

from ccf_assets import Atlas
from ccf_assets.atlas.export import export
from ccf_assets.ccf import nrrd
from ccf_assets.ccf.catalogue import BUILT_IN, atlas_entry
from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import from_ccf
from ccf_assets.ccf.space import EXTENT_UM
from ccf_assets.ccf.voxel_regions import RegionRuns
from ccf_assets.db import holdings, loaded, schema, site_regions
from ccf_assets.errors import CcfError
from ccf_assets.pg.connect import libpq_url
from ccf_assets_tests.support.grids import grid_of

KEY = "ccf_2017_25um"
CCF_UM = ["ccf_x_um", "ccf_y_um", "ccf_z_um"]
COLUMNS = ["atlas", *CCF_UM, "status", "hemisphere", "region_id", "acronym", "region_name"]


@pytest.fixture(scope="module")
def file(ccf_data: Callable[[str], Path]) -> npt.NDArray[np.uint32]:
    """The annotation at 25 µm as its file has it: (AP, DV, ML)."""
    entry = atlas_entry(KEY)
    return np.stack([plane.T for plane in nrrd.planes(ccf_data(entry.annotation), grid_of(KEY))], axis=2)


@pytest.fixture(scope="module")
def coarse(file: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The annotation at 50 µm, which is every second voxel of that at 25 µm."""
    return np.ascontiguousarray(file[::2, ::2, ::2])


@pytest.fixture(scope="module")
def structures(ccf_data: Callable[[str], Path]) -> Mapping[int, dict[str, str]]:
    """The rows of the ontology's CSV by id, in its order."""
    rows = pl.read_csv(ccf_data("ontology/structure_graph.csv"), infer_schema=False).to_dicts()
    return {int(row["id"]): row for row in sorted(rows, key=lambda row: int(row["graph_order"]))}


@pytest.fixture
def atlas(real_database: sa.Engine) -> Atlas:
    return Atlas(KEY)


# ---- which atlas


def test_the_finest_atlas_is_asked_unless_one_is_named(real_database: sa.Engine) -> None:
    finest, named = Atlas(), Atlas("ccf_2017_100um")
    assert (finest.key, finest.ccf_id, finest.resolution_um, finest.shape) == (KEY, 1, 25, (528, 320, 456))
    assert (repr(named), named.shape) == ("Atlas('ccf_2017_100um')", (132, 80, 114))
    with pytest.raises(CcfError, match="'ccf_2017_10um' is not loaded"):
        Atlas("ccf_2017_10um")


def test_the_package_offers_the_atlas_and_imports_nothing_until_it_is_asked() -> None:
    code = "import ccf_assets.cli.main, sys; print({'numpy', 'polars', 'sqlalchemy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


# ---- regions


def test_the_hierarchy_is_that_of_the_csv(atlas: Atlas, structures: Mapping[int, dict[str, str]]) -> None:
    regions = atlas.region("root").descendants
    assert [each.id for each in regions] == list(structures)
    inside: dict[int, list[int]] = {number: [] for number in structures}
    for number, row in structures.items():
        *above, itself = map(int, row["structure_id_path"].strip("/").split("/"))
        assert itself == number
        for ancestor in above:
            inside[ancestor].append(number)
        found = atlas.region(row["acronym"])
        assert (found.id, found.name, found.color_hex) == (number, row["name"], row["color_hex_triplet"])
        assert [each.id for each in found.around] == above
        assert [each.id for each in found.ancestors] == [number, *reversed(above)]
        assert found.depth == len(above)
        assert found.parent == (atlas.region(above[-1]) if above else None)
    for number, descendants in inside.items():
        found = atlas.region(number)
        assert [each.id for each in found.inside] == descendants
        assert [each.id for each in found.descendants] == [number, *descendants]
        children = [n for n in descendants if int(structures[n]["parent_structure_id"]) == number]
        assert [each.id for each in found.children] == children


@pytest.mark.parametrize("name", ["root", "VISp", "VISp1", "CA1"])
def test_ancestors_and_descendants_are_those_of_sql(
    atlas: Atlas, real_database: sa.Engine, name: str
) -> None:
    found = atlas.region(name)
    for function, ours in (("ancestors", found.ancestors), ("descendants", found.descendants)):
        with real_database.connect() as connection:
            query = sa.text(f"SELECT acronym FROM ccf.{function}(:ccf_id, :name)")
            theirs = connection.scalars(query, {"ccf_id": atlas.ccf_id, "name": name}).all()
        assert [each.acronym for each in ours] == theirs


def test_what_is_not_there_is_a_key_error_and_a_bad_value_a_value_error(atlas: Atlas, tmp_path: Path) -> None:
    visp = atlas.region("VISp")
    missing: list[Callable[[], object]] = [
        lambda: atlas.region("VISpx"),
        lambda: atlas.locate([[1, 2, 3]], "no_frame"),
        lambda: Atlas("no_atlas"),
        lambda: atlas.differences("no_atlas"),
        lambda: export(atlas._engine, "no_table", tmp_path / "x.csv", None, force=False),
    ]
    for ask in missing:
        with pytest.raises(KeyError) as unknown:
            ask()
        assert isinstance(unknown.value, CcfError)
        assert not str(unknown.value).startswith(("'", '"')), "the sentence, not its representation"
    bad: list[Callable[[], object]] = [
        lambda: visp.size("middle"),
        lambda: atlas.locate([1, 2]),
        lambda: atlas.slice("coronal", -1),
        lambda: atlas.slice("oblique", 1),  # type: ignore[arg-type]
        lambda: atlas.track((np.nan, 0, 0), (1, 2, 3)),
    ]
    for ask in bad:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is another test's
            ask()
        assert isinstance(refused.value, CcfError)


def test_the_regions_are_a_frame(atlas: Atlas, structures: Mapping[int, dict[str, str]]) -> None:
    frame = atlas.regions()
    assert frame["region_id"].to_list() == list(structures)
    assert frame["acronym"].to_list() == [row["acronym"] for row in structures.values()]
    assert frame.row(0, named=True)["voxels"] == 32_387_385


def test_sizes_are_those_of_the_volume(real_database: sa.Engine, coarse: npt.NDArray[np.uint32]) -> None:
    atlas = Atlas("ccf_2017_50um")
    for acronym in ("VISp", "CA1", "CUL4, 5"):
        region = atlas.region(acronym)
        mask = np.isin(coarse, [each.id for each in region.descendants])
        for size, part in ((region.left, mask[:, :, :114]), (region.right, mask[:, :, 114:])):
            assert size.voxels == part.sum()
            assert size.volume_mm3 == pytest.approx(part.sum() * 50**3 * 1e-9)
        assert region.centroid == pytest.approx(tuple((np.argwhere(mask).mean(axis=0) + 0.5) * 50))
        assert region.voxels == region.left.voxels + region.right.voxels
        assert np.array_equal(atlas.mask(acronym), mask)


def test_a_region_says_what_it_is(atlas: Atlas) -> None:
    visp = atlas.region("VISp")
    assert repr(visp) == "<Region VISp: Primary visual area (385, ccf_2017_25um)>"
    assert (visp.color, visp.depth, visp.volume_mm3) == ("#08858C", 7, pytest.approx(7.072875))
    assert [child.acronym for child in visp.children] == [
        "VISp1", "VISp2/3", "VISp4", "VISp5", "VISp6a", "VISp6b",
    ]  # fmt: skip
    with pytest.raises(CcfError, match="no hemisphere 'middle'; there are left, right, both"):
        visp.size("middle")


def test_a_region_that_the_volume_does_not_draw_names_the_nearest_that_it_does(
    atlas: Atlas, file: npt.NDArray[np.uint32], structures: Mapping[int, dict[str, str]]
) -> None:
    drawn = set()
    for painted in np.unique(file[file > 0]).tolist():
        drawn |= set(map(int, structures[painted]["structure_id_path"].strip("/").split("/")))
    assert len(structures) - len(drawn) == 488
    frame = dict(atlas.regions().select("acronym", "drawn_as").iter_rows())
    for number, row in structures.items():
        upwards = reversed(row["structure_id_path"].strip("/").split("/"))
        nearest = next(int(each) for each in upwards if int(each) in drawn)
        region = atlas.region(number)
        assert region.drawn_as == atlas.region(nearest)
        assert frame[region.acronym] == structures[nearest]["acronym"]
        assert bool(region.not_drawn) == (nearest != number)
    layer = atlas.region("CA1sp")
    assert layer.not_drawn == "not drawn in ccf_2017_25um; CA1 is"
    assert repr(layer) == (
        "<Region CA1sp: Field CA1, pyramidal layer (407, not drawn in ccf_2017_25um; CA1 is)>"
    )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Cm", "CM and cm differ by case only, and case matters"),
        ("VISpp", "did you mean VISp"),
        ("V1", "In everyday use it is VISp."),
        ("", "no region"),
        ("٣٨٥", "no region '٣٨٥'"),
        (5000 * "3", "no region '333"),
    ],
)
def test_an_unknown_region_is_answered_with_near_ones(atlas: Atlas, asked: str, words: str) -> None:
    with pytest.raises(CcfError, match=re.escape(words)):
        atlas.region(asked)


def test_a_search_finds_every_name_and_acronym_with_the_words(
    atlas: Atlas, structures: Mapping[int, dict[str, str]]
) -> None:
    for words in ("visual", "LAYER 4 visual", "ca1", "zzzz", ""):
        found = {each.id for each in atlas.search(words)}
        text = {
            n: "\n".join((r["acronym"], r["name"], r["safe_name"])).lower() for n, r in structures.items()
        }
        has_all = {n for n, t in text.items() if words and all(w in t for w in words.lower().split())}
        assert found == has_all
    assert atlas.search("ca1")[0].acronym == "CA1"
    assert atlas.search("primary visual area")[0].acronym == "VISp"
    assert [each.acronym for each in atlas.search("cm")][:2] == ["cm", "CM"]
    assert [each.acronym for each in atlas.search("CM")][:2] == ["CM", "cm"]


@pytest.mark.parametrize(
    ("words", "acronyms"),
    [
        ("hippocampus", ["HIP", "HPF"]),
        ("visual cortex", ["VIS"]),
        ("locus coeruleus", ["LC"]),
        ("barrel cortex", ["SSp-bfd"]),
        ("primary motor cortex", ["MOp"]),
        ("NAc", ["ACB"]),
        ("V1", ["VISp"]),
        ("VL", ["VL", "VAL"]),
        ("ceruleus coeruleus", ["LC"]),
        ("Caudoputomen", ["CP"]),
    ],
)
def test_a_search_knows_everyday_names_and_spellings_and_offers_the_nearest(
    atlas: Atlas, words: str, acronyms: list[str]
) -> None:
    assert [each.acronym for each in atlas.search(words)][: len(acronyms)] == acronyms


def test_a_search_without_likeness_finds_only_what_has_the_words(atlas: Atlas) -> None:
    assert atlas.search("Caudoputomen", near=False) == []
    assert [each.acronym for each in atlas.search("caudoputamen", near=False)] == ["CP"]


# ---- voxels


def test_the_volume_equals_the_file(atlas: Atlas, file: npt.NDArray[np.uint32]) -> None:
    dense = atlas.volume()
    assert dense.dtype == np.uint32
    assert np.array_equal(dense, file)


def test_a_mask_has_everything_inside_the_region_in_one_hemisphere_or_both(
    real_database: sa.Engine, coarse: npt.NDArray[np.uint32], structures: Mapping[int, dict[str, str]]
) -> None:
    atlas = Atlas("ccf_2017_50um")
    whole = np.isin(coarse, [n for n, row in structures.items() if "/549/" in row["structure_id_path"]])
    left, right = atlas.mask("TH", "left"), atlas.mask(549, "right")
    assert left.dtype == bool
    assert np.array_equal(left[:, :, :114], whole[:, :, :114])
    assert not left[:, :, 114:].any()
    assert np.array_equal(left ^ right, whole)
    [empty, *_] = [region for region in atlas.region("root").descendants if not region.voxels]
    assert not atlas.mask(empty.id).any()
    assert empty.centroid is None
    with pytest.raises(CcfError, match="no hemisphere 'Left'"):
        atlas.mask("TH", "Left")


def test_a_slice_is_a_plane_of_the_file(atlas: Atlas, file: npt.NDArray[np.uint32]) -> None:
    assert np.array_equal(atlas.slice("coronal", 6600), file[264])
    assert np.array_equal(atlas.slice("horizontal", 3024.9), file[:, 120, :])
    assert np.array_equal(atlas.slice("sagittal", 5700), file[:, :, 228].T)
    with pytest.raises(CcfError, match="outside the volume"):
        atlas.slice("coronal", 13_200)


# ---- points


def _points(frame: str) -> npt.NDArray[np.float64]:
    """Points in a frame: in and around the volume, on its faces, and those that are none."""
    rng = np.random.default_rng(0)
    box = rng.uniform((-500, -500, -500), np.array(EXTENT_UM) + 500, (4_000, 3))
    corners = np.array(
        [[x, y, z] for x in (0, 6600, 13_200) for y in (0, 4000, 8000) for z in (0, 5700, 11_400)]
    )
    places = np.concatenate([box, rng.integers(0, 320, (500, 3)) * 25.0, corners, np.nextafter(corners, 0)])
    given = from_ccf(FRAMES[frame], *places.T, surface_y=600.0)
    odd = np.tile(given[2000], (11, 1))
    odd[range(6), [0, 1, 2, 0, 1, 2]] = [np.nan, np.nan, np.nan, np.inf, -np.inf, 1e31]
    odd[6], odd[7] = (np.nan, np.inf, 0), (1e-31, -0.0, 1e-300)
    odd[9], odd[10] = np.nan, (np.nan, 0, np.nan)
    return np.concatenate([given, odd])


@pytest.mark.parametrize("frame", FRAMES)
def test_memory_and_database_answer_the_same_for_every_point_in_every_frame(
    real_database: sa.Engine, grid_atlas: Atlas, frame: str
) -> None:
    points = _points(frame)
    from_memory = grid_atlas.locate(points, frame)
    query = site_regions.site_regions(
        site_regions.given_sites(frame, *points.T),
        loaded.select_loaded_atlases().where(schema.atlas.c.ccf_id == 1),
    )
    with real_database.connect() as connection:
        rows = sorted(connection.execute(query).mappings(), key=lambda row: row["site_id"])
    for axis, name in enumerate("xyz"):
        expected = np.array([row[name] for row in rows], dtype=float)
        assert np.array_equal(from_memory.ccf_um[:, axis], expected, equal_nan=True)
    assert from_memory.status.tolist() == [row["status"] for row in rows]
    assert from_memory.region_id.tolist() == [row["region_id"] or 0 for row in rows]
    assert from_memory.hemisphere.tolist() == [row["hemisphere"] for row in rows]
    few = Atlas(KEY).locate(points, frame)  # asks the database
    assert np.array_equal(few.ccf_um, from_memory.ccf_um, equal_nan=True)
    for answer in ("status", "region_id", "hemisphere", "acronym", "region_name"):
        assert getattr(few, answer).tolist() == getattr(from_memory, answer).tolist()
    assert set(from_memory.status) >= {"missing", "invalid_nan", "invalid_infinite", "outside_volume"}


def test_an_atlas_too_large_for_an_array_of_voxels_answers_the_same_from_its_runs(
    real_database: sa.Engine, grid_atlas: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = "stereotaxic"
    monkeypatch.setattr("ccf_assets.db.read.LARGEST_DENSE", 0)
    monkeypatch.setattr("ccf_assets.atlas.asked.LARGEST_DENSE", 0)
    monkeypatch.setattr("ccf_assets.atlas.asked.FEW_POINTS_OF_LARGE", 10)
    large, points = Atlas(KEY), _points(frame)
    asked = large.locate(points[:10], frame).region_id
    of_runs, of_voxels = large.locate(points, frame), grid_atlas.locate(points, frame)
    assert asked.tolist() == of_runs.region_id[:10].tolist()
    assert isinstance(large._voxels, RegionRuns)
    for answer in ("status", "region_id", "hemisphere"):
        assert getattr(of_runs, answer).tolist() == getattr(of_voxels, answer).tolist()
    assert np.array_equal(of_runs.ccf_um, of_voxels.ccf_um, equal_nan=True)


_GRID: dict[str, Atlas] = {}


@pytest.fixture
def grid_atlas(real_database: sa.Engine) -> Atlas:
    """An atlas that is in memory; it is read once."""
    if not _GRID:
        _GRID[KEY] = Atlas(KEY)
        assert len(_GRID[KEY].locate(np.zeros((10_001, 3)))) == 10_001
    return _GRID[KEY]


def test_points_have_the_region_of_their_voxel_in_the_file(
    grid_atlas: Atlas, file: npt.NDArray[np.uint32]
) -> None:
    points = np.random.default_rng(1).uniform(0, EXTENT_UM, (100_000, 3))
    i, j, k = (points // 25).astype(int).T
    found = grid_atlas.locate(points)
    assert np.array_equal(found.region_id, file[i, j, k])
    assert np.array_equal(found.ccf_um, points)
    assert set(found.status) == {"assigned", "outside_brain"}
    assert np.array_equal(found.hemisphere == "right", points[:, 2] >= 5700)


def test_the_last_number_inside_the_volume_is_in_the_last_voxel() -> None:
    for grid in map(grid_of, BUILT_IN):
        for voxels, extent, edge in zip(grid.shape, EXTENT_UM, grid.edges_um, strict=True):
            assert math.floor(np.nextafter(extent, 0) / edge) == voxels - 1


def test_arrays_polars_and_pandas_get_the_same_answers_in_kind(atlas: Atlas) -> None:
    points = np.array([[8900, 1300, 8200], [100, 100, 100], [-1, 2, 3], [np.nan, 2, 3]])
    found = atlas.locate(points)
    assert found.acronym.tolist() == ["VISp5", None, None, None]
    assert found.region_name.tolist()[0] == "Primary visual area layer 5"
    assert found.status.tolist() == ["assigned", "outside_brain", "outside_volume", "invalid_nan"]
    assert found.hemisphere.tolist() == ["right", "left", None, None]

    frame = pl.DataFrame(points, schema=["ap", "dv", "ml"]).with_columns(n=pl.Series(["a", "b", "c", "d"]))
    polars = atlas.locate(frame.with_columns(pl.col("ap").fill_nan(None)))
    assert polars.columns == ["ap", "dv", "ml", "n", *COLUMNS]
    assert polars.select(COLUMNS).equals(found.to_polars())
    assert polars["region_id"].to_list() == [778, None, None, None]
    assert polars["ccf_x_um"].to_list() == [8900, 100, -1, None]

    table = pd.DataFrame(points, columns=["x", "y", "z"], index=[7, 5, 7, 1])
    pandas = atlas.locate(table)
    assert list(pandas.index) == [7, 5, 7, 1]
    assert pandas["region_id"].dtype == "Int32"
    assert pandas["acronym"].fillna("").tolist() == ["VISp5", "", "", ""]
    assert list(table.columns) == ["x", "y", "z"]

    mixed = pd.DataFrame({"ap": [Decimal(8900), None], "dv": [1300, 2.5], "ml": [8200, pd.NA]}, dtype=object)
    assert atlas.locate(mixed)["status"].tolist() == ["assigned", "invalid_nan"]
    assert atlas.locate([[Decimal(8900), 1300, 8200.0], [None, 2, 3]]).status.tolist() == [
        "assigned",
        "invalid_nan",
    ]

    one = atlas.locate([8900, 1300, 8200])
    assert (len(one), one.acronym[0]) == (1, "VISp5")
    assert len(atlas.locate(np.empty((0, 3)))) == 0
    assert atlas.locate(frame.clear()).columns == polars.columns


def test_a_taken_name_gets_our_prefix(atlas: Atlas) -> None:
    frame = pl.DataFrame({"ap": [8900], "dv": [1300], "ml": [8200], "status": ["good"]})
    found = atlas.locate(frame)
    assert found.select("status", "ccf_status").row(0) == ("good", "assigned")
    with pytest.raises(CcfError, match="have a column ccf_status already"):
        atlas.locate(found.drop(set(COLUMNS) - {"status"}))


def test_x_y_z_are_in_the_order_of_the_frame(atlas: Atlas) -> None:
    ml, ap, dv = -0.002, -0.0035, -0.001
    found = atlas.locate(pl.DataFrame({"x": [ml], "y": [ap], "z": [dv]}), "ibl")
    assert found["acronym"].to_list() == atlas.locate([ap, dv, ml], "ibl").acronym.tolist()
    assert found["hemisphere"].to_list() == ["left"]


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.zeros((3, 2)), "shape (N, 3)"),
        ([[1, 2, 3], [1, 2]], "array of numbers"),
        ("VISp", "array of numbers (N, 3), or a polars or pandas DataFrame, not str."),
        (pl.LazyFrame({"ap": [1], "dv": [2], "ml": [3]}), "polars or pandas DataFrame, not LazyFrame."),
        (np.zeros((2, 2, 3)), "shape (N, 3)"),
        ([["1", "2", "3"]], "The array of points does not hold numbers but <U1."),
        ([[1, None, "3"]], "The array of points does not hold numbers but str."),
        ([[1, None, True]], "The array of points does not hold numbers but bool."),
        ([[True, False, True]], "The array of points does not hold numbers but bool."),
        ([[1j, 2, 3]], "The array of points does not hold numbers but complex128."),
        (pl.DataFrame({"a": [1]}), "must have columns ap, dv, ml"),
        (
            pl.DataFrame({"ap": ["1"], "dv": [2], "ml": [3]}),
            "column ap of the points does not hold numbers but",
        ),
        (
            pl.DataFrame({"ap": [1], "dv": [True], "ml": [3]}),
            "column dv of the points does not hold numbers but",
        ),
        (
            pd.DataFrame({"ap": ["1"], "dv": [2], "ml": [3]}),
            "column ap of the points does not hold numbers but",
        ),
        (
            pd.DataFrame({"ap": [1], "dv": [True], "ml": [3]}),
            "column dv of the points does not hold numbers but",
        ),
        (
            pd.DataFrame({"ap": [1, True], "dv": 2, "ml": 3}, dtype=object),
            "column ap of the points does not hold numbers but",
        ),
        (pd.DataFrame([[1, 2, 3, 4]], columns=["ap", "ap", "dv", "ml"]), "has the column ap more than once"),
    ],
)
def test_what_is_no_points_is_refused_in_a_sentence(atlas: Atlas, points: Any, words: str) -> None:
    with pytest.raises(CcfError, match=re.escape(words)):
        atlas.locate(points)
    with pytest.raises(CcfError, match="no coordinate frame 'alen'"):
        atlas.locate([1, 2, 3], "alen")


# ---- pictures


def test_a_plot_is_a_plane_in_axes_of_its_own_or_of_somebody(atlas: Atlas) -> None:
    figure = Figure()
    mine = figure.subplots()
    axes = atlas.plot("coronal", 8900, sites=[[8900, 1300, 8200], [1000, 1300, 8200]], ax=mine)
    assert axes is mine
    assert axes.get_title() == "Coronal, AP 8900 µm (−3.50 mm from bregma)"
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert 0 <= left < right <= 11_400
    assert low > high, "dorsal is up"
    drawn = [tuple(each.get_offsets()[0]) for each in axes.collections]
    assert all(place == pytest.approx((8200, 1300), abs=15) for place in drawn)
    assert len(drawn) == 2, "a ring and a dot: the other site is too far from the plane"
    narrow = atlas.plot("coronal", 8900, ax=Figure(figsize=(3.5, 2.5)).subplots())
    assert narrow.title.get_window_extent().width <= narrow.get_window_extent().width * 1.02
    with_values = atlas.plot("sagittal", 4000, values={"VISp": 1, 382: 2}, crop=False)
    assert with_values.get_xlim() == pytest.approx((0, 13_200), abs=30)
    assert len(with_values.figure.axes) == 2, "a colour bar"
    with pytest.raises(CcfError, match="no region 'VISq'"):
        atlas.plot("coronal", 8900, regions="VISq")  # one name is enough


# ---- tracks and sites


def test_a_track_has_the_regions_of_the_voxels_it_passes(atlas: Atlas, file: npt.NDArray[np.uint32]) -> None:
    for start, end in np.random.default_rng(2).uniform(0, EXTENT_UM, (20, 2, 3)):
        track = atlas.track(start, end)
        assert track.columns == ["region_id", "acronym", "entry_um", "exit_um", "length_um"]
        length = float(np.linalg.norm(end - start))
        assert track["length_um"].sum() == pytest.approx(length)
        middle = ((track["entry_um"] + track["exit_um"]) / 2 / length).to_numpy()[:, None]
        i, j, k = ((start + middle * (end - start)) // 25).astype(int).T
        assert track["region_id"].fill_null(0).to_list() == file[i, j, k].tolist()
    in_metres = atlas.track((-0.0035, 0.0, -0.002), (-0.0035, -0.004, -0.002), "ibl")
    assert in_metres["exit_um"][-1] == pytest.approx(4000)
    with pytest.raises(CcfError, match="no place in the CCF"):
        atlas.track((np.nan, 0, 0), (1, 2, 3))
    with pytest.raises(CcfError, match=r"^The track has no length: it begins and ends at \(1, 2, 3\); .*\.$"):
        atlas.track((1, 2, 3), (1, 2, 3))


def test_sites_in_a_region_are_a_frame_with_or_without_a_row(phantom_database: sa.Engine) -> None:
    atlas = Atlas("phantom_50um")
    nothing = atlas.sites_in("VISp")
    assert nothing.height == 0
    centre = atlas.region("CA1").left.centroid
    assert centre is not None
    inside = atlas.locate(centre).region_id[0]
    with phantom_database.begin() as connection:
        for number, region_id, status in ((3, int(inside), "assigned"), (4, None, "outside_brain")):
            site = {"recording_id": "m1", "site_id": number, "source": "inserted"}
            connection.execute(sa.insert(schema.recording_site).values(**site, ap=1, dv=2, ml=3, frame="ccf"))
            connection.execute(
                sa.insert(schema.recording_region).values(
                    **site, x=1, y=2, z=3, region_id=region_id, status=status,
                    ccf_id=atlas.ccf_id, voxels_of=1, surface_of=1,
                )
            )  # fmt: skip
    found = atlas.sites_in(atlas.region(int(inside)).acronym)
    assert found.schema == nothing.schema
    assert found.select("recording_id", "site_id").rows() == [("m1", 3)]
    every = atlas.sites()
    assert every.schema == nothing.schema
    assert every.select("site_id", "status").rows() == [(3, "assigned"), (4, "outside_brain")]


def test_an_answer_shows_what_became_of_the_points(atlas: Atlas) -> None:
    located = atlas.locate([[6600, 4000, 5000], [0, 0, 0], [np.nan, 0, 0]])
    first, header, *rows = repr(located).splitlines()
    assert first == f"<Located in {atlas.key}: 1 assigned, 1 outside_brain, 1 invalid_nan>"
    assert header.split()[3:] == ["acronym", "hemisphere", "status", "region_name"]
    assert rows[0].split()[:4] == ["6600.0", "4000.0", "5000.0", located.acronym[0]]
    assert [row.split()[5] for row in rows] == ["assigned", "outside_brain", "invalid_nan"]
    assert repr(atlas.locate([[6600, 4000, 5000]] * 1200)).splitlines()[12:] == [" … and 1,190 more"]
    assert repr(atlas.locate(np.empty((0, 3)))) == f"<Located in {atlas.key}: no point>"


# ---- a snapshot


def test_an_atlas_that_is_loaded_again_or_dropped_is_not_mixed(phantom_database: sa.Engine) -> None:
    atlas = Atlas("phantom_100um")
    before = atlas.locate([[6600, 4000, 5000]]).acronym.tolist()
    assert before != [None]
    holdings.drop_atlas(phantom_database, atlas.ccf_id)
    assert atlas.region("VISp").acronym == "VISp"
    for ask in (
        atlas.volume,
        atlas.sites,
        lambda: atlas.sites_in("VISp"),
        lambda: atlas.locate([1, 2, 3]),
        lambda: atlas.slice("coronal", 6600),
    ):
        with pytest.raises(CcfError, match=re.escape("make another: Atlas('phantom_100um')")):
            ask()


@pytest.mark.parametrize("tiny", [5e-324, 1e-310, 1e-300, 1e-30, 1e-20])
def test_what_is_just_beside_the_volume_is_outside_it_however_little(
    phantom_database: sa.Engine, tiny: float
) -> None:
    points = np.tile([6600.0, 4000.0, 5700.0], (6, 1))
    for axis in range(3):
        points[axis, axis], points[3 + axis, axis] = tiny, -tiny
    asked, in_memory = Atlas("phantom_100um"), Atlas("phantom_100um")
    assert in_memory._voxels is not None
    expected = ["outside_brain"] * 3 + ["outside_volume"] * 3
    assert asked.locate(points).status.tolist() == expected
    assert in_memory.locate(points).status.tolist() == expected


# ---- in other processes

IN_A_POOL = """
import multiprocessing, sys
from ccf_assets import Atlas

if __name__ == "__main__":
    atlas = Atlas("phantom_100um")
    points = [[[6600, 3000, 4000 + 100 * i]] for i in range(20)]
    here = [atlas.locate(each).acronym for each in points]
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        assert [each.acronym for each in pool.map(atlas.locate, points)] == here
        assert [r.acronym for r in pool.map(atlas.region, ["VISp", "TH"])] == ["VISp", "TH"]
    print(here[0][0])
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_an_atlas_answers_in_the_processes_of_a_pool(
    phantom_database: sa.Engine, tmp_path: Path, method: str
) -> None:
    script = tmp_path / "pool.py"
    script.write_text(IN_A_POOL)
    done = subprocess.run(
        [sys.executable, script, method], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    region = Atlas("phantom_100um").locate([6600, 3000, 4000]).acronym[0]
    assert done.stdout == f"{region}\n"


def test_a_pickled_atlas_holds_no_address_and_what_was_read_is_shared(
    phantom_database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = phantom_database.url.set(password="s3cret-word")  # not asked for on this server
    monkeypatch.setenv("CCF_POSTGRES_URL", libpq_url(url))
    atlas = Atlas("phantom_100um")
    pickled = pickle.dumps(atlas)
    for secret in ("s3cret", str(url.database), str(url.query.get("host", url.host))):
        assert secret.encode() not in pickled
    one, other = pickle.loads(pickled), pickle.loads(pickled)
    assert one.key == "phantom_100um"
    assert one is other, "so that each task of a pool need not read the atlas again"
    assert one.region("VISp") == atlas.region("VISp")


def test_an_atlas_with_an_engine_of_its_own_is_not_handed_on(
    phantom_database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = sa.create_engine(phantom_database.url.update_query_dict({"application_name": "mine"}))
    with pytest.raises(CcfError, match=r"make the Atlas there: Atlas\('phantom_100um', engine=…\)"):
        pickle.dumps(Atlas("phantom_100um", engine=engine))
    assert pickle.loads(pickle.dumps(Atlas(engine=phantom_database))).key == "phantom_50um"


def test_an_atlas_that_arrives_where_another_is_loaded_says_so_when_it_is_asked(
    phantom_database: sa.Engine,
) -> None:
    atlas = Atlas("phantom_100um")
    pickled = pickle.dumps(atlas)
    holdings.drop_atlas(phantom_database, atlas.ccf_id)
    arrived = pickle.loads(pickled)  # not here: a pool whose process cannot read a task waits forever
    with pytest.raises(CcfError, match=r"or CCF_HOME or CCF_POSTGRES_URL differ. Make another: Atlas\("):
        arrived.locate([1, 2, 3])
