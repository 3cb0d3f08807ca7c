"""Every loaded atlas against the finest of its version: their stored runs, compared in memory.

In SQL, ccf.region_overlap takes four times as long for a pair, and reads the finest atlas anew for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ccf_assets.ccf.overlap import region_overlap
from ccf_assets.ccf.region_id import table_numbers
from ccf_assets.db import comparison
from ccf_assets.db.loaded import LoadedAtlas, loaded_atlases
from ccf_assets.db.stored_runs import all_runs
from ccf_assets.errors import CcfError

if TYPE_CHECKING:
    import polars as pl


_AT_ONCE = 2
"""Atlases that are read, and compared, at a time: while the finest is read, so is the first beside it."""


def region_consistency(engine: sa.Engine) -> sa.Select[Any]:
    """The rows of the table region_consistency; the volumes in them are asked of the database.

    Raises:
        CcfError: one of the atlases was loaded again meanwhile.
    """
    loaded = {atlas.ccf_id: atlas for atlas in loaded_atlases(engine)}
    with engine.connect() as connection:
        found = connection.execute(comparison.references()).tuples().all()
    pairs = [(atlas, finest) for atlas, finest in found if {atlas, finest} <= loaded.keys()]
    shared = list(_shared(engine, loaded, pairs))
    compared = {ccf_id for pair in pairs for ccf_id in pair}
    now = {atlas.ccf_id: atlas for atlas in loaded_atlases(engine)}
    if changed := [loaded[ccf_id].key for ccf_id in sorted(compared) if now.get(ccf_id) != loaded[ccf_id]]:
        raise CcfError(f"{', '.join(changed)} changed while atlases were compared; compare them again.")
    return comparison.region_consistency(pairs, shared)


def _shared(
    engine: sa.Engine, loaded: dict[int, LoadedAtlas], pairs: list[tuple[int, int]]
) -> Iterator[tuple[int, int, int, float]]:
    """The argument ``shared`` of `comparison.region_consistency`; a reference is read once."""
    for reference, group in groupby(sorted(pairs, key=itemgetter(1)), key=itemgetter(1)):
        ids = [ccf_id for ccf_id, _ in group]
        for ccf_id, of in zip(ids, _overlaps(engine, loaded, reference, ids), strict=True):
            a, b = (table_numbers(of[name].to_numpy()).tolist() for name in ("region_b", "region_a"))
            yield from zip([ccf_id] * len(of), a, b, of["um3"].to_list(), strict=True)


def _overlaps(
    engine: sa.Engine, loaded: dict[int, LoadedAtlas], reference: int, ids: list[int]
) -> list[pl.DataFrame]:
    """`region_overlap` of the reference with each of these atlases."""
    grid = loaded[reference].grid
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        finest = pool.submit(all_runs, engine, loaded[reference])

        def overlap(ccf_id: int) -> pl.DataFrame:
            runs = all_runs(engine, loaded[ccf_id])
            return region_overlap(finest.result(), grid, runs, loaded[ccf_id].grid)

        return list(pool.map(overlap, ids))
