"""Named coordinate frames: what a published coordinate means, as an affine map to CCF µm.

Inside there is one convention, CCF µm from the corner of the volume: x = AP to posterior, y = DV to ventral,
z = ML to the right. Every other convention is a frame: a 3×4 affine from (ap, dv, ml, 1), in the frame's own
unit and signs, to (x, y, z), and what dv is measured from. Where dv is the depth below the brain surface, the
affine gives that depth and the surface of the column (x, z) is added to it.

The built-in frames stand in ``frames.toml``, which also describes how a lab writes its own. A frame is
evaluated in Python (`to_ccf`) and in the database (`sql_to_ccf`) from the same twelve numbers in the same
order of operations, so both give the same point.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from ccf_assets.errors import CcfError, suggestion
from ccf_assets.toml import TomlError, read_toml

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

Axis: TypeAlias = Literal["ap", "dv", "ml"]
DvFrom: TypeAlias = Literal["corner", "bregma", "surface"]
Floats: TypeAlias = npt.NDArray[np.float64]
SurfaceY: TypeAlias = npt.ArrayLike | Callable[[Floats, Floats], npt.ArrayLike]
"""CCF y of the brain surface in µm: one value, one per point, or a function of the points' x and z."""

T = TypeVar("T")

AXES: tuple[Axis, Axis, Axis] = ("ap", "dv", "ml")
"""The order in which a site stores its coordinates, and the order of an affine's columns."""

DV_FROM: tuple[DvFrom, ...] = ("corner", "bregma", "surface")
"""What dv can be measured from."""

UNIT_UM: Mapping[str, float] = MappingProxyType({"um": 1.0, "mm": 1e3, "m": 1e6})
"""Units whose size is known, in µm."""

COEFFICIENTS: tuple[str, ...] = tuple(f"{row}_{column}" for row in "xyz" for column in (*AXES, "0"))
"""Columns of the table coordinate_frame that hold the affine: x_ap, x_dv, x_ml, x_0, y_ap, … z_0."""

LARGEST = 1e30
SMALLEST = 1e-30
"""Coordinates beyond LARGEST count as NaN and those below SMALLEST as 0, in Python and in SQL alike.

Neither is a place in any unit. PostgreSQL stops the whole statement when a product overflows or underflows,
so that without this one absurd row would keep every other site of its batch from being computed.
"""

_COEFFICIENT_SIZES = (1e-12, 1e12)
"""Bounds of a factor that is not 0. With LARGEST and SMALLEST they keep every product a normal float64."""

_MAX_CONDITION = 1e9
"""Largest condition number of a map: beyond it the inverse loses the µm that two atlases differ by."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_POSITIVE: Mapping[Axis, Mapping[str, float]] = MappingProxyType(
    {
        "ap": {"posterior": 1.0, "anterior": -1.0},
        "dv": {"down": 1.0, "up": -1.0},
        "ml": {"right": 1.0, "left": -1.0},
    }
)
_COMMON_KEYS = ("description", "source", "xyz", "unit", "dv_from")
_PART_KEYS = ("unit_um", "origin_um", *AXES, "scale", "tilt_deg", "order", "shift_um")


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
    """

    name: str
    description: str
    source: str
    unit: str
    xyz: tuple[Axis, Axis, Axis]
    dv_from: DvFrom
    coefficients: tuple[float, ...]

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


# Using a frame


def frame(name: str, frames: Mapping[str, Frame] | None = None) -> Frame:
    """The frame called ``name``, among the built-in ones unless others are given.

    Raises:
        CcfError: there is no such frame; the text names the nearest ones.
    """
    known = FRAMES if frames is None else frames
    if name in known:
        return known[name]
    raise CcfError(f"There is no coordinate frame {name!r}; {suggestion(name, sorted(known))}")


