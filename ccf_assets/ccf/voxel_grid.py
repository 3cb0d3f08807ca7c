"""The grid of an atlas: how many voxels, how large, and the numbers by which tables name them.

Voxel i along an axis covers [i·edge, (i + 1)·edge) µm. Its coordinate in tables is a whole number, that of
its lower face rounded down: floor(i·edge). Python and SQL compute it by the same operations on float64, so
both give the same number, and `VoxelGrid.index` gives i back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ccf_assets.ccf.space import AXES, Space
from ccf_assets.errors import CcfError

if TYPE_CHECKING:  # numpy takes longer to import than a command of the catalogue to answer
    import numpy as np
    import numpy.typing as npt

SMALLEST_FRACTIONAL_UM = 2.0
"""Edges that are no whole number of µm must be larger: otherwise two voxels could share a coordinate, or a
difference of two coordinates could be half way between two numbers of voxels."""

MM3_PER_UM3 = 1e-9

LARGEST_UM = 1e6
"""A metre; coordinates in tables are whole µm of 32 bits."""


@dataclass(frozen=True)
class VoxelGrid:
    """The grid of one atlas.

    Attributes:
        shape: voxels along AP, DV, ML.
        edges_um: edge of a voxel along AP, DV, ML in µm.
        midline_um: ML of the midline of its space in µm, None where there is none.
    """

    shape: tuple[int, int, int]
    edges_um: tuple[float, float, float]
    midline_um: float | None = None

    def __post_init__(self) -> None:
        for edge in self.edges_um:
            if not (
                math.isfinite(edge) and edge >= 1 and (edge > SMALLEST_FRACTIONAL_UM or edge == int(edge))
            ):
                raise CcfError(
                    f"A voxel of {edge:g} µm cannot be stored: an edge must be a whole number of µm, or more "
                    f"than {SMALLEST_FRACTIONAL_UM:g} µm."
                )

        if max(self.extent_um) > LARGEST_UM:
            told = " × ".join(f"{size:g}" for size in self.extent_um)
            raise CcfError(f"A volume of {told} µm is larger than any brain; check the edges of its voxels.")

    @property
    def extent_um(self) -> tuple[float, float, float]:
        """Size along AP, DV, ML in µm."""
        ap, dv, ml = (n * edge for n, edge in zip(self.shape, self.edges_um, strict=True))
        return ap, dv, ml

    @property
    def resolution_um(self) -> float:
        """The smallest edge of a voxel in µm: what atlases are ordered by."""
        return min(self.edges_um)

    @property
    def voxel_um3(self) -> float:
        """Volume of a voxel in µm³."""
        ap, dv, ml = self.edges_um
        return ap * dv * ml

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel in mm³."""
        return self.voxel_um3 * MM3_PER_UM3

    @property
    def edges(self) -> str:
        """The edges in words: ``25 µm``, ``39.0625 µm`` or, where they differ, ``20 × 10 × 10 µm``."""
        words = [f"{edge:.10g}" for edge in self.edges_um]
        return f"{words[0] if len(set(words)) == 1 else ' × '.join(words)} µm"

    @property
    def first_right(self) -> int | None:
        """Index of the first sagittal plane of the right hemisphere; None without a midline.

        Where the midline cuts a plane of voxels, all of it belongs to the side of its centre; a centre on the
        midline is right.
        """
        if self.midline_um is None:
            return None
        plane = math.ceil(self.midline_um / self.edges_um[2] - 0.5)
        return min(max(plane, 0), self.shape[2])

    def coordinate(self, axis: int, index: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """Table coordinates in µm of voxel indices along an axis (0, 1, 2: AP, DV, ML): int32."""
        import numpy as np

        edge = self.edges_um[axis]
        if edge == int(edge):  # whole µm: a multiplication of integers, as a load of 25 µm needs millions
            whole: npt.NDArray[np.int32] = index.astype(np.int32) * np.int32(edge)
            return whole
        return np.floor(index.astype(np.float64) * edge).astype(np.int32)

    def index(self, axis: int, coordinate: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Voxel indices of table coordinates in µm along an axis: the inverse of `coordinate`, int64."""
        import numpy as np

        edge = self.edges_um[axis]
        if edge == int(edge):
            return coordinate.astype(np.int64) // int(edge)
        return np.rint(coordinate / edge).astype(np.int64)

    def contains(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which points, shape (N, 3) in µm, lie in the volume; False for NaN."""
        import numpy as np

        # Column by column: .all(axis=1) over three columns takes ten times as long.
        x, y, z = ((c >= 0) & (c < end) for c, end in zip(points.T, self.extent_um, strict=True))
        return np.asarray(x & y & z)


def require_extent(
    key: str, grid: VoxelGrid, space: Space, coarsest_um: tuple[float, ...] = (0.0, 0.0, 0.0)
) -> None:
    """Refuse a volume that does not span its space.

    Raises:
        CcfError: along an axis its size differs from that of the space by a voxel or more: of its own, or of
            the coarsest atlas that lies there.
    """
    sizes = zip(AXES, grid.extent_um, space.extent_um, grid.edges_um, coarsest_um, strict=True)
    differs = [
        f"{axis.upper()} {size:g} instead of {wanted:g} µm"
        for axis, size, wanted, edge, coarsest in sizes
        if abs(size - wanted) >= max(edge, coarsest)
    ]
    if differs:
        raise CcfError(
            f"{key} does not span the space {space.name}: {', '.join(differs)}. Correct axes or "
            'resolution_um in the catalogue, or name the space that it lies in: space = "…".'
        )
