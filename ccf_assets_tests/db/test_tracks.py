"""Points of tracks: no recording sites, but a view has the regions between them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from ccf_assets import Atlas
from ccf_assets.db import loaded, schema, site_regions

KEY = "phantom_100um"

TOP, MIDDLE, BOTTOM = (8900.0, 0.0, 8200.0), (8900.0, 1950.0, 8200.0), (8900.0, 3840.0, 7000.0)
"""Points in CCF µm; the first lies above the brain."""


def trace(
    engine: sa.Engine,
    *points: tuple[float | None, ...],
    first: int = 0,
    kind: str = "track",
    recording: str = "m1",
    **more: object,
) -> None:
    """Insert points with the site_ids ``first`` and so on, and find the regions of all that have none."""
    rows = [
        {"recording_id": recording, "site_id": first + n, "ap": ap, "dv": dv, "ml": ml, "kind": kind, **more}
        for n, (ap, dv, ml) in enumerate(points)
    ]
    regions = site_regions.site_regions(
        sa.select(schema.recording_site), loaded.select_loaded_atlases(), only_missing=True
    )
    names = [column.key for column in regions.selected_columns]
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.recording_site).values(frame="ccf"), rows)
        connection.execute(sa.insert(schema.recording_region).from_select(names, regions))


def ask(engine: sa.Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


PARTS = "SELECT part, acronym, entry_um, exit_um FROM ccf.recording_track WHERE atlas = 'phantom_100um' "


def test_a_straight_track_has_the_regions_that_the_line_has(phantom_database: sa.Engine) -> None:
    trace(phantom_database, TOP, MIDDLE)
    along = Atlas(KEY).track(TOP, MIDDLE)
    expected = [(n + 1, *row) for n, row in enumerate(along.select("acronym", "entry_um", "exit_um").rows())]
    assert len(expected) > 3
    assert expected[0][1] is None, "above the brain"
    assert ask(phantom_database, PARTS + "ORDER BY part") == expected


def test_the_pieces_between_many_points_are_one_track_of_joined_regions(phantom_database: sa.Engine) -> None:
    trace(phantom_database, TOP, MIDDLE, BOTTOM)
    atlas = Atlas(KEY)
    upper, lower = atlas.track(TOP, MIDDLE), atlas.track(MIDDLE, BOTTOM)
    assert upper["acronym"][-1] == lower["acronym"][0], "the middle point is inside a region"
    rows = ask(phantom_database, PARTS + "ORDER BY part")
    assert [row[1] for row in rows] == [*upper["acronym"], *lower["acronym"][1:]]
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0][2] == 0
    assert rows[-1][3] == pytest.approx(upper["exit_um"][-1] + lower["exit_um"][-1])
    assert [row[2] for row in rows[1:]] == pytest.approx([row[3] for row in rows[:-1]])
    about = ask(
        phantom_database,
        "SELECT bool_and(length_um = exit_um - entry_um), count(*) FILTER (WHERE region_id IS NULL) = "
        "count(*) FILTER (WHERE region_name IS NULL) FROM ccf.recording_track",
    )
    assert about == [(True, True)]


def test_points_twice_or_without_a_place_change_nothing(phantom_database: sa.Engine) -> None:
    trace(phantom_database, TOP, MIDDLE, BOTTOM)
    plain = ask(phantom_database, PARTS + "ORDER BY part")
    nan = float("nan")
    trace(
        phantom_database, TOP, TOP, (nan, nan, nan), MIDDLE, (8900, nan, 8200), MIDDLE, BOTTOM, recording="m2"
    )
    assert ask(phantom_database, PARTS + "AND recording_id = 'm2' ORDER BY part") == plain
    trace(phantom_database, MIDDLE, recording="one point")
    assert not ask(phantom_database, PARTS + "AND recording_id = 'one point'")


def test_each_probe_and_each_source_has_its_own_track_in_each_atlas(phantom_database: sa.Engine) -> None:
    trace(phantom_database, TOP, MIDDLE, probe="A")
    trace(phantom_database, MIDDLE, BOTTOM, probe="B", first=10)
    trace(phantom_database, MIDDLE, TOP, source="by hand", first=20)
    tracks = "SELECT DISTINCT atlas, probe, source FROM ccf.recording_track"
    assert set(ask(phantom_database, tracks)) == {
        (atlas, probe, source)
        for atlas in ("phantom_100um", "phantom_50um")
        for probe, source in (("A", "inserted"), ("B", "inserted"), (None, "by hand"))
    }
    up = ask(phantom_database, PARTS + "AND source = 'by hand' ORDER BY part")
    down = ask(phantom_database, PARTS + "AND probe = 'A' ORDER BY part")
    assert [row[1] for row in up] == [row[1] for row in reversed(down)]


def test_a_point_of_a_track_is_no_site(phantom_database: sa.Engine) -> None:
    trace(phantom_database, MIDDLE, kind="site", first=2**40, site_name="tip", details={"snr": 3.5})
    trace(phantom_database, MIDDLE, BOTTOM)
    for query in (
        "SELECT site_id, site_name FROM ccf.sites_in('root', 'phantom_100um')",
        "SELECT DISTINCT site_id, site_name FROM ccf.recording_site_group WHERE atlas = 'phantom_100um'",
        "SELECT DISTINCT site_id, site_name FROM ccf.site_pair",
    ):
        assert ask(phantom_database, query) == [(2**40, "tip")]
    every = "SELECT site_id, kind, details FROM ccf.recording_site_region "
    assert ask(phantom_database, every + "WHERE atlas = 'phantom_100um' ORDER BY 1") == [
        (0, "track", None),
        (1, "track", None),
        (2**40, "site", {"snr": 3.5}),
    ]
    found = Atlas(KEY).sites_in("root")
    assert found.select("site_id", "site_name", "kind", "details").rows() == [
        (2**40, "tip", "site", '{"snr": 3.5}')
    ]
    assert Atlas(KEY).sites().height == 3
