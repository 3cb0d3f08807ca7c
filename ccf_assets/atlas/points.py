"""Points as people have them, arrays and data frames, as three arrays of coordinates."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.frames.maps import Floats, Frame, ap_dv_ml
from ccf_assets.ccf.space import AXES
from ccf_assets.errors import InvalidValueError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_WANTED = "Points must be an array of numbers (N, 3), or a polars or pandas DataFrame"

_NAMES = (*AXES, "x", "y", "z")

_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "empty")
"""What pandas calls a column that holds nothing but numbers and what is missing (infer_dtype)."""


def coordinates(points: object, frame: Frame) -> tuple[Floats, Floats, Floats]:
    """Points as three arrays of shape (N,): ap, dv, ml; NaN where one is missing.

    Args:
        points: an array of shape (N, 3), or (3,) for one point: AP, DV, ML; or a polars or pandas frame with
            columns ap, dv, ml, or x, y, z in the frame's own order.
        frame: the frame of the coordinates.

    Raises:
        CcfError: it is none of these, or holds what is no number.
    """
    if is_polars(points) or is_pandas(points):
        return _columns(points, coordinate_columns(list(points.columns), frame, "The frame of points"))
    try:
        given: npt.NDArray[Any] = np.ma.asarray(points)
    except ValueError as error:  # rows of unequal lengths
        raise InvalidValueError(f"{_WANTED}: {error}.") from None
    if given.ndim == 0:
        raise InvalidValueError(f"{_WANTED}, not {type(points).__name__}.")
    _check_numbers(_array_kind(given), "The array of points")
    array = np.ma.filled(given.astype(np.float64, copy=False), np.nan)
    array = np.atleast_2d(array)
    if array.ndim != 2 or array.shape[1] != len(AXES):  # noqa: PLR2004
        raise InvalidValueError(f"Points must have the shape (N, 3): AP, DV, ML; these have {array.shape}.")
    ap, dv, ml = array.T  # of the array itself, where it has the type: nobody changes them
    return ap, dv, ml


def coordinate_columns(there: Sequence[str], frame: Frame, what: str) -> tuple[str, str, str]:
    """The names of the columns that hold ap, dv and ml, in capitals or not; without these, x, y and z.

    Args:
        there: the existing columns.
        frame: the frame of the coordinates, which orders x, y and z.
        what: what has these columns, for the sentence.

    Raises:
        CcfError: there are neither ap, dv, ml nor x, y, z, or one of them occurs twice.
    """
    by_axis, in_order = AXES, ap_dv_ml(frame, "x", "y", "z")
    named = [str(name) for name in there]
    # As they are written, else in any case: AP is ap where there is no ap beside it.
    spelled = {name: [name] if name in named else [n for n in named if n.lower() == name] for name in _NAMES}
    whole = [names for names in (by_axis, in_order) if all(spelled[name] for name in names)]
    if not whole:
        raise InvalidValueError(
            f"{what} must have columns ap, dv, ml, or x, y, z in the frame's own order; "
            f"it has {', '.join(named) or 'none'}."
        )
    for name in whole[0]:
        if named.count(spelled[name][0]) > 1 or len(spelled[name]) > 1:
            raise InvalidValueError(f"{what} has the column {name} more than once; drop or rename one.")
    ap, dv, ml = (spelled[name][0] for name in whole[0])
    return ap, dv, ml


def _columns(points: Any, names: tuple[str, str, str]) -> tuple[Floats, Floats, Floats]:  # noqa: ANN401
    """Three columns of a polars or pandas frame as float64."""

    def numbers(name: str) -> Floats:
        column, what = points[name], f"The column {name} of the points"
        if is_polars(points):
            import polars as pl

            known = column.dtype == pl.Null or column.dtype.is_numeric()
            _check_numbers("" if known else str(column.dtype), what)
            values: Floats = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        else:
            from pandas.api.types import infer_dtype

            kind = infer_dtype(column)
            _check_numbers("" if kind in _NUMBERS else kind, what)
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.ascontiguousarray(values)

    ap, dv, ml = map(numbers, names)
    return ap, dv, ml


def _array_kind(array: npt.NDArray[Any]) -> str:
    """The type of what in an array is no number, and not None; empty if all are numbers."""
    if array.dtype != np.object_:
        return "" if array.dtype.kind in "iuf" else str(array.dtype)
    kinds = {type(value) for value in array.flat if value is not None}
    wrong = [each for each in kinds if issubclass(each, bool) or not issubclass(each, (Real, Decimal))]
    return wrong[0].__name__ if wrong else ""


def _check_numbers(wrong: str, what: str) -> None:
    """Refuse what would become a number silently, such as text and truth values; ``wrong`` names it."""
    if wrong:
        raise InvalidValueError(f"{what} does not hold numbers but {wrong}.")


def is_polars(points: object) -> TypeGuard[pl.DataFrame]:
    """Whether it is a polars frame; polars is not imported to find out."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(points, polars.DataFrame)


def is_pandas(points: object) -> TypeGuard[pd.DataFrame]:
    """Whether it is a pandas frame; pandas is not imported to find out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(points, pandas.DataFrame)
