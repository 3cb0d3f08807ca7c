"""The table of docs/performance.md, from the JSON of the benchmarks: ``python -m benchmarks.page FILE …``.

What stands between the two markers in that page is written anew; the rest stays. Of several files, which are
runs of different jobs, the last that has a line counts.
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


def written(page: str, table: str) -> str:
    """The page with another table between its markers.

    Raises:
        ValueError: the page lacks a marker.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"The page has no place for the table: {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


if __name__ == "__main__":
    if not sys.argv[1:]:
        raise SystemExit("Name the JSON files: python -m benchmarks.page benchmarks.json")
    PAGE.write_text(
        written(PAGE.read_text("utf-8"), table_of([Path(name) for name in sys.argv[1:]])), "utf-8"
    )
