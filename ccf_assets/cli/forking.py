"""The process that the workers of a load are forked from, which imports for all of them.

Little is imported here, so that it can begin before the command has imported what it needs itself. Not here:
what it imports (worker_imports), and the workers (workers).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver


def start_context() -> multiprocessing.context.BaseContext:
    """How processes start: none is forked from this one, whose database connections it would share.

    On Linux they are forked from a process that has imported what they need and done nothing else. To import
    it takes 2 s of processor time, which are spent once, whatever the number of workers. Elsewhere each
    imports by itself: the libraries of macOS may have threads after an import, and do not survive a fork;
    and Python 3.10 would import modules that happen to be in the folder where the command is given
    (`starting`).
    """
    if sys.platform != "linux" or not hasattr(sys.flags, "safe_path"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ccf_assets.cli.worker_imports", "ccf_assets.cli.worker_parent"])
    return context


def import_ahead() -> None:
    """Let the process that workers are forked from import meanwhile, beside what the command does first."""
    if start_context().get_start_method() == "forkserver":
        with starting():
            forkserver.ensure_running()


@contextmanager
def starting() -> Iterator[None]:
    """A process started in this block ignores Ctrl-C until it has left the terminal's process group.

    It looks for modules where this process does. By itself it would look in the current folder first, and
    import a lab's random.py.
    """
    places = os.pathsep.join(map(os.path.abspath, sys.path))
    variables = {"PYTHONSAFEPATH": "1", "PYTHONPATH": places}
    before = {name: os.environ.get(name) for name in variables}
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
