"""The reported regions of stored sites compared with the computed ones, source by source. No Dagster.

How two regions are compared is in findings.agreement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.ccf.frames.maps import Frame
from ccf_assets.ccf.region_id import table_numbers
from ccf_assets.db import schema
from ccf_assets.db.loaded import LoadedAtlas, loaded_atlases
from ccf_assets.finding import Finding
from ccf_assets.recordings.findings.agreement import Ontology, compared_regions, reported_region
from ccf_assets.recordings.findings.claims import KEY
from ccf_assets.recordings.findings.half_voxel import half_voxel
from ccf_assets.recordings.stored import as_frame

_PLACE = ("x", "y", "z")


@dataclass(frozen=True)
class Comparison:
    """Rows of agreement.compared_regions of one source in one atlas, and what is to be said of them."""

    atlas: LoadedAtlas
    compared: pl.DataFrame
    finding: Finding


def compare_reports(
    engine: sa.Engine, sources: Sequence[str], frames: Mapping[str, Frame]
) -> dict[str, Comparison]:
    """Compare the reported regions of some sources with those computed in the first atlas of their space.

    Args:
        engine: the database.
        sources: the sources, of which those without a reported region are left out.
        frames: the known frames by name.

    Returns:
        Source → its comparison; none before region_volume of the atlas is loaded, which says what is drawn.
        A source with sites in several spaces is compared in the one whose atlas comes first.
    """
    site, frame = schema.recording_site.c, schema.coordinate_frame.c
    sites = as_frame(
        engine,
        sa.select(site.recording_id, site.site_id, site.reported_region, site.frame, site.source, frame.space)
        .join_from(schema.recording_site, schema.coordinate_frame, frame.name == site.frame)
        .where(site.source.in_(sources), site.reported_region.is_not(None)),
    )
    first: dict[str, LoadedAtlas] = {}
    for atlas in loaded_atlases(engine):
        first.setdefault(atlas.space, atlas)
    found: dict[str, Comparison] = {}
    for space, atlas in first.items():
        of_space = sites.filter(pl.col("space") == space, ~pl.col("source").is_in(list(found)))
        found |= _compare_in(engine, atlas, of_space.drop("space"), frames)
    return found


def _compare_in(
    engine: sa.Engine, atlas: LoadedAtlas, sites: pl.DataFrame, frames: Mapping[str, Frame]
) -> dict[str, Comparison]:
    """Compare the reported regions of sites with those computed in one atlas, source by source."""
    region = schema.recording_region.c
    with engine.connect() as connection:
        ready = connection.scalar(sa.select(region_sizes_of(atlas.ccf_id)))
    if sites.is_empty() or not ready:
        return {}
    sources = sites["source"].unique().to_list()
    computed = as_frame(
        engine,
        sa.select(*(region[name] for name in (*KEY, "region_id", "status", *_PLACE))).where(
            region.source.in_(sources), region.ccf_id == atlas.ccf_id
        ),
    )
    known, asked = _read_ontology(engine, atlas), Atlas(atlas.key, engine=engine)
    return {
        str(source): Comparison(atlas, *_compare_source(known, asked, of, computed, frames))
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
) -> tuple[pl.DataFrame, Finding]:
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
        numbers = table_numbers(found.places.region_id)
        computed_there = there.select(KEY).with_columns(
            region_id=pl.Series(numbers, dtype=pl.Int64).replace(0, None),
            status=pl.Series(found.status.tolist(), dtype=pl.String),
        )
        return compared_regions(there, computed_there, known)

    explained = half_voxel(compared, placed, moved, frames, atlas.resolution_um)
    return compared, reported_region(compared, atlas.key, explained)
