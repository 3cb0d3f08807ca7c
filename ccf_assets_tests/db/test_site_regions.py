"""The region of sites, against numpy on the dense volume: every frame, every status, no row lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import sqlalchemy as sa

from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import from_ccf, to_ccf
from ccf_assets.ccf.phantom.volume import planes
from ccf_assets.ccf.space import EXTENT_UM, MIDLINE_UM
from ccf_assets.db import schema, site_regions
from ccf_assets.db.loaded import select_loaded_atlases
from ccf_assets.pg.arrow import as_text, read_arrow
from ccf_assets_tests.support.grids import edge_of

Volume = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]


def phantom_volume(edge_um: int) -> Volume:
    return np.stack([plane.T for plane in planes(edge_um)], axis=2)


def oracle(volume: Volume, edge_um: int, frame: str, sites: Floats) -> pl.DataFrame:
    """What numpy makes of sites (ap, dv, ml)."""
    first = volume.astype(bool).argmax(axis=1) * float(edge_um)
    first[~volume.any(axis=1)] = np.nan

    def surface(x: Floats, z: Floats) -> Floats:
        inside = (x >= 0) & (x < EXTENT_UM[0]) & (z >= 0) & (z < EXTENT_UM[2])
        i, k = (np.where(inside, c, 0).astype(int) // edge_um for c in (x, z))
        return np.where(inside, first[i, k], np.nan)

    x, y, z = to_ccf(FRAMES[frame], *sites.T, surface).T
    where = np.stack([x, np.nan_to_num(y), z], axis=1)
    in_volume = ((where >= 0) & (where < EXTENT_UM)).all(axis=1)
    i, j, k = (np.where(in_volume, c, 0).astype(int) // edge_um for c in where.T)
    region = np.where(in_volume & ~np.isnan(y), volume[i, j, k], 0)
    return pl.DataFrame(
        {
            "x": x,
            "y": pl.Series(y).fill_nan(None),
            "z": z,
            "hemisphere": [
                ("right" if ml >= MIDLINE_UM else "left") if inside else None
                for ml, inside in zip(z, in_volume, strict=True)
            ],
            "region_id": pl.Series(region, dtype=pl.Int32).replace(0, None),
            "status": np.where(
                region > 0, "assigned", np.where(in_volume, "outside_brain", "outside_volume")
            ),
        }
    )


def registered(engine: sa.Engine, sites: sa.Select[Any], ccf_id: int, **how: bool) -> pl.DataFrame:
    """The regions of the sites, the same whether sites are looked up one by one or in arrays of all runs."""
    loaded = select_loaded_atlases().where(schema.atlas.c.ccf_id == ccf_id)

    def found(*, in_bulk: bool) -> pl.DataFrame:
        query = site_regions.site_regions(sites, loaded, in_bulk=in_bulk, **how)
        return pl.from_arrow(read_arrow(engine.url, query).read_all()).sort("site_id")  # type: ignore[union-attr,return-value]

    one_by_one, in_arrays = found(in_bulk=False), found(in_bulk=True)
    assert one_by_one.equals(in_arrays)
    return one_by_one


def random_sites(frame: str, number: int, volume: Volume, edge_um: int, seed: int) -> Floats:
    """Sites in and around the volume, and on the faces of voxels."""
    random = np.random.default_rng(seed)
    points = random.uniform(-300, np.array(EXTENT_UM) + 300, (number, 3))
    points[::5] = np.round(points[::5] / 25) * 25
    if FRAMES[frame].dv_from == "surface":
        points[:, 1] = random.uniform(-500, 6000, number)
        return np.asarray(from_ccf(FRAMES[frame], *points.T, 0.0))
    return np.asarray(from_ccf(FRAMES[frame], *points.T))


def assert_as_numpy_says(
    engine: sa.Engine, volume: Volume, key: str, frame: str, sites: Floats, **how: bool
) -> Mapping[str, int]:
    entry = atlas_entry(key)
    found = registered(engine, site_regions.given_sites(frame, *sites.T.tolist()), entry.ccf_id, **how)
    expected = oracle(volume, edge_of(key), frame, sites)
    assert found["site_id"].to_list() == list(range(len(sites)))
    for column in expected.columns:
        differ = found[column].ne_missing(expected[column])
        assert not differ.any(), (column, found.filter(differ).head(3), expected.filter(differ).head(3))
    return dict(found["status"].value_counts().iter_rows())


# --- Against numpy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", ["ccf", "ibl", "stereotaxic", "brainglobe"])
@pytest.mark.parametrize("key", ["phantom_100um", "phantom_50um"])
def test_random_points_get_the_region_of_their_voxel(
    phantom_database: sa.Engine, key: str, frame: str
) -> None:
    edge = edge_of(key)
    volume = phantom_volume(edge)
    sites = random_sites(frame, 5_000, volume, edge, seed=edge)
    statuses = assert_as_numpy_says(phantom_database, volume, key, frame, sites)
    assert set(statuses) == {"assigned", "outside_brain", "outside_volume"}
    assert statuses["assigned"] > 1_000


@pytest.mark.parametrize(
    ("key", "number"), [("ccf_2017_100um", 20_000), ("ccf_2017_50um", 20_000), ("ccf_2017_25um", 100_000)]
)
def test_random_points_get_the_region_of_their_voxel_in_the_real_atlas(
    real_database: sa.Engine, ccf_data: Callable[[str], Path], key: str, number: int
) -> None:
    entry = atlas_entry(key)
    volume = nrrd.read(str(ccf_data(entry.annotation)))[0]
    frames = ("ccf", "ibl", "stereotaxic", "stereotaxic_bregma")
    for frame in frames:
        sites = random_sites(frame, number // len(frames), volume, edge_of(key), seed=number)
        statuses = assert_as_numpy_says(real_database, volume, key, frame, sites)
        assert min(statuses.values()) > number // 100


# --- Statuses and borders ---------------------------------------------------------------------------------


@pytest.fixture
def phantom_id() -> int:
    return atlas_entry("phantom_100um").ccf_id


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("frame", ["ccf", "stereotaxic", "ibl"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_is_no_number_has_a_status_of_its_own(
    phantom_database: sa.Engine, phantom_id: int, frame: str, axis: int
) -> None:
    sites = np.zeros((6, 3))
    sites[:, axis] = [NAN, INF, -INF, 1e308, -1e31, 1e30]
    found = registered(phantom_database, site_regions.given_sites(frame, *sites.T.tolist()), phantom_id)
    assert found["status"].to_list() == ["invalid_nan", *["invalid_infinite"] * 4, "outside_volume"]
    invalid = found.head(5)
    for column in ("x", "y", "z", "hemisphere", "region_id"):
        assert invalid[column].null_count() == 5


def test_a_site_of_which_no_coordinate_is_known_is_missing(
    phantom_database: sa.Engine, phantom_id: int
) -> None:
    unknown = np.array([[NAN, NAN, NAN], [NAN, NAN, 0], [0, NAN, NAN], [NAN, INF, NAN], [NAN, NAN, NAN]])
    for frame in ("ccf", "stereotaxic", "ibl"):
        found = registered(
            phantom_database, site_regions.given_sites(frame, *unknown.T.tolist()), phantom_id
        ).sort("site_id")
        assert found["status"].to_list() == ["missing", *["invalid_nan"] * 3, "missing"]
        assert found["x"].null_count() == 5


def test_nan_goes_before_infinite(phantom_database: sa.Engine, phantom_id: int) -> None:
    found = registered(phantom_database, site_regions.given_sites("ccf", [NAN], [INF], [0]), phantom_id)
    assert found["status"].to_list() == ["invalid_nan"]


def test_a_missing_coordinate_counts_as_no_number(phantom_database: sa.Engine, phantom_id: int) -> None:
    null = sa.cast(sa.null(), sa.Double)
    site = sa.select(
        sa.literal("a").label("recording_id"), sa.literal(0).label("site_id"), null.label("ap"),
        sa.literal(1.0).label("dv"), sa.literal(1.0).label("ml"), sa.literal("ccf").label("frame"),
        sa.literal("").label("source"),
    )  # fmt: skip
    found = registered(phantom_database, site, phantom_id)
    assert found.select("status", "x", "y", "z", "hemisphere").rows() == [("invalid_nan", *[None] * 4)]


def test_the_volume_begins_at_0_and_ends_before_its_extent(
    phantom_database: sa.Engine, phantom_id: int
) -> None:
    middle = np.array(EXTENT_UM) / 2
    for axis, extent in enumerate(EXTENT_UM):
        sites = np.tile(middle, (5, 1))
        sites[:, axis] = [-1e-9, 0, np.nextafter(extent, 0), extent, -0.0]
        found = registered(phantom_database, site_regions.given_sites("ccf", *sites.T.tolist()), phantom_id)
        outside = [status == "outside_volume" for status in found["status"]]
        assert outside == [True, False, False, True, False]


def test_the_midline_is_right(phantom_database: sa.Engine, phantom_id: int) -> None:
    ml = [np.nextafter(5700.0, 0), 5700.0, 0.0, 11_399.0, -1.0, 12_000.0]
    sites = site_regions.given_sites("ccf", [6600.0] * 6, [4000.0] * 6, ml)
    found = registered(phantom_database, sites, phantom_id)
    assert found["hemisphere"].to_list() == ["left", "right", "left", "right", None, None]


def test_a_depth_begins_at_the_first_voxel_of_the_column(
    phantom_database: sa.Engine, phantom_id: int
) -> None:
    with phantom_database.connect() as connection:
        surface = connection.execute(
            sa.text("SELECT x, y, z FROM ccf.brain_surface WHERE ccf_id = :id AND x = 6600 AND z = 6700"),
            {"id": phantom_id},
        ).one()
    (ap,), _, (ml,) = from_ccf(FRAMES["stereotaxic"], [6600], [0], [6700], 0.0).T
    sites = site_regions.given_sites("stereotaxic", [ap] * 3, [-0.5, 0.0, 1.0], [ml] * 3)
    found = registered(phantom_database, sites, phantom_id)
    assert found["y"].to_list() == [surface.y - 0.5, surface.y, surface.y + 1.0]
    assert found["status"].to_list() == ["outside_brain", "assigned", "assigned"]


def test_a_column_beside_the_brain_has_no_depth(phantom_database: sa.Engine, phantom_id: int) -> None:
    (ap,), _, (ml,) = from_ccf(FRAMES["stereotaxic"], [50], [0], [50], 0.0).T
    sites = site_regions.given_sites("stereotaxic", [ap, 1e6], [100.0] * 2, [ml] * 2)
    found = registered(phantom_database, sites, phantom_id)
    assert found.select("y", "hemisphere", "status").rows() == [
        (None, "left", "outside_brain"),
        (None, None, "outside_volume"),
    ]


def test_every_site_has_a_row_for_every_loaded_atlas(phantom_database: sa.Engine) -> None:
    sites = site_regions.given_sites("ccf", [NAN, -5.0, 6600.0], [0.0] * 3, [0.0] * 3)
    query = site_regions.site_regions(sites, select_loaded_atlases())
    found = pl.from_arrow(read_arrow(phantom_database.url, query).read_all())
    assert found.select("site_id", "ccf_id").unique().height == found.height == 6  # type: ignore[union-attr]


def test_arrays_are_made_of_all_runs_only_for_as_many_sites_as_pay_for_it(
    phantom_database: sa.Engine,
) -> None:
    def many(number: int) -> object:
        sites = site_regions.given_sites("ccf", *[[0.0] * number] * 3)
        with phantom_database.connect() as connection:
            return connection.scalar(site_regions.many_sites(sites))

    with phantom_database.begin() as connection:
        connection.exec_driver_sql("ANALYZE ccf.voxel_run")
        runs = connection.scalar(sa.select(sa.func.count()).select_from(schema.voxel_run))
    assert isinstance(runs, int)
    few = runs // site_regions.RUNS_PER_SITE
    assert [many(few - 1), many(few + 1)] == [False, True]
    with phantom_database.begin() as connection:
        connection.execute(sa.delete(schema.voxel_run))
    assert many(few) is False, "no atlas is loaded"


def test_an_atlas_without_its_runs_or_surface_is_not_loaded(phantom_database: sa.Engine) -> None:
    def loaded() -> list[int]:
        with phantom_database.connect() as connection:
            query = select_loaded_atlases().order_by("ccf_id")
            return [row.ccf_id for row in connection.execute(query)]

    first, second = loaded()
    with phantom_database.begin() as connection:
        connection.execute(sa.delete(schema.brain_surface).where(schema.brain_surface.c.ccf_id == first))
    assert loaded() == [second]
    with phantom_database.begin() as connection:
        connection.execute(sa.delete(schema.voxel_run).where(schema.voxel_run.c.ccf_id == second))
    assert loaded() == []


def test_asking_which_atlases_are_loaded_does_not_read_their_voxels(real_database: sa.Engine) -> None:
    with real_database.connect() as connection:
        query = select_loaded_atlases()
        text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text}"))
    assert plan.count("Limit") == 2, plan


# --- The tutorial's two sites -----------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("key", ["ccf_2017_100um", "ccf_2017_50um", "ccf_2017_25um"])
def test_the_tutorials_sites_are_in_visp4_and_ca1_on_both_sides(
    real_database: sa.Engine, key: str, side: int
) -> None:
    sites = site_regions.given_sites("stereotaxic", [-3500, -1800], [500, 1200], [2500 * side, 1500 * side])
    entry = atlas_entry(key)
    found = registered(real_database, sites, entry.ccf_id)
    region = schema.brain_region.c
    with real_database.connect() as connection:
        query = sa.select(region.region_id, region.acronym).where(region.ccf_id == entry.ccf_id)
        names = dict(connection.execute(query).all())  # type: ignore[arg-type]
    assert [names[region_id] for region_id in found["region_id"]] == ["VISp4", "CA1"]
    assert found["hemisphere"].to_list() == ["right" if side > 0 else "left"] * 2


def test_the_sites_of_a_source_are_not_looked_for_among_all_by_their_key(phantom_database: sa.Engine) -> None:
    site = schema.recording_site.c
    names = ("recording_id", "site_id", "ap", "dv", "ml", "frame", "source")
    of_source = sa.select(*(site[name] for name in names))
    query = site_regions.site_regions(
        of_source.where(site.source == "a.csv"), select_loaded_atlases(), lock_sites=True
    )
    with phantom_database.begin() as connection:
        # As if there were very many other sites: the planner avoids a sort wherever it can.
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        explained = sa.text("EXPLAIN " + as_text(query).replace(":", r"\:"))
        plan = "\n".join(connection.scalars(explained))
        walked = connection.scalars(
            sa.text(
                "EXPLAIN SELECT * FROM ccf.recording_site WHERE source = 'a.csv' "
                "ORDER BY recording_id, site_id"
            )
        )
        assert "recording_site_pkey" in "\n".join(walked), "what the planner would do"
    assert "recording_site_pkey" not in plan, plan


def paths_to(relation: str, node: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The nodes of a plan from the top down to each that reads a relation."""
    if node.get("Relation Name") == relation:
        return [[node]]
    return [[node, *path] for below in node.get("Plans", []) for path in paths_to(relation, below)]


