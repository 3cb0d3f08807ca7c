"""Recording sites in a database, registered in one atlas, without files and runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.db import schema

Point = tuple[float | None, float | None, float | None]


def place(
    engine: sa.Engine, key: str, recording: str, points: Sequence[Point], **columns: list[object]
) -> None:
    """Insert sites 0, 1, … of a recording at points in CCF µm, None where not known, and register them.

    Args:
        engine: the database.
        key: the atlas.
        recording: its name.
        points: AP, DV, ML.
        columns: of recording_site, a value for each site.
    """
    atlas, places = Atlas(key, engine=engine), np.array(points, float)
    found = atlas.locate(places).to_polars()
    keys = [{"recording_id": recording, "site_id": number} for number in range(len(points))]
    sites = [
        {
            **one,
            **dict(zip(("ap", "dv", "ml"), xyz, strict=True)),
            **{name: values[number] for name, values in columns.items()},
            "frame": "ccf",
        }
        for number, (one, xyz) in enumerate(zip(keys, places.tolist(), strict=True))
    ]
    registered = [
        {
            **one,
            **dict(zip(("x", "y", "z"), xyz, strict=True)),
            "region_id": region,
            "status": status,
            "ccf_id": atlas.ccf_id,
            "source": "inserted",
            "voxels_of": 1,
            "surface_of": 1,
        }
        for one, xyz, region, status in zip(keys, points, found["region_id"], found["status"], strict=True)
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.recording_site), sites)
        connection.execute(sa.insert(schema.recording_region), registered)
