"""Comparison of atlases, as queries: what is compared with what, and the rows of region_consistency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from ccf_assets.db import schema
from ccf_assets.db.given import given_rows

_UM3_PER_MM3 = 1e9


def references() -> sa.Select[Any]:
    """The atlases that are coarser than another of their version and space: what each is compared with.

    Returns:
        ccf_id, and reference_id: the finest atlas of that version whose region volumes are in the database.
    """
    atlas, finer, volume = schema.atlas, schema.atlas.alias("finer"), schema.region_volume.c
    finest = (
        sa.select(finer.c.ccf_id)
        .where(
            finer.c.ccf_version == atlas.c.ccf_version,
            finer.c.space == atlas.c.space,
            finer.c.ccf_resolution < atlas.c.ccf_resolution,
            sa.exists().where(volume.ccf_id == finer.c.ccf_id),
        )
        .order_by(finer.c.ccf_resolution)
        .limit(1)
        .lateral("finest")
    )
    return (
        sa.select(atlas.c.ccf_id, finest.c.ccf_id.label("reference_id"))
        .join_from(atlas, finest, sa.true())
        # One that has its regions and not yet its voxels, or never got them, is not compared.
        .where(sa.exists().where(volume.ccf_id == atlas.c.ccf_id))
    )


def region_consistency(
    pairs: Sequence[tuple[int, int]], shared: Iterable[tuple[int, int, int, float]]
) -> sa.Select[Any]:
    """Every region in each atlas against the finest of its version: the rows of region_consistency.

    A place agrees where both atlases have it in the region or anything inside it.

    Args:
        pairs: ccf_id of an atlas, and of its reference.
        shared: the volume that regions of an atlas share with those of its reference: ccf_id of the atlas,
            the region in it, that in the reference (numbers in tables), µm³.
    """
    pair = given_rows("pair", pairs, ccf_id=sa.Integer(), reference_id=sa.Integer())
    overlap = given_rows(
        "overlap", shared, ccf_id=sa.Integer(), region_a=sa.Integer(), region_b=sa.Integer(), um3=sa.Double()
    )
    # What is common is rolled up to every region that contains both.
    up, up_in_reference = (schema.region_ancestor.alias(name) for name in ("up", "up_in_reference"))
    agreeing = (
        sa.select(pair.c.ccf_id, up.c.ancestor_id, sa.func.sum(overlap.c.um3).label("um3"))
        .join_from(pair, overlap, overlap.c.ccf_id == pair.c.ccf_id)
        .join(up, sa.and_(up.c.ccf_id == pair.c.ccf_id, up.c.region_id == overlap.c.region_a))
        .join(
            up_in_reference,
            sa.and_(
                up_in_reference.c.ccf_id == pair.c.reference_id,
                up_in_reference.c.region_id == overlap.c.region_b,
                up_in_reference.c.ancestor_id == up.c.ancestor_id,
            ),
        )
        .group_by(pair.c.ccf_id, up.c.ancestor_id)
        .cte("agreeing")
    )
    here, there = (schema.region_volume.alias(name) for name in ("here", "there"))
    mm3 = sa.func.coalesce(agreeing.c.um3, 0) / sa.literal(_UM3_PER_MM3, sa.Double)
    of_reference = sa.func.coalesce(there.c.volume_mm3, 0.0)
    return (
        sa.select(
            here.c.ccf_id,
            here.c.region_id,
            pair.c.reference_id,
            here.c.volume_mm3,
            of_reference.label("reference_mm3"),
            (100 * (here.c.volume_mm3 - of_reference) / sa.func.nullif(of_reference, 0.0)).label(
                "difference_percent"
            ),
            (mm3 / sa.func.nullif(here.c.volume_mm3, 0.0)).label("agreement"),
        )
        .join_from(pair, here, here.c.ccf_id == pair.c.ccf_id)
        .outerjoin(
            there,
            sa.and_(
                there.c.ccf_id == pair.c.reference_id,
                there.c.region_id == here.c.region_id,
                there.c.hemisphere == here.c.hemisphere,
            ),
        )
        .outerjoin(
            agreeing,
            sa.and_(agreeing.c.ccf_id == here.c.ccf_id, agreeing.c.ancestor_id == here.c.region_id),
        )
        .where(here.c.hemisphere == "both")
    )
