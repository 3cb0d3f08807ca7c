"""Job *locate*: the regions of many points, in Python and in SQL, beside other tools.

The answers of all must be the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from benchmarks import lookups, parquet
from benchmarks.measuring import Row, Sample, Way, against, apart, in_turns, say, timed
from benchmarks.options import Options
from benchmarks.place import Place
from benchmarks.volumes import Volume

FIRST_S = {25: 1.5}
"""Resolution, µm → the longest that the first call in a fresh process may take."""


def measure(place: Place, options: Options) -> Iterator[Row]:
    """The lines of the one size, and of the finest where it is another."""
    volume, count = place.volume(options.standard_um), options.points
    name = _name(volume, count)
    samples = apart(lookups.side_by_side, volume.key, count, options.repeat)
    ours = Way(lookups.OURS, lambda: Sample(0))
    for peer in lookups.PEERS:
        target = peer.target if options.standard_um == 25 else None
        yield replace(against(ours, peer.way(count, lambda: Sample(0)), samples, target), job=name)
    yield _first_call(volume, count, options.repeat)[0]
    yield from _in_sql(place, volume, options)
    if min(options.sizes) < options.standard_um:
        yield from _first_call(place.volume(min(options.sizes)), count, options.few)


def _name(volume: Volume, count: int) -> str:
    return f"{lookups.OURS}, {count:,} points, {volume.title}"


def _first_call(volume: Volume, count: int, repeat: int) -> tuple[Row, Row]:
    """The lines of the first call in a fresh process, and of the next."""
    first = []
    for turn in range(repeat):
        first.append(apart(lookups.first_call, volume.key, count))
        say(f"{turn + 1}/{repeat}  the first call: {first[-1].value:.3g}")
    name = _name(volume, count)
    note = "in a fresh process, which reads the atlas"
    again = [Sample(sample.details[lookups.AGAIN]) for sample in first]
    return (
        Row(f"{name}: first call", first, target=FIRST_S.get(volume.edge_um), note=note),
        Row(name, again),
    )


_JOINED = "FROM point AS p CROSS JOIN LATERAL ccf.region_at(:ccf_id, p.x, p.y, p.z) AS here"

_AT_ONCE = (
    "FROM (SELECT array_agg(x ORDER BY number) AS x, array_agg(y ORDER BY number) AS y, "
    "array_agg(z ORDER BY number) AS z FROM point) AS p "
    "CROSS JOIN LATERAL ccf.regions_at(:ccf_id, p.x, p.y, p.z) AS here"
)


def _in_sql(place: Place, volume: Volume, options: Options) -> Iterator[Row]:
    """A temporary table of points and the regions of all, beside files in place of a database.

    Raises:
        RuntimeError: the answers differ.
    """
    grid, count = volume.grid, options.points
    points = lookups.points_in(grid.shape, volume.edge_um, count)
    with place.engine.connect() as connection:
        _store(connection, points)
        at_once = Way(
            f"ccf.regions_at, {count:,} points, {volume.title}", partial(_ask, connection, _AT_ONCE, volume)
        )
        joined = Way("ccf.region_at, joined", partial(_ask, connection, _JOINED, volume))
        by_number = f"SELECT here.number, coalesce(here.region_id, 0) {_AT_ONCE} ORDER BY 1"
        answer = connection.execute(sa.text(by_number), {"ccf_id": volume.entry.ccf_id}).tuples().all()
        expected = np.array([region for _, region in answer], np.int64)
        corners = (points // volume.edge_um).astype(np.int64) * volume.edge_um
        others = parquet.lookup_ways(parquet.files_of(place, volume), corners, expected)
        samples = in_turns([at_once, joined, *others], options.few)
    for way in (joined, *others):
        yield against(at_once, way, samples)


def _store(connection: sa.Connection, points: npt.NDArray[np.float64]) -> None:
    """The points as a temporary table, numbered from 1."""
    connection.exec_driver_sql("CREATE TEMP TABLE point (number int, x float8, y float8, z float8)")
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor().copy("COPY point FROM STDIN") as copy:
        for number, row in enumerate(points.tolist(), start=1):
            copy.write_row((number, *row))
    connection.exec_driver_sql("ANALYZE point")


def _ask(connection: sa.Connection, question: str, volume: Volume) -> Sample:
    """Seconds until the regions are counted, in the server: no answer goes to a client."""
    query = sa.text(f"SELECT count(here.region_id) {question}")
    return Sample(timed(lambda: connection.scalar(query, {"ccf_id": volume.entry.ccf_id})))
