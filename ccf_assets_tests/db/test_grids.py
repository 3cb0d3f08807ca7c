"""Atlases on any grid: odd widths, edges that differ by axis or are no whole µm; all equals brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.ccf.overlap import region_overlap
from ccf_assets.ccf.space import Space
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.made_atlas import ROOT, MadeAtlas

WHOLE_UM = st.integers(1, 60).map(float)

EDGES_UM = st.one_of(
    WHOLE_UM,
    st.floats(2.01, 60, allow_nan=False).map(lambda um: float(f"{um:.7g}")),
    st.sampled_from([39.0625, 2.542, 8.1, 33.333333, 16.0]),
)

IDS = (0, ROOT, 2, 7, 385, 614_454_277, 2_906_756_445, 4_294_967_295)


@st.composite
def atlases(
    draw: st.DrawFn,
    ccf_id: int = 2001,
    space: Space | None = None,
    edges_um: st.SearchStrategy[float] = EDGES_UM,
) -> MadeAtlas:
    shape = tuple(draw(st.integers(1, 6)) for _ in range(3))
    edges = tuple(draw(edges_um) for _ in range(3))
    extent = tuple(n * e for n, e in zip(shape, edges, strict=True))
    midline = draw(st.one_of(st.none(), st.floats(0.05, 0.95).map(lambda part: part * extent[2])))
    if draw(st.booleans()) and midline is not None:
        midline = extent[2] / 2
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    volume = random.choice(np.array(IDS, np.uint32), shape, p=[0.3] + [0.1] * 7).astype(np.uint32)
    volume[0, 0, 0] = ROOT  # an atlas without a voxel is none
    space = space or Space("made", "Mus fictus", extent, midline, "test")
    return MadeAtlas(ccf_id, volume, VoxelGrid(shape, edges, midline), space)  # type: ignore[arg-type]


def points_of(made: MadeAtlas, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Points inside, outside and exactly on faces of voxels."""
    extent = np.array(made.grid.extent_um)
    inside = random.random((40, 3)) * extent
    faces = np.array(
        [
            [random.integers(0, n + 1) * e for n, e in zip(made.grid.shape, made.grid.edges_um, strict=True)]
            for _ in range(40)
        ]
    )
    outside = (random.random((10, 3)) - 0.5) * 3 * extent
    return np.concatenate([inside, faces, outside, np.nextafter(faces[:10], -1)])


def index_of(made: MadeAtlas, point: npt.NDArray[np.float64]) -> tuple[int, int, int] | None:
    """The voxel of a point, in plain floats; None outside the volume."""
    found = []
    for c, edge, n in zip(point.tolist(), made.grid.edges_um, made.grid.shape, strict=True):
        if not 0 <= c < n * edge:
            return None
        found.append(min(math.floor(c / edge), n - 1))
    return found[0], found[1], found[2]


GRIDS = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@GRIDS
@given(made=atlases(), seed=st.integers(0, 2**32 - 1))
def test_a_point_has_the_region_of_its_voxel_in_sql_and_python(
    database: sa.Engine, made: MadeAtlas, seed: int
) -> None:
    made.put(database)
    points = points_of(made, np.random.default_rng(seed))
    expected = [0 if (at := index_of(made, p)) is None else int(made.volume[at]) for p in points]
    atlas = Atlas(made.key, engine=database)
    asked = atlas.locate(points)
    assert asked.region_id.tolist() == expected
    midline = made.grid.midline_um
    sides = [
        None if midline is None or index_of(made, p) is None else "right" if p[2] >= midline else "left"
        for p in points
    ]
    assert asked.hemisphere.tolist() == sides
    assert atlas._voxels.grid == made.grid  # it is in memory from here on
    in_memory = atlas.locate(points)
    assert in_memory.region_id.tolist() == expected
    assert in_memory.status.tolist() == asked.status.tolist()
    query = sa.text(
        "SELECT r.source_id FROM unnest(CAST(:x AS float8[]), CAST(:y AS float8[]), CAST(:z AS float8[])) "
        "WITH ORDINALITY AS p (x, y, z, n) CROSS JOIN LATERAL ccf.region_at(:i, p.x, p.y, p.z) AS here "
        "LEFT JOIN ccf.brain_region AS r ON r.ccf_id = :i AND r.region_id = here.region_id ORDER BY n"
    )
    at_once = sa.text(
        "SELECT r.source_id FROM ccf.regions_at(:i, :x, :y, :z) AS here "
        "LEFT JOIN ccf.brain_region AS r ON r.ccf_id = :i AND r.region_id = here.region_id ORDER BY number"
    )
    values = {"i": made.ccf_id, **dict(zip("xyz", points.T.tolist(), strict=True))}
    with database.connect() as connection:
        for question in (query, at_once):
            assert [value or 0 for value in connection.scalars(question, values)] == expected


