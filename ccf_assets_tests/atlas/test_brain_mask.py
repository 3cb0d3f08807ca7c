"""The mask in memory is the volume, and the surface its first voxels."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from ccf_assets.atlas.brain_mask import _preference, brain_atlas, brain_of, read_brain
from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.ccf.space import EXTENT_UM
from ccf_assets.db import holdings, schema
from ccf_assets.db.loaded import pick_atlas
from ccf_assets_tests.support.grids import as_if_loaded, ccf_grid


def test_the_mask_is_the_volume(lab: object) -> None:
    from ccf_assets.db.database import create_engine

    brain = read_brain(create_engine())
    assert brain is not None
    assert brain.grid == ccf_grid(50)
    assert brain.extent_um == EXTENT_UM
    volume = np.stack([plane.T for plane in phantom_volume.planes(50)], axis=2) > 0
    assert (brain.inside == volume).all()
    some = volume.any(axis=1)
    assert (np.isnan(brain.surface) == ~some).all()
    assert (brain.surface[some] == volume.argmax(axis=1)[some] * 50).all()

    points = np.random.default_rng(0).uniform(0, np.array([13_200, 8_000, 11_400]), (1_000, 3))
    i, j, k = (points // 50).astype(int).T
    assert (brain.in_brain(points) == volume[i, j, k]).all()
    surface = brain.surface_y(points[:, 0], points[:, 2])
    assert np.array_equal(surface, brain.surface[i, k], equal_nan=True)


def test_of_a_fine_atlas_the_corners_of_a_coarser_grid_are_read(
    lab: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccf_assets.db.database import create_engine

    engine = create_engine()
    url, atlas = engine.url, pick_atlas(engine, "phantom_50um")
    fine = brain_of.__wrapped__(url, atlas)
    monkeypatch.setattr("ccf_assets.atlas.brain_mask.FINE_ENOUGH_UM", 100)
    coarse = brain_of.__wrapped__(url, atlas)
    assert (fine.grid, coarse.grid) == (ccf_grid(50), ccf_grid(100))
    assert fine.extent_um == coarse.extent_um == EXTENT_UM
    assert (coarse.inside == fine.inside[::2, ::2, ::2]).all()
    assert np.array_equal(coarse.surface, fine.surface[::2, ::2], equal_nan=True)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["ccf_2017_100um"], "ccf_2017_100um"),
        (["ccf_2017_100um", "ccf_2017_50um", "ccf_2017_25um"], "ccf_2017_50um"),
        (["ccf_2017_100um", "ccf_2017_25um"], "ccf_2017_25um"),
        (["phantom_50um", "ccf_2017_100um"], "ccf_2017_100um"),
        (["phantom_100um", "phantom_50um"], "phantom_50um"),
        (["ccf_2022_50um", "ccf_2017_100um"], "ccf_2017_100um"),
        (["phantom_50um", "ccf_2022_100um"], "ccf_2022_100um"),
    ],
)
def test_the_coarsest_that_is_fine_enough_is_looked_at(there: list[str], chosen: str) -> None:
    assert min(map(as_if_loaded, there), key=_preference).key == chosen


def test_without_an_atlas_there_is_no_brain(database: sa.Engine) -> None:
    assert read_brain(database) is None


def test_an_atlas_whose_surface_is_missing_is_not_looked_at(phantom_database: sa.Engine) -> None:
    entry = atlas_entry("phantom_50um")
    with phantom_database.begin() as connection:
        connection.execute(
            sa.delete(schema.brain_surface).where(schema.brain_surface.c.ccf_id == entry.ccf_id)
        )
    assert brain_atlas(phantom_database) == pick_atlas(phantom_database, "phantom_100um")
    assert len(holdings.holdings(phantom_database)) == 2
