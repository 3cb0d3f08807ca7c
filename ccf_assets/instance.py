"""Dagster's own instance: where it keeps its records, its home folder, and runs whose process was killed."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from ccf_assets import postgres, settings


class CcfDagsterStorage(DagsterPostgresStorage):
    """dagster-postgres's storage at the address that postgres.py knows; named in dagster.yaml.

    Loading the instance starts the embedded server where it is needed and counts the process among its
    users, so the UI, the daemon, code servers and runs share it and the last of them stops it. The address
    is found anew in each process: it stands in no configuration that Dagster passes on or shows.
    """

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> CcfDagsterStorage:
        """Make the storage; ``config_value`` is empty."""
        return cls(postgres_url=postgres.dagster_url(), inst_data=inst_data)


def dagster_home() -> Path:
    """DAGSTER_HOME, set for this process and its children: CCF_HOME/dagster with our settings if unset."""
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named)
    home = settings.home() / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    ours, there = settings.dagster_file("dagster.yaml").read_bytes(), home / "dagster.yaml"
    if not there.is_file() or there.read_bytes() != ours:
        # In one step: another process that found half of it would keep its records elsewhere.
        aside = home / f"dagster.yaml.{uuid.uuid4().hex}"
        aside.write_bytes(ours)
        aside.replace(there)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


# ---- runs whose process was killed

_ALIVE = {".dagster/ccf_assets/alive": "its process holds a lock"}
"""Tag of the runs of which the database knows whether their process is alive; not shown in the UI."""

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

_BEGUN = [status for status in UNFINISHED if status.name not in {"QUEUED", "NOT_STARTED"}]

SILENT_S = 900
"""A run that never took its lock, and has logged nothing for so long, is dead: whatever takes long says
every few seconds that it goes on, and Dagster's monitoring ends what does not start."""


def _connect() -> sa.Connection:
    return postgres.create_engine().connect().execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def alive(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold a lock in the database that says that the run's process is alive; it goes with the process."""
    with _connect() as connection:
        # Shared, because the resource that holds it is made once for assets and once for the IO manager.
        connection.execute(sa.select(sa.func.pg_advisory_lock_shared(sa.func.hashtextextended(run_id, 0))))
        instance.add_run_tags(run_id, _ALIVE)
        yield


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Record the runs whose process was killed as failed.

    Dagster would take them for running, for ever: their place in the queue and the pool would be kept for
    them, and their work would be waited for and never done.

    Returns:
        The ids of the runs that were dead.
    """
    begun = instance.get_runs(dg.RunsFilter(statuses=_BEGUN))
    with _connect() as connection:
        dead = [
            run.run_id
            for run in begun
            if (
                _is_unlocked(connection, run)
                if run.tags.items() >= _ALIVE.items()
                else _is_silent(instance, run)
            )
        ]
    for run_id in dead:
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "The process that executed this run was killed.")
    return dead


def _is_unlocked(connection: sa.Connection, run: dg.DagsterRun) -> bool:
    """Whether nobody holds the lock of a run that had one."""
    key = sa.func.hashtextextended(run.run_id, 0)
    free = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))
    if free:
        connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
    return free


def _is_silent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    last = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    return bool(last) and time.time() - last[0].timestamp > SILENT_S
