"""Recording sites as points for Neuroglancer: where they are, what is shown of them, and in which colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ccf_assets.ccf.space import AXES, KINDS, STATUSES, XYZ
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db.regions import Regions
from ccf_assets.pictures.site_colors import MISS_RGB, recording_rgb
from ccf_assets.view.annotations import Points, Property

if TYPE_CHECKING:
    import polars as pl

SHADER = """
#uicontrol float size slider(min=1, max=20, default=5)
#uicontrol bool by_recording checkbox(default=false)
#uicontrol bool only_misses checkbox(default=false)
void main() {
  if (only_misses && prop_status() == 0u) discard;
  setColor(by_recording ? prop_recording_color() : prop_region_color());
  setPointMarkerSize(size);
  setPointMarkerBorderWidth(0.0);
}
"""
"""How Neuroglancer draws the points: its layer has these three as controls."""


MOST_NAMES = 100_000
"""So many names of sites a browser can hold; where there are more, points are shown without them."""


@dataclass(frozen=True)
class SitePoints:
    """Sites that have a place, as points, and how many have none.

    Attributes:
        points: the points, in the order of the sites.
        without_place: sites whose coordinates are not known, or that are not registered yet.
    """

    points: Points
    without_place: int


def site_points(sites: pl.DataFrame, regions: Regions, grid: VoxelGrid) -> SitePoints:
    """Recording sites as points, in the order given.

    Args:
        sites: rows of the view recording_site_region in one atlas, as `Atlas.sites` returns them.
        regions: the regions of the atlas.
        grid: its grid.
    """
    placed = sites.drop_nulls(XYZ)
    recording, recording_words = _coded(placed["recording_id"])
    colors = np.array([MISS_RGB, *recording_rgb(placed["recording_id"]).values()], np.uint8)
    reported, reported_words = _coded(placed["reported_region"])
    region = placed["region_id"].fill_null(0).to_numpy().astype(np.uint32)
    status, kind = _places_in(STATUSES, placed["status"]), _places_in(KINDS, placed["kind"])
    acronyms = {number: regions.by_id[number].acronym for number in np.unique(region).tolist() if number}
    # The only one that needs uint32 follows three of int32: the reader of Neuroglancer's Python package puts
    # it at a multiple of 3 bytes.
    properties = (
        Property("recording", "Recording", recording, recording_words),
        *_names(placed),
        Property("reported_region", "Region as reported with the site", reported, reported_words),
        Property("region", "Region at the site", region, {0: "none", **acronyms}),
        Property("sites_here", "Sites and points of tracks at this place, with this one", _here(placed)),
        Property("status", "Why there is no region, or assigned", status, dict(enumerate(STATUSES))),
        Property("kind", "A site, or a point of a track", kind, dict(enumerate(KINDS))),
        Property("region_color", "Colour of the region", _region_rgb(region, regions)),
        Property("recording_color", "Colour of the recording", colors[recording]),
    )
    places = placed.select(XYZ).to_numpy().astype(np.float64)
    points = Points(places, grid.extent_um, properties, region, AXES)
    return SitePoints(points, len(sites) - len(placed))


def _here(placed: pl.DataFrame) -> npt.NDArray[np.int32]:
    """How many points lie where each of them does, as they are drawn: with coordinates of 32 bits."""
    import polars as pl

    here: npt.NDArray[np.int32] = placed.select(
        pl.len().over([pl.col(axis).cast(pl.Float32) for axis in XYZ]).cast(pl.Int32)
    )["len"].to_numpy()
    return here


def _names(placed: pl.DataFrame) -> list[Property]:
    """The numbers of the sites, as numbers of 32 bits; or their names, where some have one."""
    numbers = placed["site_id"]
    if placed["site_name"].null_count() == len(placed) and numbers.is_between(-(2**31), 2**31 - 1).all():
        return [Property("site", "Number of the site in its recording", numbers.to_numpy().astype(np.int32))]
    names = placed["site_name"].fill_null(numbers.cast(str))
    if names.n_unique() > MOST_NAMES:
        return []
    return [Property("site", "Name of the site, or its number", *_coded(names))]


def _coded(texts: pl.Series) -> tuple[npt.NDArray[np.int32], dict[int, str]]:
    """Texts as numbers in the order of the texts, 0 where there is none, and what each stands for."""
    distinct = texts.unique().drop_nulls().sort()
    numbers = distinct.search_sorted(texts.fill_null("")).to_numpy().astype(np.int32) + 1
    words = {0: "none", **dict(enumerate(distinct, start=1))}
    return np.where(texts.is_null().to_numpy(), 0, numbers).astype(np.int32), words


def _places_in(words: tuple[str, ...], texts: pl.Series) -> npt.NDArray[np.uint8]:
    import polars as pl

    numbers: npt.NDArray[np.uint8] = texts.cast(pl.Enum(words)).to_physical().to_numpy().astype(np.uint8)
    return numbers


def _region_rgb(region: npt.NDArray[np.uint32], regions: Regions) -> npt.NDArray[np.uint8]:
    ids, index = np.unique(region, return_inverse=True)
    colors = [
        tuple(bytes.fromhex(regions.by_id[each].color_hex)) if each else MISS_RGB for each in ids.tolist()
    ]
    rgb: npt.NDArray[np.uint8] = np.array(colors, np.uint8).reshape(-1, 3)[index]
    return rgb
