"""Job *idle*: how much of a core the UI, its other processes and the database use while nothing happens."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

from benchmarks.commands import PROGRAM
from benchmarks.measuring import Row, Sample, say
from benchmarks.options import Options
from benchmarks.place import Place
from ccf_assets.cli.ui import answers

PERCENT = 5
"""The most of a core."""

SETTLE_S = 90
"""Until the definitions are loaded everywhere, and what there is to do at the start is done."""

WATCHED_S = 120
"""Two minutes: each sensor has a tick within one."""


def measure(place: Place, options: Options) -> Iterator[Row]:
    """One line."""
    place.volume(options.standard_um)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([*PROGRAM, "up", "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        _wait_for(process, port)
        say(f"the UI is up; waiting {SETTLE_S + WATCHED_S} s")
        time.sleep(SETTLE_S)
        before, begun = _seconds(place, process.pid), time.monotonic()
        time.sleep(WATCHED_S)
        used = _seconds(place, process.pid) - before
        percent = 100 * used / (time.monotonic() - begun)
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
    yield Row(
        "an idle `ccf-assets up`, the database included",
        [Sample(percent)],
        target=PERCENT,
        unit="% of a core",
    )


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(120):
        if process.poll() is not None:
            break
        if answers("127.0.0.1", port):
            return
        time.sleep(1)
    raise RuntimeError("The UI ended, or did not answer within two minutes.")


def _seconds(place: Place, pid: int) -> float:
    """Processor time of the command, the server in ``place``, and all that they started, ended or not."""
    servers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(place.folder.resolve() / "postgres") in (process.info["cmdline"] or []) and process.pid != pid
    ]
    total = 0.0
    for root in (psutil.Process(pid), *servers):
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])  # own and of ended children, in user and system mode
    return total
