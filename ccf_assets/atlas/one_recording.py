"""The sites of one recording with their regions in one atlas, for files that give them back.

What the files look like is in export_nwb and export_ibl.
"""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from ccf_assets.ccf.space import SITE, TRACK, key_and_space
from ccf_assets.db import schema
from ccf_assets.db.loaded import LoadedAtlas, loaded_atlases, pick_atlas
from ccf_assets.errors import CcfError, UnknownNameError, suggestion
from ccf_assets.finding import counted
from ccf_assets.pg.arrow import read_arrow

_NAMED = 8
"""Recordings that are named to somebody who named none of them."""


def atlas_of(engine: sa.Engine, recording: str, key: str | None) -> LoadedAtlas:
    """The atlas that is asked for, or the first in which the recording is registered.

    Args:
        engine: the database.
        recording: a recording_id.
        key: of the atlas; the first loaded one in which the recording is registered if not given.

    Raises:
        CcfError: there is no such recording or atlas, or it is not registered there.
    """
    site, region = schema.recording_site.c, schema.recording_region.c
    registered = sa.select(region.ccf_id).where(region.recording_id == recording).distinct()
    with engine.connect() as connection:
        known = connection.scalar(sa.select(site.source).where(site.recording_id == recording).limit(1))
        if known is None:
            others = connection.scalars(sa.select(site.recording_id).distinct().order_by(site.recording_id))
            names = list(others.fetchmany(10_000))
            hint = suggestion(recording, names, most=_NAMED) if names else "there are none yet."
            raise UnknownNameError(f"There is no recording {recording!r}; {hint}")
        ids = set(connection.scalars(registered))
    atlas = pick_atlas(engine, key) if key else None
    if atlas is None:
        atlas = next((each for each in loaded_atlases(engine) if each.ccf_id in ids), None)
    if atlas is None or atlas.ccf_id not in ids:
        where = f"in {key_and_space(atlas.key, atlas.space)}" if atlas else "in any loaded atlas"
        raise CcfError(f"{recording!r} is not registered {where}; run `ccf-assets register`.")
    return atlas


def sites_of(engine: sa.Engine, recording: str, atlas: LoadedAtlas, kind: str = SITE) -> pl.DataFrame:
    """The sites of a recording, or the points of its tracks, with their regions, by site_id.

    Args:
        engine: the database.
        recording: a recording_id.
        atlas: an atlas in which it is registered.
        kind: one of KINDS.

    Returns:
        site_id, site_name, probe, shank, channel, axial_um, lateral_um; x, y, z in µm from the corner of the
        atlas's space, null where not known; status, region_id and acronym, null where there is none.

    Raises:
        CcfError: there are none of the kind, or some are not registered in the atlas.
    """
    site, region, name = schema.recording_site.c, schema.recording_region.c, schema.brain_region.c
    of_atlas = sa.and_(
        region.recording_id == site.recording_id,
        region.site_id == site.site_id,
        region.ccf_id == atlas.ccf_id,
    )
    named = sa.and_(name.ccf_id == region.ccf_id, name.region_id == region.region_id)
    query = (
        sa.select(
            site.site_id, site.site_name, site.probe, site.shank, site.channel,
            site.axial_um, site.lateral_um,
            region.x, region.y, region.z, region.status, region.region_id, name.acronym,
        )
        .select_from(
            schema.recording_site.outerjoin(schema.recording_region, of_atlas)
            .outerjoin(schema.brain_region, named)
        )
        .where(site.recording_id == recording, site.kind == kind)
        .order_by(site.site_id)
    )  # fmt: skip
    sites = pl.DataFrame(read_arrow(engine.url, query).read_all())
    if not sites.height:
        has, lacks = ("sites", "points of tracks") if kind == TRACK else ("points of tracks", "sites")
        raise CcfError(f"{recording!r} has only {has}, and no {lacks}: there is nothing to export.")
    waiting = sites["status"].null_count()
    if waiting:
        raise CcfError(
            f"{counted(waiting, 'site')} of {recording!r} are not registered in "
            f"{key_and_space(atlas.key, atlas.space)}; run `ccf-assets register`."
        )
    return sites
