"""The functions a lab calls in SQL, held against numpy on the dense volume and the ontology's file."""

from __future__ import annotations

import csv
import functools
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nrrd
import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa

import ccf_assets
from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry
from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import from_ccf, to_ccf
from ccf_assets.ccf.phantom.volume import planes
from ccf_assets.ccf.space import EXTENT_UM
from ccf_assets.db import loaded, schema, site_regions
from ccf_assets_tests.support.grids import edge_of

Volume = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


class Atlas(NamedTuple):
    """A loaded atlas, and the same from its file."""

    engine: sa.Engine
    entry: AtlasEntry
    volume: Volume

    def ask(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """The answer to a statement, in which ``:id`` is the atlas's ccf_id."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.text(statement), {"id": self.entry.ccf_id, **values})
            return [tuple(row) for row in found]

    def region_of(self, voxels: Whole) -> Whole:
        """The ids at indices of voxels, shape (N, 3); 0 outside the brain and outside the volume."""
        inside = ((voxels >= 0) & (voxels < self.volume.shape)).all(axis=1)
        i, j, k = np.where(inside[:, None], voxels, 0).T
        return np.where(inside, self.volume[i, j, k], 0).astype(np.int64)


@functools.cache
def phantom_volume(edge_um: int) -> Volume:
    return np.stack([plane.T for plane in planes(edge_um)], axis=2)


@functools.cache
def real_volume(file: Path) -> Volume:
    return np.asarray(nrrd.read(str(file))[0])


@pytest.fixture
def atlas(request: pytest.FixtureRequest) -> Atlas:
    """The atlas that the test names by its key."""
    entry = atlas_entry(request.param)
    if entry.is_phantom:
        return Atlas(request.getfixturevalue("phantom_database"), entry, phantom_volume(edge_of(entry.key)))
    file = request.getfixturevalue("ccf_data")(entry.annotation)
    return Atlas(request.getfixturevalue("real_database"), entry, real_volume(file))


def of_atlases(*keys: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("atlas", keys, indirect=True)


UNNEST = (
    "unnest(CAST(:x AS float8[]), CAST(:y AS float8[]), CAST(:z AS float8[])) "
    "WITH ORDINALITY AS p (x, y, z, n)"
)


def as_lists(points: Floats) -> dict[str, list[float]]:
    return dict(zip("xyz", points.T.tolist(), strict=True))


# --- The region at a point --------------------------------------------------------------------------------


def points_around(number: int) -> Floats:
    """Points in and around the volume, some on the faces of voxels, some that are no places."""
    random = np.random.default_rng(number)
    points = random.uniform(-300, np.array(EXTENT_UM) + 300, (number, 3))
    points[::5] = np.round(points[::5] / 25) * 25
    points[::101, 0] = np.nan
    points[1::101, 1] = np.inf
    points[2::101, 2] = -np.inf
    points[3::101, 2] = 1e300
    return points


@of_atlases("phantom_50um", "ccf_2017_25um")
def test_a_point_is_in_the_region_of_its_voxel(atlas: Atlas) -> None:
    points = points_around(5_000 if atlas.entry.is_phantom else 100_000)
    found = atlas.ask(
        f"SELECT coalesce(here.region_id, 0) FROM {UNNEST} "
        "CROSS JOIN LATERAL ccf.region_at(:id, p.x, p.y, p.z) AS here ORDER BY p.n",
        **as_lists(points),
    )
    places = np.where(np.isfinite(points), points, -1).clip(-1, 1e6)
    expected = atlas.region_of(np.floor(places / edge_of(atlas.entry.key)).astype(np.int64))
    assert len(found) == len(points)
    np.testing.assert_array_equal([region for (region,) in found], expected)
    assert (expected > 0).mean() > 0.2
    at_once = atlas.ask(
        "SELECT number, coalesce(region_id, 0) FROM ccf.regions_at(:id, :x, :y, :z) ORDER BY number",
        **as_lists(points),
    )
    assert at_once == list(enumerate(expected.tolist(), start=1))


@of_atlases("phantom_100um")
def test_points_asked_for_at_once_keep_their_numbers_also_where_nothing_is_known_of_them(
    atlas: Atlas,
) -> None:
    asked = "SELECT number, region_id FROM ccf.regions_at(:id, :x, :y, :z) ORDER BY number"
    brain = np.argwhere(atlas.volume)[1000]
    x, y, z = (brain * 100 + 50).tolist()
    region = int(atlas.volume[tuple(brain)])
    assert atlas.ask(asked, x=[x, None, x, 0], y=[y, y], z=[z, z, z, 0]) == [
        (1, region),
        (2, None),
        (3, None),
        (4, None),
    ]
    assert atlas.ask(asked, x=[], y=[], z=[]) == []


@of_atlases("phantom_100um")
def test_a_point_may_be_asked_for_without_from_and_is_null_where_there_is_no_region(atlas: Atlas) -> None:
    brain = np.argwhere(atlas.volume)[1000]
    x, y, z = (brain * 100 + 50).tolist()
    ask = "SELECT ccf.region_at(:id, :x, :y, :z)"
    assert atlas.ask(ask, x=x, y=y, z=z) == [(int(atlas.volume[tuple(brain)]),)]
    assert atlas.ask(ask, x=0, y=0, z=0) == [(None,)]
    assert atlas.ask(ask, x=None, y=y, z=z) == [(None,)]


# --- Frames -----------------------------------------------------------------------------------------------


@of_atlases("phantom_50um", "ccf_2017_50um")
def test_every_frame_gives_the_point_it_gives_in_python(atlas: Atlas) -> None:
    edge = edge_of(atlas.entry.key)
    top = atlas.volume.astype(bool).argmax(axis=1) * float(edge)
    top[~atlas.volume.any(axis=1)] = np.nan

    def surface(x: Floats, z: Floats) -> Floats:
        inside = (x >= 0) & (x < EXTENT_UM[0]) & (z >= 0) & (z < EXTENT_UM[2])
        i, k = (np.where(inside, c, 0).astype(int) // edge for c in (x, z))
        return np.where(inside, top[i, k], np.nan)

    for frame in FRAMES.values():
        points = from_ccf(frame, *points_around(1_000).T, 0.0)
        points[:4, 0] = (np.nan, 1e31, 1e-300, 1e30)
        found = atlas.ask(
            f"SELECT at.x, at.y, at.z FROM {UNNEST} "
            "CROSS JOIN LATERAL ccf.to_ccf(:frame, p.x, p.y, p.z, :id) AS at ORDER BY p.n",
            frame=frame.name,
            **as_lists(points),
        )
        expected = to_ccf(frame, *points.T, surface)
        np.testing.assert_allclose(np.array(found, dtype=np.float64), expected, rtol=0, atol=1e-6)
        assert np.isfinite(expected).all(axis=1).sum() > 300


@of_atlases("phantom_100um")
def test_only_a_depth_below_the_surface_needs_an_atlas(atlas: Atlas) -> None:
    assert atlas.ask("SELECT * FROM ccf.to_ccf('ccf_mm', 1, 2, 3)") == [(1000, 2000, 3000)]
    assert atlas.ask("SELECT * FROM ccf.to_ccf('ccf_mm', 1, NULL, 3)") == [(None, None, None)]
    [(x, y, z)] = atlas.ask("SELECT * FROM ccf.to_ccf('stereotaxic', 5300, 500, 0, :id)")
    assert (x, y, z) == (100, None, 5700)  # in front of the brain: a column without a surface


TINY = (5e-324, 1e-310, 2.3e-308, 1e-300, 1e-31)


@of_atlases("phantom_100um")
@pytest.mark.parametrize("tiny", TINY)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_number_next_to_nothing_is_a_place_and_ends_no_statement(
    atlas: Atlas, tiny: float, axis: int
) -> None:
    def ask(call: str, number: float) -> list[tuple[Any, ...]]:
        point = [6600.0, 4000.0, 5700.0]
        point[axis] = number
        values = dict(zip("xyz", point, strict=True))
        return atlas.ask(f"SELECT * FROM ccf.{call}", **values, tiny=abs(number))

    for call in (
        "region_at(:id, :x, :y, :z)",
        "region_shares(:id, :x, :y, :z, 300)",
        "regions_along(:id, :x, :y, :z, 6600, 4000, 6100)",
        "regions_along(:id, 6600, 4000, 6100, :x, :y, :z)",
    ):
        assert ask(call, tiny) == ask(call, -tiny if "region_shares" in call else 0.0), call
    assert atlas.ask("SELECT * FROM ccf.region_shares(:id, 50, 75, :tiny, 25)", tiny=tiny) != []
    assert ask("region_shares(:id, 6650, 4050, 5750, :tiny)", tiny) == atlas.ask(
        "SELECT * FROM ccf.region_shares(:id, 6650, 4050, 5750, 0.001)"
    )
    plane = ("coronal", "horizontal", "sagittal")[axis]
    query = f"SELECT count(*) FROM ccf.slice(:id, '{plane}', :um)"
    assert atlas.ask(query, um=tiny) == atlas.ask(query, um=0.0)
    with pytest.raises(sa.exc.DBAPIError, match=f"There is no {plane} plane at -"):
        atlas.ask(query, um=-tiny)
    assert ask("region_at(:id, :x, :y, :z)", -tiny) == [(None,)]


# --- Spheres ----------------------------------------------------------------------------------------------


def in_sphere(atlas: Atlas, centre: Floats, radius: float) -> dict[int, int]:
    """Voxels by region id (0 outside the brain) whose centres are in the sphere."""
    edge = edge_of(atlas.entry.key)
    first = np.floor((centre - radius) / edge).astype(np.int64) - 1
    last = np.ceil((centre + radius) / edge).astype(np.int64) + 1
    grid = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(first, last, strict=True)), indexing="ij"))
    voxels = grid.reshape(3, -1).T
    inside = (((voxels + 0.5) * edge - centre) ** 2).sum(axis=1) <= radius**2
    chosen = voxels[inside] if inside.any() else np.floor(centre / edge).astype(np.int64)[None]
    ids, counts = np.unique(atlas.region_of(chosen), return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


@of_atlases("phantom_100um", "ccf_2017_50um")
def test_a_sphere_consists_of_the_voxels_whose_centres_are_in_it(atlas: Atlas) -> None:
    random = np.random.default_rng(1)
    number = 100 if atlas.entry.is_phantom else 1_000
    centres = random.uniform(-200, np.array(EXTENT_UM) + 200, (number, 3))
    radii = random.uniform(5, 400, number)
    # Exact ties: a voxel's centre, and a radius that ends on others.
    centres[::10] = np.floor(centres[::10] / 100) * 100 + edge_of(atlas.entry.key) / 2
    radii[::10] = np.ceil(radii[::10] / 50) * 50
    found = atlas.ask(
        f"SELECT p.n, share.region_id, share.acronym, share.voxels, share.share FROM {UNNEST} "
        "CROSS JOIN LATERAL ccf.region_shares(:id, p.x, p.y, p.z, (CAST(:radii AS float8[]))[p.n]) AS share",
        radii=radii.tolist(),
        **as_lists(centres),
    )
    counts: dict[int, dict[int, int]] = defaultdict(dict)
    shares: dict[int, float] = defaultdict(float)
    for n, region, acronym, voxels, share in found:
        assert (region is None) == (acronym is None)
        counts[n - 1][region or 0] = voxels
        shares[n - 1] += share
    for n, (centre, radius) in enumerate(zip(centres, radii.tolist(), strict=True)):
        assert counts[n] == in_sphere(atlas, centre, radius), (n, centre, radius)
        assert shares[n] == pytest.approx(1, abs=1e-12)
    assert sum(len(c) > 2 for c in counts.values()) > number // 20


# --- Tracks -----------------------------------------------------------------------------------------------


def tracks(number: int, edge_um: int) -> Whole:
    """Tracks as whole µm, shape (≤ number, 2, 3): any, between voxels' corners, along axes and diagonals."""
    random = np.random.default_rng(number)
    ends = random.integers(-500, np.array(EXTENT_UM) + 500, (number, 2, 3))
    ends[::4] = ends[::4] // edge_um * edge_um
    axis = random.integers(0, 3, number)
    for n in range(1, number, 8):
        ends[n, 1, axis[n]] = ends[n, 0, axis[n]]
    for n in range(2, number, 8):
        keep = ends[n, 1, axis[n]]
        ends[n, 1] = ends[n, 0]
        ends[n, 1, axis[n]] = keep
    for n in range(0, number, 8):
        step = ends[n, 1, 0] - ends[n, 0, 0]
        ends[n, 1] = ends[n, 0] + step * random.choice([-1, 1], 3)
    return ends[(ends[:, 0] != ends[:, 1]).any(axis=1)]


def along(atlas: Atlas, start: Whole, end: Whole) -> list[tuple[int, float, float]]:
    """Region id (0 outside the brain), entry and exit in µm, of the stretches of a track.

    All faces that are crossed are written over one denominator and sorted as whole numbers: nothing is
    rounded before the very end.
    """
    edge, step = edge_of(atlas.entry.key), end - start
    whole = int(np.prod(np.abs(step[step != 0])))
    faces = [np.array([0, whole])]
    for o, d, size in zip(start.tolist(), step.tolist(), EXTENT_UM, strict=True):
        if d:
            at = (np.arange(0, size + edge, edge) - o) * (whole // d)
            faces.append(at[(at > 0) & (at < whole)])
    cuts = np.unique(np.concatenate(faces))
    twice = cuts[:-1] + cuts[1:]
    middles = (start * 2 * whole + twice[:, None] * step) // (2 * whole * edge)
    regions = atlas.region_of(middles)
    changes = np.flatnonzero(np.diff(regions)) + 1
    first = np.concatenate([[0], changes])
    um = np.append(cuts[first], whole) / whole * np.sqrt((step.astype(float) ** 2).sum())
    return list(zip(regions[first].tolist(), um[:-1].tolist(), um[1:].tolist(), strict=True))


@of_atlases("phantom_100um", "ccf_2017_50um")
def test_a_track_passes_the_regions_that_whole_number_arithmetic_says(atlas: Atlas) -> None:
    ends = tracks(100 if atlas.entry.is_phantom else 1_000, edge_of(atlas.entry.key))
    given = ends.reshape(len(ends), 6).T.tolist()
    found = atlas.ask(
        "SELECT t.n, r.region_id, r.acronym, r.entry_um, r.exit_um, r.length_um FROM "
        f"unnest({', '.join(f'CAST(:c{i} AS float8[])' for i in range(6))}) "
        "WITH ORDINALITY AS t (a, b, c, d, e, f, n) "
        "CROSS JOIN LATERAL ccf.regions_along(:id, t.a, t.b, t.c, t.d, t.e, t.f) AS r "
        "ORDER BY t.n, r.entry_um",
        **{f"c{i}": column for i, column in enumerate(given)},
    )
    answers: dict[int, list[tuple[int, float, float]]] = defaultdict(list)
    for n, region, acronym, entry, leave, length in found:
        assert (region is None) == (acronym is None)
        assert length == leave - entry > 0
        answers[n - 1].append((region or 0, entry, leave))
    stretches = 0
    for n, (start, end) in enumerate(ends):
        expected = along(atlas, start, end)
        assert [region for region, _, _ in answers[n]] == [region for region, _, _ in expected], (start, end)
        np.testing.assert_allclose(answers[n], expected, rtol=0, atol=1e-6)
        # No gap and no overlap, to the last bit.
        assert [a for _, a, _ in answers[n][1:]] == [b for _, _, b in answers[n][:-1]]
        stretches += len(expected)
    assert stretches > 4 * len(ends)


@of_atlases("phantom_100um")
def test_a_track_is_the_same_backwards(atlas: Atlas) -> None:
    ask = "SELECT region_id, length_um FROM ccf.regions_along(:id, {}) ORDER BY entry_um"
    there = atlas.ask(ask.format("5013, 107, 4001, 8888, 7001, 7003"))
    back = atlas.ask(ask.format("8888, 7001, 7003, 5013, 107, 4001"))
    assert [region for region, _ in there] == [region for region, _ in back][::-1]
    assert [um for _, um in there] == pytest.approx([um for _, um in back][::-1], abs=1e-6)


# --- Planes and voxels ------------------------------------------------------------------------------------


@of_atlases("phantom_100um", "ccf_2017_50um")
def test_a_plane_has_the_voxels_of_the_file(atlas: Atlas) -> None:
    edge = edge_of(atlas.entry.key)
    random = np.random.default_rng(30)
    for axis, plane in enumerate(("coronal", "horizontal", "sagittal")):
        for at in (0, EXTENT_UM[axis] - 0.5, *random.uniform(500, EXTENT_UM[axis] - 500, 8).tolist()):
            found = atlas.ask(
                "SELECT x, y, z, region_id FROM ccf.slice(:id, :plane, :at)", plane=plane, at=at
            )
            rows = np.array(found, dtype=np.int64).reshape(-1, 4)
            assert (rows[:, axis] == at // edge * edge).all()
            dense = np.zeros(atlas.volume.shape[:axis] + atlas.volume.shape[axis + 1 :], np.uint32)
            i, j = np.delete(rows[:, :3], axis, axis=1).T // edge
            dense[i, j] = rows[:, 3]
            np.testing.assert_array_equal(dense, atlas.volume.take(int(at // edge), axis=axis))
            assert len(rows) == np.count_nonzero(dense)


@of_atlases("phantom_100um", "ccf_2017_100um")
def test_the_voxels_are_those_of_the_file(atlas: Atlas) -> None:
    rows = np.array(atlas.ask("SELECT ccf_id, x, y, z, region_id FROM ccf.voxels(:id)"))
    assert (rows[:, 0] == atlas.entry.ccf_id).all()
    dense = np.zeros_like(atlas.volume)
    dense[tuple(rows[:, 1:4].T // edge_of(atlas.entry.key))] = rows[:, 4]
    np.testing.assert_array_equal(dense, atlas.volume)
    assert len(rows) == np.count_nonzero(atlas.volume)


# --- The hierarchy ----------------------------------------------------------------------------------------


class Structure(NamedTuple):
    """A line of the ontology's file."""

    number: int
    parent: int | None
    acronym: str
    order: int


def structures(atlas: Atlas, ccf_data: Callable[[str], Path] | None) -> list[Structure]:
    if ccf_data is None:
        file = Path(ccf_assets.__file__).parent / "ccf/phantom/structures.csv"
    else:
        file = ccf_data("ontology/structure_graph.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            Structure(
                int(row["id"]),
                int(float(row["parent_structure_id"])) if row["parent_structure_id"] else None,
                row["acronym"],
                int(row["graph_order"]) if "graph_order" in row else number,
            )
            for number, row in enumerate(csv.DictReader(lines))
        ]


@of_atlases("phantom_100um", "ccf_2017_100um")
def test_every_region_has_the_place_in_the_hierarchy_that_the_file_gives_it(
    atlas: Atlas, request: pytest.FixtureRequest
) -> None:
    ccf_data = None if atlas.entry.is_phantom else request.getfixturevalue("ccf_data")
    file = sorted(structures(atlas, ccf_data), key=lambda s: s.order)
    parent = {s.number: s.parent for s in file}
    name = {s.number: s.acronym for s in file}
    below: dict[int, list[int]] = defaultdict(list)
    children: dict[int | None, list[int]] = defaultdict(list)
    up: dict[int, list[int]] = {}
    for s in file:
        above = s.parent
        up[s.number] = [s.number]
        while above is not None:
            up[s.number].append(above)
            above = parent[above]
        for each in up[s.number]:
            below[each].append(s.number)
        children[s.parent].append(s.number)
    found = atlas.ask(
        "SELECT r.region_id, named.acronym, by_id.acronym, named.depth, "
        "ARRAY(SELECT region_id FROM ccf.children(:id, r.acronym)), "
        "ARRAY(SELECT region_id FROM ccf.ancestors(:id, r.acronym)), "
        "ARRAY(SELECT region_id FROM ccf.descendants(:id, r.acronym)), "
        "ccf.path_to_root(:id, r.acronym) "
        "FROM ccf.brain_region AS r CROSS JOIN LATERAL ccf.region(:id, r.acronym) AS named "
        "CROSS JOIN LATERAL ccf.region(:id, r.region_id::text) AS by_id WHERE r.ccf_id = :id"
    )
    assert len(found) == len(file)
    for number, acronym, same, depth, kids, over, inside, path in found:
        assert acronym == same == name[number]
        assert depth == len(up[number]) - 1
        assert kids == children[number]
        assert over == up[number]
        assert inside == below[number]
        assert path == [name[each] for each in reversed(up[number])]


@of_atlases("phantom_100um")
def test_an_id_is_a_region_as_number_and_as_text(atlas: Atlas) -> None:
    known = "(VALUES ('VISp', '385', 385), ('root', '997', 997)) AS r (acronym, digits, id)"
    for answer in ("region_id", "region", "children", "ancestors", "descendants", "path_to_root"):
        asked = (f"ARRAY(SELECT ccf.{answer}(:id, r.{given})::text)" for given in ("acronym", "digits", "id"))
        for by_acronym, by_digits, by_number in atlas.ask(f"SELECT {', '.join(asked)} FROM {known}"):
            assert by_acronym == by_digits == by_number != []
    # As a lab types it.
    assert atlas.ask("SELECT (ccf.region(904, 385)).acronym, (ccf.region(904, '385')).acronym") == [
        ("VISp", "VISp")
    ]


@of_atlases("ccf_2017_25um")
def test_a_region_comes_with_its_size(atlas: Atlas) -> None:
    found = atlas.ask("SELECT region_id, full_name, voxels, volume_mm3 FROM ccf.region(:id, 'CA1')")
    assert found == [(382, "Field CA1", 653_391, pytest.approx(10.209, abs=1e-3))]


@of_atlases("phantom_100um")
def test_an_atlas_goes_by_its_key_or_is_the_finest(atlas: Atlas) -> None:
    assert atlas.ask("SELECT ccf.atlas_id('phantom_100um'), ccf.default_atlas()") == [
        (atlas.entry.ccf_id, atlas_entry("phantom_50um").ccf_id)
    ]


@of_atlases("ccf_2017_25um")
def test_the_finest_real_atlas_is_the_default(atlas: Atlas) -> None:
    assert atlas.ask("SELECT ccf.default_atlas()") == [(atlas.entry.ccf_id,)]


@of_atlases("ccf_2017_25um", "ccf_2017_100um")
def test_the_sites_in_a_region_are_those_in_a_voxel_of_it_or_of_anything_inside_it(
    atlas: Atlas, ccf_data: Callable[[str], Path]
) -> None:
    points = points_around(3_000)
    places = np.where(np.isfinite(points), points, -1).clip(-1, 1e6)
    regions = atlas.region_of(np.floor(places / edge_of(atlas.entry.key)).astype(np.int64)).tolist()
    with ccf_data("ontology/structure_graph.csv").open(encoding="utf-8", newline="") as lines:
        above = {
            int(row["id"]): [int(number) for number in row["structure_id_path"].strip("/").split("/")]
            for row in csv.DictReader(lines)
        }
    expected: dict[int, list[int]] = {number: [] for number in above}
    for site, region in enumerate(regions):
        for number in above.get(region, []):
            expected[number].append(site)
    assert sum(map(bool, expected.values())) > 400

    site = schema.recording_site.c
    given = [
        {"recording_id": "m", "site_id": n, "ap": x, "dv": y, "ml": z, "frame": "ccf"}
        for n, (x, y, z) in enumerate(points.tolist())
    ]
    rows = sa.select(site.recording_id, site.site_id, site.ap, site.dv, site.ml, site.frame, site.source)
    registered = site_regions.site_regions(rows, loaded.select_loaded_atlases())
    asked = (
        "SELECT r.region_id, ARRAY(SELECT site_id FROM ccf.sites_in({}, :key)) FROM ccf.brain_region AS r "
        "WHERE r.ccf_id = :id"
    )
    with atlas.engine.connect() as connection:  # its rows are not committed: the database is every test's
        connection.execute(sa.insert(schema.recording_site), given)
        columns = registered.selected_columns.keys()
        connection.execute(sa.insert(schema.recording_region).from_select(columns, registered))
        for name in ("r.acronym", "r.region_id", "'0' || r.region_id"):
            values = {"id": atlas.entry.ccf_id, "key": atlas.entry.key}
            found = connection.execute(sa.text(asked.format(name)), values)
            assert {row[0]: row[1] for row in found} == expected
        in_all = sa.text("SELECT site_id FROM ccf.sites_in('TH') AS s WHERE s.ccf_id = :id")
        assert connection.scalars(in_all, {"id": atlas.entry.ccf_id}).all() == expected[549]


# --- What is wrong is said in a sentence ------------------------------------------------------------------


ATLASES = r"there are 903 \(phantom_50um\), 904 \(phantom_100um\)"
WRONG = {
    "ccf.atlas_id('ccf')": rf"There is no atlas 'ccf' in the database; {ATLASES}\.",
    "ccf.atlas_id(NULL)": rf"There is no atlas NULL in the database; {ATLASES}\.",
    "ccf.region(7, 'root')": rf"There is no atlas with ccf_id 7; {ATLASES}\.",
    "ccf.region(NULL, 'root')": rf"There is no atlas with ccf_id NULL; {ATLASES}\.",
    "ccf.region(904, 'ROOT')": r"There is no region 'ROOT' in phantom_100um; root differs by case only, and",
    "ccf.region(904, 'Cm')": r"There is no region 'Cm' in phantom_100um; CM and cm differ by case only, and",
    "ccf.region(904, 'VISpp')": r"There is no region 'VISpp' in phantom_100um; did you mean VISp\b.*\?",
    "ccf.region(904, 'Caudoputamen')": r"no region 'Caudoputamen' in phantom_100um; did you mean CP\?",
    "ccf.region(904, 'q~q')": r"There is no region 'q~q' in phantom_100um; acronyms and ids stand in table",
    "ccf.region(904, '')": r"There is no region '' in phantom_100um; acronyms and ids",
    "ccf.region(904, NULL)": r"There is no region NULL in phantom_100um",
    "ccf.region(904, '9999999999')": r"There is no region '9999999999' in phantom_100um",
    "ccf.region(904, 9999999999)": r"There is no region '9999999999' in phantom_100um",
    "ccf.region(904, 42::smallint)": r"There is no region '42' in phantom_100um",
    "ccf.region(904, NULL::integer)": r"There is no region NULL in phantom_100um",
    "ccf.sites_in(1)": r"There is no region '1' in any loaded atlas",
    "ccf.children(904, '-1')": r"There is no region '-1' in phantom_100um",
    "ccf.ancestors(904, 'no')": r"There is no region 'no' in phantom_100um",
    "ccf.descendants(904, 'no')": r"There is no region 'no' in phantom_100um",
    "ccf.path_to_root(904, 'no')": r"There is no region 'no' in phantom_100um",
    "ccf.region_at(7, 1, 1, 1)": rf"There is no atlas with ccf_id 7; {ATLASES}\.",
    "ccf.region_at(NULL, 1, 1, 1)": r"There is no atlas with ccf_id NULL",
    "ccf.regions_at(7, '{1}', '{1}', '{1}')": rf"There is no atlas with ccf_id 7; {ATLASES}\.",
    "ccf.voxels(7)": rf"There is no atlas with ccf_id 7; {ATLASES}\.",
    "ccf.voxels(NULL)": r"There is no atlas with ccf_id NULL",
    "ccf.to_ccf('cff', 1, 1, 1)": r"There is no coordinate frame 'cff'; there are .*\bccf, .*\bibl\b",
    "ccf.to_ccf(NULL, 1, 1, 1)": r"There is no coordinate frame NULL",
    "ccf.to_ccf('stereotaxic', 1, 1, 1)": r"dv is measured from the brain surface; say of which atlas",
    "ccf.to_ccf('stereotaxic', 1, 1, 1, 7)": r"There is no atlas with ccf_id 7",
    "ccf.region_shares(7, 1, 1, 1, 1)": r"There is no atlas with ccf_id 7",
    "ccf.region_shares(904, 1, 'NaN', 1, 9)": r"centre \(1, NaN, 1\) is not a place: x, y and z must",
    "ccf.region_shares(904, NULL, 1, 1, 9)": r"The centre \(NULL, 1, 1\) is not a place",
    "ccf.region_shares(904, 1, 1, '-Infinity', 9)": r"The centre \(1, 1, -Infinity\) is not a place",
    "ccf.region_shares(904, 1, 1, 1, 0)": r"The radius must be more than 0 and at most 13200 µm, .* not 0\.",
    "ccf.region_shares(904, 1, 1, 1, -1)": r"The radius must be more than 0",
    "ccf.region_shares(904, 1, 1, 1, 'NaN')": r"The radius must be more than 0 .* not NaN\.",
    "ccf.region_shares(904, 1, 1, 1, NULL)": r"The radius must be more than 0 .* not NULL\.",
    "ccf.region_shares(904, 1, 1, 1, 1e6)": r"The radius must be more than 0 and at most 13200 µm",
    "ccf.regions_along(7, 1, 1, 1, 2, 2, 2)": r"There is no atlas with ccf_id 7",
    "ccf.regions_along(904, 1, 1, NULL, 2, 2, 2)": r"The track's beginning \(1, 1, NULL\) is not a place",
    "ccf.regions_along(904, 1, 1, 1, 2, 'Infinity', 2)": r"The track's end \(2, Infinity, 2\) is not a place",
    "ccf.regions_along(904, 1, 1, 1, 1, 1, 1)": r"The track has no length: it begins and ends at \(1, 1, 1\)",
    "ccf.slice(7, 'coronal', 1)": r"There is no atlas with ccf_id 7",
    "ccf.slice(904, 'axial', 1)": r"There is no plane 'axial'; it must be coronal, horizontal or sagittal\.",
    "ccf.slice(904, NULL, 1)": r"There is no plane NULL",
    "ccf.slice(904, 'coronal', -1)": r"no coronal plane at -1 µm: in phantom_100um they run .* 13200 µm\.",
    "ccf.slice(904, 'horizontal', 8000)": r"There is no horizontal plane at 8000 µm: .* below 8000 µm\.",
    "ccf.slice(904, 'sagittal', 'NaN')": r"There is no sagittal plane at NaN µm: .* below 11400 µm\.",
    "ccf.slice(904, 'sagittal', NULL)": r"There is no sagittal plane at NULL µm",
    "ccf.sites_in('ROOT', 'phantom_100um')": r"There is no region 'ROOT' in phantom_100um; root differs by",
    "ccf.sites_in('ROOT')": r"There is no region 'ROOT' in any loaded atlas; root differs by case",
    "ccf.sites_in('٣٨٥')": r"There is no region '٣٨٥' in any loaded atlas",
    "ccf.sites_in('99999999999')": r"There is no region '99999999999' in any loaded atlas",
    "ccf.sites_in('root', 'phantom')": rf"There is no atlas 'phantom' in the database; {ATLASES}\.",
}


def test_what_is_wrong_is_said_in_a_sentence(phantom_database: sa.Engine) -> None:
    with phantom_database.connect() as connection:
        for call, sentence in WRONG.items():
            with pytest.raises(sa.exc.DBAPIError, match=sentence), connection.begin():
                connection.exec_driver_sql(f"SELECT * FROM {call} AS answer").all()


def test_the_sentence_for_a_region_knows_an_atlas_that_is_not_there(phantom_database: sa.Engine) -> None:
    with phantom_database.connect() as connection:
        for ccf_id, sentence in (
            ("7", f"There is no atlas with ccf_id 7; {ATLASES}."),
            ("NULL", "There is no region 'nope' in any loaded atlas; acronyms and ids"),
        ):
            said = connection.scalar(sa.text(f"SELECT ccf.no_such_region({ccf_id}, 'nope')"))
            assert said.startswith(sentence.replace("\\", ""))


def test_an_atlas_whose_voxels_are_not_loaded_has_regions_but_no_places(phantom_database: sa.Engine) -> None:
    with phantom_database.connect() as connection, connection.begin():
        connection.exec_driver_sql(
            "INSERT INTO ccf.atlas SELECT 7, 'early', ccf_version, ccf_resolution, ccf_description, "
            "shape_ap, shape_dv, shape_ml, edge_ap, edge_dv, edge_ml, space, source_url, sha256 "
            "FROM ccf.atlas WHERE ccf_id = 904;"
            "INSERT INTO ccf.brain_region SELECT 7, region_id, acronym, region_name, full_name, color_hex, "
            "structure_order FROM ccf.brain_region WHERE ccf_id = 904"
        )
        assert connection.scalar(sa.text("SELECT ccf.region_id(7, 'root')")) == 997
        for call in ("region_at(7, 1, 1, 1)", "voxels(7)", "slice(7, 'coronal', 1)"):
            with (
                pytest.raises(sa.exc.DBAPIError, match=r"early .* not loaded yet"),
                connection.begin_nested(),
            ):
                connection.exec_driver_sql(f"SELECT * FROM ccf.{call}").all()


# --- The key is used --------------------------------------------------------------------------------------


ROWS_READ = (
    "SELECT sum(seq_tup_read) FROM pg_stat_xact_user_tables WHERE schemaname = 'ccf' AND relname ~ :tables"
)
"""Rows of the tables of such names that this transaction has read in scans of whole tables, not by a key."""


def rows_scanned(engine: sa.Engine, query: str, tables: str = "^(voxel_run|brain_surface)_") -> int:
    with engine.connect() as connection:
        before = connection.scalar(sa.text(ROWS_READ), {"tables": tables})
        connection.exec_driver_sql(f"SELECT count(*) FROM (SELECT {query} OFFSET 0) AS q")
        return int(connection.scalar(sa.text(ROWS_READ), {"tables": tables}) - before)


LOOKUPS = (
    "here.* FROM generate_series(4000, 5000) AS i, LATERAL ccf.region_at(903, i, i, i) AS here",
    "ccf.region_at(903, 5000, 3000, 4000)",
    "at.* FROM generate_series(1, 500) AS i, LATERAL ccf.to_ccf('stereotaxic', i, i, i, 903) AS at",
    "* FROM ccf.region_shares(903, 5000, 3000, 4000, 500)",
    "* FROM ccf.regions_along(903, 5000, 0, 4000, 6000, 7000, 5000)",
    "* FROM ccf.slice(903, 'coronal', 6000)",
    "* FROM ccf.slice(903, 'horizontal', 3000)",
    "* FROM ccf.voxels(903) WHERE x = 6000",
    "* FROM ccf.voxels(903) WHERE x = 6000 AND y = 3000",
)


def test_lookups_use_the_key(phantom_database: sa.Engine) -> None:
    for query in LOOKUPS:
        # Whether an atlas is loaded is seen from one row of each table.
        assert rows_scanned(phantom_database, query) < 10, query


def test_the_hierarchy_is_walked_by_the_key(real_database: sa.Engine) -> None:
    for function in ("region", "children", "ancestors", "descendants", "path_to_root"):
        for region in ("'VISp'", "385"):
            query = f"* FROM ccf.{function}(1, {region})"
            assert rows_scanned(real_database, query, "^(brain_)?region") == 0, query


def test_the_sites_in_a_region_are_found_by_the_key(phantom_database: sa.Engine) -> None:
    with phantom_database.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
            "SELECT 'm', i, 1, 1, 1, 'ccf' FROM generate_series(1, 5000) AS i;"
            "INSERT INTO ccf.recording_region SELECT 'm', row_number() OVER (), 903, 1, 1, 1, 'left', "
            "region_id, 'assigned', 'inserted', 0, 0 "
            "FROM ccf.brain_region, generate_series(1, 5000) WHERE ccf_id = 903 LIMIT 5000;"
            "ANALYZE ccf.recording_region"
        )
    for query in ("* FROM ccf.sites_in(385, 'phantom_50um')", "* FROM ccf.sites_in('VISp')"):
        assert rows_scanned(phantom_database, query, "^recording_region") == 0, query


def test_each_frame_of_a_column_of_frames_is_looked_up_once(phantom_database: sa.Engine) -> None:
    query = (
        "SELECT at.* FROM ccf.recording_site AS s "
        "CROSS JOIN LATERAL ccf.to_ccf(s.frame, s.ap, s.dv, s.ml, 903) AS at"
    )
    with phantom_database.connect() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
            "SELECT 'm', i, 1, 1, 1, CASE WHEN i < 500 THEN 'ibl' ELSE 'stereotaxic' END "
            "FROM generate_series(1, 1000) AS i; ANALYZE ccf.recording_site"
        )
        plan = "\n".join(connection.scalars(sa.text(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {query}")))
    assert re.search(r"Function Scan on known_frame .*loops=2\)", plan)


def test_reading_everything_would_be_noticed(phantom_database: sa.Engine) -> None:
    assert rows_scanned(phantom_database, "* FROM ccf.voxels(903)") > 100_000


def test_the_region_of_a_joined_point_is_one_descent_of_the_key_of_one_atlas(
    phantom_database: sa.Engine,
) -> None:
    query = "SELECT here.region_id FROM generate_series(1, 9) i, LATERAL ccf.region_at(903, i, i, i) AS here"
    with phantom_database.connect() as connection:
        plan = "\n".join(connection.scalars(sa.text(f"EXPLAIN (COSTS OFF) {query}")))
    assert plan.count("Index Scan Backward using voxel_run_903_pkey") == plan.count("voxel_run") // 2 == 1
    assert "Limit" in plan
    assert "region_at" not in plan


# --- Regions that an atlas does not draw ------------------------------------------------------------------


@of_atlases("phantom_50um", "ccf_2017_25um")
def test_each_region_names_the_nearest_that_has_voxels(atlas: Atlas) -> None:
    painted = set(np.unique(atlas.volume).tolist())
    above = defaultdict(list)
    for region, ancestor in atlas.ask(
        "SELECT region_id, ancestor_id FROM ccf.region_ancestor WHERE ccf_id = :id ORDER BY distance"
    ):
        above[region].append(ancestor)
    drawn = {ancestor for region in painted & above.keys() for ancestor in above[region]}
    ids = dict(atlas.ask("SELECT region_id, acronym FROM ccf.brain_region WHERE ccf_id = :id"))
    nearest = {region: next((ids[a] for a in up if a in drawn), None) for region, up in above.items()}
    named = dict(atlas.ask("SELECT region_id, drawn_as FROM ccf.region_info WHERE ccf_id = :id"))
    assert named == nearest


@of_atlases("ccf_2017_25um")
def test_asking_for_the_sites_in_a_region_that_is_not_drawn_is_answered_with_a_notice(atlas: Atlas) -> None:
    assert atlas.ask("SELECT acronym, voxels, drawn_as FROM ccf.region(:id, 'CA1sp')") == [
        ("CA1sp", 0, "CA1")
    ]
    notices: list[str] = []
    with atlas.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.add_notice_handler(lambda said: notices.append(said.message_primary))
        for region in ("'CA1sp'", "407", "'CA1'"):
            asked = f"SELECT * FROM ccf.sites_in({region}, 'ccf_2017_25um')"
            connection.execute(sa.text(asked)).all()
    assert notices == ["CA1sp is not drawn in ccf_2017_25um; CA1 is."] * 2
