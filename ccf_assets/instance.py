"""Dagster's own instance: where it keeps its records, its home folder, and runs whose process was killed."""

from __future__ import annotations

import functools
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
        # A run for 100 files materializes each table 100 times: 8 s to record one by one, 4.5 s at once.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
        storage = cls(postgres_url=postgres.dagster_url(), inst_data=inst_data)
        for part in (storage._run_storage, storage._event_log_storage, storage._schedule_storage):
            part._engine = _kept_connection(storage.postgres_url)
        return storage


@functools.lru_cache(maxsize=1)
def _kept_connection(url: str) -> sa.Engine:
    """An engine that keeps one connection for the process; dagster-postgres makes a new one for every query.

    A run for 100 files asks 5,000 times, for each of which the server starts a process: half of its time.
    """
    return sa.create_engine(
        url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=-1, pool_pre_ping=True
    )


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

_ALIVE = ".dagster/ccf_assets/alive"
"""Tag of the runs of which the database knows whether their process is alive; not shown in the UI."""


def alive_tag(run_id: str) -> dict[str, str]:
    """The tag. It names the run, for Dagster passes tags on to a run that repeats another."""
    return {_ALIVE: run_id}


UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

_TAKEN_UP = [status for status in UNFINISHED if status.name != "QUEUED"]
"""NOT_STARTED is a run that was made to be queued, or begun, in a moment."""

SILENT_S = 900
"""A run that never took its lock, and has logged nothing for so long, is dead: whatever takes long says
every few seconds that it goes on, and Dagster's monitoring ends what does not start."""


BEAT_S = 1.0
"""How often a run's process makes sure that it holds its lock."""

SECOND_LOOK_S = 5.0
"""Pause before a run that nobody seems to carry out is looked at again. Its process lets go of the lock a
tenth of a second before it records how the run ended, and takes a lock that was lost with its connection
again at its next beat."""


def _engine() -> sa.Engine:
    # A connection that leads nowhere is given up in time for the second look.
    url = postgres.database_url().update_query_dict({"connect_timeout": "2", "tcp_user_timeout": "2000"})
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


def _key(run_id: str) -> sa.ColumnElement[int]:
    return sa.func.hashtextextended(run_id, 0)


def _locked(engine: sa.Engine, run_id: str) -> sa.Connection:
    """A connection that holds the lock of a run."""
    connection = engine.connect()
    connection.exec_driver_sql("SET idle_session_timeout = 0")
    # Shared, because the resource that holds it is made once for assets and once for the IO manager.
    connection.execute(sa.select(sa.func.pg_advisory_lock_shared(_key(run_id))))
    return connection


@contextmanager
def alive(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """For a run that has begun: `held`, and the tag that says so."""
    with held(run_id):
        instance.add_run_tags(run_id, alive_tag(run_id))
        yield


@contextmanager
def held(run_id: str) -> Iterator[None]:
    """Hold a lock in the database that says that the run's process is alive; it goes with the process."""
    engine, ended = _engine(), threading.Event()
    connection = _locked(engine, run_id)
    holder = threading.Thread(target=_hold, args=(engine, connection, run_id, ended), daemon=True)
    holder.start()
    try:
        yield
    finally:
        ended.set()
        holder.join()


def _hold(engine: sa.Engine, connection: sa.Connection, run_id: str, ended: threading.Event) -> None:
    """Keep the lock until the end, taking it anew where its connection was lost."""
    while not ended.wait(BEAT_S):
        try:
            connection.exec_driver_sql("SELECT 1")
        except sa.exc.SQLAlchemyError:  # a firewall, a restart of the server; or it is not back yet
            with suppress(sa.exc.SQLAlchemyError):
                connection.close()
            with suppress(sa.exc.SQLAlchemyError):
                connection = _locked(engine, run_id)
    with suppress(sa.exc.SQLAlchemyError):
        connection.close()


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Record the runs whose process was killed as failed; takes SECOND_LOOK_S where there may be any.

    Dagster would take them for running, for ever: their place in the queue and the pool would be kept for
    them, and their work would be waited for and never done.

    Returns:
        The ids of the runs that were dead.
    """
    engine = _engine()
    suspects = [
        run for run in instance.get_runs(dg.RunsFilter(statuses=_TAKEN_UP)) if _is_lost(engine, instance, run)
    ]
    if suspects:
        time.sleep(SECOND_LOOK_S)
    dead = []
    for suspect in suspects:
        lost = _is_lost(engine, instance, suspect)
        run = instance.get_run_by_id(suspect.run_id)  # after the look: it may have ended before it
        if lost and run is not None and not run.is_finished:
            instance.report_run_failed(run, "The process that executed this run was killed.")
            dead.append(run.run_id)
    return dead


def _is_lost(engine: sa.Engine, instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether nobody seems to carry out a run."""
    return _is_unlocked(engine, run) if run.tags.get(_ALIVE) == run.run_id else _is_silent(instance, run)


def _is_unlocked(engine: sa.Engine, run: dg.DagsterRun) -> bool:
    """Whether nobody holds the lock of a run that had one."""
    with engine.connect() as connection:
        # Closing the connection lets go of it.
        return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_key(run.run_id)))))


def _is_silent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    last = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    made = instance.get_run_record_by_id(run.run_id)
    if made is None:  # deleted meanwhile
        return False
    heard = last[0].timestamp if last else made.create_timestamp.timestamp()
    return time.time() - heard > SILENT_S
