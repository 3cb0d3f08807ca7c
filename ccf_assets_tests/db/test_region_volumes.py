"""Sizes and places of regions, held against numpy on random small volumes around the midline."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ccf_assets.ccf.run_sums import run_sums
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.space import MIDLINE_UM
from ccf_assets.db import region_volumes
from ccf_assets_tests.support.grids import ccf_grid

Volume = npt.NDArray[np.uint32]

on_one_database = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""The queries only read what stands in them, so all examples can share a database."""

BEFORE_MIDLINE = 3
"""Voxels of the test volumes to the left of the midline, of eight."""

PARENT_OF = {1: 1, 2: 1, 3: 2, 614_454_277: 3, 5: 1, 6: 5}
"""A small ontology: 1 holds 2 and 5, 2 holds 3, 3 holds the region with the large id; 6 is never painted."""

volumes = hnp.arrays(
    np.uint32,
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.just(8)),
    elements=st.sampled_from([0, 1, 2, 3, 5, 614_454_277]),
)
resolutions = st.sampled_from([10, 25, 50, 100])


def ancestors_of(region: int) -> list[int]:
    chain = [region]
    while PARENT_OF[chain[-1]] != chain[-1]:
        chain.append(PARENT_OF[chain[-1]])
    return chain


def rows_as_query(names: str, rows: list[tuple[int, ...]]) -> sa.Select[Any]:
    """Rows of integers as a query, also when there are none."""
    columns = [sa.column(name, sa.Integer) for name in names.split()]
    nothing = (-1,) * len(columns)
    values = sa.values(*columns, name="given").data([*rows, nothing])
    return sa.select(values).where(values.c.ccf_id >= 0)


def runs_of(array: Volume, resolution: int) -> Runs:
    """Runs of the volume, whose midline lies where the atlas's does."""
    first, dv = MIDLINE_UM // resolution - BEFORE_MIDLINE, ccf_grid(resolution).shape[1]
    rows = []
    for x, y in np.ndindex(array.shape[:2]):
        line = [0, *array[x, y].tolist(), 0]
        ends = [i for i in range(len(line) - 1) if line[i] != line[i + 1]]
        rows += [
            (x * dv + y, first + start, first + end, line[start + 1])
            for start, end in itertools.pairwise(ends)
            if line[start + 1]
        ]
    line_of, z, z_end, region = np.array(rows, np.uint32).reshape(-1, 4).T
    return Runs(line_of, z.astype(np.uint16), z_end.astype(np.uint16), region)


def volumes_of(runs: Runs, resolution: int) -> sa.Select[Any]:
    grid = ccf_grid(resolution)
    return region_volumes.region_volumes(run_sums(runs, grid), ANCESTORS, grid)


ANCESTORS = rows_as_query(
    "ccf_id region_id ancestor_id distance",
    [(7, i, ancestor, d) for i in PARENT_OF for d, ancestor in enumerate(ancestors_of(i))],
)


def volumes_by_numpy(array: Volume, resolution: int) -> dict[tuple[int, str], dict[str, Any]]:
    """The rows of region_volume, from the volume itself."""
    first = MIDLINE_UM // resolution - BEFORE_MIDLINE
    z_of = np.broadcast_to((np.arange(array.shape[2]) + first) * resolution, array.shape)
    sides = {"left": z_of < MIDLINE_UM, "right": z_of >= MIDLINE_UM, "both": z_of >= 0}
    rows = {}
    for region in PARENT_OF:
        inside = np.isin(array, [i for i in PARENT_OF if region in ancestors_of(i)])
        for side, of_side in sides.items():
            corners = np.argwhere(inside & of_side) * resolution + (0, 0, first * resolution)
            own = int(((array == region) & of_side).sum())
            row: dict[str, Any] = {
                "ccf_id": 7,
                "own_voxels": own,
                "own_mm3": own * resolution**3 * 1e-9,
                "voxels": len(corners),
                "volume_mm3": len(corners) * resolution**3 * 1e-9,
            }
            for axis, name in enumerate("xyz"):
                along = corners[:, axis]
                row[f"centroid_{name}"] = (along + resolution / 2).mean() if len(along) else None
                row[f"min_{name}"] = along.min() if len(along) else None
                row[f"max_{name}"] = along.max() + resolution if len(along) else None
            rows[region, side] = row
    return rows


@given(volumes, resolutions)
@example(np.zeros((1, 1, 8), np.uint32), 25)
@example(np.full((2, 3, 8), 614_454_277, np.uint32), 25)
@on_one_database
def test_sizes_and_places_are_those_of_numpy(database: sa.Engine, array: Volume, resolution: int) -> None:
    with database.connect() as connection:
        found = {
            (row.pop("region_id"), row.pop("hemisphere")): row
            for row in map(
                dict, connection.execute(volumes_of(runs_of(array, resolution), resolution)).mappings()
            )
        }
    expected = volumes_by_numpy(array, resolution)
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert without_blanks(found[key]) == pytest.approx(without_blanks(row), rel=1e-12), key


def without_blanks(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_a_run_across_the_midline_counts_to_each_side_with_its_own_voxels(database: sa.Engine) -> None:
    array = np.full((1, 1, 8), 5, np.uint32)
    with database.connect() as connection:
        rows = {
            row.hemisphere: (row.voxels, row.min_z, row.max_z)
            for row in connection.execute(volumes_of(runs_of(array, 25), 25))
            if row.region_id == 5
        }
    assert rows == {"left": (3, 5625, 5700), "right": (5, 5700, 5825), "both": (8, 5625, 5825)}


def test_runs_are_added_up_the_same_in_one_piece_and_in_many(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(1).integers(1, 9, (3, 3, 8)).astype(np.uint32)
    runs, grid = runs_of(array, 25), ccf_grid(25)
    whole = run_sums(runs, grid).sort("region_id", "right")
    monkeypatch.setattr("ccf_assets.ccf.run_sums._MOST_AT_ONCE", 5)
    assert run_sums(runs, grid).sort("region_id", "right").equals(whole)
    assert whole["voxels"].sum() == array.size


def test_the_sums_of_the_largest_grid_do_not_overflow(database: sa.Engine) -> None:
    """A line of 10 µm voxels at the far corner, as often as the grid has lines."""
    lines = 1320 * 800
    runs = Runs(
        np.full(lines, lines - 1, np.uint32),
        np.zeros(lines, np.uint16),
        np.full(lines, 1140, np.uint16),
        np.full(lines, 5, np.uint32),
    )
    with database.connect() as connection:
        found = connection.execute(volumes_of(runs, 10))
        row = next(r for r in found if (r.region_id, r.hemisphere) == (1, "both"))
    assert row.voxels == lines * 1140
    assert (row.centroid_x, row.centroid_y, row.centroid_z) == (13_195, 7_995, 5_700)
