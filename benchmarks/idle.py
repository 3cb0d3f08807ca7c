"""Job *idle*: what the UI and the database use while nothing happens, and how soon they take up a file.

A file of recording sites is dropped into the folder of recordings, as a lab does it, and its regions are
waited for.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import sqlalchemy as sa

from benchmarks.commands import PROGRAM
from benchmarks.measuring import Row, Sample, say
from benchmarks.options import Options
from benchmarks.place import Place
from ccf_assets.cli.ui import answers
from ccf_assets.db import schema

PERCENT = 5
"""The most of a core."""

SETTLE_S = 90
"""Until the definitions are loaded everywhere, and what there is to do at the start is done."""

WATCHED_S = 300
"""Five minutes: each sensor has a tick within one, and the daemon its rarer duties."""

SITES = 384
"""Of a dropped file: the channels of a probe that are read at a time."""

REGISTERED_S = 15
"""The longest until the sites of a dropped file have their regions."""

_PATIENCE_S = 120


def measure(place: Place, options: Options) -> Iterator[Row]:
    """Two lines."""
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
        registered = [_dropped(place, number) for number in range(options.repeat)]
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
    yield Row(f"a dropped file of {SITES} sites, until they have regions", registered, target=REGISTERED_S)


def _dropped(place: Place, number: int) -> Sample:
    """Drop a file with a probe's sites, and wait for the region of each."""
    time.sleep(7 + number)  # not in step with the sensor, which looks every five seconds
    name, folder = f"dropped_{number}", place.folder / "recordings"
    (folder / f"{name}.toml").write_text('frame = "ccf"\n')
    lines = [f"{name},{site},{6600},{1000 + 10 * site},{4200 + 100 * number}" for site in range(SITES)]
    begun = time.monotonic()
    (folder / f"{name}.csv").write_text("\n".join(["recording_id,site_id,x,y,z", *lines, ""]))
    region = schema.recording_region.c
    query = sa.select(sa.func.count(region.site_id.distinct())).where(region.recording_id == name)
    while time.monotonic() - begun < _PATIENCE_S:
        with place.engine.connect() as connection:
            if connection.scalar(query) == SITES:
                return Sample(time.monotonic() - begun)
        time.sleep(0.2)
    raise RuntimeError(f"The sites of {name}.csv had no regions within {_PATIENCE_S} s.")


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
