"""Job *regions*: the volumes of all regions, asked and stored, at the finest size; AllenSDK at 25 µm."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from benchmarks import loads, parquet
from benchmarks.measuring import Row, Sample, Way, against, apart, in_turns
from benchmarks.options import Options
from benchmarks.place import Place
from benchmarks.volumes import Volume
from ccf_assets.db import schema

SECONDS = {10: 2.0}
"""Resolution, µm → the longest that the answer to this question may take."""


def measure(place: Place, options: Options) -> Iterator[Row]:
    """The line of the finest size, and the one beside AllenSDK."""
    finest, standard = min(options.sizes), options.standard_um
    fine = place.volume(finest)
    asked = Way(f"voxels and mm³ of all regions, {fine.title}", partial(_ask, place, fine))
    files = parquet.volume_ways(parquet.files_of(place, fine), fine.edge_um, _answer(place, fine))
    asked_too = in_turns([asked, *files], options.repeat)
    yield Row(asked.name, asked_too[asked.name], target=SECONDS.get(finest), note="in SQL")
    for way in files:
        yield against(asked, way, asked_too)
    if finest != standard:
        ours = _ours(place, fine)
        yield Row(ours.name, in_turns([ours], options.few)[ours.name], note=_WHOLE)
    volume = place.volume(standard)
    ours = _ours(place, volume)
    theirs = Way("AllenSDK total_voxel_map", partial(_allensdk, options.allensdk, place, volume))
    if options.allensdk:
        yield against(ours, theirs, in_turns([ours, theirs], options.repeat))
    else:
        samples = in_turns([ours], options.repeat)[ours.name]
        yield Row(ours.name, samples, theirs.name, note="AllenSDK is not there; see --allensdk")


_WHOLE = "a run of the asset: by hemisphere, with centroids and bounding boxes"

_VOLUMES = """
SELECT up.ancestor_id, sum(own.voxels) AS voxels, sum(own.voxels) * CAST(:mm3 AS float8) AS volume_mm3
FROM (SELECT region_id, sum(z_end - z) / :edge AS voxels FROM ccf.voxel_run WHERE ccf_id = :ccf_id
    GROUP BY region_id) AS own
JOIN ccf.region_ancestor AS up ON up.ccf_id = :ccf_id AND up.region_id = own.region_id
GROUP BY up.ancestor_id
"""
"""The volume of every region with all inside it, asked of the runs themselves."""


def _ask(place: Place, volume: Volume) -> Sample:
    started = time.perf_counter()
    if not _answer(place, volume):
        raise RuntimeError("No region has a voxel.")
    return Sample(time.perf_counter() - started)


def _answer(place: Place, volume: Volume) -> dict[int, int]:
    """Region → its voxels with all inside it, asked of the runs."""
    edge = volume.edge_um
    values = {"ccf_id": volume.entry.ccf_id, "edge": edge, "mm3": edge**3 * 1e-9}
    with place.engine.connect() as connection:
        rows = connection.execute(sa.text(_VOLUMES), values)
        return {int(row.ancestor_id): int(row.voxels) for row in rows}


def _ours(place: Place, volume: Volume) -> Way:
    def take() -> Sample:
        place.settle()
        return apart(loads.one_asset, "region_volume", volume)

    return Way(f"region volumes, {volume.title}", take)


def _allensdk(python: Path | None, place: Place, volume: Volume) -> Sample:
    """Its count in the Python that has it; the answers must be ours."""
    script = Path(__file__).with_name("allensdk_counts.py")
    ontology = volume.sources().ontology(volume.entry).path
    done = subprocess.run(
        [str(python), script, volume.path(), ontology], stdout=subprocess.PIPE, check=True, text=True
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    column = schema.region_volume.c
    query = sa.select(column.region_id, column.voxels).where(
        column.ccf_id == volume.entry.ccf_id, column.hemisphere == "both"
    )
    with place.engine.connect() as connection:
        ours = dict(connection.execute(query).tuples().all())
    if ours != {int(region): voxels for region, voxels in answer["voxels"].items()}:
        raise RuntimeError("The voxels per region and those of AllenSDK differ.")
    return Sample(answer["seconds"], answer["peak_mb"])
