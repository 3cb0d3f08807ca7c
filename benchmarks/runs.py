"""Job *runs*: from the NRRD file to the attached, keyed and analysed partition, and what else a load takes.

At every size beside the server alone with the same runs, and zlib on the same file; at the size that the
other jobs use (25 µm) also beside the server alone with the rows, and beside other ways of storing them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial

import sqlalchemy as sa

from benchmarks import loads, other_stores
from benchmarks.measuring import Row, Sample, Way, against, apart, in_turns, timed
from benchmarks.options import Options
from benchmarks.place import Place
from benchmarks.server_alone import ServerAlone
from benchmarks.volumes import Volume
from ccf_assets.db import schema

OF_RUNS = {25: 1.35, 10: 1.6}
"""Resolution, µm → the most that runs may take of the server's time for the same runs."""

OF_ROWS = {25: 1 / 8}
"""The most of the server's time for rows."""

OF_DATAJOINT = {25: 1 / 200}
"""The most of DataJoint's time for the same voxels."""

PEAK_MB = {10: 1000}
DISK_MB = {10: 2000}
"""The most that a whole load may have in memory, and its partitions on disk."""

_READ_BYTES = 1 << 20


def measure(place: Place, options: Options) -> Iterator[Row]:
    """The lines of every size, the coarsest first."""
    for resolution_um in sorted(options.sizes, reverse=True):
        yield from _at(place.volume(resolution_um), place, options)


def _at(volume: Volume, place: Place, options: Options) -> Iterator[Row]:
    run = schema.voxel_run
    size, (runs, voxels), whole = volume.edge_um, place.counts(volume), place.load(volume)
    ours = Way(f"runs, {volume.title}", partial(_load, place, volume))
    ways = [
        (Way("server alone, runs", ServerAlone(place, run, volume.entry.ccf_id)), OF_RUNS),
        (Way("zlib alone, the file", partial(apart, _inflate, volume)), {}),
    ]
    if size == options.standard_um and not options.quick:
        rows = ServerAlone(place, schema.voxel, volume.entry.ccf_id)
        ways += [
            (Way("server alone, rows", rows), OF_ROWS),
            (other_stores.with_pandas(run, volume, runs), {}),
            (other_stores.with_polars(run, volume, runs), {}),
            (other_stores.with_datajoint(volume, voxels), OF_DATAJOINT),
        ]
    repeat = options.few if size == 10 else options.repeat
    samples = in_turns([ours, *(way for way, _ in ways)], repeat)
    for way, target in ways:
        yield against(ours, way, samples, target.get(size))
    load = f"whole load, {volume.title}"
    yield Row(load, [whole], note="once, checks and all")
    yield Row(f"{load}: memory", [Sample(whole.peak_mb or 0)], target=PEAK_MB.get(size), unit="MB")
    yield Row(f"{load}: disk", [_disk(place, volume)], target=DISK_MB.get(size), unit="MB")


def _load(place: Place, volume: Volume) -> Sample:
    place.settle()
    return apart(loads.one_asset, "voxel_run", volume)


def _inflate(volume: Volume) -> Sample:
    path = volume.path()

    def inflate() -> None:
        with path.open("rb") as file:
            while file.readline().strip():  # the header ends with an empty line
                pass
            inflater = zlib.decompressobj(wbits=31)
            while block := file.read(_READ_BYTES):
                # Piece by piece: the 10 µm volume is 4.8 GB.
                while block:
                    inflater.decompress(block, _READ_BYTES)
                    block = inflater.unconsumed_tail

    return Sample(timed(inflate))


def _disk(place: Place, volume: Volume) -> Sample:
    """MB (10⁶ bytes) of the partitions of an atlas without its rows, indexes and all."""
    tables = [f"{table}_{volume.entry.ccf_id}" for table in (schema.voxel_run, schema.brain_surface)]
    with place.engine.connect() as connection:
        sizes = [
            connection.execute(sa.select(sa.func.pg_total_relation_size(t))).scalar_one() for t in tables
        ]
    return Sample(sum(sizes) / 1e6)
