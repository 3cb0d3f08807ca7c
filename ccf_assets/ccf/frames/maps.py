"""Named coordinate frames: the meaning of a published coordinate, as an affine map to CCF µm.

Inside the program there is one convention, CCF µm from the corner of the volume: x = AP to posterior, y = DV
to ventral, z = ML to the right. Every other convention is a frame: a 3×4 affine from (ap, dv, ml, 1), in the
frame's own unit and signs, to (x, y, z), and what dv is measured from. Where dv is the depth below the brain
surface, the affine gives that depth, and the surface of the column (x, z) is added to it.

The built-in frames are in ``frames.toml``, which also describes how a lab writes its own; such files are read
in files. A frame is evaluated in Python (`to_ccf`) and in the database (`db.frames.sql_to_ccf`) from the same
twelve numbers in the same order of operations, so both give the same point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.space import ALLEN_CCF, AXES, AXES_OF_SPACES, Axis, Space
from ccf_assets.errors import CcfError

DvFrom: TypeAlias = Literal["corner", "bregma", "surface"]

Floats: TypeAlias = npt.NDArray[np.float64]

SurfaceY: TypeAlias = npt.ArrayLike | Callable[[Floats, Floats], npt.ArrayLike]
"""CCF y of the brain surface in µm: one value, one per point, or a function of the points' x and z."""

T = TypeVar("T")

COEFFICIENTS: tuple[str, ...] = tuple(f"{row}_{column}" for row in "xyz" for column in (*AXES, "0"))
"""Columns of the table coordinate_frame that hold the affine: x_ap, x_dv, x_ml, x_0, y_ap, … z_0."""

LARGEST = 1e30

SMALLEST = 1e-30
"""Coordinates beyond LARGEST count as NaN, and those nearer to 0 than SMALLEST as SMALLEST with their sign,
in Python and in SQL alike.

Neither is a place in any unit. PostgreSQL ends the whole statement when a product overflows or underflows:
without these limits, one absurd row would keep the other sites of its batch from being computed.
"""


@dataclass(frozen=True)
class Frame:
    """A coordinate frame.

    Attributes:
        name: the name a site refers to.
        description: what it is and what to watch for.
        source: where its numbers come from.
        unit: unit of ap, dv and ml: ``um``, ``mm``, ``m``, or a lab's own word.
        xyz: which of ap, dv, ml a file's columns x, y, z are.
        dv_from: ``corner`` or ``bregma``: dv is a coordinate; ``surface``: dv is a depth, positive or
            negative downwards as the affine says, below the first in-brain voxel of the column.
        coefficients: the affine row by row, 12 numbers named by `COEFFICIENTS`.
        space: name of the reference space it leads into.
    """

    name: str
    description: str
    source: str
    unit: str
    xyz: tuple[Axis, Axis, Axis]
    dv_from: DvFrom
    coefficients: tuple[float, ...]
    space: str = ALLEN_CCF.name

    @cached_property
    def affine(self) -> Floats:
        """The map from (ap, dv, ml, 1) to (x, y, z) in CCF µm: shape (3, 4), float64, read-only."""
        matrix = np.array(self.coefficients, dtype=np.float64).reshape(3, 4)
        matrix.flags.writeable = False
        return matrix

    @cached_property
    def inverse(self) -> Floats:
        """The map from (x, y, z, 1) back to (ap, dv, ml): shape (3, 4), float64, read-only."""
        linear = np.linalg.inv(self.affine[:, :3])
        matrix = np.column_stack([linear, -linear @ self.affine[:, 3]])
        matrix.flags.writeable = False
        return matrix


