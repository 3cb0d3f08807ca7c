"""Job *rows*: one row per voxel, from the runs in the database to the attached and keyed partition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from benchmarks import loads, other_stores
from benchmarks.measuring import Row, Sample, Way, against, apart, in_turns
from benchmarks.options import Options
from benchmarks.place import Place
from benchmarks.server_alone import ServerAlone
from benchmarks.volumes import Volume
from ccf_assets.db import schema

OF_ROWS = {25: 1.0}
"""Resolution, µm → the most that rows may take of the server's time for them."""

COPY = {25: 1 / 0.75}
"""The same of the phase that brings them, before keys: at least 75 % of the server's rows a second."""


def measure(place: Place, options: Options) -> Iterator[Row]:
    """The lines of the size that is not the largest."""
    volume = place.volume(options.standard_um)
    alone = ServerAlone(place, schema.voxel, volume.entry.ccf_id)
    ours = Way(f"rows, {volume.title}", partial(load, place, volume))
    server = Way("server alone, rows", alone)
    _, voxels = place.counts(volume)
    others = (
        []
        if options.quick
        else [
            other_stores.with_pandas(schema.voxel, volume, voxels),
            other_stores.with_polars(schema.voxel, volume, voxels),
            other_stores.with_datajoint(volume, voxels),
        ]
    )
    samples = in_turns([ours, server, *others], options.repeat)
    yield against(ours, server, samples, OF_ROWS.get(volume.edge_um))
    copies = {
        name: [replace(sample, value=sample.details["copy_seconds"]) for sample in samples[name]]
        for name in (ours.name, server.name)
    }
    copy = against(ours, server, copies, COPY.get(volume.edge_um))
    yield replace(copy, job=f"{copy.job}: COPY phase")
    for way in others:
        yield against(ours, way, samples)


def load(place: Place, volume: Volume) -> Sample:
    """The rows of one atlas, in a fresh process; the yardstick's table has none of it before either."""
    with place.engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {schema.voxel}_{volume.entry.ccf_id}")
    place.settle()
    return apart(loads.one_asset, "voxel", volume)
