"""Files of a million sites into a database that has many already: ``python -m benchmarks.many_sites``.

At each size some files are registered by the program, one after the other; what is between two sizes is
filled with copies of the first million, by SQL. The machine may be busy with other work, so the processor
time of the server and of the loading process stands beside the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from benchmarks.growth import WARM_UP, register, write_file
from benchmarks.measuring import apart, say
from benchmarks.place import Place, place_in, work_folder
from benchmarks.processor import own_seconds, server_seconds
from benchmarks.sites import PER_RECORDING
from ccf_assets import settings

MILLION = 1_000_000

FILES = 3
"""Registered at each size; the last of them makes the database as large as the size says."""


@dataclass(frozen=True)
class Registered:
    """One file of a million sites, registered in one run.

    Attributes:
        millions: of sites that are there afterwards.
        seconds: by the clock.
        server_s: processor time, user and system, of all processes of the server.
        loading_s: the same of the process that reads the file.
        gigabytes: the tables of sites and regions afterwards, with their indexes.
        steps: seconds of each step of the run, by name.
    """

    millions: int
    seconds: float
    server_s: float
    loading_s: float
    gigabytes: float
    steps: dict[str, float]

    @property
    def worked_s(self) -> float:
        """All processor time."""
        return self.server_s + self.loading_s


def measure(place: Place, sizes: Sequence[int], size_um: int) -> Iterator[Registered]:
    """Register files of a million sites of probes at each size, each of recordings of its own.

    Args:
        place: an empty one.
        sizes: how many million sites are there in the end; the first is that of an empty database.
        size_um: resolution of the one atlas.
    """
    volume = place.volume(size_um)
    apart(write_file, volume, WARM_UP, PER_RECORDING)
    apart(register, [WARM_UP])
    there = 0
    for size in sizes:
        while there < size - FILES:
            _fill(place.engine, there)
            there += 1
            say(f"filled: {there} million")
        for _ in range(FILES):
            name = f"file{there}"
            apart(write_file, volume, name, MILLION)
            place.settle()
            before = server_seconds(place.engine)
            seconds, loading_s, steps = apart(_register, name)
            there += 1
            server_s = server_seconds(place.engine) - before
            yield Registered(there, seconds, server_s, loading_s, _gigabytes(place.engine), steps)
            for ending in (".csv", ".toml"):
                (settings.home() / "recordings" / name).with_suffix(ending).unlink()


def _register(name: str) -> tuple[float, float, dict[str, float]]:
    before = own_seconds()
    sample = register([name])
    return sample.value, own_seconds() - before, dict(sample.details)


_FILLED = """
SET LOCAL session_replication_role = replica; SET LOCAL work_mem = '256MB';
INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source)
SELECT replace(recording_id, 'file0', 'file{n}'), site_id, ap, dv, ml, frame, 'file{n}.csv'
FROM ccf.recording_site WHERE source = 'file0.csv' ORDER BY recording_id, site_id;
INSERT INTO ccf.recording_region
SELECT replace(recording_id, 'file0', 'file{n}'), site_id, ccf_id, x, y, z, hemisphere, region_id, status,
       'file{n}.csv', voxels_of, surface_of
FROM ccf.recording_region WHERE source = 'file0.csv' ORDER BY recording_id, site_id;
"""
"""The first million once more, as the file with the number n. The triggers that count rows fire all the
same; foreign keys, which hold, are not checked."""


def _fill(engine: sa.Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(_FILLED.format(n=number))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("recording_site", "recording_region"):
            rows = connection.scalar(
                sa.text("SELECT reltuples FROM pg_class WHERE oid = to_regclass(:t)"), {"t": f"ccf.{table}"}
            )
            if (rows or 0) / 10 < MILLION:  # as a load does
                connection.exec_driver_sql(f"ANALYZE ccf.{table}")


_SIZE = """
SELECT sum(pg_total_relation_size(c.oid)) / 1e9 FROM pg_class AS c
WHERE c.relnamespace = 'ccf'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^recording_(site|region)'
"""


def _gigabytes(engine: sa.Engine) -> float:
    with engine.connect() as connection:
        return float(connection.scalar(sa.text(_SIZE)) or 0)


def summary(files: Sequence[Registered]) -> list[str]:
    """What a million takes at each size beside the first size, in words; the medians of its files."""

    def middle(of: str, some: Sequence[Registered]) -> float:
        return float(statistics.median(getattr(file, of) for file in some))

    lines, first = [], files[:FILES]
    for start in range(0, len(files), FILES):
        part = files[start : start + FILES]
        clock, work = middle("seconds", part), middle("worked_s", part)
        lines.append(
            f"{part[-1].millions} million, {part[-1].gigabytes:.1f} GB: {clock:.1f} s for a million "
            f"({clock / middle('seconds', first):.2f} times), {work:.1f} s of processor time "
            f"({work / middle('worked_s', first):.2f} times)"
        )
    return lines


def main() -> None:
    """Measure, with a line for each file, and write all samples to a file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.many_sites", description=__doc__.partition("\n")[0]
    )
    add = parser.add_argument
    sizes = "million sites at which is measured, with commas between (default 3,10,30: 13 GB)"
    add("--millions", default="3,10,30", metavar="N,N", help=sizes)
    add("--partitions", type=int, default=1, metavar="N", help="CCF_SITE_PARTITIONS (default 1)")
    add("--size", type=int, default=50, metavar="UM", help="resolution of the atlas in µm (default 50)")
    server = "CCF_POSTGRES_URL of an empty database on this machine (default: the embedded server)"
    add("--server", metavar="URL", help=server)
    add("--json", type=Path, default=Path("many_sites.json"), metavar="FILE", help="all samples")
    told = parser.parse_args()
    files = []
    with place_in(work_folder(), warm_up=False) as place:
        os.environ["CCF_SITE_PARTITIONS"] = str(told.partitions)
        if told.server:
            os.environ["CCF_POSTGRES_URL"] = told.server
        for file in measure(place, [int(size) for size in told.millions.split(",")], told.size):
            files.append(file)
            say(
                f"{file.millions} million: {file.seconds:.1f} s, server {file.server_s:.1f} s, "
                f"loading {file.loading_s:.1f} s, {file.gigabytes:.1f} GB"
            )
            samples = {"partitions": told.partitions, "files": [asdict(one) for one in files]}
            told.json.write_text(json.dumps(samples, indent=1), "utf-8")
    print("\n".join(summary(files)))


if __name__ == "__main__":
    main()