@settings(GRIDS, max_examples=6)
@given(made=atlases())
def test_volumes_planes_surfaces_and_voxels_are_those_of_the_array(
    database: sa.Engine, made: MadeAtlas
) -> None:
    made.put(database)
    atlas, volume = Atlas(made.key, engine=database), made.volume
    assert (atlas.volume() == volume).all()
    for region in made.ids:
        inside = volume != 0 if region == ROOT else volume == region
        size = atlas.region(region).size("both")
        assert size.voxels == int(inside.sum())
        assert size.volume_mm3 == pytest.approx(int(inside.sum()) * made.grid.voxel_mm3)
        if size.centroid:
            middle = (np.argwhere(inside).mean(axis=0) + 0.5) * made.grid.edges_um
            assert size.centroid == pytest.approx(tuple(middle))
        assert (atlas.mask(region) == inside).all()
        if made.grid.midline_um is not None:
            middles = (np.arange(volume.shape[2]) + 0.5) * made.grid.edges_um[2]
            right = middles >= made.grid.midline_um
            assert atlas.region(region).left.voxels == int(inside[:, :, ~right].sum())
            assert atlas.region(region).right.voxels == int(inside[:, :, right].sum())
            assert (atlas.mask(region, "left") == (inside & ~right)).all()
        else:
            with pytest.raises(CcfError, match="no midline"):
                atlas.region(region).size("left")
    for axis, orientation in ((0, "coronal"), (1, "horizontal"), (2, "sagittal")):
        for k in range(volume.shape[axis]):
            um = (k + 0.5) * made.grid.edges_um[axis]
            plane = atlas.slice(orientation, um)  # type: ignore[arg-type]
            expected = volume.take(k, axis)
            assert (plane == (expected.T if axis == 2 else expected)).all()
            with database.connect() as connection:
                rows = connection.execute(
                    sa.text("SELECT x, y, z, region_id FROM ccf.slice(:i, :o, :at)"),
                    {"i": made.ccf_id, "o": orientation, "at": um},
                ).all()
            assert len(rows) == int((expected != 0).sum())
    # Table coordinates are floor(i · edge), and every voxel is there once.
    with database.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT v.x, v.y, v.z, r.source_id FROM ccf.voxels(:i) AS v "
                "JOIN ccf.brain_region AS r USING (ccf_id, region_id)"
            ),
            {"i": made.ccf_id},
        ).all()
    expected_rows = {
        (*(math.floor(i * e) for i, e in zip(at, made.grid.edges_um, strict=True)), int(volume[tuple(at)]))
        for at in np.argwhere(volume).tolist()
    }
    assert {tuple(row) for row in rows} == expected_rows
    assert len(rows) == len(expected_rows)
    surface = atlas._surface
    for i, k in itertools.product(range(volume.shape[0]), range(volume.shape[2])):
        column = np.flatnonzero(volume[i, :, k])
        top = math.floor(column[0] * made.grid.edges_um[1]) if len(column) else math.nan
        assert surface[i, k] == top or (math.isnan(top) and math.isnan(surface[i, k]))


