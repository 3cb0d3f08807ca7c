"""Worker processes of a load: how they are started, interrupted and ended in order.

Not here: what a worker does (cli.load_tasks).
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NoReturn

import sqlalchemy as sa

from ccf_assets.cli.forking import start_context, starting
from ccf_assets.cli.outcome import Outcome, database_failure
from ccf_assets.db import database
from ccf_assets.errors import CcfError, SourceUnreachableError

if TYPE_CHECKING:
    from ccf_assets.progress import Note

KILLED = (
    "Its process was killed, perhaps because memory ran out; what it had not finished was undone. Load again."
)


GRACE_S = 10
"""Longest wait for a worker to roll back and record what it was interrupted in."""

REMINDER_S = 2
"""A worker gets SIGTERM again after so long: while Dagster sets up a run, the first has no effect."""


class Worker:
    """A process that does one task after the other; if it is killed, another takes its place.

    One pool for all processes would not do: when one of them is killed, the pool fails the tasks of all.
    """

    def __init__(self, source: str) -> None:
        """A worker whose setting CCF_SOURCE is ``source``; its process starts with its first task."""
        self._source = source
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        context = start_context()
        # A pipe of its own: a lock that workers shared would stay locked when one of them is killed.
        self._notes, self._theirs = context.Pipe(duplex=False)
        # The process that workers are forked from may have started before a variable was set.
        variables = {**os.environ, "CCF_SOURCE": self._source}
        return ProcessPoolExecutor(
            1, mp_context=context, initializer=prepare_worker, initargs=(variables, self._theirs)
        )

    def submit(self, function: Callable[..., Outcome], key: str, *arguments: object) -> Future[Outcome]:
        """Begin a task; starts the process if there is none."""
        task = partial(work, function, key, *arguments)
        with starting():
            try:
                submitted = self._pool.submit(task)
            except BrokenProcessPool:
                self._pool = self._new_pool()
                submitted = self._pool.submit(task)
        self._theirs.close()  # the process has its own by now: when it is gone, reading ends
        return submitted

    def notes(self) -> Iterator[Note]:
        """What the process has reported since the last call."""
        with suppress(EOFError, OSError):
            while self._notes.poll():
                yield self._notes.recv()

    def leave(self) -> None:
        """End the process as soon as its task has ended."""
        self._pool.shutdown()


def outcome_of(load: Future[Outcome], key: str) -> Outcome:
    """The outcome of a task, also when its process was killed; waits for it."""
    try:
        return load.result()
    except BrokenProcessPool:
        return Outcome(key, error=KILLED)


def end_workers() -> None:
    """End all workers: by SIGTERM, and those that do not end in time by SIGKILL."""
    workers = multiprocessing.active_children()
    for _ in range(GRACE_S // REMINDER_S):
        for worker in workers:
            worker.terminate()
        deadline = time.monotonic() + REMINDER_S
        for worker in workers:
            worker.join(max(0, deadline - time.monotonic()))
    for worker in workers:
        worker.kill()


_busy = False

_ending = False


def prepare_worker(variables: Mapping[str, str], notes: Connection) -> None:
    """Take over the command's variables, leave Ctrl-C to it, and end when it says so or was killed.

    Args:
        variables: of the environment, all of them.
        notes: receives what the tasks report.
    """
    os.environ.clear()
    os.environ.update(variables)
    # No warnings of Dagster and its dependencies about each other; before anything imports them.
    warnings.simplefilter("ignore")
    # Two processes that set up Dagster's tables at once: one waits and tries again; Dagster warns of it.
    logging.getLogger().addFilter(lambda record: "Retrying failed database" not in record.getMessage())
    # The terminal sends Ctrl-C to the command's process group; this process and its children leave it.
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # drops a Ctrl-C that came before
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _on_sigterm)
    threading.Thread(target=_follow_parent, daemon=True).start()
    _report_to(notes)
    database.keep_connections()


def _report_to(notes: Connection) -> None:
    from ccf_assets.runs.console import deliver_to

    one_at_a_time = threading.Lock()

    def send(note: Note) -> None:
        with one_at_a_time, suppress(OSError):  # the command is gone, and so will this process be
            notes.send(note)

    deliver_to(send)


def _on_sigterm(_number: int, _frame: object) -> None:
    """Interrupt the task in progress, which Dagster records as failed; without one, end at once."""
    global _ending  # noqa: PLW0603 - a signal handler has no other place for it
    if _ending:
        return
    _ending = True
    if not _busy:
        _end()
    raise KeyboardInterrupt


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        for _ in range(GRACE_S // REMINDER_S):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(REMINDER_S)
        _end()


def _end() -> NoReturn:
    sys.stderr.flush()
    database.leave()
    os._exit(1)


def work(function: Callable[..., Outcome], key: str, *arguments: object) -> Outcome:
    """Call ``function`` and turn whatever it raises into an outcome."""
    global _busy  # noqa: PLW0603
    _busy = True
    started = time.monotonic()
    try:
        return function(key, *arguments)
    except CcfError as error:
        unreachable = isinstance(error, SourceUnreachableError)
        return Outcome(key, error=str(error), unreachable=unreachable, seconds=time.monotonic() - started)
    except Exception as error:  # of one atlas; the others go on
        if (lost := _database_error(error)) is not None:
            return Outcome(key, error=database_failure(lost), seconds=time.monotonic() - started)
        traceback.print_exc()
        return Outcome(key, error=f"{type(error).__name__}: {error}", seconds=time.monotonic() - started)
    except BaseException:  # SIGTERM: Dagster handles it during a run and raises an exception of its own
        _end()
    finally:
        _busy = False
        signal.signal(signal.SIGTERM, _on_sigterm)  # Dagster has replaced it and does not restore it
        if _ending:
            _end()


def _database_error(error: BaseException) -> sa.exc.DBAPIError | None:
    """The database's error that led to ``error``; None if another one did."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sa.exc.DBAPIError):
        cause = cause.__cause__
    return cause
