"""The regions of many points: arrays, or columns added to a polars or pandas frame.

How the points are given is in points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.ccf.places import Places
from ccf_assets.ccf.space import STATUSES
from ccf_assets.db.regions import Region, Regions
from ccf_assets.errors import InvalidValueError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Words: TypeAlias = npt.NDArray[np.object_]

HEMISPHERE_WORDS = ("left", "right", None)
"""What the numbers of `Places.hemisphere` stand for."""


SHOWN = 10
"""Points in the representation of an answer."""


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
        numbers = ", ".join(f"{count:,} {status}" for status, count in counts if count)
        return "\n".join([f"<Located in {self.atlas}: {numbers or 'no point'}>", *self._head()])

    def _head(self) -> list[str]:
        """The first points as a table, and how many more there are."""
        import polars as pl

        if not len(self):
            return []
        places = self.places
        first = replace(
            places, ccf_um=places.ccf_um[:SHOWN], status=places.status[:SHOWN], index=places.index[:SHOWN]
        )
        rows = Located(first, self.regions).to_polars()
        columns = ("ccf_x_um", "ccf_y_um", "ccf_z_um", "acronym", "hemisphere", "status", "region_name")
        with pl.Config(
            tbl_formatting="NOTHING",
            tbl_hide_dataframe_shape=True,
            tbl_hide_column_data_types=True,
            tbl_cols=-1,
            tbl_rows=SHOWN,
            tbl_width_chars=1000,
            fmt_str_lengths=100,
        ):
            lines = [line.rstrip() for line in str(rows.select(columns)).splitlines()]
        return [*lines, *([f" … and {len(self) - SHOWN:,} more"] if len(self) > SHOWN else [])]

    @property
    def atlas(self) -> str:
        """Key of the atlas."""
        return self.regions.atlas

    @property
    def ccf_um(self) -> Floats:
        """Shape (N, 3), float64: x, y, z in CCF µm; NaN where they are not known."""
        return self.places.ccf_um

    @cached_property
    def region_id(self) -> npt.NDArray[np.int32] | npt.NDArray[np.int64]:
        """Shape (N,), int32, or int64 where the ontology has ids beyond it; 0 where in no region."""
        ids = self.places.region_id
        return ids.view(np.int32) if self.regions.narrow else ids.astype(np.int64)

    @cached_property
    def status(self) -> Words:
        """Shape (N,), of str, each one of `STATUSES`; all but "assigned" say why there is no region."""
        return _words(STATUSES)[self.places.status]

    @cached_property
    def hemisphere(self) -> Words:
        """Shape (N,), of str: "left" or "right", None outside the volume and where ML is not known.

        None everywhere in a space without a midline.
        """
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
        id_type = pl.Int32 if self.regions.narrow else pl.Int64
        ids = pl.Series([region.id if region else None for region in found], dtype=id_type)
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
        """As `to_polars`; region_id is Int32 (or Int64), <NA> where there is none."""
        frame = self.to_polars().to_pandas()
        frame["region_id"] = frame["region_id"].astype("Int32" if self.regions.narrow else "Int64")
        return frame


def _words(words: Sequence[str | None]) -> Words:
    return np.array(words, dtype=np.object_)


def beside_polars(points: pl.DataFrame, located: Located) -> pl.DataFrame:
    """Points with the columns of `Located.to_polars`; a name that is taken already gets the prefix ``ccf_``.

    Raises:
        CcfError: the points have the name with the prefix, too.
    """
    answers = located.to_polars()
    return points.hstack(answers.rename(_new_names(points.columns, answers.columns)))


def beside_pandas(points: pd.DataFrame, located: Located) -> pd.DataFrame:
    """As `beside_polars`; the index stays.

    Raises:
        CcfError: the points have the name of a column, and the one with the prefix ``ccf_``.
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
            raise InvalidValueError(f"The points have a column {name} already; drop or rename it.")
    return names