@pytest.mark.parametrize("only_missing", [False, True])
@pytest.mark.parametrize("in_bulk", [False, True])
def test_the_sites_of_a_new_source_are_read_once_whatever_the_planner_knows(
    phantom_database: sa.Engine, in_bulk: bool, only_missing: bool
) -> None:
    insert = sa.text(
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source) "
        "SELECT 'm', n, 6600, 4000, 6700, 'ccf', CASE WHEN n < 20000 THEN 'old ' || n % 9 ELSE 'new' END "
        "FROM generate_series(CAST(:first AS integer), :last) AS n"
    )
    site = schema.recording_site.c
    query = site_regions.site_regions(
        sa.select(schema.recording_site).where(site.source == "new"),
        select_loaded_atlases().where(schema.atlas.c.ccf_id == 904),
        lock_sites=True,
        only_missing=only_missing,
        in_bulk=in_bulk,
    )
    with phantom_database.begin() as connection:
        connection.execute(insert, {"first": 0, "last": 19_999})
        connection.exec_driver_sql("ANALYZE ccf.recording_site")
        connection.execute(insert, {"first": 20_000, "last": 20_499})  # of which it expects one
        explained = sa.text("EXPLAIN (ANALYZE, FORMAT JSON) " + as_text(query).replace(":", r"\:"))
        (whole,) = connection.scalar(explained)
    (path,) = paths_to("recording_site", whole["Plan"])
    assert path[-1]["Actual Loops"] == 1
    # Beside many other sites it would loop over the frames and read these sites anew for each.
    joins = [node["Node Type"] for node in path if node.get("Join Type")]
    assert joins
    assert "Nested Loop" not in joins
    assert whole["Plan"]["Actual Rows"] == 500
