"""Files of a million sites, registered one after the other: ``python -m benchmarks.many_sites``.

It tells what the last ten millions take beside the first ten. The machine may be busy with other work, so the
processor time of the server and of the loading process stand beside the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa

from benchmarks.growth import WARM_UP, register, write_file
from benchmarks.measuring import apart, say
from benchmarks.place import Place, place_in, work_folder
from benchmarks.sites import PER_RECORDING
from ccf_assets import settings

MILLION = 1_000_000

COMPARED = 10
"""So many files at the end are compared with as many at the beginning."""


@dataclass(frozen=True)
class Registered:
    """One file of a million sites, registered in one run.

    Attributes:
        seconds: by the clock.
        server_s: processor time, user and system, of all processes of the server.
        loading_s: the same of the process that reads the file.
        gigabytes: the tables of sites and regions afterwards, with their indexes.
        steps: seconds of each step of the run, by name.
    """

    seconds: float
    server_s: float
    loading_s: float
    gigabytes: float
    steps: dict[str, float]

    @property
    def worked_s(self) -> float:
        """All processor time."""
        return self.server_s + self.loading_s


def measure(place: Place, millions: int, size_um: int) -> Iterator[Registered]:
    """Register so many files of a million sites of probes, each of recordings of its own."""
    volume = place.volume(size_um)
    apart(write_file, volume, WARM_UP, PER_RECORDING)
    apart(register, [WARM_UP])
    for number in range(millions):
        name = f"file{number}"
        apart(write_file, volume, name, MILLION)
        place.settle()
        before = _server_seconds(place.engine)
        sample = apart(_register, name)
        yield Registered(
            seconds=sample[0],
            server_s=_server_seconds(place.engine) - before,
            loading_s=sample[1],
            gigabytes=_gigabytes(place.engine),
            steps=sample[2],
        )
        for ending in (".csv", ".toml"):
            (settings.recordings() / name).with_suffix(ending).unlink()


def _register(name: str) -> tuple[float, float, dict[str, float]]:
    before = _own_seconds()
    sample = register([name])
    return sample.value, _own_seconds() - before, dict(sample.details)


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _server_seconds(engine: sa.Engine) -> float:
    """Processor time of the server and of all its processes, those that have ended too."""
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


_SIZE = """
SELECT sum(pg_total_relation_size(c.oid)) / 1e9 FROM pg_class AS c
WHERE c.relnamespace = 'ccf'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^recording_(site|region)'
"""


def _gigabytes(engine: sa.Engine) -> float:
    with engine.connect() as connection:
        return float(connection.scalar(sa.text(_SIZE)) or 0)


def summary(files: Sequence[Registered]) -> list[str]:
    """What the last files take beside the first ones, in words."""
    compared = min(COMPARED, len(files) // 2) or 1
    lines = []
    for what, of in (("seconds", "seconds"), ("processor seconds", "worked_s")):
        first, last = (
            statistics.median(getattr(file, of) for file in part)
            for part in (files[:compared], files[-compared:])
        )
        lines.append(
            f"{what} for a million: {first:.1f} in the first {compared}, {last:.1f} in the last {compared}, "
            f"{last / first:.2f} times"
        )
    return [*lines, f"{files[-1].gigabytes:.1f} GB for {len(files)} million sites in one atlas"]


def main() -> None:
    """Measure, with a line for each file, and write all samples to a file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.many_sites", description=__doc__.partition("\n")[0]
    )
    add = parser.add_argument
    add("--millions", type=int, default=30, metavar="N", help="files of a million sites (default 30: 10 GB)")
    add("--partitions", type=int, default=1, metavar="N", help="CCF_SITE_PARTITIONS (default 1)")
    add("--size", type=int, default=50, metavar="UM", help="resolution of the atlas in µm (default 50)")
    add("--json", type=Path, default=Path("many_sites.json"), metavar="FILE", help="all samples")
    told = parser.parse_args()
    os.environ["CCF_SITE_PARTITIONS"] = str(told.partitions)
    files = []
    with place_in(work_folder(), warm_up=False) as place:
        for file in measure(place, told.millions, told.size):
            files.append(file)
            say(
                f"{len(files)}/{told.millions}  {file.seconds:.1f} s, server {file.server_s:.1f} s, "
                f"loading {file.loading_s:.1f} s, {file.gigabytes:.1f} GB"
            )
            samples = {"partitions": told.partitions, "files": [asdict(one) for one in files]}
            told.json.write_text(json.dumps(samples, indent=1), "utf-8")
    print("\n".join(summary(files)))


if __name__ == "__main__":
    main()
