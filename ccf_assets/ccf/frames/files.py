"""Coordinate frames in TOML files: the built-in ones (frames.toml) and a lab's own, read and checked.

How a frame is applied to coordinates is in maps.py.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ccf_assets.ccf.frames.maps import DvFrom, Floats, Frame, T
from ccf_assets.ccf.space import AXES, Axis
from ccf_assets.errors import CcfError, UnknownNameError, suggestion, why
from ccf_assets.files import TomlError, read_toml

DV_FROM: tuple[DvFrom, ...] = ("corner", "bregma", "surface")
"""What dv can be measured from."""

UNIT_UM: Mapping[str, float] = MappingProxyType({"um": 1.0, "mm": 1e3, "m": 1e6})
"""Units whose size is known, in µm."""

_COEFFICIENT_SIZES = (1e-12, 1e12)
"""Bounds of a factor that is not 0. With LARGEST and SMALLEST they keep every product a normal float64."""

_MAX_CONDITION = 1e9
"""Largest condition number of a map: beyond it the inverse is no longer exact to a µm."""

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


def named_frame(name: str, frames: Mapping[str, Frame] | None = None) -> Frame:
    """The frame called ``name``, among the built-in ones unless others are given.

    Raises:
        CcfError: there is no such frame; the text names the nearest ones.
    """
    known = FRAMES if frames is None else frames
    if name in known:
        return known[name]
    raise UnknownNameError(f"There is no coordinate frame {name!r}; {suggestion(name, sorted(known))}")


def frame_called(name: str, *paths: Path) -> Frame:
    """The frame called ``name``; for a built-in one no file is read, so that none can be in the way.

    Args:
        name: of a built-in frame, or of one in the files.
        paths: a lab's own files, as for `load_frames`.

    Raises:
        CcfError: there is no such frame, or a file cannot be read or is wrong.
    """
    return FRAMES.get(name) or named_frame(name, load_frames(*paths))


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
                    f"{path}: frame {name!r}: the name is already used ({origin[name]}); choose another."
                )
            frames[name] = each
            origin[name] = f"from {path}"
    return frames


@dataclass(frozen=True)
class _Entry:
    """One table of a file of frames, with its place for error messages."""

    path: Path
    name: str
    fields: Mapping[str, object]

    def wrong(self, key: str, problem: str) -> CcfError:
        return CcfError(f"{self.path}: frame {self.name!r}: {key} {problem}.")


def _read_frames(path: Path) -> dict[str, Frame]:
    """The frames of one file, in its order."""
    try:
        tables = read_toml(path)
    except OSError as error:
        raise CcfError(f"{path}: the frames cannot be read: {why(error)}.") from error
    except (TomlError, UnicodeDecodeError) as error:
        raise CcfError(f"{path}: the frames cannot be read, this is not valid TOML: {error}.") from error
    frames = {}
    for name, fields in tables.items():
        if not isinstance(fields, dict):
            raise CcfError(
                f"{path}: {name!r} is outside of any frame; a frame begins with a line [its_name]."
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
    # For a composed map, its parts are checked instead, with messages of their own.
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
