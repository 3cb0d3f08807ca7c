"""Answers in rows: an aligned table on a terminal, tab-separated with a header in a pipe, CSV on request.

Not here: JSON (options), and which columns an answer has (the commands).
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ccf_assets.cli.options import say
from ccf_assets.cli.terminal import width
from ccf_assets.errors import as_text

NARROWEST_TEXT = 16
"""Characters; a column of words is not made narrower than that before another column is left out."""

MOST_ROWS = 20
"""Rows that a terminal shows if no limit is given."""

_BETWEEN = 2
"""Characters between two columns."""


@dataclass(frozen=True)
class Column:
    """A column of an answer.

    Attributes:
        name: heading in a pipe and in a CSV.
        kind: a ``key`` is what people type or copy: it is never cut or left out, and broken into lines only
            where it is wider than the terminal; ``text`` is broken into lines; a ``number`` is on the right.
        title: heading on a terminal; the name if empty.
        shown: format of its numbers on a terminal.
        spare: on a narrow terminal the column with the highest is left out first; one with 0 never is.
    """

    name: str
    kind: Literal["key", "text", "number"] = "text"
    title: str = ""
    shown: str = ","
    spare: int = 0

    @property
    def heading(self) -> str:
        """Its heading on a terminal."""
        return self.title or self.name

    def cell(self, value: object) -> str:
        """A value as it is on a terminal."""
        if value is None:
            return ""
        if self.kind == "number" and not isinstance(value, str):
            return format(value, self.shown)
        return as_text(str(value))


def show(
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
    *,
    as_csv: bool = False,
    limit: int | None = 0,
) -> None:
    """Print rows to standard output, and to standard error how many more there are.

    Args:
        columns: what each row has, in order.
        rows: the values; None is an empty cell.
        as_csv: print a CSV wherever the output goes.
        limit: how many rows; 0 is all; None is `MOST_ROWS` on a terminal and all elsewhere.
    """
    if limit is None:
        limit = MOST_ROWS if sys.stdout.isatty() and not as_csv else 0
    shown = rows[:limit] if limit else rows
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        writer.writerows([["" if value is None else value for value in row] for row in shown])
    elif sys.stdout.isatty():
        if shown:
            show_aligned(columns, shown)
    else:
        print(*(column.name for column in columns), sep="\t")
        for row in shown:
            print(*(_one_line(value) for value in row), sep="\t")
    sys.stdout.flush()
    if len(shown) < len(rows):
        say(f"These are {limit:,} of {len(rows):,}; -n 0 lists all.")


def show_aligned(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as an aligned table that fits the terminal, wherever the output goes."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[column.cell(value) for column, value in zip(columns, row, strict=True)] for row in rows]
    room = width()
    chosen = _fitting(columns, cells, room)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _BETWEEN - 1, 0, 0), show_edge=False)
    for place in chosen:
        column = columns[place]
        right = column.kind == "number"
        table.add_column(
            Text(column.heading),
            justify="right" if right else "left",
            no_wrap=column.kind != "text" and _widest(columns, cells, place) <= room,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*(Text(row[place]) for place in chosen))
    Console(width=room, highlight=False).print(table)


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence[str]], room: int) -> list[int]:
    """The columns that fit, by their place: those that can be spared are left out one after the other."""
    least = [
        min(_widest(columns, cells, place), NARROWEST_TEXT)
        if column.kind == "text"
        else _widest(columns, cells, place)
        for place, column in enumerate(columns)
    ]
    chosen = list(range(len(columns)))
    spare = sorted((place for place in chosen if columns[place].spare), key=lambda at: columns[at].spare)
    while spare and sum(least[place] + _BETWEEN for place in chosen) > room:
        chosen.remove(spare.pop())
    return chosen


def _widest(columns: Sequence[Column], cells: Sequence[Sequence[str]], place: int) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, [columns[place].heading, *(row[place] for row in cells)]))


def _one_line(value: object) -> str:
    return "" if value is None else " ".join(str(value).splitlines()).replace("\t", " ")
