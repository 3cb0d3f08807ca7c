"""Job *growth*: ten files of sites, one after the other, in one atlas: what the last takes beside the first.

And what a sensor's tick takes once all are there, and with a thousand small files.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import numpy as np
import polars as pl

from benchmarks.loads import QUIET, step_seconds
from benchmarks.measuring import Row, Sample, apart, say, timed
from benchmarks.options import Options
from benchmarks.place import Place, place_in
from benchmarks.sites import MANY, PER_RECORDING, age, on_probes
from benchmarks.volumes import Volume
from ccf_assets import settings
from ccf_assets.definitions import build_defs
from ccf_assets.defs.partitions import recording_partitions
from ccf_assets.defs.sensors import FILES_PER_RUN, new_recordings, unregistered_sites
from ccf_assets.recordings.scan.keys import partition_key_of

FILES = 10

LAST_OF_FIRST = 1.15
"""The most that the last file may take of the first one's time."""

TICK_S = 0.5
"""The longest tick of a sensor. The daemon gives one up after 60 s."""

SMALL_FILES = 1_000

WARM_UP = "warm_up"


def measure(place: Place, options: Options) -> Iterator[Row]:
    """A line for the last file and one for each kind of tick."""
    with place_in(place.folder, warm_up=False) as own:
        volume = own.volume(options.standard_um)
        apart(write_file, volume, WARM_UP, PER_RECORDING)
        apart(register, [WARM_UP])
        samples = []
        for number in range(FILES):
            name = f"file{number}"
            apart(write_file, volume, name, options.sites)
            own.settle()
            samples.append(apart(register, [name]))
            say(f"{number + 1}/{FILES}  {options.sites:,} sites: {samples[-1].value:.3g}")
        yield Row(
            f"file {FILES} of {options.sites:,} sites each, {volume.title}",
            samples[-1:], "the first of them", samples[:1],
            LAST_OF_FIRST if options.sites >= MANY else None,
        )  # fmt: skip
        yield from _ticks(f"{FILES * options.sites:,} sites in {FILES} files")
    with place_in(place.folder, warm_up=False) as own:
        volume = own.volume(options.standard_um)
        names = [f"probe{number}" for number in range(SMALL_FILES)]
        apart(write_small_files, volume, names)
        for first in range(0, SMALL_FILES, FILES_PER_RUN):
            apart(register, names[first : first + FILES_PER_RUN])
        yield from _ticks(f"{SMALL_FILES:,} files of {PER_RECORDING} sites")


def _ticks(what: str) -> Iterator[Row]:
    for sensor, samples in apart(ticks).items():
        yield Row(f"tick of {sensor}, {what}", samples, target=TICK_S)


def ticks() -> dict[str, list[Sample]]:
    """How long the sensors' ticks take, after a first one, in which all files are read.

    Raises:
        RuntimeError: a tick asked for a run, where nothing is new.
    """
    definitions = build_defs()
    repository, resources = definitions.get_repository_def(), dict(definitions.resources or {})
    samples: dict[str, list[Sample]] = {}
    with dg.DagsterInstance.ephemeral() as instance:
        for sensor in (new_recordings, unregistered_sites):

            def tick(sensor: dg.SensorDefinition = sensor) -> None:
                with dg.build_sensor_context(
                    instance, repository_def=repository, resources=resources
                ) as context:
                    if sensor.evaluate_tick(context).run_requests:
                        raise RuntimeError(f"{sensor.name} asked for a run where nothing is new.")

            tick()
            samples[sensor.name] = [Sample(timed(tick)) for _ in range(3)]
    return samples


def register(names: list[str]) -> Sample:
    """Register files in one run, as their sensor would."""
    job = build_defs().resolve_job_def("register_recordings")
    keys = [partition_key_of(f"{name}.csv") for name in names]
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(recording_partitions.name), keys)
        seconds = timed(lambda: job.execute_in_process(instance=instance, tags=tags, run_config=QUIET))
        return Sample(seconds, details=step_seconds(instance))


def write_file(volume: Volume, name: str, sites: int) -> None:
    """A file of so many sites on probes, of recordings of its own."""
    points = on_probes(volume, sites)
    number = np.arange(sites)
    frame = pl.DataFrame(points.round(1), schema=["x", "y", "z"]).with_columns(
        pl.format("{} {}", pl.lit(name), pl.Series(number // PER_RECORDING)).alias("recording_id"),
        pl.Series("site_id", number % PER_RECORDING),
    )
    _write(name, frame)


def write_small_files(volume: Volume, names: list[str]) -> None:
    """Files of one probe each."""
    points = on_probes(volume, PER_RECORDING * len(names)).reshape(len(names), PER_RECORDING, 3)
    for name, probe in zip(names, points, strict=True):
        frame = pl.DataFrame(probe.round(1), schema=["x", "y", "z"]).with_columns(
            pl.lit(name).alias("recording_id"), pl.Series("site_id", np.arange(PER_RECORDING))
        )
        _write(name, frame)


def _write(name: str, frame: pl.DataFrame) -> None:
    path = settings.home() / "recordings" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path)
    path.with_suffix(".toml").write_text('frame = "ccf"\n', "utf-8")
    age(path, path.with_suffix(".toml"))
