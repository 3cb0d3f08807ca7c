"""Points reach Neuroglancer as they are: its own reader finds each once, where it is, with its properties."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neuroglancer.read_precomputed_annotations import AnnotationReader

from ccf_assets.view import annotations
from ccf_assets.view.annotations import Points, Property, cell_number

EXTENT_UM = (13_200.0, 8_000.0, 11_400.0)
AXES = ("ap", "dv", "ml")


def _probes(probes: int, sites: int) -> Points:
    """Points in lines, as those of probes are."""
    rng = np.random.default_rng(5)
    tips = rng.uniform([0, 0, 0], EXTENT_UM, (probes, 1, 3))
    places = np.minimum(tips + np.arange(sites)[:, None] * [1.0, 10.0, 0.5], np.array(EXTENT_UM) + 50)
    places[0, ::9, 0] = 1e30  # far outside
    number = np.arange(probes * sites)
    return Points(
        places.reshape(-1, 3),
        EXTENT_UM,
        [
            Property(
                "recording", "Recording", (number // sites).astype(np.uint32), {0: "first", 1: "second"}
            ),
            Property("site", "Site", (number - 7).astype(np.int32)),
            Property("status", "Status", (number % 3).astype(np.uint8)),
            Property("color", "Colour", np.stack([number % 256] * 3, axis=1).astype(np.uint8)),
        ],
        np.where(number % 5, number % 11 * 100, 0),
        AXES,
    )


def _written(points: Points, folder: Path) -> AnnotationReader:
    """The unsharded files of points, for the reader that comes with Neuroglancer."""
    info = points.info()
    (folder / "info").write_text(json.dumps(info))
    for level in info["spatial"]:
        (folder / level["key"]).mkdir()
        for cell in np.ndindex(*level["grid_shape"]):
            name = "_".join(map(str, cell))
            if (content := points.file(f"{level['key']}/{name}")) is not None:
                (folder / level["key"] / name).write_bytes(content)
    for key, numbers in (("by_id", range(len(points))), ("region", points.segments)):
        (folder / key).mkdir()
        for number in numbers:
            (folder / key / str(number)).write_bytes(points.file(f"{key}/{number}") or b"")
    return AnnotationReader(f"file://{folder}")


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Points:
    monkeypatch.setattr(annotations, "MOST_IN_CELL", 60)
    return _probes(7, 90)


def _content(annotation: Any) -> tuple[Any, ...]:
    return tuple(annotation.point), *map(str, annotation.props)


def test_every_point_is_read_back_once_with_its_properties(points: Points, tmp_path: Path) -> None:
    reader = _written(points, tmp_path)
    found = {int(each.id): each for each in reader.get_within_spatial_bounds()}
    assert sorted(found) == list(range(630))
    for number in (0, 1, 89, 90, 629):
        each = found[number]
        assert each.props[:3] == [number // 90, number - 7, number % 3]
        single = reader.by_id[number]
        assert _content(single) == _content(each)
        assert [list(ids) for ids in single.segments] == [
            [number % 11 * 100] if number % 5 and number % 11 else []
        ]


def test_a_point_is_in_one_level_and_every_cell_within_the_limit(points: Points, tmp_path: Path) -> None:
    assert len(points.levels) > 2
    info = _written(points, tmp_path).metadata
    seen: Counter[int] = Counter()
    for level in info["spatial"]:
        for path in (tmp_path / level["key"]).iterdir():
            content = path.read_bytes()
            count = int(np.frombuffer(content, "<u8", 1)[0])
            assert count <= level["limit"] <= 60
            records = np.frombuffer(content[8 : -8 * count], np.uint8).reshape(count, -1)
            places = np.ascontiguousarray(records[:, :12]).view("<f4")
            cell = np.minimum(places // np.array(level["chunk_size"]), np.array(level["grid_shape"]) - 1)
            assert (cell == list(map(int, path.name.split("_")))).all()
            seen.update(np.frombuffer(content[-8 * count :], "<u8").tolist())
    assert seen == Counter(range(630))


def test_the_coarsest_level_has_points_of_all_parts(points: Points) -> None:
    content = points.file("spatial0/0_0_0") or b""
    ids = np.frombuffer(content[-8 * 60 :], "<u8")
    assert set((ids // 90).tolist()) == set(range(7))  # sites of each probe


def test_the_points_of_a_segment_are_those_that_lie_in_it(points: Points, tmp_path: Path) -> None:
    reader = _written(points, tmp_path)
    assert points.segments == [each * 100 for each in range(1, 11)]
    ids = sorted(int(each.id) for each in reader.relationships["region"][300])
    assert ids == [number for number in range(630) if number % 11 == 3 and number % 5]


def test_points_at_one_place_end_in_one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotations, "MOST_IN_CELL", 10)
    same = Points(np.full((500, 3), 77.0), EXTENT_UM, [], np.zeros(500, np.uint32), AXES)
    assert sum(level.borders[-1] - level.borders[0] for level in same.levels) == 500
    assert same.levels[-1].most == 500 - 10 * (len(same.levels) - 1)
    assert len(same.levels) == annotations._MOST_LEVELS


def test_without_points_there_is_an_empty_level(tmp_path: Path) -> None:
    none = Points(np.empty((0, 3)), EXTENT_UM, [], np.empty(0, np.uint32), AXES)
    assert list(_written(none, tmp_path).get_within_spatial_bounds()) == []
    assert len(none.info()["spatial"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        "spatial0/1_0_0",
        "spatial9/0_0_0",
        "by_id/630",
        "by_id/x",
        "by_id/1_2",
        "region/7",
        "region/0",
        "",
        "info",
    ],
)
def test_what_is_not_there_is_no_file(points: Points, path: str) -> None:
    assert points.file(path) is None


def test_the_number_of_a_cell_is_its_compressed_morton_code() -> None:
    # Of an axis with one cell no bit is in it: (x, y, z) = (3, 0, 2) of 4 × 1 × 4 has the bits 1, 0, 1, 1.
    assert cell_number(np.array([[3, 0, 2]]), (4, 1, 4)).tolist() == [0b1101]
    assert cell_number(np.array([[1, 1, 1], [0, 2, 5]]), (2, 4, 8)).tolist() == [0b111, 0b101100]