@GRIDS
@given(made=atlases(), seed=st.integers(0, 2**32 - 1))
def test_a_sphere_counts_the_centres_within_its_radius(
    database: sa.Engine, made: MadeAtlas, seed: int
) -> None:
    made.put(database)
    random = np.random.default_rng(seed)
    edges, shape = np.array(made.grid.edges_um), made.grid.shape
    centre = random.random(3) * made.grid.extent_um
    radius = float(random.random() * max(made.grid.extent_um) * 0.6 + 0.1)
    # All voxels of a grid that goes on outside the volume.
    reach = [math.ceil(radius / e) + 2 for e in edges]
    around = [np.arange(-r, n + r) for r, n in zip(reach, shape, strict=True)]
    i, j, k = np.meshgrid(*around, indexing="ij")
    inside = (
        sum(((c + 0.5) * e - m) ** 2 for c, e, m in zip((i, j, k), edges, centre, strict=True)) <= radius**2
    )
    counts: dict[int | None, int] = {}
    for at in zip(i[inside].tolist(), j[inside].tolist(), k[inside].tolist(), strict=True):
        there = all(0 <= c < n for c, n in zip(at, shape, strict=True))
        region = int(made.volume[at]) if there else 0
        counts[region or None] = counts.get(region or None, 0) + 1
    if not counts:
        at = index_of(made, centre)
        counts = {(int(made.volume[at]) if at else 0) or None: 1}
    query = sa.text(
        "SELECT r.source_id, s.voxels FROM ccf.region_shares(:i, :x, :y, :z, :radius) AS s "
        "LEFT JOIN ccf.brain_region AS r ON r.ccf_id = :i AND r.region_id = s.region_id"
    )
    with database.connect() as connection:
        x, y, z = centre.tolist()
        values = {"i": made.ccf_id, "x": x, "y": y, "z": z, "radius": radius}
        found = {row[0]: row[1] for row in connection.execute(query, values)}
    assert found == counts


@GRIDS
@given(made=atlases(), seed=st.integers(0, 2**32 - 1))
def test_a_track_is_cut_at_the_faces_of_voxels(database: sa.Engine, made: MadeAtlas, seed: int) -> None:
    made.put(database)
    random = np.random.default_rng(seed)
    start, end = ((random.random((2, 3)) * 1.4 - 0.2) * made.grid.extent_um).tolist()
    length = math.dist(start, end)
    track = Atlas(made.key, engine=database).track(start, end)
    assert track["entry_um"][0] == 0
    assert track["exit_um"][-1] == pytest.approx(length)
    for row in track.iter_rows(named=True):
        if row["length_um"] < 1e-3:
            continue
        middle = (row["entry_um"] + row["exit_um"]) / 2
        at = index_of(made, np.array(start) + (np.array(end) - start) * (middle / length))
        # A stretch in one region may cross several voxels: its middle is in one of that region.
        assert (int(made.volume[at]) if at else 0) == (row["region_id"] or 0)


