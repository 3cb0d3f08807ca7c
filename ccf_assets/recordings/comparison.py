"""The reported regions of stored sites compared with the computed ones, source by source. No Dagster.

How two regions are compared is in findings.agreement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.ccf.frames.maps import Frame
from ccf_assets.db import schema
from ccf_assets.db.loaded import LoadedAtlas
from ccf_assets.finding import Finding
from ccf_assets.recordings.findings.agreement import Ontology, compared_regions, reported_region
from ccf_assets.recordings.findings.claims import KEY
from ccf_assets.recordings.findings.half_voxel import half_voxel
from ccf_assets.recordings.intake import as_frame

_PLACE = ("x", "y", "z")


@dataclass(frozen=True)
class Comparison:
    """Rows of agreement.compared_regions of one source, and what is to be said of them."""

    compared: pl.DataFrame
    finding: Finding


def compare_reports(
    engine: sa.Engine, atlas: LoadedAtlas, sources: Sequence[str], frames: Mapping[str, Frame]
) -> dict[str, Comparison]:
    """Compare the reported regions of some sources with those computed in one atlas.

    Args:
        engine: the database.
        atlas: the atlas whose computed regions are compared.
        sources: the sources, of which those without a reported region are left out.
        frames: the known frames by name.

    Returns:
        Source → its comparison; none before region_volume of the atlas is loaded, which says what is drawn.
    """
    site, region = schema.recording_site.c, schema.recording_region.c
    sites = as_frame(
        engine,
        sa.select(site.recording_id, site.site_id, site.reported_region, site.frame, site.source).where(
            site.source.in_(sources), site.reported_region.is_not(None)
        ),
    )
    with engine.connect() as connection:
        ready = connection.scalar(sa.select(region_sizes_of(atlas.ccf_id)))
    if sites.is_empty() or not ready:
        return {}
    computed = as_frame(
        engine,
        sa.select(*(region[name] for name in (*KEY, "region_id", "status", *_PLACE))).where(
            region.source.in_(sources), region.ccf_id == atlas.ccf_id
        ),
    )
    known, asked = _read_ontology(engine, atlas), Atlas(atlas.key, engine=engine)
    return {
        str(source): _compare_source(known, asked, of, computed, frames)
        for (source,), of in sites.group_by("source", maintain_order=True)
    }


def region_sizes_of(ccf_id: int | sa.ColumnElement[int]) -> sa.Exists:
    """The condition that the sizes of an atlas's regions are loaded, without which none can be compared."""
    return sa.exists().where(schema.region_volume.c.ccf_id == ccf_id)


def _read_ontology(engine: sa.Engine, atlas: LoadedAtlas) -> Ontology:
    """The regions of an atlas, and which of them have no voxel in it."""
    region, up, size = schema.brain_region.c, schema.region_ancestor.c, schema.region_volume.c
    names = (region.region_id, region.acronym, region.region_name, region.full_name)
    empty = (size.ccf_id == atlas.ccf_id, size.hemisphere == "both", size.voxels == 0)
    with engine.connect() as connection:
        not_drawn = list(connection.scalars(sa.select(size.region_id).where(*empty)))
    return Ontology(
        as_frame(engine, sa.select(*names).where(region.ccf_id == atlas.ccf_id)),
        as_frame(engine, sa.select(up.region_id, up.ancestor_id).where(up.ccf_id == atlas.ccf_id)),
        not_drawn,
    )


def _compare_source(
    known: Ontology, atlas: Atlas, sites: pl.DataFrame, computed: pl.DataFrame, frames: Mapping[str, Frame]
) -> Comparison:
    """Compare the reported regions of one source.

    Args:
        known: the ontology of the atlas.
        atlas: the atlas.
        sites: recording_id, site_id, reported_region, frame of the source.
        computed: rows of recording_region; it may have more sites.
        frames: the known frames by name.
    """
    compared = compared_regions(sites, computed, known)
    placed = sites.join(computed.drop_nulls(_PLACE), on=KEY)

    def moved(which: pl.DataFrame, shift_um: float) -> pl.DataFrame:
        there = placed.join(which, on=KEY, how="semi")
        found = atlas.locate(there.select(_PLACE).to_numpy() + shift_um)
        regions = np.where(found.region_id > 0, found.region_id, -1)
        computed_there = there.select(KEY).with_columns(
            region_id=pl.Series(regions, dtype=pl.Int64).replace(-1, None),
            status=pl.Series(found.status.tolist(), dtype=pl.String),
        )
        return compared_regions(there, computed_there, known)

    explained = half_voxel(compared, placed, moved, frames, atlas.resolution_um)
    return Comparison(compared, reported_region(compared, atlas.key, explained))
