"""Job *commands*: how long a command of the program takes that has little to do, with the server up."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.measuring import Row, Sample, Way, in_turns, timed
from benchmarks.options import Options
from benchmarks.place import Place

PROGRAM = [sys.executable, "-c", "from ccf_assets.cli.main import main; main()"]

SECONDS = {
    ("--help",): 0.5,
    ("region", "VISp"): 1.5,
    ("status",): 1.5,
    ("locate", "6600", "4000", "5000"): 1.5,
}
"""Arguments → the longest that `ccf-assets` may take with them."""


def measure(place: Place, options: Options) -> Iterator[Row]:
    """A line for each command."""
    place.volume(options.standard_um)
    ways = {
        arguments: Way(f"ccf-assets {' '.join(arguments)}", partial(_run, arguments)) for arguments in SECONDS
    }
    for way in ways.values():
        way.take()  # what the first run compiles and reads from disk is not to count
    samples = in_turns(list(ways.values()), options.repeat)
    for arguments, way in ways.items():
        yield Row(way.name, samples[way.name], target=SECONDS[arguments])


def _run(arguments: tuple[str, ...]) -> Sample:
    command = [*PROGRAM, *arguments]
    before = children_seconds()
    seconds = timed(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))
    return Sample(seconds, details={"processor_seconds": children_seconds() - before})


def children_seconds() -> float:
    """Of the commands that have ended, user and system; without the server's, which is no child."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
