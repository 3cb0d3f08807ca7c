"""Processor time, user and system: other work on the machine affects it less than the clock."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil
import sqlalchemy as sa


def own_seconds() -> float:
    """Of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def server_seconds(engine: sa.Engine) -> float:
    """Of the server on this machine and all its processes, those that have ended too."""
    with engine.connect() as connection:
        folder = str(connection.scalar(sa.text("SHOW data_directory")))
    main = psutil.Process(int((Path(folder) / "postmaster.pid").read_text().split()[0]))
    own = main.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in main.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:  # ended since: the next look counts it
            continue
        total += times.user + times.system
    return float(total)
