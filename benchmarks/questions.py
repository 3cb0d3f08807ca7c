"""Job *questions*: what is asked in SQL; the same of runs and of rows, and the functions as a lab calls them.

Both tables are vacuumed, and everything is asked once before it is measured. Answers are counted or folded
into one line within the server, so that no time goes into carrying them to a client.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from benchmarks import loads
from benchmarks.measuring import Row, Sample, Way, against, apart, in_turns, say, timed
from benchmarks.options import Options
from benchmarks.place import Place
from benchmarks.volumes import Volume
from ccf_assets.ccf.space import EXTENT_UM

POINTS = 100_000
"""Points to find the region of, drawn evenly from the volume: more than half of them miss the brain."""

PROBES = 100
"""Straight tracks of a Neuropixels 1.0 probe's length, from above the brain downwards, slightly tilted."""

PROBE_UM = 3_840
"""Length of the 384 channels of such a probe in µm: two a row, 20 µm from row to row."""

POINTS_S, PROBE_S = 1.0, 0.02
"""The longest that all the points, and one probe, may take at 25 µm."""


@dataclass(frozen=True)
class Question:
    """A statement whose answer is one line.

    Attributes:
        title: what is asked.
        query: the question, of runs if it is asked of rows too.
        of_rows: the same of rows; the answers must be equal.
        target: the longest that one answer may take, s.
        answers: how many answers the statement gives.
    """

    title: str
    query: str
    of_rows: str = ""
    target: float | None = None
    answers: int = 1


def measure(place: Place, options: Options) -> Iterator[Row]:
    """A line for each question.

    Raises:
        RuntimeError: runs and rows give different answers.
    """
    volume = place.volume(options.standard_um)
    entry, named = volume.entry, volume.edge_um == 25
    say(f"loading the rows of {entry.key}")
    apart(loads.one_asset, "voxel", volume)
    engine = place.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE) ccf.voxel_run, ccf.voxel, ccf.brain_surface")
        _draw(connection, volume)
        for question in (*_of_both(volume), *_functions(entry.ccf_id)):
            ways = [_way(connection, question, question.query, f"{question.title}, {volume.title}")]
            answer = connection.exec_driver_sql(question.query).one()
            if question.of_rows:
                ways.append(_way(connection, question, question.of_rows, "the same of rows"))
                if connection.exec_driver_sql(question.of_rows).one() != answer:
                    raise RuntimeError(f"Runs and rows give different answers: {question.title}.")
            samples = in_turns(ways, options.repeat)
            if question.of_rows:
                yield against(ways[0], ways[1], samples)
            else:
                target = question.target if named else None
                yield Row(ways[0].name, samples[ways[0].name], target=target)


def _way(connection: sa.Connection, question: Question, query: str, name: str) -> Way:
    def take() -> Sample:
        return Sample(timed(lambda: connection.exec_driver_sql(query).one()) / question.answers)

    return Way(name, take)


def _draw(connection: sa.Connection, volume: Volume) -> None:
    """Temporary tables of points, of the corners of points' voxels, and of places where probes begin."""
    random = np.random.default_rng(0)
    places = {
        "point": random.uniform(0, EXTENT_UM, (POINTS, 3)),
        "corner": random.integers(0, volume.grid.shape, (POINTS, 3)) * volume.edge_um,
        "probe": random.uniform((3_000, 0, 2_000), (10_000, 500, 9_000), (PROBES, 3)),
    }
    raw = connection.connection.driver_connection
    assert raw is not None
    for name, rows in places.items():
        kind = "int" if rows.dtype.kind == "i" else "float8"
        connection.exec_driver_sql(f"CREATE TEMP TABLE {name} (id int, x {kind}, y {kind}, z {kind})")
        with raw.cursor().copy(f"COPY {name} FROM STDIN") as copy:
            for number, row in enumerate(rows.tolist()):
                copy.write_row((number, *row))
        connection.exec_driver_sql(f"ANALYZE {name}")


