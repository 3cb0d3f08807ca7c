"""Contacts along a track: distances, ends, order; which geometries are taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.source import Source
from ccf_assets.recordings.formats.probe import ProbeGeometry, geometry_beside, probe_of, read_geometry
from ccf_assets.recordings.formats.tracks import contacts_on_track, track_table
from ccf_assets_tests.support.formats_lab import listing_of

COORDINATE = st.floats(-3_000, 3_000)


def geometry(*axial: float, tip: float = -200.0) -> ProbeGeometry:
    return ProbeGeometry(None, np.zeros(len(axial)), np.array(axial, dtype=np.float64), tip, None)


def placed(points: object, *axial: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    contacts = contacts_on_track(np.array(points, dtype=np.float64), geometry(*axial))
    assert contacts is not None
    return contacts


@given(st.lists(COORDINATE, min_size=3, max_size=3), st.lists(st.floats(0, 9_000), min_size=1, max_size=5))
def test_on_a_straight_track_a_contact_is_as_far_from_the_tip_as_on_the_probe(
    direction: list[float], axial: list[float]
):
    up = np.array([direction[0], -abs(direction[1]) - 1, direction[2]])
    tip = np.array([7000.0, 5000.0, 4000.0])
    contacts = placed([tip, tip + up], *axial)
    np.testing.assert_allclose(np.linalg.norm(contacts - tip, axis=1), np.array(axial) + 200, rtol=1e-9)
    np.testing.assert_allclose(np.cross(contacts - tip, up / np.linalg.norm(up)), 0, atol=1e-6)


@given(
    st.lists(st.tuples(COORDINATE, st.floats(1, 900), COORDINATE), min_size=1, max_size=6),
    st.lists(st.floats(0, 12_000), min_size=1, max_size=5),
)
def test_along_a_bent_track_distances_are_those_along_the_line(
    steps: list[tuple[float, float, float]], axial: list[float]
):
    # Steps that go up more than they bend, so that the points follow one another.
    bent = np.array([(x / 30, -100 - y, z / 30) for x, y, z in steps])
    points = np.array([7000.0, 7000.0, 5000.0]) + np.vstack([np.zeros(3), np.cumsum(bent, axis=0)])
    lengths = np.linalg.norm(bent, axis=1)
    contacts = placed(points, *axial)
    for contact, distance in zip(contacts, np.array(axial) + 200, strict=True):
        part = min(int(np.searchsorted(np.cumsum(lengths), distance)), len(bent) - 1)
        expected = points[part] + (distance - lengths[:part].sum()) * bent[part] / lengths[part]
        np.testing.assert_allclose(contact, expected, atol=1e-6)
    np.testing.assert_array_equal(placed(points[::-1], *axial), contacts)
    np.testing.assert_array_equal(placed(np.repeat(points, 2, axis=0), *axial), contacts)


def test_above_the_last_point_the_last_segment_goes_on():
    contacts = placed([[0, 2000, 0], [0, 1000, 0], [100, 900, 0]], 800, 800 + np.sqrt(2) * 300)
    np.testing.assert_allclose(contacts, [[0, 1000, 0], [300, 700, 0]], atol=1e-9)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [[0, 0, 0]],
        [[0, 0, 0], [0, 0, 0]],
        [[0, 500, 0], [700, 500, 0]],
        [[0, 500, 0], [0, np.nan, 0], [0, 100, 0]],
        [[0, 500, 0], [0, 100, 0], [0, 300, 0], [0, 0, 0]],
    ],
)
def test_points_that_are_no_line_give_no_contacts(points: object):
    assert contacts_on_track(np.array(points, dtype=np.float64).reshape(-1, 3), geometry(0)) is None


def probe(**other: object) -> dict[str, object]:
    known = {"ndim": 2, "si_units": "um", "contact_positions": [[0, 0], [32, 20]]}
    return known | {"probe_planar_contour": [[0, 100], [16, -175], [32, 100]]} | other


def write(folder: Path, *probes: object, name: str = "p.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"specification": "probeinterface", "version": "0.2.21", "probes": probes}))
    return path


def test_the_contacts_of_a_probe_are_read_in_micrometres(tmp_path: Path):
    names = {"contact_ids": ["a", "b"], "device_channel_indices": [7, -1], "shank_ids": ["0", "0"]}
    given = read_geometry(write(tmp_path, probe(**names)))
    assert given is not None
    assert (given.names, given.channels, given.tip_um) == (("a", "b"), (7, None), -175)
    assert given.axial_um.tolist() == [0, 20]
    assert given.lateral_um.tolist() == [0, 32]
    in_mm = read_geometry(write(tmp_path, probe(si_units="mm")))
    assert in_mm is not None
    assert (in_mm.names, in_mm.channels, in_mm.tip_um) == (None, None, -175_000)


@pytest.mark.parametrize(
    "other",
    [
        {"probe_planar_contour": None},
        {"probe_planar_contour": [[0, 100], [16, 5], [32, 100]]},
        {"shank_ids": ["0", "1"]},
        {"ndim": 3},
        {"si_units": "inch"},
    ],
)
def test_a_probe_whose_contacts_cannot_be_placed_gives_none(tmp_path: Path, other: dict[str, object]):
    assert read_geometry(write(tmp_path, probe(**other))) is None
    assert read_geometry(write(tmp_path, probe(), probe())) is None


@pytest.mark.parametrize("positions", [None, [], [1, 2], [[1, 2, 3]], [[1, None]], [[1, "2"]], {"a": 1}])
def test_a_damaged_geometry_is_refused_in_words(tmp_path: Path, positions: object):
    with pytest.raises(CcfError, match="contact_positions"):
        read_geometry(write(tmp_path, probe(contact_positions=positions)))
    with pytest.raises(CcfError, match="has no list of probes"):
        read_geometry(write(tmp_path, 3))


def test_the_geometry_beside_a_track_is_the_only_one_of_its_folder(tmp_path: Path):
    (tmp_path / "other.json").write_text("{}")
    assert geometry_beside(listing_of(tmp_path)) == ()
    write(tmp_path, probe())
    assert geometry_beside(listing_of(tmp_path)) == ("p.json",)
    write(tmp_path, probe(), name="q.json")
    assert geometry_beside(listing_of(tmp_path)) == ()


def test_contacts_without_names_are_numbered_and_points_in_an_unknown_frame_have_none(tmp_path: Path):
    source = Source("m/p/track.npy", (tmp_path / "track.npy",))
    points = np.array([[7000.0, 4000, 5000], [7000, 1000, 5000]])
    path = write(tmp_path, probe())
    table = track_table(source, points, "ccf", known="ccf", probe=probe_of(source), geometry=path)
    assert table.columns["site_id"].to_list() == ["0", "1", "0", "1"]
    assert table.columns["dv"].to_list() == pytest.approx([4000, 1000, 3825, 3805])
    assert table.columns["probe"].to_list() == ["p"] * 4
    assert table.row_name(2) == "contact 0"
    alone = track_table(source, points, None, known="of_the_lab", probe="p", geometry=path)
    assert alone.columns["site_id"].to_list() == [0, 1]
