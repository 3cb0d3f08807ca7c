"""The atlases in the database: which are loaded, and which one a question is about.

Counts and sizes of their tables are in holdings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.ccf.catalogue import USUAL_VERSION
from ccf_assets.ccf.space import ALLEN_CCF, AXES
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import schema
from ccf_assets.errors import CcfError, UnknownNameError


@dataclass(frozen=True)
class LoadedAtlas:
    """An atlas whose voxels are in the database.

    ``voxels_of`` and ``surface_of`` differ from one load of it to the next (see recording_region).
    """

    ccf_id: int
    key: str
    version: str
    space: str
    grid: VoxelGrid
    voxels_of: int
    surface_of: int

    @property
    def is_phantom(self) -> bool:
        """Whether it is the analytic stand-in."""
        return self.version.startswith("phantom")

    @property
    def resolution_um(self) -> float:
        """The smallest edge of a voxel, µm."""
        return self.grid.resolution_um

    @property
    def title(self) -> str:
        """The atlas for people: ``CCFv3 2017 at 25 µm``."""
        return f"{self.version} at {self.grid.edges}"


def loaded_atlases(engine: sa.Engine) -> list[LoadedAtlas]:
    """The loaded atlases, in the order of `select_loaded_atlases`.

    An atlas that is being loaded for the first time is not yet one of them.
    """
    a, loaded = schema.atlas.c, select_loaded_atlases()
    columns = loaded.selected_columns
    query = loaded.with_only_columns(
        a.ccf_id, a.key, a.ccf_version, a.space, *grid_columns(), columns.voxels_of, columns.surface_of
    )
    with engine.connect() as connection:
        return [LoadedAtlas(*row[:4], grid_of(row[4:11]), *row[11:]) for row in connection.execute(query)]


def grid_columns() -> list[sa.ColumnElement[Any]]:
    """Of table atlas, and of the space of each, what `grid_of` takes."""
    a, space = schema.atlas.c, schema.reference_space.alias("its_space")
    midline = (
        sa.select(space.c.midline_um).where(space.c.name == a.space).correlate(schema.atlas).scalar_subquery()
    )
    return [a.shape_ap, a.shape_dv, a.shape_ml, a.edge_ap, a.edge_dv, a.edge_ml, midline]


def grid_of(row: Sequence[Any]) -> VoxelGrid:
    """The grid that the columns of `grid_columns` hold."""
    return VoxelGrid((row[0], row[1], row[2]), (row[3], row[4], row[5]), row[6])


def stored_grid(engine: sa.Engine, key: str) -> VoxelGrid:
    """The grid of an atlas in the database, loaded or being loaded.

    Raises:
        CcfError: it is not in the database.
    """
    with engine.connect() as connection:
        row = connection.execute(sa.select(*grid_columns()).where(schema.atlas.c.key == key)).first()
    if row is None:
        raise UnknownNameError(f"Atlas {key!r} is not in the database; run `ccf-assets load {key}`.")
    return grid_of(row)


def pick_atlas(engine: sa.Engine, key: str | None = None) -> LoadedAtlas:
    """The loaded atlas named ``key``, or the first: see `select_loaded_atlases`.

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


def select_first_atlases() -> sa.Select[Any]:
    """The query for the first loaded atlas of each space, in the order of `select_loaded_atlases`.

    Returns:
        ccf_id and space.
    """
    loaded = select_loaded_atlases()
    order = sa.func.row_number().over(partition_by=schema.atlas.c.space, order_by=loaded._order_by_clauses)
    first = loaded.add_columns(order.label("place")).subquery("first")
    return sa.select(first.c.ccf_id, first.c.space).where(first.c.place == 1)


def select_loaded_atlases() -> sa.Select[Any]:
    """The query for the atlases whose voxels and surface are in the database.

    Returns:
        ccf_id, space, the grid (shape_ap, …, edge_ml), midline_um, and voxels_of and surface_of (see
        recording_region). CCFv3 2017 first, then other atlases in the space of the Allen CCF, then those in
        other spaces, each with the finest first; the phantoms last.
    """
    a, space = schema.atlas.c, schema.reference_space
    # One row of each, not EXISTS, which is planned as a join that reads every run: 0.7 s instead of 1 ms.
    voxels, surface = (
        _partition(rows, a.ccf_id).lateral() for rows in (schema.voxel_run, schema.brain_surface)
    )
    return (
        sa.select(
            a.ccf_id,
            a.space,
            *(a[f"{what}_{axis}"] for what in ("shape", "edge") for axis in AXES),
            space.c.midline_um,
            voxels.c.of.label("voxels_of"),
            surface.c.of.label("surface_of"),
        )
        .select_from(
            schema.atlas.join(space, space.c.name == a.space).join(voxels, sa.true()).join(surface, sa.true())
        )
        # As ccf.default_atlas() orders them.
        .order_by(
            a.ccf_version.startswith("phantom"),
            a.space != ALLEN_CCF.name,
            a.ccf_version != USUAL_VERSION,
            a.ccf_resolution,
            a.ccf_id,
        )
    )


def partition_of(engine: sa.Engine, ccf_id: int) -> int | None:
    """The number of an atlas's partition of voxel_run, another after each load; None if it has no runs."""
    with engine.connect() as connection:
        number: int | None = connection.scalar(_partition(schema.voxel_run, sa.literal(ccf_id)))
    return number


def _partition(rows: sa.Table, ccf_id: sa.ColumnElement[int]) -> sa.Select[Any]:
    """The number (oid) of the partition with the rows of an atlas, as ``of``."""
    number = sa.cast(sa.literal_column(f"{rows.name}.tableoid", postgresql.OID), sa.BigInteger)
    return sa.select(number.label("of")).select_from(rows).where(rows.c.ccf_id == ccf_id).limit(1)