def corner_frame(space: Space) -> Frame:
    """The coordinates of a space itself, as a frame with its name."""
    return Frame(
        name=space.name,
        description=f"The space {space.name} itself: {AXES_OF_SPACES}",
        source=space.source,
        unit="um",
        xyz=AXES,
        dv_from="corner",
        coefficients=(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        space=space.name,
    )


def ap_dv_ml(frame: Frame, x: T, y: T, z: T) -> tuple[T, T, T]:
    """The columns x, y, z of a file (values, or their names) in the order ap, dv, ml of ``frame``."""
    given = dict(zip(frame.xyz, (x, y, z), strict=True))
    return given["ap"], given["dv"], given["ml"]


def to_ccf(
    frame: Frame,
    ap: npt.ArrayLike,
    dv: npt.ArrayLike,
    ml: npt.ArrayLike,
    surface_y: SurfaceY | None = None,
) -> Floats:
    """CCF coordinates of points given in ``frame``.

    Args:
        frame: the frame of the coordinates.
        ap: antero-posterior coordinates in the frame's unit and sign, one or N of them.
        dv: dorso-ventral coordinates, likewise.
        ml: medio-lateral coordinates, likewise.
        surface_y: the brain surface above the points in CCF µm, NaN where a column has none. Required where
            dv is measured from it, ignored elsewhere.

    Returns:
        x, y, z in CCF µm: shape (N, 3), float64. A point with a coordinate that is no usable number is NaN
        in all three; a point without a surface is NaN in y.

    Raises:
        CcfError: the frame needs the surface and none is given.
    """
    return np.stack(to_ccf_axes(frame, ap, dv, ml, surface_y), axis=-1)


def to_ccf_axes(
    frame: Frame,
    ap: npt.ArrayLike,
    dv: npt.ArrayLike,
    ml: npt.ArrayLike,
    surface_y: SurfaceY | None = None,
) -> tuple[Floats, Floats, Floats]:
    """As `to_ccf`, with an array of shape (N,) for each of x, y, z."""
    x, y, z = _apply(frame.affine, _usable(ap, dv, ml))
    if frame.dv_from == "surface":
        y = y + _surface(frame, x, z, surface_y)
    return x, y, z


def from_ccf(
    frame: Frame,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    z: npt.ArrayLike,
    surface_y: SurfaceY | None = None,
) -> Floats:
    """Coordinates in ``frame`` of points of the CCF: the inverse of `to_ccf`.

    Args:
        frame: the frame of the result.
        x: CCF coordinates to posterior in µm, one or N of them.
        y: CCF coordinates to ventral, likewise.
        z: CCF coordinates to the right, likewise.
        surface_y: as for `to_ccf`.

    Returns:
        ap, dv, ml in the frame's unit and signs: shape (N, 3), float64. A point with a coordinate that is no
        usable number is NaN in all three, and so is one whose surface is needed and not known.

    Raises:
        CcfError: the frame needs the surface and none is given.
    """
    x, y, z = _usable(x, y, z)
    if frame.dv_from == "surface":
        x, y, z = _usable(x, y - _surface(frame, x, z, surface_y), z)
    return np.stack(_apply(frame.inverse, (x, y, z)), axis=-1)


def _usable(*values: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Three coordinates as float64 of one shape, with what LARGEST and SMALLEST say of some.

    Where one of a point's coordinates is no usable number, all three are NaN.
    """
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values))
    sizes = [np.abs(array) for array in arrays]
    if all(size.size and size.min() >= SMALLEST and size.max() <= LARGEST for size in sizes):
        a, b, c = arrays  # as nearly always; NaN is not among them
        return a, b, c
    nowhere = ~np.logical_and.reduce([size <= LARGEST for size in sizes])

    def usable(array: Floats, size: Floats) -> Floats:
        tiny = (size > 0) & (size < SMALLEST)
        large_enough = np.where(tiny, np.copysign(SMALLEST, array), array) if tiny.any() else array
        return np.where(nowhere, np.nan, large_enough)

    a, b, c = map(usable, arrays, sizes)
    return a, b, c


def _apply(affine: Floats, point: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    """The affine's three rows applied to a point that is usable, or NaN in all three coordinates.

    Written out, not as a matrix product: BLAS may fuse or reorder the sums, and PostgreSQL does neither. Left
    out is what changes no sum: a product with 0, and by 1.
    """

    def row(factors: Floats, constant: float) -> Floats:
        terms = [c if factor == 1 else factor * c for factor, c in zip(factors, point, strict=True) if factor]
        return sum(terms[1:], start=terms[0]) + constant

    first, second, third = (row(each[:3], each[3]) for each in affine)
    return first, second, third


def _surface(frame: Frame, x: Floats, z: Floats, surface_y: SurfaceY | None) -> Floats:
    """CCF y of the brain surface at (x, z), from whatever form the caller has it in."""
    if surface_y is None:
        raise CcfError(
            f"In the frame {frame.name!r} dv is measured from the brain surface, which is not known here."
        )
    return np.asarray(surface_y(x, z) if callable(surface_y) else surface_y, dtype=np.float64)
