"""How the regions of an atlas are shown in a picture: by their usual names, by groups, or highlighted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ccf_assets.ccf.region_sets import usual_regions
from ccf_assets.pictures.drawing import HATCH, UNASSIGNED, RegionStyle, rgb
from ccf_assets.pictures.parts import Shown

if TYPE_CHECKING:
    import polars as pl

_FADED = 0.8
"""How far the colours of regions that are not meant go towards white."""

_UNGROUPED = "EDEDED"

_PALETTE = ("E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7", "999999")
"""Of groups that are no regions: the colours of Okabe and Ito, which everyone can tell apart."""


@dataclass(frozen=True)
class Look:
    """One region of an ontology, as pictures need it.

    Attributes:
        style: its acronym, name and colour.
        parent_id: the region that contains it; the root's is its own.
    """

    style: RegionStyle
    parent_id: int


def looks_in(regions: pl.DataFrame) -> dict[int, Look]:
    """The regions of a table by id: of region_id, parent_id, acronym, full_name and color_hex.

    The parent of the root is null in the ontology, and the root itself in the database.
    """
    columns = ("region_id", "parent_id", "acronym", "full_name", "color_hex")
    return {
        region: Look(RegionStyle(*style), region if parent is None else parent)
        for region, parent, *style in regions.select(columns).iter_rows()
    }


def above(regions: Mapping[int, Look], region: int) -> list[int]:
    """A region and those that contain it, from the inside out."""
    found = [region]
    while (parent := regions[found[-1]].parent_id) != found[-1]:
        found.append(parent)
    return found


def usually_shown(regions: Mapping[int, Look]) -> dict[int, Shown]:
    """Every region in its own colour, named as people look for it (`usual_regions`); the root hatched."""
    named = usual_regions({i: (look.style.acronym, look.parent_id) for i, look in regions.items()})
    return {
        region: _root(look)
        if look.parent_id == region
        else Shown(look.style.color_hex, regions[named[region]].style)
        for region, look in regions.items()
    }


def _root(look: Look) -> Shown:
    style = RegionStyle(look.style.acronym, f"{UNASSIGNED} ({look.style.acronym})", HATCH[0])
    return Shown(HATCH[0], style, hatched=True)


def shown_by_group(regions: Mapping[int, Look], groups: Mapping[int, str]) -> dict[int, Shown]:
    """Every region in the colour of its group.

    Args:
        regions: all regions, by id.
        groups: name of the group of each region that has one. A group that is called as a region has its
            colour and name, another one a colour of a palette.
    """
    by_acronym = {look.style.acronym: look.style for look in regions.values()}
    others = sorted(set(groups.values()) - by_acronym.keys())
    styles = {
        name: RegionStyle(name, "", _PALETTE[number % len(_PALETTE)]) for number, name in enumerate(others)
    }
    styles |= by_acronym
    found = {}
    for region, look in regions.items():
        if region in groups:
            style = styles[groups[region]]
            found[region] = Shown(style.color_hex, style)
        else:
            found[region] = (
                replace(_root(look), named=None) if look.parent_id == region else Shown(_UNGROUPED, None)
            )
    return found


def highlighted(
    regions: Mapping[int, Look], shown: Mapping[int, Shown], chosen: Collection[int]
) -> dict[int, Shown]:
    """Chosen regions in their colours and by their names, and all others faded and without one.

    Args:
        regions: all regions, by id.
        shown: how they are shown otherwise.
        chosen: ids; a region inside one of them is a part of it, of the innermost if they are nested.
    """
    found = {}
    for region, look in shown.items():
        inside = next((each for each in above(regions, region) if each in chosen), None)
        if inside is not None:
            found[region] = Shown(regions[region].style.color_hex, regions[inside].style)
        else:
            faded = (round(255 - (255 - c) * (1 - _FADED)) for c in rgb(look.color_hex))
            found[region] = replace(look, color_hex=bytes(faded).hex().upper(), named=None)
    return found