def _of_both(volume: Volume) -> list[Question]:
    """What is asked of runs and of rows."""
    r, ccf_id = volume.edge_um, volume.entry.ccf_id
    runs, rows = f"ccf.voxel_run WHERE ccf_id = {ccf_id}", f"ccf.voxel WHERE ccf_id = {ccf_id}"
    plane = EXTENT_UM[0] * 6 // 11 // r * r
    fold = "sum(hashint4(region_id)::bigint * (1 + y + 3 * z))"
    expanded = (
        f"SELECT y, s.z, region_id FROM ccf.voxel_run run, generate_series(run.z, z_end - {r}, {r}) s(z) "
        f"WHERE ccf_id = {ccf_id}"
    )
    of_corners = "SELECT count(region_id), sum(region_id::bigint * (1 + mod(id, 7))) FROM corner p LEFT JOIN"
    return [
        Question(
            "voxels of all regions",
            "SELECT count(*), sum(n * (1 + mod(region_id, 7))) FROM "
            f"(SELECT region_id, sum((z_end - z) / {r}) n FROM {runs} GROUP BY 1) q",
            "SELECT count(*), sum(n * (1 + mod(region_id, 7))) FROM "
            f"(SELECT region_id, count(*) n FROM {rows} GROUP BY 1) q",
        ),
        Question(
            "a coronal plane, as rows",
            f"SELECT count(*), {fold} FROM ({expanded} AND x = {plane}) q",
            f"SELECT count(*), {fold} FROM {rows} AND x = {plane}",
        ),
        Question(
            "a sagittal plane, as rows",
            f"SELECT count(*), sum(hashint4(region_id)::bigint * (1 + y)) FROM {runs} "
            f"AND z <= {plane} AND z_end > {plane}",
            f"SELECT count(*), sum(hashint4(region_id)::bigint * (1 + y)) FROM {rows} AND z = {plane}",
        ),
        Question(
            "every voxel, counted one by one",
            f"SELECT count(*) FROM ({expanded}) q",
            f"SELECT count(*) FROM {rows}",
        ),
        Question(
            f"regions of {POINTS:,} points",
            f"{of_corners} LATERAL (SELECT region_id, z_end FROM {runs} AND x = p.x AND y = p.y AND z <= p.z "
            "ORDER BY z DESC LIMIT 1) run ON z_end > p.z",
            f"{of_corners} ccf.voxel v ON ccf_id = {ccf_id} AND (v.x, v.y, v.z) = (p.x, p.y, p.z)",
        ),
    ]


def _functions(ccf_id: int) -> list[Question]:
    """What is asked of the SQL functions."""
    return [
        Question(
            f"region_at, {POINTS:,} joined points",
            "SELECT count(here.region_id) FROM point p CROSS JOIN LATERAL "
            f"ccf.region_at({ccf_id}, p.x, p.y, p.z) AS here",
            target=POINTS_S,
        ),
        Question(
            f"to_ccf, {POINTS:,} joined points below the surface",
            "SELECT count(at.y) FROM point p CROSS JOIN LATERAL "
            f"ccf.to_ccf('stereotaxic', 5400 - p.x, p.y, p.z - 5700, {ccf_id}) AS at",
        ),
        Question(
            "regions_along, a 384-channel probe",
            "SELECT count(*) FROM probe p CROSS JOIN LATERAL "
            f"ccf.regions_along({ccf_id}, p.x, p.y, p.z, p.x + 500, p.y + {PROBE_UM}, p.z - 300) AS r",
            target=PROBE_S,
            answers=PROBES,
        ),
        *(
            Question(
                f"region_shares, radius {radius} µm",
                "SELECT count(*) FROM probe p CROSS JOIN LATERAL "
                f"ccf.region_shares({ccf_id}, p.x, 3000, p.z, {radius}) AS share",
                answers=PROBES,
            )
            for radius in (100, 500)
        ),
        *(
            Question(f"slice, {plane}", f"SELECT count(*) FROM ccf.slice({ccf_id}, '{plane}', {at})")
            for plane, at in (("coronal", 6600), ("horizontal", 3000), ("sagittal", 4000))
        ),
    ]
