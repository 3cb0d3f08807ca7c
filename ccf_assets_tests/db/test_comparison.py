"""Two atlases against each other: the overlap of their regions is what numpy counts on a common grid."""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import nrrd
import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa

from ccf_assets.atlas import consistency
from ccf_assets.ccf.overlap import region_overlap
from ccf_assets.ccf.phantom.volume import planes
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.space import EXTENT_UM
from ccf_assets.db import comparison, holdings
from ccf_assets.db.loaded import LoadedAtlas, pick_atlas
from ccf_assets.db.read import read_runs
from ccf_assets.definitions import defs
from ccf_assets.defs.sensors import unregistered_sites
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.recordings_lab import RecordingsLab
from ccf_assets_tests.support.records import new_records

Volume = npt.NDArray[np.uint32]
Pairs = Mapping[tuple[int | None, int | None], int]

REAL_50, REAL_100, PHANTOM_50, PHANTOM_100 = 3, 4, 903, 904


def ask(engine: sa.Engine, question: str, **values: object) -> list[tuple[object, ...]]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(sa.text(question), values)]


def overlap(engine: sa.Engine, a: int, b: int) -> Pairs:
    rows = ask(engine, "SELECT region_a, region_b, um3 FROM ccf.region_overlap(:a, :b)", a=a, b=b)
    found = {(x, y): um3 for x, y, um3 in rows}
    assert len(found) == len(rows)
    return found  # type: ignore[return-value]


