"""The table of docs/performance.md, from the JSON of the benchmarks: ``python -m benchmarks.page FILE …``.

What stands between the two markers in that page is written anew; the rest stays. Of several files, which are
runs of different jobs, the last that has a line counts. With ``--keep`` so do the lines of the page that no
file has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.measuring import Row, Sample

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

BEGIN, END = "<!-- from the JSON of the benchmarks -->", "<!-- end of the table -->"


def rows_in(told: Mapping[str, Any]) -> list[Row]:
    """The lines that a JSON file of the benchmarks has."""
    names = ("job", "yardstick", "target", "unit", "note")
    return [
        Row(**{name: row[name] for name in names}, ours=_samples(row["ours"]), theirs=_theirs(row["theirs"]))
        for row in told["rows"]
    ]


def _samples(told: Sequence[Mapping[str, Any]]) -> list[Sample]:
    return [Sample(**sample) for sample in told]


def _theirs(told: Sequence[Mapping[str, Any]] | None) -> list[Sample] | None:
    return None if told is None else _samples(told)


def _measured_on(told: Mapping[str, Any]) -> str:
    machine, versions, options = told["machine"], told["versions"], told["options"]
    volumes = (
        "the phantom" if options["source"] == "the phantom" else "the official volumes"
    )  # no folder's name
    return (
        f"Measured {told['measured_at'][:10]} on {machine['cores']} cores with {machine['memory_gb']:.0f} GB "
        f"(load average {machine['load_average']:.1f}), PostgreSQL {versions['postgresql']}, "
        f"Python {versions['python']}, {volumes}; medians of {options['repeat']}."
    )


def table_of(files: Sequence[Path]) -> str:
    """What stands between the markers: of each file what it was measured on, and the table of all."""
    rows: dict[tuple[str, str], Row] = {}
    measured: dict[str, None] = {}  # in order, each once
    for file in files:
        told = json.loads(file.read_text("utf-8"))
        measured[_measured_on(told)] = None
        rows |= {(row.job, row.yardstick): row for row in rows_in(told)}
    return "\n".join([*measured, "", report.table(list(rows.values()))])


def written(page: str, table: str, *, keep: bool = False) -> str:
    """The page with another table between its markers.

    Args:
        page: as it is.
        table: of `table_of`.
        keep: with the lines of the old table that the new one has not, in their places.

    Raises:
        ValueError: the page lacks a marker.
    """
    before, begin, rest = page.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"The page has no place for the table: {BEGIN} and {END}.")
    if keep:
        table = _merged(old.strip(), table)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def _merged(old: str, new: str) -> str:
    """The lines of both tables; of a job beside the same yardstick the new one."""
    measured: dict[str, None] = {}
    lines: dict[tuple[str, ...], str] = {}
    for line in [*old.splitlines(), *new.splitlines()]:
        cells = line.split(" | ")
        if len(cells) > 1:
            _, _, _, yardstick, theirs, *_ = cells
            if theirs or not yardstick:  # not a yardstick that was not there this time
                lines[cells[0], yardstick] = line
            else:
                lines.setdefault((cells[0], yardstick), line)
        elif line:
            measured[line] = None
    return "\n".join([*measured, "", *lines.values()])


if __name__ == "__main__":
    names = [name for name in sys.argv[1:] if name != "--keep"]
    if not names:
        raise SystemExit("Name the JSON files: python -m benchmarks.page benchmarks.json")
    table = table_of([Path(name) for name in names])
    PAGE.write_text(written(PAGE.read_text("utf-8"), table, keep="--keep" in sys.argv), "utf-8")
