"""Runs whose process was killed: how the database knows, and how they are recorded as failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg
import sqlalchemy as sa

from ccf_assets.db import database

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
    url = database.database_url().update_query_dict({"connect_timeout": "2", "tcp_user_timeout": "2000"})
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
