"""The tutorial's answers, and the counts of the official files, asked of a loaded database in SQL.

Volumes are compared with what pynrrd and numpy make of the same files, voxel by voxel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import nrrd
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import sqlalchemy as sa

from ccf_assets.ccf.catalogue import BUILT_IN, AtlasEntry, atlas_entry
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.ccf.space import MIDLINE_UM
from ccf_assets.db import schema
from ccf_assets.definitions import defs
from ccf_assets.pg.arrow import read_arrow
from ccf_assets_tests.support.grids import edge_of, grid_of
from ccf_assets_tests.support.records import new_records

Volume = npt.NDArray[np.uint32]

REAL = ("ccf_2017_25um", "ccf_2017_50um", "ccf_2017_100um")

_READ: dict[Path, Volume] = {}


@pytest.fixture
def volume_of(ccf_data: Callable[[str], Path]) -> Callable[[AtlasEntry], Volume]:
    """The volume of an atlas as pynrrd reads the official file: (AP, DV, ML)."""

    def read(entry: AtlasEntry) -> Volume:
        path = ccf_data(entry.annotation)
        if path not in _READ:
            _READ[path] = nrrd.read(str(path))[0]
        return _READ[path]

    return read


@pytest.fixture(scope="module", autouse=True)
def forget_volumes() -> Iterator[None]:
    """The 25 µm volume is 300 MB; it is read once and let go with this module."""
    yield
    _READ.clear()


def ask(engine: sa.Engine, question: str, **values: object) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(question), values)]


def table_of(engine: sa.Engine, table: sa.Table, ccf_id: int) -> pl.DataFrame:
    query = sa.select(table).where(table.c.ccf_id == ccf_id)
    return pl.from_arrow(read_arrow(engine.url, query))  # type: ignore[return-value]


# --- What was loaded -------------------------------------------------------------------------------------


def test_every_table_has_the_rows_of_each_atlas(real_database: sa.Engine) -> None:
    assert ask(real_database, "SELECT ccf_id, key, ccf_resolution FROM ccf.atlas ORDER BY 1") == [
        (1, "ccf_2017_25um", 25.0),
        (3, "ccf_2017_50um", 50.0),
        (4, "ccf_2017_100um", 100.0),
    ]
    rows = {
        table: dict(ask(real_database, f"SELECT ccf_id, count(*) FROM ccf.{table} GROUP BY 1"))
        for table in ("brain_region", "region_parent", "region_ancestor", "region_volume", "voxel_run")
    }
    assert rows == {
        "brain_region": dict.fromkeys((1, 3, 4), 1_327),
        "region_parent": dict.fromkeys((1, 3, 4), 1_327),
        "region_ancestor": dict.fromkeys((1, 3, 4), 9_964),
        "region_volume": dict.fromkeys((1, 3, 4), 3 * 1_327),
        "voxel_run": {1: 2_793_695, 3: 663_219, 4: 149_885},
    }


def test_the_atlas_says_what_it_is_and_where_it_came_from(
    real_database: sa.Engine, ccf_data: Callable[[str], Path]
) -> None:
    (row,) = ask(
        real_database,
        "SELECT ccf_version, ccf_description, shape_ap, shape_dv, shape_ml, source_url, sha256 "
        "FROM ccf.atlas WHERE ccf_id = 1",
    )
    entry = BUILT_IN["ccf_2017_25um"]
    url = ccf_data(entry.annotation).as_uri()
    assert row == ("CCFv3 2017", entry.description, 528, 320, 456, url, entry.sha256)


# --- The tutorial's answers ------------------------------------------------------------------------------


def test_regions_are_exactly_those_of_the_file(
    real_database: sa.Engine, ccf_data: Callable[[str], Path]
) -> None:
    file = pl.read_csv(ccf_data("ontology/structure_graph.csv"), infer_schema=False).sort(
        pl.col("id").cast(pl.Int64)
    )
    for ccf_id in (1, 3, 4):
        table = table_of(real_database, schema.brain_region, ccf_id).sort("region_id").cast(pl.String)
        for column, name in (
            ("region_id", "id"),
            ("acronym", "acronym"),
            ("region_name", "safe_name"),
            ("full_name", "name"),
            ("color_hex", "color_hex_triplet"),
            ("structure_order", "graph_order"),
        ):
            assert table[column].to_list() == file[name].to_list()


def test_94_regions_have_an_id_below_100(real_database: sa.Engine) -> None:
    query = "SELECT count(*) FROM ccf.brain_region WHERE ccf_id = 1 AND region_id < 100"
    assert ask(real_database, query) == [(94,)]


def test_visp_is_385_and_has_its_six_layers_as_children(real_database: sa.Engine) -> None:
    children = ask(
        real_database,
        "SELECT child.acronym FROM ccf.brain_region visp "
        "JOIN ccf.region_parent p ON p.ccf_id = visp.ccf_id AND p.parent_id = visp.region_id "
        "JOIN ccf.brain_region child ON child.ccf_id = p.ccf_id AND child.region_id = p.region_id "
        "WHERE visp.ccf_id = 1 AND visp.acronym = 'VISp' AND visp.region_id = 385 "
        "ORDER BY child.structure_order",
    )
    assert [acronym for (acronym,) in children] == [
        "VISp1",
        "VISp2/3",
        "VISp4",
        "VISp5",
        "VISp6a",
        "VISp6b",
    ]


def test_the_path_from_the_root_to_visp1_is_the_tutorials(real_database: sa.Engine) -> None:
    path = ask(
        real_database,
        "SELECT up.acronym FROM ccf.brain_region r JOIN ccf.region_ancestor a USING (ccf_id, region_id) "
        "JOIN ccf.brain_region up ON up.ccf_id = a.ccf_id AND up.region_id = a.ancestor_id "
        "WHERE r.ccf_id = 1 AND r.acronym = 'VISp1' ORDER BY a.distance DESC",
    )
    assert [acronym for (acronym,) in path] == [
        "root",
        "grey",
        "CH",
        "CTX",
        "CTXpl",
        "Isocortex",
        "VIS",
        "VISp",
        "VISp1",
    ]


def test_seven_names_contain_visual(real_database: sa.Engine) -> None:
    query = "SELECT count(*) FROM ccf.brain_region WHERE ccf_id = 1 AND region_name LIKE '%Visual%'"
    assert ask(real_database, query) == [(7,)]


def test_the_number_of_regions_by_depth_is_the_tutorials(real_database: sa.Engine) -> None:
    query = "SELECT count(*) FROM ccf.region_parent WHERE ccf_id = 1 GROUP BY depth ORDER BY depth"
    counts = [n for (n,) in ask(real_database, query)]
    assert counts == [1, 5, 18, 61, 109, 130, 262, 324, 272, 139, 6]


def test_the_root_is_its_own_parent_and_the_only_one(real_database: sa.Engine) -> None:
    query = "SELECT region_id, depth FROM ccf.region_parent WHERE ccf_id = 1 AND parent_id = region_id"
    assert ask(real_database, query) == [(997, 0)]


def test_acronyms_and_colours_are_exact(real_database: sa.Engine) -> None:
    def found(where: str) -> list[tuple[object, ...]]:
        return ask(
            real_database,
            f"SELECT acronym, region_id FROM ccf.brain_region WHERE ccf_id = 1 AND {where} ORDER BY 1",
        )

    assert [a for a, _ in found("acronym IN ('CUL4, 5', 'fiber tracts')")] == ["CUL4, 5", "fiber tracts"]
    assert sorted(a for a, _ in found("lower(acronym) IN ('cm', 'ipf')")) == ["CM", "IPF", "cm", "ipf"]
    assert len(found("color_hex = '019399'")) == 36
    assert len(found("color_hex LIKE '0%'")) == 139
    assert len(found("full_name LIKE '%,%'")) == 746
    assert found("region_id > 600000000")[-1][1] == 614_454_277


@pytest.mark.parametrize("ccf_id", [1, 3, 4])
@pytest.mark.parametrize(("acronym", "point"), [("VISp4", (-3500, 500, 2500)), ("CA1", (-1800, 1200, 1500))])
def test_the_tutorials_sites_lie_where_it_says_on_both_sides(
    real_database: sa.Engine, ccf_id: int, acronym: str, point: tuple[int, int, int]
) -> None:
    ap, dv, ml = point
    for side in (-1, 1):
        site = {"x": 5400 - ap, "z": 5739 + side * ml, "depth": dv, "ccf": ccf_id}
        found = ask(
            real_database,
            "WITH edge AS (SELECT ccf_resolution::int AS r FROM ccf.atlas WHERE ccf_id = :ccf) "
            "SELECT region.acronym FROM edge "
            "JOIN ccf.brain_surface s ON s.ccf_id = :ccf AND s.x = :x / r * r AND s.z = :z / r * r "
            "JOIN ccf.voxel_run v ON v.ccf_id = :ccf AND v.x = s.x AND v.y = (s.y + :depth) / r * r "
            "AND v.z <= :z AND v.z_end > :z "
            "JOIN ccf.brain_region region ON region.ccf_id = :ccf AND region.region_id = v.region_id",
            **site,
        )
        assert found == [(acronym,)]


# --- Sizes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("acronym", "voxels"),
    [
        ("root", 32_387_385),
        ("Isocortex", 7_891_055),
        ("VISp", 452_664),
        ("CA1", 653_391),
        ("CP", 1_665_238),
    ],
)
def test_a_region_with_all_inside_it_has_the_published_size(
    real_database: sa.Engine, acronym: str, voxels: int
) -> None:
    ((found, mm3, summed),) = ask(
        real_database,
        "SELECT v.voxels, v.volume_mm3, (SELECT sum((u.z_end - u.z) / 25) FROM ccf.voxel_run u "
        "  JOIN ccf.region_ancestor a USING (ccf_id, region_id) "
        "  WHERE u.ccf_id = 1 AND a.ancestor_id = r.region_id) "
        "FROM ccf.region_volume v JOIN ccf.brain_region r USING (ccf_id, region_id) "
        "WHERE ccf_id = 1 AND r.acronym = :acronym AND v.hemisphere = 'both'",
        acronym=acronym,
    )
    assert found == summed == voxels
    assert mm3 == pytest.approx(voxels * 25**3 / 1e9, rel=1e-12)


def test_visp_has_7_073_mm3_and_the_brain_506_05(real_database: sa.Engine) -> None:
    rows = ask(
        real_database,
        "SELECT r.acronym, round(v.volume_mm3::numeric, 3)::float, v.own_voxels FROM ccf.region_volume v "
        "JOIN ccf.brain_region r USING (ccf_id, region_id) "
        "WHERE ccf_id = 1 AND hemisphere = 'both' AND r.acronym IN ('VISp', 'root')",
    )
    volumes = {acronym: (mm3, own) for acronym, mm3, own in rows}
    assert volumes["VISp"] == (7.073, 0)
    assert volumes["root"][0] == pytest.approx(506.05, abs=0.005)


def test_the_hemispheres_have_the_published_sizes(real_database: sa.Engine) -> None:
    rows = ask(
        real_database,
        "SELECT hemisphere, voxels FROM ccf.region_volume WHERE ccf_id = 1 AND region_id = 997",
    )
    assert dict(rows) == {"left": 16_176_318, "right": 16_211_067, "both": 32_387_385}


def test_regions_without_voxels_are_there_with_zero_and_no_place(real_database: sa.Engine) -> None:
    ((zero, placed),) = ask(
        real_database,
        "SELECT count(*), count(centroid_x) FROM ccf.region_volume "
        "WHERE ccf_id = 1 AND hemisphere = 'both' AND voxels = 0",
    )
    assert (zero, placed) == (488, 0)


@pytest.mark.parametrize("key", ["ccf_2017_100um", "ccf_2017_50um"])
@pytest.mark.parametrize("hemisphere", ["left", "right", "both"])
def test_centroids_and_boxes_are_those_of_the_volume(
    real_database: sa.Engine, volume_of: Callable[[AtlasEntry], Volume], key: str, hemisphere: str
) -> None:
    entry = atlas_entry(key)
    array, r = volume_of(entry), edge_of(entry.key)
    middle = MIDLINE_UM // r
    part = {"left": slice(0, middle), "right": slice(middle, None), "both": slice(None)}[hemisphere]
    closure = table_of(real_database, schema.region_ancestor, entry.ccf_id)
    sizes = table_of(real_database, schema.region_volume, entry.ccf_id)
    for region in (385, 382, 672, 733):  # VISp, CA1, CP, VPM
        inside = closure.filter(pl.col("ancestor_id") == region)["region_id"].to_list()
        x, y, z = np.nonzero(np.isin(array[:, :, part], inside, kind="sort"))
        z = z + (part.start or 0)
        (row,) = sizes.filter(
            (pl.col("region_id") == region) & (pl.col("hemisphere") == hemisphere)
        ).iter_rows(named=True)
        assert row["voxels"] == len(x) > 0
        for axis, at in (("x", x), ("y", y), ("z", z)):
            assert row[f"centroid_{axis}"] == pytest.approx((at.mean() + 0.5) * r, rel=1e-12)
            assert row[f"min_{axis}"] == at.min() * r
            assert row[f"max_{axis}"] == (at.max() + 1) * r


# --- Voxel by voxel --------------------------------------------------------------------------------------


def volume_in_database(engine: sa.Engine, entry: AtlasEntry) -> Volume:
    """The runs of an atlas written back into an array of the grid's shape: (AP, DV, ML)."""
    runs, r = table_of(engine, schema.voxel_run, entry.ccf_id), edge_of(entry.key)
    for name in ("x", "y", "z", "z_end"):
        assert (runs[name] % r == 0).all()
    x, y, z, z_end = (runs[name].to_numpy() // r for name in ("x", "y", "z", "z_end"))
    assert (z < z_end).all()
    array = np.zeros(grid_of(entry.key).shape, np.uint32)
    flat, length = array.reshape(-1), z_end - z
    first = np.ravel_multi_index((x, y, z), grid_of(entry.key).shape)
    before = np.cumsum(length) - length
    places = np.repeat(first - before, length) + np.arange(length.sum())
    written = np.zeros(array.size, bool)
    written[places] = True
    assert written.sum() == len(places), "two runs share a voxel"
    flat[places] = np.repeat(runs["region_id"].to_numpy(), length)
    return array


@pytest.mark.parametrize("key", REAL)
def test_the_runs_give_the_volume_back_exactly_axis_by_axis(
    real_database: sa.Engine, volume_of: Callable[[AtlasEntry], Volume], key: str
) -> None:
    entry = atlas_entry(key)
    found, expected = volume_in_database(real_database, entry), volume_of(entry)
    assert found.shape == expected.shape == grid_of(entry.key).shape
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("key", REAL)
def test_every_region_has_as_many_voxels_as_in_the_file(
    real_database: sa.Engine, volume_of: Callable[[AtlasEntry], Volume], key: str
) -> None:
    entry = atlas_entry(key)
    array = volume_of(entry)
    ids, counts = np.unique(array[array != 0], return_counts=True)
    in_file = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    r = edge_of(entry.key)
    runs = ask(
        real_database,
        f"SELECT region_id, sum((z_end - z) / {r}) FROM ccf.voxel_run WHERE ccf_id = :ccf GROUP BY 1",
        ccf=entry.ccf_id,
    )
    own = ask(
        real_database,
        "SELECT region_id, own_voxels FROM ccf.region_volume "
        "WHERE ccf_id = :ccf AND hemisphere = 'both' AND own_voxels > 0",
        ccf=entry.ccf_id,
    )
    assert dict(runs) == dict(own) == in_file
    assert len(in_file) == {25: 671, 50: 670, 100: 669}[r]
    assert sum(in_file.values()) == {25: 32_387_385, 50: 4_048_869, 100: 505_359}[r]


@pytest.mark.parametrize("key", REAL)
def test_the_surface_is_the_first_voxel_going_ventrally(
    real_database: sa.Engine, volume_of: Callable[[AtlasEntry], Volume], key: str
) -> None:
    entry = atlas_entry(key)
    in_brain = volume_of(entry) != 0
    x, z = np.nonzero(in_brain.any(axis=1))
    top = in_brain.argmax(axis=1)[x, z]
    expected = np.column_stack([x, z, top]) * edge_of(entry.key)
    table = table_of(real_database, schema.brain_surface, entry.ccf_id).sort("x", "z")
    assert np.array_equal(table.select("x", "z", "y").to_numpy(), expected)


def test_coarser_atlases_are_corner_samples_of_the_finest(
    volume_of: Callable[[AtlasEntry], Volume],
) -> None:
    finest = volume_of(atlas_entry("ccf_2017_25um"))
    assert np.array_equal(volume_of(atlas_entry("ccf_2017_50um")), finest[::2, ::2, ::2])
    assert np.array_equal(volume_of(atlas_entry("ccf_2017_100um")), finest[::4, ::4, ::4])


def test_a_left_right_flip_would_be_seen(volume_of: Callable[[AtlasEntry], Volume]) -> None:
    array = volume_of(atlas_entry("ccf_2017_25um"))
    assert np.count_nonzero(array != array[:, :, ::-1]) == 1_231_866


# --- One row per voxel -----------------------------------------------------------------------------------


def test_rows_of_voxels_are_those_of_the_volume(phantom_database: sa.Engine) -> None:
    entry = atlas_entry("phantom_100um")
    before = ask(phantom_database, "SELECT count(*) FROM ccf.voxel")
    with new_records() as instance:
        job = defs.resolve_job_def("load_voxel_rows")
        assert job.execute_in_process(instance=instance, partition_key=entry.key).success
    rows = table_of(phantom_database, schema.voxel, entry.ccf_id)
    array = np.stack([plane.T for plane in phantom_volume.planes(edge_of(entry.key))], axis=2)
    places = np.argwhere(array)
    expected = np.column_stack([places * edge_of(entry.key), array[tuple(places.T)]])
    assert before == [(0,)]
    assert np.array_equal(rows.sort("x", "y", "z").select("x", "y", "z", "region_id").to_numpy(), expected)
    look = sa.inspect(phantom_database)
    assert look.get_pk_constraint("voxel_904", "ccf")["constrained_columns"] == ["ccf_id", "x", "y", "z"]
    assert [i["column_names"] for i in look.get_indexes("voxel_904", "ccf")] == [["y", "z"]]
    assert look.get_foreign_keys("voxel_904", "ccf")[0]["referred_table"] == "brain_region"
