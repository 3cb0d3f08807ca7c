"""Points as people have them, arrays and data frames, and the answers in the same form."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from ccf_assets.errors import CcfError
from ccf_assets.frames import AXES, Floats, Frame, ap_dv_ml
from ccf_assets.lookup import Places
from ccf_assets.regions import Region, Regions
from ccf_assets.schema import STATUSES

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Words: TypeAlias = npt.NDArray[np.object_]

HEMISPHERE_WORDS = ("left", "right", None)
"""What the numbers of `Places.hemisphere` stand for."""


@dataclass(frozen=True, repr=False)
class Located:
    """Where N points lie, as arrays: the answer to an array.

    Attributes:
        places: the same in numbers.
        regions: the regions of the atlas that was asked.
    """

    places: Places
    regions: Regions

    def __len__(self) -> int:
        return len(self.places.status)

    def __repr__(self) -> str:
        counts = zip(STATUSES, np.bincount(self.places.status, minlength=len(STATUSES)), strict=True)
        said = ", ".join(f"{count:,} {status}" for status, count in counts if count)
        return f"<Located in {self.atlas}: {said or 'no point'}>"

    @property
    def atlas(self) -> str:
        """Key of the atlas."""
        return self.regions.atlas

    @property
    def ccf_um(self) -> Floats:
        """Shape (N, 3), float64: x, y, z in CCF µm; NaN where they are not known."""
        return self.places.ccf_um

    @cached_property
    def region_id(self) -> npt.NDArray[np.int32]:
        """Shape (N,), int32; 0 where the point is in no region."""
        return self.places.region_id

    @cached_property
    def status(self) -> Words:
        """Shape (N,), of str, each one of schema.STATUSES; all but "assigned" say why there is no region."""
        return _words(STATUSES)[self.places.status]

    @cached_property
    def hemisphere(self) -> Words:
        """Shape (N,), of str: "left" or "right", None outside the volume and where ML is not known."""
        return _words(HEMISPHERE_WORDS)[self.places.hemisphere]

    @cached_property
    def acronym(self) -> Words:
        """Shape (N,), of str; None where the point is in no region."""
        return _words([region.acronym if region else None for region in self.found])[self.places.index]

    @cached_property
    def region_name(self) -> Words:
        """Shape (N,), of str: region_name of the tables; None where the point is in no region."""
        return _words([region.safe_name if region else None for region in self.found])[self.places.index]

    @property
    def found(self) -> Sequence[Region | None]:
        """The regions that ``places.index`` counts; the first is None."""
        return [None, *(self.regions.by_id[i] for i in self.places.ids[1:].tolist())]

    def to_polars(self) -> pl.DataFrame:
        """The answers as a frame, null where nothing is known.

        Returns:
            Columns atlas, ccf_x_um, ccf_y_um, ccf_z_um, status, hemisphere, region_id, acronym, region_name.
        """
        import polars as pl

        found, index = self.found, self.places.index

        def words(choice: Sequence[str | None], place: npt.NDArray[Any]) -> pl.Series:
            return pl.Series(choice, dtype=pl.String).gather(place)

        x, y, z = (pl.Series(axis, nan_to_null=True) for axis in np.ascontiguousarray(self.ccf_um.T))
        ids = pl.Series([region.id if region else None for region in found], dtype=pl.Int32)
        return pl.DataFrame(
            {
                "atlas": pl.repeat(self.atlas, len(self), dtype=pl.String, eager=True),
                "ccf_x_um": x,
                "ccf_y_um": y,
                "ccf_z_um": z,
                "status": words(STATUSES, self.places.status),
                "hemisphere": words(HEMISPHERE_WORDS, self.places.hemisphere),
                "region_id": ids.gather(index),
                "acronym": words([region.acronym if region else None for region in found], index),
                "region_name": words([region.safe_name if region else None for region in found], index),
            }
        )

    def to_pandas(self) -> pd.DataFrame:
        """As `to_polars`; region_id is Int32, <NA> where there is none."""
        frame = self.to_polars().to_pandas()
        frame["region_id"] = frame["region_id"].astype("Int32")
        return frame


def _words(words: Sequence[str | None]) -> Words:
    return np.array(words, dtype=np.object_)


_WANTED = "Points must be an array of numbers (N, 3), or a polars or pandas DataFrame"

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
        raise CcfError(f"{_WANTED}: {error}.") from None
    if given.ndim == 0:
        raise CcfError(f"{_WANTED}, not {type(points).__name__}.")
    _check_numbers(_array_kind(given), "The array of points")
    array = np.ma.filled(given.astype(np.float64), np.nan)
    array = np.atleast_2d(array)
    if array.ndim != 2 or array.shape[1] != len(AXES):  # noqa: PLR2004
        raise CcfError(f"Points must have the shape (N, 3): AP, DV, ML; these have {array.shape}.")
    ap, dv, ml = np.ascontiguousarray(array.T)
    return ap, dv, ml


def coordinate_columns(there: Sequence[str], frame: Frame, what: str) -> tuple[str, str, str]:
    """The names of the columns that hold ap, dv and ml: those, if they are there, else x, y and z.

    Args:
        there: the columns there are.
        frame: the frame of the coordinates, which orders x, y and z.
        what: what has these columns, for the sentence.

    Raises:
        CcfError: neither ap, dv, ml nor x, y, z are there, or one of them is there twice.
    """
    by_axis, in_order = AXES, ap_dv_ml(frame, "x", "y", "z")
    whole = [names for names in (by_axis, in_order) if set(names) <= set(there)]
    if not whole:
        raise CcfError(
            f"{what} must have columns ap, dv, ml, or x, y, z in the frame's own order; "
            f"it has {', '.join(map(str, there)) or 'none'}."
        )
    for name in whole[0]:
        if there.count(name) > 1:
            raise CcfError(f"{what} has the column {name} more than once; drop or rename one.")
    ap, dv, ml = whole[0]
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
        raise CcfError(f"{what} does not hold numbers but {wrong}.")


def beside_polars(points: pl.DataFrame, located: Located) -> pl.DataFrame:
    """Points with the columns of `Located.to_polars`; where a name is taken, ours has ``ccf_`` in front.

    Raises:
        CcfError: that is taken as well.
    """
    answers = located.to_polars()
    return points.hstack(answers.rename(_new_names(points.columns, answers.columns)))


def beside_pandas(points: pd.DataFrame, located: Located) -> pd.DataFrame:
    """As `beside_polars`; the index stays.

    Raises:
        CcfError: a column's name, and the one with ``ccf_`` in front, are taken.
    """
    import pandas as pd

    answers = located.to_pandas().set_axis(points.index)
    names = _new_names(list(points.columns), list(answers.columns))
    both: pd.DataFrame = pd.concat([points, answers.rename(columns=names)], axis=1)
    return both


def _new_names(taken: Sequence[str], ours: Sequence[str]) -> dict[str, str]:
    names = {name: f"ccf_{name}" if name in taken else name for name in ours}
    for name in names.values():
        if name in taken:
            raise CcfError(f"The points have a column {name} already; drop or rename it.")
    return names


def is_polars(points: object) -> TypeGuard[pl.DataFrame]:
    """Whether it is a polars frame; polars is not imported to find out."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(points, polars.DataFrame)


def is_pandas(points: object) -> TypeGuard[pd.DataFrame]:
    """Whether it is a pandas frame; pandas is not imported to find out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(points, pandas.DataFrame)
