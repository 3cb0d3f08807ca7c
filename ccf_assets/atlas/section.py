"""What is drawn of a plane of a loaded atlas: regions, sites, values. How it is drawn is in pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ccf_assets.atlas.names import names_in
from ccf_assets.atlas.points import is_pandas, is_polars
from ccf_assets.atlas.recording_sites import shown_sites
from ccf_assets.ccf.planes import AXIS_NAMES, PLANES, Orientation, check_orientation, position_of
from ccf_assets.ccf.region_id import source_id
from ccf_assets.ccf.space import key_and_space
from ccf_assets.db.regions import groups_of
from ccf_assets.errors import InvalidValueError
from ccf_assets.pictures import values as value_colours
from ccf_assets.pictures.plane import Section
from ccf_assets.pictures.shown import (
    Look,
    above,
    highlighted,
    looks_in,
    shown_by_group,
    usually_shown,
)
from ccf_assets.pictures.sites import NEAR_UM, Sites, fullest_um

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from ccf_assets.atlas.atlas import Atlas


@dataclass(frozen=True)
class RegionValues:
    """Numbers of regions.

    Attributes:
        left: id of a region → its value in the left hemisphere.
        right: the same in the right one.
        label: what the numbers are, with their unit.
        colormap: matplotlib's name of the colours; if not given viridis, or RdBu_r for both signs.
        limits: the values of the first and the last colour; if not given those of the values.
    """

    left: Mapping[int, float]
    right: Mapping[int, float]
    label: str
    colormap: str | None = None
    limits: tuple[float, float] | None = None


def section(
    atlas: Atlas,
    orientation: Orientation,
    position: float | None = None,
    *,
    frame: str | None = None,
    sites: Sites | None = None,
    within_um: float = NEAR_UM,
    region_set: str | None = None,
    regions: str | int | Iterable[str | int] = (),
    values: RegionValues | None = None,
) -> Section:
    """What is drawn of a plane of an atlas; arguments and errors as for `Atlas.plot`.

    Raises:
        CcfError: as `Atlas.plot`; or no position is given and no site says one.
    """
    check_orientation(orientation)
    if not (math.isfinite(within_um) and within_um >= 0):
        raise InvalidValueError(f"A distance of {within_um:g} µm from the plane: give 0 or more.")
    if position is not None:
        position_um = position_of(atlas.frame(frame), orientation, position)
    else:
        fullest = fullest_um(sites.points, orientation, atlas.grid, within_um) if sites else None
        if fullest is None:
            there = sites is not None and len(sites.points)
            why = "none of the sites lies in the volume" if there else "there are no sites to choose it by"
            axis = AXIS_NAMES[PLANES[orientation].normal]
            raise InvalidValueError(f"Name the {orientation} plane by its {axis}: {why}.")
        position_um = fullest
    plane = atlas.slice(orientation, position_um)
    looks = looks_of(atlas)
    shown, words = usually_shown(looks), {}
    if region_set is not None:
        groups = groups_of(atlas._engine, atlas.ccf_id, atlas.key, region_set)
        atlas._check_current()
        shown = shown_by_group(looks, groups)
        words = {
            "heading": f"Groups of {region_set} in this plane",
            "unnamed": f"in no group of {region_set}",
        }
    chosen = {atlas.region(each).id for each in names_in(regions)}
    if chosen:
        shown, words = highlighted(looks, shown, chosen), {"heading": "Highlighted regions"}
    right, scale = None, None
    if values is not None:
        finite = [*values.left.values(), *values.right.values()]
        scale = value_colours.scale_of(finite, values.label, values.colormap, values.limits)
        sides = [
            value_colours.coloured(shown, side, lambda region: above(looks, region), scale)
            for side in (values.left, values.right)
        ]
        shown, right = sides[0], sides[1] if sides[0] != sides[1] else None
    return Section(
        plane, orientation, position_um, atlas.grid, title_of(atlas), shown, right, atlas.space,
        sites=sites, within_um=within_um, scale=scale,
        layers=values is None and region_set is None, **words,
    )  # fmt: skip


def title_of(atlas: Atlas) -> str:
    """The atlas for people: ``CCFv3 2017 at 25 µm``, with its space where that is not the Allen CCF."""
    return key_and_space(atlas._loaded.title, atlas.space)


def looks_of(atlas: Atlas) -> dict[int, Look]:
    """Names, colours and parents of the regions of an atlas, by id."""
    return looks_in(atlas.regions())


def sites_of(rows: pl.DataFrame) -> Sites:
    """Sites to draw, of rows of the view recording_site_region: of x, y, z and recording_id."""
    return Sites(rows.select("x", "y", "z").to_numpy().astype(np.float64), rows["recording_id"].to_list())


def answer_of(atlas: Atlas, query: str) -> pl.DataFrame:
    """The rows of somebody's own SQL, which may only read.

    Raises:
        CcfError: the statement has no rows as its answer, or two columns of one name.
        DBAPIError: the server refuses it.
    """
    import polars as pl

    only = {"postgresql_readonly": True, "no_parameters": True}  # a % in the statement is a %
    with atlas._engine.connect().execution_options(**only) as connection:
        result = connection.exec_driver_sql(query)
        if not result.returns_rows:
            raise InvalidValueError("This SQL has no rows as its answer; give a SELECT.")
        names = list(result.keys())
        for name in names:
            if names.count(name) > 1:
                raise InvalidValueError(
                    f"Two columns of this SQL's answer are called {name!r}; rename one with AS."
                )
        # As text, like a CSV's: of numeric, polars can hold neither NaN nor more than 38 digits.
        rows = [[str(each) if isinstance(each, Decimal) else each for each in row] for row in result]
        return pl.DataFrame(rows, schema=names, orient="row", strict=False, infer_schema_length=None)


_REGION, _HEMISPHERE = "region", "hemisphere"


def values_of(
    atlas: Atlas,
    rows: pl.DataFrame,
    label: str | None = None,
    colormap: str | None = None,
    limits: tuple[float, float] | None = None,
) -> RegionValues:
    """The values of regions in a table.

    Args:
        atlas: whose regions they are.
        rows: the columns region (acronym, or id, as the ontology or as tables have it), value, and perhaps
            hemisphere (left, right, both). Where no column is called value, the one beside these two is it,
            and its name the label.
        label: what the values are, with their unit; the name of their column if not given.
        colormap: as `RegionValues`.
        limits: as `RegionValues`.

    Raises:
        CcfError: a column, a region or a hemisphere is not there, a value is no number, a region has two, or
            the atlas has no midline and a value is for one side.
    """
    import polars as pl

    others = [name for name in rows.columns if name not in (_REGION, _HEMISPHERE)]
    column = "value" if "value" in others else others[0] if len(others) == 1 else None
    if _REGION not in rows.columns or column is None:
        raise InvalidValueError(
            f"Values of regions have the columns {_REGION} and value, and perhaps {_HEMISPHERE}; these are "
            f"{', '.join(rows.columns) or 'none'}."
        )
    if rows[column].dtype.is_nested():
        raise InvalidValueError(f"The column {column} holds lists; give one number for each region.")
    given = rows[column].cast(pl.Float64, strict=False)
    for row in (
        given.is_null() & rows[column].is_not_null() & (rows[column].cast(pl.String) != "")
    ).arg_true():
        raise InvalidValueError(
            f"The {column} of {rows[_REGION][row]} is {rows[column][row]!r}, which is no number."
        )
    sides: dict[str, dict[int, float]] = {"left": {}, "right": {}}
    hemispheres = rows[_HEMISPHERE].to_list() if _HEMISPHERE in rows.columns else ["both"] * len(rows)
    for name, value, hemisphere in zip(rows[_REGION].to_list(), given.to_list(), hemispheres, strict=True):
        if hemisphere not in (None, "", "both", *sides):
            raise InvalidValueError(f"The hemisphere of {name} is {hemisphere!r}; write left, right or both.")
        if name is None:
            raise InvalidValueError("A row of values names no region; name one, or leave the row out.")
        region = atlas.region(source_id(name) if isinstance(name, int) else str(name))
        if hemisphere in sides and atlas.grid.midline_um is None:
            raise InvalidValueError(
                f"{atlas.key} has no midline, so no {hemisphere} hemisphere: give {name} one value."
            )
        if value is None or not math.isfinite(value):
            continue
        for side in (hemisphere,) if hemisphere in sides else sides:
            if sides[side].get(region.id, value) != value:
                raise InvalidValueError(
                    f"{region.acronym} has two values for the {side} hemisphere; keep one."
                )
            sides[side][region.id] = value
    if not any(sides.values()):
        raise InvalidValueError("No region has a value.")
    return RegionValues(sides["left"], sides["right"], label or column, colormap, limits)


def as_sites(
    atlas: Atlas, given: bool | pl.DataFrame | pd.DataFrame | npt.ArrayLike, frame: str | None
) -> Sites | None:
    """Sites as `Atlas.plot` takes them; None if none are asked for."""
    import polars as pl

    if given is True or given is False:
        return sites_of(shown_sites(atlas, None)) if given else None
    rows = pl.from_pandas(given) if is_pandas(given) else given
    if is_polars(rows) and {"recording_id", "x", "y", "z"} <= set(rows.columns):
        return sites_of(rows)
    return Sites(atlas._located(rows, frame).ccf_um)


def as_values(
    atlas: Atlas, given: pl.DataFrame | pd.DataFrame | Mapping[str, float] | Mapping[int, float]
) -> RegionValues:
    """Values as `Atlas.plot` takes them."""
    import polars as pl

    if is_pandas(given):
        return values_of(atlas, pl.from_pandas(given))
    if is_polars(given):
        return values_of(atlas, given)
    numbers: Mapping[Any, float] = given  # type: ignore[assignment]
    names = [str(key) for key in numbers]
    return values_of(atlas, pl.DataFrame({_REGION: names, "value": list(numbers.values())}, strict=False))
