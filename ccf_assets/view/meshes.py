"""The surface of regions, computed when it is asked for.

The form is Neuroglancer's "legacy" mesh: the number of vertices (uint32), the vertices (float32; x, y, z are
AP, DV, ML in nm), and the three vertices of each triangle (uint32). It is described at
https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/meshes.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ccf_assets.ccf.grid import of_runs, paint_box
from ccf_assets.ccf.region_id import table_number
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.space import XYZ
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import schema
from ccf_assets.db.levels import VolumeLevel
from ccf_assets.db.loaded import LoadedAtlas
from ccf_assets.view.pyramid import NM_PER_UM, Scale, Voxel, current_runs

MOST_VOXELS = 1_200_000
"""Of the box around the regions: of the scales at which it has no more, the finest gives the surface,
or of a region that is too thin to have a voxel there, the next finer one that has.

Both sides of CA1 and the whole brain have 1 million at 50 and 100 µm, and take 0.2 s of processor time.
"""

_ROUNDS = 3
"""How often vertices are smoothed."""

_COUNT_BYTES = 4

_VERTEX_BYTES = 12


def surface(engine: sa.Engine, scales: Sequence[Scale], regions: Sequence[int]) -> bytes | None:
    """The surface of regions taken as one.

    Args:
        engine: the database.
        scales: of their atlas, the finest first.
        regions: ids of the regions.

    Returns:
        The file of the mesh; None if the regions have no voxel.

    Raises:
        CcfError: the atlas was loaded again, or dropped, meanwhile.
    """
    box = _box_um(engine, scales[0].atlas, regions)
    size_um3 = float(np.prod([end - start for start, end in box]))
    small = (at for at, scale in enumerate(scales) if size_um3 / scale.grid.voxel_um3 <= MOST_VOXELS)
    for scale in reversed(scales[: next(small, len(scales) - 1) + 1]):
        grid = scale.grid
        # Most regions are small: by the key of the table a fortieth of the rows is read.
        ap, dv = (
            range(int(start // edge), min(math.ceil(end / edge), voxels))
            for (start, end), edge, voxels in zip(box[:2], grid.edges_um, grid.shape, strict=False)
        )
        if ap and dv and len(runs := current_runs(engine, scale, regions, (ap, dv))):
            return mesh(runs, grid)
    return None


def _box_um(engine: sa.Engine, atlas: LoadedAtlas, regions: Sequence[int]) -> list[tuple[float, float]]:
    """Where the box around regions, and everything inside them, begins and ends along AP, DV, ML, µm.

    That of the whole volume before the table region_volume is loaded.
    """
    v = schema.region_volume.c
    query = sa.select(
        *(f(v[f"{end}_{axis}"]) for axis in XYZ for f, end in ((sa.func.min, "min"), (sa.func.max, "max")))
    )
    numbers = [table_number(region) for region in regions]
    of_regions = (v.ccf_id == atlas.ccf_id, v.hemisphere == "both", v.region_id.in_(numbers))
    with engine.connect() as connection:
        found = connection.execute(query.where(*of_regions)).one()
    if None in found:
        return [(0.0, extent) for extent in atlas.grid.extent_um]
    return [(float(found[2 * axis]), float(found[2 * axis + 1])) for axis in range(3)]


def surfaces(levels: Sequence[VolumeLevel], most_voxels: int) -> Iterator[tuple[int, bytes]]:
    """The surface of every region that has voxels.

    Args:
        levels: the volume, the finest first.
        most_voxels: of the box around a region: of the levels at which it has no more, the finest gives the
            surface; the coarsest that has the region, where there is none.

    Yields:
        The id of the region, and the file of the mesh; ids ascending.
    """
    of_region = [_by_region(level.runs) for level in levels]
    for region in of_region[0]:
        having = [
            (of_runs(level.runs, its[region]), level.grid)
            for level, its in zip(levels, of_region, strict=True)
            if region in its
        ]
        small = (each for each in having if np.prod(_around(*each)[1]) <= most_voxels)
        yield region, mesh(*next(small, having[-1]))


def _by_region(runs: Runs) -> dict[int, npt.NDArray[np.int64]]:
    """The numbers of the runs of each region, ascending; regions ascending, too."""
    order = np.argsort(runs.region_id, kind="stable")
    ids, first = np.unique(runs.region_id[order], return_index=True)
    return dict(zip(ids.tolist(), np.split(order, first[1:]), strict=True))


def _around(runs: Runs, grid: VoxelGrid) -> tuple[Voxel, Voxel]:
    """First voxel, and voxels along AP, DV, ML, of the box around runs."""
    i, j = np.divmod(runs.line.astype(np.int64), grid.shape[1])
    first = int(i.min()), int(j.min()), int(runs.z.min())
    ends = int(i.max()) + 1, int(j.max()) + 1, int(runs.z_end.max())
    ap, dv, ml = (end - start for start, end in zip(first, ends, strict=True))
    return first, (ap, dv, ml)


def mesh(runs: Runs, grid: VoxelGrid) -> bytes:
    """The surface half way between the voxels of the runs and the others, by marching cubes."""
    from neuroglancer import _neuroglancer

    first, shape = _around(runs, grid)
    # Others all around, so that the surface is closed at the edge of the volume, too. AP fastest, as the mesh
    # has x fastest.
    inside = np.zeros([voxels + 2 for voxels in shape], np.uint8, order="F")
    inside[1:-1, 1:-1, 1:-1] = paint_box(runs, grid, first, shape) != 0
    # Edges are not collapsed: that takes ten times as long, and the page gets the mesh packed.
    made: bytes = _neuroglancer.OnDemandObjectMeshGenerator(
        inside.transpose(), np.ones(3), np.zeros(3), max_quadrics_error=-1
    ).get_mesh(1)
    vertices = int(np.frombuffer(made, "<u4", 1)[0])
    places = np.frombuffer(made, "<f4", 3 * vertices, _COUNT_BYTES).reshape(-1, 3)
    triangles = np.frombuffer(made, "<u4", offset=_COUNT_BYTES + vertices * _VERTEX_BYTES).reshape(-1, 3)
    # Its 0 is the centre of the first voxel of `inside`.
    voxels = _smooth(places, triangles) + (np.array(first) - 0.5)
    nm = (voxels * np.array(grid.edges_um) * NM_PER_UM).astype("<f4")
    return b"".join((made[:_COUNT_BYTES], nm.tobytes(), triangles.tobytes()))


def _smooth(places: npt.NDArray[np.float32], triangles: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Vertices without the steps of the voxels: each at the mean of itself and its neighbours, some times.

    A vertex moves by less than a voxel.
    """
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    count = np.bincount(edges[:, 0], minlength=len(places))
    smooth = places.astype(np.float64)
    for _ in range(_ROUNDS):
        for axis in range(3):
            ends = np.bincount(edges[:, 0], weights=smooth[edges[:, 1], axis], minlength=len(places))
            smooth[:, axis] = (smooth[:, axis] + ends) / (1 + count)
    return smooth
