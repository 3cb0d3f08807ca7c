"""The annotation volume as runs: its voxels counted, its runs and its surface found, plane by plane.

Pure functions over numpy; reading the file is in nrrd. A volume is a file of uint32 region ids on a grid of
(AP, DV, ML) voxels with AP fastest on disk, so the file is a sequence of sagittal planes, ML ascending.
Everything here works on that sequence, one plane at a time: the 10 µm volume unpacks to 4.8 GB and is never
in memory as a whole.

The axes are +posterior, +inferior, +right whatever the header says: the official files name their space
left-posterior-superior, which is wrong.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ccf_assets.ccf.nrrd import SagittalPlane
from ccf_assets.ccf.region_id import table_numbers
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError
from ccf_assets.prefetch import one_ahead
from ccf_assets.progress import ROWS_KEY

ROWS_PER_BATCH = 16_384
"""Rows of an Arrow batch. While a batch is encoded, none is sent: with eight times as many rows the server
has to wait, and a load takes a sixth longer."""

RUNS_EXPANDED_AT_ONCE = 2_048
"""Runs expanded to voxels in one turn: some 24,000 voxels at 25 µm."""

_RUNS_AT_ONCE = 65_536
"""Runs unpacked in one turn: its arrays stay in the processor's cache."""


def count_voxels(volume: Iterable[SagittalPlane]) -> dict[int, int]:
    """Region id → number of its voxels, without the outside (id 0).

    Args:
        volume: planes of any shape, uint32.
    """
    counts: Counter[int] = Counter()
    for plane in volume:
        flat = plane.ravel()
        # Stretches of equal voxels first: a tenth as many values to sort, in a quarter of the time.
        start = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
        ids, which = np.unique(flat[start], return_inverse=True)
        voxels = np.bincount(which, weights=np.diff(start, append=flat.size))
        counts.update(dict(zip(ids.tolist(), map(int, voxels), strict=True)))
    counts.pop(0, None)
    return dict(counts)


@dataclass(frozen=True)
class VoxelCounts:
    """Region id → number of its voxels, on the left and on the right; without the outside (id 0)."""

    left: dict[int, int]
    right: dict[int, int]

    @property
    def both(self) -> dict[int, int]:
        """Of both sides together."""
        return dict(Counter(self.left) + Counter(self.right))


def count_sides(volume: Iterable[SagittalPlane], grid: VoxelGrid) -> VoxelCounts:
    """The voxels of every region, by side; without a midline everything is on the right.

    Args:
        volume: sagittal planes, ML ascending.
        grid: the grid of the volume.
    """
    planes = iter(volume)
    left = count_voxels(itertools.islice(planes, grid.first_right or 0))
    return VoxelCounts(left, count_voxels(planes))


@dataclass(frozen=True)
class Runs:
    """Maximal runs of equal, non-zero voxels along ML, ordered by (x, y, z).

    Arrays of equal length in voxel indices: ``line`` = x * DV + y (uint32), ``z`` included and ``z_end``
    excluded (uint16), ``region_id`` (uint32).
    """

    line: npt.NDArray[np.uint32]
    z: npt.NDArray[np.uint16]
    z_end: npt.NDArray[np.uint16]
    region_id: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.line)


_LINE_SHIFT, _Z_SHIFT, _Z_END_SHIFT = 38, 25, 12
"""A run in 64 bits, from the top: line (26 bits), z (13), z_end (13), number of its region (12)."""


