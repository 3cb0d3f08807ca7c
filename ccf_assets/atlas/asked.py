"""Where points lie, as the database answers: for few points, without the volume in memory.

A module of its own: what reads parts of an atlas (read) imports more than a command with one point needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from ccf_assets.ccf.frames.maps import Floats, Frame
from ccf_assets.ccf.places import Places
from ccf_assets.ccf.region_id import source_ids
from ccf_assets.ccf.space import Status
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.ccf.voxel_regions import LARGEST_DENSE
from ccf_assets.db import schema, site_regions
from ccf_assets.db.loaded import LoadedAtlas, select_loaded_atlases

POINTS_AT_ONCE = 100_000
"""Points in one statement."""

FEW_POINTS = 10_000
"""Up to so many points the database is asked (0.1 s), unless the atlas is in memory (1.2 s at 25 µm)."""

FEW_POINTS_OF_LARGE = 300_000
"""The same for an atlas that is not in memory voxel by voxel: 3 s, as long as reading one of 10 µm."""


def few_points(grid: VoxelGrid) -> int:
    """Up to how many points it takes less time to ask the database than to read the atlas."""
    return FEW_POINTS if math.prod(grid.shape) <= LARGEST_DENSE else FEW_POINTS_OF_LARGE


def asked_places(
    engine: sa.Engine, atlas: LoadedAtlas, frame: Frame, ap: Floats, dv: Floats, ml: Floats
) -> Places:
    """Where points lie in an atlas, as `places_of` has it.

    Args:
        engine: the database.
        atlas: the atlas.
        frame: the frame of the coordinates, into the space of the atlas.
        ap: shape (N,): antero-posterior coordinates in the frame's unit and sign.
        dv: shape (N,): dorso-ventral coordinates.
        ml: shape (N,): medio-lateral coordinates.
    """
    of_atlas = select_loaded_atlases().where(schema.atlas.c.ccf_id == atlas.ccf_id)
    rows: list[Sequence[Any]] = []
    with engine.connect() as connection:
        for first in range(0, len(ap), POINTS_AT_ONCE):
            turn = slice(first, first + POINTS_AT_ONCE)
            sites = site_regions.given_sites(frame.name, *(c[turn].tolist() for c in (ap, dv, ml)))
            answer = site_regions.site_regions(sites, of_atlas, site_regions.given_frame(frame))
            row = answer.subquery().c
            columns = (row.x, row.y, row.z, row.status, sa.func.coalesce(row.region_id, 0))
            rows += connection.execute(sa.select(*columns).order_by(row.site_id)).all()
    ccf_um = np.array([row[:3] for row in rows], dtype=np.float64).reshape(-1, 3)
    status = np.array([Status[row[3].upper()] for row in rows], dtype=np.uint8)
    region_id = source_ids(np.array([row[4] for row in rows], dtype=np.int32))
    ids = np.union1d(np.zeros(1, np.uint32), region_id)
    index = np.searchsorted(ids, region_id).astype(np.uint16)
    return Places(ccf_um, status, ids, index, atlas.grid.midline_um)
