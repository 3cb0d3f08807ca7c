"""An atlas as a segmentation for Neuroglancer, at several scales, each chunk painted when it is asked for.

The form is Neuroglancer's "precomputed" one with raw chunks of uint32. Its dimensions x, y, z are AP, DV, ML,
and a chunk has AP fastest. It is described at
https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/volume.md.

Only runs are in memory, never a volume: those of the lines that chunks were asked for last.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa

from ccf_assets.ccf.grid import paint_box
from ccf_assets.ccf.region_id import Ids
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db.loaded import LoadedAtlas, loaded_atlases
from ccf_assets.db.read import ALL, Steps, every, read_runs
from ccf_assets.errors import CcfError

CHUNK = 64
"""Voxels along each axis of a chunk: 1 MB unpacked, some 10 KB packed."""

CACHE_BYTES = 1 << 26
"""Of runs in memory. All those of an atlas of 25 µm take 34 MB; the rest is read again when it is needed."""

NM_PER_UM = 1000

_COARSEST = 160
"""Voxels along the longest axis: a scale that has no more is the last. A brain at 100 µm has 132."""

_NEXT = 4
"""A loaded coarser atlas is the next scale if its voxels are at most so many times as long."""

_RUN_BYTES = 12
"""Bytes of one of `Runs`."""

_PLACE = re.compile(r"(\d+)-(\d+)_(\d+)-(\d+)_(\d+)-(\d+)")
"""The name of a chunk: first voxel and end along AP, DV, ML."""

Voxel: TypeAlias = tuple[int, int, int]
"""Indices along AP, DV, ML."""


@dataclass(frozen=True)
class Scale:
    """One scale of a segmentation.

    Attributes:
        atlas: the loaded atlas that it is taken from.
        steps: it has one voxel for so many of the atlas along AP, DV, ML: the middle one, as it is.
    """

    atlas: LoadedAtlas
    steps: Steps = ALL

    @property
    def grid(self) -> VoxelGrid:
        """Its grid, which begins at the corner of the volume."""
        return every(self.steps, self.atlas.grid)

    @property
    def taken(self) -> Steps:
        """Which of the voxels of a step it has along AP, DV, ML, from 0."""
        ap, dv, ml = (step // 2 for step in self.steps)
        return ap, dv, ml


def scales_of(atlas: LoadedAtlas, loaded: Sequence[LoadedAtlas]) -> list[Scale]:
    """The scales at which an atlas is shown, the finest first.

    A coarser one is a loaded atlas of the same version and space, where there is one of up to four times the
    edge; otherwise it has every second voxel along each axis of the scale before it.

    Args:
        atlas: the atlas, which is the finest scale as it is.
        loaded: the loaded atlases.
    """
    others = [each for each in loaded if (each.version, each.space) == (atlas.version, atlas.space)]
    scales = [Scale(atlas)]
    while max(scales[-1].grid.shape) > _COARSEST and min(scales[-1].grid.shape) > 1:
        last = scales[-1].grid.resolution_um
        coarser = [each for each in others if last < each.resolution_um <= _NEXT * last]
        if coarser:
            scales.append(Scale(min(coarser, key=lambda each: each.resolution_um)))
        else:
            ap, dv, ml = (2 * step for step in scales[-1].steps)
            scales.append(Scale(scales[-1].atlas, (ap, dv, ml)))
    return scales


class Pyramid:
    """The voxels of a loaded atlas as chunks, at every scale. Threads may ask at once.

    Args:
        engine: the database.
        scales: as `scales_of` gives them.
        segment_of: region id → the segment that shows it, for groups of regions; a region without one is
            shown as outside (0). If not given each region is a segment of its own.
    """

    def __init__(
        self, engine: sa.Engine, scales: Sequence[Scale], segment_of: Mapping[int, int] | None = None
    ) -> None:
        self.scales = scales
        self._engine = engine
        self._segment_of = segment_of
        self._kept = _Kept()

    def info(self) -> dict[str, Any]:
        """The file ``info`` of the segmentation, with segment properties and meshes beside it."""
        return {
            "@type": "neuroglancer_multiscale_volume",
            "type": "segmentation",
            "data_type": "uint32",
            "num_channels": 1,
            "scales": [
                {
                    "key": str(number),
                    "size": list(scale.grid.shape),
                    "resolution": [edge * NM_PER_UM for edge in scale.grid.edges_um],
                    "voxel_offset": [0, 0, 0],
                    "chunk_sizes": [[CHUNK] * 3],
                    "encoding": "raw",
                }
                for number, scale in enumerate(self.scales)
            ],
            "segment_properties": "properties",
            "mesh": "mesh",
        }

    def chunk(self, scale: int, name: str) -> bytes | None:
        """A chunk as a file.

        Args:
            scale: number of the scale, 0 the finest.
            name: its first voxel and its end along AP, DV, ML: ``0-64_64-128_0-64``.

        Returns:
            Segments, uint32, little endian, AP fastest; None if there is no such chunk.

        Raises:
            CcfError: the atlas was loaded again, or dropped, meanwhile.
        """
        place = _PLACE.fullmatch(name)
        if place is None or not 0 <= scale < len(self.scales):
            return None
        numbers = [int(number) for number in place.groups()]
        first, ends = (numbers[0], numbers[2], numbers[4]), (numbers[1], numbers[3], numbers[5])
        sizes = zip(first, ends, self.scales[scale].grid.shape, strict=True)
        if any(a % CHUNK or a >= voxels or end != min(a + CHUNK, voxels) for a, end, voxels in sizes):
            return None
        return self._box(scale, first, ends).astype("<u4", copy=False).tobytes(order="F")

    def _box(self, scale: int, first: Voxel, ends: Voxel) -> Ids:
        ap, dv, ml = (range(a, end) for a, end in zip(first, ends, strict=True))
        runs = self._kept.get((scale, ap, dv))
        with runs.lock:  # who asks for what another is reading waits for that
            if runs.read is None:
                runs.read = self._lines(self.scales[scale], (ap, dv))
                self._kept.limit()
        return paint_box(runs.read, self.scales[scale].grid, first, (len(ap), len(dv), len(ml)))

    def _lines(self, scale: Scale, lines: tuple[range, range]) -> Runs:
        runs = current_runs(self._engine, scale, lines=lines)
        if self._segment_of is None:
            return runs
        ids, which = np.unique(runs.region_id, return_inverse=True)
        segments = np.array([self._segment_of.get(region, 0) for region in ids.tolist()], np.uint32)
        return replace(runs, region_id=segments[which])


def current_runs(
    engine: sa.Engine,
    scale: Scale,
    regions: Sequence[int] | None = None,
    lines: tuple[range, range] | None = None,
) -> Runs:
    """Runs of a scale, of the load of its atlas that the scale is of. Arguments as for `read_runs`.

    Raises:
        CcfError: the atlas was loaded again, or dropped, meanwhile.
    """
    runs = read_runs(engine.url, scale.atlas, regions, scale.steps, scale.taken, lines)
    if scale.atlas not in loaded_atlases(engine):
        raise CcfError(
            f"{scale.atlas.key} was loaded again, or dropped, since the viewer was opened; open it again."
        )
    return runs


@dataclass
class _Entry:
    """Runs, once they have been read, and a lock for that."""

    lock: threading.Lock
    read: Runs | None = None


class _Kept:
    """The runs that were read last, up to `CACHE_BYTES`."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Any, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any) -> _Entry:  # noqa: ANN401
        with self._lock:
            entry = self._entries.setdefault(key, _Entry(threading.Lock()))
            self._entries.move_to_end(key)
        return entry

    def limit(self) -> None:
        with self._lock:
            size = sum(len(each.read) for each in self._entries.values() if each.read) * _RUN_BYTES
            while size > CACHE_BYTES and len(self._entries) > 1:
                _, oldest = self._entries.popitem(last=False)
                size -= len(oldest.read) * _RUN_BYTES if oldest.read else 0
