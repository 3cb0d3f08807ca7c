"""The runs of an atlas, read back once and kept for what else is made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from ccf_assets.db import stored_runs as module
from ccf_assets.db.loaded import pick_atlas
from ccf_assets.db.read import read_runs
from ccf_assets.db.stored_runs import all_runs, count_stored_voxels, find_stored_runs, stored_runs

KEY = "phantom_100um"


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The atlases whose rows are read, in order."""
    seen: list[int] = []
    find: Callable[..., Any] = module._find

    def counted(url: sa.URL, ccf_id: int, grid: Any) -> Any:
        seen.append(ccf_id)
        return find(url, ccf_id, grid)

    monkeypatch.setattr(module, "_find", counted)
    return seen


def test_runs_are_read_once_until_the_atlas_is_loaded_again(
    phantom_database: sa.Engine, readings: list[int]
) -> None:
    atlas = pick_atlas(phantom_database, KEY)
    first = stored_runs(phantom_database, atlas.ccf_id, atlas.grid)
    assert stored_runs(phantom_database, atlas.ccf_id, atlas.grid) is first
    assert all_runs(phantom_database, atlas) is first.runs
    assert readings == [atlas.ccf_id]
    with phantom_database.begin() as connection:  # as a load does: another table with the same rows
        connection.exec_driver_sql(
            f"CREATE TABLE ccf.anew (LIKE ccf.voxel_run_{atlas.ccf_id} INCLUDING ALL);"
            f"INSERT INTO ccf.anew SELECT * FROM ccf.voxel_run_{atlas.ccf_id};"
            f"DROP TABLE ccf.voxel_run_{atlas.ccf_id};"
            f"ALTER TABLE ccf.voxel_run ATTACH PARTITION ccf.anew FOR VALUES IN ({atlas.ccf_id})"
        )
    again = stored_runs(phantom_database, atlas.ccf_id, atlas.grid)
    assert again is not first
    assert readings == [atlas.ccf_id] * 2
    assert again.sums.sort("region_id", "right").equals(first.sums.sort("region_id", "right"))


def test_a_check_reads_the_rows_even_if_they_have_been_read(
    phantom_database: sa.Engine, readings: list[int]
) -> None:
    atlas = pick_atlas(phantom_database, KEY)
    for _ in range(2):
        find_stored_runs(phantom_database, atlas.ccf_id, atlas.grid)
    assert len(readings) == 2


def test_kept_runs_are_those_of_the_table(phantom_database: sa.Engine) -> None:
    atlas = pick_atlas(phantom_database, KEY)
    expected = read_runs(phantom_database.url, atlas)
    found = find_stored_runs(phantom_database, atlas.ccf_id, atlas.grid).runs
    assert found is not None
    for name in ("line", "z", "z_end", "region_id"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


def test_voxels_are_counted_by_the_server_as_here_also_where_edges_are_no_whole_um(
    phantom_database: sa.Engine,
) -> None:
    atlas = pick_atlas(phantom_database, KEY)
    stored = find_stored_runs(phantom_database, atlas.ccf_id, atlas.grid)
    assert stored.runs is not None
    assert count_stored_voxels(phantom_database, atlas.ccf_id, atlas.grid) == stored.sums["voxels"].sum()
    finer = dataclasses.replace(atlas.grid, edges_um=(100.0, 100.0, 33.3))
    first, end = (finer.index(2, atlas.grid.coordinate(2, z)) for z in (stored.runs.z, stored.runs.z_end))
    assert count_stored_voxels(phantom_database, atlas.ccf_id, finer) == (end - first).sum()


def test_too_many_runs_are_added_up_and_not_kept(
    phantom_database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas = pick_atlas(phantom_database, KEY)
    expected = find_stored_runs(phantom_database, atlas.ccf_id, atlas.grid)
    monkeypatch.setattr(module, "MOST_RUNS", 10)
    found = find_stored_runs(phantom_database, atlas.ccf_id, atlas.grid)
    assert found.runs is None
    assert found.voxels == expected.voxels
    assert len(all_runs(phantom_database, atlas)) == len(expected.runs or ())


def test_what_was_read_first_is_let_go_when_there_are_too_many_runs(
    phantom_database: sa.Engine, readings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    coarse, fine = (pick_atlas(phantom_database, key) for key in (KEY, "phantom_50um"))
    runs = stored_runs(phantom_database, fine.ccf_id, fine.grid).runs
    monkeypatch.setattr(module, "MOST_RUNS", len(runs or ()))
    for atlas in (coarse, coarse, fine):
        stored_runs(phantom_database, atlas.ccf_id, atlas.grid)
    assert readings == [fine.ccf_id, coarse.ccf_id, fine.ccf_id]
