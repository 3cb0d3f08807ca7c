"""Runs whose process was killed: how a lock in the database shows it, and how they are recorded as failed.

The lock is one of a transaction that stays open, because a pooler may give each transaction another session:
a lock of a session would stay there, and whoever gets that session next would find the lock free.

Not here: the work they leave undone, which sensors and loads request again (requests).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sa

from ccf_assets.db import database
from ccf_assets.pg.connect import new_engine, stay_open
from ccf_assets.runs.run_engine import MESSAGE_TAG, is_forgotten

_ALIVE = ".dagster/ccf_assets/alive"
"""Tag of the runs whose process holds a lock in the database while it is alive; not shown in the UI."""


def alive_tag(run_id: str) -> dict[str, str]:
    """The tag. It names the run, because a run that repeats another inherits the other's tags."""
    return {_ALIVE: run_id}


UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

_TAKEN_UP = [status for status in UNFINISHED if status.name != "QUEUED"]
"""A NOT_STARTED run was created and is about to be queued or launched."""

SILENT_S = 900
"""A run that never took its lock, and has logged nothing for so long, is dead: whatever takes long logs its
progress every few seconds, and Dagster's monitoring ends a run that does not start."""

START_S = 60
"""A run that was launched so long ago and has not begun is dead, too, for the daemon that launched it: to
begin takes 3 to 12 s. Of Dagster's own launcher only: another may have to wait for a machine."""

BEAT_S = 1.0
"""How often a run's process verifies that it holds its lock."""

SECOND_LOOK_S = 5.0
"""Pause before a run whose lock is free is looked at again. Its process releases the lock a tenth of a second
before it records how the run ended, and takes a lock that it lost with its connection at its next beat."""


def lock_engine(patience_s: int = 2, **session: str) -> sa.Engine:
    """An engine for transactions that hold or ask for a lock, whose sessions are closed with them.

    Args:
        patience_s: a connection that leads nowhere is given up after so long; by default in time for the
            second look.
        session: more parameters of the connection.
    """
    patience = {"connect_timeout": f"{patience_s}", "tcp_user_timeout": f"{patience_s}000"}
    url = database.database_url().update_query_dict(patience | session)
    # Whatever the role's default is: a transaction that repeats reads would hold back vacuum.
    return new_engine(url, isolation_level="READ COMMITTED", poolclass=sa.NullPool)


def _key(run_id: str) -> sa.ColumnElement[int]:
    return sa.func.hashtextextended(run_id, 0)


def _locked(engine: sa.Engine, run_id: str) -> sa.Connection:
    """A connection whose transaction holds the lock of a run."""
    connection = engine.connect()
    try:
        stay_open(connection)
        # Shared: after a connection was lost, the server may still hold the lock for it.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_key(run_id))))
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def alive(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold the lock of a run that has begun, and tag the run as one that has it; see `held`."""
    with held(run_id) as taken:
        if taken:
            instance.add_run_tags(run_id, alive_tag(run_id))
        yield


@contextmanager
def held(run_id: str) -> Iterator[bool]:
    """Hold a lock in the database for as long as the block runs; it is released when the process dies.

    Yields:
        Whether the block took the lock. Another one of this process may have it already, as where the command
        that executes a run has it before the run's resources; then the last of them releases it.
    """
    with _changing:
        taken = run_id not in _held
        if taken:
            engine, ended = lock_engine(), threading.Event()
            connection = _locked(engine, run_id)
            thread = threading.Thread(target=_hold, args=(engine, connection, run_id, ended), daemon=True)
            thread.start()
            _held[run_id] = _Held(thread, ended)
        _held[run_id].blocks += 1
    try:
        yield taken
    finally:
        with _changing:
            of_run = _held[run_id]
            of_run.blocks -= 1
            if not of_run.blocks:
                del _held[run_id]
                of_run.ended.set()
                of_run.thread.join()


@dataclass
class _Held:
    """A lock that this process holds: the thread that keeps it until ``ended``, and for how many blocks."""

    thread: threading.Thread
    ended: threading.Event
    blocks: int = 0


_held: dict[str, _Held] = {}

_changing = threading.Lock()


def _hold(engine: sa.Engine, connection: sa.Connection, run_id: str, ended: threading.Event) -> None:
    """Keep the lock until ``ended``, and take it again after its connection was lost."""
    while not ended.wait(BEAT_S):
        try:
            connection.exec_driver_sql("SELECT 1")
        except sa.exc.SQLAlchemyError:  # connection lost, by a firewall or a restart of the server
            with suppress(sa.exc.SQLAlchemyError):
                connection.close()
            with suppress(sa.exc.SQLAlchemyError):
                connection = _locked(engine, run_id)
    with suppress(sa.exc.SQLAlchemyError):
        connection.close()


def close_dead_runs(instance: dg.DagsterInstance, start_s: float = SILENT_S) -> list[str]:
    """Record the runs whose process was killed as failed; takes SECOND_LOOK_S where there may be any.

    Dagster would count them as running for ever: they would keep their places in the queue and the pool, and
    their work would never be done.

    Args:
        instance: Dagster's records.
        start_s: how long a run may take to begin; START_S for the daemon, which compares its own clock with
            itself.

    Returns:
        The ids of the runs that were dead.
    """
    engine = lock_engine()
    suspects = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=_TAKEN_UP))
        if _is_lost(engine, instance, run, start_s)
    ]
    if suspects:
        time.sleep(SECOND_LOOK_S)
    dead = []
    for suspect in suspects:
        now = instance.get_run_by_id(suspect.run_id)  # it may have begun, and have its lock and tag
        lost = now is not None and _is_lost(engine, instance, now, start_s)
        run = instance.get_run_by_id(suspect.run_id)  # read last: the run may have ended just before
        if lost and run is not None and not run.is_finished:
            instance.report_run_failed(run, "The process that executed this run was killed.")
            dead.append(run.run_id)
    return dead


def _is_lost(engine: sa.Engine, instance: dg.DagsterInstance, run: dg.DagsterRun, start_s: float) -> bool:
    """Whether no process seems to execute a run."""
    if run.tags.get(_ALIVE) == run.run_id:
        return _is_unlocked(engine, run)
    starting = run.status == dg.DagsterRunStatus.STARTING
    if starting and MESSAGE_TAG in run.tags:
        # It waits for a worker, which takes the lock before anything else.
        return _is_silent(instance, run, START_S) and is_forgotten(run.tags)
    starting = starting and isinstance(instance.run_launcher, dg.DefaultRunLauncher)
    return _is_silent(instance, run, start_s if starting else SILENT_S)


def _is_unlocked(engine: sa.Engine, run: dg.DagsterRun) -> bool:
    """Whether no transaction holds the lock of a run that had one."""
    with engine.connect() as connection:
        # Its own transaction ends here, and with it the lock.
        return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_key(run.run_id)))))


def _is_silent(instance: dg.DagsterInstance, run: dg.DagsterRun, seconds: float) -> bool:
    """Whether a run without a lock has logged nothing for so long."""
    last = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    made = instance.get_run_record_by_id(run.run_id)
    if made is None:  # deleted meanwhile
        return False
    heard = last[0].timestamp if last else made.create_timestamp.timestamp()
    return time.time() - heard > seconds