def numpy_overlap(a: Volume, a_um: int, b: Volume, b_um: int) -> Pairs:
    """µm³ in each pair of regions, on the grid whose edge divides both."""
    edge = math.gcd(a_um, b_um)
    for axis in range(3):
        a, b = a.repeat(a_um // edge, axis), b.repeat(b_um // edge, axis)
    both, counts = np.unique(a.astype(np.uint64) << 32 | b, return_counts=True)
    return {
        (int(pair >> 32) or None, int(pair & 0xFFFFFFFF) or None): int(count) * edge**3
        for pair, count in zip(both.tolist(), counts.tolist(), strict=True)
        if pair
    }


@functools.cache
def phantom_volume(edge_um: int) -> Volume:
    return np.stack([plane.T for plane in planes(edge_um)], axis=2)


# --- The overlap of regions ------------------------------------------------------------------------------


def test_the_overlap_of_50_and_100_um_is_what_numpy_counts(
    real_database: sa.Engine, ccf_data: Callable[[str], Path]
) -> None:
    volumes = (nrrd.read(str(ccf_data(f"annotation/ccf_2017/annotation_{um}.nrrd")))[0] for um in (50, 100))
    expected = numpy_overlap(next(volumes), 50, next(volumes), 100)
    assert overlap(real_database, REAL_50, REAL_100) == expected
    a, b = (pick_atlas(real_database, f"ccf_2017_{um}um") for um in (50, 100))
    runs = (read_runs(real_database.url, atlas) for atlas in (a, b))
    in_python = region_overlap(next(runs), a.grid, next(runs), b.grid)
    assert {(x, y): um3 for x, y, um3 in in_python.rows()} == {
        pair: um3 for pair, um3 in expected.items() if None not in pair
    }


@pytest.fixture
def odd_grids(database: sa.Engine) -> tuple[sa.Engine, Mapping[int, Volume]]:
    """Atlases 10, 20 and 25: random blocks with that edge in µm, on grids that need not divide each other."""
    random = np.random.default_rng(3)
    volumes = {}
    for um in (10, 20, 25):
        coarse = random.integers(0, 4, (100 // um, 100 // um, 200 // um)).astype(np.uint32)
        coarse[:, :, 1::2] = coarse[:, :, ::2][:, :, : coarse[:, :, 1::2].shape[2]]
        volumes[um] = coarse
    with database.begin() as connection:
        for um, blocks in volumes.items():
            shape = ", ".join(map(str, blocks.shape))
            x, y, z = (np.indices(blocks.shape).reshape(3, -1) * um).tolist()
            connection.execute(
                sa.text(
                    f"INSERT INTO ccf.atlas VALUES ({um}, 'k{um}', 'v', {um}, 'd', {shape}, "
                    f"{um}, {um}, {um}, 'allen_ccf_v3', 'u', 's');"
                    f"INSERT INTO ccf.brain_region SELECT {um}, i, 'R' || i, 'n', 'n', '00FF99', i "
                    "FROM generate_series(1, 3) i;"
                    f"CREATE TABLE ccf.voxel_run_{um} PARTITION OF ccf.voxel_run FOR VALUES IN ({um});"
                    f"CREATE TABLE ccf.brain_surface_{um} PARTITION OF ccf.brain_surface "
                    f"FOR VALUES IN ({um}); INSERT INTO ccf.brain_surface VALUES ({um}, 0, 0, 0);"
                )
            )
            connection.execute(
                sa.text(
                    "INSERT INTO ccf.voxel_run SELECT :um, x, y, z, z + :um, region FROM unnest("
                    "CAST(:x AS int[]), CAST(:y AS int[]), CAST(:z AS int[]), CAST(:region AS int[])) "
                    "AS t (x, y, z, region) WHERE region > 0"
                ),
                {"um": um, "x": x, "y": y, "z": z, "region": blocks.reshape(-1).tolist()},
            )
    return database, volumes


def test_the_overlap_is_exact_either_way_round_and_where_no_grid_divides_the_other(
    odd_grids: tuple[sa.Engine, Mapping[int, Volume]],
) -> None:
    engine, volumes = odd_grids
    for a, b in itertools.product(volumes, repeat=2):
        assert overlap(engine, a, b) == numpy_overlap(volumes[a], a, volumes[b], b)


def test_an_atlas_that_is_not_loaded_is_an_error_and_not_a_difference(phantom_database: sa.Engine) -> None:
    for a, b in ((PHANTOM_50, 7), (7, PHANTOM_50)):
        with pytest.raises(sa.exc.ProgrammingError, match="There is no atlas with ccf_id 7; there are 903"):
            ask(phantom_database, f"SELECT * FROM ccf.region_diff({a}, {b})")


# --- Where they differ -----------------------------------------------------------------------------------


def test_the_differences_are_the_unequal_pairs_the_commonest_first(phantom_database: sa.Engine) -> None:
    expected = numpy_overlap(phantom_volume(50), 50, phantom_volume(100), 100)
    rows = ask(
        phantom_database,
        "SELECT region_a, region_b, voxels, mm3, share, acronym_a, acronym_b FROM ccf.region_diff(:a, :b)",
        a=PHANTOM_50,
        b=PHANTOM_100,
    )
    brain = sum(expected.values())
    assert {(a, b): voxels for a, b, voxels, *_ in rows} == {
        pair: um3 / 50**3 for pair, um3 in expected.items() if pair[0] != pair[1]
    }
    for a, b, _, mm3, share, *_ in rows:
        um3 = expected[a, b]  # type: ignore[index]
        assert mm3 == pytest.approx(um3 / 1e9)
        assert share == pytest.approx(um3 / brain)
    sizes = [voxels for _, _, voxels, *_ in rows]
    assert sizes == sorted(sizes, reverse=True)  # type: ignore[type-var]
    names = dict(
        ask(phantom_database, f"SELECT region_id, acronym FROM ccf.brain_region WHERE ccf_id = {PHANTOM_50}")  # type: ignore[arg-type]
    )
    assert [row[5:] for row in rows] == [(names.get(a), names.get(b)) for a, b, *_ in rows]
    assert any(a is None for a, *_ in rows)
    assert any(b is None for _, b, *_ in rows)


def test_an_atlas_does_not_differ_from_itself(phantom_database: sa.Engine) -> None:
    assert ask(phantom_database, f"SELECT * FROM ccf.region_diff({PHANTOM_50}, {PHANTOM_50})") == []


def test_the_sites_that_differ_are_those_in_other_voxels_regions(lab: RecordingsLab) -> None:
    volumes = {um: phantom_volume(um) for um in (50, 100)}
    points = np.random.default_rng(8).uniform(0, EXTENT_UM, (3000, 3))
    lab.tell(
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
        "SELECT 'r', n, ap, dv, ml, 'ccf' FROM unnest(CAST(:ap AS float8[]), CAST(:dv AS float8[]), "
        "CAST(:ml AS float8[])) WITH ORDINALITY AS t (ap, dv, ml, n)",
        **{axis: points[:, column].tolist() for column, axis in enumerate(("ap", "dv", "ml"))},
    )
    lab.serve(unregistered_sites)
    at = {um: painted[tuple((points // um).astype(int).T)].tolist() for um, painted in volumes.items()}
    expected = [
        (site, fine or None, coarse or None)
        for site, (fine, coarse) in enumerate(zip(at[50], at[100], strict=True), start=1)
        if fine != coarse
    ]
    query = (
        "SELECT site_id, region_a, region_b, status_a, status_b FROM ccf.site_diff WHERE (atlas_a, atlas_b) ="
    )
    rows = lab.ask(f"{query} ('phantom_50um', 'phantom_100um') ORDER BY site_id")
    assert [row[:3] for row in rows] == expected
    assert {(row[1] is None, row[3]) for row in rows} == {(True, "outside_brain"), (False, "assigned")}
    turned = lab.ask(f"{query} ('phantom_100um', 'phantom_50um') ORDER BY site_id")
    assert [(site, b, a) for site, a, b, *_ in turned] == expected


# --- Consistency across resolutions ----------------------------------------------------------------------


def test_every_region_is_compared_with_the_finest_atlas_of_its_version(phantom_database: sa.Engine) -> None:
    with new_records() as instance:
        assert defs.resolve_job_def("compare_atlases").execute_in_process(instance=instance).success
    above: dict[int, set[int]] = {}
    for region, ancestor in ask(
        phantom_database,
        f"SELECT region_id, ancestor_id FROM ccf.region_ancestor WHERE ccf_id = {PHANTOM_50}",
    ):
        above.setdefault(region, set()).add(ancestor)  # type: ignore[arg-type]
    coarse, fine, common = Counter[int](), Counter[int](), Counter[int]()
    for (a, b), um3 in numpy_overlap(phantom_volume(100), 100, phantom_volume(50), 50).items():
        around_a, around_b = above.get(a or 0, set()), above.get(b or 0, set())
        coarse.update(dict.fromkeys(around_a, um3))
        fine.update(dict.fromkeys(around_b, um3))
        common.update(dict.fromkeys(around_a & around_b, um3))
    rows = ask(
        phantom_database,
        "SELECT region_id, reference_id, volume_mm3, reference_mm3, difference_percent, agreement "
        f"FROM ccf.region_consistency WHERE ccf_id = {PHANTOM_100}",
    )
    assert {row[0] for row in rows} == above.keys()
    for region, reference, mm3, reference_mm3, percent, agreement in rows:
        ours, theirs = coarse[region], fine[region]  # type: ignore[index]
        assert reference == PHANTOM_50
        assert mm3 == pytest.approx(ours / 1e9)
        assert reference_mm3 == pytest.approx(theirs / 1e9)
        assert percent == (pytest.approx(100 * (ours - theirs) / theirs, abs=1e-9) if theirs else None)
        assert agreement == (pytest.approx(common[region] / ours) if ours else None)  # type: ignore[index]
    assert ask(
        phantom_database, f"SELECT count(*) FROM ccf.region_consistency WHERE ccf_id = {PHANTOM_50}"
    ) == [(0,)]


def test_an_atlas_that_changes_while_it_is_compared_is_named(
    phantom_database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(engine: sa.Engine, atlas: LoadedAtlas) -> Runs:
        runs = read_runs(engine.url, atlas)
        if atlas.ccf_id == PHANTOM_100:
            holdings.drop_atlas(phantom_database, PHANTOM_100)
        return runs

    monkeypatch.setattr(consistency, "all_runs", changing)
    with pytest.raises(CcfError, match=r"^phantom_100um changed while atlases were compared; compare them"):
        consistency.region_consistency(phantom_database)


def test_the_comparison_goes_with_either_atlas(phantom_database: sa.Engine) -> None:
    values = f"({PHANTOM_100}, 997, {PHANTOM_50}, 1, 1, 0, 1)"
    ask(phantom_database, f"INSERT INTO ccf.region_consistency VALUES {values} RETURNING 1")
    holdings.drop_atlas(phantom_database, PHANTOM_50)
    assert ask(phantom_database, "SELECT count(*) FROM ccf.region_consistency") == [(0,)]


def test_atlases_of_other_versions_are_not_compared(phantom_database: sa.Engine) -> None:
    with phantom_database.begin() as connection:
        assert connection.execute(comparison.references()).all() == [(PHANTOM_100, PHANTOM_50)]
        connection.exec_driver_sql(f"UPDATE ccf.atlas SET ccf_version = 'other' WHERE ccf_id = {PHANTOM_50}")
        assert connection.execute(comparison.references()).all() == []
