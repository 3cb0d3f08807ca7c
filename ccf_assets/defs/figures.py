"""Pictures in the metadata of assets: Markdown with the PNG in it, because the Dagster UI shows that.

A picture is an extra: if it cannot be drawn, the run's log says why and the load goes on without it. How
pictures are drawn is not here (pictures).
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping
from logging import Logger
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.atlas.section import looks_of, section
from ccf_assets.ccf import planes
from ccf_assets.ccf.catalogue import AtlasEntry, has_finer_default
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import loaded, schema, site_regions
from ccf_assets.defs.links import how_to_view, region_links
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.pictures.depth_chart import depth_chart_png
from ccf_assets.pictures.parts import Shown
from ccf_assets.pictures.plane import Section, plane_file
from ccf_assets.pictures.shown import Look, looks_in, usually_shown
from ccf_assets.pictures.sites import NEAR_UM, Sites, fullest_um

UM_PER_PIXEL = 24
"""Scale of planes. The UI does not shrink a picture; at this scale it fits into its box."""

Metadata = Mapping[str, dg.MarkdownMetadataValue]

ASSIGNED_SHARE = "assigned_share"
"""Metadata: the share of sites that are in a region, of those that a picture looks up."""


def shown(log: Logger, name: str, draw: Callable[[], str | None]) -> Metadata:
    """The picture that ``draw`` makes, as metadata ``name``; nothing if it returns None or fails."""
    try:
        markdown = draw()
    except Exception as error:  # of any kind: the load must not fail because of a picture
        log.warning(f"The picture {name} could not be drawn: {type(error).__name__}: {error}")
        return {}
    return {} if markdown is None else {name: dg.MetadataValue.md(markdown)}


def _markdown(name: str, png: bytes, below: str = "") -> str:
    """A picture with what stands below it."""
    image = f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"
    return f"{image}\n\n{below}" if below else image


def planes_of_runs(
    log: Logger, runs: Runs, entry: AtlasEntry, grid: VoxelGrid, ontology: Callable[[], pl.DataFrame]
) -> Metadata:
    """A coronal, a sagittal and a horizontal plane through the middle of the volume; see `shown`.

    The coronal one alone where the default atlases have the same brain with smaller voxels: each picture
    takes 0.2 s of a processor, and a load of the three default atlases would draw nine.

    Args:
        log: of the run.
        runs: the atlas, in memory.
        entry: its entry in the catalogue.
        grid: its grid.
        ontology: reads the ontology: region_id, parent_id, acronym, full_name and color_hex.
    """
    metadata: dict[str, dg.MarkdownMetadataValue] = {}

    @functools.cache
    def regions() -> tuple[dict[int, Look], dict[int, Shown]]:
        looks = looks_in(ontology())
        return looks, usually_shown(looks)

    finer = has_finer_default(entry)
    for orientation, axes in planes.PLANES.items():
        if finer and orientation != "coronal":
            continue
        middle = grid.extent_um[axes.normal] / 2

        def draw(orientation: planes.Orientation = orientation, middle: float = middle) -> str:
            plane = planes.plane_of_runs(runs, grid, orientation, middle)
            title = f"{entry.version} at {grid.edges}"
            looks, usual = regions()
            drawn = Section(plane, orientation, middle, grid, title, usual, space=entry.space)
            png = plane_file(drawn, um_per_pixel=UM_PER_PIXEL, crop=True, second_axes=False)
            return _markdown(orientation, png, region_links(drawn, looks))

        metadata |= shown(log, orientation, draw)
    return metadata


def depth_chart(log: Logger, parents: pl.DataFrame) -> Metadata:
    """The number of regions at each depth, from ``parents``, the rows of region_parent; see `shown`."""

    def draw() -> str:
        counts = tuple(parents.group_by("depth").len().sort("depth").iter_rows())
        return _markdown("regions_by_depth", _depth_chart(counts))

    return shown(log, "regions_by_depth", draw)


@functools.lru_cache(maxsize=1)
def _depth_chart(counts: tuple[tuple[int, int], ...]) -> bytes:
    """Drawn once for the atlases of one ontology that a process loads."""
    return depth_chart_png(dict(counts), f"{sum(count for _, count in counts):,} regions by depth")


def sites_on_plane(log: Logger, engine: sa.Engine, sites: sa.Select[Any]) -> Mapping[str, Any]:
    """Sites over the coronal plane that most of them are near, of the finest loaded atlas; see `shown`.

    With it come the share of them that are in a region, as ASSIGNED_SHARE, and how to view them.

    Args:
        log: of the run.
        engine: the database.
        sites: rows of recording_site.
    """
    more: dict[str, Any] = {}
    return {**shown(log, "sites", lambda: _sites(engine, sites, more)), **more}


def _sites(engine: sa.Engine, sites: sa.Select[Any], more: dict[str, Any]) -> str | None:
    """The picture; None if no atlas is loaded or no site lies in the volume. Adds to ``more``.

    The atlas is the first loaded one that the sites have a place in; sites in other spaces are not drawn.
    """
    atlas = next((each for each in loaded.loaded_atlases(engine) if _meets(engine, sites, each.space)), None)
    if atlas is None:
        return None
    of_atlas = loaded.select_loaded_atlases().where(schema.atlas.c.ccf_id == atlas.ccf_id)
    r = site_regions.site_regions(sites, of_atlas).subquery().c
    found = read_arrow(engine.url, sa.select(r.x, r.y, r.z, r.region_id, r.recording_id)).read_all()
    if found.num_rows:
        more[ASSIGNED_SHARE] = round(1 - found["region_id"].null_count / found.num_rows, 4)
    recordings = found["recording_id"].to_pylist()
    more |= how_to_view(atlas.key, set(recordings))
    points = np.column_stack([found[axis].to_numpy() for axis in "xyz"])  # NaN where null
    at = fullest_um(points, "coronal", atlas.grid, NEAR_UM)
    if at is None:
        return None
    drawn_of = Atlas(atlas.key, engine=engine)
    drawn = section(drawn_of, "coronal", at, sites=Sites(points, recordings))
    return _markdown("sites", plane_file(drawn, crop=True), region_links(drawn, looks_of(drawn_of)))


def _meets(engine: sa.Engine, sites: sa.Select[Any], space: str) -> bool:
    """Whether one of the sites is in a frame into a space."""
    site, frame = sites.subquery().c, schema.coordinate_frame.c
    one = sa.select(frame.name).where(frame.name == site.frame, frame.space == space)
    with engine.connect() as connection:
        return bool(connection.scalar(sa.select(one.exists())))
