"""Worker processes of a load: started, interrupted and ended in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

import sqlalchemy as sa

from ccf_assets.cli.outcome import Outcome, database_answers
from ccf_assets.db import database
from ccf_assets.errors import CcfError, SourceUnreachableError

KILLED = (
    "Its process was killed, perhaps because memory ran out; what it had not finished was undone. Load again."
)


GRACE_S = 10
"""Longest wait for a worker to undo and record what it was told to stop doing."""

REMINDER_S = 2
"""A worker is told again after so long: while Dagster sets up a run it takes no notice of being told."""


class Worker:
    """A process for one task after the other, and another one when it was killed.

    One pool of all of them would not do: it fails every task at hand when one of its processes is killed.
    """

    def __init__(self, source: str) -> None:
        """A worker whose setting CCF_SOURCE is ``source``; its process starts with its first task."""
        self._source = source
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        # Not forked: a forked child would share the parent's database connections.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(
            1, mp_context=context, initializer=prepare_worker, initargs=(self._source,)
        )

    def submit(self, function: Callable[..., Outcome], key: str, *arguments: object) -> Future[Outcome]:
        """Begin a task; its process is started when there is none."""
        task = partial(work, function, key, *arguments)
        with spared_ctrl_c():
            try:
                return self._pool.submit(task)
            except BrokenProcessPool:
                self._pool = self._new_pool()
                return self._pool.submit(task)

    def leave(self) -> None:
        """End the process, once its task has ended."""
        self._pool.shutdown()


def outcome_of(load: Future[Outcome], key: str) -> Outcome:
    try:
        return load.result()
    except BrokenProcessPool:
        return Outcome(key, error=KILLED)


def end_workers() -> None:
    """End the workers, in order where they manage it in time."""
    workers = multiprocessing.active_children()
    for _ in range(GRACE_S // REMINDER_S):
        for worker in workers:
            worker.terminate()
        deadline = time.monotonic() + REMINDER_S
        for worker in workers:
            worker.join(max(0, deadline - time.monotonic()))
    for worker in workers:
        worker.kill()


@contextmanager
def spared_ctrl_c() -> Iterator[None]:
    """Whatever process is started here does not hear a Ctrl-C before it has left the terminal's group."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_busy = False

_ending = False


def prepare_worker(source: str) -> None:
    """Set CCF_SOURCE, leave Ctrl-C to the command, and end when the command says so or was killed."""
    os.environ["CCF_SOURCE"] = source
    # Remarks of dagster and its dependencies about each other; before anything imports them.
    warnings.simplefilter("ignore")
    # The terminal sends Ctrl-C to the command's group of processes; this one, and what it starts, is another.
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # and one that came before that
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _on_sigterm)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _on_sigterm(_number: int, _frame: object) -> None:
    """Interrupt the load at hand, which Dagster then records as failed; without one, end at once."""
    global _ending  # noqa: PLW0603 - a signal handler has nothing else to tell it to
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
    except Exception as error:  # of one atlas; the others are not to suffer for it
        if told := _told_by_database(error):
            return Outcome(key, error=told, seconds=time.monotonic() - started)
        traceback.print_exc()
        return Outcome(key, error=f"{type(error).__name__}: {error}", seconds=time.monotonic() - started)
    except BaseException:  # told to end; Dagster hears it in our place and raises an exception of its own
        _end()
    finally:
        _busy = False
        signal.signal(signal.SIGTERM, _on_sigterm)  # which Dagster has replaced, for good
        if _ending:
            _end()


def _told_by_database(error: BaseException) -> str | None:
    """A sentence with what the database said, or what was said of it; None for an error of something else."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sa.exc.DBAPIError):
        cause = cause.__cause__
    if cause is None:
        return None
    return database_answers(str(cause.orig))
