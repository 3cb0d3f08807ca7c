"""Two atlases in memory against each other: what they share is what numpy counts on a grid of 1 µm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.ccf import overlap
from ccf_assets.ccf.runs import find_runs
from ccf_assets.ccf.voxel_grid import VoxelGrid

IDS = np.array([0, 0, 1, 7, 2_906_756_445, 4_294_967_295], np.uint32)

Made = tuple[npt.NDArray[np.uint32], VoxelGrid]


@st.composite
def made(draw: st.DrawFn) -> Made:
    shape = (draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(st.integers(1, 12)))
    edges = tuple(float(draw(st.integers(1, 6))) for _ in range(3))
    volume = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).choice(IDS, shape)
    return volume, VoxelGrid(shape, edges)  # type: ignore[arg-type]


def counted(a: Made, b: Made) -> dict[tuple[int, int], float]:
    """µm³ of each pair of regions, from voxels of 1 µm; what only one of the volumes covers is left out."""
    fine = []
    for volume, grid in (a, b):
        for axis, edge in enumerate(grid.edges_um):
            volume = volume.repeat(int(edge), axis)  # noqa: PLW2901
        fine.append(volume)
    common = tuple(slice(min(sizes)) for sizes in zip(*(volume.shape for volume in fine), strict=True))
    of_a, of_b = (volume[common].ravel().tolist() for volume in fine)
    found: dict[tuple[int, int], float] = {}
    for pair in zip(of_a, of_b, strict=True):
        if all(pair):
            found[pair] = found.get(pair, 0) + 1
    return found


@given(a=made(), b=made())
def test_any_two_grids_share_what_numpy_counts(a: Made, b: Made) -> None:
    runs = [find_runs(volume[:, :, k].T for k in range(volume.shape[2])) for volume, _ in (a, b)]
    pairs = overlap.region_overlap(runs[0], a[1], runs[1], b[1])
    assert {(x, y): um3 for x, y, um3 in pairs.rows()} == counted(a, b)


def test_runs_of_many_turns_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = np.random.default_rng(0).choice(IDS, (6, 6, 40))
    whole = (volume, VoxelGrid((6, 6, 40), (2.0, 3.0, 1.0)))
    runs = find_runs(volume[:, :, k].T for k in range(40))
    monkeypatch.setattr(overlap, "_RUNS_AT_ONCE", 100)
    pairs = overlap.region_overlap(runs, whole[1], runs, whole[1])
    assert {(x, y): um3 for x, y, um3 in pairs.rows()} == counted(whole, whole)
