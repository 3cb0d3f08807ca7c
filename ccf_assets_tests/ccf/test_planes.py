"""Planes of an atlas, from the table and from runs in memory, against the volume itself."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import nrrd
import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa

from ccf_assets.ccf import planes
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.ccf.planes import PLANES, Orientation
from ccf_assets.ccf.runs import find_runs
from ccf_assets.ccf.space import EXTENT_UM
from ccf_assets.db import read
from ccf_assets.db.loaded import pick_atlas
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.grids import as_if_loaded, grid_of

PHANTOM = as_if_loaded("phantom_50um")


def cut(whole: npt.NDArray[np.uint32], orientation: Orientation, index: int) -> npt.NDArray[np.uint32]:
    """The plane of a whole volume of shape (AP, DV, ML)."""
    return {
        "coronal": lambda: whole[index],
        "sagittal": lambda: whole[:, :, index].T,
        "horizontal": lambda: whole[:, index],
    }[orientation]()


def places(edge_um: int, count: int) -> list[tuple[Orientation, float, int]]:
    """Random positions in each orientation, both ends among them: orientation, µm, voxel index."""
    random = np.random.default_rng(4)
    found: list[tuple[Orientation, float, int]] = []
    for orientation, axes in PLANES.items():
        extent = EXTENT_UM[axes.normal]
        last = math.nextafter(extent, 0)
        for um in (0.0, last, extent / 2, *random.uniform(0, extent, count - 3)):
            found.append((orientation, um, math.floor(um / edge_um)))
    return found


def test_planes_of_the_table_are_those_of_the_file(
    real_database: sa.Engine, ccf_data: Callable[[str], Path]
) -> None:
    atlas = pick_atlas(real_database, "ccf_2017_25um")
    whole, _ = nrrd.read(str(ccf_data("annotation/ccf_2017/annotation_25.nrrd")))
    for orientation, um, index in places(25, 10):
        plane = read.plane(real_database, atlas, orientation, um)
        assert plane.dtype == np.uint32
        assert np.array_equal(plane, cut(whole, orientation, index)), (orientation, um)


def test_planes_of_runs_in_memory_are_those_of_the_volume() -> None:
    sagittal = list(phantom_volume.planes(50))
    runs, whole = find_runs(sagittal), np.stack([plane.T for plane in sagittal], axis=2)
    for orientation, um, index in places(50, 10):
        plane = planes.plane_of_runs(runs, PHANTOM.grid, orientation, um)
        assert plane.dtype == np.uint32
        assert np.array_equal(plane, cut(whole, orientation, index)), (orientation, um)


@pytest.mark.parametrize("key", ["ccf_2017_25um", "ccf_2017_10um", "phantom_100um"])
def test_a_plane_spans_its_two_axes(key: str) -> None:
    grid = grid_of(key)
    ap, dv, ml = grid.shape
    nothing = find_runs([np.zeros((dv, ap), np.uint32)])
    shapes = {o: planes.plane_of_runs(nothing, grid, o, 5000).shape for o in PLANES}
    assert shapes == {"coronal": (dv, ml), "sagittal": (dv, ap), "horizontal": (ap, ml)}


@pytest.mark.parametrize(
    ("orientation", "um", "says"),
    [
        ("coronal", 13_200, "AP 13200 µm is outside the volume; a coronal plane lies at 0 <= AP < 13200 µm"),
        ("sagittal", -1, "ML -1 µm is outside the volume; a sagittal plane lies at 0 <= ML < 11400"),
        ("horizontal", math.inf, "DV inf µm is outside the volume"),
        ("horizontal", math.nan, "DV nan µm is outside the volume"),
        ("axial", 100, "There is no orientation 'axial'; there are coronal, sagittal, horizontal."),
    ],
)
def test_what_is_no_plane_of_the_volume_is_refused(
    database: sa.Engine, orientation: Orientation, um: float, says: str
) -> None:
    with pytest.raises(CcfError, match=re.escape(says)):
        read.plane(database, PHANTOM, orientation, um)


def test_of_an_atlas_that_is_not_loaded_a_plane_is_empty(database: sa.Engine) -> None:
    assert not read.plane(database, PHANTOM, "coronal", 6600).any()