def ap_dv_ml(frame: Frame, x: T, y: T, z: T) -> tuple[T, T, T]:
    """Sort what a file calls x, y, z (values, columns, or their names) into ap, dv, ml of ``frame``."""
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
    x, y, z = _apply(frame.affine, _usable(ap, dv, ml))
    if frame.dv_from == "surface":
        y = y + _surface(frame, x, z, surface_y)
    return np.stack([x, y, z], axis=-1)


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
        ap, dv, ml in the frame's unit and signs: shape (N, 3), float64.

    Raises:
        CcfError: the frame needs the surface and none is given.
    """
    x, y, z = _usable(x, y, z)
    if frame.dv_from == "surface":
        y = y - _surface(frame, x, z, surface_y)
    return np.stack(_apply(frame.inverse, (x, y, z)), axis=-1)


class SqlPoint(NamedTuple):
    """SQL expressions for a point's CCF coordinates in µm, double precision."""

    x: ColumnElement[float]
    y: ColumnElement[float]
    z: ColumnElement[float]


def sql_to_ccf(
    columns: Any,  # noqa: ANN401  (a table's .c, a subquery's .c or a dict; they share no type but [])
    ap: ColumnElement[float],
    dv: ColumnElement[float],
    ml: ColumnElement[float],
    surface_y: ColumnElement[Any] | None = None,
) -> SqlPoint:
    """`to_ccf` as SQL, for any mixture of frames: each row takes its own row of coordinate_frame.

    Where dv is measured from the surface, first ask without ``surface_y`` for x and z, join brain_surface on
    their column, then ask again with its y.

    Args:
        columns: the columns of coordinate_frame, by name: ``dv_from`` and those in `COEFFICIENTS`.
        ap: the site's antero-posterior coordinate, double precision.
        dv: its dorso-ventral coordinate.
        ml: its medio-lateral coordinate.
        surface_y: CCF y of the surface of the point's column in µm, NULL where it has none. Without it y is
            NULL in frames that need it.

    Returns:
        x, y, z in CCF µm. NaN where a coordinate is NULL, NaN, infinite or beyond `LARGEST`.
    """
    import sqlalchemy as sa

    def number(text: str) -> ColumnElement[float]:
        # Not bound parameters: constants the server folds, and a statement that reads well in its log.
        return sa.literal_column(f"'{text}'::double precision", sa.Double())

    def usable(value: ColumnElement[float]) -> ColumnElement[float]:
        # BETWEEN is false for NaN, which sorts above every number, and unknown for NULL.
        return sa.case(
            (value.between(number(f"-{SMALLEST!r}"), number(repr(SMALLEST))), number("0")),
            (value.between(number(f"-{LARGEST!r}"), number(repr(LARGEST))), value),
            else_=number("NaN"),
        )

    ap, dv, ml = usable(ap), usable(dv), usable(ml)

    def row(name: str) -> ColumnElement[float]:
        # SQL sums from left to right, and _apply does as SQL does.
        linear = columns[f"{name}_ap"] * ap + columns[f"{name}_dv"] * dv + columns[f"{name}_ml"] * ml
        return cast("ColumnElement[float]", linear + columns[f"{name}_0"])

    surface = sa.null() if surface_y is None else sa.cast(surface_y, sa.Double())
    above = sa.case((columns["dv_from"] == "surface", surface), else_=number("0"))
    return SqlPoint(row("x"), row("y") + above, row("z"))


def frame_rows(frames: Mapping[str, Frame]) -> list[dict[str, str | float]]:
    """The rows of the table coordinate_frame.

    Returns:
        One dict per frame: name, description, source, unit, xyz (``ml,ap,dv``), dv_from, and the 12 columns
        of `COEFFICIENTS`.
    """
    return [
        {
            "name": each.name,
            "description": each.description,
            "source": each.source,
            "unit": each.unit,
            "xyz": ",".join(each.xyz),
            "dv_from": each.dv_from,
            **dict(zip(COEFFICIENTS, each.coefficients, strict=True)),
        }
        for each in frames.values()
    ]


