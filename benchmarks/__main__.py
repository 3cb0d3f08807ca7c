"""One command that measures what is to be fast, beside yardsticks in the same run: ``python -m benchmarks``.

README.md tells how to read what it prints. Exit code 1: a target was missed, or a job failed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import traceback
from dataclasses import asdict
from pathlib import Path

import sqlalchemy as sa

from benchmarks import report
from benchmarks.measuring import Row, say
from benchmarks.options import Options
from benchmarks.place import Place, place_in, work_folder

JOBS = ("runs", "rows", "regions", "questions", "locate", "sites", "together", "commands")
"""The jobs, in the order they are done; each is the function ``measure`` of the module of its name."""

SIZES = (100, 50, 25, 10)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in text.split(","))
    if unknown := set(sizes) - set(SIZES):
        raise argparse.ArgumentTypeError(f"{min(unknown)} is none of {', '.join(map(str, SIZES))}")
    return sizes


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only",
        action="append",
        choices=JOBS,
        metavar="NAME",
        help=f"one of {', '.join(JOBS)}; may be repeated",
    )
    parser.add_argument("--repeat", type=int, help="turns of each job (default 3)")
    parser.add_argument("--sizes", type=_sizes, help="resolutions in µm (default 100,50,25,10)")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="where everything measured is written (default benchmarks.json)",
        default=Path("benchmarks.json"),
    )
    parser.add_argument(
        "--quick", action="store_true", help="each job once, at 100 µm, with fewer points and sites"
    )
    parser.add_argument("--allensdk", type=Path, metavar="PYTHON", help="a Python that has AllenSDK")
    return parser.parse_args()


def main() -> int:
    """Measure, print, write."""
    told = _parsed()
    quick = told.quick
    options = Options(
        repeat=told.repeat or (1 if quick else 3),
        sizes=told.sizes or ((100,) if quick else SIZES),
        points=100_000 if quick else 1_000_000,
        sites=10_000 if quick else 1_000_000,
        allensdk=told.allensdk,
    )
    rows: list[Row] = []
    failed = False
    with place_in(work_folder()) as place:
        server = _server(place)
        for name in told.only or JOBS:
            say(f"--- {name}")
            try:
                rows.extend(importlib.import_module(f"benchmarks.{name}").measure(place, options))
            except Exception as error:  # of one job; the others are not to suffer for it
                traceback.print_exc()
                rows.append(
                    Row(name, [], note=f"failed: {str(error).splitlines()[-1:] or type(error).__name__}")
                )
                failed = True
    source = os.environ["CCF_SOURCE"]
    report.write_json(told.json, rows, {**asdict(options), "only": told.only, "source": source}, server)
    print(f"\n{report.heading(server)}; medians of {options.repeat}\n\n{report.table(rows)}")
    met = [row.met for row in rows if row.met is not None]
    print(f"\n{met.count(True)} of {len(met)} targets are met. Every sample is in {told.json}.")
    return 1 if failed or not all(met) else 0


def _server(place: Place) -> str:
    with place.engine.connect() as connection:
        return str(connection.scalar(sa.text("SHOW server_version")))


if __name__ == "__main__":
    raise SystemExit(main())
