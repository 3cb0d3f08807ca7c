"""The program's own loads, as they are measured: in a process that has loaded something small before.

``measuring.apart`` calls what is here, so that each has a fresh process. Loads of an atlas have in it what a
worker of `ccf-assets load` has imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import dagster as dg
import sqlalchemy as sa

from benchmarks.measuring import Sample, peak_mb, timed
from benchmarks.volumes import Volume
from ccf_assets.db import schema
from ccf_assets.db.database import create_engine
from ccf_assets.definitions import build_defs
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.defs.resources import SourcesResource
from ccf_assets.sources.source import Sources

WARM_UP = Volume("phantom_100um")
"""Loaded before what is measured: what a process imports and sets up at its first load is not to count."""

QUIET = {"loggers": {"console": {"config": {"label": "benchmark"}}}}
"""Configuration of a run that says a line now and then, as under `ccf-assets load`."""


class _VolumeSources(SourcesResource):
    """The sources of one volume."""

    key: str
    file: str | None

    def get(self) -> Sources:
        """Where its files come from."""
        return Volume(self.key, Path(self.file) if self.file else None).sources()


def _definitions(volume: Volume) -> dg.Definitions:
    sources = _VolumeSources(key=volume.key, file=str(volume.file) if volume.file else None)
    return build_defs(resource_overrides={"sources": sources})


def _import_as_a_worker() -> None:
    """Import what a worker has, which also keeps the garbage collector from what was imported."""
    import ccf_assets.cli.worker_imports  # noqa: F401


def whole_atlas(volume: Volume) -> Sample:
    """Load an atlas by the program's jobs: all its assets and checks, but not its rows."""
    _import_as_a_worker()
    volume.path()  # fetched before, and not measured
    defs = _definitions(volume)
    job = defs.resolve_job_def("load_atlas")
    with dg.DagsterInstance.ephemeral() as instance:
        add_atlases(instance, {volume.key: False})
        defs.resolve_job_def("refresh_ontology").execute_in_process(instance=instance, run_config=QUIET)
        seconds = timed(
            lambda: job.execute_in_process(instance=instance, partition_key=volume.key, run_config=QUIET)
        )
        steps = step_seconds(instance)
    return Sample(seconds, peak_mb(), steps)


def step_seconds(instance: dg.DagsterInstance) -> dict[str, float]:
    """What each step of the latest run took."""
    (run,) = instance.get_runs(limit=1)
    steps = instance.get_run_step_stats(run.run_id)
    return {s.step_key: s.end_time - s.start_time for s in steps if s.start_time and s.end_time}


class OneAsset:
    """Loads one asset of atlases that are there already, without its checks; warm once this is made."""

    def __init__(self, name: str, volume: Volume) -> None:
        _import_as_a_worker()
        self._name, self._volume = name, volume
        defs = _definitions(volume)
        alone = dg.define_asset_job("alone", dg.AssetSelection.assets(name).without_checks())
        of_asset = dg.Definitions(defs.assets, jobs=[alone], resources=defs.resources, loggers=defs.loggers)
        self._job = of_asset.resolve_job_def("alone")
        self._instance = dg.DagsterInstance.ephemeral()  # which a run of the program finds there
        add_atlases(self._instance, {volume.key: True, WARM_UP.key: True})
        self._load(WARM_UP)

    def _load(self, volume: Volume) -> dg.ExecuteInProcessResult:
        return self._job.execute_in_process(
            partition_key=volume.key, run_config=QUIET, instance=self._instance
        )

    def __call__(self) -> dict[str, float]:
        """Load it; returns the seconds that the program itself says its parts took."""
        result = self._load(self._volume)
        (done,) = result.get_asset_materialization_events()
        metadata = done.step_materialization_data.materialization.metadata
        return {n: cast("float", v.value) for n, v in metadata.items() if n.endswith("_seconds")}


def one_asset(name: str, volume: Volume) -> Sample:
    """Load one asset of an atlas that is there already."""
    load = OneAsset(name, volume)
    parts: dict[str, float] = {}
    seconds = timed(lambda: parts.update(load()))
    return Sample(seconds, peak_mb(), parts)


def comparison() -> Sample:
    """Compare each loaded atlas with the finest of its version, as a load does; the table is empty before."""
    _import_as_a_worker()
    defs = build_defs()
    job = defs.resolve_job_def("compare_atlases")
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(instance=instance, run_config=QUIET)  # what is imported once is not to count
        with create_engine().begin() as connection:
            connection.execute(sa.delete(schema.region_consistency))
        seconds = timed(lambda: job.execute_in_process(instance=instance, run_config=QUIET))
    return Sample(seconds, peak_mb())
