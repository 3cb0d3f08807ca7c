"""What is wrong with a table of sites: each kind of wrong table gets its finding, and a right one none."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import Frame, from_ccf, to_ccf
from ccf_assets.ccf.ontology import brain_region_rows, read_structure_graph
from ccf_assets.ccf.region_words import NO_REPORT, OUTSIDE
from ccf_assets.finding import Finding
from ccf_assets.recordings.files.table import SITES_SCHEMA
from ccf_assets.recordings.findings.agreement import (
    Ontology,
    commonest_differences,
    compared_regions,
    reported_region,
)
from ccf_assets.recordings.findings.claims import claimed_elsewhere, claims, duplicate_sites
from ccf_assets.recordings.findings.half_voxel import half_voxel
from ccf_assets.recordings.findings.look import CHECKS, site_findings
from ccf_assets.recordings.scan.read import read_sites

# A brain for tests: an ellipsoid in the volume, in CCF µm.
CENTRE, RADII = np.array([6600.0, 4000.0, 5700.0]), np.array([5500.0, 3200.0, 5000.0])


def in_brain(points: np.ndarray) -> np.ndarray:
    assert np.isfinite(points).all()
    return (((points - CENTRE) / RADII) ** 2).sum(axis=1) < 1


def surface_y(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    assert ((x >= 0) & (x < 13_200) & (z >= 0) & (z < 11_400)).all()
    left = 1 - ((x - CENTRE[0]) / RADII[0]) ** 2 - ((z - CENTRE[2]) / RADII[2]) ** 2
    return CENTRE[1] - RADII[1] * np.sqrt(np.where(left > 0, left, np.nan))


def inside_points(count: int = 400, seed: int = 1) -> np.ndarray:
    """Points all over the test brain, in CCF µm."""
    points = np.random.default_rng(seed).uniform(CENTRE - RADII, CENTRE + RADII, (count * 3, 3))
    points = points[in_brain(points)][:count]
    assert len(points) == count
    return points


def table(
    coordinates: np.ndarray | Sequence[Sequence[float]],
    frame: str = "ccf",
    recordings: Sequence[str] | None = None,
) -> pl.DataFrame:
    ap, dv, ml = np.asarray(coordinates, dtype=float).reshape(-1, 3).T
    ids = list(recordings) if recordings is not None else [f"m{i // 100}" for i in range(len(ap))]
    known = {
        "recording_id": ids,
        "site_id": range(len(ap)),
        "ap": ap,
        "dv": dv,
        "ml": ml,
        "frame": [frame] * len(ap),
        "kind": ["site"] * len(ap),
        "source": ["m.csv"] * len(ap),
    }
    nothing = [None] * len(ap)
    return pl.DataFrame({name: known.get(name, nothing) for name in SITES_SCHEMA}, schema=SITES_SCHEMA)


def look(sites: pl.DataFrame, *, brain: bool = True) -> dict[str, Finding]:
    found = site_findings(sites, FRAMES, in_brain if brain else None, surface_y if brain else None)
    return {each.name: each for each in found}


def failing(sites: pl.DataFrame, *, brain: bool = True) -> dict[str, str]:
    """name → "blocks" or "warns" of the findings that did not pass."""
    return {
        name: "blocks" if each.blocking else "warns"
        for name, each in look(sites, brain=brain).items()
        if not each.passed
    }


def in_frame(points: np.ndarray, name: str) -> np.ndarray:
    return from_ccf(FRAMES[name], *points.T, surface_y=surface_y)


# Tables with nothing wrong


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("brain", [True, False])
def test_sites_in_the_brain_give_no_finding_in_any_frame(frame: str, brain: bool):
    sites = table(in_frame(inside_points(), frame), frame)
    assert failing(sites, brain=brain) == {}
    assert list(look(sites, brain=brain)) == list(CHECKS)[:10]


def test_the_tutorials_two_sites_give_no_finding():
    assert failing(table([[-3500, 500, 2500], [-1800, 1200, 1500]], "stereotaxic", ["1", "2"])) == {}


def test_a_straight_probe_whose_upper_third_is_out_of_the_brain_gives_no_finding():
    depth = np.linspace(200, 5000, 384)
    probe = np.stack([np.full(384, 7000.0), depth, np.full(384, 7000.0)], axis=1)
    assert failing(table(probe)) == {}
    assert failing(table(in_frame(probe, "ibl"), "ibl")) == {}


def test_without_an_atlas_what_needs_one_is_not_checked_and_says_so():
    found = look(table(inside_points()), brain=False)
    assert found["inside_brain"].passed
    assert found["inside_brain"].sentence == "Not checked: no atlas was given."
    found = look(table([[0, 500, 100]], "stereotaxic"), brain=False)
    assert "Not checked" in found["outside_volume"].sentence


def test_a_table_without_sites_gives_no_finding():
    assert failing(table(np.empty((0, 3)))) == {}


# Coordinates that are missing, lost or zero


def test_missing_and_infinite_coordinates_warn_with_their_numbers():
    points = inside_points()
    points[:3, 1] = np.nan
    points[3, 0] = np.inf
    found = look(table(points))["missing_coordinates"]
    assert (found.passed, found.blocking) == (False, False)
    assert found.numbers == {"sites": 400, "missing": 3, "infinite": 1}
    assert failing(table(points)) == {"missing_coordinates": "warns"}
    assert "They are kept without a region." in found.sentence
    refused = table(points).with_columns(site_id=pl.lit(0, pl.Int64))
    assert "kept" not in look(refused)["missing_coordinates"].sentence, "nothing of a refused table is"


@pytest.mark.parametrize("frame", ["ccf", "stereotaxic", "ibl"])
@pytest.mark.parametrize("absurd", [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e40, 1e25, 1e9, -1e9])
def test_one_absurd_coordinate_neither_stops_nor_changes_the_other_checks(frame: str, absurd: float):
    coordinates = in_frame(inside_points(), frame)
    coordinates[:3] = np.where(np.eye(3, dtype=bool), absurd, coordinates[:3])
    allowed = {"missing_coordinates": "warns", "outside_volume": "warns"}
    assert failing(table(coordinates, frame)).items() <= allowed.items()
    failing(table(coordinates, frame), brain=False)


def test_a_table_without_any_coordinate_only_warns():
    assert failing(table(np.full((10, 3), np.nan))) == {"missing_coordinates": "warns"}


def test_two_equal_columns_block_and_are_named_as_the_file_has_them():
    points = inside_points()
    points[:, 2] = points[:, 1]
    found = look(table(points))["equal_columns"]
    assert found.blocking
    assert found.sentence.startswith("DV (y) equals ML (z) in every row: one of the two was lost")
    ibl = look(table(points * 1e-6, "ibl"))["equal_columns"]
    assert ibl.sentence.startswith("DV (z) equals ML (x) in every row")


def test_columns_equal_in_most_rows_or_through_few_values_warn():
    points = inside_points()
    points[:300, 2] = points[:300, 1]
    assert failing(table(points))["equal_columns"] == "warns"
    assert "in 75.0 % of the rows" in look(table(points))["equal_columns"].sentence
    few = [[5000, 3000, 3000], [5000, 3100, 3100]]
    assert failing(table(few)) == {"equal_columns": "warns"}
    assert failing(table([[5000, 3000, 3000]] * 3)) == {}


def test_zero_rows_warn_and_a_table_of_zeros_blocks():
    points = inside_points()
    points[:40] = 0
    assert failing(table(points)) == {"zero_rows": "warns"}
    assert look(table(points))["zero_rows"].sentence.startswith("40 of 400 sites (10.0 %) are at 0, 0, 0")
    assert failing(table(np.zeros((5, 3))))["zero_rows"] == "blocks"
    assert failing(table(np.zeros((1, 3)), "stereotaxic"))["zero_rows"] == "warns"


# Numbers in another unit


@pytest.mark.parametrize("resolution", [10, 25, 50, 100])
def test_voxel_indices_block_and_name_their_grid(resolution: int):
    found = look(table(np.floor(inside_points() / resolution)))["voxel_indices"]
    assert found.blocking
    assert f"voxel indices of the {resolution} µm grid" in found.sentence
    assert f"unit_um = {resolution}" in found.sentence
    assert found.numbers["resolution_um"] == resolution


def test_voxel_coordinates_with_fractions_block_too():
    found = look(table(np.round(inside_points() / 10, 1)))["voxel_indices"]
    assert found.blocking
    assert "voxels of 10 µm, with fractions, not like µm" in found.sentence


def test_voxel_indices_are_found_whatever_frame_is_claimed():
    for frame in ("ibl", "ibl_um", "stereotaxic_bregma", "ccf_mm"):
        assert not look(table(np.floor(inside_points() / 25), frame))["voxel_indices"].passed


def test_without_an_atlas_voxel_indices_in_the_ccf_warn():
    sites = table(np.floor(inside_points() / 25))
    assert failing(sites, brain=False) == {"voxel_indices": "warns"}
    assert "528 × 320 × 456" in look(sites, brain=False)["voxel_indices"].sentence


def test_small_whole_numbers_near_bregma_are_no_voxel_indices():
    sites = table([[100, 300, 200], [150, 310, 250], [120, 280, 300]], "stereotaxic")
    assert failing(sites) == {}
    assert failing(sites, brain=False) == {}


@pytest.mark.parametrize(
    ("right", "claimed"),
    [
        ("ccf_mm", "ccf"),
        ("ccf", "ccf_mm"),
        ("ibl", "ibl_um"),
        ("ibl_um", "ibl"),
    ],
)
def test_numbers_in_another_unit_block_and_name_the_frame_in_that_unit(right: str, claimed: str):
    found = look(table(in_frame(inside_points(), right), claimed))["unit"]
    assert found.blocking
    assert f'write frame = "{right}"' in found.sentence


@pytest.mark.parametrize("frame", ["stereotaxic", "stereotaxic_bregma", "allen_forum"])
@pytest.mark.parametrize(("factor", "name"), [(1e-3, "mm"), (1e-6, "metres")])
def test_millimetres_or_metres_in_a_frame_of_micrometres_are_found(frame: str, factor: float, name: str):
    sites = table(in_frame(inside_points(), frame) * factor, frame)
    assert failing(sites)["unit"] == "blocks"
    assert f"The numbers look like {name}, not like µm" in look(sites)["unit"].sentence
    assert failing(sites, brain=False)["unit"] == "warns"
    assert f"they look like {name}" in look(sites, brain=False)["unit"].sentence


def test_millimetres_and_micrometres_in_frames_of_millimetres_and_metres_are_found_without_an_atlas():
    points = inside_points()
    assert "look like µm" in look(table(points, "ccf_mm"), brain=False)["unit"].sentence
    assert "look like mm" in look(table(in_frame(points, "ibl") * 1e3, "ibl"), brain=False)["unit"].sentence
    assert "look like µm" in look(table(in_frame(points, "ibl") * 1e6, "ibl"), brain=False)["unit"].sentence


def test_one_site_very_near_the_origin_does_not_block():
    assert "blocks" not in failing(table([[2, 3, 1]], "stereotaxic")).values()


def test_a_frame_in_its_own_unit_is_not_judged_by_its_unit():
    voxel = Frame("v", "", "", "voxel", ("ap", "dv", "ml"), "corner", (25, 0, 0, 0, 0, 25, 0, 0, 0, 0, 25, 0))
    sites = table(inside_points() / 25, "v")
    found = site_findings(sites, {"v": voxel}, in_brain, surface_y)
    assert [each.name for each in found if not each.passed] == []


# Places


def test_coordinates_in_the_plane_of_a_probe_block():
    probe = [[580 + i, -180 - 10 * i, 0] for i in range(64)]
    assert failing(table(probe)) == {
        "probe_plane": "blocks",
        "outside_volume": "blocks",
        "inside_brain": "warns",
    }
    sentence = look(table(probe))["probe_plane"].sentence
    assert sentence.startswith("DV (y) is negative in every row and ML (z) is 0 in every row.")
    assert "plane of a probe" in sentence


def test_a_zero_that_means_bregma_or_the_midline_is_no_plane():
    points = inside_points()
    points[:, 2] = 5700
    assert failing(table(in_frame(points, "stereotaxic"), "stereotaxic")) == {}


def test_sites_outside_the_volume_warn_with_their_side():
    points = inside_points()
    points[:10, 1] = -5
    points[10:12, 2] = 11_400
    found = look(table(points))["outside_volume"]
    assert (found.passed, found.blocking) == (False, False)
    assert (
        "12 of 400 sites (3.0 %) lie outside the volume of the CCF: 10 above it (DV < 0), 2 right of it"
        in (found.sentence)
    )
    assert found.numbers == {"sites": 400, "outside": 12, "above": 10, "right": 2, "outside_share": 0.03}


def test_a_table_wholly_outside_the_volume_blocks():
    assert failing(table(inside_points() + 20_000))["outside_volume"] == "blocks"


def test_few_sites_in_the_brain_warn():
    points = inside_points()
    points[:220, 1] = 100
    assert failing(table(points)) == {"inside_brain": "warns"}
    assert look(table(points))["inside_brain"].sentence.startswith(
        "Only 180 of 400 sites (45.0 %) lie in the"
    )


# The order of the axes


def spread(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
    return np.random.default_rng(2).uniform([x[0], y[0], z[0]], [x[1], y[1], z[1]], (400, 3))


LONG = spread((9000, 11_000), (2500, 5000), (4500, 6500))
"""Sites far posterior near the midline: exchanged axes take them out of the brain."""


def test_an_exchange_of_axes_is_named_in_the_order_of_the_files_columns_and_never_applied():
    sites = table(LONG[:, [2, 1, 0]])
    before = sites.clone()
    found = look(sites)["axis_order"]
    assert (found.passed, found.blocking) == (False, False)
    assert found.numbers["best"] == "ML, DV, AP"
    assert 'Are the columns ML, DV, AP (x, y, z in that order are the frame "map_ephys")?' in found.sentence
    assert sites.equals(before)


def test_the_order_is_named_in_the_frames_own_order_of_x_y_z():
    ap, dv, ml = in_frame(LONG, "ibl").T
    # The file's x, y, z are read as ML, AP, DV, but hold AP, ML, DV.
    sites = table(np.stack([ml, dv, ap], axis=1), "ibl")
    found = look(sites)["axis_order"]
    assert found.numbers["as_read"] == "ML, AP, DV"
    assert found.numbers["best"] == "AP, ML, DV"
    assert "Are the columns AP, ML, DV, or DV, ML, AP, which puts as many there?" in found.sentence


def test_a_depth_with_the_wrong_sign_is_named_before_columns_that_are_exchanged():
    """One probe fits both, and who exchanges the columns gets other regions without a word."""
    depths = np.linspace(-2050, -150, 20)
    probe = np.column_stack([np.full(20, -3500.0), depths, np.full(20, 2500.0)])
    found = look(table(probe, frame="stereotaxic"))["axis_order"]
    assert not found.passed
    assert "read as AP, -DV, ML, 20 would (100 %). Are the columns AP, -DV, ML (for a reversed axis" in (
        found.sentence
    )


def test_a_cyclic_exchange_is_named_the_right_way_round():
    points = spread((9000, 11_000), (1500, 2500), (4500, 6500))
    # Columns x, y, z hold DV, ML, AP.
    sites = table(points[:, [1, 2, 0]])
    assert look(sites)["axis_order"].numbers["best"] == "DV, ML, AP"


@pytest.mark.parametrize("frame", ["ibl", "stereotaxic", "stereotaxic_bregma"])
def test_a_turned_axis_is_named_where_coordinates_are_not_from_the_corner(frame: str):
    coordinates = in_frame(LONG, frame)
    for axis, name in ((0, "-AP"), (1, "-DV")):
        sign = np.ones(3)
        sign[axis] = -1
        found = look(table(coordinates * sign, frame))["axis_order"]
        assert not found.passed
        assert name in str(found.numbers["best"])


def test_a_gain_of_a_few_sites_is_named_only_if_no_recording_speaks_against_it():
    centred = spread((5000, 6400), (2500, 5000), (5000, 6400))  # inside in both orders
    few = np.array([[12_050.0, 4000.0, 5700.0]] * 4)  # inside as AP, DV, ML only: as ML it is off the side
    exchanged = np.concatenate([centred, few, few])[:, [2, 1, 0]]
    names = ["a"] * 200 + ["b"] * 200 + ["a"] * 4 + ["b"] * 4
    found = look(table(exchanged, recordings=names))["axis_order"]
    assert not found.passed
    assert "These are only 8 sites, but no recording loses any." in found.sentence
    one_recording = look(table(exchanged, recordings=["a"] * 408))["axis_order"]
    assert one_recording.passed
    against = np.concatenate([exchanged, few[:1]])
    assert look(table(against, recordings=[*names, "c"]))["axis_order"].passed


# What else it might be


def hint(coordinates: Sequence[Sequence[float]], frame: str) -> str:
    """What a table of few sites might be otherwise, as the finding of the share in the brain says it."""
    return look(table(coordinates, frame))["inside_brain"].sentence.partition(" the frame of this file?")[2]


TWO = np.array([[8900.0, 2300, 7200], [7200, 2525, 6900]])


def test_two_sites_in_another_unit_are_told_which():
    assert hint(TWO / 1000, "ccf") == ' Read in the frame "ccf_mm" or in mm, both would lie in the brain.'
    assert "in voxels of 25 µm" in hint(np.floor(TWO / 25), "ccf")
    assert 'in the frame "ibl_um" or in µm' in hint(in_frame(TWO, "ibl_um"), "ibl")


def test_two_sites_in_another_frame_are_told_which_fit():
    said = hint(in_frame(TWO, "stereotaxic"), "ccf")
    assert '"stereotaxic"' in said
    assert "both would lie in the brain" in said
    assert 'in the frame "ccf"' in hint(TWO, "stereotaxic")


def test_two_sites_in_another_unit_and_order_at_once_are_told_both():
    # AP, ML, DV in mm from bregma, with the signs of the CCF, read as IBL µm: ML, AP, DV.
    ap, dv, ml = ((TWO - [5400, 440, 5700]) / 1000).T
    said = hint(np.stack([ml, dv, ap], axis=1), "ibl_um")
    assert "in mm with the columns as" in said
    assert '"-AP, ML, -DV"' in said


@pytest.mark.parametrize("point", [[6600, 700, 5700], [6600, -50, 5700], [6600, 4000, 10_800]])
def test_a_site_near_the_brain_is_not_told_of_other_frames(point: Sequence[float]):
    assert hint([point], "ccf") == ""


def test_a_place_that_nothing_explains_is_not_guessed():
    assert hint([[7e8, 7e8, 7e8]], "ccf") == ""
    assert hint([[np.nan, 1, 1]], "ccf") == ""


@pytest.mark.parametrize("frame", FRAMES)
def test_sites_of_every_frame_read_as_ccf_in_metres_find_their_own_frame(frame: str):
    apart = inside_points(50)
    metres = Frame(
        "lab", "", "", "m", ("ap", "dv", "ml"), "corner", (1e6, 0, 0, 0, 0, 1e6, 0, 0, 0, 0, 1e6, 0)
    )
    sites = table(in_frame(apart, frame), "lab")
    found = {f.name: f for f in site_findings(sites, {**FRAMES, "lab": metres}, in_brain, surface_y)}
    said = found["inside_brain"].sentence
    assert "Read in the frame " in said or not found["unit"].passed
    assert "most would lie in the brain." in said


def test_which_voxels_were_looked_at_is_said_where_it_matters_and_only_there():
    said = "Of the brain, every second voxel was looked at."
    sites = table([[6600, 100, 5700], [13_300, 100, 5700]])
    found = {f.name: f for f in site_findings(sites, FRAMES, in_brain, surface_y, said)}
    assert found["inside_brain"].sentence.endswith(said)
    assert not found["outside_volume"].passed
    assert said not in found["outside_volume"].sentence
    fine = site_findings(table(inside_points()), FRAMES, in_brain, surface_y, said)
    assert not any(said in each.sentence for each in fine)


# Several frames in one file


def test_sites_of_several_frames_are_each_read_in_their_own():
    points = inside_points()
    good = table(in_frame(points, "ibl"), "ibl")
    bad = table(np.zeros((3, 3))).with_columns(site_id=pl.Series([900, 901, 902], dtype=pl.Int64))
    found = {f.name: f for f in site_findings(pl.concat([good, bad]), FRAMES, in_brain, surface_y)}
    assert found["zero_rows"].blocking
    assert found["zero_rows"].sentence.startswith("In the frame ccf: Every site is at 0, 0, 0")
    assert found["zero_rows"].numbers["ibl_zero"] == 0
    assert found["zero_rows"].numbers["ccf_zero"] == 3
    assert found["inside_brain"].numbers["ibl_inside"] == 400


# Whose site it is


def test_a_site_given_twice_blocks():
    sites = table(inside_points(5), recordings=["a"] * 5).with_columns(
        site_id=pl.Series([0, 1, 1, 2, 2], dtype=pl.Int64)
    )
    found = duplicate_sites(pl.concat([sites, sites.head(1)]))
    assert found.blocking
    assert found.numbers == {"sites": 6, "duplicated": 3, "rows": 6}
    assert "3 sites are given more than once (6 rows), for example site 0 of recording a." in found.sentence
    assert "1 of these rows repeat another exactly." in found.sentence
    assert look(sites)["duplicate_sites"].blocking


def test_a_file_of_many_sites_without_site_id_is_told_what_is_missing():
    sites = table(inside_points(5), recordings=["a"] * 5).with_columns(site_id=pl.lit(0, pl.Int64))
    assert "Name it site_id." in duplicate_sites(sites).sentence


def owners(*rows: tuple[str, int, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["recording_id", "site_id", "source"], orient="row")


def test_sites_that_another_file_has_warn_and_stay_the_others():
    sites = table(inside_points(4), recordings=["a"] * 4)
    had = owners(("a", 1, "first.csv"), ("a", 2, "m.csv"), ("b", 3, "first.csv"))
    found = claimed_elsewhere(sites, had)
    assert (found.passed, found.blocking) == (False, False)
    assert (
        "1 of 4 sites (25.0 %) belong to another source already, which keeps them: first.csv (1)."
        in found.sentence
    )
    assert claims(sites, had).rows() == [("a", 1, "m.csv")]


def test_a_file_does_not_claim_its_own_sites_from_itself():
    sites = table(inside_points(4), recordings=["a"] * 4)
    for had in (owners(("a", 1, "m.csv")), owners(("x", 1, "first.csv"))):
        assert claimed_elsewhere(sites, had).passed
        assert claims(sites, had).is_empty()


# Reported against computed

REGIONS = pl.DataFrame(
    [
        (997, "root", "root", "root"),
        (8, "grey", "Basic cell groups and regions", "Basic cell groups and regions"),
        (385, "VISp", "Primary visual area", "Primary visual area"),
        (593, "VISp1", "Primary visual area layer 1", "Primary visual area, layer 1"),
        (672, "CP", "Caudoputamen", "Caudoputamen"),
        (1, "CUL4, 5", "Lobules IV-V", "Lobules IV-V"),
    ],
    schema=["region_id", "acronym", "region_name", "full_name"],
    orient="row",
)
ANCESTORS = pl.DataFrame(
    [(i, a) for i in (997, 8, 385, 593, 672, 1) for a in {i, 997}]
    + [(385, 8), (593, 8), (593, 385), (672, 8), (1, 8)],
    schema=["region_id", "ancestor_id"],
    orient="row",
)


def compared(*pairs: tuple[str | None, int | None, str], not_drawn: Collection[int] = ()) -> pl.DataFrame:
    """Compare reports with computed (region_id, status)."""
    reports, ids, statuses = zip(*pairs, strict=True)
    sites = table(inside_points(len(pairs))).with_columns(reported_region=pl.Series(reports, dtype=pl.String))
    computed = sites.select("recording_id", "site_id").with_columns(
        region_id=pl.Series(ids, dtype=pl.Int32), status=pl.Series(statuses)
    )
    return compared_regions(sites, computed, Ontology(REGIONS, ANCESTORS, not_drawn))


def compare(*pairs: tuple[str | None, int | None, str]) -> Finding:
    return reported_region(compared(*pairs), "an_atlas")


ITSELF = (
    "593", "VISp1", "593.0", "-593", " VISp1 ", "Primary visual area, layer 1", "Primary visual area layer 1",
)  # fmt: skip


@pytest.mark.parametrize(
    "report", [*ITSELF, "385", "VISp", "Primary visual area", "8", "grey", "997", "root"]
)
def test_a_region_or_one_that_contains_it_agrees_by_id_acronym_or_name(report: str):
    found = compare((report, 593, "assigned"))
    assert found.passed
    assert found.numbers["agreeing_share"] == 1.0
    assert found.numbers["equal_share"] == float(report in ITSELF)


@pytest.mark.parametrize("form", ["acronym", "full_name", "region_name", "region_id"])
def test_every_form_of_every_region_is_known(read_regions: pl.DataFrame, form: str):
    ids = read_regions["region_id"].to_list()
    reports = read_regions[form].cast(pl.String).to_list()
    own = pl.DataFrame({"region_id": ids, "ancestor_id": ids})
    sites = table(inside_points(len(ids))).with_columns(reported_region=pl.Series(reports))
    computed = sites.select("recording_id", "site_id").with_columns(
        region_id=pl.Series(ids, dtype=pl.Int32), status=pl.lit("assigned")
    )
    numbers = reported_region(
        compared_regions(sites, computed, Ontology(read_regions, own)), "an_atlas"
    ).numbers
    assert numbers["compared"] == 1327
    assert (numbers["equal_share"], numbers["unknown"]) == (1.0, 0)


@pytest.mark.parametrize(
    "report", ["primary visual area, layer 1", "Primary visual area layer", "V1", "visp1"]
)
def test_a_name_that_is_not_exact_is_no_region(report: str):
    assert compare((report, 593, "assigned")).numbers["unknown"] == 1


def test_a_name_of_two_regions_is_reported_with_both_and_never_guessed():
    twice = pl.DataFrame(
        [(5, "CTXl", "Cortex", "Cortex"), (6, "CTXr", "Cortex", "Cortex"), (997, "root", "root", "root")],
        schema=REGIONS.schema,
        orient="row",
    )
    sites = table(inside_points(2)).with_columns(reported_region=pl.Series(["Cortex", "CTXl"]))
    computed = sites.select("recording_id", "site_id").with_columns(
        region_id=pl.lit(5, pl.Int32), status=pl.lit("assigned")
    )
    ancestors = pl.DataFrame({"region_id": [5, 6, 997, 5, 6], "ancestor_id": [5, 6, 997, 997, 997]})
    found = reported_region(compared_regions(sites, computed, Ontology(twice, ancestors)), "an_atlas")
    assert not found.passed
    assert (found.numbers["compared"], found.numbers["unknown"]) == (1, 1)
    assert "1 report could be several regions of the ontology: 'Cortex' (CTXl or CTXr; 1)." in found.sentence


@pytest.mark.parametrize("report", ["0", "0.0", "root", "997", "Void", "Not found in brain", *OUTSIDE])
@pytest.mark.parametrize("status", ["outside_brain", "outside_volume"])
def test_a_report_of_outside_agrees_with_outside(report: str, status: str):
    assert compare((report, None, status)).numbers["agreeing"] == 1


def test_an_acronym_that_is_also_a_word_for_no_report_is_a_region():
    regions = REGIONS.vstack(pl.DataFrame([(7, "NA", "N", "N")], schema=REGIONS.schema, orient="row"))
    sites = table(inside_points(2)).with_columns(reported_region=pl.Series(["NA", "na"]))
    computed = sites.select("recording_id", "site_id").with_columns(
        region_id=pl.lit(7, pl.Int32), status=pl.lit("assigned")
    )
    both = compared_regions(
        sites, computed, Ontology(regions, pl.DataFrame({"region_id": [7], "ancestor_id": [7]}))
    )
    assert reported_region(both, "an_atlas").numbers["agreeing"] == 1
    assert both.height == 1


@pytest.mark.parametrize(
    ("report", "computed", "status", "pair"),
    [
        ("VISp1", 672, "assigned", "VISp1 → CP: 1"),
        ("VISp1", 385, "assigned", "VISp1 → VISp: 1"),
        ("0", 672, "assigned", "0 → CP: 1"),
        ("385", None, "outside_brain", "VISp → outside_brain: 1"),
        ("CUL4, 5", 672, "assigned", "CUL4, 5 → CP: 1"),
    ],
)
def test_other_regions_differ_and_are_named(report: str, computed: int | None, status: str, pair: str):
    found = compare((report, computed, status))
    assert (found.passed, found.blocking) == (False, False)
    assert pair in found.sentence


def test_a_report_inside_the_computed_region_that_the_atlas_does_not_draw_does_not_contradict():
    pairs = [("VISp1", 385, "assigned")] * 18 + [("VISp", 385, "assigned")] * 2
    found = reported_region(compared(*pairs, not_drawn=[593]), "an_atlas")
    assert found.passed
    assert found.numbers["agreeing"] == 2
    assert found.numbers["not_drawn"] == 18
    assert found.sentence == (
        "Of 20 reported regions 10.0 % are the computed region and 10.0 % are it or contain it. 18 reports "
        "are finer than an_atlas: inside the computed region and not drawn there (reported → computed: "
        "VISp1 → VISp: 18). So 20 of 20 do not contradict it."
    )
    assert commonest_differences(compared(*pairs, not_drawn=[593])).is_empty()
    drawn = reported_region(compared(*pairs), "an_atlas")
    assert not drawn.passed, "a drawn region that was not found there contradicts"


@pytest.mark.parametrize(
    ("computed", "status"),
    [
        (672, "assigned"),
        (None, "outside_brain"),
        (997, "assigned"),  # contains it, as VISp does, which is drawn: the site is outside that
    ],
)
def test_a_region_that_is_not_drawn_contradicts_where_it_does_not_lie(computed: int | None, status: str):
    found = reported_region(compared(("VISp1", computed, status), not_drawn=[593]), "an_atlas")
    assert not found.passed
    assert found.numbers["not_drawn"] == 0


def test_what_cannot_be_compared_is_left_out():
    words = (None, "", " ", "NA", "N/A", "n/a", "null", "None", "NaN", "unknown", "Unknown", *NO_REPORT)
    nothing = [(report, 593, "assigned") for report in words]
    found = compare(*nothing, ("VISp", None, "invalid_nan"))
    assert found.passed
    assert found.sentence == "No site has both a reported and a computed region."


def test_a_report_that_is_no_region_is_counted_by_itself():
    found = compare(("VISp", 593, "assigned"), ("V1", 593, "assigned"), ("visp", 593, "assigned"))
    assert not found.passed
    assert found.numbers["unknown"] == 2
    assert found.numbers["agreeing_share"] == 1.0
    assert "2 reports are no region of the ontology: 'V1' (1), 'visp' (1)." in found.sentence


def test_a_few_differences_at_borders_pass_with_their_numbers():
    found = compare(*[("CP", 672, "assigned")] * 99, ("VISp", 672, "assigned"))
    assert found.passed
    assert found.numbers["agreeing_share"] == 0.99
    assert "99.0 % are it or contain it." in found.sentence


def test_the_ten_commonest_pairs_come_in_order():
    pairs = [(str(number), 672, "assigned") for number in (385, 385, 385, 593, 593, 1)]
    expected = [("VISp", "CP", 3), ("VISp1", "CP", 2), ("CUL4, 5", "CP", 1)]
    assert commonest_differences(compared(*pairs)).rows() == expected
    assert "VISp → CP: 3; VISp1 → CP: 2; CUL4, 5 → CP: 1." in compare(*pairs).sentence


# Real data

RESOLUTION = 25


class RealBrain:
    def __init__(self, folder: Path) -> None:
        import nrrd

        path = folder / "annotation" / "ccf_2017" / f"annotation_{RESOLUTION}.nrrd"
        self.ids = nrrd.read(str(path))[0]
        brain = self.ids != 0
        self.top = np.where(brain.any(axis=1), brain.argmax(axis=1) * float(RESOLUTION), np.nan)
        graph = pl.read_csv(folder / "ontology" / "structure_graph.csv")
        self.regions = graph.select(
            region_id="id", acronym="acronym", region_name="safe_name", full_name="name"
        )
        self.ancestors = graph.select(
            region_id="id",
            ancestor_id=pl.col("structure_id_path")
            .str.strip_chars("/")
            .str.split("/")
            .cast(pl.List(pl.Int64)),
        ).explode("ancestor_id")

    def at(self, points: np.ndarray) -> np.ndarray:
        return self.ids[tuple(np.floor(points / RESOLUTION).astype(int).T)]

    def in_brain(self, points: np.ndarray) -> np.ndarray:
        return self.at(points) != 0

    def surface_y(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        column = np.floor(np.stack([x, z], axis=1) / RESOLUTION)
        known = ((column >= 0) & (column < self.top.shape)).all(axis=1)
        result = np.full(len(x), np.nan)
        result[known] = self.top[tuple(column[known].astype(int).T)]
        return result

    def computed(self, sites: pl.DataFrame, shift_um: float = 0.0) -> pl.DataFrame:
        points = to_ccf(FRAMES["ibl"], *(sites[axis].to_numpy() for axis in ("ap", "dv", "ml"))) + shift_um
        ids = self.at(points)
        return sites.select("recording_id", "site_id").with_columns(
            region_id=pl.Series(np.where(ids == 0, -1, ids.astype(np.int64))).replace(-1, None),
            status=pl.Series(np.where(ids == 0, "outside_brain", "assigned")),
        )

    def compared(self, sites: pl.DataFrame, shift_um: float = 0.0) -> pl.DataFrame:
        return compared_regions(sites, self.computed(sites, shift_um), Ontology(self.regions, self.ancestors))


@pytest.fixture(scope="module")
def folder() -> Path:
    named = os.environ.get("CCF_TEST_DATA")
    if not named:
        pytest.skip("CCF_TEST_DATA is not set")
    path = Path(named)
    assert (path / "recordings").is_dir(), f"CCF_TEST_DATA is {named}, which has no folder recordings"
    return path


@pytest.fixture(scope="module")
def read_regions(folder: Path) -> pl.DataFrame:
    """Every structure of the real ontology, as the table brain_region has it."""
    return brain_region_rows(read_structure_graph(folder / "ontology" / "structure_graph.csv"), 1)


@pytest.fixture(scope="module")
def brain(folder: Path) -> RealBrain:
    return RealBrain(folder)


@pytest.fixture(scope="module")
def read_real(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], pl.DataFrame]:
    """A published table by its name; the DANDI ones read as ccf, which is what their schema says."""
    copy = tmp_path_factory.mktemp("recordings")
    (copy / "recordings.toml").write_text('frame = "ccf"')
    (copy / "ibl_channels.toml").write_text(
        'frame = "ibl"\n[columns]\nx = "x_m"\ny = "y_m"\nz = "z_m"\nreported_region = "atlas_id"\n'
    )

    def read(name: str) -> pl.DataFrame:
        (copy / f"{name}.csv").write_bytes((folder / "recordings" / f"{name}.csv").read_bytes())
        return read_sites(copy, f"{name}.csv", FRAMES)

    return read


@pytest.mark.parametrize(
    ("name", "expected", "words"),
    [
        ("ibl_channels", {}, {}),
        (
            "dandi_000021",
            {"equal_columns": "blocks", "outside_volume": "warns"},
            {"equal_columns": "DV (y) equals ML (z) in every row: one of the two was lost"},
        ),
        (
            "dandi_000253",
            {"outside_volume": "warns"},
            {"outside_volume": "235 of 5,000 sites (4.7 %) lie outside the volume of the CCF: 235 above it"},
        ),
        (
            "dandi_000363",
            {"axis_order": "warns"},
            {"axis_order": 'Are the columns ML, DV, AP (x, y, z in that order are the frame "map_ephys")?'},
        ),
        (
            "dandi_000458",
            {"voxel_indices": "blocks", "inside_brain": "warns"},
            {"voxel_indices": "look like voxel indices of the 25 µm grid, not like µm of the frame ccf"},
        ),
        (
            "dandi_001326",
            {"zero_rows": "warns", "voxel_indices": "blocks", "inside_brain": "warns"},
            {
                "zero_rows": "272 of 2,000 sites (13.6 %) are at 0, 0, 0",
                "voxel_indices": "not like µm of the frame",
            },
        ),
        (
            "dandi_001511",
            {"probe_plane": "blocks", "outside_volume": "blocks", "inside_brain": "warns"},
            {"probe_plane": "DV (y) is negative in every row and ML (z) is 0 in every row"},
        ),
    ],
)
def test_each_published_table_gets_the_findings_it_deserves(
    read_real: Callable[[str], pl.DataFrame],
    brain: RealBrain,
    name: str,
    expected: dict[str, str],
    words: dict[str, str],
):
    found = {f.name: f for f in site_findings(read_real(name), FRAMES, brain.in_brain, brain.surface_y)}
    told = {n: "blocks" if f.blocking else "warns" for n, f in found.items() if not f.passed}
    assert told == expected
    for finding, sentence in words.items():
        assert sentence in found[finding].sentence


def test_the_probes_of_one_recording_are_compared_as_recordings_are(
    read_real: Callable[[str], pl.DataFrame], brain: RealBrain
):
    """One file of NWB can hold a whole study."""
    one = read_real("dandi_000363").with_columns(probe="recording_id", recording_id=pl.lit("study"))
    found = {f.name: f for f in site_findings(one, FRAMES, brain.in_brain, brain.surface_y)}
    assert 'the frame "map_ephys"' in found["axis_order"].sentence


@pytest.mark.parametrize(
    ("name", "finding", "words"),
    [
        ("dandi_000021", "equal_columns", "DV (y) equals ML (z) in every row: one of the two was lost"),
        ("dandi_000458", "voxel_indices", "look like voxel indices of the 25 µm grid"),
    ],
)
def test_electrodes_of_nwb_with_wrong_coordinates_are_refused_as_any_table(
    ccf_cases: Callable[[str], Path], brain: RealBrain, tmp_path: Path, name: str, finding: str, words: str
):
    given = ccf_cases(f"formats/nwb_electrodes/{name}_electrodes.nwb")
    (tmp_path / "a.nwb").write_bytes(given.read_bytes())
    sites = read_sites(tmp_path, "a.nwb", FRAMES)
    found = {f.name: f for f in site_findings(sites, FRAMES, brain.in_brain, brain.surface_y)}
    assert found[finding].blocking
    assert words in found[finding].sentence


def test_the_order_of_the_axes_is_found_in_a_whole_study_in_one_file_of_nwb(
    folder: Path, brain: RealBrain, tmp_path: Path
):
    study = pl.read_csv(folder / "recordings" / "dandi_000363.csv")
    with h5py.File(tmp_path / "study.nwb", "w") as file:
        file.create_dataset("identifier", data="a study")
        electrodes = file.create_group("general/extracellular_ephys/electrodes")
        electrodes["id"] = np.arange(study.height)
        electrodes["group_name"] = study["recording_id"].to_list()
        electrodes["location"] = ["unknown"] * study.height
        for axis in ("x", "y", "z"):
            electrodes[axis] = study[axis].to_numpy()
    sites = read_sites(tmp_path, "study.nwb", FRAMES)
    assert sites.select("recording_id", "frame").unique().rows() == [("a study", "nwb")]
    assert sites["probe"].n_unique() == study["recording_id"].n_unique() == 3
    found = {f.name: f for f in site_findings(sites, FRAMES, brain.in_brain, brain.surface_y)}
    assert 'the frame "map_ephys"' in found["axis_order"].sentence
    (tmp_path / "study.toml").write_text('frame = "map_ephys"')
    sites = read_sites(tmp_path, "study.nwb", FRAMES)
    found = {f.name: f for f in site_findings(sites, FRAMES, brain.in_brain, brain.surface_y)}
    assert [each for each in found.values() if not each.passed] == []


def test_000363_read_in_its_own_frame_is_clean(read_real: Callable[[str], pl.DataFrame], brain: RealBrain):
    sites = read_real("dandi_000363").rename({"ap": "ml", "ml": "ap"}).with_columns(frame=pl.lit("map_ephys"))
    found = site_findings(sites.select(SITES_SCHEMA.names()), FRAMES, brain.in_brain, brain.surface_y)
    assert [f.name for f in found if not f.passed] == []


def test_the_right_probes_of_000253_get_no_hint_when_each_is_in_a_file_of_its_own(
    read_real: Callable[[str], pl.DataFrame], brain: RealBrain
):
    for _, probe in read_real("dandi_000253").group_by("recording_id"):
        found = {f.name: f for f in site_findings(probe, FRAMES, brain.in_brain, brain.surface_y)}
        assert found["axis_order"].passed


def test_every_published_label_equals_the_computed_region(
    read_real: Callable[[str], pl.DataFrame], brain: RealBrain
):
    sites = read_real("ibl_channels")
    found = reported_region(brain.compared(sites), "ccf_2017_25um")
    assert found.passed
    assert found.numbers == {
        "compared": 34_944,
        "agreeing": 34_944,
        "agreeing_share": 1.0,
        "equal_share": 1.0,
        "not_drawn": 0,
        "unknown": 0,
    }


def test_a_frame_half_a_voxel_off_is_seen_in_the_labels(
    read_real: Callable[[str], pl.DataFrame], brain: RealBrain
):
    sites = read_real("ibl_channels")
    found = reported_region(brain.compared(sites, -12.5), "ccf_2017_25um")
    assert not found.passed
    assert "90.8 % are the computed region" in found.sentence
    assert commonest_differences(brain.compared(sites, -12.5)).height == 10


def explained_by_half_a_voxel(
    brain: RealBrain, sites: pl.DataFrame, off_um: float, frame: str, resolution_um: int = 25
) -> str:
    """What is said of published labels whose sites are computed ``off_um`` beside their place."""

    def moved(which: pl.DataFrame, shift_um: float) -> pl.DataFrame:
        return brain.compared(
            sites.join(which, on=["recording_id", "site_id"], how="semi"), off_um + shift_um
        )

    named = sites.with_columns(frame=pl.lit(frame))
    return half_voxel(brain.compared(sites, off_um), named, moved, FRAMES, resolution_um)


@pytest.mark.parametrize(
    ("off_um", "frame", "words"),
    [
        (-12.5, "ccf", "With 12.5 µm added to each CCF coordinate (half a voxel of 25 µm), 8,7"),
        (-12.5, "nwb", "agree instead of 7,9"),
        (-12.5, "ccf", "These are CCF coordinates as iblatlas writes them (xyz2ccf), also in the IBL's NWB"),
        (-12.5, "nwb", 'write frame = "ibl_ccf" if so.'),
        (-12.5, "ibl", "add a frame like ibl to frames.toml, with a shift_um that is 12.5 µm larger"),
        (12.5, "ccf", "With 12.5 µm taken from each CCF coordinate"),
        (12.5, "ibl_ccf", 'write frame = "ccf" if so.'),
        (-25.0, "ccf", "With 25 µm added to each CCF coordinate (half a voxel of 50 µm)"),
    ],
)
def test_half_a_voxel_that_explains_the_differences_is_named_with_the_frame(
    read_real: Callable[[str], pl.DataFrame], brain: RealBrain, off_um: float, frame: str, words: str
):
    said = explained_by_half_a_voxel(brain, read_real("ibl_channels"), off_um, frame, 50)
    assert words in said
    assert "in a sample" in said


@pytest.mark.parametrize("off_um", [0.0, 6.0, -40.0, 100.0])
def test_another_shift_is_not_taken_for_half_a_voxel(
    read_real: Callable[[str], pl.DataFrame], brain: RealBrain, off_um: float
):
    assert explained_by_half_a_voxel(brain, read_real("ibl_channels").head(5_000), off_um, "ccf") == ""


def test_wrong_labels_are_not_explained_by_half_a_voxel(
    read_real: Callable[[str], pl.DataFrame], brain: RealBrain
):
    sites = read_real("ibl_channels").head(2_000)
    labels = sites["reported_region"].to_list()
    wrong = sites.with_columns(reported_region=pl.Series(labels[200:] + labels[:200]))
    assert explained_by_half_a_voxel(brain, wrong, 0.0, "ibl") == ""


def test_a_probe_of_its_own_is_enough_to_see_half_a_voxel(
    read_real: Callable[[str], pl.DataFrame], brain: RealBrain
):
    probes = read_real("ibl_channels").partition_by("recording_id")
    said = [explained_by_half_a_voxel(brain, probe, -12.5, "ccf") for probe in probes]
    assert sum('frame = "ibl_ccf"' in each for each in said) >= 85
    assert not any(explained_by_half_a_voxel(brain, probe, 0.0, "ibl") for probe in probes)
