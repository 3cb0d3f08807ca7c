"""Job *comparison*: atlases of one version against the finest of them, beside numpy counting the voxels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from benchmarks import loads
from benchmarks.measuring import Row, Sample, Way, against, apart, in_turns
from benchmarks.options import Options
from benchmarks.place import Place
from benchmarks.volumes import Volume
from ccf_assets.ccf.nrrd import planes
from ccf_assets.ccf.region_id import table_number

ASSET_SECONDS, SQL_SECONDS = 3.0, 4.0
"""The longest that the three default atlases, and 25 against 50 µm in SQL, may take."""

Pairs = dict[tuple[int | None, int | None], int]


def measure(place: Place, options: Options) -> Iterator[Row]:
    """The lines of the asset and of the SQL function, each also beside numpy."""
    finest = min(options.standard_um, 50)  # of the coarsest there is nothing to compare
    volumes = [place.volume(um) for um in sorted({finest, 100, *options.sizes}) if um >= finest]
    fine, coarser = volumes[0], volumes[1:]
    keys = ", ".join(volume.key for volume in coarser)
    asset = Way(f"region_consistency, {keys} against {fine.key}", partial(_asset, place))
    ours = Way(
        f"region_diff of {fine.key} and {coarser[0].key}, in SQL", partial(_sql, place, fine, coarser[0])
    )
    every = Way("numpy, the same voxels in memory", partial(_numpy, fine, coarser))
    one = Way("numpy, these two", partial(_numpy, fine, coarser[:1]))
    _require_equal(place, fine, coarser[0])
    samples = in_turns([asset, every, ours, one], options.repeat)
    full = finest == 25 and len(coarser) == 2
    yield Row(
        asset.name, samples[asset.name], target=ASSET_SECONDS if full else None, note="a run of the asset"
    )
    yield against(asset, every, samples)
    yield Row(ours.name, samples[ours.name], target=SQL_SECONDS if full else None)
    yield against(ours, one, samples)


def _asset(place: Place) -> Sample:
    place.settle()
    return apart(loads.comparison)


def _sql(place: Place, fine: Volume, coarse: Volume) -> Sample:
    query = sa.text("SELECT * FROM ccf.region_diff(:a, :b)")
    with place.engine.connect() as connection:
        started = time.perf_counter()
        connection.execute(query, {"a": fine.entry.ccf_id, "b": coarse.entry.ccf_id}).all()
        return Sample(time.perf_counter() - started)


def _numpy(fine: Volume, coarser: list[Volume]) -> Sample:
    return apart(count_volumes, fine, coarser)


def count_volumes(fine: Volume, coarser: list[Volume]) -> Sample:
    """Count the pairs of regions; to read the files, and to number the regions, is not measured."""
    numbered = [_numbered(volume) for volume in (fine, *coarser)]
    started = time.perf_counter()
    for volume, (ids, coarse) in zip(coarser, numbered[1:], strict=True):
        _count(numbered[0][1], len(numbered[0][0]), coarse, len(ids), volume.edge_um // fine.edge_um)
    return Sample(time.perf_counter() - started)


Numbered = tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint16]]


def _numbered(volume: Volume) -> Numbered:
    """Ids of the regions, ascending with 0, and the place among them of each voxel: shape (ML, DV, AP)."""
    voxels = np.stack(list(planes(volume.path(), volume.grid)))
    ids = np.unique(voxels)
    return ids, np.stack([np.searchsorted(ids, plane).astype(np.uint16) for plane in voxels])


def _count(
    fine: npt.NDArray[np.uint16], of_fine: int, coarse: npt.NDArray[np.uint16], of_coarse: int, ratio: int
) -> npt.NDArray[np.int64]:
    """Voxels of the finer volume in each pair of regions: shape (regions of fine, regions of coarse)."""
    counts = np.zeros(of_fine * of_coarse, np.int64)
    for k, plane in enumerate(fine):
        dv, ap = plane.shape
        beside = coarse[k // ratio].repeat(ratio, 0).repeat(ratio, 1)[:dv, :ap]
        pairs = plane.astype(np.int64) * of_coarse + beside
        counts += np.bincount(pairs.ravel(), minlength=len(counts))
    return counts.reshape(of_fine, of_coarse)


def _require_equal(place: Place, fine: Volume, coarse: Volume) -> None:
    """The SQL function's volumes are those that numpy counts."""
    (ids_a, a), (ids_b, b) = _numbered(fine), _numbered(coarse)
    counts = _count(a, len(ids_a), b, len(ids_b), coarse.edge_um // fine.edge_um)
    counts[0, 0] = 0  # outside the brain in both
    expected: Pairs = {}
    for i, j in zip(*(found.tolist() for found in counts.nonzero()), strict=True):
        pair = (table_number(int(ids_a[i])) or None, table_number(int(ids_b[j])) or None)
        expected[pair] = int(counts[i, j]) * fine.edge_um**3
    query = sa.text("SELECT region_a, region_b, um3 FROM ccf.region_overlap(:a, :b)")
    with place.engine.connect() as connection:
        rows = connection.execute(query, {"a": fine.entry.ccf_id, "b": coarse.entry.ccf_id}).all()
    if {(x, y): um3 for x, y, um3 in rows} != expected:
        raise RuntimeError("The volumes shared by pairs of regions and those that numpy counts differ.")
