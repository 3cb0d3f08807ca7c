"""The README and the pages of docs/, run as a reader runs them.

What a page says is compared with what really comes:

- SQL: a block ```` ```text ```` right after a block ```` ```sql ```` is its answer as psql prints it. So is a
  comment ``-- → …`` below a query: its first row, or ``N rows``, or ``N rows …; the first: …``.
- Python: ``expression  # → …`` is what the expression prints.
- Commands: the lines below ``$ ccf-assets …``. A line ``…`` stands for any others.
- Files: a block ```` ```csv NAME ```` or ```` ```toml NAME ```` is the file of that name.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from typer.testing import CliRunner

from ccf_assets.cli import main

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"

NOT_RUN = ("divide-sites", "drop", "load", "pg_dump", "pg_restore", "psql", "roles", "up", "url")
"""Of these it is only seen that they exist: they change the database, start a program, or wait."""


FILLED_ON_REQUEST = ("ccf.region_consistency",)
"""Tables that are empty in the tests: to fill this one for the real atlases takes longer than all pages."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the rest of its first line, its text, and a text block right below it."""

    language: str
    name: str
    text: str
    below: str | None = None


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in its order."""
    found = re.findall(
        r"^```(\w+) ?(.*)\n((?:.*\n)*?)```\n(?:\n```text\n((?:.*\n)*?)```$)?",
        page.read_text("utf-8"),
        re.MULTILINE,
    )
    return [Block(language, name, text, below or None) for language, name, text, below in found]


# ---- SQL


@dataclass(frozen=True)
class Query:
    """A statement, and the answer that a comment below it gives."""

    statement: str
    answer: str | None


def queries(text: str) -> list[Query]:
    """The statements of a block of SQL, each of which ends in a semicolon."""
    lines = [line for line in text.splitlines() if line.startswith("-- → ") or not line.startswith("--")]
    found = re.findall(r"([^;]+;)[^\n]*(?:\n-- → (.*))?", "\n".join(lines))
    return [Query(statement.strip(), answer or None) for statement, answer in found]


def ask(engine: sa.Engine, statement: str) -> list[list[str]]:
    """The names of the columns, then the rows, as psql writes their values."""
    with engine.connect() as connection:
        answer = connection.exec_driver_sql(statement.replace("%", "%%"))
        return [list(answer.keys()), *([_shown(value) for value in row] for row in answer)]


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.15g}"
    return "" if value is None else str(value)


def table(text: str) -> list[list[str]]:
    """The cells of a table as psql prints it."""
    lines = [line for line in text.splitlines() if not re.fullmatch(r"-[-+]*", line)]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def differs(query: Query, answer: list[list[str]]) -> str | None:
    """Where an answer is not the one in the comment below its query."""
    if query.answer is None:
        return None
    said = re.fullmatch(r"(?:(\d+) rows?[^;]*)?(?:(?:; the first: )?(.*))?", query.answer)
    assert said, query.answer
    rows, first = said.groups()
    if rows and len(answer) - 1 != int(rows):
        return f"{query.statement}: {len(answer) - 1} rows, not {rows}"
    if first and " | ".join(answer[1]) != first:
        return f"{query.statement}: {' | '.join(answer[1])}, not {first}"
    return None


def wrong_answers(block: Block, query: Query, engine: sa.Engine) -> list[str]:
    """Run a query of a block; what is not as the page has it."""
    answer = ask(engine, query.statement)
    if len(answer) == 1 and not any(table in query.statement for table in FILLED_ON_REQUEST):
        return [f"{query.statement}: no rows"]
    if block.below is not None and answer != table(block.below):
        return [f"{query.statement}: {answer}, not {table(block.below)}"]
    return list(filter(None, [differs(query, answer)]))


# ---- Python and commands


def wrong_lines(block: Block, names: dict[str, Any]) -> list[str]:
    """Run a block of Python in ``names``; the lines whose value is not the one behind the arrow."""
    exec(block.text, names)
    said = re.findall(r"^(.*?)  # → (.*)$", block.text, re.MULTILINE)
    return [line for line, value in said if str(eval(line, names)) != value]


def wrong_commands(block: Block, folder: Path) -> list[str]:
    """Run the commands of a console block; those that fail or print something else."""
    wrong = []
    for call, printed in re.findall(r"^\$ ccf-assets (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
        done = run(call.partition("  #")[0], folder)
        lines = "".join(".*" if line == "…" else re.escape(line) + "\n" for line in printed.splitlines())
        run_for_real = shlex.split(call, comments=True)[0] not in NOT_RUN
        if done.exit_code or (run_for_real and printed and not re.fullmatch(lines, done.output, re.DOTALL)):
            wrong.append(f"{call}: {done.output}")
    return wrong


def run(call: str, folder: Path) -> Any:
    """Run a command, given without its name; the files it writes are in ``folder``."""
    arguments = shlex.split(call)
    for place, argument in enumerate(arguments):
        if place and arguments[place - 1] == "-o":
            arguments[place] = str(folder / argument)
    if arguments[0] in NOT_RUN:
        arguments = [arguments[0], "--help"]
    return CliRunner().invoke(main.app, arguments)