@GRIDS
@given(data=st.data())
def test_the_overlap_of_two_grids_is_that_of_their_boxes(database: sa.Engine, data: st.DataObject) -> None:
    edges = WHOLE_UM if (whole := data.draw(st.booleans())) else EDGES_UM
    a = data.draw(atlases(edges_um=edges))
    b = data.draw(atlases(2002, a.space, edges))
    for each in (a, b):
        each.put(database)
    of_axis = []  # per axis, µm that voxel i of a shares with voxel j of b
    for axis in range(3):
        (n, e), (m, f) = ((g.grid.shape[axis], g.grid.edges_um[axis]) for g in (a, b))
        i, j = np.arange(n)[:, None], np.arange(m)[None, :]
        of_axis.append(np.clip(np.minimum((i + 1) * e, (j + 1) * f) - np.maximum(i * e, j * f), 0, None))
    expected: dict[tuple[int, int], float] = {}
    for p, q in itertools.product(np.argwhere(a.volume).tolist(), np.argwhere(b.volume).tolist()):
        um3 = math.prod(of_axis[axis][p[axis], q[axis]] for axis in range(3))
        if um3 > 0:
            pair = int(a.volume[tuple(p)]), int(b.volume[tuple(q)])
            expected[pair] = expected.get(pair, 0.0) + um3
    query = sa.text(
        "SELECT x.source_id, y.source_id, o.um3 FROM ccf.region_overlap(2001, 2002) AS o "
        "LEFT JOIN ccf.brain_region AS x ON x.ccf_id = 2001 AND x.region_id = o.region_a "
        "LEFT JOIN ccf.brain_region AS y ON y.ccf_id = 2002 AND y.region_id = o.region_b"
    )
    with database.connect() as connection:
        found = {(row[0], row[1]): float(row[2]) for row in connection.execute(query)}
    shared = {pair: um3 for pair, um3 in found.items() if None not in pair}
    in_python = {(x, y): um3 for x, y, um3 in region_overlap(a.runs, a.grid, b.runs, b.grid).rows()}
    in_either = {side: sum(um3 for pair, um3 in found.items() if pair[side] is not None) for side in range(2)}
    sizes = {side: int((g.volume != 0).sum()) * g.grid.voxel_um3 for side, g in enumerate((a, b))}
    if whole:
        assert shared == in_python == expected
        assert in_either == sizes
        return
    smallest = min(a.grid.voxel_um3, b.grid.voxel_um3)
    for pair in expected.keys() | shared.keys() | in_python.keys():
        for answer in (shared, in_python):
            assert answer.get(pair, 0) == pytest.approx(expected.get(pair, 0.0), abs=1 + 0.002 * smallest)
    assert in_either == pytest.approx(sizes, abs=10 + 0.02 * smallest)


def test_a_volume_that_is_far_less_than_a_voxel_is_shared_too(database: sa.Engine) -> None:
    """A sliver of 1 µm³ beside voxels of a thousand: where edges are whole, nothing is a rounding error."""
    space = Space("made", "Mus fictus", (1.0, 18.0, 58.0), None, "test")
    b = np.array([[[ROOT, 0, 0], [0, 5, 0]]], np.uint32)
    made = [
        MadeAtlas(2001, np.full((1, 1, 1), ROOT, np.uint32), VoxelGrid((1, 1, 1), (1.0, 18.0, 58.0)), space),
        MadeAtlas(2002, b, VoxelGrid((1, 2, 3), (18.0, 1.0, 57.0)), space),
    ]
    for each in made:
        each.put(database)
    query = sa.text(
        "SELECT um3 FROM ccf.region_overlap(2001, 2002) WHERE region_b = 5 AND region_a IS NOT NULL"
    )
    with database.connect() as connection:
        assert connection.scalars(query).all() == [1]
    shared = region_overlap(made[0].runs, made[0].grid, made[1].runs, made[1].grid)
    assert sorted(shared.rows()) == [(ROOT, 5, 1.0), (ROOT, ROOT, 57.0)]


@pytest.mark.parametrize("edge", [0.5, 1.5, 2.0000001, 0.0, -3.0, math.nan, math.inf])
def test_an_edge_by_which_voxels_could_share_a_coordinate_is_refused(edge: float) -> None:
    if edge == 2.0000001:
        assert VoxelGrid((4, 4, 4), (edge,) * 3).index(0, np.array([0, 2, 4, 6])).tolist() == [0, 1, 2, 3]
        return
    with pytest.raises(CcfError, match="whole number of µm, or more than 2 µm"):
        VoxelGrid((4, 4, 4), (edge,) * 3)


@given(edge=EDGES_UM, n=st.integers(1, 8191))
@settings(max_examples=300, deadline=None)
def test_every_index_comes_back_from_its_coordinate(edge: float, n: int) -> None:
    grid = VoxelGrid((n, 1, 1), (edge, 1.0, 1.0))
    index = np.arange(n)
    coordinate = grid.coordinate(0, index)
    assert coordinate.tolist() == [math.floor(i * edge) for i in index.tolist()]
    assert (grid.index(0, coordinate) == index).all()
    ends = grid.coordinate(0, index + 1)
    assert (grid.index(0, ends) - index == 1).all()
