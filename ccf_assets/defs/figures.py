"""Pictures in the metadata of assets: Markdown with the PNG in it, because the Dagster UI shows that.

A picture is an extra: if it cannot be drawn, the run's log says why and the load goes on without it. How
pictures are drawn is not here (pictures).
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Iterable, Mapping
from logging import Logger
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import sqlalchemy as sa

from ccf_assets.atlas import read
from ccf_assets.ccf import planes
from ccf_assets.ccf.catalogue import AtlasEntry
from ccf_assets.ccf.region_id import source_id
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import loaded, schema, site_regions
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.pictures.depth_chart import depth_chart_png
from ccf_assets.pictures.drawing import RegionStyle
from ccf_assets.pictures.parts import Shown
from ccf_assets.pictures.plane import Section, plane_file
from ccf_assets.pictures.shown import Look, usually_shown
from ccf_assets.pictures.sites import NEAR_UM, Sites, fullest_um

UM_PER_PIXEL = 24
"""Scale of planes. The UI does not shrink a picture; at this scale it fits into its box."""

Metadata = Mapping[str, dg.MarkdownMetadataValue]

ASSIGNED_SHARE = "assigned_share"
"""Metadata: the share of sites that are in a region, of those that a picture looks up."""


def shown(log: Logger, name: str, draw: Callable[[], bytes | None]) -> Metadata:
    """The picture that ``draw`` makes, as metadata ``name``; nothing if it returns None or fails."""
    try:
        png = draw()
    except Exception as error:  # of any kind: the load must not fail because of a picture
        log.warning(f"The picture {name} could not be drawn: {type(error).__name__}: {error}")
        return {}
    if png is None:
        return {}
    return {name: dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")}


def planes_of_runs(
    log: Logger, runs: Runs, entry: AtlasEntry, grid: VoxelGrid, ontology: Callable[[], pl.DataFrame]
) -> Metadata:
    """A coronal, a sagittal and a horizontal plane through the middle of the volume; see `shown`.

    Args:
        log: of the run.
        runs: the atlas, in memory.
        entry: its entry in the catalogue.
        grid: its grid.
        ontology: reads the ontology: region_id, parent_id, acronym, full_name and color_hex.
    """
    metadata: dict[str, dg.MarkdownMetadataValue] = {}

    @functools.cache
    def regions() -> dict[int, Shown]:
        return _shown(
            ontology().select("region_id", "parent_id", "acronym", "full_name", "color_hex").iter_rows()
        )

    for orientation, axes in planes.PLANES.items():
        middle = grid.extent_um[axes.normal] / 2

        def draw(orientation: planes.Orientation = orientation, middle: float = middle) -> bytes:
            plane = planes.plane_of_runs(runs, grid, orientation, middle)
            title = f"{entry.version} at {grid.edges}"
            section = Section(plane, orientation, middle, grid, title, regions(), space=entry.space)
            return plane_file(section, um_per_pixel=UM_PER_PIXEL, crop=True, second_axes=False)

        metadata |= shown(log, orientation, draw)
    return metadata


def depth_chart(log: Logger, parents: pl.DataFrame) -> Metadata:
    """The number of regions at each depth, from ``parents``, the rows of region_parent; see `shown`."""

    def draw() -> bytes:
        counts = dict(parents.group_by("depth").len().sort("depth").iter_rows())
        return depth_chart_png(counts, f"{parents.height:,} regions by depth")

    return shown(log, "regions_by_depth", draw)


def sites_on_plane(log: Logger, engine: sa.Engine, sites: sa.Select[Any]) -> Mapping[str, Any]:
    """Sites over the coronal plane that most of them are near, of the finest loaded atlas; see `shown`.

    With it comes the share of them that are in a region, as ASSIGNED_SHARE.

    Args:
        log: of the run.
        engine: the database.
        sites: rows of recording_site.
    """
    share: dict[str, float] = {}
    return {**shown(log, "sites", lambda: _sites_png(engine, sites, share)), **share}


def _sites_png(engine: sa.Engine, sites: sa.Select[Any], share: dict[str, float]) -> bytes | None:
    """The picture; None if no atlas is loaded or no site lies in the volume. Adds to ``share``.

    The atlas is the first loaded one that the sites have a place in; sites in other spaces are not drawn.
    """
    atlas = next((each for each in loaded.loaded_atlases(engine) if _meets(engine, sites, each.space)), None)
    if atlas is None:
        return None
    of_atlas = loaded.select_loaded_atlases().where(schema.atlas.c.ccf_id == atlas.ccf_id)
    r = site_regions.site_regions(sites, of_atlas).subquery().c
    found = read_arrow(engine.url, sa.select(r.x, r.y, r.z, r.region_id, r.recording_id)).read_all()
    if found.num_rows:
        share[ASSIGNED_SHARE] = round(1 - found["region_id"].null_count / found.num_rows, 4)
    points = np.column_stack([found[axis].to_numpy() for axis in "xyz"])  # NaN where null
    at = fullest_um(points, "coronal", atlas.grid, NEAR_UM)
    if at is None:
        return None
    region, parent = schema.brain_region.c, schema.region_parent.c
    query = (
        sa.select(region.region_id, parent.parent_id, region.acronym, region.full_name, region.color_hex)
        .join_from(
            schema.brain_region,
            schema.region_parent,
            sa.and_(parent.ccf_id == region.ccf_id, parent.region_id == region.region_id),
        )
        .where(region.ccf_id == atlas.ccf_id)
    )
    with engine.connect() as connection:
        rows = connection.execute(query)
        regions = _shown((source_id(number), source_id(above), *look) for number, above, *look in rows)
    plane = read.plane(engine, atlas, "coronal", at)
    drawn = Sites(points, found["recording_id"].to_pylist())
    section = Section(
        plane, "coronal", at, atlas.grid, atlas.title, regions, space=atlas.space, sites=drawn
    )  # fmt: skip
    return plane_file(section, crop=True)


def _meets(engine: sa.Engine, sites: sa.Select[Any], space: str) -> bool:
    """Whether one of the sites is in a frame into a space."""
    site, frame = sites.subquery().c, schema.coordinate_frame.c
    one = sa.select(frame.name).where(frame.name == site.frame, frame.space == space)
    with engine.connect() as connection:
        return bool(connection.scalar(sa.select(one.exists())))


def _shown(rows: Iterable[tuple[Any, ...]]) -> dict[int, Shown]:
    """How regions are shown; rows of region_id, parent_id, acronym, name and color_hex."""
    return usually_shown(
        {
            region: Look(RegionStyle(*style), region if above is None else above)
            for region, above, *style in rows
        }
    )
