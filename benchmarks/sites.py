"""Job *sites*: a file of recording sites read, checked, stored and registered, in one run.

Sites of probes, as they are recorded, and sites scattered over the brain, of which no two are neighbours. In
a place of its own: sites are registered in every atlas that is loaded, one at first and several at the end.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import dagster as dg
import numpy as np
import polars as pl
import sqlalchemy as sa

from benchmarks.loads import QUIET, step_seconds
from benchmarks.measuring import Row, Sample, apart, peak_mb, say, timed
from benchmarks.options import Options
from benchmarks.place import Place, place_in
from benchmarks.processor import own_seconds, server_seconds
from benchmarks.server_alone import rows_of
from benchmarks.stored_sites import store_alone
from benchmarks.volumes import Volume
from ccf_assets import settings
from ccf_assets.db import database, schema
from ccf_assets.definitions import build_defs
from ccf_assets.defs.partitions import recording_partitions
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.recordings.scan.keys import partition_key_of

Points: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

SECONDS = {1_000_000: 12.0}
"""Sites → the longest that they may take, at 25 µm."""

NEW_OF_SERVER, CHANGED_OF_SERVER = 1.5, 2.0
"""The most of the server's time for storing both tables that new sites may take, and those that all moved."""

MANY = 1_000_000
"""So many sites at least have such a target."""

PER_RECORDING = 384
"""Sites of a Neuropixels probe."""

SPACING_UM = 10
"""Along the probe, on average: two every 20 µm."""

TILT = 0.3
"""Standard deviation of a probe's direction, by axis, from the dorso-ventral."""

SMALL, LARGE = "small.csv", "large.csv"

NUMBERED, NAMED = "numbered.csv", "named.csv.gz"

SMALL_SITES = 100
"""Registered by the same process before those that are measured."""

_EMPTY = "TRUNCATE ccf.recording_file, ccf.recording_finding, ccf.recording_claim, ccf.recording_site CASCADE"


def measure(place: Place, options: Options) -> Iterator[Row]:
    """New and changed sites of each kind in one atlas, cells with names, and sites in several atlases."""
    with place_in(place.folder, warm_up=False) as own:
        volume = own.volume(options.standard_um)
        kinds = (("of probes", on_probes), ("scattered", scattered))
        for kind, draw in kinds[:1] if options.quick else kinds:
            yield from _new_and_changed(own, options, volume, kind, draw)
        if options.quick:
            return
        yield _named(own, options, volume)
        # From now on sites are registered in several atlases.
        others = [own.volume(size) for size in options.sizes if size > options.standard_um]
        if others:
            yield from _new_and_changed(own, options, volume, "of probes", on_probes, others)


def _new_and_changed(
    own: Place,
    options: Options,
    volume: Volume,
    kind: str,
    draw: Callable[[Volume, int], Points],
    others: Sequence[Volume] = (),
) -> Iterator[Row]:
    """New sites, in seconds and beside the server alone, and the same sites once all have moved."""
    atlases = " and ".join(each.title for each in (volume, *others))
    name = f"{options.sites:,} sites {kind} from CSV, {atlases}"
    apart(write_files, volume, options.sites, draw)
    samples, changed, alone = [], [], []
    turns = options.few if others else options.repeat
    for turn in range(turns):
        own.settle()
        samples.append(apart(register, options.sites))
        alone.append(store_alone(own, (schema.recording_site, schema.recording_region)))
        apart(move_sites)
        own.settle()
        changed.append(apart(register, options.sites, LARGE, True))
        say(
            f"{turn + 1}/{turns}  {name}: {samples[-1].value:.3g}, changed {changed[-1].value:.3g}, "
            f"the server alone {alone[-1].value:.3g}"
        )
    server = "server alone, both tables"
    # Of few sites what is to be done once takes most of the time.
    of_new, of_changed = (NEW_OF_SERVER, CHANGED_OF_SERVER) if options.sites >= MANY else (None, None)
    if not others:
        yield Row(name, samples, target=SECONDS.get(options.sites) if volume.edge_um == 25 else None)
    yield Row(name, samples, server, alone, of_new)
    yield Row(f"{name}, all changed", changed, server, alone, of_changed)


def _named(own: Place, options: Options, volume: Volume) -> Row:
    """Cells with names from a packed CSV, as those of the ABC atlas, beside the same with numbers."""
    name = f"{options.sites:,} cells with names from CSV.gz, {volume.title}"
    apart(write_cells, volume, options.sites)
    ours, theirs = [], []
    for turn in range(options.repeat):
        own.settle()
        theirs.append(apart(register, options.sites, NUMBERED))
        own.settle()
        ours.append(apart(register, options.sites, NAMED))
        say(f"{turn + 1}/{options.repeat}  {name}: {ours[-1].value:.3g} against {theirs[-1].value:.3g}")
    return Row(name, ours, "numbers, CSV", theirs, target=1.3)


