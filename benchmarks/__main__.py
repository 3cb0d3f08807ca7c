"""One command that measures what is to be fast, beside yardsticks in the same run: ``python -m benchmarks``.

README.md tells how to read what it prints. Exit code 1: a target was missed, or a job failed.
"""

from __future__ import annotations

import argparse
import importlib
import time
import traceback
from dataclasses import asdict
from pathlib import Path

import sqlalchemy as sa

from benchmarks import report
from benchmarks.measuring import Row, say
from benchmarks.options import Options
from benchmarks.place import Place, place_in, work_folder
from ccf_assets.sources.source import Sources

JOBS = (
    "home",
    "runs",
    "rows",
    "regions",
    "comparison",
    "questions",
    "locate",
    "sites",
    "growth",
    "together",
    "commands",
    "view",
    "idle",
)
"""The jobs, in the order they are done; each is the function ``measure`` of the module of its name."""

LONG = ("together", "growth", "idle")
"""Jobs that take long at any size, or say nothing at a small one: with --quick only if named."""

SIZES = (100, 50, 25, 10)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in text.split(","))
    if unknown := set(sizes) - set(SIZES):
        raise argparse.ArgumentTypeError(f"{min(unknown)} is none of {', '.join(map(str, SIZES))}")
    return sizes


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("give 1 or more")
    return int(text)


def _file(text: str) -> Path:
    if not Path(text).parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {Path(text).parent}")
    return Path(text)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    jobs = f"a job: {', '.join(JOBS)}; may be repeated (default all)"
    add("--only", action="append", choices=JOBS, metavar="NAME", help=jobs)
    add("--repeat", type=_count, metavar="N", help="turns of each job (default 3)")
    add("--sizes", type=_sizes, metavar="UM,UM", help="resolutions in µm (default 100,50,25,10)")
    add("--sites", type=_count, metavar="N", help="sites of the jobs sites and growth (default 1000000)")
    add("--json", type=_file, metavar="FILE", default="benchmarks.json", help="(default benchmarks.json)")
    add(
        "--quick",
        action="store_true",
        help="each job once, at 100 µm, with fewer points, sites and peers; without the longest jobs",
    )
    add("--allensdk", type=Path, metavar="PYTHON", help="a Python that has AllenSDK")
    return parser.parse_args()


def main() -> int:
    """Measure, print, write."""
    told = _parsed()
    quick = told.quick
    options = Options(
        repeat=told.repeat or (1 if quick else 3),
        sizes=told.sizes or ((100,) if quick else SIZES),
        points=100_000 if quick else 1_000_000,
        sites=told.sites or (10_000 if quick else 1_000_000),
        allensdk=told.allensdk,
        quick=quick,
    )
    rows: list[Row] = []
    failed = False
    with place_in(work_folder()) as place:
        about = {**asdict(options), "only": told.only, "source": Sources.from_settings().label}
        server = _server(place)
        for name in told.only or [job for job in JOBS if not (quick and job in LONG)]:
            say(f"--- {name}")
            begun = time.monotonic()
            try:
                for row in importlib.import_module(f"benchmarks.{name}").measure(place, options):
                    rows.append(row)
            except Exception as error:  # of one job; the others are not to suffer for it
                failed = True
                traceback.print_exc()
                rows.append(Row(name, [], note=f"failed: {str(error).strip().rpartition(chr(10))[2]}"))
            report.write_json(told.json, rows, about, server)  # now: the next job may be interrupted
            say(f"    {name} took {time.monotonic() - begun:.0f} s")
    print(f"\n{report.heading(server)}; medians of {options.repeat}\n\n{report.table(rows)}")
    met = [row.met for row in rows if row.met is not None]
    print(f"\n{met.count(True)} of {len(met)} targets are met. Every sample is in {told.json}.")
    return 1 if failed or not all(met) else 0


def _server(place: Place) -> str:
    with place.engine.connect() as connection:
        return str(connection.scalar(sa.text("SHOW server_version")))


if __name__ == "__main__":
    raise SystemExit(main())
