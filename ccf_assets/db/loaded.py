"""The atlases in the database: which are loaded, and which one a question is about.

Counts and sizes of their tables are in holdings.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.db import schema
from ccf_assets.errors import CcfError, UnknownNameError


@dataclass(frozen=True)
class LoadedAtlas:
    """An atlas whose voxels are in the database.

    ``voxels_of`` and ``surface_of`` differ from one load of it to the next (see recording_region).
    """

    ccf_id: int
    key: str
    is_phantom: bool
    resolution_um: int
    voxels_of: int
    surface_of: int


def loaded_atlases(engine: sa.Engine) -> list[LoadedAtlas]:
    """The loaded atlases, the finest first and the phantoms last.

    An atlas that is being loaded for the first time is not yet one of them.
    """
    a, loaded = schema.atlas.c, select_loaded_atlases()
    columns = loaded.selected_columns
    query = loaded.with_only_columns(
        a.ccf_id,
        a.key,
        a.ccf_version.startswith("phantom"),
        sa.cast(a.ccf_resolution, sa.Integer),
        columns.voxels_of,
        columns.surface_of,
    )
    with engine.connect() as connection:
        return [LoadedAtlas(*row) for row in connection.execute(query)]


def pick_atlas(engine: sa.Engine, key: str | None = None) -> LoadedAtlas:
    """The loaded atlas named ``key``, or the finest one.

    Raises:
        CcfError: no atlas is loaded, or this one is not.
    """
    loaded = loaded_atlases(engine)
    if not loaded:
        raise CcfError("No atlas is loaded yet; run `ccf-assets load`.")
    if key is None:
        return loaded[0]
    for atlas in loaded:
        if atlas.key == key:
            return atlas
    raise UnknownNameError(
        f"Atlas {key!r} is not loaded (loaded: {', '.join(a.key for a in loaded)}); "
        f"run `ccf-assets load {key}`."
    )


def atlases_in_database(engine: sa.Engine) -> dict[str, bool]:
    """Key of every atlas in the database → whether it has one row per voxel."""
    atlas, voxel = schema.atlas.c, schema.voxel.c
    one = sa.select(voxel.ccf_id).where(voxel.ccf_id == atlas.ccf_id).limit(1).scalar_subquery()
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(atlas.key, one.is_not(None).label("has_rows")).order_by(atlas.ccf_id)
        )
        return {row.key: bool(row.has_rows) for row in rows}


def select_loaded_atlases() -> sa.Select[Any]:
    """The query for the atlases whose voxels and surface are in the database.

    Returns:
        ccf_id, resolution (double precision, µm), voxels_of and surface_of (see recording_region), the
        finest atlas first and the phantoms last.
    """
    a = schema.atlas.c
    # One row of each, not EXISTS, which is planned as a join that reads every run: 0.7 s instead of 1 ms.
    voxels, surface = (
        sa.select(
            sa.cast(sa.literal_column(f"{rows.name}.tableoid", postgresql.OID), sa.BigInteger).label("of")
        )
        .select_from(rows)
        .where(rows.c.ccf_id == a.ccf_id)
        .limit(1)
        .lateral()
        for rows in (schema.voxel_run, schema.brain_surface)
    )
    return (
        sa.select(
            a.ccf_id,
            sa.cast(a.ccf_resolution, sa.Double).label("resolution"),
            voxels.c.of.label("voxels_of"),
            surface.c.of.label("surface_of"),
        )
        .select_from(schema.atlas.join(voxels, sa.true()).join(surface, sa.true()))
        # As ccf.default_atlas() orders them.
        .order_by(a.ccf_version.startswith("phantom"), a.ccf_resolution, a.ccf_id)
    )