def find_runs(volume: Iterable[SagittalPlane]) -> Runs:
    """Find the runs of equal voxels along ML.

    One pass over the planes: a run ends where a voxel differs from the one in the plane before. A run is
    kept as one integer, so that sorting the integers orders the runs: six times as fast as finding the order
    and then applying it, at 8 bytes a run, and 12 more for what is returned.

    Args:
        volume: sagittal planes of shape (DV, AP), ML ascending.

    Raises:
        CcfError: the grid has more lines or planes, or the volume more regions, than those bits hold.
    """
    parts: list[npt.NDArray[np.uint64]] = []
    ids = _Numbered()
    current = np.empty(0, np.uint32)
    begun = np.empty(0, np.uint64)  # of the run that is open at each voxel, all but z_end
    top = np.empty(0, np.uint64)
    z = 0

    def close(voxels: npt.NDArray[np.intp]) -> None:
        """Keep the runs that are open at ``voxels`` (flat indices of a plane) and end before plane z."""
        parts.append(begun[voxels] | np.uint64(z << _Z_END_SHIFT))

    for plane in one_ahead(iter(volume)):
        if z == 0:
            dv, ap = plane.shape
            _check_fits("lines along ML", ap * dv, 1 << (64 - _LINE_SHIFT))
            current, begun = np.zeros(plane.size, np.uint32), np.zeros(plane.size, np.uint64)
            x, y = np.arange(ap, dtype=np.uint64), np.arange(dv, dtype=np.uint64)[:, None]
            top = ((x * np.uint64(dv) + y) << np.uint64(_LINE_SHIFT)).ravel()
        flat = plane.ravel()
        changed = np.flatnonzero(flat != current)
        close(changed[current[changed] != 0])
        region = flat[changed]
        current[changed] = region
        begun[changed] = top[changed] | np.uint64(z << _Z_SHIFT) | ids.numbers(region)
        z += 1
        _check_fits("sagittal planes", z, (1 << (_Z_SHIFT - _Z_END_SHIFT)) - 1)
    close(np.flatnonzero(current))
    _check_fits("regions", len(ids.known) - 1, (1 << _Z_END_SHIFT) - 1)

    # Let go of before the runs are stored a second time: 20 bytes a line.
    current, begun, top = np.empty(0, np.uint32), np.empty(0, np.uint64), np.empty(0, np.uint64)
    packed = np.concatenate(parts)
    parts.clear()
    packed = pl.Series(packed).sort().to_numpy()  # on all cores, in a third of the time of numpy's

    region_of = ids.known.to_numpy()
    count = len(packed)
    runs = Runs(
        line=np.empty(count, np.uint32),
        z=np.empty(count, np.uint16),
        z_end=np.empty(count, np.uint16),
        region_id=np.empty(count, np.uint32),
    )
    for first in range(0, count, _RUNS_AT_ONCE):
        turn = slice(first, first + _RUNS_AT_ONCE)
        part = packed[turn]
        runs.line[turn] = part >> np.uint64(_LINE_SHIFT)
        runs.z[turn] = part >> np.uint64(_Z_SHIFT) & np.uint64((1 << (_LINE_SHIFT - _Z_SHIFT)) - 1)
        runs.z_end[turn] = part >> np.uint64(_Z_END_SHIFT) & np.uint64((1 << (_Z_SHIFT - _Z_END_SHIFT)) - 1)
        runs.region_id[turn] = region_of[part & np.uint64((1 << _Z_END_SHIFT) - 1)]
    return runs