def register(sites: int, large: str = LARGE, there: bool = False) -> Sample:
    """Register the files, the small one before the clock starts; anew, unless they are ``there`` already."""
    keys = [partition_key_of(name) for name in (SMALL, large)]
    engine = database.create_engine()
    if not there:
        with engine.begin() as connection:
            connection.exec_driver_sql(_EMPTY)
    job = build_defs().resolve_job_def("register_recordings")
    with dg.DagsterInstance.ephemeral() as instance:

        def run(key: str) -> None:
            job.execute_in_process(instance=instance, partition_key=key, run_config=QUIET)

        instance.add_dynamic_partitions(str(recording_partitions.name), keys)
        run(keys[0])
        worked, of_server = own_seconds(), server_seconds(engine)
        seconds = timed(lambda: run(keys[1]))
        steps = {
            **step_seconds(instance),
            "own_processor_seconds": own_seconds() - worked,
            "server_processor_seconds": server_seconds(engine) - of_server,
        }
    with engine.connect() as connection:
        registered, atlases = (
            connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in (schema.recording_region, schema.atlas)
        )
    if registered != (sites + SMALL_SITES) * atlases:
        raise RuntimeError(
            f"{registered:,} rows are registered of {sites + SMALL_SITES:,} sites in {atlases} atlases."
        )
    return Sample(seconds, peak_mb(), steps)


def move_sites() -> None:
    """Move every site of the large file by 1 µm along AP."""
    path = settings.home() / "recordings" / LARGE
    pl.read_csv(path).with_columns((pl.col("x") + 1).round(1)).write_csv(path)
    age(path)


def scattered(volume: Volume, count: int) -> Points:
    """So many points drawn evenly from the brain: CCF µm, (count, 3) of AP, DV, ML."""
    random, edge = np.random.default_rng(0), volume.edge_um
    rows = read_arrow(database.create_engine().url, rows_of(schema.voxel_run, volume.entry.ccf_id))
    run = {name: column.to_numpy() for name, column in zip(rows.schema.names, rows.read_all(), strict=True)}
    voxels = (run["z_end"] - run["z"]) // edge
    drawn = random.choice(len(voxels), count, p=voxels / voxels.sum())
    corner = np.stack([run[axis][drawn] for axis in "xyz"], axis=1)
    size = np.stack([np.full(count, edge), np.full(count, edge), voxels[drawn] * edge], axis=1)
    points: Points = corner + random.uniform(0, 1, (count, 3)) * size
    return points


def on_probes(volume: Volume, count: int) -> Points:
    """As `scattered`, but only the middles of straight probes are drawn so, and some ends are outside."""
    probes = -(-count // PER_RECORDING)
    random = np.random.default_rng(0)
    direction = np.stack([random.normal(0, TILT, probes), np.ones(probes), random.normal(0, TILT, probes)], 1)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    along = (np.arange(PER_RECORDING) - PER_RECORDING / 2) * SPACING_UM
    points: Points = scattered(volume, probes)[:, None] + direction[:, None] * along[:, None]
    return points.reshape(-1, 3)[:count]


def write_files(volume: Volume, sites: int, draw: Callable[[Volume, int], Points]) -> None:
    """Two files of sites, a few and many."""
    for name, count in ((SMALL, SMALL_SITES), (LARGE, sites)):
        points = draw(volume, count)
        number = np.arange(count)
        frame = pl.DataFrame(points.round(1), schema=["x", "y", "z"]).with_columns(
            pl.format("{} {}", pl.lit(name), pl.Series(number // PER_RECORDING)).alias("recording_id"),
            pl.Series("site_id", number % PER_RECORDING),
        )
        path = settings.home() / "recordings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_csv(path)
        path.with_suffix(".toml").write_text('frame = "ccf"\n', "utf-8")
        age(path, path.with_suffix(".toml"))


def write_cells(volume: Volume, cells: int) -> None:
    """The same cells twice, with numbers and with labels, as the ABC atlas has them: x, y, z in mm."""
    points = scattered(volume, cells) / 1000
    frame = pl.DataFrame(points.round(4), schema=["x", "y", "z"]).with_columns(parcellation_index=0)
    number = pl.Series("cell_label", np.random.default_rng(0).permutation(cells))
    label = pl.format("{}-{}", number * 1_000_003 + 10**15, number % 97).alias("cell_label")
    folder = settings.home() / "recordings"
    frame.with_columns(number.alias("cell_label")).write_csv(folder / NUMBERED)
    with gzip.open(folder / NAMED, "wb", compresslevel=6) as file:
        file.write(frame.with_columns(label).write_csv().encode())
    for name in (NUMBERED, NAMED):
        own = folder / f"{name.partition('.')[0]}.toml"
        own.write_text('recording_id = "{stem}"\n', "utf-8")
        age(folder / name, own)


def age(*paths: Path) -> None:
    """Set back when files were written: one that was written just now is taken to be still being written."""
    for path in paths:
        os.utime(path, (time.time() - 60,) * 2)
