"""A lab for tests: a folder of recordings, a Dagster instance, and sensors whose requests are carried out."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from ccf_assets.definitions import defs
from ccf_assets.defs import sensors
from ccf_assets.errors import FILES_REFUSED

IN_CCF = 'frame = "ccf"\n'

EMPTY = (
    "TRUNCATE ccf.recording_folder, ccf.recording_file, ccf.recording_finding, ccf.recording_claim, "
    "ccf.recording_agreement, ccf.recording_site, ccf.shared_file CASCADE; "
    "UPDATE ccf.coordinate_frame SET defined_by = NULL"
)
"""The statements that forget all recordings, and what hosts have said."""


@dataclass
class RecordingsLab:
    """What a test drops files into and asks SQL of.

    Attributes:
        definitions: those whose sensors are evaluated and whose jobs run.
        cursors: of the sensors, as Dagster would keep them.
        run_keys: of the runs that were asked for: Dagster starts no second one of a key.
    """

    folder: Path
    engine: sa.Engine
    instance: dg.DagsterInstance
    definitions: dg.Definitions = defs
    cursors: dict[str, str | None] = field(default_factory=dict)
    run_keys: set[str] = field(default_factory=set)

    def write(self, name: str, *sites: Sequence[object], toml: str | None = IN_CCF, header: str = "") -> Path:
        """A file of sites (recording_id, site_id, x, y, z), written a minute ago."""
        path = self.folder / name
        lines = [header or "recording_id,site_id,x,y,z", *(",".join(map(str, site)) for site in sites)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", "utf-8")
        made = [path]
        if toml is not None:
            made.append(path.with_suffix(".toml"))
            made[-1].write_text(toml, "utf-8")
        self.age(*made)
        return path

    def age(self, *paths: Path, seconds: float = 60.0) -> None:
        """Set back when files were written, so that a scan does not wait for them."""
        for path in paths:
            os.utime(path, (time.time() - seconds,) * 2)

    def tick(self, sensor: dg.SensorDefinition) -> tuple[list[dg.RunRequest], str]:
        """Evaluate a sensor as the daemon does; returns its requests and its reason to skip."""
        repository = self.definitions.get_repository_def()
        with dg.build_sensor_context(
            self.instance,
            cursor=self.cursors.get(sensor.name),
            repository_def=repository,
            resources=dict(self.definitions.resources or {}),
        ) as context:
            sensors._looks.last.clear()  # the tests' ticks are close together
            data = sensor.evaluate_tick(context)
        self.cursors[sensor.name] = data.cursor
        for request in data.dynamic_partitions_requests or []:
            assert request.partitions_def_name is not None
            if isinstance(request, dg.DeleteDynamicPartitionsRequest):
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, key)
            else:
                self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        requests = [r for r in data.run_requests or [] if r.run_key not in self.run_keys]
        self.run_keys |= {r.run_key for r in requests if r.run_key}
        return requests, data.skip_message or ""

    def run(self, sensor: dg.SensorDefinition, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Carry out a request."""
        return self.definitions.resolve_job_def(request.job_name or sensor.job_name).execute_in_process(
            instance=self.instance,
            tags=dict(request.tags),
            partition_key=request.partition_key,
            run_config=request.run_config,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
            raise_on_error=False,
        )

    def serve(self, sensor: dg.SensorDefinition) -> list[dg.ExecuteInProcessResult]:
        """One tick, and every run that it asks for."""
        requests, _ = self.tick(sensor)
        results = [self.run(sensor, request) for request in requests]
        assert all(result.success or refused_in(result) for result in results)
        return results

    def queue(
        self, job: str, tags: Mapping[str, str], status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED
    ) -> dg.DagsterRun:
        """A run that exists and is not carried out."""
        run = dg.DagsterRun(job_name=job, run_id=str(uuid.uuid4()), status=status, tags=dict(tags))
        return self.instance.add_run(run)

    def status(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        """What has become of a run."""
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found.status

    def ask(self, question: str, **values: object) -> list[tuple[object, ...]]:
        """Rows of a query."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(question), values)]

    def tell(self, statement: str, **values: object) -> None:
        """Execute a statement and commit."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks of a run by name."""
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def refused_in(result: dg.ExecuteInProcessResult) -> set[str]:
    """The files that a run refused, where it failed for nothing else."""
    failed = [
        event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure
    ]
    assert bool(failed) == (not result.success)
    names: set[str] = set()
    for data in failed:
        assert data is not None
        assert FILES_REFUSED in data.metadata, data.description
        names |= set(data.metadata) - {FILES_REFUSED}
    return names