def _usable(*values: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Three coordinates as float64 of one shape, with NaN and 0 where LARGEST and SMALLEST say so."""
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values))
    size = [np.abs(array) for array in arrays]
    a, b, c = (
        np.where(s <= SMALLEST, 0.0, np.where(s <= LARGEST, array, np.nan))
        for array, s in zip(arrays, size, strict=True)
    )
    return a, b, c


def _apply(affine: Floats, point: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    """The affine's three rows applied to a point.

    Written out, not as a matrix product: BLAS may fuse or reorder the sums, and PostgreSQL does neither.
    """
    a, b, c = point
    first, second, third = (((row[0] * a + row[1] * b) + row[2] * c) + row[3] for row in affine)
    return first, second, third


def _surface(frame: Frame, x: Floats, z: Floats, surface_y: SurfaceY | None) -> Floats:
    """CCF y of the brain surface at (x, z), from whatever form the caller has it in."""
    if surface_y is None:
        raise CcfError(
            f"In the frame {frame.name!r} dv is measured from the brain surface, which is not known here."
        )
    return np.asarray(surface_y(x, z) if callable(surface_y) else surface_y, dtype=np.float64)


# Reading frames


def load_frames(*paths: Path) -> dict[str, Frame]:
    """The built-in frames and those of a lab's own files, by name.

    Args:
        paths: TOML files of the form that ``frames.toml`` describes.

    Raises:
        CcfError: a file cannot be read, or an entry is incomplete, contradictory, not invertible, or takes a
            name that is in use. The text names the file, the frame and the key.
    """
    frames = dict(FRAMES)
    origin = dict.fromkeys(FRAMES, "built in")
    for path in paths:
        for name, each in _read_frames(path).items():
            if name in frames:
                raise CcfError(
                    f"{path}: frame {name!r}: the name is taken ({origin[name]}); give this one another."
                )
            frames[name] = each
            origin[name] = f"from {path}"
    return frames


@dataclass(frozen=True)
class _Entry:
    """One table of a frames file, with what a complaint about it has to say."""

    path: Path
    name: str
    fields: Mapping[str, object]

    def wrong(self, key: str, why: str) -> CcfError:
        return CcfError(f"{self.path}: frame {self.name!r}: {key} {why}.")


def _read_frames(path: Path) -> dict[str, Frame]:
    """The frames of one file, in its order."""
    try:
        tables = read_toml(path)
    except OSError as error:
        raise CcfError(f"{path}: the frames cannot be read: {error.strerror or error}.") from error
    except (TomlError, UnicodeDecodeError) as error:
        raise CcfError(f"{path}: the frames cannot be read, this is not valid TOML: {error}.") from error
    frames = {}
    for name, fields in tables.items():
        if not isinstance(fields, dict):
            raise CcfError(
                f"{path}: {name!r} stands outside of any frame; a frame begins with a line [its_name]."
            )
        frames[name] = _read_frame(_Entry(path, name, fields))
    return frames


def _read_frame(entry: _Entry) -> Frame:
    """One frame, checked."""
    if not _NAME.fullmatch(entry.name):
        raise entry.wrong("the name", "must be lower-case letters, digits, _ and -, and begin with a letter")
    parts = [key for key in _PART_KEYS if key in entry.fields]
    if "affine" in entry.fields and parts:
        raise entry.wrong("affine", f"says it all already; leave out {', '.join(parts)}")
    for key in entry.fields:
        if key not in (*_COMMON_KEYS, *_PART_KEYS, "affine"):
            near = difflib.get_close_matches(key, (*_COMMON_KEYS, *_PART_KEYS, "affine"), n=1)
            raise entry.wrong(key, "is not a key of a frame" + (f"; did you mean {near[0]}" if near else ""))
    unit = _text(entry, "unit").replace("µ", "u").replace("μ", "u")
    dv_from = _one_of(entry, "dv_from", DV_FROM)
    explicit = "affine" in entry.fields
    affine = _explicit_affine(entry) if explicit else _composed_affine(entry, unit, dv_from)
    _check_affine(entry, affine, dv_from)
    return Frame(
        name=entry.name,
        description=_text(entry, "description"),
        source=_text(entry, "source"),
        unit=unit,
        xyz=_axes(entry),
        dv_from=dv_from,
        # Adding 0.0 turns -0.0 into 0.0: the same map, and no puzzle in the table.
        coefficients=tuple(float(value) + 0.0 for value in affine.ravel()),
    )


def _explicit_affine(entry: _Entry) -> Floats:
    """The key ``affine``: shape (3, 4)."""
    rows = entry.fields["affine"]
    if not isinstance(rows, list) or [isinstance(row, list) and len(row) for row in rows] != [4, 4, 4]:
        raise entry.wrong("affine", "must have three rows, for x, y and z, of four numbers each")
    return np.array([[_finite(entry, "affine", value) for value in row] for row in rows], dtype=np.float64)


def _composed_affine(entry: _Entry, unit: str, dv_from: DvFrom) -> Floats:
    """The affine made of origin, signs, unit, scale, tilt and shift: shape (3, 4).

    From the CCF to the frame: subtract shift and origin, scale and tilt in the order given, then take the
    frame's signs and unit. The affine is the way back. In (posterior, down) a tilt that lifts the nose by t
    is [[cos t, -sin t], [sin t, cos t]]: what lies anterior, at negative posterior, moves to negative down.
    """
    signs = [_POSITIVE[axis][_one_of(entry, axis, tuple(_POSITIVE[axis]))] for axis in AXES]
    scale = _vector(entry, "scale", default=(1.0, 1.0, 1.0))
    if (scale <= 0).any():
        raise entry.wrong("scale", "must be positive; ap, dv and ml say the directions")
    tilt = _tilt(entry)
    if dv_from == "surface" and tilt:
        raise entry.wrong(
            "tilt_deg", "makes no sense with dv_from = 'surface': a depth is measured straight down"
        )
    default_origin = (0.0, 0.0, 0.0) if dv_from == "corner" else None
    origin = _vector(entry, "origin_um", default=default_origin)
    shift = _vector(entry, "shift_um", default=(0.0, 0.0, 0.0))
    for key, values in (("origin_um", origin), ("shift_um", shift)):
        if dv_from == "surface" and values[1]:
            raise entry.wrong(key, "must have 0 in the middle, for dv is measured from the brain surface")

    turn_back = np.eye(3)
    turn_back[:2, :2] = [[math.cos(tilt), math.sin(tilt)], [-math.sin(tilt), math.cos(tilt)]]
    unscale = np.diag(1.0 / scale)
    scale_first = _scale_first(entry, required=bool(tilt) and scale[0] != scale[1])
    from_oriented = unscale @ turn_back if scale_first else turn_back @ unscale
    linear = from_oriented @ np.diag(np.array(signs) * _unit_um(entry, unit))
    return np.column_stack([linear, origin + shift])


def _check_affine(entry: _Entry, affine: Floats, dv_from: DvFrom) -> None:
    """Refuse a map that cannot be inverted, or that cannot be a depth where it has to be one."""
    key = "affine" if "affine" in entry.fields else "the map"
    size = np.abs(affine[:, :3])
    low, high = _COEFFICIENT_SIZES
    if (size > high).any() or ((size > 0) & (size < low)).any() or (np.abs(affine[:, 3]) > high).any():
        raise entry.wrong(key, f"must have factors of 0 or between {low:g} and {high:g} in size")
    if not np.linalg.cond(affine[:, :3]) < _MAX_CONDITION:
        raise entry.wrong(key, "cannot be inverted: different coordinates would be the same point")
    # Not asked of the composed map, where the same is known of its parts and said of them.
    if dv_from == "surface" and (affine[1, [0, 2, 3]].any() or affine[[0, 2], 1].any()):
        raise entry.wrong(
            key,
            "must have a y row of (0, µm per unit, 0, 0) and no dv in x and z, "
            "for dv_from = 'surface' makes it a depth straight down",
        )


def _unit_um(entry: _Entry, unit: str) -> float:
    """Size of the frame's unit in µm, from its name or from ``unit_um``."""
    known = UNIT_UM.get(unit)
    if "unit_um" not in entry.fields:
        if known is None:
            raise entry.wrong("unit_um", f"is missing: how many µm is one {unit!r}")
        return known
    size = _finite(entry, "unit_um", entry.fields["unit_um"])
    if size <= 0:
        raise entry.wrong("unit_um", "must be positive; ap, dv and ml say the directions")
    if known is not None and size != known:
        raise entry.wrong("unit_um", f"is {size:g}, but one {unit} is {known:g} µm")
    return size


def _tilt(entry: _Entry) -> float:
    """``tilt_deg`` in radians."""
    degrees = _finite(entry, "tilt_deg", entry.fields.get("tilt_deg", 0))
    if not -90 < degrees < 90:  # noqa: PLR2004
        raise entry.wrong("tilt_deg", "must lie between -90 and 90")
    return math.radians(degrees)


def _scale_first(entry: _Entry, *, required: bool) -> bool:
    """Whether ``order`` puts scale before tilt."""
    orders = (["scale", "tilt"], ["tilt", "scale"])
    order = entry.fields.get("order")
    if order is None and not required:
        return True
    if order not in orders:
        lacking = "is missing; it" if order is None else ""
        raise entry.wrong("order", f"{lacking} must be {orders[0]} or {orders[1]}".strip())
    return order == orders[0]


def _axes(entry: _Entry) -> tuple[Axis, Axis, Axis]:
    """The key ``xyz``."""
    given = entry.fields.get("xyz")
    if not isinstance(given, list) or sorted(map(str, given)) != sorted(AXES):
        raise entry.wrong("xyz", "must name 'ap', 'dv' and 'ml', each once, in the order of x, y, z")
    x, y, z = given
    return x, y, z


def _text(entry: _Entry, key: str) -> str:
    """A key whose value is a text that says something."""
    value = entry.fields.get(key)
    if value is None:
        raise entry.wrong(key, "is missing")
    if not isinstance(value, str) or not value.strip():
        raise entry.wrong(key, "must be a text")
    return value.strip()


def _one_of(entry: _Entry, key: str, choices: tuple[T, ...]) -> T:
    """A key whose value is one of a few words."""
    value = entry.fields.get(key)
    words = " or ".join(repr(choice) for choice in choices)
    if value is None:
        raise entry.wrong(key, f"is missing; it must be {words}")
    for choice in choices:
        if value == choice:
            return choice
    raise entry.wrong(key, f"must be {words}, not {value!r}")


def _vector(entry: _Entry, key: str, default: tuple[float, float, float] | None) -> Floats:
    """A key of three numbers along ap, dv, ml: shape (3,)."""
    values = entry.fields.get(key, default)
    if values is None:
        raise entry.wrong(key, "is missing; it has three numbers, along ap, dv and ml")
    if not isinstance(values, (list, tuple)) or len(values) != len(AXES):
        raise entry.wrong(key, "must have three numbers, along ap, dv and ml")
    return np.array([_finite(entry, key, value) for value in values], dtype=np.float64)


def _finite(entry: _Entry, key: str, value: object) -> float:
    """A finite number. TOML also knows inf and nan, and its true is an int to Python."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise entry.wrong(key, f"must be a finite number, not {value!r}")
    return float(value)


FRAMES: Mapping[str, Frame] = MappingProxyType(_read_frames(Path(__file__).with_name("frames.toml")))
"""The built-in frames by name."""