class _Numbered:
    """Region ids, which have up to 30 bits, numbered in the order in which they occur."""

    def __init__(self) -> None:
        self.known = pa.array([0], pa.uint32())

    def numbers(self, region_id: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
        """The number of each id."""
        ids = pa.array(region_id, pa.uint32())
        place = pc.index_in(ids, self.known)
        if place.null_count:
            self.known = pa.concat_arrays([self.known, ids.filter(place.is_null()).unique()])
            place = pc.index_in(ids, self.known)
        return np.asarray(place.to_numpy(), np.uint64)


def _check_fits(what: str, count: int, most: int) -> None:
    if count > most:
        raise CcfError(f"A volume may have {most:,} {what} at most, and this one has more.")


def run_batches(runs: Runs, ccf_id: int, grid: VoxelGrid) -> pa.RecordBatchReader:
    """The runs of an atlas as rows of the table voxel_run.

    Returns:
        A stream of (ccf_id, x, y, z, z_end, region_id), all int32, coordinates in µm.
    """
    names = ("ccf_id", "x", "y", "z", "z_end", "region_id")
    schema = pa.schema([(name, pa.int32()) for name in names], metadata={ROWS_KEY: str(len(runs))})
    dv = np.int32(grid.shape[1])

    def batches() -> Iterator[pa.RecordBatch]:
        for first in range(0, len(runs), ROWS_PER_BATCH):
            part = slice(first, first + ROWS_PER_BATCH)
            x, y = np.divmod(runs.line[part].astype(np.int32), dv)
            columns = (
                np.full(len(x), ccf_id, np.int32),
                grid.coordinate(0, x),
                grid.coordinate(1, y),
                grid.coordinate(2, runs.z[part]),
                grid.coordinate(2, runs.z_end[part]),
                table_numbers(runs.region_id[part]),
            )
            yield pa.record_batch([pa.array(column) for column in columns], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def voxel_batches(
    runs: pa.RecordBatchReader, grid: VoxelGrid, count: int | None = None
) -> pa.RecordBatchReader:
    """The voxels of runs, in their order, as rows of the table voxel.

    Args:
        runs: rows of voxel_run.
        grid: the grid of their atlas.
        count: the number of voxels, if known; the reader of the stream uses it to report progress.

    Returns:
        A stream of (ccf_id, x, y, z, region_id), all int32, coordinates in µm.
    """
    names = ("ccf_id", "x", "y", "z", "region_id")
    known = {ROWS_KEY: str(count)} if count else None
    schema = pa.schema([(name, pa.int32()) for name in names], metadata=known)

    def expanded(batch: pa.RecordBatch) -> pa.RecordBatch:
        run = {name: batch[name].to_numpy() for name in batch.schema.names}
        first = grid.index(2, run["z"])
        voxels = grid.index(2, run["z_end"]) - first
        of_run = np.repeat(np.arange(len(voxels), dtype=np.int32), voxels)
        # Of each voxel its number along the line: a count that starts anew with every run.
        anew = (first - (np.cumsum(voxels) - voxels)).astype(np.int32)
        z = grid.coordinate(2, anew[of_run] + np.arange(len(of_run), dtype=np.int32))
        columns = (run[name][of_run] if name != "z" else z for name in names)
        return pa.record_batch([pa.array(column) for column in columns], schema=schema)

    def batches() -> Iterator[pa.RecordBatch]:
        # From the database some 80,000 runs come at once; the next are read while these are expanded.
        for batch in one_ahead(iter(runs)):
            for first in range(0, len(batch), RUNS_EXPANDED_AT_ONCE):
                yield expanded(batch.slice(first, RUNS_EXPANDED_AT_ONCE))

    return pa.RecordBatchReader.from_batches(schema, batches())


def brain_surface(volume: Iterable[SagittalPlane], grid: VoxelGrid) -> dict[str, npt.NDArray[np.int32]]:
    """The brain's upper surface; see `Surface.columns`.

    Args:
        volume: sagittal planes of shape (DV, AP), ML ascending.
        grid: the grid of the volume.
    """
    surface = Surface()
    for _ in surface.passing(volume):
        pass
    return surface.columns(grid)


class Surface:
    """The brain's upper surface: for each column (x, z), the first in-brain voxel going ventrally."""

    def __init__(self) -> None:
        self._x: list[npt.NDArray[np.int32]] = []
        self._y: list[npt.NDArray[np.int32]] = []

    def passing(self, volume: Iterable[SagittalPlane]) -> Iterator[SagittalPlane]:
        """Yield the planes of a volume as they are, shape (DV, AP), ML ascending, and look at each."""
        for plane in volume:
            in_brain = plane != 0
            x = np.flatnonzero(in_brain.any(axis=0))
            self._x.append(x.astype(np.int32))
            self._y.append(in_brain[:, x].argmax(axis=0).astype(np.int32))
            yield plane

    def columns(self, grid: VoxelGrid) -> dict[str, npt.NDArray[np.int32]]:
        """The surface of the planes that have passed.

        Returns:
            Columns ``x``, ``z`` and ``y`` (the voxel's top), int32 µm, one row per column that meets the
            brain.
        """
        z = np.repeat(np.arange(len(self._x), dtype=np.int32), [len(x) for x in self._x])
        return {
            "x": grid.coordinate(0, np.concatenate(self._x)),
            "z": grid.coordinate(2, z),
            "y": grid.coordinate(1, np.concatenate(self._y)),
        }
