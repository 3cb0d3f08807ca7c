"""What a step of a run has found in a volume: later steps in its process need not read the file again.

Not here: what is found (ccf.runs), and which volume was checked (provenance).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.runs import VoxelCounts
from ccf_assets.sources.annotation import Annotation

T = TypeVar("T")


class _Found(Generic[T]):
    """Something that was found in one volume: the one that was read last."""

    def __init__(self) -> None:
        self._last: tuple[object, T] | None = None

    def keep(self, file: Annotation, found: T) -> None:
        """Keep what was found in a volume, instead of what was found in another."""
        self._last = _content(file), found

    def of(self, file: Annotation, find: Callable[[], T]) -> T:
        """What was found in a volume; ``find`` finds it if that was in another process, or before another."""
        last = self._last
        return last[1] if last is not None and last[0] == _content(file) else find()


def _content(file: Annotation) -> object:
    return file.sha256, file.grid


voxel_counts: _Found[VoxelCounts] = _Found()
"""Counted in the file, and compared with what its tables hold: nothing of the runs is in them."""

surface: _Found[dict[str, npt.NDArray[np.int32]]] = _Found()
"""The columns of the brain surface: 1 MB at 25 µm, 18 MB at 10 µm."""
