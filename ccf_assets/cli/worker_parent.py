"""Importing it lets a process end at once: the one that workers are forked from, and no other.

By itself that process would take apart all that it has imported, for 0.4 s in which whoever reads the output
of the command waits for its end.
"""

import atexit
import multiprocessing
import os
import sys

_PARENT = os.getpid()


def _end() -> None:
    if os.getpid() == _PARENT:  # not the workers, which are forked from it
        os._exit(0)


if multiprocessing.parent_process() is None and any(
    "multiprocessing.forkserver" in word for word in sys.orig_argv
):
    atexit.register(_end)
